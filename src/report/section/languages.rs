//! Accuracy by language: a dot plot, a map of runs against languages, the table.

use super::leaderboard::references;
use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline, visible};
use crate::report::figure::{Dot, DotRow, Dots, Figure, Heat, HeatCell, Label, Plot, Ramp};
use crate::report::findings::{BenchmarkInfo, Findings, Languages, Scope};
use crate::report::language;
use crate::report::measure::{ACCURACY, Unit};
use crate::report::number;
use crate::report::select::{Lookup, languages_by_accuracy, ranking, run_name};

/// Runs that a dot plot can still tell apart; with more, the best ones stand out from a crowd.
pub const APART: usize = 4;
/// Runs that stand out from the crowd.
const HIGHLIGHTED: usize = 2;

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        if benchmark.langs.len() < 2 {
            return None;
        }
        let accuracy = Lookup::of(findings, &benchmark.name, ACCURACY);
        let order = ranking(findings, benchmark);
        let leader = *order.first()?;
        let langs = languages_by_accuracy(&accuracy, benchmark, leader);
        let context = Context { findings, benchmark, i, lookup: &accuracy, runs: &order, langs: &langs };
        let mut blocks = vec![context.dots().into()];
        if order.len() > APART {
            let map = context.map("language-map", "Accuracy of every run in every language", Unit::Percent);
            blocks.push(map.into());
        }
        blocks.push(context.table("language-table", "Accuracy in percent").into());
        Some(blocks)
    })
}

/// One metric by language, for the sections that show it.
pub struct Context<'a> {
    pub findings: &'a Findings,
    pub benchmark: &'a BenchmarkInfo,
    pub i: usize,
    pub lookup: &'a Lookup<'a>,
    /// Best first.
    pub runs: &'a [usize],
    /// In the order of rows.
    pub langs: &'a [crate::lang::Lang],
}

impl Context<'_> {
    /// The runs shown with colour and interval: all of a few, the best of many.
    pub fn highlighted(&self) -> &[usize] {
        let shown = if self.runs.len() <= APART { self.runs.len() } else { HIGHLIGHTED };
        &self.runs[..shown]
    }

    pub fn rows(&self) -> Vec<DotRow> {
        let highlighted = self.highlighted();
        let row = |lang: &crate::lang::Lang| {
            let languages = Languages::One(*lang);
            let value = |run: usize| self.lookup.value(run, &Scope::Overall, &languages);
            let name = language::name(*lang);
            let about = |run: usize| format!("{name}, {}", run_name(self.findings, run));
            let dots = highlighted.iter().enumerate().filter_map(|(series, run)| {
                let value = value(*run);
                let hover = matrix::hover(&about(*run), &value);
                Some(Dot { series, run: Some(*run), estimate: value.estimate?, hover })
            });
            let crowd = self.runs[highlighted.len()..].iter().filter_map(|run| {
                let value = value(*run);
                Some((value.estimate?.point, *run, matrix::hover(&about(*run), &value)))
            });
            DotRow {
                label: Label::lang(*lang),
                dots: dots.collect(),
                crowd: crowd.collect(),
                absent: self.runs.first().and_then(|run| value(*run).why),
            }
        };
        self.langs.iter().map(row).collect()
    }

    pub fn series(&self) -> Vec<Label> {
        self.highlighted().iter().map(|run| Label::run(*run, &run_name(self.findings, *run))).collect()
    }

    pub fn crowd(&self) -> Option<String> {
        let others = self.runs.len() - self.highlighted().len();
        (others > 0).then(|| format!("{others} other runs"))
    }

    fn dots(&self) -> Figure {
        let first = self.runs.first().map(|run| run_name(self.findings, *run)).unwrap_or_default();
        let headline = crate::report::select::headline(self.benchmark);
        let references = headline.map(|h| references(self.findings, self.benchmark, &h, self.runs)).unwrap_or_default();
        Figure {
            id: benchmark_id("languages", self.benchmark, self.i),
            title: visible(&format!("Accuracy by language, {}", self.benchmark.title)),
            caption: Inline::new()
                .text(format!(
                    "Point and {} % interval; sorted by the accuracy of ",
                    number::level(self.findings.level)
                ))
                .name(first)
                .text("."),
            alt: format!("Accuracy in {} languages with intervals; the table below has the numbers.", self.langs.len()),
            plot: Plot::Dots(Dots {
                axis: "Accuracy, %".to_owned(),
                unit: Unit::Percent,
                rows: self.rows(),
                series: self.series(),
                crowd: self.crowd(),
                references,
                print_values: self.runs.len() == 1,
            }),
        }
    }

    /// Runs down, languages across.
    pub fn map(&self, id: &str, title: &str, unit: Unit) -> Figure {
        let cell = |run: usize, lang: crate::lang::Lang| {
            let value = self.lookup.value(run, &Scope::Overall, &Languages::One(lang));
            let what = format!("{}, {}", run_name(self.findings, run), language::name(lang));
            let zero = value.estimate.and_then(|e| e.interval).is_none_or(|i| i.low <= 0.0 && i.high >= 0.0);
            HeatCell { run: Some(run), faint: unit == Unit::Points && zero, ..matrix::cell(&what, &value, lang) }
        };
        let cells = self.runs.iter().map(|run| self.langs.iter().map(|lang| cell(*run, *lang)).collect());
        let (ramp, legend) = match unit {
            Unit::Points => (Ramp::Diverging, "points"),
            _ => (Ramp::Sequential, "percent"),
        };
        Figure {
            id: benchmark_id(id, self.benchmark, self.i),
            title: visible(&format!("{title}, {}", self.benchmark.title)),
            caption: format!(
                "Points only, without decimals where there are many languages; intervals are in the table and on hover.{}",
                if unit == Unit::Points { " Without colour where the interval holds zero." } else { "" }
            )
            .into(),
            alt: format!(
                "{} runs by {} languages; the table below has the numbers.",
                self.runs.len(),
                self.langs.len()
            ),
            plot: Plot::Heat(Heat {
                legend: legend.to_owned(),
                unit,
                ramp,
                range: None,
                rows: self.runs.iter().map(|run| Label::run(*run, &run_name(self.findings, *run))).collect(),
                columns: self.langs.iter().map(|lang| Label::lang_code(*lang)).collect(),
                cells: cells.collect(),
            }),
        }
    }

    /// Languages down, runs across; the averages stay on top.
    pub fn table(&self, id: &str, what: &str) -> crate::report::block::Table {
        let columns =
            self.runs.iter().map(|run| Column::right(Inline::new().name(run_name(self.findings, *run))).of_run(*run));
        let values = |languages: &Languages| {
            self.runs.iter().map(|run| self.lookup.value(*run, &Scope::Overall, languages)).collect()
        };
        let averages = self.benchmark.averages.iter().map(|name| (name, Languages::Average(name.clone())));
        let averages =
            averages.filter(|(_, languages)| self.lookup.has(&Scope::Overall, languages)).map(|(name, languages)| {
                MatrixRow {
                    label: Inline::new().name(name),
                    lang: None,
                    run: None,
                    pinned: true,
                    values: values(&languages),
                }
            });
        let langs = self.langs.iter().map(|lang| MatrixRow {
            label: Inline::new().lang(*lang),
            lang: Some(*lang),
            run: None,
            pinned: false,
            values: values(&Languages::One(*lang)),
        });
        matrix::table(
            benchmark_id(id, self.benchmark, self.i),
            format!("{what} with {} % intervals.", number::level(self.findings.level)).into(),
            "Language",
            columns.collect(),
            averages.chain(langs).collect(),
        )
    }
}
