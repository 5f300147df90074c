//! A short form: the items that say most of abilities like these, and whether few items rank runs as all do.
//!
//! Items are chosen by their information. Whether that helps is seen on runs that had no part in the choice: runs are
//! split into two halves, each half's choice is tried on the other. Accuracy on the short form is correlated over runs
//! with accuracy on all items, beside as many items drawn at random.

use super::{ANALYSIS, Answers, PARAMETERS};
use crate::metric::Interval;
use crate::metric::correlation::{fisher, pearson, spearman};
use crate::metric::interval::middle;
use crate::metric::irt::{Answer, Fit, fit_within, information};
use crate::metric::normal::normal_quantile;
use crate::report::findings::detail::{About, Detail};

/// Items of the short form.
const SIZE: usize = 200;
/// A short form of nearly everything is no short form.
const MIN_ITEMS: usize = 2 * SIZE;
/// Runs on which a choice is tried; fewer give no correlation.
const MIN_TRIED: usize = 5;
/// Languages of an item that the halves' models look at, and answers in all of their rounds.
const LANGS: usize = 3;
const LOOKS: usize = 2_000_000;
/// Draws of as many items.
const DRAWS: u64 = 100;

/// Right answers and answers of each run, by item.
type Counts = Vec<Vec<[f64; 2]>>;

pub fn short_form(answers: &Answers<'_>, model: &Fit) -> Vec<Detail> {
    let context = answers.context;
    let n_items = answers.clusters.len();
    let summary = |measure: &str| context.detail(ANALYSIS, None, measure, Vec::new());
    if n_items < MIN_ITEMS {
        let why = format!("not enough data: a short form of {SIZE} items needs {MIN_ITEMS}, and there are {n_items}");
        return vec![summary("short-form-information").because(why)];
    }
    let informations = information(model);
    let chosen = most(&informations, SIZE);
    let held: f64 = chosen.iter().map(|item| informations[*item]).sum();
    let share = held / informations.iter().sum::<f64>();
    let mut details = vec![
        summary("short-form-information").with(Some(share), None, chosen.len()).because("no interval: of these items"),
        summary("short-form-of").with(Some(n_items as f64), None, n_items),
    ];
    for (rank, item) in chosen.iter().enumerate() {
        let Some(of) = answers.about(answers.clusters[*item]) else { continue };
        let detail = |measure: &str| context.detail(PARAMETERS, None, measure, of.clone());
        details.push(detail("short-form-rank").with(Some(rank as f64 + 1.0), None, SIZE));
        details.push(detail("information").with(Some(informations[*item]), None, answers.n_persons()));
    }
    details.extend(tried(answers, &chosen));
    details
}

/// Places of the largest values, largest first; of equals the first.
fn most(values: &[f64], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(n);
    order
}

