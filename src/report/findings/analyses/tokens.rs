//! What a language costs in tokens, what was cut off for it, and whether accuracy follows.
//!
//! Premium: tokens of a language's items over tokens of the same items in English (Petrov et al. 2023).
//! Tokens per character: the slope through the origin of differences in tokens on differences in characters
//! between responses of one item; the prompt is in both and cancels out.
//!
//! Loss per doubling: the slope of right in English − right here, item by item, on log₂ of the language's premium, with
//! errors that allow for languages and source items to move together (spec/evaluation.md, M7).

use rmbench_contributions::tokens::{Language, Seen, mark_cut, terms};

use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::clustered::{self, Observation};
use crate::metric::columns::ColumnId;
use crate::metric::correlation::{pearson, ranks, spearman};
use crate::metric::magnitude::Moved;
use crate::metric::normal::normal_quantile;
use crate::metric::parallel::Parallel;
use crate::metric::permutation::label_test;
use crate::metric::rank_region;
use crate::metric::resample::{Number, Numbers};
use crate::metric::student::{from_normal, upper_tail};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "tokens";

/// Fewer items say nothing of a language.
const MIN_ITEMS: usize = 20;
/// Fewer languages say nothing of a correlation.
const MIN_LANGS: usize = 6;

const MEASURES: [&str; rmbench_contributions::tokens::MEASURES] =
    ["premium", "tokens-per-character", "truncation-rate", "accuracy", "accuracy-uncut"];

pub fn tokens(context: &Context<'_>) -> Vec<Detail> {
    context.by_run(|run| {
        // A scorer without a tokenizer has no tokens to count.
        if context.table.runs[run].n_tokens.iter().all(|n| *n == 0) {
            return Vec::new();
        }
        let langs = languages(context, run);
        if langs.is_empty() { Vec::new() } else { of_run(context, run, &langs) }
    })
}

fn languages(context: &Context<'_>, run: usize) -> Vec<(Lang, Vec<Seen>)> {
    let design = context.design;
    let sources = Parallel::new(context.table, design, run);
    let english = sources.langs.iter().position(|lang| *lang == Lang::ENGLISH);
    let view = context.table.view(run);
    let mut cut = vec![false; design.n_clusters];
    design.cells.iter().for_each(|cell| mark_cut(&view, &cell.units, &mut cut));
    let mut found: Vec<(Lang, Vec<Seen>)> = Vec::new();
    for (number, lang) in sources.langs.iter().enumerate() {
        let english = english.filter(|english| *english != number);
        let language = Language { sources: &sources, number, english, cut: &cut };
        let mut seen = Vec::new();
        for cell in design.cells.iter().filter(|cell| cell.lang == *lang) {
            language.add(&view, &cell.units, context.protocol, &mut seen);
        }
        if seen.len() >= MIN_ITEMS {
            found.push((*lang, seen));
        }
    }
    found
}

/// One measure of one language: the sums that it is the quotient of, and the items behind it.
struct Measure {
    above: ColumnId,
    below: ColumnId,
    number: Number,
    n: usize,
}

fn measures(numbers: &mut Numbers<'_>, seen: &[Seen]) -> [Measure; MEASURES.len()] {
    terms(seen).map(|[above, below]| {
        let n = above.len();
        let (above, below) = (numbers.insert(&above), numbers.insert(&below));
        Measure { above, below, number: numbers.ratio(above, below), n }
    })
}

/// Accuracy's place among the measures, and the costs that may go with it.
const ACCURACY: usize = 3;
const COSTS: std::ops::Range<usize> = 0..3;
const PREMIUM: usize = 0;

/// Spearman's ρ of costs and accuracies, from four sums per language; languages without either are left out.
fn rank_correlation(sums: &[f64]) -> Option<f64> {
    let known = sums.chunks_exact(4).filter(|own| own[1] > 0.0 && own[3] > 0.0);
    let (x, y): (Vec<f64>, Vec<f64>) = known.map(|own| (own[0] / own[1], own[2] / own[3])).unzip();
    spearman(&x, &y).filter(|_| x.len() >= MIN_LANGS)
}

/// ρ over languages with what noise leaves open of it.
pub fn rank_correlation_of(detail: Detail, rho: Option<f64>, moved: Option<Moved>, level: f64, n: usize) -> Detail {
    let bounds = moved.and_then(|moved| rank_region::bounds(&moved, level));
    let interval = bounds.zip(rho).map(|(bounds, rho)| Interval::new(bounds, level).holding(rho));
    let detail = detail.with(rho, interval, n);
    match (rho, interval) {
        (Some(_), None) => detail.because("no interval: resampling says nothing of these languages"),
        _ => detail,
    }
}

/// p of ρ by shuffling languages as labels; both directions count. Ranks are shuffled instead of values: the same ρ.
pub fn shuffled(x: Vec<f64>, y: Vec<f64>, seed: u64) -> f64 {
    let (x, y) = (ranks(&x), ranks(&y));
    let order: Vec<usize> = (0..x.len()).collect();
    let moved = |order: &[usize]| {
        let shuffled: Vec<f64> = order.iter().map(|at| y[*at]).collect();
        pearson(&x, &shuffled).map_or(0.0, f64::abs)
    };
    label_test(&order, seed, &moved).p
}

