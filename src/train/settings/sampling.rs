//! `[sampling]`: which pairs an epoch has, in which order, and what is held out or changed of the data.

use serde::{Deserialize, Serialize};

/// The order of an epoch's pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// At random, another order in every epoch.
    #[default]
    Shuffled,
    /// As the files have them.
    AsGiven,
    /// A curriculum: from clear preferences to close ones within each subset, equals at random.
    EasyFirst,
    HardFirst,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SamplingSettings {
    /// Shares of an epoch by data file, in proportion; empty: as many as the files have.
    pub weights: Vec<f64>,
    /// α in p(language) ∝ n(language)^α.
    pub temperature: f64,
    /// Pairs of a language that count towards n, and that an epoch has without other rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_cap: Option<usize>,
    pub order: Order,
    /// Share of sources held out of the training data for evaluation.
    pub eval_share: f64,
    /// Share of training labels that are flipped.
    pub label_noise: f64,
}

impl Default for SamplingSettings {
    fn default() -> Self {
        Self {
            weights: Vec::new(),
            temperature: 1.0,
            language_cap: None,
            order: Order::Shuffled,
            eval_share: 0.0,
            label_noise: 0.0,
        }
    }
}

impl SamplingSettings {
    /// Whether an epoch has each pair once.
    pub fn is_plain(&self) -> bool {
        self.weights.is_empty() && self.temperature == 1.0 && self.language_cap.is_none()
    }

    /// What is wrong with it. `length_window`: how many batches are sorted by length at a time.
    pub fn problem(&self, length_window: usize) -> Option<&'static str> {
        let share = |x: f64| (0.0..1.0).contains(&x);
        let weigh = |x: &f64| *x >= 0.0 && x.is_finite();
        let checks = [
            (self.weights.iter().all(weigh), "`sampling.weights` should be at least 0"),
            (self.weights.is_empty() || self.weights.iter().sum::<f64>() > 0.0, "`sampling.weights` are all 0"),
            (share(self.temperature) || self.temperature == 1.0, "`sampling.temperature` should be from 0 to 1"),
            (self.language_cap != Some(0), "`sampling.language-cap` should be above 0"),
            (share(self.eval_share), "`sampling.eval-share` should be at least 0 and below 1"),
            (share(self.label_noise), "`sampling.label-noise` should be at least 0 and below 1"),
            (
                length_window == 1 || self.order == Order::Shuffled,
                "`length-window` sorts by length, which undoes `sampling.order`: set one of the two",
            ),
        ];
        checks.into_iter().find(|(holds, _)| !holds).map(|(_, problem)| problem)
    }
}
