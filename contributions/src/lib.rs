//! What items add to the sums of metrics: metrics of the form `finish(Σ contribute(group))`, and what they look at.
//!
//! A package of its own, because it is optimised in the development profile, too: every metric visits every item of every
//! run. Nothing generic stands at its surface (generic code is optimised, or not, with its caller). It knows items as one
//! run scored them, and nothing of languages, benchmarks or tables.
//!
//! In order of use: [`rule`] says how rewards become outcomes, [`item`] is what a metric sees, [`unit`] what it looks at in
//! one go, [`outcome`] what rewards say, the metrics add to sums, [`observe`] collects what each unit adds,
//! [`sources`] lays outcomes out by language and source item, [`tally`] counts.

pub mod accuracy;
pub mod calibration;
pub mod ensemble;
pub mod graded;
pub mod item;
pub mod judged;
pub mod judgment;
pub mod length;
pub mod log_loss;
pub mod margin;
pub mod observe;
pub mod outcome;
pub mod rule;
pub mod sources;
pub mod style_matrix;
pub mod tally;
pub mod ties;
pub mod tokens;
pub mod two_orders;
pub mod unit;

use item::Item;
use outcome::Evidence;
use rule::{Protocol, Rule};

/// What a metric looks at in one go.
#[derive(Debug, Clone, Copy)]
// It lives for one call, as references.
#[allow(clippy::large_enum_variant)]
pub enum Group<'a> {
    One(Item<'a>),
    /// The two prompts of RewardBench 2's Ties that share a number; either may be absent.
    Ties {
        reference: Option<Item<'a>>,
        tied: Option<Item<'a>>,
    },
}

impl<'a> Group<'a> {
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> {
        let (first, second) = match *self {
            Group::One(item) => (Some(item), None),
            Group::Ties { reference, tied } => (reference, tied),
        };
        first.into_iter().chain(second)
    }
}

/// A metric of the form `finish(Σ contribute(group))`.
pub trait Metric: Sync {
    /// Short stable name, as in result files.
    fn id(&self) -> &'static str;
    /// One sentence for people.
    fn about(&self) -> &'static str;
    /// How many sums it keeps; at most [`MAX_WIDTH`].
    fn width(&self) -> usize;
    /// Adds what one group contributes; returns false (adding nothing) where it has no outcome.
    fn contribute(&self, group: &Group<'_>, protocol: &Protocol, sums: &mut [f64]) -> bool;
    /// The metric from the sums; `None` where it is undefined. What is no [`ratio`](Metric::ratio) says it itself.
    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let (above, below) = self.ratio()?;
        (sums[below] > 0.0).then(|| sums[above] / sums[below])
    }
    /// Places of two sums, where it is the first over the second, undefined where the second is 0: such
    /// metrics are evaluated without a call.
    fn ratio(&self) -> Option<(usize, usize)> {
        None
    }
}

/// No metric keeps more sums than this, so that sums fit on the stack.
pub const MAX_WIDTH: usize = 16;

/// Every metric of rewards of this form; those of judgments are [`judgment::ALL`]. To add one: a file here, a line in
/// this list.
pub static METRICS: &[&dyn Metric] = &[
    &accuracy::ACCURACY,
    &accuracy::LONGEST_WINS,
    &accuracy::TieRate,
    &calibration::BrierScore,
    &calibration::ExpectedError,
    &log_loss::LogLoss,
    &length::CHOSEN_LONGER,
    &length::CHOSEN_SHORTER,
    &length::BALANCED,
    &length::MATCHED,
    &length::SHORTEST_WINS,
    &length::MOST_TOKENS_WINS,
    &style_matrix::MATRIX,
    &style_matrix::EASY,
    &style_matrix::NORMAL,
    &style_matrix::HARD,
    &style_matrix::CELLS_OF[0],
    &style_matrix::CELLS_OF[1],
    &style_matrix::CELLS_OF[2],
    &style_matrix::CELLS_OF[3],
    &style_matrix::CELLS_OF[4],
    &style_matrix::CELLS_OF[5],
    &style_matrix::CELLS_OF[6],
    &style_matrix::CELLS_OF[7],
    &style_matrix::CELLS_OF[8],
    &style_matrix::LONGEST_WINS,
    &ties::TIES,
    &ties::REFERENCE,
    &ties::TIED,
    &ties::PREFERRED,
    &ties::PREFERRED_HARD,
    &ties::MARGIN,
    &ties::LONGEST_WINS,
    &two_orders::TWO_ORDERS,
    &two_orders::FIRST,
    &two_orders::INCONSISTENT,
    &two_orders::SILENT,
    &two_orders::LONGEST_WINS,
    &margin::MeanMargin,
    &graded::PREFERENCE,
    &graded::LONGEST_WINS,
    &graded::MACRO_F1,
    &graded::EXACT,
    &graded::LINEAR_KAPPA,
    &graded::QUADRATIC_KAPPA,
];

