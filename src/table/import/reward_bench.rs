//! RewardBench v1 and v2: per-item files, summaries, outputs of the `rewardbench` command.
//!
//! Per item: one object of parallel arrays; v1 `id, subset, scores_chosen, scores_rejected, results`, v2 `id,
//! subset, scores (a list per item, right responses first), results, num_correct`. Known faults: most v2 files
//! number the first ten items of Factuality 30-39 instead of 0-9 (allenai/reward-bench#273), and the `results` of
//! Ties mean nothing.

mod arrays;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::columns::Whole;
use super::entry::Answer;
use super::join::{Loose, Scores, join};
use super::object::{self, Object};
use super::{ByModel, Found, ImportError, Source, columns, summary};
use crate::benchmark::catalog;
use crate::lang::Lang;
use arrays::{Arrays, Reading, ids_of};

const V1: &str = "rewardbench";
const V2: &str = "rewardbench-2";
const TIES: &str = "Ties";

/// Which edition's data the files belong to, for reading --items; `None` where none of them says.
pub(super) fn edition(paths: &[PathBuf]) -> Result<Option<&'static str>, ImportError> {
    match paths.iter().find(|path| !is_lines(path)) {
        Some(path) => Ok(Some(edition_of(&object::read(path, "a RewardBench result")?))),
        None => Ok(None),
    }
}

fn is_lines(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "jsonl")
}

fn edition_of(object: &Object) -> &'static str {
    let is_v2 = |name: &str| ["Factuality", "Focus", "Math", "Precise IF", "Safety", TIES].contains(&name);
    let listed = object.get("subset").and_then(Value::as_array);
    let in_list = listed.is_some_and(|names| names.iter().filter_map(Value::as_str).any(is_v2));
    if in_list || object.contains_key("num_correct") || object.keys().any(|key| is_v2(key)) { V2 } else { V1 }
}

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    for path in paths {
        if is_lines(path) {
            lines(path, source, &mut found)?;
            continue;
        }
        let object = object::read(path, "a RewardBench result")?;
        let model = object::model(&object, path);
        one(path, &model, &object, source, source.options.lang, found.entry(model.clone()).or_default())?;
    }
    Ok(found)
}

/// A file of items, or a summary with accuracies of RewardBench's subsets at its top.
pub(super) fn is_one(object: &Object) -> bool {
    let of_v1 = || catalog::find(V1).is_ok_and(|m| m.subsets().any(|(_, subset)| object.contains_key(&subset.name)));
    object.get("subset").is_some_and(Value::is_array) || of_v1()
}

/// Items or a summary, of data in a language where the caller knows it.
pub(super) fn one(
    path: &Path,
    model: &str,
    object: &Object,
    source: &Source<'_>,
    lang: Option<Lang>,
    own: &mut Found,
) -> Result<(), ImportError> {
    own.told = std::mem::take(&mut own.told).or(object::told(object));
    if object.get("subset").is_some_and(Value::is_array) {
        items(path, object, source, lang, own)
    } else {
        shares(path, model, object, source, own)
    }
}

/// Subset accuracies, at the top or below `extra_results` (the command's summary).
fn shares(path: &Path, model: &str, object: &Object, source: &Source<'_>, own: &mut Found) -> Result<(), ImportError> {
    let inner = object.get("extra_results").and_then(Value::as_object).unwrap_or(object);
    let edition = edition_of(inner);
    let manifest = catalog::find(edition)?;
    let (entries, notes) = summary::entries(model, inner, &manifest, Lang::ENGLISH);
    if entries.is_empty() && notes.is_empty() {
        let problem = "has neither items (a list `subset`) nor accuracies of RewardBench's subsets";
        let hint = "per-item results are in eval-set-scores/, summaries in eval-set/; of the `rewardbench` command import …_outputs.jsonl";
        return Err(ImportError::not_this(path, problem, hint));
    }
    let place = source.place(edition);
    own.entries.extend(entries.into_iter().map(|entry| (place.clone(), entry)));
    own.notes.push("from a summary: the items are this run's own and pair with nothing".to_owned());
    own.notes.extend(notes);
    Ok(())
}

/// `<model>_outputs.jsonl` and `<model>_all.jsonl` of the `rewardbench` command.
fn lines(path: &Path, source: &Source<'_>, found: &mut ByModel) -> Result<(), ImportError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let model = stem.strip_suffix("_outputs").or(stem.strip_suffix("_all")).unwrap_or(&stem).to_owned();
    let lang = source.options.lang.or(Some(Lang::ENGLISH));
    columns::read_file(path, source, &Whole { model: &model, benchmark: V1, lang, in_order: true }, found)
}

/// One object of parallel arrays.
fn items(
    path: &Path,
    object: &Object,
    source: &Source<'_>,
    lang: Option<Lang>,
    own: &mut Found,
) -> Result<(), ImportError> {
    let file = Arrays::of(object, path)?;
    let edition = edition_of(object);
    let (ids, repaired) = ids_of(file.ids, &file.subsets);
    own.notes.extend(repaired);
    let mut rows = Vec::with_capacity(ids.len());
    let (mut unusable, mut outcomes, mut ties, mut uncounted) = (0usize, 0usize, 0usize, 0usize);
    for (i, id) in ids.into_iter().enumerate() {
        let reading = file.read(i).map_err(|problem| {
            ImportError::row(path, i as u64, problem, Some("scores are numbers, null where there is none"))
        })?;
        let (chosen, rejected) = match reading {
            Reading::Scores(rewards) => rewards,
            Reading::Outcome(rewards) => {
                outcomes += 1;
                rewards
            }
            Reading::Uncounted => {
                uncounted += 1;
                continue;
            }
            Reading::Nothing if file.subsets[i] == TIES => {
                ties += 1;
                continue;
            }
            Reading::Nothing => {
                unusable += 1;
                continue;
            }
        };
        let answers = |rewards: Vec<Option<f64>>| rewards.into_iter().map(Answer::of).collect();
        rows.push(Loose {
            row: i as u64,
            own: id.name.as_str().into(),
            id: id.usable.then(|| id.name.into()),
            lang,
            subset: Some(Arc::from(file.subsets[i].as_str())),
            chosen: answers(chosen),
            rejected: answers(rejected),
            texts: file.texts(i),
            ..Loose::default()
        });
    }
    let among = source.options.benchmark.is_none().then_some(edition);
    let (place, lang) = (source.place(edition), Some(lang.unwrap_or(Lang::ENGLISH)));
    join(Scores { path, rows, place, lang, in_order: true, among }, source, own)?;
    if !file.has_scores() {
        own.notes.push("results without scores; the file does not say whether ½ or ¼ means a tie or an unreadable verdict, nor by which protocol it was judged".to_owned());
    } else if outcomes > 0 {
        own.notes.push(format!("{outcomes} items have a result and not all scores: they are taken as outcomes"));
    }
    if ties > 0 {
        own.notes.push(format!("{ties} items of Ties have no scores, and their results mean nothing: left out"));
    }
    if uncounted > 0 {
        own.notes.push(format!(
            "{uncounted} items of Ties do not say how many responses are right (`num_correct`): left out"
        ));
    }
    if unusable > 0 {
        own.notes.push(format!("{unusable} items have no usable score or result and were left out"));
    }
    Ok(())
}
