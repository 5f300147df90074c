//! Comparisons as questions with a right verdict.

use super::model::JudgeModel;
use super::settings::JudgeTraining;
use crate::judge::grammar::{Meaning, Verdict};
use crate::judge::prompt::{Extras, Wording, Wordings};
use crate::judge::teaching::{self, Asking};
use crate::judge::verifiable::Gold;
use crate::judge::{JudgeError, Protocol};
use crate::lang::Lang;
use crate::preference::{Comparison, Response};
use crate::text::question::Question;
use crate::train::error::TrainError;

/// A question whose right verdict is known.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Item and order, for draws and messages.
    pub id: String,
    pub lang: Lang,
    pub question: Question,
    pub gold: Gold,
}

/// Questions, and how many were too long for the model with their replies.
pub struct Questions {
    pub asked: Vec<Asked>,
    pub dropped: usize,
}

pub fn questions(
    model: &JudgeModel,
    comparisons: &[Comparison],
    judge: &JudgeTraining,
    seed: u64,
) -> Result<Questions, TrainError> {
    let wordings = Wordings { prompt: judge.prompt_language, reasoning: Wording::English };
    let asking = Asking { protocol: &model.protocol, orders: judge.orders, wordings, seed };
    let mut found = Questions { asked: Vec::new(), dropped: 0 };
    for comparison in comparisons {
        let failed = |e: JudgeError| TrainError::Begin(e.to_string());
        for (number, (shown, conversation)) in
            teaching::questions(asking, comparison, &Extras::default()).map_err(failed)?.into_iter().enumerate()
        {
            let wrong = |problem: String| {
                TrainError::Begin(format!(
                    "item `{}` ({}), row {}: {problem}",
                    comparison.id, comparison.lang, comparison.row
                ))
            };
            let grades = grades(comparison, &shown);
            if judge.worth.reads_grades()[1] && grades.is_none() {
                let what = "has no rating of both responses (columns.chosen-grade and columns.rejected-grade, or a list of \
                            responses with scores), which `judge.worth` counts";
                return Err(wrong(format!("it {what}")));
            }
            let [gold, _] = teaching::verdicts(&model.protocol, &shown, comparison.chosen.len()).map_err(wrong)?;
            let question = model.writer.model.text.question(&conversation).map_err(wrong)?;
            if question.ids.is_empty() || question.ids.len() + model.most(judge) > model.limit() {
                found.dropped += 1;
                continue;
            }
            let id = format!("{}\u{0}{}\u{0}{}\u{0}{number}", comparison.subset, comparison.id, comparison.lang);
            found.asked.push(Asked {
                id,
                lang: comparison.lang,
                question,
                gold: Gold { verdict: graded(gold, comparison, grades, &model.protocol), grades },
            });
        }
    }
    Ok(found)
}

/// The verdict with how much better the data call the response, where the protocol says it too.
fn graded(gold: Verdict, comparison: &Comparison, grades: Option<[f64; 2]>, protocol: &Protocol) -> Verdict {
    let strength = comparison.margin.filter(|margin| (1.0..=3.0).contains(margin)).map(|margin| margin.round() as u8);
    match (gold, &protocol.verdict.meaning, grades) {
        (Verdict::Pick { place, .. }, Meaning::Scale { .. }, _) => Verdict::Pick { place, strength },
        (Verdict::Pick { place, .. }, Meaning::Grades { .. }, Some([one, other])) => {
            Verdict::Pick { place, strength: Some((one - other).abs().ceil() as u8) }
        }
        (gold, ..) => gold,
    }
}

/// What the data rate the two responses, in the order shown.
fn grades(comparison: &Comparison, shown: &[usize]) -> Option<[f64; 2]> {
    let responses: Vec<&Response> = comparison.responses().collect();
    let ratings = &comparison.evidence.ratings;
    let of = |slot: usize| match ratings.len() == responses.len() {
        true => ratings[slot],
        false => responses.get(slot)?.variant.as_deref()?.strip_prefix("grade ")?.parse().ok(),
    };
    match shown {
        [first, second] => Some([of(*first)?, of(*second)?]),
        _ => None,
    }
}