/// The metric that is a subset's score under a rule, computed from rewards or from lengths.
pub fn score_of(rule: Rule, evidence: Evidence) -> &'static dyn Metric {
    match (rule, evidence) {
        (Rule::Accuracy, Evidence::Rewards) => &accuracy::ACCURACY,
        (Rule::Accuracy, Evidence::Characters) => &accuracy::LONGEST_WINS,
        (Rule::StyleMatrix, Evidence::Rewards) => &style_matrix::MATRIX,
        (Rule::StyleMatrix, Evidence::Characters) => &style_matrix::LONGEST_WINS,
        (Rule::Ties, Evidence::Rewards) => &ties::TIES,
        (Rule::Ties, Evidence::Characters) => &ties::LONGEST_WINS,
        (Rule::Graded, Evidence::Rewards) => &graded::PREFERENCE,
        (Rule::Graded, Evidence::Characters) => &graded::LONGEST_WINS,
        (Rule::TwoOrders, Evidence::Rewards) => &two_orders::TWO_ORDERS,
        (Rule::TwoOrders, Evidence::Characters) => &two_orders::LONGEST_WINS,
    }
}

/// Further metrics of a rule that are shown beside the score: same sums, another function of them.
pub fn parts_of(rule: Rule) -> &'static [&'static dyn Metric] {
    static OF_MATRIX: [&dyn Metric; 12] = [
        &style_matrix::EASY,
        &style_matrix::NORMAL,
        &style_matrix::HARD,
        &style_matrix::CELLS_OF[0],
        &style_matrix::CELLS_OF[1],
        &style_matrix::CELLS_OF[2],
        &style_matrix::CELLS_OF[3],
        &style_matrix::CELLS_OF[4],
        &style_matrix::CELLS_OF[5],
        &style_matrix::CELLS_OF[6],
        &style_matrix::CELLS_OF[7],
        &style_matrix::CELLS_OF[8],
    ];
    static OF_TIES: [&dyn Metric; 5] =
        [&ties::REFERENCE, &ties::TIED, &ties::PREFERRED, &ties::PREFERRED_HARD, &ties::MARGIN];
    static OF_ORDERS: [&dyn Metric; 3] = [&two_orders::FIRST, &two_orders::INCONSISTENT, &two_orders::SILENT];
    match rule {
        Rule::TwoOrders => &OF_ORDERS,
        // Grades have sums of their own.
        Rule::Accuracy | Rule::Graded => &[],
        Rule::StyleMatrix => &OF_MATRIX,
        Rule::Ties => &OF_TIES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_tidy() {
        let all: Vec<&&dyn Metric> = METRICS.iter().chain(&judgment::ALL).collect();
        for (i, metric) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other.id() != metric.id()), "{} twice", metric.id());
            assert!(metric.id().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", metric.id());
            assert!(metric.about().ends_with('.'), "{}: a sentence", metric.id());
            assert!((1..=MAX_WIDTH).contains(&metric.width()), "{}", metric.id());
            let nothing = [0.0; MAX_WIDTH];
            assert_eq!(metric.finish(&nothing[..metric.width()]), None, "{}: no items, no number", metric.id());
            if let Some((above, below)) = metric.ratio() {
                let mut sums = nothing;
                (sums[above], sums[below]) = (3.0, 4.0);
                assert_eq!(metric.finish(&sums[..metric.width()]), Some(0.75), "{}", metric.id());
            }
        }
    }
}
