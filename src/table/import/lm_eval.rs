//! Samples of lm-evaluation-harness (`samples_<task>_<date>.jsonl`, one line per document).
//!
//! A multiple-choice document becomes a comparison of its right answer with the others, each with its
//! log-likelihood (`filtered_resps`: pairs of log-likelihood and whether it is greedy). Other documents have an
//! outcome only: their `acc` or `exact_match`, 1 or 0. A task that was read through several filters is a benchmark
//! per filter, `<task>,<filter>` as lm-eval itself writes it. The language is the one that the task's name has in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::entry::Answer;
use super::join::{Loose, Scores, join};
use super::{ByModel, ImportError, Source, object, outcome};
use crate::benchmark::reader::python;
use crate::files;
use crate::lang::Lang;

/// Metrics that are outcomes, in order of preference.
const OUTCOMES: [&str; 4] = ["acc", "exact_match", "em", "accuracy"];

/// Tasks whose names have languages as two letters (`xnli_fr`); in others two letters may be anything.
const BY_TWO_LETTERS: [&str; 14] = [
    "xnli_",
    "xcopa_",
    "xstorycloze_",
    "xwinograd_",
    "paws_",
    "mgsm_",
    "m_mmlu_",
    "global_mmlu_",
    "arc_",
    "hellaswag_",
    "truthfulqa_",
    "lambada_openai_mt_",
    "lambada_multilingual_",
    "mlqa_",
];

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    let (mut named, mut unnamed): (BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>) = Default::default();
    for path in paths {
        let (model, task) = (model(path), task(path));
        let lang = source.options.lang.or_else(|| match language(&task) {
            Some(lang) => {
                named.entry(model.clone()).or_default().push(format!("{task} is {lang}"));
                Some(lang)
            }
            None => {
                unnamed.entry(model.clone()).or_default().push(task.clone());
                Some(Lang::ENGLISH)
            }
        });
        let own = found.entry(model).or_default();
        let (mut outcomes, mut unusable) = (0usize, 0usize);
        let mut filters: BTreeMap<String, Vec<Loose>> = BTreeMap::new();
        for (row, line) in files::read_text(path)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let hint = "a line is a sample with `doc_id`, `target` and `filtered_resps`";
            let fault = |problem: String| ImportError::row(path, row as u64, problem, Some(hint));
            let sample = python::json(line.as_bytes()).map_err(fault)?;
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
            let answers = |rewards: Vec<f64>| -> Vec<Answer> {
                rewards.into_iter().map(|reward| Answer::of(Some(reward).filter(|r| !r.is_nan()))).collect()
            };
            let filter = sample.get("filter").and_then(Value::as_str).unwrap_or_default();
            filters.entry(filter.to_owned()).or_default().push(Loose {
                row: row as u64,
                id: Some(id.into()),
                chosen: answers(chosen),
                rejected: answers(rejected),
                ..Loose::default()
            });
        }
        let several = filters.len() > 1;
        if several {
            let names: Vec<&str> = filters.keys().map(String::as_str).collect();
            own.notes.push(format!("{task} was read through {}: a benchmark each", names.join(", ")));
        }
        for (filter, mut rows) in filters {
            let name = if several { format!("{task},{filter}") } else { task.clone() };
            rows.iter_mut().for_each(|row| row.subset = Some(name.as_str().into()));
            join(Scores { path, rows, place: source.place(&name), lang, in_order: false, among: None }, source, own)?;
        }
        if outcomes > 0 {
            own.notes.push(format!("{task}: {outcomes} samples have an outcome and no likelihoods"));
        }
        if unusable > 0 {
            own.notes.push(format!("{task}: {unusable} samples have neither and were left out"));
        }
    }
    for (model, tasks) in named {
        let note = format!("languages are those in the names of tasks: {}", some(&tasks));
        found.entry(model).or_default().notes.push(note);
    }
    for (model, tasks) in unnamed {
        let note = format!("no language in the name, so taken as English (--lang says another): {}", some(&tasks));
        found.entry(model).or_default().notes.push(note);
    }
    Ok(found)
}

/// The first few of a list.
fn some(all: &[String]) -> String {
    let first = all.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > 3 { format!("{first} and {} more", all.len() - 3) } else { first }
}

/// The language in a task's name: a FLORES-200 code, or two letters where the family of tasks has them.
fn language(task: &str) -> Option<Lang> {
    let parts: Vec<&str> = task.split('_').collect();
    let code = |pair: &[&str]| match pair {
        [language, script] if language.len() == 3 && script.len() == 4 => {
            Lang::from_code(&format!("{language}_{script}"))
        }
        _ => None,
    };
    let letters = |part: &&str| match part.len() {
        2 => Lang::parse(part).ok(),
        _ => None,
    };
    let family = BY_TWO_LETTERS.iter().find_map(|family| task.strip_prefix(family));
    parts.windows(2).find_map(code).or_else(|| family?.split('_').find_map(|part| letters(&part)))
}

/// Log-likelihoods of the right answer and of the others.
fn likelihoods(sample: &Value) -> Option<(Vec<f64>, Vec<f64>)> {
    let responses = sample.get("filtered_resps")?.as_array()?;
    let likelihood = |response: &Value| match response {
        Value::Array(pair) if pair.len() == 2 => match &pair[0] {
            Value::String(text) => text.parse().ok(),
            Value::Null => Some(f64::NAN),
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
    OUTCOMES.iter().find_map(|metric| sample.get(metric).and_then(object::amount)).and_then(outcome::pair)
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
    fn languages_are_read_off_tasks() {
        let of = |task: &str| language(task).map(|lang| lang.code().to_owned());
        assert_eq!(of("belebele_arb_Arab").as_deref(), Some("arb_Arab"));
        assert_eq!(of("global_mmlu_full_fr_business").as_deref(), Some("fra_Latn"));
        assert_eq!(of("mgsm_native_cot_bn").as_deref(), Some("ben_Beng"));
        assert_eq!(of("gsm8k"), None);
        assert_eq!(of("agieval_lsat_ar"), None, "analytical reasoning");
        assert_eq!(of("arc_challenge"), None);
    }

    #[test]
    fn tasks_and_models_are_read_off_paths() {
        let path = Path::new("out/org__lm/samples_belebele_arb_Arab_2025-01-01T10-00-00.000.jsonl");
        assert_eq!((task(path), model(path)), ("belebele_arb_Arab".to_owned(), "org/lm".to_owned()));
    }
}
