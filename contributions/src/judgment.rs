//! What judgments say of the judge, as shares of sums over items: position, consistency, failures, cost.
//!
//! * picks-first = Σ verdicts for the response shown first / Σ verdicts; position-bias = the same less Σ 1/shown / Σ verdicts,
//!   what there would be without bias, since orders are balanced (1/2 of pairs).
//! * order-consistency = Σ sets with one answer in all orders / Σ sets judged in several orders (JudgeBench's
//!   inconsistency is its complement).
//! * accuracy-lowest and -highest: accuracy with every judgment without a verdict wrong, or right.
//! * verdict-overconfidence = Σ (p of the verdict − 1 where it is right) / Σ verdicts with probabilities; verdict-brier
//!   = Σ (1 − p of the right verdict)² / the same.
//! * yes-bias = Σ (p of yes − 1 where yes is right) / Σ; of pairs, where yes is right half the time, 0 is no bias.
//! * panel-kappa: Fleiss' κ = (P − Σ s²)/(1 − Σ s²), P the share of pairs of judges that agree on a question, s the
//!   shares of votes for a chosen response, a rejected one, neither.
//! * grade-inflation = Σ (rating − gold grade) / Σ graded responses; of responses graded two at a time each order counts.
//!
//! Items that were not judged contribute nothing.

use crate::accuracy::{add_credits, credit};
use crate::item::Item;
use crate::judged::JudgeCounts;
use crate::outcome::Evidence;
use crate::rule::Protocol;
use crate::{Group, Metric};

/// Σ part / Σ whole of the counts.
pub struct Share {
    id: &'static str,
    about: &'static str,
    of: fn(&JudgeCounts) -> (f64, f64),
}

pub static PICKS_FIRST: Share = Share {
    id: "picks-first",
    about: "Share of verdicts that pick the response shown first; without position bias one half of pairs.",
    of: |counts| (f64::from(counts.first), f64::from(counts.picks)),
};
pub static POSITION: Share = Share {
    id: "position-bias",
    about: "Share of verdicts that pick the response shown first, less what there would be without position bias (one half of pairs).",
    of: |counts| (f64::from(counts.first) - counts.first_expected, f64::from(counts.picks)),
};
pub static CONSISTENT: Share = Share {
    id: "order-consistency",
    about: "Share of responses judged in several orders of which all orders give the same answer.",
    of: |counts| (f64::from(counts.consistent), f64::from(counts.reordered)),
};
pub static TIES: Share = Share {
    id: "judged-ties",
    about: "Share of judgments that call a tie.",
    of: |counts| (f64::from(counts.ties), f64::from(counts.judgments)),
};
pub static UNPARSED: Share = Share {
    id: "unparsed",
    about: "Share of judgments whose reply has no verdict that can be read.",
    of: |counts| (f64::from(counts.unparsed), f64::from(counts.judgments)),
};
pub static REFUSED: Share = Share {
    id: "refused",
    about: "Share of judgments that the judge declined.",
    of: |counts| (f64::from(counts.refused), f64::from(counts.judgments)),
};
pub static ERRORS: Share = Share {
    id: "judge-errors",
    about: "Share of judgments without a reply.",
    of: |counts| (f64::from(counts.errors), f64::from(counts.judgments)),
};
pub static TOKENS: Share = Share {
    id: "tokens-per-judgment",
    about: "Mean tokens of prompt and reply per judgment.",
    of: |counts| ((counts.prompt_tokens + counts.reply_tokens) as f64, f64::from(counts.counted)),
};

