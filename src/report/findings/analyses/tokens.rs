//! What a language costs in tokens, what was cut off for it, and whether accuracy follows.
//!
//! Premium: tokens of a language's items over tokens of the same items in English (Petrov et al. 2023).
//! Tokens per character: the slope through the origin of differences in tokens on differences in characters
//! between responses of one item; the prompt is in both and cancels out.

use crate::lang::Lang;
use crate::metric::accuracy::credit;
use crate::metric::columns::ColumnId;
use crate::metric::correlation::{pearson, ranks, spearman};
use crate::metric::outcome::Evidence;
use crate::metric::parallel::Parallel;
use crate::metric::permutation::label_test;
use crate::metric::resample::{Number, Numbers};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "tokens";

/// Fewer items say nothing of a language.
const MIN_ITEMS: usize = 20;
/// Fewer languages say nothing of a correlation.
const MIN_LANGS: usize = 6;

const MEASURES: [&str; 5] = ["premium", "tokens-per-character", "truncation-rate", "accuracy", "accuracy-uncut"];

/// One item: its source, (Σ Δt Δc, Σ Δc²), tokens here and in English, cut or not, credit.
struct Seen {
    cluster: u32,
    slope: Option<(f64, f64)>,
    premium: Option<(f64, f64)>,
    cut: bool,
    /// No language of its source was cut.
    whole: bool,
    credit: Option<f64>,
}

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
    let (table, design) = (context.table, context.design);
    let parallel = Parallel::new(table, design, run);
    let english = parallel.langs.iter().position(|lang| *lang == Lang::ENGLISH);
    let column = &table.runs[run];
    let slots = |item: usize| {
        let key = &table.items[item];
        key.offset as usize..key.offset as usize + key.n_responses()
    };
    let is_cut = |item: usize| column.truncated[slots(item)].contains(&true);
    let total = |item: usize| {
        let tokens = &column.n_tokens[slots(item)];
        (!is_cut(item) && tokens.iter().all(|n| *n > 0)).then(|| tokens.iter().map(|n| f64::from(*n)).sum::<f64>())
    };
    let mut cut_sources = vec![false; design.n_clusters];
    for unit in design.cells.iter().flat_map(|cell| &cell.units) {
        cut_sources[unit.cluster as usize] |= unit.items().any(is_cut);
    }
    let mut found: Vec<(Lang, Vec<Seen>)> = Vec::new();
    for (number, lang) in parallel.langs.iter().enumerate() {
        let units = design.cells.iter().filter(|cell| cell.lang == *lang).flat_map(|cell| &cell.units);
        let mut seen = Vec::new();
        for unit in units {
            for index in unit.items().filter(|index| column.present[slots(*index).start]) {
                let item = table.item(run, index);
                let first = slots(index).start;
                let differences = slots(index).skip(1).map(|slot| {
                    let tokens = f64::from(column.n_tokens[slot]) - f64::from(column.n_tokens[first]);
                    (tokens, f64::from(table.n_chars[slot]) - f64::from(table.n_chars[first]))
                });
                let slope = differences.fold((0.0, 0.0), |(tc, cc), (t, c)| (tc + t * c, cc + c * c));
                let cluster = unit.cluster as usize;
                let same = parallel.item(number, cluster) == Some(index);
                let in_english = english.filter(|e| *e != number && same).and_then(|e| parallel.item(e, cluster));
                seen.push(Seen {
                    cluster: unit.cluster,
                    slope: Some(slope).filter(|_| !is_cut(index)),
                    premium: total(index).zip(in_english.and_then(total)),
                    cut: is_cut(index),
                    whole: !cut_sources[cluster],
                    credit: Evidence::Rewards.extremes(&item).and_then(|e| credit(&e, context.protocol.ties)),
                });
            }
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
    let mut quotient = |of: &dyn Fn(&Seen) -> Option<(f64, f64)>| {
        let pairs: Vec<(u32, (f64, f64))> = seen.iter().filter_map(|s| Some((s.cluster, of(s)?))).collect();
        let above = numbers.column(pairs.iter().map(|(cluster, (x, _))| (*cluster, *x)));
        let below = numbers.column(pairs.iter().map(|(cluster, (_, y))| (*cluster, *y)));
        Measure { above, below, number: numbers.ratio(above, below), n: pairs.len() }
    };
    [
        quotient(&|s| s.premium),
        quotient(&|s| s.slope),
        quotient(&|s| Some((f64::from(u8::from(s.cut)), 1.0))),
        quotient(&|s| Some((s.credit?, 1.0))),
        quotient(&|s| Some((s.credit.filter(|_| s.whole)?, 1.0))),
    ]
}

/// Accuracy's place among the measures, and the costs that may go with it.
const ACCURACY: usize = 3;
const COSTS: std::ops::Range<usize> = 0..3;

/// Spearman's ρ of costs and accuracies, from four sums per language; languages without either are left out.
fn rank_correlation(sums: &[f64]) -> Option<f64> {
    let known = sums.chunks_exact(4).filter(|own| own[1] > 0.0 && own[3] > 0.0);
    let (x, y): (Vec<f64>, Vec<f64>) = known.map(|own| (own[0] / own[1], own[2] / own[3])).unzip();
    spearman(&x, &y).filter(|_| x.len() >= MIN_LANGS)
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
    let answers = numbers.resample();
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
        let point = |measure: &Measure| answers.of(measure.number).point;
        let (x, y): (Vec<f64>, Vec<f64>) =
            by_lang.iter().filter_map(|own| point(&own[cost]).zip(point(&own[ACCURACY]))).unzip();
        let detail = context.detail(ANALYSIS, Some(run), "rank-correlation", of.clone());
        details.push(detail.found(found, x.len()));
        // Languages are shuffled as labels; both directions count. Ranks are shuffled instead of values: the same ρ.
        let (x, y) = (ranks(&x), ranks(&y));
        let order: Vec<usize> = (0..x.len()).collect();
        let moved = |order: &[usize]| {
            let shuffled: Vec<f64> = order.iter().map(|at| y[*at]).collect();
            pearson(&x, &shuffled).map_or(0.0, f64::abs)
        };
        let test = label_test(&order, context.plan.seed, &moved);
        details.push(context.detail(ANALYSIS, Some(run), "permutation-p", of).with(Some(test.p), None, x.len()));
    }
    details
}
