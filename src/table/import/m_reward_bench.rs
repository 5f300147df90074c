//! M-RewardBench results, one file per model and language (`<org>/<model>-<lang>.json`).
//!
//! Scalar and implicit models: a summary with `accuracy` and `subset_results`, and `…-all.jsonl` with `{chosen,
//! rejected}` in the order of the data, without ids. Judges: `<org>___<model>-<lang>.json` with `scores.results`
//! (0, ½, 1) in the order of the data, `leaderboard` (computed with RewardBench v1's weights, so not used) and
//! `subset`. What is in the order of the data needs the data (--items); otherwise subset accuracies are taken.

mod name;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::entry::Answer;
use super::join::{Loose, Scores, join};
use super::object::{self, Object};
use super::{ByModel, Found, ImportError, Source, outcome, reward_bench, summary};
use crate::benchmark::catalog;
use crate::benchmark::reader::records::Records;
use crate::lang::Lang;
pub(super) use name::data_of;
use name::{About, Name};

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    let named: Vec<(&PathBuf, Name)> = paths.iter().map(|path| (path, Name::of(path, source.options.lang))).collect();
    // Of a summary beside the scores it was made of only what it says of the model is read.
    let scored: BTreeSet<(&str, Option<About>)> =
        named.iter().filter(|(_, name)| name.lines).map(|(_, name)| (name.model.as_str(), name.about)).collect();
    for (path, name) in &named {
        if name.lines {
            let own = found.entry(name.model.clone()).or_default();
            in_order(path, name.about(path)?, &pairs(path)?, source, own)?;
            continue;
        }
        let object = object::read(path, "a result of M-RewardBench")?;
        if scored.contains(&(name.model.as_str(), name.about)) {
            let own = found.entry(name.model.clone()).or_default();
            own.told = std::mem::take(&mut own.told).or(object::told(&object));
            continue;
        }
        let model = if name.has_org { name.model.clone() } else { object::model(&object, path) };
        let own = found.entry(model.clone()).or_default();
        // RewardBench's own file stands for English.
        if name.about.is_none() && reward_bench::is_one(&object) {
            reward_bench::one(path, &model, &object, source, Some(Lang::ENGLISH), own)?;
            continue;
        }
        let about = name.about(path)?;
        let inner = object.get("subset").and_then(Value::as_object);
        own.told = std::mem::take(&mut own.told).or(object::told(inner.unwrap_or(&object)));
        match inner {
            Some(shares) => judge(path, &model, about, &object, shares, source, own)?,
            None => {
                let shares = object.get("subset_results").and_then(Value::as_object).unwrap_or(&object);
                summarised(path, &model, about, shares, source, own)?;
            }
        }
    }
    Ok(found)
}

/// Rewards of the chosen and the rejected response.
type Pair = (Option<f64>, Option<f64>);

/// `{"chosen": f, "rejected": f}` per line.
fn pairs(path: &Path) -> Result<Vec<Pair>, ImportError> {
    let mut records = Records::open(path)?;
    let column = |name: &str| records.columns().iter().position(|column| column == name);
    let (Some(chosen), Some(rejected)) = (column("chosen"), column("rejected")) else {
        return Err(ImportError::not_this(path, "has no `chosen` and `rejected`", "each line is {chosen, rejected}"));
    };
    let mut pairs = Vec::new();
    while records.advance()? {
        pairs.push((records.number(chosen)?, records.number(rejected)?));
    }
    Ok(pairs)
}

