//! What judgments say of the judge, as shares of sums over items: position, consistency, failures, cost.
//!
//! * picks-first = Σ verdicts for the response shown first / Σ verdicts; the order is balanced, so 1/2 is no bias.
//! * order-consistency = Σ sets with one answer in all orders / Σ sets judged in several orders (JudgeBench's
//!   inconsistency is its complement).
//! * accuracy-lowest and -highest: accuracy with every judgment without a verdict wrong, or right.
//!
//! Items that were not judged contribute nothing.

use crate::metric::accuracy::credit;
use crate::metric::outcome::Evidence;
use crate::metric::{Group, Metric, Protocol};
use crate::table::item::Item;
use crate::table::judged::JudgeCounts;

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

/// All of them, bounds of accuracy first.
pub static ALL: [&dyn Metric; 9] =
    [&LOWEST, &HIGHEST, &PICKS_FIRST, &CONSISTENT, &TIES, &UNPARSED, &REFUSED, &ERRORS, &TOKENS];

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

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        (sums[1] > 0.0).then(|| sums[0] / sums[1])
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
        let mut any = false;
        for item in group.items() {
            let Some(judged) = item.judged.filter(|judged| judged.counts.judgments > 0) else { continue };
            let rewards = if self.highest { judged.best } else { judged.worst };
            let n_chosen = item.chosen.len().min(rewards.len());
            let (chosen, rejected) = rewards.split_at(n_chosen);
            let bound = Item { chosen, rejected, ..item };
            if let Some(credit) = Evidence::Rewards.extremes(&bound).and_then(|e| credit(&e, protocol.ties)) {
                sums[0] += credit;
                sums[1] += 1.0;
                any = true;
            }
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        (sums[1] > 0.0).then(|| sums[0] / sums[1])
    }
}
