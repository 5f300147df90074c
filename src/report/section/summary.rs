//! Who leads, whether that is established, and where the leader fails. In words, from estimates.

use super::comparisons::{counted, level_with_first};
use super::leaderboard::ranking_of;
use super::per_benchmark;
use crate::lang::Lang;
use crate::metric::{Estimate, Interval};
use crate::report::block::{Block, Cell, Inline, KeyFigure, Value};
use crate::report::findings::{BenchmarkInfo, Findings, Languages, Scope};
use crate::report::measure::{ACCURACY, GAP, Unit};
use crate::report::number;
use crate::report::select::{Lookup, headline, headline_difference, languages_by_accuracy, ranking, run_name};

/// How many of the worst languages are named.
const WORST: usize = 3;
/// More languages than this are counted instead of named.
const MOST_NAMED: usize = 6;

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    let mut blocks = per_benchmark(findings, |benchmark, _| Some(of_benchmark(findings, benchmark)))
        .unwrap_or_else(|| vec![Block::Note("There are no findings to report.".into())]);
    if !findings.warnings.is_empty() {
        let text = match findings.warnings.len() {
            1 => "One warning applies to these numbers; see Coverage.".to_owned(),
            n => format!("{n} warnings apply to these numbers; see Coverage."),
        };
        blocks.push(Block::Warning(text.into()));
    }
    Some(blocks)
}

fn of_benchmark(findings: &Findings, benchmark: &BenchmarkInfo) -> Vec<Block> {
    let accuracy = Lookup::of(findings, &benchmark.name, ACCURACY);
    let order = ranking(findings, benchmark);
    let (Some(headline), Some(leader)) = (headline(benchmark), order.first().copied()) else {
        return vec![Block::Note("Not enough data for a summary: no run has a headline number here.".into())];
    };
    let top = accuracy.value(leader, &Scope::Overall, &headline);
    let Some(best) = top.estimate else {
        let why = top.why.unwrap_or_else(|| "no run has a headline number".to_owned());
        return vec![Block::Note(format!("Not enough data for a summary: {why}.").into())];
    };
    let over = match &headline {
        Languages::Average(name) => format!("average {name}"),
        Languages::One(lang) => crate::report::language::name(*lang),
    };
    let mut figures = vec![KeyFigure {
        label: Inline::from(if order.len() > 1 { "Highest accuracy" } else { "Accuracy" }),
        value: Cell::Value(top.clone()),
        detail: Inline::new().name(run_name(findings, leader)).text(format!(", {over}")),
    }];
    figures.extend(lead(findings, benchmark, &order).map(|(second, estimate)| KeyFigure {
        label: "Lead".into(),
        value: Cell::Value(points(estimate)),
        detail: Inline::new().text("over ").name(run_name(findings, second)).text(match estimate.interval {
            Some(i) if i.low > 0.0 => ": established",
            Some(_) => ": not established",
            None => ": too little data to say",
        }),
    }));
    let mut sentences = vec![standing(findings, benchmark, &order, (&accuracy, &headline), best)];

    sentences.extend(tied(findings, benchmark, &headline));
    let by_language = languages_by_accuracy(&accuracy, benchmark, leader);
    let scored: Vec<(Lang, Value)> = by_language
        .into_iter()
        .map(|lang| (lang, accuracy.value(leader, &Scope::Overall, &Languages::One(lang))))
        .filter(|(_, value)| value.estimate.is_some())
        .collect();
    if let (Some((worst, value)), true) = (scored.last(), scored.len() > 1) {
        figures.push(KeyFigure {
            label: "Lowest language".into(),
            value: Cell::Value(value.clone()),
            detail: Inline::new().lang(*worst),
        });
        sentences.push(weakest(findings, leader, &scored));
    }
    sentences.extend(weakest_part(findings, benchmark, leader, (&accuracy, &headline)));
    sentences.extend(lowest_cell(findings, benchmark, leader, &accuracy));
    let gaps = Lookup::of(findings, &benchmark.name, GAP);
    let widest = scored
        .iter()
        .map(|(lang, _)| (*lang, gaps.value(leader, &Scope::Overall, &Languages::One(*lang))))
        .filter_map(|(lang, value)| Some((lang, value.estimate?.point, value)))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((lang, _, value)) = widest.filter(|(_, point, _)| *point < 0.0) {
        figures.push(KeyFigure {
            label: "Widest gap to English".into(),
            value: Cell::Value(value),
            detail: Inline::new().lang(lang),
        });
    }
    if let Some(near) = near_chance(findings, benchmark, leader, &scored) {
        sentences.push(near);
    }
    let mut blocks = vec![Block::KeyFigures(figures)];
    blocks.push(Block::Bullets(sentences));
    blocks
}

