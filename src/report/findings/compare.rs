//! Languages compared with English on shared source items.

use crate::lang::Lang;
use crate::metric::agreement::kappa_of_outcomes;
use crate::metric::design::{among, clusters_of};
use crate::metric::observe::paired_labels;
use crate::metric::outcome::Evidence;
use crate::metric::score_of;
use crate::metric::sheet::Finish;
use crate::report::findings::analysis::{Analysis, Basis};
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
        for run in self.runs.clone() {
            let english_here = (0..design.subsets.len()).filter_map(|s| design.english(s));
            if !english_here.into_iter().any(|cell| self.scores[run][cell].any()) {
                self.no_english(run);
                continue;
            }
            let n_cells = design.cells.len();
            let mut own: CellColumns = vec![None; n_cells];
            let mut english: CellColumns = vec![None; n_cells];
            let (mut own_all, mut english_all): (CellColumns, CellColumns) = (vec![None; n_cells], vec![None; n_cells]);
            let mut n_shared = vec![0; n_cells];
            for (number, cell) in design.cells.iter().enumerate() {
                let Some(other) =
                    design.english(cell.subset).filter(|_| design.cell(cell.subset, cell.lang) == Some(number))
                else {
                    continue;
                };
                if cell.lang == Lang::ENGLISH {
                    continue;
                }
                own_all[number] = self.columns[run][number].clone();
                english_all[number] = self.columns[run][other].clone();
                let (here, there) = (&self.scores[run][number], &self.scores[run][other]);
                let other_cell = &design.cells[other];
                let clusters_here = clusters_of(&cell.units, &here.present, design.n_clusters);
                let clusters_there = clusters_of(&other_cell.units, &there.present, design.n_clusters);
                let keep_here = among(&cell.units, &clusters_there);
                let keep_there = among(&other_cell.units, &clusters_here);
                n_shared[number] = here.n_present(Some(&keep_here));
                if n_shared[number] > 0 {
                    own[number] = Some(here.columns(&cell.units, &mut self.sheet.columns, Some(&keep_here)));
                    english[number] =
                        Some(there.columns(&other_cell.units, &mut self.sheet.columns, Some(&keep_there)));
                }
            }
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
            self.kappa(run);
        }
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

    /// Cohen's κ between the outcomes in a language and in English, over source items with one item in
    /// both (labels loss, win, tie as in M-RewardBench's Figure 2).
    fn kappa(&mut self, run: usize) {
        let design = self.design();
        for lang in design.langs.iter().copied().filter(|lang| *lang != Lang::ENGLISH) {
            // By kind of pair; the sums of subsets add up.
            let mut kinds: [Vec<(u32, f64)>; 9] = Default::default();
            for subset in 0..design.subsets.len() {
                let (Some(here), Some(there)) = (design.cell(subset, lang), design.english(subset)) else { continue };
                let label = &self.labels[run];
                let (cell, other) = (&design.cells[here], &design.cells[there]);
                for (cluster, kind) in
                    paired_labels(&cell.units, &label[here], &other.units, &label[there], design.n_clusters)
                {
                    kinds[usize::from(kind)].push((cluster, 1.0));
                }
            }
            let n: usize = kinds.iter().map(Vec::len).sum();
            if n == 0 {
                continue;
            }
            let finish = Finish::Function { id: KAPPA, width: 9, function: kappa_of_outcomes };
            let pooled = kinds.iter().map(|kind| self.sheet.columns.insert(kind)).collect();
            let node = Some(self.sheet.finish(finish, pooled));
            let of = self.blank(run, KAPPA, Languages::One(lang));
            let method = Method::Resampled { share: false, effective_n: n as f64 };
            self.findings.push(Draft { of, node, method, n, n_missing: 0, why: None });
        }
    }
}
