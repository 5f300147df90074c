//! `rmbench model orchestrate`: weights over reward models by language, from their score tables.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cli::Outcome;
use crate::cli::args::OrchestrateArgs;
use crate::cli::hint::CliError;
use crate::cli::message::Message;
use crate::files;
use crate::lang::Lang;
use crate::metric::outcome::{Evidence, is_complete};
use crate::provenance::{COMMIT, VERSION};
use crate::random;
use crate::table::item::ItemTable;
use crate::train::heads::orchestrator::{Orchestrator, Vote};
use crate::train::heads::{credit, in_words, mean};

/// Fewer pairs give no weights worth printing.
const MIN_VOTES: usize = 50;

/// A pair with the source item that it belongs to.
type Sourced = (String, Vote);

pub fn orchestrate(args: &OrchestrateArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.ridge.is_nan() || args.ridge < 0.0 {
        return Err(CliError::new(format!("--ridge is {}", args.ridge), "give a number of at least 0").into());
    }
    let table = ItemTable::load(&args.runs)?;
    let langs: Vec<Lang> =
        table.items.iter().map(|key| key.lang).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let all = votes(&table, &langs);
    let is_fitted = |source: &str| random::uniform(args.seed, "orchestrate", source) < 0.5;
    let (fitted, kept): (Vec<Sourced>, Vec<Sourced>) = all.into_iter().partition(|(source, _)| is_fitted(source));
    if fitted.len() < MIN_VOTES || kept.len() < MIN_VOTES {
        let problem = format!("the runs share {} pairs, too few to fit to half of them", fitted.len() + kept.len());
        return Err(CliError::new(problem, "score the models on the same pairs, at least a few hundred").into());
    }
    let train: Vec<Vote> = fitted.iter().map(|(_, vote)| vote.clone()).collect();
    let (models, width) = (table.runs.len(), langs.len());
    let found = Orchestrator::fit(&train, args.ridge);
    let accuracy = |of: &dyn Fn(&Vote) -> f64| {
        mean(kept.iter().map(|(source, vote)| (source.as_str(), credit(of(vote)))), args.seed)
    };
    let equal = Orchestrator::equal(models, width);
    let mut lines = vec![
        ("weights by language".to_owned(), accuracy(&|vote| found.margin(vote))),
        ("equal weights".to_owned(), accuracy(&|vote| equal.margin(vote))),
    ];
    for (k, run) in table.runs.iter().enumerate() {
        lines.push((run.info.name.clone(), accuracy(&|vote| vote.chosen[k] - vote.rejected[k])));
    }
    let shares: BTreeMap<&str, Vec<f64>> =
        langs.iter().enumerate().map(|(at, lang)| (lang.code(), found.shares(&one_hot(at, width)))).collect();
    let mut text = String::from("accuracy on the half of the source items that was not fitted to\n");
    lines.iter().for_each(|(name, estimate)| text += &format!("  {name}: {}\n", in_words(*estimate)));
    text += "weights\n";
    for (lang, shares) in &shares {
        let shares: Vec<String> = shares.iter().map(|share| format!("{share:.3}")).collect();
        text += &format!("  {lang}: {}\n", shares.join(" "));
    }
    message.data(&text)?;
    let names: Vec<&str> = table.runs.iter().map(|run| run.info.name.as_str()).collect();
    let accuracies: Vec<_> = lines.iter().map(|(name, e)| json!({"of": name, "accuracy": e})).collect();
    let record = json!({
        "version": VERSION, "commit": COMMIT, "ridge": args.ridge, "seed": args.seed, "models": names,
        "weights": shares, "n_fitted": fitted.len(), "accuracies": accuracies,
    });
    files::write_bytes(&args.out, (serde_json::to_string_pretty(&record)? + "\n").as_bytes())?;
    Ok(Outcome::Done)
}

fn one_hot(at: usize, width: usize) -> Vec<f64> {
    (0..width).map(|place| f64::from(u8::from(place == at))).collect()
}

/// Every chosen response against every rejected one, of the items that all runs scored; rewards z-scored by run.
fn votes(table: &ItemTable, langs: &[Lang]) -> Vec<Sourced> {
    let runs = 0..table.runs.len();
    let complete = |index: &usize| runs.clone().all(|run| is_complete(&table.item(run, *index)));
    let items: Vec<usize> = (0..table.items.len()).filter(complete).collect();
    let of = |run: usize, index: usize, chosen: bool| -> Vec<f64> {
        let item = table.item(run, index);
        let n = if chosen { item.chosen.len() } else { item.rejected.len() };
        let reward =
            |at| if chosen { Evidence::Rewards.chosen(&item, at) } else { Evidence::Rewards.rejected(&item, at) };
        (0..n).filter_map(reward).collect()
    };
    let scales: Vec<(f64, f64)> = runs
        .clone()
        .map(|run| {
            let all: Vec<f64> = items.iter().flat_map(|i| [of(run, *i, true), of(run, *i, false)].concat()).collect();
            let n = all.len().max(1) as f64;
            let mean = all.iter().sum::<f64>() / n;
            let deviation = (all.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n).sqrt();
            (mean, if deviation > 0.0 { deviation } else { 1.0 })
        })
        .collect();
    let z = |run: usize, reward: f64| (reward - scales[run].0) / scales[run].1;
    let mut all = Vec::new();
    for index in items {
        let key = &table.items[index];
        let prompt = one_hot(langs.iter().position(|lang| *lang == key.lang).unwrap_or(0), langs.len());
        let source = table.symbols.name(key.source).to_owned();
        let sides: Vec<[Vec<f64>; 2]> = runs.clone().map(|run| [of(run, index, true), of(run, index, false)]).collect();
        for c in 0..usize::from(key.n_chosen) {
            for r in 0..usize::from(key.n_rejected) {
                let side =
                    |which: usize, at: usize| sides.iter().enumerate().map(|(k, s)| z(k, s[which][at])).collect();
                all.push((source.clone(), Vote { prompt: prompt.clone(), chosen: side(0, c), rejected: side(1, r) }));
            }
        }
    }
    all
}
