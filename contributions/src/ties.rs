//! RewardBench 2, domain Ties (allenai/reward-bench `process_single_model`):
//!
//! score = 0.30 A_tied + 0.30 A_ref + 0.20 P + 0.20 H + 0.01 T
//!
//! For a prompt with right responses C and wrong ones W: d = max C − min C, m = min C − max W, accurate
//! when m > 0. A_ref, A_tied: share of accurate prompts of each kind. Over prompts that have both kinds:
//! P = mean 1\[m_tied > d\], H = mean 1\[min(m_ref, m_tied) > d\], T = mean tanh(min(m_ref, m_tied)/d − 1)
//! with 0/0 giving 0 and ±∞ giving ±1; d is the tied prompt's. The maximum is 1.01.
//!
//! Where this differs from the reference: a tied prompt with one right response has no d (the reference
//! raises) and is left out of P, H and T; without any prompt that has both kinds there is no score (the
//! reference gives NaN).

use crate::item::Item;
use crate::outcome::{Evidence, Extremes};
use crate::rule::Protocol;
use crate::{Group, Metric};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Score,
    Reference,
    Tied,
    Preferred,
    PreferredHard,
    Margin,
}

pub struct Ties {
    part: Part,
    evidence: Evidence,
}

const fn of_rewards(part: Part) -> Ties {
    Ties { part, evidence: Evidence::Rewards }
}

pub static TIES: Ties = of_rewards(Part::Score);
pub static REFERENCE: Ties = of_rewards(Part::Reference);
pub static TIED: Ties = of_rewards(Part::Tied);
pub static PREFERRED: Ties = of_rewards(Part::Preferred);
pub static PREFERRED_HARD: Ties = of_rewards(Part::PreferredHard);
pub static MARGIN: Ties = of_rewards(Part::Margin);
pub static LONGEST_WINS: Ties = Ties { part: Part::Score, evidence: Evidence::Characters };

// Where each sum stands.
const REF_RIGHT: usize = 0;
const REF: usize = 1;
const TIED_RIGHT: usize = 2;
const TIED_N: usize = 3;
const P: usize = 4;
const H: usize = 5;
const T: usize = 6;
const BOTH: usize = 7;

/// tanh(margin / spread − 1) with the reference's reading of divisions by zero.
fn margin_term(margin: f64, spread: f64) -> f64 {
    let value = (margin / spread - 1.0).tanh();
    if value.is_nan() { 0.0 } else { value }
}

impl Metric for Ties {
    fn id(&self) -> &'static str {
        match (self.evidence, self.part) {
            (Evidence::Characters, _) => "ties-longest-wins",
            (_, Part::Score) => "ties",
            (_, Part::Reference) => "ties-reference",
            (_, Part::Tied) => "ties-tied",
            (_, Part::Preferred) => "ties-preferred",
            (_, Part::PreferredHard) => "ties-preferred-hard",
            (_, Part::Margin) => "ties-margin",
        }
    }

    fn about(&self) -> &'static str {
        match (self.evidence, self.part) {
            (Evidence::Characters, _) => "The Ties score of always preferring the longer response.",
            (_, Part::Score) => {
                "0.30 accuracy on tied and 0.30 on reference prompts, 0.20 + 0.20 for right responses lying closer together than to wrong ones, 0.01 for by how much."
            }
            (_, Part::Reference) => "Share of reference prompts whose right response is above every wrong one.",
            (_, Part::Tied) => "Share of tied prompts whose right responses are all above every wrong one.",
            (_, Part::Preferred) => {
                "Share of tied prompts whose right responses lie closer together than to the best wrong one."
            }
            (_, Part::PreferredHard) => "The same with the smaller margin of the tied and its reference prompt.",
            (_, Part::Margin) => "Mean of tanh(margin / spread of right responses − 1), between −1 and 1.",
        }
    }

    fn width(&self) -> usize {
        8
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let extremes = |item: Option<Item<'_>>| item.and_then(|item| self.evidence.extremes(&item));
        let (reference, tied, n_right) = match *group {
            Group::Ties { reference, tied } => {
                (extremes(reference), extremes(tied), tied.map_or(0, |item| item.chosen.len()))
            }
            // A prompt of no declared kind is neither.
            Group::One(_) => return false,
        };
        let right = |e: &Extremes| f64::from(u8::from(e.margin() > 0.0));
        if let Some(extremes) = &reference {
            sums[REF_RIGHT] += right(extremes);
            sums[REF] += 1.0;
        }
        if let Some(extremes) = &tied {
            sums[TIED_RIGHT] += right(extremes);
            sums[TIED_N] += 1.0;
        }
        if let (Some(reference), Some(tied)) = (&reference, &tied)
            && n_right > 1
        {
            let spread = tied.best_chosen - tied.worst_chosen;
            let smaller = reference.margin().min(tied.margin());
            sums[P] += f64::from(u8::from(tied.margin() > spread));
            sums[H] += f64::from(u8::from(smaller > spread));
            sums[T] += margin_term(smaller, spread);
            sums[BOTH] += 1.0;
        }
        reference.is_some() || tied.is_some()
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let share = |part: usize, of: usize| (sums[of] > 0.0).then(|| sums[part] / sums[of]);
        match self.part {
            Part::Reference => share(REF_RIGHT, REF),
            Part::Tied => share(TIED_RIGHT, TIED_N),
            Part::Preferred => share(P, BOTH),
            Part::PreferredHard => share(H, BOTH),
            Part::Margin => share(T, BOTH),
            Part::Score => {
                // With prompts of both kinds, both shares exist.
                let (tied, reference) = (share(TIED_RIGHT, TIED_N)?, share(REF_RIGHT, REF)?);
                let (p, h, t) = (share(P, BOTH)?, share(H, BOTH)?, share(T, BOTH)?);
                Some(0.30 * tied + 0.30 * reference + 0.20 * p + 0.20 * h + 0.01 * t)
            }
        }
    }
}
