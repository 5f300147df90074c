//! All runs by their headline number.

use std::collections::BTreeSet;

use super::comparisons::{counted, percent_cell};
use super::{benchmark_id, matrix, per_benchmark};
use crate::lang::Lang;
use crate::provenance::RunInfo;
use crate::report::block::{Block, Cell, Column, Inline, Row, Table, Value, common_n, visible};
use crate::report::figure::{Dot, DotRow, Dots, Figure, Label, Plot, Reference};
use crate::report::findings::{BenchmarkInfo, Findings, Languages, Ranking, Scope};
use crate::report::measure::{ACCURACY, LONGEST, Unit};
use crate::report::number;
use crate::report::select::{Lookup, headline, ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| of_benchmark(findings, benchmark, i))
}

fn of_benchmark(findings: &Findings, benchmark: &BenchmarkInfo, i: usize) -> Option<Vec<Block>> {
    let accuracy = Lookup::of(findings, &benchmark.name, ACCURACY);
    let order = ranking(findings, benchmark);
    let Some(headline) = headline(benchmark) else {
        let why = "Not enough data for a ranking: the benchmark has several languages and no average over them.";
        return (!order.is_empty()).then(|| vec![Block::Note(why.into())]);
    };
    if order.is_empty() {
        return None;
    }
    let mut blocks = Vec::new();
    if order.len() > 1 {
        blocks.push(figure(findings, benchmark, i, (&accuracy, &order, &headline)).into());
    }
    blocks.push(table(findings, benchmark, i, (&accuracy, &order, &headline)).into());
    blocks.extend(kinds(findings, &order));
    let absent: Vec<Inline> = (0..findings.runs.len())
        .filter(|run| !order.contains(run))
        .map(|run| Inline::new().name(run_name(findings, run)))
        .collect();
    if !absent.is_empty() {
        blocks.push(Block::Note(Inline::new().text("Not scored on this benchmark: ").list(absent).text(".")));
    }
    Some(blocks)
}

/// What each run's rewards are, where they are not all of one kind.
fn kinds(findings: &Findings, order: &[usize]) -> Option<Block> {
    let model = |run: &&usize| !matches!(findings.runs[**run].kind.as_str(), "mock" | "imported" | "unknown");
    let distinct: BTreeSet<&str> = order.iter().filter(model).map(|run| findings.runs[*run].kind.as_str()).collect();
    if distinct.len() < 2 {
        return None;
    }
    let entry =
        |run: &usize| (Inline::new().name(run_name(findings, *run)), Inline::new().prose(&kind(&findings.runs[*run])));
    Some(Block::Definitions(order.iter().map(entry).collect()))
}

/// In words.
fn kind(run: &RunInfo) -> String {
    let settings = run.settings.parse::<toml::Table>().unwrap_or_default();
    let of_judge = |key: &str| Some(settings.get("judge")?.get(key)?.as_str()?.to_owned());
    let judge = of_judge("protocol").map(|protocol| {
        let how = match of_judge("verdicts").as_deref() {
            Some("soft") => "probabilities of its verdicts",
            Some("grades") => "the grades it gives",
            _ => "its verdicts",
        };
        format!("the reward is made of {how} by the protocol `{protocol}`")
    });
    let judge = judge.unwrap_or_else(|| "the reward is made of its verdicts".to_owned());
    match run.kind.as_str() {
        "scalar" => "scalar: one number per response from a reward head".to_owned(),
        "embedding" => "scalar: one number per response from a head on vectors that come with the data".to_owned(),
        "implicit" => {
            let reference = run.digests.keys().any(|name| name.starts_with("reference/"));
            let against = if reference { "against a reference model" } else { "alone, without a reference model" };
            format!("implicit: a language model's own log-probabilities, {against}")
        }
        "generative" => format!("generative: a language model of this machine judges; {judge}"),
        "endpoint" => format!("generative: a judge behind a server; {judge}"),
        "mock" => "no model".to_owned(),
        other => other.to_owned(),
    }
}

type Ranked<'a> = (&'a Lookup<'a>, &'a [usize], &'a Languages);

fn figure(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, (accuracy, order, headline): Ranked<'_>) -> Figure {
    let rows = order.iter().map(|run| {
        let name = run_name(findings, *run);
        let value = accuracy.value(*run, &Scope::Overall, headline);
        let hover = matrix::hover(&name, &value);
        DotRow {
            label: Label::run(*run, &name),
            dots: value
                .estimate
                .map(|estimate| Dot { series: 0, run: Some(*run), estimate, hover })
                .into_iter()
                .collect(),
            crowd: Vec::new(),
            absent: value.why,
        }
    });
    let rows: Vec<DotRow> = rows.collect();
    let alt = format!(
        "{} runs by accuracy on {}, each with its interval; the table below has the numbers.",
        rows.len(),
        benchmark.title
    );
    Figure {
        id: benchmark_id("leaderboard", benchmark, i),
        title: visible(&format!("Accuracy on {}", benchmark.title)),
        caption: format!("Point and {} % interval. {}", number::level(findings.level), over(headline)).into(),
        alt,
        plot: Plot::Dots(Dots {
            axis: "Accuracy, %".to_owned(),
            unit: Unit::Percent,
            rows,
            series: Vec::new(),
            crowd: None,
            references: references(findings, benchmark, headline, order),
            print_values: true,
        }),
    }
}

