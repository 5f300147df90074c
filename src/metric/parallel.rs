//! One run's outcomes by language and source item: what agreement, scores of one answer in several
//! languages, and item difficulty are computed from.

use crate::lang::Lang;
use crate::metric::design::{Design, Members};
use crate::metric::observe::NO_LABEL;
use crate::metric::outcome::{Evidence, Outcome};
use crate::table::item::ItemTable;

/// Labels as M-RewardBench's agreement numbers them.
pub const LOSS: u8 = 0;
pub const WIN: u8 = 1;
pub const TIE: u8 = 2;

/// Outcomes of one run. A source with several items in one language (in several subsets) has none there:
/// which of them a translation belongs to is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// Of the benchmark's items and of its English originals, in order of code.
    pub langs: Vec<Lang>,
    pub n_clusters: usize,
    /// `[language][source]`: the item, where there is exactly one.
    items: Vec<Vec<Option<u32>>>,
    labels: Vec<Vec<u8>>,
    margins: Vec<Vec<f64>>,
}

impl Parallel {
    pub fn new(table: &ItemTable, design: &Design, run: usize) -> Self {
        let mut langs: Vec<Lang> = design.cells.iter().map(|cell| cell.lang).collect();
        langs.sort_unstable();
        langs.dedup();
        let n = design.n_clusters;
        let mut parallel = Parallel {
            n_clusters: n,
            items: vec![vec![None; n]; langs.len()],
            labels: vec![vec![NO_LABEL; n]; langs.len()],
            margins: vec![vec![f64::NAN; n]; langs.len()],
            langs,
        };
        let mut seen = vec![vec![0u8; n]; parallel.langs.len()];
        for cell in &design.cells {
            let Ok(lang) = parallel.langs.binary_search(&cell.lang) else { continue };
            for unit in &cell.units {
                let Members::One(item) = unit.members else { continue };
                let at = unit.cluster as usize;
                seen[lang][at] = seen[lang][at].saturating_add(1);
                parallel.items[lang][at] = Some(item);
                if let Some(extremes) = Evidence::Rewards.extremes(&table.item(run, item as usize)) {
                    parallel.margins[lang][at] = extremes.margin();
                    parallel.labels[lang][at] = match extremes.outcome() {
                        Outcome::RejectedWins => LOSS,
                        Outcome::ChosenWins => WIN,
                        Outcome::Tie => TIE,
                    };
                }
                if seen[lang][at] > 1 {
                    parallel.items[lang][at] = None;
                    parallel.labels[lang][at] = NO_LABEL;
                    parallel.margins[lang][at] = f64::NAN;
                }
            }
        }
        parallel
    }

    pub fn item(&self, lang: usize, cluster: usize) -> Option<usize> {
        self.items[lang][cluster].map(|item| item as usize)
    }

    /// The outcome, where there is one.
    pub fn label(&self, lang: usize, cluster: usize) -> Option<u8> {
        Some(self.labels[lang][cluster]).filter(|label| *label != NO_LABEL)
    }

    /// Lowest chosen minus highest rejected reward, where there is an outcome.
    pub fn margin(&self, lang: usize, cluster: usize) -> Option<f64> {
        Some(self.margins[lang][cluster]).filter(|margin| !margin.is_nan())
    }

    /// Sources with an outcome in both languages.
    pub fn shared(&self, a: usize, b: usize) -> Vec<u32> {
        let both = |cluster: &u32| {
            let at = *cluster as usize;
            self.labels[a][at] != NO_LABEL && self.labels[b][at] != NO_LABEL
        };
        (0..self.n_clusters as u32).filter(both).collect()
    }

    /// Whether the outcome is a win; a tie is none.
    pub fn right(&self, lang: usize, cluster: usize) -> Option<bool> {
        self.label(lang, cluster).map(|label| label == WIN)
    }

    /// Languages with an outcome of a source: how many are not right, how many are.
    pub fn counts(&self, cluster: usize) -> [f64; 2] {
        let mut counts = [0.0; 2];
        for right in (0..self.langs.len()).filter_map(|lang| self.right(lang, cluster)) {
            counts[usize::from(right)] += 1.0;
        }
        counts
    }

    /// Share of wins among a language's outcomes, and how many there are.
    pub fn accuracy(&self, lang: usize) -> Option<(f64, usize)> {
        let known: Vec<u8> = self.labels[lang].iter().copied().filter(|label| *label != NO_LABEL).collect();
        let wins = known.iter().filter(|label| **label == WIN).count();
        (!known.is_empty()).then(|| (wins as f64 / known.len() as f64, known.len()))
    }
}
