//! `rmbench data judgments`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Value;

use super::Outcome;
use super::args::JudgmentsArgs;
use super::data::options;
use super::hint::CliError;
use super::message::{Message, count};
use crate::benchmark::reader::{self, ReadOptions};
use crate::benchmark::{convert, dataset};
use crate::judge::prompt::Wordings;
use crate::judge::teaching::{self, Asking, Couples};
use crate::judge::{Extras, Judgment, Protocol};
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::table::judgment::{FILE_NAME, JudgmentFile};

/// The judgments of an item, by subset, language and id.
type ByItem = HashMap<(String, String, String), Vec<Judgment>>;

pub fn run(args: &JudgmentsArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let protocol = Protocol::find(&args.judge)?;
    let orders = args.orders.as_deref().map(|given| word("--orders", given, "both, one or all")).transpose()?;
    let prompt = word("--prompt-language", &args.prompt_language, "english or target")?;
    let asking = Asking {
        protocol: &protocol,
        orders: orders.unwrap_or(protocol.orders),
        wordings: Wordings { prompt, ..Wordings::default() },
        seed: args.seed,
    };
    if protocol.reads_head() && args.from.is_empty() {
        let problem = format!("`{}` learns from critiques, and none are given", protocol.name);
        let hint = "give --from a run of `rmbench score --judge critique`, by this judge or by another one";
        return Err(CliError::new(problem, hint).into());
    }
    let (sampled, hinted) = (judgments(&args.from)?, judgments(&args.hinted)?);
    let options = ReadOptions { evidence: args.critiques, ..options(&args.data)? };
    let (mut pairs, mut one_sided, mut n_items, mut judged) = (Vec::new(), 0, 0u64, 0u64);
    for path in dataset::local(&args.data.files, message)? {
        for comparison in reader::open(&path, &options)? {
            let comparison = comparison?;
            n_items += 1;
            if args.from.is_empty() {
                pairs.extend(teaching::written(asking, &comparison, &Extras::default(), args.critiques)?);
                continue;
            }
            let key = key(&comparison);
            let Some(own) = sampled.get(&key) else { continue };
            judged += 1;
            if protocol.reads_head() {
                pairs.extend(teaching::critiques(asking, &comparison, &Extras::default(), own)?);
                continue;
            }
            let both = [own.as_slice(), hinted.get(&key).map_or(&[][..], Vec::as_slice)];
            let found = teaching::couples(asking, &comparison, &Extras::default(), both, Couples::default())?;
            one_sided += found.one_sided as u64;
            pairs.extend(found.pairs);
        }
    }
    if pairs.is_empty() {
        let (problem, hint) = match args.from.is_empty() {
            true => ("there is nothing to write: the files hold no items".to_owned(), "see `rmbench data stats`"),
            false => {
                let (lacks, hint) = match protocol.reads_head() {
                    true => (
                        "none has critiques of a chosen and of a rejected response",
                        "judge these files with the same protocol and seed; replies must be kept (judge.keep-replies)",
                    ),
                    false => (
                        "none rightly and wrongly",
                        "judge these files with the same protocol and seed, --set judge.samples=8 --set \
                         judge.temperature=1.0",
                    ),
                };
                let judged = count(judged);
                (format!("there is nothing to write: of {} items {judged} were judged, {lacks}", count(n_items)), hint)
            }
        };
        return Err(CliError::new(problem, hint).into());
    }
    convert::write(&args.out, &pairs)?;
    let line = format!(
        "`{}`: {} pairs of judgments about {} items",
        args.out.display(),
        count(pairs.len() as u64),
        count(n_items)
    );
    message.line(&line);
    if protocol.reads_head() {
        message.line(&format!("{} items have critiques", count(judged)));
    } else if !args.from.is_empty() {
        message.line(&format!(
            "{} items were judged; {} questions had right or wrong judgments only",
            count(judged),
            count(one_sided)
        ));
    }
    Ok(Outcome::Done)
}

/// A setting by its word.
fn word<T: DeserializeOwned>(flag: &str, given: &str, known: &str) -> Result<T, CliError> {
    let problem = || {
        CliError::new(format!("`{flag} {given}` is not known; it is {known}"), "see `rmbench data judgments --help`")
    };
    Value::String(given.to_owned()).try_into().map_err(|_| problem())
}

fn key(comparison: &Comparison) -> (String, String, String) {
    (comparison.subset.to_string(), comparison.lang.code().to_owned(), comparison.id.to_string())
}

fn judgments(runs: &[PathBuf]) -> anyhow::Result<ByItem> {
    let mut found = ByItem::new();
    for run in runs {
        let path = if run.is_dir() { run.join(FILE_NAME) } else { run.clone() };
        JudgmentFile::open(&path)?.each(|row| {
            let key = (row.subset.to_string(), row.lang.code().to_owned(), row.item_id.to_string());
            found.entry(key).or_default().push(row.judgment);
            Ok(())
        })?;
        refuse_without_replies(&path, &found)?;
    }
    Ok(found)
}

/// Judgments whose words were not kept teach nothing.
fn refuse_without_replies(path: &Path, found: &ByItem) -> Result<(), CliError> {
    let has_words = found.values().flatten().any(|judgment| judgment.reply.is_some());
    match has_words || found.is_empty() {
        true => Ok(()),
        false => {
            let problem = format!("`{}` does not hold what the judge wrote", path.display());
            Err(CliError::new(problem, "judge again with --set judge.keep-replies=true; replies come from the cache"))
        }
    }
}
