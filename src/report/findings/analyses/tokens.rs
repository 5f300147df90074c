//! What a language costs in tokens, what was cut off for it, and whether accuracy follows.
//!
//! Premium: tokens of a language's items over tokens of the same items in English (Petrov et al. 2023).
//! Tokens per character: the slope through the origin of differences in tokens on differences in characters
//! between responses of one item; the prompt is in both and cancels out.

use crate::lang::Lang;
use crate::metric::accuracy::credit;
use crate::metric::correlation::spearman;
use crate::metric::outcome::Evidence;
use crate::metric::parallel::Parallel;
use crate::metric::permutation::label_test;
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
    let mut details = Vec::new();
    for run in context.runs {
        // A scorer without a tokenizer has no tokens to count.
        if context.table.runs[*run].n_tokens.iter().all(|n| *n == 0) {
            continue;
        }
        let langs = languages(context, *run);
        if !langs.is_empty() {
            details.extend(of_run(context, *run, &langs));
        }
    }
    details
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

/// Measures of one language and the items behind each.
fn measures(seen: &[Seen], counts: &dyn Fn(u32) -> f64) -> [(f64, f64); MEASURES.len()] {
    let sum = |of: &dyn Fn(&Seen) -> Option<(f64, f64)>| {
        let pairs = seen.iter().filter_map(|s| of(s).map(|pair| (pair, counts(s.cluster))));
        pairs.fold((0.0, 0.0, 0.0), |(a, b, n), ((x, y), w)| (a + w * x, b + w * y, n + w))
    };
    let ratio = |(a, b, n): (f64, f64, f64)| if n > 0.0 && b > 0.0 { (a / b, n) } else { (f64::NAN, n) };
    [
        ratio(sum(&|s| s.premium)),
        ratio(sum(&|s| s.slope)),
        ratio(sum(&|s| Some((f64::from(u8::from(s.cut)), 1.0)))),
        ratio(sum(&|s| Some((s.credit?, 1.0)))),
        ratio(sum(&|s| Some((s.credit.filter(|_| s.whole)?, 1.0)))),
    ]
}

fn of_run(context: &Context<'_>, run: usize, langs: &[(Lang, Vec<Seen>)]) -> Vec<Detail> {
    let width = MEASURES.len();
    let point: Vec<[(f64, f64); MEASURES.len()]> = langs.iter().map(|(_, seen)| measures(seen, &|_| 1.0)).collect();
    let correlated = |values: &[[(f64, f64); MEASURES.len()]], cost: usize| {
        let pairs: Vec<(f64, f64)> =
            values.iter().map(|v| (v[cost].0, v[3].0)).filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        (x, y)
    };
    let of_costs = |values: &[[(f64, f64); MEASURES.len()]]| {
        [0, 1, 2].map(|cost| {
            let (x, y) = correlated(values, cost);
            spearman(&x, &y).filter(|_| x.len() >= MIN_LANGS).unwrap_or(f64::NAN)
        })
    };
    let steps = langs.iter().map(|(_, seen)| seen.len()).sum::<usize>() * 20;
    let resampled = context.plan.run(langs.len() * width + 3, steps, &|counts, out| {
        let values: Vec<_> = langs.iter().map(|(_, seen)| measures(seen, &|c| f64::from(counts[c as usize]))).collect();
        for (out, (value, _)) in out.iter_mut().zip(values.iter().flatten()) {
            *out = *value;
        }
        out[langs.len() * width..].copy_from_slice(&of_costs(&values));
    });
    let mut details = Vec::new();
    for (number, (lang, _)) in langs.iter().enumerate() {
        for (at, measure) in MEASURES.into_iter().enumerate() {
            let (value, n) = point[number][at];
            let detail = context.detail(ANALYSIS, Some(run), measure, vec![About::Lang(*lang)]);
            let why = match (measure, *lang == Lang::ENGLISH) {
                ("premium", true) => continue,
                ("premium", false) => "no uncut item is shared with English",
                ("accuracy-uncut", _) => "every source item was cut in some language",
                _ => "no uncut items",
            };
            details.push(if value.is_nan() || n < 10.0 {
                detail.because(why)
            } else {
                detail.with(Some(value), resampled.interval(number * width + at), n as usize)
            });
        }
    }
    for (cost, rho) in of_costs(&point).into_iter().enumerate().filter(|(_, rho)| !rho.is_nan()) {
        let of = vec![About::name(MEASURES[cost])];
        let (x, y) = correlated(&point, cost);
        let interval = resampled.interval(langs.len() * width + cost);
        let detail = context.detail(ANALYSIS, Some(run), "rank-correlation", of.clone());
        details.push(detail.with(Some(rho), interval, x.len()));
        // Languages are shuffled as labels; both directions count.
        let order: Vec<usize> = (0..x.len()).collect();
        let moved = |order: &[usize]| {
            let shuffled: Vec<f64> = order.iter().map(|at| y[*at]).collect();
            spearman(&x, &shuffled).map_or(0.0, f64::abs)
        };
        let test = label_test(&order, context.plan.seed, &moved);
        details.push(context.detail(ANALYSIS, Some(run), "permutation-p", of).with(Some(test.p), None, x.len()));
    }
    details
}
