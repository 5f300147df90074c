//! Do languages agree on which items a run gets right? Pair by pair, all together, and whether languages
//! of one script, family or resource class agree more.

use crate::metric::agreement::{Agreement, Coincidences, agreement as measures_of};
use crate::metric::correlation::weighted_pearson;
use crate::metric::linkage::{average_linkage, leaves};
use crate::metric::parallel::Parallel;
use crate::metric::permutation::label_test;
use crate::report::findings::analyses::Context;
use crate::report::findings::analyses::groups::numbered;
use crate::report::findings::detail::{About, Detail};
use crate::report::language::DIMENSIONS;

pub const ANALYSIS: &str = "agreement";

/// Fewer shared items say nothing of a pair of languages.
const MIN_SHARED: usize = 20;

/// Measures of a pair, in the order of [`values`].
pub const MEASURES: [&str; 6] = ["raw", "kappa", "pabak", "ac1", "alpha", "margin-correlation"];
const KAPPA: usize = 1;

/// Right, and not right: wrong or a tie.
const LABELS: usize = 2;

/// One pair of languages, by number, and the sources that both have.
struct Pair {
    a: usize,
    b: usize,
    shared: Vec<u32>,
}

pub fn agreement(context: &Context<'_>) -> Vec<Detail> {
    let runs: Vec<(usize, Parallel)> =
        context.runs.iter().map(|run| (*run, Parallel::new(context.table, context.design, *run))).collect();
    let mut details = Vec::new();
    let mut best: Option<(f64, usize)> = None;
    for (at, (run, parallel)) in runs.iter().enumerate() {
        let pairs = pairs(parallel);
        if pairs.is_empty() {
            continue;
        }
        details.extend(of_run(context, *run, parallel, &pairs));
        let known: Vec<f64> = (0..parallel.langs.len()).filter_map(|l| Some(parallel.accuracy(l)?.0)).collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        if best.is_none_or(|(before, _)| mean > before) {
            best = Some((mean, at));
        }
    }
    // A matrix per run would bury the reader; the best run's is the one to look at.
    if let Some((run, parallel)) = best.and_then(|(_, at)| runs.get(at)) {
        let pairs = pairs(parallel);
        let values = matrix(context, *run, parallel, &pairs, &mut details);
        tree(context, *run, parallel, &pairs, &values, &mut details);
        group_tests(context, *run, parallel, &pairs, &values, &mut details);
    }
    details
}

fn pairs(parallel: &Parallel) -> Vec<Pair> {
    let n = parallel.langs.len();
    let all = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    let pairs = all.map(|(a, b)| Pair { a, b, shared: parallel.shared(a, b) });
    pairs.filter(|pair| pair.shared.len() >= MIN_SHARED).collect()
}

/// The pair's measures where source c counts `counts[c]` times.
fn values(parallel: &Parallel, pair: &Pair, counts: &dyn Fn(u32) -> f64) -> [f64; MEASURES.len()] {
    let mut table = [0.0; LABELS * LABELS];
    for cluster in &pair.shared {
        let at = *cluster as usize;
        if let (Some(a), Some(b)) = (parallel.right(pair.a, at), parallel.right(pair.b, at)) {
            table[usize::from(a) * LABELS + usize::from(b)] += counts(*cluster);
        }
    }
    let margins = pair.shared.iter().filter_map(|cluster| {
        let at = *cluster as usize;
        Some((parallel.margin(pair.a, at)?, parallel.margin(pair.b, at)?, counts(*cluster)))
    });
    let correlation = weighted_pearson(margins).unwrap_or(f64::NAN);
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    match measures_of(&table, LABELS) {
        None => [f64::NAN; MEASURES.len()],
        Some(Agreement { raw, kappa, pabak, ac1, alpha, .. }) => {
            [raw, or_nan(kappa), or_nan(pabak), or_nan(ac1), or_nan(alpha), correlation]
        }
    }
}

/// α of all languages together and the mean κ of pairs.
fn of_run(context: &Context<'_>, run: usize, parallel: &Parallel, pairs: &[Pair]) -> Vec<Detail> {
    let clusters: Vec<(usize, [f64; LABELS])> = (0..parallel.n_clusters)
        .map(|cluster| (cluster, parallel.counts(cluster)))
        .filter(|(_, counts)| counts.iter().sum::<f64>() >= 2.0)
        .collect();
    let compute = |counts: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        let mut coincidences = Coincidences::new(LABELS);
        for (cluster, labels) in &clusters {
            coincidences.add(labels, counts(*cluster as u32));
        }
        let kappas: Vec<f64> = pairs.iter().map(|pair| values(parallel, pair, counts)[KAPPA]).collect();
        let known: Vec<f64> = kappas.into_iter().filter(|kappa| !kappa.is_nan()).collect();
        out[0] = coincidences.alpha().unwrap_or(f64::NAN);
        out[1] = if known.is_empty() { f64::NAN } else { known.iter().sum::<f64>() / known.len() as f64 };
    };
    let mut point = [f64::NAN; 2];
    compute(&|_| 1.0, &mut point);
    let steps = pairs.iter().map(|pair| pair.shared.len()).sum::<usize>() * 8;
    let resampled = context.plan.run(2, steps, &|counts, out| compute(&|c| f64::from(counts[c as usize]), out));
    ["alpha-of-all", "mean-kappa"]
        .into_iter()
        .enumerate()
        .map(|(at, measure)| {
            let interval = resampled.interval(at);
            context.detail(ANALYSIS, Some(run), measure, Vec::new()).with(Some(point[at]), interval, clusters.len())
        })
        .collect()
}

