//! What the runs say together: for every item, whether they agree across languages.
//!
//! M-RewardBench's Figure 3: Cohen's κ of one item is taken over the models' labels (loss, win, tie) in a language
//! and in English; items whose κ is undefined are dropped. With few runs one κ is mostly noise, so what is given is
//! their mean with its interval, and how many items have one.

use serde::{Deserialize, Serialize};

use crate::lang::Lang;
use crate::metric::Estimate;
use crate::metric::agreement::kappa;
use crate::metric::design::Cell;
use crate::metric::observe::{NO_LABEL, labels};
use crate::metric::sheet::Finish;
use crate::report::findings::Languages;
use crate::report::findings::analysis::Analysis;
use crate::report::findings::draft::{Draft, Method, Resolved};

/// Fewer runs than this have no agreement over runs.
const FEWEST_RUNS: usize = 3;
const LABELS: usize = 3;

/// One number of all runs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PanelFinding {
    pub benchmark: String,
    /// `kappa-with-english-by-item`.
    pub metric: String,
    pub languages: Languages,
    pub runs: usize,
    /// `n`: items with a κ; `n_missing`: items without, since the runs' labels do not vary or one is missing.
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
}

pub fn finding(resolved: Resolved<PanelFinding>) -> PanelFinding {
    PanelFinding { estimate: resolved.estimate, why: resolved.why, ..resolved.of }
}

/// Σ κ and items.
fn mean(sums: &[f64]) -> Option<f64> {
    (sums[1] > 0.0).then(|| sums[0] / sums[1])
}

impl Analysis<'_> {
    /// The mean κ with English over items, by language.
    pub fn kappa_by_item(&mut self) -> Vec<Draft<PanelFinding>> {
        let design = self.design();
        if self.runs.len() < FEWEST_RUNS || !design.has_english() {
            return Vec::new();
        }
        let by_run =
            |cell: &Cell| -> Vec<Vec<u8>> { self.runs.iter().map(|run| labels(self.table, *run, cell)).collect() };
        let label: Vec<Vec<Vec<u8>>> = design.cells.iter().map(by_run).collect();
        let mut drafts = Vec::new();
        for lang in design.langs.iter().copied().filter(|lang| *lang != Lang::ENGLISH) {
            let mut pooled = Vec::new();
            let (mut n, mut n_missing) = (0, 0);
            for subset in 0..design.subsets.len() {
                let (Some(here), Some(there)) = (design.cell(subset, lang), design.english(subset)) else { continue };
                let mut found: Vec<(u32, f64)> = Vec::new();
                for (unit, other) in partners(&design.cells[here], &design.cells[there], design.n_clusters) {
                    let pairs = label[here].iter().zip(&label[there]).map(|(a, b)| (a[unit], b[other]));
                    match of_item(pairs) {
                        Some(value) => found.push((design.cells[here].units[unit].cluster, value)),
                        None => n_missing += 1,
                    }
                }
                n += found.len();
                pooled.push(self.sheet.columns.add(found.iter().copied()));
                pooled.push(self.sheet.columns.add(found.iter().map(|(cluster, _)| (*cluster, 1.0))));
            }
            if pooled.is_empty() {
                continue;
            }
            let finish = Finish::Function { id: "kappa-with-english-by-item", width: 2, function: mean };
            let node = (n > 0).then(|| self.sheet.finish(finish, pooled));
            let of = PanelFinding {
                benchmark: self.benchmark.clone(),
                metric: "kappa-with-english-by-item".to_owned(),
                languages: Languages::One(lang),
                runs: self.runs.len(),
                estimate: None,
                why: None,
            };
            let why = node.is_none().then(|| "no item on which the runs differ in both languages".to_owned());
            let method = Method::Resampled { share: false, effective_n: n as f64 };
            drafts.push(Draft { of, node, method, n, n_missing, why });
        }
        drafts
    }
}

/// κ of one item over the runs; `None` where a label is missing or nothing varies.
fn of_item(pairs: impl Iterator<Item = (u8, u8)>) -> Option<f64> {
    let mut table = [0.0; LABELS * LABELS];
    for (a, b) in pairs {
        if a == NO_LABEL || b == NO_LABEL {
            return None;
        }
        table[usize::from(a) * LABELS + usize::from(b)] += 1.0;
    }
    kappa(&table, LABELS)
}

/// Units of the same source item in both cells, where each has one.
fn partners(here: &Cell, there: &Cell, n_clusters: usize) -> Vec<(usize, usize)> {
    const NONE: u32 = u32::MAX;
    const SEVERAL: u32 = u32::MAX - 1;
    let by_cluster = |cell: &Cell| {
        let mut found = vec![NONE; n_clusters];
        for (number, unit) in cell.units.iter().enumerate() {
            let place = &mut found[unit.cluster as usize];
            *place = if *place == NONE { number as u32 } else { SEVERAL };
        }
        found
    };
    let (here, there) = (by_cluster(here), by_cluster(there));
    let both = here.into_iter().zip(there).filter(|(a, b)| *a < SEVERAL && *b < SEVERAL);
    both.map(|(a, b)| (a as usize, b as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four runs: win win loss loss against win loss loss loss. p_o = 3/4, p_e = (2·1 + 2·3)/16 = ½, κ = ½.
    #[test]
    fn one_item_by_hand() {
        let pairs = [(1, 1), (1, 0), (0, 0), (0, 0)];
        assert_eq!(of_item(pairs.into_iter()), Some(0.5));
        assert_eq!(of_item([(1, 1), (1, 1), (1, 1)].into_iter()), None, "nothing varies");
        assert_eq!(of_item([(1, 1), (0, NO_LABEL), (0, 0)].into_iter()), None);
    }
}
