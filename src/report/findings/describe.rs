//! What a report must say of a benchmark besides its numbers.

use crate::benchmark::manifest::{Manifest, TiePolicy};
use crate::metric::aggregate::Compat;
use crate::metric::interval::Reading;
use crate::report::findings::analysis::Analysis;
use crate::report::findings::options::FindingOptions;
use crate::report::findings::{BenchmarkInfo, Findings, Languages, Scope};

pub fn benchmark_info(analysis: &Analysis<'_>, options: &FindingOptions) -> BenchmarkInfo {
    let (design, manifest) = (analysis.design(), analysis.layout.manifest);
    let categories: Vec<String> = analysis
        .layout
        .scopes
        .iter()
        .filter_map(|(scope, form)| match scope {
            Scope::Category(name) if form.subsets().iter().any(|s| design.langs.iter().any(|l| design.has(*s, *l))) => {
                Some(name.clone())
            }
            _ => None,
        })
        .collect();
    let here = |subset: usize| design.langs.iter().any(|lang| design.has(subset, *lang));
    BenchmarkInfo {
        name: analysis.benchmark.clone(),
        title: if manifest.open { analysis.benchmark.clone() } else { manifest.title.clone() },
        version: manifest.version.clone(),
        protocol: sentences(manifest, analysis, options),
        categories,
        subsets: design
            .subsets
            .iter()
            .enumerate()
            .filter(|(number, _)| here(*number))
            .map(|(_, s)| (s.name.clone(), s.category.clone()))
            .collect(),
        langs: design.langs.clone(),
        averages: analysis.layout.averages.iter().map(|average| average.name.clone()).collect(),
        chance: manifest.chance.or_else(|| chance(analysis)),
    }
}

/// What a coin gives on 1 × m comparisons that all have the same m.
fn chance(analysis: &Analysis<'_>) -> Option<f64> {
    let units = analysis.design().cells.iter().flat_map(|cell| &cell.units).flat_map(|unit| unit.items());
    let mut sizes = units.map(|item| (analysis.table.items[item].n_chosen, analysis.table.items[item].n_rejected));
    let first = sizes.next().filter(|(chosen, _)| *chosen == 1)?;
    sizes.all(|size| size == first).then(|| 1.0 / (1.0 + f64::from(first.1)))
}

fn sentences(manifest: &Manifest, analysis: &Analysis<'_>, options: &FindingOptions) -> Vec<String> {
    let mut out = vec![manifest.about.clone()];
    out.push(
        match analysis.protocol.ties {
            TiePolicy::Loss => "A tie counts as wrong: the chosen response must have the strictly higher reward.",
            TiePolicy::Half => "A tie counts one half.",
            TiePolicy::OneOverK => "A right response that shares the highest reward with k − 1 others counts 1/k.",
            TiePolicy::Exclude => "Ties are left out of scores and counted.",
        }
        .to_owned(),
    );
    let named = options.weights.as_deref().filter(|name| manifest.weights.contains_key(*name));
    if let Some(name) = named.or(manifest.default_weights.as_deref()) {
        let about = manifest.weights.get(name).map_or("", String::as_str);
        out.push(format!("Weights of subsets: `{name}`, {about}."));
    }
    if let (Some(asked), None, Some(_)) = (&options.weights, named, &manifest.default_weights) {
        out.push(format!("This benchmark has no weighting `{asked}`; its default is used."));
    }
    if options.compat == Some(Compat::RewardBench) {
        out.push(
            "As RewardBench computes it: absent subsets drop out of their section, an empty section counts 0.".into(),
        );
    }
    for average in &analysis.layout.averages {
        out.push(format!("`{}`: {}.", average.name, average.about));
    }
    if analysis.design().langs.len() > 1 {
        out.push(match &manifest.english {
            Some(name) => format!(
                "The gap to English is taken on the source items shared with `{name}`, under this benchmark's weights."
            ),
            None => "The gap to English is taken on the source items that both languages have.".to_owned(),
        });
    }
    let reading = match options.reading {
        Reading::Percentile => "percentiles",
        Reading::Bca => "bias-corrected and accelerated percentiles",
    };
    out.push(format!(
        "Intervals cover {} %: Wilson's for shares of independent items, otherwise {reading} of {} bootstrap replicates that draw source items within subsets, with all their languages and runs.",
        options.level * 100.0,
        options.replicates
    ));
    out.extend(manifest.notes.iter().cloned());
    out
}

/// Averages that have a number in some run first, so that a headline exists wherever one can.
pub fn order_averages(findings: &mut Findings) {
    for info in &mut findings.benchmarks {
        let defined = |name: &String| {
            findings.findings.iter().any(|f| {
                f.benchmark == info.name
                    && f.scope == Scope::Overall
                    && f.metric == "accuracy"
                    && f.estimate.is_some()
                    && matches!(&f.languages, Languages::Average(n) if n == name)
            })
        };
        info.averages.sort_by_cached_key(|name| !defined(name));
    }
}