/// Chance, and what preferring the longest response gives where that is the same for all runs.
pub fn references(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    languages: &Languages,
    runs: &[usize],
) -> Vec<Reference> {
    let mut references = Vec::new();
    if let Some(chance) = benchmark.chance {
        references.push(Reference { value: chance, label: format!("chance {}", number::point(chance, Unit::Percent)) });
    }
    let longest = Lookup::of(findings, &benchmark.name, LONGEST);
    let mut points = runs.iter().filter_map(|run| longest.point(*run, &Scope::Overall, languages));
    if let Some(first) = points.next()
        && points.all(|p| (p - first).abs() < 1e-9)
    {
        let label = format!("longest wins {}", number::point(first, Unit::Percent));
        references.push(Reference { value: first, label });
    }
    references
}

pub fn over(languages: &Languages) -> String {
    match languages {
        Languages::Average(name) => format!("Average over languages: {name}."),
        Languages::One(lang) => format!("Language: {}.", crate::report::language::name(*lang)),
    }
}

fn table(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, (accuracy, order, headline): Ranked<'_>) -> Table {
    let longest = Lookup::of(findings, &benchmark.name, LONGEST);
    let mut columns = vec![Column::left("Run")];
    // What each column shows: a lookup, a scope and languages.
    let mut shown: Vec<(&Lookup<'_>, Scope, Languages)> = vec![(accuracy, Scope::Overall, headline.clone())];
    columns.push(Column::right(title(headline)).about("The benchmark's headline number, in percent"));
    let standing = ranking_of(findings, benchmark, headline);
    for average in benchmark.averages.iter().skip(1) {
        let languages = Languages::Average(average.clone());
        columns.push(Column::right(Inline::new().name(average)).about("Another average over languages, in percent"));
        shown.push((accuracy, Scope::Overall, languages));
    }
    let english = Languages::One(Lang::ENGLISH);
    if *headline != english && accuracy.has(&Scope::Overall, &english) {
        columns.push(Column::right("English"));
        shown.push((accuracy, Scope::Overall, english));
    }
    for category in &benchmark.categories {
        let scope = Scope::Category(category.clone());
        if accuracy.has(&scope, headline) {
            columns.push(Column::right(Inline::new().name(category)).about("Category, over the headline's languages"));
            shown.push((accuracy, scope, headline.clone()));
        }
    }
    if !longest.is_empty() {
        columns.push(Column::right("Longest wins").about("Preferring the longest response on the same items"));
        shown.push((&longest, Scope::Overall, headline.clone()));
    }
    let values: Vec<Vec<Value>> = order
        .iter()
        .map(|run| shown.iter().map(|(lookup, scope, languages)| lookup.value(*run, scope, languages)).collect())
        .collect();
    // Runs usually share the items, so n stands once at the head of each column.
    let common: Vec<Option<usize>> =
        (0..shown.len()).map(|c| common_n(values.iter().filter_map(|row| row.get(c)))).collect();
    let columns = columns.into_iter().zip(std::iter::once(None).chain(common.iter().copied()));
    let mut columns: Vec<Column> = columns.map(|(column, n)| column.with_n(n)).collect();
    if let Some(ranking) = standing {
        columns.splice(2..2, rank_columns(findings, ranking));
    }
    let rows = order.iter().zip(values).map(|(run, values)| {
        let mut cells = vec![Cell::Text(Inline::new().name(run_name(findings, *run)))];
        cells.extend(values.into_iter().zip(&common).map(|(value, n)| Cell::Value(value.beside(*n))));
        if let Some(ranking) = standing {
            cells.splice(2..2, rank_cells(ranking, *run));
        }
        Row { cells, lang: None, run: Some(*run), pinned: false }
    });
    Table {
        id: benchmark_id("leaderboard-table", benchmark, i),
        caption: format!("Accuracy in percent with {} % intervals, highest first.", number::level(findings.level))
            .into(),
        columns,
        rows: rows.collect(),
    }
}

/// The ranking over some languages, where two or more runs have one.
pub fn ranking_of<'a>(findings: &'a Findings, benchmark: &BenchmarkInfo, languages: &Languages) -> Option<&'a Ranking> {
    findings.rankings.iter().find(|r| r.benchmark == benchmark.name && r.languages == *languages)
}

fn rank_columns(findings: &Findings, ranking: &Ranking) -> [Column; 3] {
    let level = number::level(findings.level);
    [
        Column::right("Rank").lowest_first().about(format!(
            "Ranks the run may have, {level} %: all of them hold together ({}, Romano-Wolf)",
            counted(ranking.pairs, "pair")
        )),
        Column::right("Best, %").about("Share of replicates in which the run is the best"),
        Column::left("Tie group").about("Runs that share a letter are not significantly different"),
    ]
}

fn rank_cells(ranking: &Ranking, run: usize) -> [Cell; 3] {
    let none = || Cell::Absent("not enough data for a rank".to_owned());
    let Some(rank) = ranking.ranks.iter().find(|rank| rank.run == run) else { return [none(), none(), none()] };
    let range = if rank.low == rank.high { rank.low.to_string() } else { format!("{}–{}", rank.low, rank.high) };
    let best = rank.chance_of_best.map_or_else(none, percent_cell);
    // By the best rank, then by the worst.
    let key = rank.low as f64 + rank.high as f64 / 1e6;
    [Cell::Number { text: range, key }, best, Inline::from(rank.groups.join(" ")).into()]
}

fn title(languages: &Languages) -> Inline {
    match languages {
        Languages::Average(name) => Inline::new().name(name),
        Languages::One(lang) => Inline::new().lang(*lang),
    }
}
