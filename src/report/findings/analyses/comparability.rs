//! Whether rewards of one answer are the same in every language, and what a mixed-language batch would do.

use crate::lang::Lang;
use crate::metric::comparable::{shift, variance_shares};
use crate::metric::correlation::weighted_pearson;
use crate::metric::parallel::Parallel;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};
use crate::table::item::ItemTable;

pub const ANALYSIS: &str = "comparability";

/// Fewer shared items say nothing.
const MIN_SHARED: usize = 20;

const MEASURES: [&str; 5] =
    ["shift", "scale", "reward-correlation", "rejected-reference-wins", "rejected-language-wins"];

/// One shared item: its source, rewards of its responses (reference, language), lowest chosen and highest
/// rejected of both.
struct Shared {
    cluster: u32,
    rewards: Vec<(f64, f64)>,
    chosen: (f64, f64),
    rejected: (f64, f64),
}

pub fn comparability(context: &Context<'_>) -> Vec<Detail> {
    let mut details = Vec::new();
    for run in context.runs {
        let parallel = Parallel::new(context.table, context.design, *run);
        let Some(english) = parallel.langs.iter().position(|lang| *lang == Lang::ENGLISH) else { continue };
        let langs: Vec<(Lang, Vec<Shared>)> = (0..parallel.langs.len())
            .filter(|lang| *lang != english)
            .map(|lang| (parallel.langs[lang], shared(context, &parallel, *run, english, lang)))
            .filter(|(_, shared)| shared.len() >= MIN_SHARED)
            .collect();
        if langs.is_empty() {
            continue;
        }
        details.extend(by_language(context, *run, &langs));
        details.extend(shares(context, *run, &parallel));
    }
    details
}

/// Rewards of a complete item: chosen first.
fn rewards(table: &ItemTable, run: usize, item: usize) -> Option<(Vec<f64>, usize)> {
    let item = table.item(run, item);
    let all = item.chosen.iter().chain(item.rejected);
    let known: Vec<f64> = all.filter_map(|reward| reward.filter(|r| r.is_finite()).map(f64::from)).collect();
    (known.len() == item.key.n_responses()).then_some((known, item.chosen.len()))
}

fn shared(context: &Context<'_>, parallel: &Parallel, run: usize, english: usize, lang: usize) -> Vec<Shared> {
    let of = |cluster: u32| {
        let at = cluster as usize;
        let (there, k) = rewards(context.table, run, parallel.item(english, at)?)?;
        let (here, own) = rewards(context.table, run, parallel.item(lang, at)?)?;
        if k != own || there.len() != here.len() || k == 0 || k == here.len() {
            return None;
        }
        let lowest = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Shared {
            cluster,
            chosen: (lowest(&there[..k]), lowest(&here[..k])),
            rejected: (highest(&there[k..]), highest(&here[k..])),
            rewards: there.into_iter().zip(here).collect(),
        })
    };
    parallel.shared(english, lang).into_iter().filter_map(of).collect()
}

fn measures(shared: &[Shared], counts: &dyn Fn(u32) -> f64) -> [f64; MEASURES.len()] {
    let pairs = shared.iter().flat_map(|s| s.rewards.iter().map(move |(x, y)| (*x, *y, counts(s.cluster))));
    let found = shift(pairs.clone());
    let share = |crosses: &dyn Fn(&Shared) -> bool| {
        let n: f64 = shared.iter().map(|s| counts(s.cluster)).sum();
        shared.iter().filter(|s| crosses(s)).map(|s| counts(s.cluster)).sum::<f64>() / n
    };
    [
        found.map_or(f64::NAN, |s| s.shift),
        found.map_or(f64::NAN, |s| s.scale),
        weighted_pearson(pairs).unwrap_or(f64::NAN),
        share(&|s| s.rejected.0 > s.chosen.1),
        share(&|s| s.rejected.1 > s.chosen.0),
    ]
}

fn by_language(context: &Context<'_>, run: usize, langs: &[(Lang, Vec<Shared>)]) -> Vec<Detail> {
    let width = MEASURES.len();
    let steps = langs.iter().map(|(_, shared)| shared.len()).sum::<usize>() * 24;
    let resampled = context.plan.run(langs.len() * width, steps, &|counts, out| {
        for ((_, shared), out) in langs.iter().zip(out.chunks_exact_mut(width)) {
            out.copy_from_slice(&measures(shared, &|c| f64::from(counts[c as usize])));
        }
    });
    let mut details = Vec::new();
    for (number, (lang, shared)) in langs.iter().enumerate() {
        let point = measures(shared, &|_| 1.0);
        for (at, measure) in MEASURES.into_iter().enumerate() {
            let detail = context.detail(ANALYSIS, Some(run), measure, vec![About::Lang(*lang)]);
            details.push(detail.with(Some(point[at]), resampled.interval(number * width + at), shared.len()));
        }
    }
    details
}

/// How much of the variance of rewards is the responses', the languages', neither's.
fn shares(context: &Context<'_>, run: usize, parallel: &Parallel) -> Vec<Detail> {
    let mut cells: Vec<(u32, u16, f64)> = Vec::new();
    let mut clusters: Vec<u32> = Vec::new();
    let mut next = 0;
    for cluster in 0..parallel.n_clusters {
        let items: Vec<(usize, Vec<f64>)> = (0..parallel.langs.len())
            .filter_map(|lang| Some((lang, rewards(context.table, run, parallel.item(lang, cluster)?)?.0)))
            .collect();
        let Some(n_responses) = items.first().map(|(_, rewards)| rewards.len()).filter(|_| items.len() > 1) else {
            continue;
        };
        for (lang, rewards) in items.iter().filter(|(_, rewards)| rewards.len() == n_responses) {
            for (response, reward) in rewards.iter().enumerate() {
                cells.push((next + response as u32, *lang as u16, *reward));
                clusters.push(cluster as u32);
            }
        }
        next += n_responses as u32;
    }
    let compute = |weight: &dyn Fn(usize) -> f64, out: &mut [f64]| {
        if let Some(shares) = variance_shares(&cells, weight) {
            out.copy_from_slice(&[shares.response, shares.language, shares.residual]);
        }
    };
    let mut point = [f64::NAN; 3];
    compute(&|_| 1.0, &mut point);
    if point[0].is_nan() {
        return Vec::new();
    }
    let resampled = context.plan.run(3, cells.len() * 60, &|counts, out| {
        compute(&|at| f64::from(counts[clusters[at] as usize]), out);
    });
    let names = ["response", "language", "residual"];
    let detail = |(at, name): (usize, &str)| {
        let detail = context.detail(ANALYSIS, Some(run), "variance-share", vec![About::name(name)]);
        detail.with(Some(point[at]), resampled.interval(at), cells.len())
    };
    names.into_iter().enumerate().map(detail).collect()
}
