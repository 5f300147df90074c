//! Which of two responses is better, as data sets write it.

use super::cell::Cell;
use super::error::RowProblem;

/// How a label column is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelRule {
    /// `A>B`, `[[B]]`, `model_a`, `tie`, …
    Words,
    /// HelpSteer3: negative: the first is better, 0: tie, positive: the second is better.
    Signed,
    /// 0: the first is better, 1: the second.
    Index,
    /// Beside pairs: the probability that the chosen response is better.
    Probability,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    First {
        strength: Option<f64>,
    },
    Second {
        strength: Option<f64>,
    },
    /// The first is better with this probability, above a half.
    Soft(f64),
    Tie,
}

impl LabelRule {
    /// # Errors
    /// No value, or one that says nothing under this rule.
    pub fn read(self, cell: Cell<'_>) -> Result<Verdict, RowProblem> {
        if cell.is_null() {
            // Beside pairs the label may be left out: chosen is chosen.
            let chosen = Verdict::First { strength: None };
            return if self == LabelRule::Probability { Ok(chosen) } else { Err(RowProblem::Null) };
        }
        if self == LabelRule::Words {
            let text = cell.into_name()?;
            return words(&text).ok_or_else(|| RowProblem::Label { value: text.chars().take(40).collect() });
        }
        let Some(number) = cell.into_number()? else { return Err(RowProblem::Null) };
        let unknown = || RowProblem::Label { value: number.to_string() };
        match self {
            LabelRule::Signed if number < 0.0 => Ok(Verdict::First { strength: Some(-number) }),
            LabelRule::Signed if number > 0.0 => Ok(Verdict::Second { strength: Some(number) }),
            LabelRule::Signed => Ok(Verdict::Tie),
            LabelRule::Index if number == 0.0 => Ok(Verdict::First { strength: None }),
            LabelRule::Index if number == 1.0 => Ok(Verdict::Second { strength: None }),
            LabelRule::Probability if number == 0.5 => Ok(Verdict::Tie),
            LabelRule::Probability if number > 0.5 && number <= 1.0 => Ok(Verdict::Soft(number)),
            // Below a half the row contradicts its own column names.
            _ => Err(unknown()),
        }
    }
}

/// A verdict in words or comparison signs, in any case and bracketing.
fn words(text: &str) -> Option<Verdict> {
    let kept: String = text.chars().filter(|c| c.is_alphanumeric() || "<>=".contains(*c)).collect();
    let kept = kept.to_lowercase();
    let bare = ["assistant", "response", "model", "output", "answer", "completion"]
        .iter()
        .find_map(|word| kept.strip_prefix(word))
        .unwrap_or(&kept);
    Some(match bare {
        "a>>b" => Verdict::First { strength: Some(2.0) },
        "a>b" | "b<a" | "a" | "1" | "first" => Verdict::First { strength: None },
        "b>>a" => Verdict::Second { strength: Some(2.0) },
        "b>a" | "a<b" | "b" | "2" | "second" => Verdict::Second { strength: None },
        "a=b" | "b=a" | "tie" | "tiebothbad" | "bothbad" | "both" | "equal" | "same" | "neither" | "none" => {
            Verdict::Tie
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{First, Second, Tie};

    const FIRST: Verdict = First { strength: None };
    const SECOND: Verdict = Second { strength: None };

    #[test]
    fn words_and_signs() {
        for (text, expected) in [
            ("A>B", Some(FIRST)),
            ("[[A>>B]]", Some(First { strength: Some(2.0) })),
            ("B>A", Some(SECOND)),
            ("[[B]]", Some(SECOND)),
            ("model_a", Some(FIRST)),
            ("Assistant B", Some(SECOND)),
            ("response_1", Some(FIRST)),
            ("Output (b)", Some(SECOND)),
            ("A=B", Some(Tie)),
            ("tie (bothbad)", Some(Tie)),
            ("good", None),
            ("0", None),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_mean_what_their_rule_says() {
        let read = |rule: LabelRule, number| rule.read(Cell::Integer(number));
        assert_eq!(read(LabelRule::Signed, -3), Ok(First { strength: Some(3.0) }));
        assert_eq!(read(LabelRule::Signed, 0), Ok(Tie));
        assert_eq!(read(LabelRule::Index, 0), Ok(FIRST));
        assert!(read(LabelRule::Index, 2).is_err());
        assert_eq!(LabelRule::Probability.read(Cell::Number(0.5)), Ok(Tie));
        assert!(LabelRule::Probability.read(Cell::Number(0.2)).is_err());
        assert_eq!(LabelRule::Probability.read(Cell::Null), Ok(FIRST));
        assert_eq!(LabelRule::Words.read(Cell::Null), Err(RowProblem::Null));
    }
}
