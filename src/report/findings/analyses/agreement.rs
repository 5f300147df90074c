//! Do languages agree on which items a run gets right? Pair by pair, all together, and whether languages
//! of one script, family or resource class agree more.

use rayon::prelude::*;

use crate::metric::Interval;
use crate::metric::agreement::{Coincidences, agreement as measures_of, errors, mean_kappa};
use crate::metric::columns::ColumnId;
use crate::metric::correlation::{pearson, pearson_error};
use crate::metric::interval::wilson;
use crate::metric::linkage::{average_linkage, leaves};
use crate::metric::normal::normal_quantile;
use crate::metric::parallel::Parallel;
use crate::metric::permutation::{label_test, within_minus_between};
use crate::metric::resample::{Found, Numbers};
use crate::metric::student::from_normal;
use crate::report::findings::analyses::Context;
use crate::report::findings::analyses::groups::numbered;
use crate::report::findings::detail::{About, Detail};
use crate::report::language::DIMENSIONS;

pub const ANALYSIS: &str = "agreement";

/// Fewer shared items say nothing of a pair of languages.
const MIN_SHARED: usize = 20;

/// Measures of a pair, in the order of [`values`].
const MEASURES: [&str; 6] = ["raw", "kappa", "pabak", "ac1", "alpha", "margin-correlation"];
const RAW: usize = 0;
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
    let of_run = |run: &usize| {
        let parallel = Parallel::new(context.table, context.design, *run);
        let pairs = pairs(&parallel);
        if pairs.is_empty() {
            return None;
        }
        let known: Vec<f64> = (0..parallel.langs.len()).filter_map(|l| Some(parallel.accuracy(l)?.0)).collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let mut of_pairs = Vec::new();
        let kappas = matrix(context, *run, &parallel, &pairs, &mut of_pairs);
        tree(context, *run, &parallel, &pairs, &kappas, &mut of_pairs);
        group_tests(context, *run, &parallel, &pairs, &kappas, &mut of_pairs);
        Some((*run, mean, self::of_run(context, *run, &parallel, &pairs), of_pairs))
    };
    let runs: Vec<(usize, f64, Vec<Detail>, Vec<Detail>)> = context.runs.par_iter().filter_map(of_run).collect();
    let asked = |run: usize| context.options.agreement_run.as_ref() == Some(&context.table.runs[run].info.name);
    let first_best = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0));
    let best = runs.iter().map(|(run, mean, ..)| (*run, *mean)).max_by(first_best).map(|(run, _)| run);
    let shown = runs.iter().map(|(run, ..)| *run).find(|run| asked(*run)).or(best);
    let mut details = Vec::new();
    let mut of_pairs = Vec::new();
    for (run, _, own, pairs) in runs {
        details.extend(own);
        // A matrix per run would bury the reader of the page, which shows the first.
        let place = if Some(run) == shown { 0 } else { of_pairs.len() };
        of_pairs.insert(place, pairs);
    }
    details.extend(of_pairs.into_iter().flatten());
    details
}

fn pairs(parallel: &Parallel) -> Vec<Pair> {
    let n = parallel.langs.len();
    let all = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    let pairs = all.map(|(a, b)| Pair { a, b, shared: parallel.shared(a, b) });
    pairs.filter(|pair| pair.shared.len() >= MIN_SHARED).collect()
}

/// Columns of a pair's table of labels, row by row.
fn table(numbers: &mut Numbers<'_>, parallel: &Parallel, pair: &Pair) -> Vec<ColumnId> {
    parallel.crossed(pair.a, pair.b).iter().map(|cell| numbers.insert(cell)).collect()
}

/// The pair's measures with their intervals: what each shared source adds, as if everything were linear. Resampling
/// the matrices of many runs would cost more than all else.
fn values(context: &Context<'_>, parallel: &Parallel, pair: &Pair) -> [Found; MEASURES.len()] {
    let level = context.plan.level;
    let nothing = Found { point: None, interval: None };
    let cells = parallel.crossed_counts(pair.a, pair.b);
    let Some((found, errors)) = measures_of(&cells, LABELS).zip(errors(&cells, LABELS)) else {
        return [nothing; MEASURES.len()];
    };
    let t = from_normal(normal_quantile(0.5 + level / 2.0), found.n - 1.0);
    let points = [Some(found.raw), found.kappa, found.pabak, found.ac1, found.alpha];
    let margins = parallel.paired_margins(pair.a, pair.b);
    let (x, y): (Vec<f64>, Vec<f64>) = margins.iter().copied().unzip();
    let mut all = [Found { point: pearson(&x, &y), interval: None }; MEASURES.len()];
    for (at, (point, error)) in points.into_iter().zip(errors).enumerate() {
        let bounds = point.zip(error).map(|(point, error)| {
            let half = t * error;
            Interval { low: (point - half).max(-1.0), high: (point + half).min(1.0), level }
        });
        all[at] = Found { point, interval: if at == RAW { wilson(found.raw, found.n, level) } else { bounds } };
    }
    // r is far from normal near 1, its artanh is not.
    let last = &mut all[MEASURES.len() - 1];
    last.interval = last.point.zip(pearson_error(&margins)).filter(|(r, _)| r.abs() < 1.0).map(|(r, error)| {
        let half = t * error / (1.0 - r * r);
        Interval { low: (r.atanh() - half).tanh(), high: (r.atanh() + half).tanh(), level }
    });
    all
}

/// α of all languages together and the mean κ of pairs.
fn of_run(context: &Context<'_>, run: usize, parallel: &Parallel, pairs: &[Pair]) -> Vec<Detail> {
    let mut numbers = context.plan.numbers();
    let mut cells = vec![Vec::new(); LABELS * LABELS];
    let mut n = 0;
    for cluster in 0..parallel.n_clusters {
        let mut own = Coincidences::new(LABELS);
        own.add(&parallel.counts(cluster), 1.0);
        n += usize::from(own.cells().iter().sum::<f64>() > 0.0);
        cells.iter_mut().zip(own.cells()).for_each(|(cell, value)| cell.push((cluster as u32, *value)));
    }
    let columns = cells.into_iter().map(|cell| numbers.column(cell.into_iter())).collect();
    let alpha = numbers.function(columns, |sums| Coincidences::of_cells(LABELS, sums)?.alpha());
    let tables: Vec<ColumnId> = pairs.iter().flat_map(|pair| table(&mut numbers, parallel, pair)).collect();
    let kappa = numbers.function(tables, |sums| mean_kappa(sums, LABELS));
    let answers = numbers.resample();
    [("alpha-of-all", alpha), ("mean-kappa", kappa)]
        .into_iter()
        .map(|(measure, number)| context.detail(ANALYSIS, Some(run), measure, Vec::new()).found(answers.of(number), n))
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
    let found: Vec<[Found; MEASURES.len()]> = pairs.iter().map(|pair| values(context, parallel, pair)).collect();
    for (pair, found) in pairs.iter().zip(&found) {
        for (measure, found) in MEASURES.into_iter().zip(found) {
            let of = [pair.a, pair.b].map(|lang| About::Lang(parallel.langs[lang])).to_vec();
            let detail = context.detail(ANALYSIS, Some(run), measure, of);
            details.push(detail.found(*found, pair.shared.len()));
        }
    }
    found.iter().map(|found| found[KAPPA].point).collect()
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
        let contrast = |labels: &[usize]| within_minus_between(&compared, labels);
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
