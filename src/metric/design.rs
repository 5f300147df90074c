//! A benchmark's items cut into cells (subset × language) of units, and the clusters that resampling
//! draws.
//!
//! A unit is what a metric looks at in one go: an item, or for the rule `ties` the two prompts that share
//! a number. A cluster is a source item with all that was made from it: its translations, and for `ties`
//! both prompts. Strata are the sets of subsets that clusters occur in, since scores are weighted subset
//! means: a source id that occurs in several subsets is one cluster of its own stratum, drawn with all
//! its rows. All runs share one design, so that every difference between runs is paired.

use std::collections::HashMap;

use rmbench_resampling::clusters::Clusters;

use crate::benchmark::manifest::{Manifest, Rule};
use crate::lang::Lang;
use crate::table::item::{ItemTable, Symbol};

pub use rmbench_contributions::unit::{Members, Unit, among, clusters_of};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsetHere {
    pub name: String,
    /// The manifest's category, or the data's own where the manifest is open.
    pub category: Option<String>,
    pub rule: Rule,
    /// In the manifest, or taken from the data by an open one; other subsets count towards no category.
    pub known: bool,
}

#[derive(Debug, Clone)]
pub struct Cell {
    pub subset: usize,
    pub lang: Lang,
    pub units: Vec<Unit>,
    /// No cluster has two units here: the units are independent.
    pub distinct: bool,
}

#[derive(Debug, Clone)]
pub struct Design {
    /// Manifest order, then what only the data have.
    pub subsets: Vec<SubsetHere>,
    /// Languages of the benchmark's own items, in order of code.
    pub langs: Vec<Lang>,
    pub cells: Vec<Cell>,
    pub n_clusters: usize,
    /// Clusters by stratum.
    pub strata: Vec<Vec<u32>>,
    /// Items of rule `ties` whose id names no kind.
    pub n_unnamed: usize,
    own: HashMap<(usize, Lang), usize>,
    /// By subset: the cell with the English originals.
    english: Vec<Option<usize>>,
}

impl Design {
    /// `benchmark` names the items; the English originals come from the benchmark itself or from the one
    /// the manifest names, where the table has it.
    pub fn new(table: &ItemTable, benchmark: Symbol, manifest: &Manifest) -> Design {
        let mut plan = Plan { table, manifest, subsets: Vec::new(), clusters: HashMap::new(), n_unnamed: 0 };
        if !manifest.open {
            plan.subsets = manifest
                .subsets()
                .map(|(category, subset)| SubsetHere {
                    name: subset.name.clone(),
                    category: Some(category.name.clone()),
                    rule: subset.rule.unwrap_or(manifest.rule),
                    known: true,
                })
                .collect();
        }
        let mut cells = plan.cells(benchmark, None);
        let mut langs: Vec<Lang> = cells.iter().map(|cell| cell.lang).collect();
        langs.sort_unstable();
        langs.dedup();
        let own: HashMap<_, _> = cells.iter().enumerate().map(|(i, cell)| ((cell.subset, cell.lang), i)).collect();
        let mut english: Vec<Option<usize>> =
            (0..plan.subsets.len()).map(|subset| own.get(&(subset, Lang::ENGLISH)).copied()).collect();
        let counterpart = manifest.english.as_deref().and_then(|name| table.symbols.get(name));
        if let (Some(counterpart), false) = (counterpart, langs.contains(&Lang::ENGLISH)) {
            for cell in plan.cells(counterpart, Some(Lang::ENGLISH)) {
                if let Some(place) = english.get_mut(cell.subset) {
                    *place = Some(cells.len());
                    cells.push(cell);
                }
            }
        }
        let n_clusters = plan.clusters.len();
        let strata = strata(&cells, n_clusters);
        Design { subsets: plan.subsets, langs, cells, n_clusters, strata, n_unnamed: plan.n_unnamed, own, english }
    }

