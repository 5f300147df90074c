//! Languages compared with English on shared source items.

use rayon::prelude::*;
use rmbench_resampling::columns::{ColumnId, Columns};

use crate::lang::Lang;
use crate::metric::agreement::{BOTH_WIN, kappa_of_outcomes};
use crate::metric::design::{among, clusters_of};
use crate::metric::observe::paired_labels;
use crate::metric::outcome::Evidence;
use crate::metric::score_of;
use crate::metric::sheet::Finish;
use crate::report::findings::analysis::{Analysis, Basis, renumbered};
use crate::report::findings::draft::{Draft, Method};
use crate::report::findings::place::{CellColumns, Gaps, Placed, Slot};
use crate::report::findings::{Finding, Languages, Scope};

/// Score in the language minus score in English on the source items that both have.
pub const GAP: &str = "gap-to-english";
/// The same with each language on all its own items: not the same items.
pub const GAP_ALL: &str = "gap-to-english-all-items";
pub const KAPPA: &str = "kappa-with-english";

impl Analysis<'_> {
    /// Gaps to English and agreement with it, for every run.
    pub fn against_english(&mut self) {
        let design = self.design();
        let foreign = design.langs.iter().any(|lang| *lang != Lang::ENGLISH);
        if !foreign {
            return;
        }
        let beside: Vec<Option<Beside>> = self.runs.par_iter().map(|run| self.beside_english(*run)).collect();
        for (run, beside) in self.runs.clone().into_iter().zip(beside) {
            let Some(Beside { columns, own, english, own_all, english_all, n_shared, kinds }) = beside else {
                self.no_english(run);
                continue;
            };
            let places = self.sheet.columns.append(&columns);
            let [own, english] = [own, english].map(|cells| renumbered(cells, &places));
            let scopes: Vec<_> =
                self.layout.scopes.iter().filter(|(scope, _)| !matches!(scope, Scope::Subset(_))).cloned().collect();
            let metric = |rule| score_of(rule, Evidence::Rewards);
            let own = self.layout.place(&mut self.sheet, &scopes, &own, &metric, Gaps::Skip);
            let there = self.layout.place(&mut self.sheet, &scopes, &english, &metric, Gaps::Skip);
            let why = "no source item has an outcome both here and in English";
            let gap = Placed { slots: self.difference(own.slots, &there.slots, why), members: Vec::new() };
            let gap = self.without_english(gap);
            self.draft(run, GAP, &scopes, &gap, &[], Basis::Shared(&n_shared));

            let overall = [scopes[scopes.len() - 1].clone()];
            let all = self.layout.place(&mut self.sheet, &overall, &own_all, &metric, Gaps::Skip);
            let there = self.layout.place(&mut self.sheet, &overall, &english_all, &metric, Gaps::Skip);
            let slots = self.difference(all.slots, &there.slots, "there is no score in English");
            let gap = Placed { slots, members: Vec::new() };
            let gap = self.without_pools(self.without_english(gap));
            self.draft(run, GAP_ALL, &overall, &gap, &[], Basis::Outcomes);
            for (lang, n, kinds) in kinds {
                let finish = Finish::Function { id: KAPPA, width: 9, function: kappa_of_outcomes };
                let pooled = kinds.into_iter().map(|id| places[id as usize]).collect();
                let node = Some(self.sheet.finish(finish, pooled));
                let of = self.blank(run, KAPPA, Languages::One(lang));
                let method = Method::Resampled { share: false, effective_n: n as f64 };
                self.findings.push(Draft { of, node, method, n, n_missing: 0, why: None });
            }
        }
    }

    /// What a run scored in English and elsewhere; `None` where it scored no English.
    fn beside_english(&self, run: usize) -> Option<Beside> {
        let design = self.design();
        let mut english_here = (0..design.subsets.len()).filter_map(|s| design.english(s));
        if !english_here.any(|cell| self.scores[run][cell].any()) {
            return None;
        }
        let n_cells = design.cells.len();
        let none: CellColumns = vec![None; n_cells];
        let mut found = Beside {
            columns: Columns::default(),
            own: none.clone(),
            english: none.clone(),
            own_all: none.clone(),
            english_all: none,
            n_shared: vec![0; n_cells],
            kinds: Vec::new(),
        };
        for (number, cell) in design.cells.iter().enumerate() {
            let Some(other) =
                design.english(cell.subset).filter(|_| design.cell(cell.subset, cell.lang) == Some(number))
            else {
                continue;
            };
            if cell.lang == Lang::ENGLISH {
                continue;
            }
            found.own_all[number] = self.columns[run][number].clone();
            found.english_all[number] = self.columns[run][other].clone();
            let (here, there) = (&self.scores[run][number], &self.scores[run][other]);
            let other_cell = &design.cells[other];
            let clusters_here = clusters_of(&cell.units, &here.present, design.n_clusters);
            let clusters_there = clusters_of(&other_cell.units, &there.present, design.n_clusters);
            let keep_here = among(&cell.units, &clusters_there);
            let keep_there = among(&other_cell.units, &clusters_here);
            found.n_shared[number] = here.n_present(Some(&keep_here));
            if found.n_shared[number] > 0 {
                found.own[number] = Some(here.columns(&cell.units, &mut found.columns, Some(&keep_here)));
                found.english[number] = Some(there.columns(&other_cell.units, &mut found.columns, Some(&keep_there)));
            }
        }
        for lang in design.langs.iter().copied().filter(|lang| *lang != Lang::ENGLISH) {
            let (kinds, n) = self.kinds(run, lang);
            if n > 0 {
                let ids = kinds.iter().map(|kind| found.columns.insert(kind)).collect();
                found.kinds.push((lang, n, ids));
            }
        }
        Some(found)
    }

    /// Explains the missing gap once per language.
    fn no_english(&mut self, run: usize) {
        let why = match &self.layout.manifest.english {
            Some(name) => format!(
                "no English: score `{name}` as well, or import it in the same run, to compare on shared source items"
            ),
            None => "no English items in this benchmark".to_owned(),
        };
        for lang in &self.layout.design.langs {
            let of = self.blank(run, GAP, Languages::One(*lang));
            let method = Method::Without("there is no number");
            self.findings.push(Draft { of, node: None, method, n: 0, n_missing: 0, why: Some(why.clone()) });
        }
    }

    fn blank(&self, run: usize, metric: &str, languages: Languages) -> Finding {
        Finding {
            run,
            benchmark: self.benchmark.clone(),
            metric: metric.to_owned(),
            scope: Scope::Overall,
            languages,
            estimate: None,
            why: None,
            n_ties: 0,
            n_truncated: 0,
        }
    }

    /// a − b, slot by slot.
    pub fn difference(&mut self, a: Vec<Vec<Slot>>, b: &[Vec<Slot>], why: &str) -> Vec<Vec<Slot>> {
        let mut slots = Vec::with_capacity(a.len());
        for (row, other) in a.into_iter().zip(b) {
            let mut out = Vec::with_capacity(row.len());
            for (slot, other) in row.into_iter().zip(other) {
                out.push(match (slot, other) {
                    (Slot::Number(mut number), Slot::Number(other)) => {
                        number.node = self.sheet.difference(number.node, other.node);
                        number.plain = false;
                        Slot::Number(number)
                    }
                    (Slot::Nowhere, _) => Slot::Nowhere,
                    (Slot::Absent(own), _) if own.starts_with('`') => Slot::Absent(own),
                    (Slot::Absent(_), _) | (_, Slot::Absent(_) | Slot::Nowhere) => Slot::Absent(why.to_owned()),
                });
            }
            slots.push(out);
        }
        slots
    }

    /// English has no gap to itself, and is not missed where it has none.
    fn without_english(&self, mut placed: Placed) -> Placed {
        let english = self.design().langs.iter().position(|lang| *lang == Lang::ENGLISH);
        for row in &mut placed.slots {
            if let Some(at) = english {
                row[at] = Slot::Nowhere;
            }
            for slot in row {
                if let Slot::Number(number) = slot {
                    number.without.retain(|lang| *lang != Lang::ENGLISH);
                }
            }
        }
        placed
    }

    /// A pool of languages would count English once per language: no gap of all items.
    fn without_pools(&self, mut placed: Placed) -> Placed {
        let n_langs = self.design().langs.len();
        for (at, _) in self.layout.averages.iter().enumerate().filter(|(_, average)| average.pooled) {
            for row in &mut placed.slots {
                row[n_langs + at] = Slot::Nowhere;
            }
        }
        placed
    }

    /// Pairs of outcomes in a language and in English, over source items with one item in both, by kind (labels loss, win, tie
    /// as in M-RewardBench's Figure 2), and how many there are, of which Cohen's κ is a function: at [`BOTH_WIN`] all of them,
    /// which are the same in many runs. Sums of subsets add up.
    fn kinds(&self, run: usize, lang: Lang) -> ([Vec<(u32, f64)>; 9], usize) {
        let design = self.design();
        let mut kinds: [Vec<(u32, f64)>; 9] = Default::default();
        for subset in 0..design.subsets.len() {
            let (Some(here), Some(there)) = (design.cell(subset, lang), design.english(subset)) else { continue };
            let label = &self.labels[run];
            let (cell, other) = (&design.cells[here], &design.cells[there]);
            for (cluster, kind) in
                paired_labels(&cell.units, &label[here], &other.units, &label[there], design.n_clusters)
            {
                kinds[BOTH_WIN].push((cluster, 1.0));
                if usize::from(kind) != BOTH_WIN {
                    kinds[usize::from(kind)].push((cluster, 1.0));
                }
            }
        }
        let n = kinds[BOTH_WIN].len();
        (kinds, n)
    }
}

/// What one run scored in English and elsewhere. Columns are those of `columns`, but for `_all`, which are the sheet's.
struct Beside {
    columns: Columns,
    /// By cell: on source items that both have.
    own: CellColumns,
    english: CellColumns,
    /// On all items.
    own_all: CellColumns,
    english_all: CellColumns,
    /// By cell.
    n_shared: Vec<usize>,
    /// By language with any: items, and columns of the kinds of pairs.
    kinds: Vec<(Lang, usize, Vec<ColumnId>)>,
}
