//! Results in the files that RewardBench's own readers take: `eval-set/<model>.json` with an accuracy per subset,
//! `eval-set-scores/<model>.json` with parallel arrays of items. Pairs are written as v1 (`scores_chosen`,
//! `scores_rejected`), best-of-N as v2 (`scores`, `num_correct`). Texts are not in a score table and are left out.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::benchmark::manifest::{Manifest, Rule};
use crate::lang::Lang;
use crate::metric::accuracy::credit;
use crate::metric::design::Design;
use crate::metric::observe::observed;
use crate::metric::outcome::Evidence;
use crate::metric::{Metric, Protocol, score_of};
use crate::table::import::Told;
use crate::table::item::{Item, ItemKey, ItemTable, Symbol};
use crate::table::order::ItemOrder;

/// One benchmark in one language as one run scored it.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardBenchFiles {
    pub benchmark: String,
    pub lang: Lang,
    pub summary: Value,
    pub items: Value,
}

/// The files of a run; benchmarks that are neither pairs nor best-of-N have none. Items stand in the order of the
/// run's score table, which is that of the data.
pub fn rewardbench(
    table: &ItemTable,
    run: usize,
    order: &ItemOrder,
    manifest: &dyn Fn(&str) -> Manifest,
) -> Vec<RewardBenchFiles> {
    let mut benchmarks: Vec<Symbol> = Vec::new();
    for key in &table.items {
        if !benchmarks.contains(&key.benchmark) {
            benchmarks.push(key.benchmark);
        }
    }
    let mut files = Vec::new();
    for symbol in benchmarks {
        let name = table.symbols.name(symbol);
        let manifest = manifest(name);
        let design = Design::new(table, symbol, &manifest);
        let fits = |subset: &crate::metric::design::SubsetHere| matches!(subset.rule, Rule::Accuracy | Rule::Ties);
        if !design.subsets.iter().all(fits) {
            continue;
        }
        for lang in design.langs.iter().copied() {
            files.push(RewardBenchFiles {
                benchmark: name.to_owned(),
                lang,
                summary: summary(table, run, &design, &manifest, lang),
                items: items(table, run, symbol, order, &design, &manifest, lang),
            });
        }
    }
    files
}

/// What both files begin with: what an imported file said, else what the run's kind is called there.
fn head(table: &ItemTable, run: usize) -> Map<String, Value> {
    let info = &table.runs[run].info;
    let told = Told::of_settings(&info.settings);
    let kind = told.model_type.unwrap_or_else(|| {
        let kind = match info.kind.as_str() {
            "implicit" => "DPO",
            "generative" | "endpoint" => "Generative RM",
            "scalar" => "Seq. Classifier",
            _ => "Custom Classifier",
        };
        kind.to_owned()
    });
    let mut head = Map::new();
    head.insert("model".to_owned(), json!(info.model));
    head.insert("model_type".to_owned(), json!(kind));
    if let Some(reference) = told.ref_model {
        head.insert("ref_model".to_owned(), json!(reference));
    }
    head.insert("chat_template".to_owned(), json!(told.chat_template));
    head
}

fn summary(table: &ItemTable, run: usize, design: &Design, manifest: &Manifest, lang: Lang) -> Value {
    let protocol = Protocol::from(manifest);
    let mut out = head(table, run);
    for cell in design.cells.iter().filter(|cell| cell.lang == lang) {
        let subset = &design.subsets[cell.subset];
        let metric: &dyn Metric = score_of(subset.rule, Evidence::Rewards);
        let observed = observed(table, run, cell, metric, &protocol);
        if let Some(score) = metric.finish(&observed.totals()[..metric.width()]) {
            out.insert(subset.name.clone(), json!(score));
        }
    }
    Value::Object(out)
}

/// An item's names, and the item as the run scored it.
type Row<'a> = (&'a ItemKey, Item<'a>);

fn items(
    table: &ItemTable,
    run: usize,
    benchmark: Symbol,
    order: &ItemOrder,
    design: &Design,
    manifest: &Manifest,
    lang: Lang,
) -> Value {
    let protocol = Protocol::from(manifest);
    let here = table.items.iter().enumerate().filter(|(_, key)| key.benchmark == benchmark && key.lang == lang);
    let mut found: Vec<Row<'_>> =
        here.map(|(index, key)| (key, table.item(run, index))).filter(|(_, item)| item.seen).collect();
    let pairs = found.iter().all(|(_, item)| item.chosen.len() == 1 && item.rejected.len() == 1);
    let of_ties: BTreeSet<&str> =
        design.subsets.iter().filter(|s| s.rule == Rule::Ties).map(|s| s.name.as_str()).collect();
    let name = |symbol: Symbol| table.symbols.name(symbol);
    found.sort_by_key(|(key, _)| order.place([name(key.benchmark), name(key.subset), name(key.item)], lang));
    let id = |(key, _): &Row<'_>| match name(key.item) {
        // v1 has whole numbers, v2 strings.
        id if pairs => id.parse::<i64>().map_or_else(|_| json!(id), |number| json!(number)),
        id => json!(id),
    };
    let result = |(key, item): &Row<'_>| {
        let scored = Evidence::Rewards.extremes(item).and_then(|extremes| credit(&extremes, protocol.ties));
        // A per-item result of Ties would mean nothing.
        scored.filter(|_| !of_ties.contains(name(key.subset)))
    };
    let column = |of: &dyn Fn(&Row<'_>) -> Value| Value::Array(found.iter().map(of).collect());
    let mut out = head(table, run);
    out.insert("id".to_owned(), column(&|row| id(row)));
    out.insert("subset".to_owned(), column(&|(key, _)| json!(name(key.subset))));
    out.insert("results".to_owned(), column(&|row| json!(result(row))));
    if pairs {
        out.insert("scores_chosen".to_owned(), column(&|(_, item)| json!(item.chosen[0])));
        out.insert("scores_rejected".to_owned(), column(&|(_, item)| json!(item.rejected[0])));
    } else {
        let all = |(_, item): &Row<'_>| json!(item.chosen.iter().chain(item.rejected).collect::<Vec<_>>());
        out.insert("scores".to_owned(), column(&all));
        out.insert("num_correct".to_owned(), column(&|(_, item)| json!(item.chosen.len())));
    }
    Value::Object(out)
}
