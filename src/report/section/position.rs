//! What the place of a response does to judges, by language: a part of the section on judges.

use super::benchmark_id;
use super::languages::Context;
use crate::lang::Lang;
use crate::metric::Estimate;
use crate::report::block::{Block, Inline, visible};
use crate::report::figure::{Dots, Figure, Plot, Reference};
use crate::report::findings::{BenchmarkInfo, Findings, JudgeTotals, Languages, Scope};
use crate::report::measure::{POSITION, Unit};
use crate::report::number;
use crate::report::select::{Lookup, headline, languages_by_accuracy, run_name};

/// A sentence for each judge that compared responses, and all of them by language.
pub fn blocks(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, judged: &[&JudgeTotals]) -> Vec<Block> {
    let bias = Lookup::of(findings, &benchmark.name, POSITION);
    let by_language = |run: usize| -> Vec<(Lang, Estimate)> {
        let of = |lang: &Lang| Some((*lang, bias.get(run, &Scope::Overall, &Languages::One(*lang))?.estimate?));
        benchmark.langs.iter().filter_map(of).collect()
    };
    let runs: Vec<usize> = judged.iter().map(|totals| totals.run).filter(|run| !by_language(*run).is_empty()).collect();
    let Some(first) = runs.first() else { return Vec::new() };
    let bullets = runs.iter().map(|run| sentence(findings, benchmark, *run, &bias, &by_language(*run)));
    let mut blocks = vec![Block::Bullets(bullets.collect())];
    if benchmark.langs.len() > 1 {
        let langs: Vec<Lang> = languages_by_accuracy(&bias, benchmark, *first)
            .into_iter()
            .filter(|lang| bias.has(&Scope::Overall, &Languages::One(*lang)))
            .collect();
        let context = Context { findings, benchmark, i, lookup: &bias, runs: &runs, langs: &langs };
        blocks.push(figure(&context).into());
    }
    blocks
}

/// How often the place decides, over all languages and in which of them most.
fn sentence(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    run: usize,
    bias: &Lookup<'_>,
    by_language: &[(Lang, Estimate)],
) -> Inline {
    let mut text = Inline::new().name(run_name(findings, run)).text(": position bias ");
    let overall = headline(benchmark);
    let of = |lookup: &Lookup<'_>| lookup.get(run, &Scope::Overall, overall.as_ref()?)?.estimate;
    text = match of(bias) {
        Some(estimate) => text.text(number::in_words(&estimate, Unit::Points)),
        None => text.text("by language"),
    };
    let beyond = |holds: fn(f64, f64) -> bool| {
        let is = |(_, e): &&(Lang, Estimate)| e.interval.is_some_and(|interval| holds(interval.low, interval.high));
        by_language.iter().filter(is).count()
    };
    let (above, below) = (beyond(|low, _| low > 0.0), beyond(|_, high| high < 0.0));
    let n = by_language.len();
    if n > 1 {
        text = text.text(format!(
            "; established towards the first response in {above} of {n} languages, against it in {below}"
        ));
        let by_size = |a: &&(Lang, Estimate), b: &&(Lang, Estimate)| a.1.point.total_cmp(&b.1.point);
        if let (Some(most), Some(least)) = (by_language.iter().max_by(by_size), by_language.iter().min_by(by_size)) {
            let point = |e: &Estimate| number::point(e.point, Unit::Points);
            text = text.text(": most in ").lang(most.0).text(format!(" ({}), least in ", point(&most.1)));
            text = text.lang(least.0).text(format!(" ({})", point(&least.1)));
        }
    }
    let same = Lookup::of(findings, &benchmark.name, "order-consistency");
    match of(&same) {
        Some(estimate) => {
            text.text(format!(". All orders give one answer for {}.", number::in_words(&estimate, Unit::Percent)))
        }
        None => text.text("."),
    }
}

fn figure(context: &Context<'_>) -> Figure {
    let level = number::level(context.findings.level);
    Figure {
        id: benchmark_id("position-bias", context.benchmark, context.i),
        title: visible(&format!("Position bias, {}", context.benchmark.title)),
        caption: format!(
            "How much more often the response shown first is picked than without bias, with {level} % intervals; hollow where \
             the interval holds zero: no bias is established."
        )
        .into(),
        alt: format!("Position bias of judges in {} languages; the tables below have the numbers.", context.langs.len()),
        plot: Plot::Dots(Dots {
            axis: "Picks of the first response beyond chance, percentage points".to_owned(),
            unit: Unit::Points,
            rows: context.rows(),
            series: context.series(),
            crowd: context.crowd(),
            references: vec![Reference { value: 0.0, label: "no bias".to_owned() }],
            print_values: context.runs.len() == 1,
        }),
    }
}