/// Does the leader lead? By the paired comparison where there is one, by the intervals otherwise.
fn standing(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    order: &[usize],
    (accuracy, headline): (&Lookup<'_>, &Languages),
    best: Estimate,
) -> Inline {
    let leader = order[0];
    let me = Inline::new().name(run_name(findings, leader));
    let second = order.get(1).and_then(|run| {
        let value = accuracy.value(*run, &Scope::Overall, headline);
        Some((*run, value.estimate?, value))
    });
    let Some((second, runner_up, value)) = second else {
        return me.text(" is the only run with a headline number, so there is nothing to compare it with.");
    };
    let other = run_name(findings, second);
    if let Some((_, estimate)) = lead(findings, benchmark, order) {
        let shown = points(estimate);
        let verdict = match estimate.interval {
            None => ": too little data to say whether that is more than chance.",
            Some(i) if i.low > 0.0 => ", paired over the items both scored: the lead is established.",
            Some(_) => ", paired over the items both scored: the interval holds zero, so the order is not established.",
        };
        return me.text(" leads ").name(other).text(" by ").value(shown).text(verdict);
    }
    let start = me.text(" is ahead of ").name(&other).text(", which has ").value(value);
    match (best.interval, runner_up.interval) {
        (Some(a), Some(b)) if overlap(a, b) => start.text(
            ". Their intervals overlap: the order is not established. A paired comparison (--baseline) can tell more.",
        ),
        (Some(_), Some(_)) => start.text(". Their intervals do not overlap."),
        _ => start.text(". Without intervals for both, the order is not established."),
    }
}

/// The second run, and how far the first is ahead of it on the items that both scored.
fn lead(findings: &Findings, benchmark: &BenchmarkInfo, order: &[usize]) -> Option<(usize, Estimate)> {
    let [first, second, ..] = order else { return None };
    let (difference, same_way) = headline_difference(findings, benchmark, *first, *second)?;
    let estimate = difference.estimate?;
    Some((*second, if same_way { estimate } else { estimate.reversed() }))
}

fn points(estimate: Estimate) -> Value {
    Value { unit: Unit::Points, estimate: Some(estimate), why: None, n_ties: 0, n_truncated: 0, show_n: true }
}

/// How sure it is that the leader is the best, and who might be as good.
fn tied(findings: &Findings, benchmark: &BenchmarkInfo, headline: &Languages) -> Option<Inline> {
    let ranking = ranking_of(findings, benchmark, headline)?;
    let first = ranking.ranks.first()?;
    let name = Inline::new().name(run_name(findings, first.run));
    let sure = match first.chance_of_best {
        Some(chance) => {
            name.text(format!(" is the best run in {} % of resamples; ", number::point(chance, Unit::Percent)))
        }
        None => name.text(": "),
    };
    let level: Vec<Inline> =
        level_with_first(ranking).into_iter().map(|run| Inline::new().name(run_name(findings, run))).collect();
    let tests = format!(" ({}, Romano-Wolf).", counted(ranking.pairs, "pair"));
    Some(match level.len() {
        0 => sure.text("every other run is significantly worse").text(tests),
        n if n > MOST_NAMED => sure.text(format!("{n} runs cannot be told apart from it")).text(tests),
        _ => sure.list(level).text(" cannot be told apart from it").text(tests),
    })
}

fn weakest(findings: &Findings, leader: usize, scored: &[(Lang, Value)]) -> Inline {
    let worst = scored.iter().rev().take(WORST.min(scored.len() - 1));
    let named = worst.map(|(lang, value)| Inline::new().lang(*lang).text(" (").value(value.clone()).text(")"));
    Inline::new()
        .text(if scored.len() > 2 { "Weakest languages of " } else { "Weakest language of " })
        .name(run_name(findings, leader))
        .text(": ")
        .list(named.collect())
        .text(".")
}

/// The lowest and the highest category of the leader; of subsets where the benchmark has no categories.
fn weakest_part(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    leader: usize,
    (accuracy, headline): (&Lookup<'_>, &Languages),
) -> Option<Inline> {
    let categories: Vec<Scope> = benchmark.categories.iter().cloned().map(Scope::Category).collect();
    let subsets: Vec<Scope> = benchmark.subsets.iter().map(|(name, _)| Scope::Subset(name.clone())).collect();
    let (parts, word) = if categories.len() > 1 { (categories, "category") } else { (subsets, "subset") };
    let mut scored: Vec<(&str, Value)> = parts
        .iter()
        .map(|scope| (part_name(scope), accuracy.value(leader, scope, headline)))
        .filter(|(_, value)| value.estimate.is_some())
        .collect();
    scored.sort_by(|a, b| point(&a.1).total_cmp(&point(&b.1)));
    let [(low, lowest), .., (high, highest)] = scored.as_slice() else { return None };
    let text = Inline::new().text(format!("Weakest {word} of ")).name(run_name(findings, leader)).text(": ").name(low);
    let text = text.text(" (").value(lowest.clone()).text("); strongest: ").name(high);
    Some(text.text(" (").value(highest.clone()).text(")."))
}

/// Where a category and a language together go worst. Of many cells one is lowest by chance: it says of how many.
fn lowest_cell(findings: &Findings, benchmark: &BenchmarkInfo, leader: usize, accuracy: &Lookup<'_>) -> Option<Inline> {
    if benchmark.categories.len() < 2 || benchmark.langs.len() < 2 {
        return None;
    }
    let cells = benchmark.categories.iter().flat_map(|category| {
        let scope = Scope::Category(category.clone());
        let of_lang = move |lang: &Lang| (category, *lang, accuracy.value(leader, &scope, &Languages::One(*lang)));
        benchmark.langs.iter().map(of_lang).filter(|(.., value)| value.estimate.is_some())
    });
    let cells: Vec<(&String, Lang, Value)> = cells.collect();
    let (category, lang, value) = cells.iter().min_by(|a, b| point(&a.2).total_cmp(&point(&b.2)))?;
    (cells.len() > 2).then(|| {
        let text = Inline::new().text(format!("Lowest of the {} cells of language and category of ", cells.len()));
        let text = text.name(run_name(findings, leader)).text(": ").lang(*lang).text(", ").name(category);
        text.text(" (").value(value.clone()).text(").")
    })
}

fn part_name(scope: &Scope) -> &str {
    match scope {
        Scope::Subset(name) | Scope::Category(name) => name,
        Scope::Overall => "overall",
    }
}

fn point(value: &Value) -> f64 {
    value.estimate.map_or(f64::NAN, |e| e.point)
}

/// Languages in which chance is inside the interval, and those in which the run is worse than chance.
fn near_chance(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    leader: usize,
    scored: &[(Lang, Value)],
) -> Option<Inline> {
    let chance = benchmark.chance.filter(|_| !scored.is_empty())?;
    let interval = |v: &Value| v.estimate.and_then(|e| e.interval);
    let such = |is: &dyn Fn(Option<Interval>) -> bool| -> Vec<Lang> {
        scored.iter().filter(|(_, v)| is(interval(v))).map(|(lang, _)| *lang).collect()
    };
    // Without an interval nothing can be told.
    let unclear = such(&|i| i.is_none_or(|i| i.low <= chance && i.high >= chance));
    let below = such(&|i| i.is_some_and(|i| i.high < chance));
    let chance = number::point(chance, Unit::Percent);
    let text = Inline::new().name(run_name(findings, leader));
    let of = scored.len();
    Some(match (unclear.is_empty(), below.is_empty()) {
        (true, true) => text.text(format!(" is above chance ({chance} %) in every language scored.")),
        (false, true) => {
            named(text.text(format!(" cannot be told from chance ({chance} %) in ")), &unclear, of).text(".")
        }
        (true, false) => named(text.text(format!(" is below chance ({chance} %) in ")), &below, of).text("."),
        (false, false) => {
            let text = named(text.text(format!(" is below chance ({chance} %) in ")), &below, of);
            named(text.text(" and cannot be told from it in "), &unclear, of).text(".")
        }
    })
}

/// A few languages by name, many by number.
fn named(text: Inline, langs: &[Lang], of: usize) -> Inline {
    match langs.len() {
        n if n > MOST_NAMED => text.text(format!("{n} of {of} languages")),
        _ => text.list(langs.iter().map(|lang| Inline::new().lang(*lang)).collect()),
    }
}

fn overlap(a: Interval, b: Interval) -> bool {
    a.low <= b.high && b.low <= a.high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_intervals_overlap() {
        let i = |low, high| Interval { low, high, level: 0.95 };
        assert!(overlap(i(0.1, 0.2), i(0.2, 0.3)));
        assert!(!overlap(i(0.1, 0.2), i(0.21, 0.3)));
    }
}
