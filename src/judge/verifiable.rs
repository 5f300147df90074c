//! What a sampled judgment is worth to a judge in training: a number that follows from the verdict and the data alone.
//!
//! * verdict: 1 for the right one, ½ for a tie, 0 for the wrong one, −format for none that can be read;
//! * ranking: −format·1[bad form] − weight·|P − G|, P and G the predicted and the gold place on the protocol's scale
//!   (HelpSteer3-Preference and Nemotron's GenRM, arXiv 2505.11475, where the scale is 1 to 6, format 10 and weight 1;
//!   their terms for the ratings of each response need such ratings and are left out). Of a letter or a number the scale
//!   is the place.
//!
//! Groups have advantages (R − mean)/(std + 10⁻⁴), std with n in the denominator less one (arXiv 2402.03300); without
//! `scaled` R − mean (Dr. GRPO, arXiv 2503.20783).

use serde::{Deserialize, Serialize};

use super::grammar::{Meaning, Reading, Verdict};
use super::protocol::Protocol;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Worth {
    Verdict { format: f64 },
    Ranking { format: f64, weight: f64 },
}

impl Default for Worth {
    fn default() -> Self {
        Worth::Verdict { format: 1.0 }
    }
}

impl Worth {
    /// Of a reply as it was read, where `gold` is right.
    pub fn of(self, reading: &Reading, gold: &Verdict, protocol: &Protocol) -> f64 {
        let verdict = match reading {
            Reading::Verdict { verdict, .. } => verdict,
            Reading::Refused | Reading::Unparsed(_) => {
                return match self {
                    Worth::Verdict { format } | Worth::Ranking { format, .. } => -format,
                };
            }
        };
        match self {
            Worth::Verdict { .. } => match (verdict, gold) {
                (Verdict::Tie, Verdict::Tie) => 1.0,
                (Verdict::Tie, _) | (_, Verdict::Tie) => 0.5,
                _ => f64::from(u8::from(same_side(verdict, gold))),
            },
            Worth::Ranking { weight, .. } => -weight * (place(verdict, protocol) - place(gold, protocol)).abs(),
        }
    }
}

fn same_side(one: &Verdict, other: &Verdict) -> bool {
    match (one, other) {
        (Verdict::Pick { place, .. }, Verdict::Pick { place: other, .. }) => place == other,
        (Verdict::Rating(one), Verdict::Rating(other)) => (*one > 0.5) == (*other > 0.5),
        _ => false,
    }
}

/// Where a verdict stands on its protocol's scale.
fn place(verdict: &Verdict, protocol: &Protocol) -> f64 {
    match (verdict, &protocol.verdict.meaning) {
        (Verdict::Rating(rating), _) => *rating,
        (Verdict::Pick { place, strength }, Meaning::Scale { min, max }) => {
            let half = (max - min).div_ceil(2);
            let strength = strength.unwrap_or(half).clamp(1, half);
            f64::from(if *place == 0 { min + half - strength } else { max - half + strength })
        }
        (Verdict::Tie, Meaning::Scale { min, max }) => (f64::from(*min) + f64::from(*max)) / 2.0,
        (Verdict::Tie, _) => 0.5,
        (Verdict::Pick { place, .. }, _) => *place as f64,
    }
}

/// What each member of a group is worth beside the others; 0 where all are worth the same.
pub fn advantages(worths: &[f64], scaled: bool) -> Vec<f64> {
    let n = worths.len() as f64;
    let mean = worths.iter().sum::<f64>() / n.max(1.0);
    let variance = worths.iter().map(|worth| (worth - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let by = if scaled { variance.sqrt() + 1e-4 } else { 1.0 };
    worths.iter().map(|worth| (worth - mean) / by).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(verdict: Verdict) -> Reading {
        Reading::Verdict { verdict, at: 0..1 }
    }

    fn pick(place: usize) -> Verdict {
        Verdict::Pick { place, strength: None }
    }

    #[test]
    fn worth_by_hand() {
        let protocol = Protocol::find("pairwise").unwrap();
        let worth = Worth::Verdict { format: 0.2 };
        let of = |reading: Reading| worth.of(&reading, &pick(1), &protocol);
        assert_eq!([of(read(pick(1))), of(read(pick(0))), of(read(Verdict::Tie))], [1.0, 0.0, 0.5]);
        assert_eq!(of(Reading::Unparsed("")), -0.2);
        let scale = Protocol::find("helpsteer3").unwrap();
        let ranking = Worth::Ranking { format: 10.0, weight: 1.0 };
        let graded = |place, strength| Verdict::Pick { place, strength: Some(strength) };
        // Places 1 to 6: the first by 3 is 1, the second by 1 is 4, by 3 is 6.
        assert_eq!(ranking.of(&read(graded(1, 1)), &graded(0, 3), &scale), -3.0);
        assert_eq!(ranking.of(&read(graded(1, 3)), &graded(1, 3), &scale), 0.0);
        assert_eq!(ranking.of(&Reading::Refused, &graded(1, 3), &scale), -10.0);
    }

    /// 1, 0, 0, 1: mean ½, std √(1/3).
    #[test]
    fn advantages_by_hand() {
        let found = advantages(&[1.0, 0.0, 0.0, 1.0], true);
        let expected = 0.5 / ((1.0f64 / 3.0).sqrt() + 1e-4);
        assert!((found[0] - expected).abs() < 1e-12 && (found[1] + expected).abs() < 1e-12);
        assert_eq!(advantages(&[1.0, 0.0], false), [0.5, -0.5]);
        assert_eq!(advantages(&[2.0, 2.0, 2.0], true), [0.0; 3]);
        assert!(advantages(&[], true).is_empty());
    }
}