    /// The benchmark's own cell.
    pub fn cell(&self, subset: usize, lang: Lang) -> Option<usize> {
        self.own.get(&(subset, lang)).copied()
    }

    /// The cell with a subset's English originals.
    pub fn english(&self, subset: usize) -> Option<usize> {
        self.english.get(subset).copied().flatten()
    }

    /// Whether no source item occurs twice in these cells, so that their items are independent.
    pub fn is_independent(&self, cells: &[usize]) -> bool {
        match cells {
            [] => false,
            [only] => self.cells[*only].distinct,
            several => {
                let mut seen = vec![false; self.n_clusters];
                let mut units = several.iter().flat_map(|cell| &self.cells[*cell].units);
                units.all(|unit| !std::mem::replace(&mut seen[unit.cluster as usize], true))
            }
        }
    }

    /// What resampling draws.
    pub fn clusters(&self) -> Clusters {
        Clusters::new(self.n_clusters, self.strata.clone())
    }

    pub fn has_english(&self) -> bool {
        self.english.iter().any(Option::is_some)
    }

    /// Whether items of a subset exist in a language.
    pub fn has(&self, subset: usize, lang: Lang) -> bool {
        self.own.contains_key(&(subset, lang))
    }
}

/// Source items by symbol; numbered prompts of `ties` by subset and number.
#[derive(Debug, PartialEq, Eq, Hash)]
enum ClusterName<'a> {
    Source(Symbol),
    Numbered(usize, &'a str),
}

struct Plan<'a> {
    table: &'a ItemTable,
    manifest: &'a Manifest,
    subsets: Vec<SubsetHere>,
    clusters: HashMap<ClusterName<'a>, u32>,
    n_unnamed: usize,
}

impl<'a> Plan<'a> {
    fn cluster(&mut self, name: ClusterName<'a>) -> u32 {
        let next = self.clusters.len() as u32;
        *self.clusters.entry(name).or_insert(next)
    }

