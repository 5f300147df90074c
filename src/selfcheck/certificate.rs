//! What was found, for people and for programs.

use serde::Serialize;

use super::difference::Difference;
use super::ways::Rewards;
use crate::benchmark::grid::grid;
use crate::provenance::RunInfo;

/// A difference up to this share of the rewards' standard deviation is rounding, in f32.
pub const TOLERANCE: f64 = 1e-4;
/// Never less than this share of the largest reward: a few units in its last place.
const ROUNDING: f64 = 1e-6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Within the tolerance.
    Ok,
    Fails,
    /// Two precisions, or two computations in bf16: there is no bar, the numbers speak.
    Measured,
    /// Does not apply to this model.
    Skipped,
}

/// One comparison of two ways to the same rewards.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    pub name: &'static str,
    /// What is compared with what, or why nothing is.
    pub compared: String,
    pub difference: Option<Difference>,
    pub verdict: Verdict,
    /// What it means where it fails.
    #[serde(skip)]
    pub means: &'static str,
}

/// What the rewards are, to judge differences by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spread {
    pub smallest: f64,
    pub largest: f64,
    pub deviation: f64,
}

impl Spread {
    /// Of the rewards that are numbers.
    pub fn of(rewards: &Rewards) -> Self {
        let values: Vec<f64> = rewards.iter().flatten().map(|&r| f64::from(r)).filter(|r| r.is_finite()).collect();
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|reward| (reward - mean).powi(2)).sum::<f64>() / n;
        Self {
            smallest: values.iter().copied().fold(f64::INFINITY, f64::min),
            largest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            deviation: variance.sqrt(),
        }
    }

    /// The largest difference that rounding explains, in f32.
    pub fn tolerance(self) -> f64 {
        (TOLERANCE * self.deviation).max(ROUNDING * self.smallest.abs().max(self.largest.abs()))
    }
}

/// The certificate.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Certificate {
    /// Model, its digests, device, precision.
    pub run: RunInfo,
    pub head: String,
    pub pooling: &'static str,
    pub pairs: String,
    pub n_comparisons: usize,
    pub n_responses: usize,
    pub n_languages: usize,
    /// Responses that were cut to fit the model.
    pub n_truncated: usize,
    /// Share of tokens that comparisons have in common and are computed once.
    pub shared: f64,
    pub spread: Spread,
    pub tolerance: f64,
    pub warnings: Vec<String>,
    pub checks: Vec<Check>,
}

impl Certificate {
    /// Whether some exact check failed.
    pub fn fails(&self) -> bool {
        self.checks.iter().any(|check| check.verdict == Verdict::Fails)
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let run = &self.run;
        let mut text = format!(
            "model     {}\nhead      {}, pooling {}\npairs     {} comparisons, {} responses, {} languages ({})\n",
            run.model, self.head, self.pooling, self.n_comparisons, self.n_responses, self.n_languages, self.pairs
        );
        if self.n_truncated > 0 {
            text.push_str(&format!("          {} responses were cut to fit the model\n", self.n_truncated));
        }
        let Spread { smallest, largest, deviation } = self.spread;
        text.push_str(&format!(
            "computed  {} on {}, {} threads\nrewards   {smallest:.4} to {largest:.4}, standard deviation {deviation:.4}\n\
             tolerance {:.1e}: a ten-thousandth of it; what is more is no rounding in f32\n\n",
            run.dtype, run.device, run.threads, self.tolerance
        ));
        let header = ["<check", "<compared", "largest", "relative", "flips", "ties", "<verdict"];
        text.push_str(&grid(&header, &self.checks.iter().map(Check::row).collect::<Vec<_>>()));
        text.push_str(
            "\nlargest: difference of two rewards; relative: of the largest reward; flips: pairs with another winner;\n\
             ties: pairs with exactly equal rewards, in either way\n",
        );
        for check in self.checks.iter().filter(|check| check.verdict == Verdict::Fails) {
            text.push_str(&format!("\nFAILS  {}: {}\n", check.name, check.means));
        }
        for warning in &self.warnings {
            text.push_str(&format!("\nnote   {warning}\n"));
        }
        text
    }
}

impl Check {
    fn row(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Fails => "FAILS",
            Verdict::Measured => "measured",
            Verdict::Skipped => "skipped",
        };
        let mut row = vec![self.name.to_owned(), self.compared.clone()];
        row.extend(match &self.difference {
            None => ["-", "-", "-", "-"].map(str::to_owned),
            Some(found) => {
                let flips = match found.flips {
                    0 => format!("0 of {}", found.n_pairs),
                    n => format!("{n} of {} (margin {:.1e})", found.n_pairs, found.flipped_margin),
                };
                let number = |value: f64| if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") };
                [
                    number(found.absolute),
                    number(found.relative),
                    flips,
                    format!("{} / {}", found.ties[0], found.ties[1]),
                ]
            }
        });
        row.push(verdict.to_owned());
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tolerance_follows_the_spread_and_never_falls_below_rounding() {
        let spread = Spread::of(&vec![vec![1.0, 3.0], vec![f32::NAN]]);
        assert_eq!((spread.smallest, spread.largest, spread.deviation), (1.0, 3.0, 1.0));
        assert_eq!(spread.tolerance(), 1e-4);
        let level = Spread::of(&vec![vec![-200.0, -200.0]]);
        assert!((level.tolerance() - 2e-4).abs() < 1e-12);
    }
}
