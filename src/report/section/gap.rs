//! What a language loses against English, on the source items both have.

use super::languages::{APART, Context};
use super::{benchmark_id, per_benchmark};
use crate::lang::Lang;
use crate::report::block::{Block, Inline, visible};
use crate::report::figure::{Dots, Figure, Plot, Reference};
use crate::report::findings::{Findings, Languages, Scope};
use crate::report::measure::{GAP, Unit};
use crate::report::number;
use crate::report::select::{Lookup, languages_by_accuracy, ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let gaps = Lookup::of(findings, &benchmark.name, GAP);
        let order = ranking(findings, benchmark);
        let leader = *order.first()?;
        let langs: Vec<Lang> = languages_by_accuracy(&gaps, benchmark, leader)
            .into_iter()
            .filter(|lang| *lang != Lang::ENGLISH && gaps.has(&Scope::Overall, &Languages::One(*lang)))
            .collect();
        if langs.is_empty() {
            return None;
        }
        let context = Context { findings, benchmark, i, lookup: &gaps, runs: &order, langs: &langs };
        let mut blocks = vec![Block::from(dots(&context))];
        if order.len() > APART {
            blocks.push(context.map("gap-map", "Gap to English of every run", Unit::Points).into());
        }
        blocks.push(context.table("gap-table", "Accuracy minus accuracy in English, in percentage points,").into());
        Some(blocks)
    })
}

fn dots(context: &Context<'_>) -> Figure {
    let first = context.runs.first().map(|run| run_name(context.findings, *run)).unwrap_or_default();
    Figure {
        id: benchmark_id("gap", context.benchmark, context.i),
        title: visible(&format!("Gap to English, {}", context.benchmark.title)),
        caption: Inline::new()
            .text(format!(
                "Point and {} % interval, paired over shared source items. ",
                number::level(context.findings.level)
            ))
            .text("Hollow where the interval holds zero: no gap is established. Sorted by ")
            .name(first)
            .text("."),
        alt: format!("Gap to English in {} languages; the table below has the numbers.", context.langs.len()),
        plot: Plot::Dots(Dots {
            axis: "Accuracy minus accuracy in English, percentage points".to_owned(),
            unit: Unit::Points,
            rows: context.rows(),
            series: context.series(),
            crowd: context.crowd(),
            references: vec![Reference { value: 0.0, label: "as in English".to_owned() }],
            print_values: context.runs.len() == 1,
        }),
    }
}