/// Every measure of every pair; returns the κ by pair.
fn matrix(
    context: &Context<'_>,
    run: usize,
    parallel: &Parallel,
    pairs: &[Pair],
    details: &mut Vec<Detail>,
) -> Vec<Option<f64>> {
    let width = MEASURES.len();
    let steps = pairs.iter().map(|pair| pair.shared.len()).sum::<usize>() * 8;
    let resampled = context.plan.run(pairs.len() * width, steps, &|counts, out| {
        for (pair, out) in pairs.iter().zip(out.chunks_exact_mut(width)) {
            out.copy_from_slice(&values(parallel, pair, &|c| f64::from(counts[c as usize])));
        }
    });
    let mut kappas = Vec::with_capacity(pairs.len());
    for (number, pair) in pairs.iter().enumerate() {
        let point = values(parallel, pair, &|_| 1.0);
        for (at, measure) in MEASURES.into_iter().enumerate() {
            let of = [pair.a, pair.b].map(|lang| About::Lang(parallel.langs[lang])).to_vec();
            let interval = resampled.interval(number * width + at);
            let detail = context.detail(ANALYSIS, Some(run), measure, of);
            details.push(detail.with(Some(point[at]), interval, pair.shared.len()));
        }
        kappas.push(Some(point[KAPPA]).filter(|kappa| !kappa.is_nan()));
    }
    kappas
}

/// Languages that all have a κ with each other: the one with most gaps leaves until none is left.
fn complete(n: usize, pairs: &[Pair], kappas: &[Option<f64>]) -> (Vec<usize>, Vec<f64>) {
    let mut known = vec![None; n * n];
    for (pair, kappa) in pairs.iter().zip(kappas) {
        known[pair.a * n + pair.b] = *kappa;
        known[pair.b * n + pair.a] = *kappa;
    }
    let mut kept: Vec<usize> = (0..n).collect();
    loop {
        let gaps = |lang: usize| kept.iter().filter(|o| **o != lang && known[lang * n + **o].is_none()).count();
        match kept.iter().map(|lang| (gaps(*lang), *lang)).max() {
            Some((gaps, worst)) if gaps > 0 => kept.retain(|lang| *lang != worst),
            _ => break,
        }
    }
    let distance = |a: usize, b: usize| if a == b { 0.0 } else { 1.0 - known[a * n + b].unwrap_or(0.0) };
    let distances = kept.iter().flat_map(|a| kept.iter().map(move |b| distance(*a, *b))).collect();
    (kept, distances)
}

/// The tree of languages: its leaves in order, and where branches meet (1 − κ).
fn tree(
    context: &Context<'_>,
    run: usize,
    parallel: &Parallel,
    pairs: &[Pair],
    kappas: &[Option<f64>],
    details: &mut Vec<Detail>,
) {
    let (kept, distances) = complete(parallel.langs.len(), pairs, kappas);
    if kept.len() < 3 {
        return;
    }
    let n = kept.len();
    let merges = average_linkage(&distances, n);
    for (place, leaf) in leaves(&merges, n).into_iter().enumerate() {
        let of = vec![About::Place(leaf as u32), About::Lang(parallel.langs[kept[leaf]])];
        details.push(context.detail(ANALYSIS, Some(run), "leaf", of).with(Some(place as f64), None, n));
    }
    for merge in merges {
        let of = vec![About::Place(merge.a as u32), About::Place(merge.b as u32)];
        details.push(context.detail(ANALYSIS, Some(run), "merge", of).with(Some(merge.distance), None, merge.size));
    }
}

/// Mean κ of pairs of one group minus mean κ of pairs of two groups; p by shuffling languages.
fn group_tests(
    context: &Context<'_>,
    run: usize,
    parallel: &Parallel,
    pairs: &[Pair],
    kappas: &[Option<f64>],
    details: &mut Vec<Detail>,
) {
    for (dimension, group_of) in DIMENSIONS {
        let groups: Vec<Option<String>> = parallel.langs.iter().map(|lang| group_of(*lang)).collect();
        let known: Vec<usize> = (0..groups.len()).filter(|lang| groups[*lang].is_some()).collect();
        let place = |lang: usize| known.binary_search(&lang).ok();
        let compared: Vec<(usize, usize, f64)> = pairs
            .iter()
            .zip(kappas)
            .filter_map(|(pair, kappa)| Some((place(pair.a)?, place(pair.b)?, (*kappa)?)))
            .collect();
        let present: Vec<usize> =
            (0..known.len()).filter(|at| compared.iter().any(|(a, b, _)| a == at || b == at)).collect();
        let names: Vec<&str> = present.iter().filter_map(|at| groups[known[*at]].as_deref()).collect();
        let labels = numbered(&names);
        let compared: Vec<(usize, usize, f64)> = compared
            .into_iter()
            .filter_map(|(a, b, k)| Some((present.binary_search(&a).ok()?, present.binary_search(&b).ok()?, k)))
            .collect();
        let contrast = |labels: &[usize]| {
            let (mut within, mut between) = ((0.0, 0.0), (0.0, 0.0));
            for (a, b, kappa) in &compared {
                let side = if labels[*a] == labels[*b] { &mut within } else { &mut between };
                side.0 += kappa;
                side.1 += 1.0;
            }
            within.0 / within.1 - between.0 / between.1
        };
        let found = contrast(&labels);
        let of = vec![About::name(dimension)];
        let detail = |measure: &str| context.detail(ANALYSIS, Some(run), measure, of.clone());
        if !found.is_finite() {
            let why = "no two languages of one group, or only one group";
            details.push(detail("within-minus-between").because(why));
            continue;
        }
        let test = label_test(&labels, context.plan.seed, &contrast);
        details.push(detail("within-minus-between").with(Some(found), None, labels.len()));
        details.push(detail("permutation-p").with(Some(test.p), None, labels.len()));
    }
}
