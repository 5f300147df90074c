//! The metrics a report knows by name: what they are called and in which unit they are shown.

mod cells;

/// How a number is printed. Findings hold fractions; reports show percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A fraction of 1, shown × 100.
    Percent,
    /// A difference of fractions, shown × 100 with its sign.
    Points,
    /// Shown as it is, three decimals.
    Plain,
    /// Things that are counted: whole, or with one decimal where they are few.
    Count,
}

pub const ACCURACY: &str = "accuracy";
/// accuracy(language) − accuracy(English) over the source items both have.
pub const GAP: &str = "gap-to-english";
/// Accuracy of preferring the longest response: what a model that saw no content would get.
pub const LONGEST: &str = "longest-wins";

/// How much more often than by chance the response shown first is picked.
pub const POSITION: &str = "position-bias";

#[derive(Debug)]
pub struct Measure {
    pub id: &'static str,
    pub title: &'static str,
    pub unit: Unit,
    /// One sentence for the method notes.
    pub about: &'static str,
}

pub static MEASURES: &[Measure] = &[
    Measure {
        id: ACCURACY,
        title: "Accuracy",
        unit: Unit::Percent,
        about: "Share of comparisons in which every chosen response has a higher reward than every rejected one.",
    },
    Measure {
        id: GAP,
        title: "Gap to English",
        unit: Unit::Points,
        about: "Accuracy in the language minus accuracy in English, over the source items that both have, in percentage points.",
    },
    Measure {
        id: LONGEST,
        title: "Longest wins",
        unit: Unit::Percent,
        about: "Accuracy of always preferring the longer response; no model is involved.",
    },
    Measure {
        id: "shortest-wins",
        title: "Shortest wins",
        unit: Unit::Percent,
        about: "Accuracy of always preferring the shorter response; no model is involved.",
    },
    Measure {
        id: "most-tokens-wins",
        title: "Most tokens win",
        unit: Unit::Percent,
        about: "Accuracy of always preferring the response that is more tokens long for the model's tokenizer.",
    },
    Measure {
        id: "accuracy-chosen-longer",
        title: "Chosen longer",
        unit: Unit::Percent,
        about: "Accuracy where the chosen response is the longer one.",
    },
    Measure {
        id: "accuracy-chosen-shorter",
        title: "Chosen shorter",
        unit: Unit::Percent,
        about: "Accuracy where the chosen response is the shorter one.",
    },
    Measure {
        id: "accuracy-length-balanced",
        title: "Length-balanced",
        unit: Unit::Percent,
        about: "Mean of the accuracies where the chosen response is longer and where it is shorter.",
    },
    Measure {
        id: "accuracy-length-matched",
        title: "Length-matched",
        unit: Unit::Percent,
        about: "Accuracy where the lengths of both responses differ by at most a tenth of the longer one.",
    },
    Measure {
        id: "brier",
        title: "Brier score",
        unit: Unit::Plain,
        about: "Mean squared distance of the logistic function of the margin from the preference: 0 is perfect, 0.25 is what a coin gets.",
    },
    Measure {
        id: "log-loss",
        title: "Log loss",
        unit: Unit::Plain,
        about: "Mean negative logarithm of the logistic function of the margin, in nats: 0 is perfect, 0.693 is what a coin gets.",
    },
    Measure {
        id: "ece",
        title: "ECE",
        unit: Unit::Percent,
        about: "Expected calibration error of the logistic function of the margin, ten equal bins, both orders.",
    },
    Measure {
        id: "gap-to-english-all-items",
        title: "Gap to English, all items",
        unit: Unit::Points,
        about: "The same with each language on all of its own items, so not on the same items.",
    },
    Measure {
        id: "kappa-with-english",
        title: "Kappa with English",
        unit: Unit::Plain,
        about: "Cohen's kappa between right and wrong in the language and in English, over shared source items.",
    },
    Measure {
        id: "tie-rate",
        title: "Ties",
        unit: Unit::Percent,
        about: "Share of comparisons whose rewards are exactly equal.",
    },
    Measure {
        id: "language-sd",
        title: "Spread over languages",
        unit: Unit::Plain,
        about: "Standard deviation of accuracy over the languages of the average, in percentage points, with the items' noise in it; the interval is that of the spread without it.",
    },
    Measure {
        id: "language-variance",
        title: "Variance over languages",
        unit: Unit::Plain,
        about: "The square of the spread over languages, with the items' noise in it; the interval is that of the variance without it.",
    },
    Measure {
        id: "design-effect",
        title: "Design effect",
        unit: Unit::Plain,
        about: "Resampled variance of the average over the variance if every item were independent: translations of one source item are not.",
    },
    Measure {
        id: "style-matrix-easy",
        title: "Easy",
        unit: Unit::Percent,
        about: "Accuracy where the chosen response has the fancier style.",
    },
    Measure {
        id: "style-matrix-normal",
        title: "Normal",
        unit: Unit::Percent,
        about: "Accuracy where both responses have the same style.",
    },
    Measure {
        id: "style-matrix-hard",
        title: "Hard",
        unit: Unit::Percent,
        about: "Accuracy where the rejected response has the fancier style.",
    },
    Measure {
        id: "ties-reference",
        title: "Reference prompts",
        unit: Unit::Percent,
        about: "Share of reference prompts whose right response is above every wrong one.",
    },
    Measure {
        id: "ties-tied",
        title: "Tied prompts",
        unit: Unit::Percent,
        about: "Share of tied prompts whose right responses are all above every wrong one.",
    },
    Measure {
        id: "ties-preferred",
        title: "Ties kept together",
        unit: Unit::Percent,
        about: "Share of tied prompts whose right responses lie closer to each other than to the best wrong one.",
    },
    Measure {
        id: "ties-preferred-hard",
        title: "Ties kept together, hard",
        unit: Unit::Percent,
        about: "The same with the smaller of the tied prompt's margin and its reference prompt's.",
    },
    Measure {
        id: "ties-margin",
        title: "Margin of ties",
        unit: Unit::Plain,
        about: "Mean hyperbolic tangent of how far wrong responses lie below right ones, relative to the spread of the right ones, less 1.",
    },
    Measure {
        id: "grade-macro-f",
        title: "Macro-F1 of grades",
        unit: Unit::Percent,
        about: "Mean over grades of F1 between a judge's grades and people's, where rewards are grades.",
    },
    Measure {
        id: "grade-exact",
        title: "Same grade",
        unit: Unit::Percent,
        about: "Share of responses that a judge gives the grade that people give.",
    },
    Measure {
        id: "grade-kappa-linear",
        title: "Linear κ",
        unit: Unit::Plain,
        about: "Cohen's κ of a judge's grades and people's, weighted by the distance of grades.",
    },
    Measure { id: "grade-kappa-quadratic", title: "Quadratic κ", unit: Unit::Plain, about: "By squared distance." },
    Measure {
        id: "two-orders-first",
        title: "First order only",
        unit: Unit::Percent,
        about: "Share of pairs that the verdict in the first order gets right: the rule of a single game.",
    },
    Measure {
        id: "two-orders-inconsistent",
        title: "Inconsistent",
        unit: Unit::Percent,
        about: "Share of pairs whose verdicts in the two orders differ.",
    },
    Measure {
        id: "two-orders-silent",
        title: "Without a verdict",
        unit: Unit::Percent,
        about: "Share of pairs of which a judgment gave no verdict.",
    },
    Measure {
        id: "gap-to-published-english",
        title: "Gap to published English",
        unit: Unit::Points,
        about: "Accuracy in the language minus English as RewardBench scores it: all its items, its own weights; so not on the same items.",
    },
    Measure {
        id: "gap-to-published-english-percent",
        title: "Change from published English",
        unit: Unit::Percent,
        about: "The same as a percentage of the score in English.",
    },
    Measure {
        id: "mean-margin",
        title: "Mean margin",
        unit: Unit::Plain,
        about: "Mean reward of chosen minus rejected responses, in the model's own unit.",
    },
    Measure {
        id: "language-disparity",
        title: "Language disparity index",
        unit: Unit::Plain,
        about: "Mean over languages of the mean margin, divided by the largest: 1 where all languages have the same (MM-Eval's LDI).",
    },
    Measure {
        id: "accuracy-lowest",
        title: "Lowest",
        unit: Unit::Percent,
        about: "Accuracy if every judgment without a verdict were wrong.",
    },
    Measure {
        id: "accuracy-highest",
        title: "Highest",
        unit: Unit::Percent,
        about: "Accuracy if every judgment without a verdict were right.",
    },
    Measure {
        id: "picks-first",
        title: "Picks the first",
        unit: Unit::Percent,
        about: "Share of verdicts that pick the response shown first; without position bias 50 % of pairs.",
    },
    Measure {
        id: POSITION,
        title: "Position bias",
        unit: Unit::Points,
        about: "Share of verdicts that pick the response shown first, less what there would be without bias (one half of pairs), in points.",
    },
    Measure {
        id: "order-consistency",
        title: "Same in every order",
        unit: Unit::Percent,
        about: "Share of responses judged in several orders, each with a verdict, of which all orders give the same answer.",
    },
    Measure { id: "judged-ties", title: "Ties", unit: Unit::Percent, about: "Share of judgments that call a tie." },
    Measure {
        id: "unparsed",
        title: "Unparsed",
        unit: Unit::Percent,
        about: "Share of judgments whose reply has no verdict that can be read.",
    },
    Measure {
        id: "refused",
        title: "Refused",
        unit: Unit::Percent,
        about: "Share of judgments that the judge declined.",
    },
    Measure {
        id: "judge-errors",
        title: "Errors",
        unit: Unit::Percent,
        about: "Share of judgments without a reply: rejected by the server, or none came.",
    },
    Measure {
        id: "tokens-per-judgment",
        title: "Tokens",
        unit: Unit::Count,
        about: "Mean tokens of prompt and reply per judgment, where the server counts them.",
    },
    Measure {
        id: "verdict-confidence",
        title: "Confidence",
        unit: Unit::Percent,
        about: "Mean probability that the judge gives its own verdicts.",
    },
    Measure {
        id: "verdict-overconfidence",
        title: "Overconfidence",
        unit: Unit::Points,
        about: "Confidence less the share of these verdicts that is right; 0 is calibrated on the whole.",
    },
    Measure {
        id: "verdict-brier",
        title: "Brier",
        unit: Unit::Plain,
        about: "Mean squared distance of the right verdict's probability from 1; always saying one half gets 0.25.",
    },
    Measure {
        id: "yes-bias",
        title: "Yes bias",
        unit: Unit::Points,
        about: "Mean probability of yes less the share of responses that it is right for; of pairs 0 is no bias.",
    },
    Measure {
        id: "panel-agreement",
        title: "Panel agrees",
        unit: Unit::Percent,
        about: "Share of pairs of judges that give one answer to the same question in the same order.",
    },
    Measure {
        id: "panel-kappa",
        title: "Panel κ",
        unit: Unit::Plain,
        about: "Agreement of the panel beyond what its judges' habits give by chance (Fleiss).",
    },
    Measure {
        id: "grade-inflation",
        title: "Inflation",
        unit: Unit::Plain,
        about: "Mean of the judge's rating less the gold grade.",
    },
    Measure {
        id: "prompt-language-effect",
        title: "Own-language prompt",
        unit: Unit::Points,
        about: "Accuracy with the question in the item's own language less that of the same judge asked in English.",
    },
];

/// A measure by its id; metrics without an entry are shown under their id, as plain numbers.
pub fn measure(id: &str) -> Option<&'static Measure> {
    MEASURES.iter().chain(cells::CELLS).find(|m| m.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_composite_scores_are_known() {
        use crate::benchmark::manifest::Rule;
        use crate::metric::parts_of;
        for part in [Rule::StyleMatrix, Rule::Ties, Rule::TwoOrders].into_iter().flat_map(parts_of) {
            assert!(measure(part.id()).is_some(), "{}", part.id());
        }
    }

    #[test]
    fn the_list_is_tidy() {
        let all: Vec<&Measure> = MEASURES.iter().chain(cells::CELLS).collect();
        for (i, m) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other.id != m.id), "{} twice", m.id);
            assert!(m.about.ends_with('.'), "{}: a sentence", m.id);
            assert!(m.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", m.id);
        }
    }
}
