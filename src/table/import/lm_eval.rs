//! Samples of lm-evaluation-harness (`samples_<task>_<date>.jsonl`, one line per document).
//!
//! A multiple-choice document becomes a comparison of its right answer with the others, each with its
//! log-likelihood (`filtered_resps`: pairs of log-likelihood and whether it is greedy). Other documents have an
//! outcome only: their `acc` or `exact_match`, 1 or 0.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::entry::{Answer, Entry};
use super::{ByModel, ImportError, Source, object, outcome};
use crate::files;
use crate::lang::Lang;

/// Metrics that are outcomes, in order of preference.
const OUTCOMES: [&str; 4] = ["acc", "exact_match", "em", "accuracy"];

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    for path in paths {
        let own = found.entry(model(path)).or_default();
        let task: Arc<str> = task(path).into();
        let place = source.place(&task);
        let (mut outcomes, mut unusable) = (0usize, 0usize);
        for (row, line) in files::read_text(path)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fault = |problem: String| ImportError::Row {
                path: path.clone(),
                row: row as u64,
                problem,
                hint: Some("a line is a sample with `doc_id`, `target` and `filtered_resps`"),
            };
            let sample: Value = serde_json::from_str(line).map_err(|e| fault(e.to_string()))?;
            let Some(id) = sample.get("doc_id").and_then(object::name) else {
                return Err(fault("`doc_id` is missing".to_owned()));
            };
            let (chosen, rejected) = match likelihoods(&sample) {
                Some(rewards) => rewards,
                None => match by_metric(&sample) {
                    Some((chosen, rejected)) => {
                        outcomes += 1;
                        (vec![chosen], vec![rejected])
                    }
                    None => {
                        unusable += 1;
                        continue;
                    }
                },
            };
            let answers = |rewards: Vec<f64>| rewards.into_iter().map(|reward| Answer::of(Some(reward))).collect();
            let id: Arc<str> = id.into();
            let entry = Entry {
                lang: source.options.lang.unwrap_or(Lang::ENGLISH),
                subset: task.clone(),
                category: None,
                source: id.clone(),
                id,
                chosen: answers(chosen),
                rejected: answers(rejected),
            };
            own.entries.push((place.clone(), entry));
        }
        if outcomes > 0 {
            own.notes.push(format!("{task}: {outcomes} samples have an outcome and no likelihoods"));
        }
        if unusable > 0 {
            own.notes.push(format!("{task}: {unusable} samples have neither and were left out"));
        }
    }
    Ok(found)
}

/// Log-likelihoods of the right answer and of the others.
fn likelihoods(sample: &Value) -> Option<(Vec<f64>, Vec<f64>)> {
    let responses = sample.get("filtered_resps")?.as_array()?;
    let likelihood = |response: &Value| match response {
        Value::Array(pair) if pair.len() == 2 => match &pair[0] {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        },
        _ => None,
    };
    let all: Vec<f64> = responses.iter().map(likelihood).collect::<Option<_>>()?;
    let target = sample.get("target").or_else(|| sample.get("doc")?.get("label"))?;
    let target = match target {
        Value::String(text) => text.trim().parse().ok()?,
        other => usize::try_from(other.as_u64()?).ok()?,
    };
    let right = *all.get(target)?;
    let others: Vec<f64> = all.iter().enumerate().filter(|(i, _)| *i != target).map(|(_, value)| *value).collect();
    (!others.is_empty()).then_some((vec![right], others))
}

fn by_metric(sample: &Value) -> Option<(f64, f64)> {
    OUTCOMES.iter().find_map(|metric| sample.get(metric).and_then(object::number)).and_then(outcome::pair)
}

/// `samples_<task>_<date>.jsonl`: the date begins with a year.
fn task(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let rest = stem.strip_prefix("samples_").unwrap_or(&stem);
    match rest.rsplit_once('_') {
        Some((task, date)) if date.starts_with("20") && date.contains('-') => task.to_owned(),
        _ => rest.to_owned(),
    }
}

/// The directory is called like the model (`org__model`).
fn model(path: &Path) -> String {
    let directory = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().replace("__", "/"));
    directory.filter(|name| !name.is_empty() && name != ".").unwrap_or_else(|| "lm-eval".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_target_is_chosen_and_the_others_are_rejected() {
        let sample =
            json!({"doc_id": 3, "target": "1", "filtered_resps": [[-5.0, false], ["-2.5", "True"], [-3.0, false]]});
        assert_eq!(likelihoods(&sample), Some((vec![-2.5], vec![-5.0, -3.0])));
        let generated = json!({"doc_id": 3, "target": "x", "filtered_resps": ["x"], "exact_match": 1.0});
        assert_eq!(likelihoods(&generated), None);
        assert_eq!(by_metric(&generated), Some((1.0, 0.0)));
    }

    #[test]
    fn tasks_and_models_are_read_off_paths() {
        let path = Path::new("out/org__lm/samples_belebele_arb_Arab_2025-01-01T10-00-00.000.jsonl");
        assert_eq!((task(path), model(path)), ("belebele_arb_Arab".to_owned(), "org/lm".to_owned()));
    }
}
