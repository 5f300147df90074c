//! Distances of hidden states from those of a reference language, where runs kept their states.
//!
//! The cloud is fitted to the reference language's responses of one half of the sources; distances are taken of the
//! other half in all languages, so that languages differ and contents do not. States of more than 256 numbers are
//! folded (each number is added, or subtracted, to one of 256, as a hash says), which keeps distances apart that are
//! apart and the fit affordable. At most 400 sources are looked at.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::lang::Lang;
use crate::metric::mahalanobis::Cloud;
use crate::random::uniform;
use crate::table::TableError;
use crate::table::features::{FeatureFile, FeatureRow, beside};
use crate::table::item::{ItemTable, RunDistances, Symbol};
use crate::table::score::Side;

const MOST_WIDE: usize = 256;
const MOST_SOURCES: f64 = 400.0;
/// Fewer states make no cloud.
const MIN_STATES: usize = 40;

type Key = (Symbol, Symbol, Lang, Symbol);

/// Takes the distances of every run that has features beside its score table.
///
/// # Errors
/// Features of another run than the scores; a file that cannot be read.
pub fn attach(table: &mut ItemTable, paths: &[PathBuf]) -> Result<(), TableError> {
    for (run, path) in paths.iter().enumerate() {
        let Some(features) = beside(path) else { continue };
        let file = FeatureFile::open(&features)?;
        let mut info = table.runs[run].info.clone();
        // Reports may have given the run another name.
        info.name.clone_from(&file.info().name);
        let differences = info.differences(file.info());
        if !differences.is_empty() {
            return Err(TableError::MixedProvenance { first: path.clone(), path: features, differences });
        }
        let states = States::read(table, file, &features)?;
        if let Some(distances) = states.distances(table) {
            table.distances.insert(run, distances);
        }
    }
    Ok(())
}

/// Folded states by item and response.
struct States {
    by_item: BTreeMap<u32, Vec<Option<Vec<f64>>>>,
}

impl States {
    fn read(table: &ItemTable, file: FeatureFile, path: &Path) -> Result<Self, TableError> {
        let items: HashMap<Key, u32> =
            (0..).zip(&table.items).map(|(at, key)| ((key.benchmark, key.subset, key.lang, key.item), at)).collect();
        let mut sources: Vec<Symbol> = table.items.iter().map(|key| key.source).collect();
        sources.sort_unstable();
        sources.dedup();
        let share = MOST_SOURCES / sources.len().max(1) as f64;
        let mut by_item: BTreeMap<u32, Vec<Option<Vec<f64>>>> = BTreeMap::new();
        let mut row_number = 0;
        file.each(|row| {
            let item = find(table, &items, &row).ok_or_else(|| TableError::Value {
                path: path.to_owned(),
                row: row_number,
                column: "item_id",
                problem: format!("the score table has no response like this one of item `{}`", row.item_id),
            })?;
            row_number += 1;
            let (item, response) = item;
            let key = &table.items[item as usize];
            if share >= 1.0 || uniform(0, "features", table.symbols.name(key.source)) < share {
                let responses = by_item.entry(item).or_insert_with(|| vec![None; key.n_responses()]);
                responses[response] = Some(folded(&row.features));
            }
            Ok(())
        })?;
        Ok(Self { by_item })
    }

    fn distances(&self, table: &ItemTable) -> Option<RunDistances> {
        let lang = |item: u32| table.items[item as usize].lang;
        let mut counts: BTreeMap<Lang, usize> = BTreeMap::new();
        self.by_item.keys().for_each(|item| *counts.entry(lang(*item)).or_default() += 1);
        let most = counts.iter().max_by_key(|(_, n)| **n).map(|(lang, _)| *lang)?;
        let reference = if counts.contains_key(&Lang::ENGLISH) { Lang::ENGLISH } else { most };
        let is_fitted = |item: u32| {
            let source = table.symbols.name(table.items[item as usize].source);
            uniform(0, "features-half", source) < 0.5
        };
        let own = self.by_item.iter().filter(|(item, _)| lang(**item) == reference && is_fitted(**item));
        let points: Vec<Vec<f64>> = own.flat_map(|(_, states)| states.iter().flatten().cloned()).collect();
        if points.len() < MIN_STATES {
            return None;
        }
        let cloud = Cloud::fit(&points)?;
        let others = self.by_item.iter().filter(|(item, _)| !is_fitted(**item));
        let of_item = |(item, states): (&u32, &Vec<Option<Vec<f64>>>)| {
            // The mean over responses; an item that lacks one has none.
            let distances: Vec<f64> =
                states.iter().map(|state| cloud.distance(state.as_ref()?)).collect::<Option<_>>()?;
            Some((*item, distances.iter().sum::<f64>() / distances.len() as f64))
        };
        Some(RunDistances { reference, n_fitted: cloud.n, by_item: others.filter_map(of_item).collect() })
    }
}

/// The item a row is about, and which of its responses.
fn find(table: &ItemTable, items: &HashMap<Key, u32>, row: &FeatureRow) -> Option<(u32, usize)> {
    let symbol = |name: &str| table.symbols.get(name);
    let item = *items.get(&(symbol(&row.benchmark)?, symbol(&row.subset)?, row.lang, symbol(&row.item_id)?))?;
    let key = &table.items[item as usize];
    let (first, n) = match row.side {
        Side::Chosen => (0, key.n_chosen),
        Side::Rejected => (usize::from(key.n_chosen), key.n_rejected),
    };
    (row.response_index < n).then(|| (item, first + usize::from(row.response_index)))
}

fn folded(state: &[f32]) -> Vec<f64> {
    if state.len() <= MOST_WIDE {
        return state.iter().map(|x| f64::from(*x)).collect();
    }
    let mut folded = vec![0.0; MOST_WIDE];
    for (at, x) in state.iter().enumerate() {
        // SplitMix64's finaliser: place and sign of a number depend on its own place only.
        let mut hash = (at as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        hash ^= hash >> 31;
        let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
        folded[(hash >> 1) as usize % MOST_WIDE] += sign * f64::from(*x);
    }
    folded
}
