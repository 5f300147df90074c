//! `rmbench model orchestrate`: weights over reward models by what a prompt is, from their score tables.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use serde_json::json;

use crate::cli::Outcome;
use crate::cli::args::{OrchestrateArgs, PromptKind};
use crate::cli::hint::CliError;
use crate::cli::message::Message;
use crate::files;
use crate::metric::outcome::{Evidence, is_complete};
use crate::provenance::{COMMIT, VERSION};
use crate::random;
use crate::table::item::{ItemKey, ItemTable};
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
    let prompts = Prompts::of(&table, &args.by);
    let all = votes(&table, &prompts);
    let is_fitted = |source: &str| random::uniform(args.seed, "orchestrate", source) < 0.5;
    let (fitted, kept): (Vec<Sourced>, Vec<Sourced>) = all.into_iter().partition(|(source, _)| is_fitted(source));
    if fitted.len() < MIN_VOTES || kept.len() < MIN_VOTES {
        let problem = format!("the runs share {} pairs, too few to fit to half of them", fitted.len() + kept.len());
        return Err(CliError::new(problem, "score the models on the same pairs, at least a few hundred").into());
    }
    let train: Vec<Vote> = fitted.iter().map(|(_, vote)| vote.clone()).collect();
    let (models, width) = (table.runs.len(), prompts.width());
    let found = Orchestrator::fit(&train, args.ridge);
    let accuracy = |of: &dyn Fn(&Vote) -> f64| {
        mean(kept.iter().map(|(source, vote)| (source.as_str(), credit(of(vote)))), args.seed)
    };
    let equal = Orchestrator::equal(models, width);
    let mut lines = vec![
        (format!("weights by {}", prompts.title()), accuracy(&|vote| found.margin(vote))),
        ("equal weights".to_owned(), accuracy(&|vote| equal.margin(vote))),
    ];
    for (k, run) in table.runs.iter().enumerate() {
        lines.push((run.info.name.clone(), accuracy(&|vote| vote.chosen[k] - vote.rejected[k])));
    }
    let shares: BTreeMap<&str, Vec<f64>> =
        prompts.kinds.iter().map(|(kind, prompt)| (kind.as_str(), found.shares(prompt))).collect();
    let mut text = String::from("accuracy on the half of the source items that was not fitted to\n");
    lines.iter().for_each(|(name, estimate)| text += &format!("  {name}: {}\n", in_words(*estimate)));
    text += "weights\n";
    for (kind, shares) in &shares {
        let shares: Vec<String> = shares.iter().map(|share| format!("{share:.3}")).collect();
        text += &format!("  {kind}: {}\n", shares.join(" "));
    }
    message.data(&text)?;
    let names: Vec<&str> = table.runs.iter().map(|run| run.info.name.as_str()).collect();
    let accuracies: Vec<_> = lines.iter().map(|(name, e)| json!({"of": name, "accuracy": e})).collect();
    let record = json!({
        "version": VERSION, "commit": COMMIT, "ridge": args.ridge, "seed": args.seed, "models": names,
        "by": prompts.title(), "weights": shares, "n_fitted": fitted.len(), "accuracies": accuracies,
    });
    files::write_bytes(&args.out, (serde_json::to_string_pretty(&record)? + "\n").as_bytes())?;
    Ok(Outcome::Done)
}

/// What prompts are like: of every property one number for each of its values, 1 where the prompt has it.
struct Prompts<'a> {
    by: &'a [PromptKind],
    values: Vec<BTreeSet<String>>,
    /// Every kind that occurs, its values in words and as numbers.
    kinds: BTreeMap<String, Vec<f64>>,
}

impl<'a> Prompts<'a> {
    fn of(table: &ItemTable, by: &'a [PromptKind]) -> Self {
        let all: BTreeSet<Vec<String>> = table.items.iter().map(|key| values(table, key, by)).collect();
        let of_property = |at: usize| all.iter().map(|values| values[at].clone()).collect();
        let mut prompts = Self { by, values: (0..by.len()).map(of_property).collect(), kinds: BTreeMap::new() };
        prompts.kinds = all.iter().map(|values| (values.join(", "), prompts.numbers(values))).collect();
        prompts
    }

    fn numbers(&self, values: &[String]) -> Vec<f64> {
        let of_property = |(known, own): (&BTreeSet<String>, &String)| -> Vec<f64> {
            known.iter().map(|value| f64::from(u8::from(value == own))).collect()
        };
        self.values.iter().zip(values).flat_map(of_property).collect()
    }

    fn width(&self) -> usize {
        self.values.iter().map(BTreeSet::len).sum()
    }

    fn title(&self) -> String {
        let names = self.by.iter().filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned()));
        names.collect::<Vec<_>>().join(" and ")
    }

    fn prompt(&self, table: &ItemTable, key: &ItemKey) -> Vec<f64> {
        self.kinds.get(&values(table, key, self.by).join(", ")).cloned().unwrap_or_default()
    }
}

/// The properties of an item's prompt, in this order.
fn values(table: &ItemTable, key: &ItemKey, by: &[PromptKind]) -> Vec<String> {
    let named = |symbol| table.symbols.name(symbol).to_owned();
    let value = |kind: &PromptKind| match kind {
        PromptKind::Language => key.lang.code().to_owned(),
        PromptKind::Category => key.category.map_or_else(|| "no category".to_owned(), named),
        PromptKind::Subset => named(key.subset),
    };
    by.iter().map(value).collect()
}

/// Every chosen response against every rejected one, of the items that all runs scored; rewards z-scored by run.
fn votes(table: &ItemTable, prompts: &Prompts<'_>) -> Vec<Sourced> {
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
        let prompt = prompts.prompt(table, key);
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