pub static CONFIDENCE: Share = Share {
    id: "verdict-confidence",
    about: "Mean probability that the judge gives its own verdicts.",
    of: |counts| (counts.stated_p, f64::from(counts.stated)),
};
pub static OVERCONFIDENCE: Share = Share {
    id: "verdict-overconfidence",
    about: "Mean probability of verdicts less the share that is right; 0 is calibrated on the whole.",
    of: |counts| (counts.stated_p - f64::from(counts.stated_right), f64::from(counts.stated)),
};
pub static BRIER: Share = Share {
    id: "verdict-brier",
    about: "Mean squared distance of the right verdict's probability from 1; a judge that always says one half gets 0.25.",
    of: |counts| (counts.stated_brier, f64::from(counts.stated)),
};
pub static YES_BIAS: Share = Share {
    id: "yes-bias",
    about: "Mean probability of yes less the share of responses it is right for; 0 is no bias.",
    of: |counts| (counts.yes_excess, f64::from(counts.asked)),
};
pub static AGREEMENT: Share = Share {
    id: "panel-agreement",
    about: "Share of pairs of judges that give one answer to the same question.",
    of: |counts| (f64::from(counts.panel_same), f64::from(counts.panel_pairs)),
};

/// All of them, bounds of accuracy first.
pub static ALL: [&dyn Metric; 17] = [
    &LOWEST,
    &HIGHEST,
    &PICKS_FIRST,
    &POSITION,
    &CONSISTENT,
    &TIES,
    &UNPARSED,
    &REFUSED,
    &ERRORS,
    &TOKENS,
    &CONFIDENCE,
    &OVERCONFIDENCE,
    &BRIER,
    &YES_BIAS,
    &AGREEMENT,
    &PanelKappa,
    &Inflation,
];

/// Those that are no shares: they may be below 0.
pub const SIGNED: [&str; 5] = ["position-bias", "verdict-overconfidence", "yes-bias", "panel-kappa", "grade-inflation"];

impl Metric for Share {
    fn id(&self) -> &'static str {
        self.id
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for counts in group.items().filter_map(|item| item.judged).map(|judged| judged.counts) {
            let (part, whole) = (self.of)(counts);
            if whole > 0.0 {
                sums[0] += part;
                sums[1] += whole;
                any = true;
            }
        }
        any
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}

/// Agreement beyond chance.
pub struct PanelKappa;

/// Sums: pairs that agree, pairs, votes of three kinds.
impl Metric for PanelKappa {
    fn id(&self) -> &'static str {
        "panel-kappa"
    }

    fn about(&self) -> &'static str {
        "Agreement of the judges of a panel beyond what their habits give by chance (Fleiss)."
    }

    fn width(&self) -> usize {
        5
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for counts in group.items().filter_map(|item| item.judged).map(|judged| judged.counts) {
            if counts.panel_pairs > 0 {
                let all = [counts.panel_same, counts.panel_pairs].into_iter().chain(counts.votes);
                sums.iter_mut().zip(all).for_each(|(sum, n)| *sum += f64::from(n));
                any = true;
            }
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let votes: f64 = sums[2..].iter().sum();
        let by_chance: f64 = sums[2..].iter().map(|n| (n / votes).powi(2)).sum();
        // Judges that all give one answer everywhere agree, and nothing tells it from chance.
        (sums[1] > 0.0 && by_chance < 1.0).then(|| (sums[0] / sums[1] - by_chance) / (1.0 - by_chance))
    }
}

/// How much higher a judge grades than people did (MENLO, arXiv 2509.26601).
pub struct Inflation;

/// Sums: rating less grade, graded responses.
impl Metric for Inflation {
    fn id(&self) -> &'static str {
        "grade-inflation"
    }

    fn about(&self) -> &'static str {
        "Mean of the judge's rating less the gold grade, over responses with both."
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items() {
            let Some(counts) = item.judged.map(|judged| judged.counts) else { continue };
            if counts.graded > 0 {
                sums[0] += counts.grade_excess;
                sums[1] += f64::from(counts.graded);
                any = true;
                continue;
            }
            if counts.rated == 0 {
                continue;
            }
            let rewards = item.chosen.iter().chain(item.rejected);
            let grades = item.chosen_grades.iter().chain(item.rejected_grades);
            for (rating, grade) in rewards.zip(grades) {
                if let (Some(rating), true) = (rating, *grade > 0) {
                    sums[0] += f64::from(*rating) - f64::from(*grade);
                    sums[1] += 1.0;
                    any = true;
                }
            }
        }
        any
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}

/// Accuracy at one of the bounds.
pub struct Bound {
    highest: bool,
}

pub static LOWEST: Bound = Bound { highest: false };
pub static HIGHEST: Bound = Bound { highest: true };

