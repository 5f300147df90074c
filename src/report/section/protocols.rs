//! The protocol matrix: what the same rewards score under every protocol, and how far that is from the
//! benchmark's own.

use std::collections::BTreeMap;

use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::metric::TiePolicy;
use crate::report::block::{Block, Column, Inline, Value, visible};
use crate::report::findings::{Averaging, BenchmarkInfo, Findings, Languages, ProtocolName, ProtocolScore};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| of_benchmark(findings, benchmark, i))
}

type ByRun<'a> = BTreeMap<usize, &'a ProtocolScore>;

/// Protocols in order of appearance, each with its scores by run.
fn rows<'a>(findings: &'a Findings, benchmark: &BenchmarkInfo) -> Vec<(&'a ProtocolName, ByRun<'a>)> {
    let mut rows: Vec<(&ProtocolName, ByRun<'_>)> = Vec::new();
    for score in findings.protocols.iter().filter(|score| score.benchmark == benchmark.name) {
        match rows.iter_mut().find(|(name, _)| **name == score.protocol) {
            Some((_, scores)) => {
                scores.insert(score.run, score);
            }
            None => rows.push((&score.protocol, ByRun::from([(score.run, score)]))),
        }
    }
    rows
}

fn of_benchmark(findings: &Findings, benchmark: &BenchmarkInfo, i: usize) -> Option<Vec<Block>> {
    let rows = rows(findings, benchmark);
    if rows.len() < 2 {
        return None;
    }
    let runs: Vec<usize> = ranking(findings, benchmark)
        .into_iter()
        .filter(|run| rows.iter().any(|(_, scores)| scores.contains_key(run)))
        .collect();
    let axes = Axes::of(&rows);
    let mut blocks = vec![Block::Paragraph(
        format!(
            "The same rewards scored in {} ways: {}. Numbers from different protocols are not comparable, and few papers say which they used.",
            rows.len(),
            axes.in_words()
        )
        .into(),
    )];
    blocks.extend(order(findings, &rows, &runs).map(|text| Block::Bullets(vec![text])));
    let level = number::level(findings.level);
    // What gives every run its own number again needs no row of zeros.
    let is_same =
        |scores: &ByRun<'_>| scores.values().all(|s| !s.own && s.difference.is_some_and(|d| number::is_nothing(&d)));
    let (same, differing): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(|(_, scores)| is_same(scores));
    if !same.is_empty() {
        let names = same.iter().map(|(name, _)| axes.label(name)).collect();
        let text = Inline::new().text("Exactly the benchmark's own scores come out under: ");
        blocks.push(Block::Paragraph(text.list(names).text(".")));
    }
    let distance = table(
        findings,
        (&differing, &runs, &axes),
        benchmark_id("protocol-distance", benchmark, i),
        format!(
            "Score minus the score under the benchmark's own protocol, percentage points, with {level} % intervals; the benchmark's own protocol with its score in percent."
        ),
        |score| {
            if score.own {
                shown(score, score.estimate, Unit::Percent)
            } else {
                shown(score, score.difference, Unit::Points)
            }
        },
    );
    let scores = table(
        findings,
        (&rows, &runs, &axes),
        benchmark_id("protocol-scores", benchmark, i),
        format!("Score in percent under every protocol, with {level} % intervals."),
        |score| shown(score, score.estimate, Unit::Percent),
    );
    if differing.len() > 1 {
        blocks.push(distance.into());
    }
    blocks.push(Block::Fold {
        summary: "Scores under every protocol".into(),
        blocks: vec![scores.into()],
        open: false,
    });
    Some(blocks)
}

fn shown(score: &ProtocolScore, estimate: Option<crate::metric::Estimate>, unit: Unit) -> Value {
    let why = score.why.as_deref().map(visible);
    let why = why.or_else(|| estimate.is_none().then(|| "no difference can be taken".to_owned()));
    Value { unit, estimate, why, n_ties: 0, n_truncated: 0, show_n: true }
}

fn table(
    findings: &Findings,
    (rows, runs, axes): (&[(&ProtocolName, ByRun<'_>)], &[usize], &Axes),
    id: String,
    caption: String,
    value: impl Fn(&ProtocolScore) -> Value,
) -> crate::report::block::Table {
    let rows = rows.iter().map(|(name, scores)| {
        let absent = || Value::absent(Unit::Percent, "not scored");
        let values = runs.iter().map(|run| scores.get(run).map_or_else(absent, |score| value(score))).collect();
        let own = scores.values().any(|score| score.own);
        let label = axes.label(name);
        let label = if own { label.text(" (the benchmark's own)") } else { label };
        MatrixRow { label, lang: None, run: None, pinned: own, values }
    });
    let columns = runs.iter().map(|run| Column::right(Inline::new().name(run_name(findings, *run))).of_run(*run));
    matrix::table(id, caption.into(), "Protocol", columns.collect(), rows.collect())
}

/// Under how many protocols the runs stand in another order than under the benchmark's own.
fn order(findings: &Findings, rows: &[(&ProtocolName, ByRun<'_>)], runs: &[usize]) -> Option<Inline> {
    let ranked = |scores: &ByRun<'_>| -> Option<Vec<usize>> {
        let mut points: Vec<(usize, f64)> =
            runs.iter().map(|run| Some((*run, scores.get(run)?.estimate?.point))).collect::<Option<_>>()?;
        points.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(points.into_iter().map(|(run, _)| run).collect())
    };
    let (_, own) = rows.iter().find(|(_, scores)| scores.values().any(|score| score.own))?;
    let own = ranked(own).filter(|order| order.len() > 1)?;
    let others: Vec<Vec<usize>> = rows.iter().filter_map(|(_, scores)| ranked(scores)).collect();
    let changed = others.iter().filter(|order| **order != own).count();
    let leaders = others.iter().filter(|order| order.first() != own.first()).count();
    let name = |run: &usize| Inline::new().name(run_name(findings, *run));
    let text = Inline::new().text(match changed {
        0 => format!("Runs stand in the same order under all {} protocols that score all of them", others.len()),
        _ => format!(
            "Runs stand in another order under {changed} of the {} protocols that score all of them",
            others.len()
        ),
    });
    Some(match (leaders, own.first()) {
        (0, Some(first)) => text.text("; ").list(vec![name(first)]).text(" leads under every one."),
        (n, _) => text.text(format!("; another run leads under {n}.")),
    })
}

/// Which parts of a protocol differ here: only those are named.
struct Axes {
    ties: bool,
    weights: bool,
    averaging: bool,
    languages: bool,
}

impl Axes {
    fn of(rows: &[(&ProtocolName, ByRun<'_>)]) -> Axes {
        let differs =
            |same: &dyn Fn(&ProtocolName, &ProtocolName) -> bool| rows.iter().any(|(name, _)| !same(name, rows[0].0));
        Axes {
            ties: differs(&|a, b| a.ties == b.ties),
            // Pooled items have no weights, which is not a weighting of its own.
            weights: rows
                .iter()
                .filter_map(|(name, _)| name.weights.as_deref())
                .any(|w| rows.iter().filter_map(|(name, _)| name.weights.as_deref()).any(|other| other != w)),
            averaging: differs(&|a, b| a.averaging == b.averaging),
            languages: differs(&|a, b| a.languages == b.languages),
        }
    }

    fn in_words(&self) -> String {
        let named = [
            (self.ties, "what a tie is worth"),
            (self.weights, "weights of subsets"),
            (self.averaging, "mean of categories or all items alike"),
            (self.languages, "average over languages"),
        ];
        named.into_iter().filter(|(varies, _)| *varies).map(|(_, name)| name).collect::<Vec<_>>().join(" × ")
    }

    fn label(&self, name: &ProtocolName) -> Inline {
        let mut parts: Vec<Inline> = Vec::new();
        if self.ties {
            parts.push(Inline::from(match name.ties {
                TiePolicy::Loss => "tie is wrong",
                TiePolicy::Half => "tie is ½",
                TiePolicy::OneOverK => "tie is 1/k",
                TiePolicy::Exclude => "ties left out",
            }));
        }
        if self.averaging {
            parts.push(Inline::from(match name.averaging {
                Averaging::Categories => "mean of categories",
                Averaging::Items => "all items alike",
            }));
        }
        if let (true, Some(weights)) = (self.weights, &name.weights) {
            parts.push(Inline::new().text("weights ").name(weights));
        }
        if self.languages {
            parts.push(match &name.languages {
                Languages::Average(average) => Inline::new().name(average),
                Languages::One(lang) => Inline::new().lang(*lang),
            });
        }
        let mut label = Inline::new();
        for (i, part) in parts.into_iter().enumerate() {
            if i > 0 {
                label = label.text(" · ");
            }
            label.0.extend(part.0);
        }
        label
    }
}
