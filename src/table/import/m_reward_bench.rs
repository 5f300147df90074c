//! M-RewardBench results, one file per model and language (`<org>/<model>-<lang>.json`).
//!
//! Scalar and implicit models: a summary with `accuracy` and `subset_results`, and `…-all.jsonl` with `{chosen,
//! rejected}` in the order of the data, without ids. Judges: `<org>___<model>-<lang>.json` with `scores.results`
//! (0, ½, 1) in the order of the data, `leaderboard` (computed with RewardBench v1's weights, so not used) and
//! `subset`. What is in the order of the data needs the data (--items); otherwise subset accuracies are taken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::object::{self, Object};
use super::{ByModel, Found, ImportError, Source, outcome, summary};
use crate::benchmark::catalog;
use crate::benchmark::reader::records::Records;
use crate::lang::Lang;

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    let named = paths.iter().map(|path| Ok((path, Name::of(path)?))).collect::<Result<Vec<_>, ImportError>>()?;
    // A summary beside the scores it was made of is not read.
    let scored: BTreeSet<(&str, Lang)> =
        named.iter().filter(|(_, name)| name.lines).map(|(_, name)| (name.model.as_str(), name.lang)).collect();
    for (path, name) in &named {
        let own = found.entry(name.model.clone()).or_default();
        if name.lines {
            let rewards = pairs(path)?;
            in_order(path, name.lang, &rewards, source, own)?;
            continue;
        }
        if scored.contains(&(name.model.as_str(), name.lang)) {
            continue;
        }
        let object = object::read(path, "a result of M-RewardBench")?;
        let inner = object.get("subset").and_then(Value::as_object);
        own.kind = own.kind.or(object::kind(inner.unwrap_or(&object)));
        match inner {
            Some(shares) => judge(path, name, &object, shares, source, own)?,
            None => {
                let shares = object.get("subset_results").and_then(Value::as_object).unwrap_or(&object);
                summarised(path, name, shares, source, own)?;
            }
        }
    }
    Ok(found)
}

/// What a file name says.
struct Name {
    model: String,
    lang: Lang,
    lines: bool,
}

impl Name {
    fn of(path: &Path) -> Result<Name, ImportError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let lines = path.extension().is_some_and(|e| e == "jsonl");
        let base = stem.strip_suffix("-all").unwrap_or(&stem);
        let split = base.rsplit_once('-').and_then(|(model, lang)| Some((model, Lang::from_code(lang)?)));
        let Some((model, lang)) = split else {
            let hint = "M-RewardBench's tools call files `<model>-<language>.json`, as in `rm-7b-arb_Arab.json`";
            return Err(ImportError::not_this(path, "does not name its language", hint));
        };
        let org = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let model = match (model.split_once("___"), org) {
            (Some((org, model)), _) => format!("{org}/{model}"),
            (None, Some(org)) if !org.is_empty() && org != "." => format!("{org}/{model}"),
            (None, _) => model.to_owned(),
        };
        Ok(Name { model, lang, lines })
    }
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

fn in_order(path: &Path, lang: Lang, pairs: &[Pair], source: &Source<'_>, own: &mut Found) -> Result<(), ImportError> {
    let known = source.items.in_order(Some(lang), None);
    if known.is_empty() {
        let problem = format!("has scores in the order of the data, and there are no data of {lang}");
        let hint = "give the benchmark's data files with --items: the scores have neither ids nor subsets";
        return Err(ImportError::not_this(path, problem, hint));
    }
    if known.len() != pairs.len() {
        let problem = format!("has {} scores, the data of {lang} {} items", pairs.len(), known.len());
        return Err(ImportError::not_this(path, problem, "they are joined by position: it must be the same data"));
    }
    for (known, (chosen, rejected)) in known.iter().zip(pairs) {
        let Some(entry) = known.entry(&[*chosen], &[*rejected]) else {
            let problem = format!("has pairs, item `{}` of the data is none", known.id);
            return Err(ImportError::not_this(path, problem, "M-RewardBench's data are pairs"));
        };
        own.entries.push((known.place.clone(), entry));
    }
    let note = "joined with --items by position within each language".to_owned();
    if !own.notes.contains(&note) {
        own.notes.push(note);
    }
    Ok(())
}

fn judge(
    path: &Path,
    name: &Name,
    object: &Object,
    shares: &Object,
    source: &Source<'_>,
    own: &mut Found,
) -> Result<(), ImportError> {
    own.kind = Some("generative");
    let results = object.get("scores").and_then(|scores| scores.get("results")).and_then(Value::as_array);
    let here = source.items.in_order(Some(name.lang), None);
    let (Some(results), false) = (results.filter(|r| !r.is_empty()), here.is_empty()) else {
        return summarised(path, name, shares, source, own);
    };
    let mut pairs = Vec::with_capacity(results.len());
    for (row, result) in results.iter().enumerate() {
        let read = object::number(result).and_then(outcome::pair);
        let Some((chosen, rejected)) = read else {
            let problem = format!("result {row} is {result}, which is neither 0, 0.5 nor 1");
            return Err(ImportError::not_this(path, problem, "results of judges are 0, 0.5 and 1"));
        };
        pairs.push((Some(chosen), Some(rejected)));
    }
    let halves = pairs.iter().filter(|(chosen, _)| *chosen == Some(0.5)).count();
    if halves > 0 {
        own.notes.push(format!("{}: {halves} results of ½ (unreadable verdicts) are written as ties; `--set ties=half` counts them as published", name.lang));
    }
    in_order(path, name.lang, &pairs, source, own)
}

/// Subset accuracies as items of the run's own. English files hold RewardBench's own results.
fn summarised(
    path: &Path,
    name: &Name,
    shares: &Object,
    source: &Source<'_>,
    own: &mut Found,
) -> Result<(), ImportError> {
    let benchmark = if name.lang == Lang::ENGLISH { "rewardbench" } else { "m-rewardbench" };
    let manifest = catalog::find(benchmark)?;
    let (entries, notes) = summary::entries(&format!("{} {}", name.model, name.lang), shares, &manifest, name.lang);
    if entries.is_empty() && notes.is_empty() {
        let problem = "has no accuracies of M-RewardBench's subsets";
        return Err(ImportError::not_this(path, problem, "they are in `subset_results`, or in `subset` for judges"));
    }
    let place = if name.lang == Lang::ENGLISH { Source::in_catalog(benchmark) } else { source.place(benchmark) };
    own.entries.extend(entries.into_iter().map(|entry| (place.clone(), entry)));
    own.notes.extend(notes.into_iter().map(|note| format!("{}: {note}", name.lang)));
    let note = "from summaries: the items are this run's own and pair with nothing, not even across languages";
    if !own.notes.iter().any(|known| known == note) {
        own.notes.push(note.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_model_and_language() {
        let of = |path: &str| Name::of(Path::new(path)).map(|n| (n.model, n.lang.code().to_owned(), n.lines)).ok();
        assert_eq!(of("out/org/rm-7b-arb_Arab.json"), Some(("org/rm-7b".into(), "arb_Arab".into(), false)));
        assert_eq!(of("out/org/rm-7b-arb_Arab-all.jsonl"), Some(("org/rm-7b".into(), "arb_Arab".into(), true)));
        assert_eq!(of("openai___gpt-4-zho_Hans.json"), Some(("openai/gpt-4".into(), "zho_Hans".into(), false)));
        assert_eq!(of("rm.json"), None);
    }
}
