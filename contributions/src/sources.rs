//! One run's outcomes by language and source item, languages by number: what agreement, scores of one answer in
//! several languages, and item difficulty are computed from.

use crate::item::{Place, View};
use crate::observe::NO_LABEL;
use crate::outcome::{Evidence, Outcome};
use crate::unit::{Members, Unit};

/// Labels as M-RewardBench's agreement numbers them.
pub const LOSS: u8 = 0;
pub const WIN: u8 = 1;
pub const TIE: u8 = 2;

/// The label of an outcome.
pub fn label(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::RejectedWins => LOSS,
        Outcome::ChosenWins => WIN,
        Outcome::Tie => TIE,
    }
}

/// Outcomes of one run. A source with several items in one language (in several subsets) has none there:
/// which of them a translation belongs to is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    pub n_clusters: usize,
    /// `[language][source]`: the item, where there is exactly one.
    items: Vec<Vec<Option<Place>>>,
    labels: Vec<Vec<u8>>,
    margins: Vec<Vec<f64>>,
    /// `[language][source]`: its items so far.
    seen: Vec<Vec<u8>>,
}

impl Sources {
    pub fn new(n_langs: usize, n_clusters: usize) -> Self {
        Sources {
            n_clusters,
            items: vec![vec![None; n_clusters]; n_langs],
            labels: vec![vec![NO_LABEL; n_clusters]; n_langs],
            margins: vec![vec![f64::NAN; n_clusters]; n_langs],
            seen: vec![vec![0; n_clusters]; n_langs],
        }
    }

    /// Adds units of one language; those of several prompts have no label.
    pub fn add(&mut self, lang: usize, units: &[Unit], view: &View<'_>) {
        for unit in units {
            let Members::One(place) = unit.members else { continue };
            let at = unit.cluster as usize;
            let (item, label_here) = (&mut self.items[lang][at], &mut self.labels[lang][at]);
            let (margin, seen) = (&mut self.margins[lang][at], &mut self.seen[lang][at]);
            *seen = seen.saturating_add(1);
            (*item, *label_here, *margin) = (None, NO_LABEL, f64::NAN);
            if *seen > 1 {
                continue;
            }
            *item = Some(place);
            if let Some(extremes) = Evidence::Rewards.extremes(&view.item(place)) {
                *margin = extremes.margin();
                *label_here = label(extremes.outcome());
            }
        }
    }

    pub fn item(&self, lang: usize, cluster: usize) -> Option<usize> {
        self.items[lang][cluster].map(|place| place.item as usize)
    }

    /// Where the item lies.
    pub fn place(&self, lang: usize, cluster: usize) -> Option<Place> {
        self.items[lang][cluster]
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

    /// Sources with an outcome in both languages by (right in the first, right in the second), row by row; a tie is
    /// not right.
    pub fn crossed(&self, a: usize, b: usize) -> [Vec<(u32, f64)>; 4] {
        let mut cells = [const { Vec::new() }; 4];
        for (cluster, (a, b)) in self.labels[a].iter().zip(&self.labels[b]).enumerate() {
            if *a != NO_LABEL && *b != NO_LABEL {
                cells[2 * usize::from(*a == WIN) + usize::from(*b == WIN)].push((cluster as u32, 1.0));
            }
        }
        cells
    }

    /// How many there are in each cell of [`Sources::crossed`].
    pub fn crossed_counts(&self, a: usize, b: usize) -> [f64; 4] {
        let mut counts = [0.0; 4];
        for (a, b) in self.labels[a].iter().zip(&self.labels[b]) {
            if *a != NO_LABEL && *b != NO_LABEL {
                counts[2 * usize::from(*a == WIN) + usize::from(*b == WIN)] += 1.0;
            }
        }
        counts
    }

    /// Margins of the sources with an outcome in both languages.
    pub fn paired_margins(&self, a: usize, b: usize) -> Vec<(f64, f64)> {
        let both = |cluster: usize| {
            self.label(a, cluster)?;
            self.label(b, cluster)?;
            self.margin(a, cluster).zip(self.margin(b, cluster))
        };
        (0..self.n_clusters).filter_map(both).collect()
    }

    /// Whether the outcome is a win; a tie is none.
    pub fn right(&self, lang: usize, cluster: usize) -> Option<bool> {
        self.label(lang, cluster).map(|label| label == WIN)
    }

    /// Languages with an outcome of a source: how many are not right, how many are.
    pub fn counts(&self, cluster: usize) -> [f64; 2] {
        let mut counts = [0.0; 2];
        for right in (0..self.labels.len()).filter_map(|lang| self.right(lang, cluster)) {
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