/// Sums: credit, items.
impl Metric for Bound {
    fn id(&self) -> &'static str {
        if self.highest { "accuracy-highest" } else { "accuracy-lowest" }
    }

    fn about(&self) -> &'static str {
        match self.highest {
            true => "Accuracy if every judgment without a verdict were right.",
            false => "Accuracy if every judgment without a verdict were wrong.",
        }
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, protocol: &Protocol, sums: &mut [f64]) -> bool {
        let of_item = |item: Item<'_>| {
            let judged = item.judged.filter(|judged| judged.counts.judgments > 0)?;
            let (rewards, pairs) = match self.highest {
                true => (judged.best, judged.best_pairs),
                false => (judged.worst, judged.worst_pairs),
            };
            let n_chosen = item.chosen.len().min(rewards.len());
            let (chosen, rejected) = rewards.split_at(n_chosen);
            let bound = Item { chosen, rejected, pairs, ..item };
            Evidence::Rewards.extremes(&bound).and_then(|extremes| credit(&extremes, protocol.ties))
        };
        add_credits(group.items().map(of_item), sums)
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        Some((0, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{Place, View};
    use crate::judged::Judged;
    use crate::rule::TiePolicy;

    /// Two pairs, each judged in both orders. The first: right both times. The second: one verdict for the first
    /// response shown, one reply without a verdict; with it wrong a tie, with it right right.
    #[test]
    fn shares_and_bounds() {
        let both = |n| JudgeCounts {
            judgments: 2,
            picks: n,
            counted: 2,
            prompt_tokens: 30,
            reply_tokens: 10,
            ..JudgeCounts::default()
        };
        let judged = Judged {
            counts: vec![
                JudgeCounts { first: 1, first_expected: 1.0, reordered: 1, consistent: 1, ..both(2) },
                JudgeCounts { first: 1, first_expected: 0.5, unparsed: 1, ..both(1) },
            ],
            worst: vec![Some(1.0), Some(0.0), Some(0.5), Some(0.5)],
            best: vec![Some(1.0), Some(0.0), Some(1.0), Some(0.0)],
            pairs: Default::default(),
            judges: vec!["j".to_owned()],
        };
        let rewards = [Some(1.0), Some(0.0), Some(1.0), Some(0.0)];
        let view = View {
            rewards: &rewards,
            n_tokens: &[0; 4],
            truncated: &[false; 4],
            present: &[true; 4],
            n_chars: &[1; 4],
            grades: &[],
            judged: Some(&judged),
        };
        let value = |metric: &dyn Metric| {
            let mut sums = [0.0; 2];
            for item in 0..2 {
                let place = Place { item, offset: 2 * item, n_chosen: 1, n_rejected: 1 };
                metric.contribute(&Group::One(view.item(place)), &Protocol { ties: TiePolicy::Loss }, &mut sums);
            }
            metric.finish(&sums)
        };
        assert_eq!(value(&PICKS_FIRST), Some(2.0 / 3.0));
        assert_eq!(value(&POSITION), Some(0.5 / 3.0), "two of three, where one and a half would be no bias");
        assert_eq!(value(&CONSISTENT), Some(1.0));
        assert_eq!(value(&UNPARSED), Some(0.25));
        assert_eq!(value(&TOKENS), Some(20.0));
        assert_eq!((value(&LOWEST), value(&HIGHEST)), (Some(0.5), Some(1.0)));
        assert_eq!((value(&CONFIDENCE), value(&YES_BIAS), value(&AGREEMENT)), (None, None, None));
    }

    /// Three questions to two judges: both chosen, both rejected, one each: P = 2/3, shares ½ and ½, κ = (2/3 − ½)/½.
    #[test]
    fn kappa_by_hand() {
        let kappa = PanelKappa.finish(&[2.0, 3.0, 3.0, 3.0, 0.0]).unwrap();
        assert!((kappa - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(PanelKappa.finish(&[3.0, 3.0, 6.0, 0.0, 0.0]), None, "all one answer");
        assert_eq!(PanelKappa.finish(&[0.0; 5]), None);
    }
}
