//! Held-out questions, answered greedily: how many replies can be read, how many are right.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::JudgeModel;
use super::questions::Asked;
use super::settings::JudgeTraining;
use crate::generation::Task;
use crate::judge::grammar::{Reading, Verdict};
use crate::lang::Lang;
use crate::metric::interval::wilson;
use crate::train::error::TrainError;

/// Of the intervals that are shown.
const LEVEL: f64 = 0.95;

/// Counts over questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    pub n: usize,
    pub right: usize,
    pub parsed: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JudgeEvaluation {
    pub overall: Share,
    pub languages: BTreeMap<Lang, Share>,
}

/// Whether a reading is the right verdict; ties and what cannot be read are not.
pub fn is_right(reading: &Reading, gold: &Verdict) -> bool {
    match (reading, gold) {
        (Reading::Verdict { verdict: Verdict::Pick { place, .. }, .. }, Verdict::Pick { place: gold, .. }) => {
            place == gold
        }
        (Reading::Verdict { verdict: Verdict::Rating(rating), .. }, Verdict::Rating(gold)) => {
            (*rating > 0.5) == (*gold > 0.5)
        }
        _ => false,
    }
}

pub fn evaluate(model: &JudgeModel, asked: &[Asked], judge: &JudgeTraining) -> Result<JudgeEvaluation, TrainError> {
    let task = |asked: &Asked| Task { prompt: asked.question.ids.clone(), most: model.most(judge), ..Task::default() };
    let tasks: Vec<Task> = asked.iter().map(task).collect();
    let written = model.writer.write(&tasks).map_err(|e| TrainError::Begin(e.to_string()))?;
    let mut found = JudgeEvaluation::default();
    for (asked, reply) in asked.iter().zip(&written) {
        let reading = model.protocol.grammar(asked.lang).read(&reply.text);
        let (parsed, right) = (matches!(reading, Reading::Verdict { .. }), is_right(&reading, &asked.gold.verdict));
        for share in [&mut found.overall, found.languages.entry(asked.lang).or_default()] {
            share.n += 1;
            share.parsed += usize::from(parsed);
            share.right += usize::from(right);
        }
    }
    Ok(found)
}

impl Share {
    pub fn accuracy(&self) -> Option<f64> {
        (self.n > 0).then(|| self.right as f64 / self.n as f64)
    }

    fn to_json(self) -> Map<String, Value> {
        let interval = self.accuracy().and_then(|share| wilson(share, self.n as f64, LEVEL));
        let interval = interval.map(|interval| [interval.low, interval.high]);
        let mut out = Map::new();
        out.insert("n".into(), self.n.into());
        out.insert("accuracy".into(), self.accuracy().into());
        out.insert("interval".into(), json!(interval));
        out.insert("parsed".into(), (self.parsed as f64 / self.n.max(1) as f64).into());
        out
    }
}

impl JudgeEvaluation {
    pub fn to_json(&self, step: u64) -> Value {
        let mut out = self.overall.to_json();
        out.insert("step".into(), step.into());
        let languages = self.languages.iter().map(|(lang, share)| (lang.code().to_owned(), share.to_json().into()));
        out.insert("languages".into(), Value::Object(languages.collect()));
        Value::Object(out)
    }

    pub fn summary(&self) -> String {
        let Share { n, right, parsed } = self.overall;
        let percent = |count: usize| 100.0 * count as f64 / n.max(1) as f64;
        let interval = wilson(right as f64 / n.max(1) as f64, n as f64, LEVEL);
        let interval = interval.map_or(String::new(), |i| format!(" [{:.1}, {:.1}]", 100.0 * i.low, 100.0 * i.high));
        format!("accuracy {:.1} %{interval} of {n} questions, {:.1} % parsed", percent(right), percent(parsed))
    }
}
