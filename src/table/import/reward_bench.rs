//! RewardBench v1 and v2: per-item files, summaries, outputs of the `rewardbench` command.
//!
//! Per item: one object of parallel arrays; v1 `id, subset, scores_chosen, scores_rejected, results`, v2 `id,
//! subset, scores (a list per item, right responses first), results, num_correct`. Known faults: most v2 files
//! number the first ten items of Factuality 30-39 instead of 0-9 (allenai/reward-bench#273), and the `results` of
//! Ties mean nothing. With --items a v2 file is joined by subset and position.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::columns::Rewards;
use super::entry::{Answer, Entry};
use super::object::{self, Object};
use super::{ByModel, Found, ImportError, Source, columns, outcome, summary};
use crate::benchmark::catalog;
use crate::lang::Lang;

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
        let own = found.entry(model.clone()).or_default();
        own.kind = own.kind.or(object::kind(&object));
        if object.get("subset").is_some_and(Value::is_array) {
            items(path, &object, source, own)?;
        } else {
            shares(path, &model, &object, source, own)?;
        }
    }
    Ok(found)
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
    let own = found.entry(model).or_default();
    let read = columns::read_pairs(path, source, V1)?;
    own.entries.extend(read.entries);
    own.notes.extend(read.notes);
    Ok(())
}

/// One object of parallel arrays.
fn items(path: &Path, object: &Object, source: &Source<'_>, own: &mut Found) -> Result<(), ImportError> {
    let subsets = object.get("subset").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let n = subsets.len();
    let column = |key: &str| object::column(object, key, n, path);
    let ids = column("id")?;
    let file = Arrays {
        subsets: subsets.iter().map(|s| s.as_str().unwrap_or("all").to_owned()).collect(),
        scores: column("scores")?,
        chosen: column("scores_chosen")?,
        rejected: column("scores_rejected")?,
        results: column("results")?,
        right: column("num_correct")?,
    };
    if file.scores.is_none() && file.chosen.is_none() && file.results.is_none() {
        return Err(ImportError::not_this(path, "has neither scores nor results", "its arrays stand side by side"));
    }
    let (ids, repaired) = ids_of(ids, &file.subsets);
    own.notes.extend(repaired);
    let place = source.place(edition_of(object));
    let mut position: HashMap<&str, usize> = HashMap::new();
    let (mut unusable, mut off, mut ties) = (0usize, 0usize, 0usize);
    let by_subset = by_subset(source);
    for (i, id) in ids.iter().enumerate() {
        let subset = file.subsets[i].as_str();
        let at = position.entry(subset).or_default();
        let here = *at;
        *at += 1;
        let Some((chosen, rejected)) = file.rewards(i) else {
            if subset == TIES {
                ties += 1
            } else {
                unusable += 1
            }
            continue;
        };
        let lang = source.options.lang.unwrap_or(Lang::ENGLISH);
        let known = by_subset.get(subset).and_then(|known| known.get(here)).copied();
        off += usize::from(known.is_some_and(|known| &*known.id != id.as_str()));
        let joined = known.and_then(|known| Some((known.place.clone(), known.entry(&chosen, &rejected)?)));
        let id: Arc<str> = id.as_str().into();
        let answers = |rewards: &[Option<f64>]| rewards.iter().map(|reward| Answer::of(*reward)).collect();
        own.entries.push(joined.unwrap_or_else(|| {
            let entry = Entry {
                lang,
                subset: subset.into(),
                category: None,
                source: id.clone(),
                id,
                chosen: answers(&chosen),
                rejected: answers(&rejected),
            };
            (place.clone(), entry)
        }));
    }
    if file.scores.is_none() && file.chosen.is_none() {
        own.notes.push("results without scores; the file does not say whether ½ or ¼ means a tie or an unreadable verdict, nor by which protocol it was judged".to_owned());
    }
    if ties > 0 {
        own.notes.push(format!("{ties} items of Ties have no scores, and their results mean nothing: left out"));
    }
    if unusable > 0 {
        own.notes.push(format!("{unusable} items have no usable score or result and were left out"));
    }
    if !source.items.is_empty() {
        own.notes.push(format!("joined with --items by subset and position; {off} ids differ from the data's"));
    }
    Ok(())
}