/// Correlations over runs of accuracy on few items and on all.
fn tried(answers: &Answers<'_>, chosen: &[usize]) -> Vec<Detail> {
    let counts = counts(answers);
    let n_runs = answers.runs.len();
    let halves: [Vec<usize>; 2] = [0, 1].map(|half| (half..n_runs).step_by(2).collect());
    let held_out = halves.iter().all(|half| half.len() >= MIN_TRIED);
    // Who is tried, and the items chosen by the others.
    let trials: Vec<(Vec<usize>, Vec<usize>)> = match held_out {
        true => [(0, 1), (1, 0)].map(|(own, other)| (halves[own].clone(), choice(answers, &halves[other]))).to_vec(),
        false => vec![((0..n_runs).collect(), chosen.to_vec())],
    };
    let manner = if held_out { "runs held out" } else { "the runs it was chosen by" };
    let context = answers.context;
    let z = normal_quantile(0.5 + context.plan.level / 2.0);
    let mut details = Vec::new();
    let drawn = |draw: u64| {
        let key = draw.to_le_bytes();
        let mut items = crate::random::permutation(answers.clusters.len(), context.plan.seed, "short-form", key);
        items.truncate(SIZE);
        items
    };
    let drawn: Vec<Vec<usize>> = (0..DRAWS).map(drawn).collect();
    let on_all: Vec<Option<f64>> = counts.iter().map(|own| whole(own)).collect();
    let measures: [(&str, bool); 2] = [("short-form-rank-correlation", true), ("short-form-correlation", false)];
    for (measure, of_ranks) in measures {
        let detail = |method: &str| {
            let of = vec![About::name(method), About::name(manner)];
            context.detail(ANALYSIS, None, measure, of)
        };
        let correlation = |runs: &[usize], items: &[usize]| {
            let known = runs.iter().filter_map(|run| Some((accuracy(&counts[*run], items)?, on_all[*run]?)));
            let (few, all): (Vec<f64>, Vec<f64>) = known.unzip();
            if of_ranks { spearman(&few, &all) } else { pearson(&few, &all) }
        };
        let over = |pick: &dyn Fn(usize) -> Vec<usize>| {
            let found = trials.iter().enumerate().map(|(at, (runs, _))| correlation(runs, &pick(at)));
            let found: Option<Vec<f64>> = found.collect();
            found.map(|found| found.iter().sum::<f64>() / found.len() as f64)
        };
        let by_information = over(&|trial| trials[trial].1.clone());
        // Two halves have three degrees of freedom each less than they have runs.
        let n = n_runs as f64 - 3.0 * (trials.len() as f64 - 1.0);
        let bounds = by_information.and_then(|r| fisher(r, n, z, of_ranks));
        let interval = bounds.map(|(low, high)| Interval { low, high, level: context.plan.level });
        let found = detail("by information").with(by_information, interval, n_runs);
        details.push(match interval {
            None if by_information.is_some() => found.because("no interval: all runs lie on one line"),
            _ => found,
        });
        let draws = drawn.iter().filter_map(|items| over(&|_| items.clone()));
        let mut draws: Vec<f64> = draws.collect();
        let mean = (!draws.is_empty()).then(|| draws.iter().sum::<f64>() / draws.len() as f64);
        let interval = middle(&mut draws, context.plan.level);
        details.push(detail("at random").with(mean, interval, n_runs));
    }
    details
}

fn counts(answers: &Answers<'_>) -> Counts {
    let of_run = |run: &crate::metric::parallel::Parallel| {
        let of_item = |cluster: &usize| {
            let [wrong, right] = run.counts(*cluster);
            [right, right + wrong]
        };
        answers.clusters.iter().map(of_item).collect()
    };
    answers.runs.iter().map(of_run).collect()
}

fn accuracy(counts: &[[f64; 2]], items: &[usize]) -> Option<f64> {
    let [right, n] = items.iter().fold([0.0; 2], |[right, n], item| [right + counts[*item][0], n + counts[*item][1]]);
    (n > 0.0).then(|| right / n)
}

fn whole(counts: &[[f64; 2]]) -> Option<f64> {
    let [right, n] = counts.iter().fold([0.0; 2], |[right, n], own| [right + own[0], n + own[1]]);
    (n > 0.0).then(|| right / n)
}

/// Items chosen by some of the runs: a model of their answers, in a few languages of each item.
fn choice(answers: &Answers<'_>, runs: &[usize]) -> Vec<usize> {
    let n_langs = answers.langs.len();
    let mut few: Vec<Answer> = Vec::new();
    for (item, cluster) in answers.clusters.iter().enumerate() {
        let known = |lang: &usize| runs.iter().any(|run| answers.runs[*run].right(*lang, *cluster).is_some());
        let mut langs: Vec<usize> = (0..n_langs).filter(known).collect();
        let from = item % langs.len().max(1);
        langs.rotate_left(from);
        for (place, run) in runs.iter().enumerate() {
            for lang in langs.iter().take(LANGS) {
                if let Some(right) = answers.runs[*run].right(*lang, *cluster) {
                    few.push(((place * n_langs + lang) as u32, item as u32, right));
                }
            }
        }
    }
    most(&information(&fit_within(&few, runs.len() * n_langs, answers.clusters.len(), LOOKS)), SIZE)
}