fn of_run(context: &Context<'_>, run: usize, langs: &[(Lang, Vec<Seen>)]) -> Vec<Detail> {
    let mut numbers = context.plan.numbers();
    let by_lang: Vec<[Measure; MEASURES.len()]> = langs.iter().map(|(_, seen)| measures(&mut numbers, seen)).collect();
    let correlations: Vec<(usize, Number)> = COSTS
        .map(|cost| {
            let sums = |own: &[Measure; MEASURES.len()]| {
                let (cost, accuracy) = (&own[cost], &own[ACCURACY]);
                [cost.above, cost.below, accuracy.above, accuracy.below]
            };
            (cost, numbers.function(by_lang.iter().flat_map(sums).collect(), rank_correlation))
        })
        .collect();
    let kept: Vec<Number> = by_lang.iter().flatten().map(|own| own.number).collect();
    let answers = numbers.resample_keeping(&kept);
    let mut details = Vec::new();
    for ((lang, _), own) in langs.iter().zip(&by_lang) {
        for (measure, own) in MEASURES.into_iter().zip(own) {
            let detail = context.detail(ANALYSIS, Some(run), measure, vec![About::Lang(*lang)]);
            let why = match (measure, *lang == Lang::ENGLISH) {
                ("premium", true) => continue,
                ("premium", false) => "no uncut item is shared with English",
                ("accuracy-uncut", _) => "every source item was cut in some language",
                _ => "no uncut items",
            };
            let found = answers.of(own.number);
            details.push(match found.point {
                Some(_) if own.n >= 10 => detail.found(found, own.n),
                _ => detail.because(why),
            });
        }
    }
    for (cost, number) in correlations {
        let found = answers.of(number);
        if found.point.is_none() {
            continue;
        }
        let of = vec![About::name(MEASURES[cost])];
        let point = |number: &Number| answers.of(*number).point;
        let (costs, accuracies): (Vec<Number>, Vec<Number>) = by_lang
            .iter()
            .map(|own| (own[cost].number, own[ACCURACY].number))
            .filter(|(cost, accuracy)| point(cost).is_some() && point(accuracy).is_some())
            .unzip();
        let values = |numbers: &[Number]| numbers.iter().filter_map(point).collect::<Vec<f64>>();
        let (x, y) = (values(&costs), values(&accuracies));
        let detail = context.detail(ANALYSIS, Some(run), "rank-correlation", of.clone());
        details.push(rank_correlation_of(
            detail,
            found.point,
            answers.moved(&[costs, accuracies].concat()),
            context.plan.level,
            x.len(),
        ));
        let (n, p) = (x.len(), shuffled(x, y, context.plan.seed));
        details.push(context.detail(ANALYSIS, Some(run), "permutation-p", of).with(Some(p), None, n));
    }
    let premiums: Vec<Option<f64>> = by_lang.iter().map(|own| answers.of(own[PREMIUM].number).point).collect();
    details.extend(loss(context, run, langs, &premiums));
    details
}

/// Accuracy lost for each doubling of tokens, over the languages that share items with English.
fn loss(context: &Context<'_>, run: usize, langs: &[(Lang, Vec<Seen>)], premiums: &[Option<f64>]) -> Vec<Detail> {
    let detail = |measure: &str| context.detail(ANALYSIS, Some(run), measure, Vec::new());
    let Some((_, english)) = langs.iter().find(|(lang, _)| *lang == Lang::ENGLISH) else {
        let why = "not enough data: no items in English, which the loss is counted from";
        let several = langs.len() >= MIN_LANGS;
        return several.then(|| detail("loss-per-doubling").because(why)).into_iter().collect();
    };
    let mut there = vec![None; context.design.n_clusters];
    for seen in english {
        there[seen.cluster as usize] = seen.credit;
    }
    let mut all: Vec<Observation> = Vec::new();
    let mut n_langs = 0;
    for (number, ((lang, seen), premium)) in langs.iter().zip(premiums).enumerate() {
        let Some(x) = premium.filter(|premium| *lang != Lang::ENGLISH && *premium > 0.0).map(f64::log2) else {
            continue;
        };
        let before = all.len();
        for s in seen {
            if let Some((here, there)) = s.credit.zip(there[s.cluster as usize]) {
                all.push(Observation { x, y: there - here, groups: [number as u32, s.cluster] });
            }
        }
        n_langs += usize::from(all.len() > before);
    }
    if n_langs < MIN_LANGS {
        let why = format!("not enough data: {n_langs} languages share items with English, {MIN_LANGS} are needed");
        return vec![detail("loss-per-doubling").because(why)];
    }
    let Some(found) = clustered::slope(&all) else {
        return vec![detail("loss-per-doubling").because("every language takes as many tokens")];
    };
    let freedom = found.groups as f64 - 1.0;
    let interval = found.error.map(|error| {
        let half = from_normal(normal_quantile(0.5 + context.plan.level / 2.0), freedom) * error;
        Interval { low: found.slope - half, high: found.slope + half, level: context.plan.level }
    });
    let mut details = vec![detail("loss-per-doubling").with(Some(found.slope), interval, all.len())];
    if let Some(error) = found.error {
        let p = (2.0 * upper_tail((found.slope / error).abs(), freedom)).min(1.0);
        details.push(detail("loss-per-doubling-p").with(Some(p), None, n_langs));
    }
    details
}