fn by_subset<'a>(source: &'a Source<'_>) -> BTreeMap<&'a str, Vec<&'a super::items::Known>> {
    let mut found: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for known in source.items.in_order(None, None) {
        found.entry(&known.subset).or_default().push(known);
    }
    found
}

struct Arrays<'a> {
    subsets: Vec<String>,
    scores: Option<&'a [Value]>,
    chosen: Option<&'a [Value]>,
    rejected: Option<&'a [Value]>,
    results: Option<&'a [Value]>,
    right: Option<&'a [Value]>,
}

impl Arrays<'_> {
    /// The rewards of item `i`; `None` where it has neither scores nor a result that says something.
    fn rewards(&self, i: usize) -> Option<Rewards> {
        if let Some(Value::Array(scores)) = self.scores.map(|scores| &scores[i]) {
            let right = self.right.and_then(|right| object::number(&right[i])).map_or(1, |n| n.max(0.0) as usize);
            let rewards: Vec<Option<f64>> = scores.iter().map(object::number).collect();
            return (right >= 1 && right < rewards.len()).then(|| {
                let (chosen, rejected) = rewards.split_at(right);
                (chosen.to_vec(), rejected.to_vec())
            });
        }
        if let (Some(chosen), Some(rejected)) = (self.chosen, self.rejected) {
            return Some((vec![object::number(&chosen[i])], vec![object::number(&rejected[i])]));
        }
        let result = self.results.and_then(|results| object::number(&results[i]))?;
        if self.right.is_none() {
            return outcome::pair(result).map(|(chosen, rejected)| (vec![Some(chosen)], vec![Some(rejected)]));
        }
        // The results of Ties are those of best-of-N, which means nothing there.
        if self.subsets[i] == TIES {
            return None;
        }
        let (chosen, others) = outcome::best_of(result, 3)?;
        Some((vec![Some(chosen)], others.into_iter().map(Some).collect()))
    }
}

/// Ids as text; those that repeat within a subset are mended or replaced by positions, with a note.
fn ids_of(ids: Option<&[Value]>, subsets: &[String]) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, subset) in subsets.iter().enumerate() {
        places.entry(subset).or_default().push(i);
    }
    let given = |i: usize| ids.and_then(|ids| object::name(&ids[i]));
    let mut out: Vec<String> = (0..subsets.len()).map(|i| given(i).unwrap_or_default()).collect();
    if ids.is_none() {
        notes.push("without ids: items are named by subset and position".to_owned());
    }
    for (subset, own) in places {
        let distinct = |out: &[String]| {
            let mut names: Vec<&str> = own.iter().map(|i| out[*i].as_str()).collect();
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1]) && names.iter().all(|name| !name.is_empty())
        };
        if distinct(&out) {
            continue;
        }
        let first: Vec<&str> = own.iter().take(10).map(|i| out[*i].as_str()).collect();
        let expected: Vec<String> = (30..40).map(|n| n.to_string()).collect();
        if first == expected {
            let mut mended = out.clone();
            for (number, i) in own.iter().take(10).enumerate() {
                mended[*i] = number.to_string();
            }
            if distinct(&mended) {
                out = mended;
                notes.push(format!("the first ten ids of {subset} read 30-39; they are 0-9"));
                continue;
            }
        }
        for (number, i) in own.iter().enumerate() {
            out[*i] = format!("{subset}-{number}");
        }
        if ids.is_some() {
            notes.push(format!("ids of {subset} repeat: its items are named by position"));
        }
    }
    (out, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_fault_of_ids_is_mended_and_others_are_replaced() {
        let subsets = vec!["Factuality".to_owned(); 45];
        let faulty: Vec<Value> = (30..40).chain(10..45).map(|n: i32| Value::from(n.to_string())).collect();
        let (ids, notes) = ids_of(Some(&faulty), &subsets);
        assert_eq!(ids, (0..45).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(notes, ["the first ten ids of Factuality read 30-39; they are 0-9"]);
        let same: Vec<Value> = vec![Value::from(7); 2];
        let (ids, notes) = ids_of(Some(&same), &["a".to_owned(), "a".to_owned()]);
        assert_eq!((ids, notes.len()), (vec!["a-0".to_owned(), "a-1".to_owned()], 1));
        let (ids, notes) = ids_of(Some(&same), &["a".to_owned(), "b".to_owned()]);
        assert_eq!((ids, notes.len()), (vec!["7".to_owned(), "7".to_owned()], 0));
    }
}