fn in_order(
    path: &Path,
    about: About,
    pairs: &[Pair],
    source: &Source<'_>,
    own: &mut Found,
) -> Result<(), ImportError> {
    let among = source.options.benchmark.as_deref().unwrap_or(about.benchmark());
    if source.items.in_order(about.lang(), None, Some(among)).is_empty() {
        let problem = format!("has scores in the order of the data, and there are no data of {about}");
        let hint = "give the benchmark's data files with --items: the scores have neither ids nor subsets";
        return Err(ImportError::not_this(path, problem, hint));
    }
    let row = |(row, (chosen, rejected)): (usize, &Pair)| Loose {
        row: row as u64,
        own: Arc::from(row.to_string()),
        lang: about.lang(),
        chosen: vec![Answer::of(*chosen)],
        rejected: vec![Answer::of(*rejected)],
        ..Loose::default()
    };
    let rows = pairs.iter().enumerate().map(row).collect();
    let place = Source::in_catalog(among);
    join(Scores { path, rows, place, lang: about.lang(), in_order: true, among: Some(among) }, source, own)
}

fn judge(
    path: &Path,
    model: &str,
    about: About,
    object: &Object,
    shares: &Object,
    source: &Source<'_>,
    own: &mut Found,
) -> Result<(), ImportError> {
    own.kind = Some("generative");
    let results = object.get("scores").and_then(|scores| scores.get("results")).and_then(Value::as_array);
    let among = source.options.benchmark.as_deref().unwrap_or(about.benchmark());
    let no_data = source.items.in_order(about.lang(), None, Some(among)).is_empty();
    let (Some(results), false) = (results.filter(|r| !r.is_empty()), no_data) else {
        return summarised(path, model, about, shares, source, own);
    };
    let mut pairs = Vec::with_capacity(results.len());
    for (row, result) in results.iter().enumerate() {
        let read = object::amount(result).and_then(outcome::pair);
        let Some((chosen, rejected)) = read else {
            let problem = format!("result {row} is {result}, which is neither 0, 0.5 nor 1");
            return Err(ImportError::not_this(path, problem, "results of judges are 0, 0.5 and 1"));
        };
        pairs.push((Some(chosen), Some(rejected)));
    }
    let halves = pairs.iter().filter(|(chosen, _)| *chosen == Some(0.5)).count();
    if halves > 0 {
        own.notes.push(format!("{about}: {halves} results of ½ (unreadable verdicts) are written as ties; `--set ties=half` counts them as published"));
    }
    in_order(path, about, &pairs, source, own)
}

/// Subset accuracies as items of the run's own. English files hold RewardBench's own results.
fn summarised(
    path: &Path,
    model: &str,
    about: About,
    shares: &Object,
    source: &Source<'_>,
    own: &mut Found,
) -> Result<(), ImportError> {
    let manifest = catalog::find(about.benchmark())?;
    // The cells of translation have a language each.
    let langs = about.lang().map_or_else(|| manifest.langs.clone(), |lang| vec![lang]);
    let (mut entries, mut notes) = (Vec::new(), Vec::new());
    for lang in langs {
        let here = |name: &String| {
            let subset = manifest.subsets().find(|(_, subset)| subset.name == *name);
            subset.is_some_and(|(_, subset)| subset.langs.is_empty() || subset.langs.contains(&lang))
        };
        let shares = shares.iter().filter(|(name, _)| here(name)).map(|(name, share)| (name.clone(), share.clone()));
        let (found, said) = summary::entries(&format!("{model} {about}"), &shares.collect(), &manifest, lang);
        entries.extend(found);
        notes.extend(said);
    }
    if entries.is_empty() && notes.is_empty() {
        let problem = format!("has no accuracies of the subsets of {}", manifest.title);
        return Err(ImportError::not_this(path, problem, "they are in `subset_results`, or in `subset` for judges"));
    }
    let place = match about {
        About::Lang(Lang::ENGLISH) => Source::in_catalog(about.benchmark()),
        _ => source.place(about.benchmark()),
    };
    own.entries.extend(entries.into_iter().map(|entry| (place.clone(), entry)));
    own.notes.extend(notes.into_iter().map(|note| format!("{about}: {note}")));
    let note = "from summaries: the items are this run's own and pair with nothing, not even across languages";
    if !own.notes.iter().any(|known| known == note) {
        own.notes.push(note.to_owned());
    }
    Ok(())
}
