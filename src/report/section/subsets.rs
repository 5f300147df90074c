//! Accuracy by subset and language, one table per run.

use super::matrix::{self, MatrixRow};
use super::{benchmark_id, per_benchmark};
use crate::report::block::{Block, Column, Inline, visible};
use crate::report::findings::{Findings, Languages, Scope};
use crate::report::measure::ACCURACY;
use crate::report::number;
use crate::report::select::{Lookup, languages_by_accuracy, ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let accuracy = Lookup::of(findings, &benchmark.name, ACCURACY);
        let order = ranking(findings, benchmark);
        let langs = languages_by_accuracy(&accuracy, benchmark, *order.first()?);
        let languages: Vec<Languages> = benchmark
            .averages
            .iter()
            .map(|a| Languages::Average(a.clone()))
            .chain(langs.into_iter().map(Languages::One))
            .collect();
        let subsets: Vec<(Scope, &str, Option<&str>)> = benchmark
            .subsets
            .iter()
            .map(|(name, category)| (Scope::Subset(name.clone()), name.as_str(), category.as_deref()))
            .filter(|(scope, ..)| languages.iter().any(|l| accuracy.has(scope, l)))
            .collect();
        if subsets.is_empty() {
            return None;
        }
        let table = |run: usize| {
            let columns = subsets.iter().map(|(_, name, category)| {
                let column = Column::right(Inline::new().name(name));
                match category {
                    Some(category) => column.about(format!("Category {}", visible(category))),
                    None => column,
                }
            });
            let rows = languages
                .iter()
                .filter(|l| subsets.iter().any(|(scope, ..)| accuracy.get(run, scope, l).is_some()))
                .map(|l| {
                    let (label, lang) = match l {
                        Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
                        Languages::Average(name) => (Inline::new().name(name), None),
                    };
                    let values = subsets.iter().map(|(scope, ..)| accuracy.value(run, scope, l)).collect();
                    MatrixRow { label, lang, run: Some(run), pinned: lang.is_none(), values }
                });
            matrix::table(
                format!("{}-run-{}", benchmark_id("subsets", benchmark, i), run + 1),
                Inline::new()
                    .name(run_name(findings, run))
                    .text(format!(": accuracy in percent with {} % intervals.", number::level(findings.level))),
                "Language",
                columns.collect(),
                rows.collect(),
            )
        };
        let folds = order.iter().map(|run| Block::Fold {
            summary: Inline::new().name(run_name(findings, *run)),
            blocks: vec![table(*run).into()],
            open: false,
        });
        let intro = format!("Accuracy in each of {} subsets, by language; one table for each run.", subsets.len());
        Some(std::iter::once(Block::Paragraph(intro.into())).chain(folds).collect())
    })
}