    /// The cells of one benchmark, of one language if asked. A counterpart adds no subsets of its own.
    fn cells(&mut self, benchmark: Symbol, only: Option<Lang>) -> Vec<Cell> {
        let mut cells: Vec<Cell> = Vec::new();
        let mut places: HashMap<(usize, Lang), usize> = HashMap::new();
        let mut numbered: HashMap<(usize, &'a str), usize> = HashMap::new();
        let mut subset_of: HashMap<Symbol, Option<usize>> = HashMap::new();
        // Items of a cell are neighbours: look places up only where the cell changes.
        let mut last: Option<(Symbol, Lang, usize)> = None;
        for (index, key) in self.table.items.iter().enumerate() {
            if key.benchmark != benchmark || only.is_some_and(|lang| lang != key.lang) {
                continue;
            }
            let place = match last {
                Some((subset, lang, place)) if subset == key.subset && lang == key.lang => place,
                _ => {
                    let found = *subset_of
                        .entry(key.subset)
                        .or_insert_with(|| subset_index(self.table, self.manifest, &mut self.subsets, key, only));
                    let Some(subset) = found else { continue };
                    let next = cells.len();
                    let place = *places.entry((subset, key.lang)).or_insert(next);
                    if place == next {
                        cells.push(Cell { subset, lang: key.lang, units: Vec::new(), distinct: true });
                    }
                    last = Some((key.subset, key.lang, place));
                    place
                }
            };
            let subset = cells[place].subset;
            let item = self.table.place(index);
            if self.subsets[subset].rule != Rule::Ties {
                let cluster = self.cluster(ClusterName::Source(key.source));
                cells[place].units.push(Unit { cluster, members: Members::One(item) });
                continue;
            }
            let id: &'a str = self.table.symbols.name(key.item);
            let (reference, tied, number) = match id.split_once(':') {
                Some(("ref", number)) => (Some(item), None, number),
                Some(("tied", number)) => (None, Some(item), number),
                _ => {
                    self.n_unnamed += 1;
                    let cluster = self.cluster(ClusterName::Source(key.source));
                    cells[place].units.push(Unit { cluster, members: Members::One(item) });
                    continue;
                }
            };
            let cluster = self.cluster(ClusterName::Numbered(subset, number));
            let next = cells[place].units.len();
            let at = *numbered.entry((place, number)).or_insert(next);
            match cells[place].units.get_mut(at) {
                Some(Unit { members: Members::Ties { reference: r, tied: t }, .. }) => {
                    *r = r.or(reference);
                    *t = t.or(tied);
                }
                _ => cells[place].units.push(Unit { cluster, members: Members::Ties { reference, tied } }),
            }
        }
        let mut seen = vec![u32::MAX; self.clusters.len()];
        for (number, cell) in cells.iter_mut().enumerate() {
            for unit in &cell.units {
                let before = std::mem::replace(&mut seen[unit.cluster as usize], number as u32);
                cell.distinct &= before != number as u32;
            }
        }
        cells
    }
}

/// The number of an item's subset; a subset that is not listed yet is added, but not for a counterpart.
fn subset_index(
    table: &ItemTable,
    manifest: &Manifest,
    subsets: &mut Vec<SubsetHere>,
    key: &crate::table::item::ItemKey,
    counterpart: Option<Lang>,
) -> Option<usize> {
    let name = table.symbols.name(key.subset);
    if let Some(found) = subsets.iter().position(|subset| subset.name == name) {
        return Some(found);
    }
    if counterpart.is_some() {
        return None;
    }
    let category = key.category.map(|c| table.symbols.name(c).to_owned()).filter(|_| manifest.open);
    subsets.push(SubsetHere { name: name.to_owned(), category, rule: manifest.rule, known: manifest.open });
    Some(subsets.len() - 1)
}

/// Groups clusters by the set of subsets they occur in; strata and clusters in order of first appearance.
fn strata(cells: &[Cell], n_clusters: usize) -> Vec<Vec<u32>> {
    let mut subsets: Vec<Vec<u32>> = vec![Vec::new(); n_clusters];
    for cell in cells {
        for unit in &cell.units {
            let own = &mut subsets[unit.cluster as usize];
            if own.last() != Some(&(cell.subset as u32)) && !own.contains(&(cell.subset as u32)) {
                own.push(cell.subset as u32);
            }
        }
    }
    let mut numbers: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut strata: Vec<Vec<u32>> = Vec::new();
    for (cluster, mut own) in subsets.into_iter().enumerate() {
        own.sort_unstable();
        let next = strata.len();
        let stratum = *numbers.entry(own).or_insert(next);
        if stratum == next {
            strata.push(Vec::new());
        }
        strata[stratum].push(cluster as u32);
    }
    joined(strata)
}

/// A stratum of one cluster has no variance to resample: such strata are joined, or the only one with the
/// smallest other (collapsed strata, Cochran 1977, section 5A.12). What rests on its one cluster alone is then
/// often undefined in replicates and gets no interval, instead of one that is too narrow.
fn joined(strata: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    let (single, mut kept): (Vec<Vec<u32>>, Vec<Vec<u32>>) = strata.into_iter().partition(|s| s.len() == 1);
    let mut single = single.concat();
    match (single.len(), kept.iter_mut().min_by_key(|stratum| stratum.len())) {
        (0, _) => {}
        (1, Some(smallest)) => smallest.append(&mut single),
        _ => kept.push(single),
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_clusters_are_drawn_with_others() {
        assert_eq!(joined(vec![vec![0], vec![1, 2, 3], vec![4, 5], vec![6]]), [vec![1, 2, 3], vec![4, 5], vec![0, 6]]);
        assert_eq!(joined(vec![vec![0], vec![1, 2, 3], vec![4, 5]]), [vec![1, 2, 3], vec![4, 5, 0]]);
        assert_eq!(joined(vec![vec![0]]), [vec![0]]);
        assert_eq!(joined(Vec::new()), Vec::<Vec<u32>>::new());
    }
}
