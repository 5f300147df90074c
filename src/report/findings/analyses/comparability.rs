//! Whether rewards of one answer are the same in every language, and what a mixed-language batch would do.

use crate::lang::Lang;
use crate::metric::columns::ColumnId;
use crate::metric::comparable::{Cell, SUMS, Shares, shares as shares_of, shift, variance_terms};
use crate::metric::correlation::{MOMENTS, moments, pearson_of_moments};
use crate::metric::parallel::Parallel;
use crate::metric::resample::{Number, Numbers};
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
    context.by_run(|run| of_run(context, run))
}

fn of_run(context: &Context<'_>, run: usize) -> Vec<Detail> {
    let parallel = Parallel::new(context.table, context.design, run);
    let Some(english) = parallel.langs.iter().position(|lang| *lang == Lang::ENGLISH) else { return Vec::new() };
    let langs: Vec<(Lang, Vec<Shared>)> = (0..parallel.langs.len())
        .filter(|lang| *lang != english)
        .map(|lang| (parallel.langs[lang], shared(context, &parallel, run, english, lang)))
        .filter(|(_, shared)| shared.len() >= MIN_SHARED)
        .collect();
    if langs.is_empty() {
        return Vec::new();
    }
    let mut numbers = context.plan.numbers();
    let declared: Vec<[Number; MEASURES.len()]> =
        langs.iter().map(|(_, shared)| measures(&mut numbers, shared)).collect();
    let shares = shares(&mut numbers, context.table, run, &parallel);
    let answers = numbers.resample();
    let mut details = Vec::new();
    for ((lang, shared), declared) in langs.iter().zip(&declared) {
        for (measure, number) in MEASURES.into_iter().zip(declared) {
            let detail = context.detail(ANALYSIS, Some(run), measure, vec![About::Lang(*lang)]);
            details.push(detail.found(answers.of(*number), shared.len()));
        }
    }
    for (name, number, n) in shares {
        let detail = context.detail(ANALYSIS, Some(run), "variance-share", vec![About::name(name)]);
        details.push(detail.found(answers.of(number), n));
    }
    details
}

/// Rewards of a complete item: chosen first.
fn rewards(table: &ItemTable, run: usize, item: usize) -> Option<(Vec<f64>, usize)> {
    let item = table.item(run, item);
    let all = item.chosen.iter().chain(item.rejected);
    let known: Vec<f64> = all.filter_map(|reward| reward.filter(|r| r.is_finite()).map(f64::from)).collect();
    (known.len() == item.chosen.len() + item.rejected.len()).then_some((known, item.chosen.len()))
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

fn measures(numbers: &mut Numbers<'_>, shared: &[Shared]) -> [Number; MEASURES.len()] {
    // Both languages are measured from one point, which a shift does not move.
    let all = || shared.iter().flat_map(|s| &s.rewards);
    let centre = all().map(|(x, _)| x).sum::<f64>() / all().count().max(1) as f64;
    let columns: Vec<ColumnId> = (0..MOMENTS)
        .map(|k| {
            let of = |s: &Shared| s.rewards.iter().map(|(x, y)| moments(x - centre, y - centre)[k]).sum::<f64>();
            numbers.column(shared.iter().map(|s| (s.cluster, of(s))))
        })
        .collect();
    let n = numbers.column(shared.iter().map(|s| (s.cluster, 1.0)));
    let mut share = |crosses: &dyn Fn(&Shared) -> bool| {
        let crossing = numbers.column(shared.iter().filter(|s| crosses(s)).map(|s| (s.cluster, 1.0)));
        numbers.ratio(crossing, n)
    };
    let (there, here) = (share(&|s| s.rejected.0 > s.chosen.1), share(&|s| s.rejected.1 > s.chosen.0));
    let moved = numbers.function(columns.clone(), |sums| Some(shift(sums)?.shift));
    let scale = numbers.function(columns.clone(), |sums| Some(shift(sums)?.scale));
    [moved, scale, numbers.function(columns, pearson_of_moments), there, here]
}

/// How much of the variance of rewards is the responses', the languages', neither's: name, number, rewards behind it.
fn shares(
    numbers: &mut Numbers<'_>,
    table: &ItemTable,
    run: usize,
    parallel: &Parallel,
) -> Vec<(&'static str, Number, usize)> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut clusters: Vec<u32> = Vec::new();
    let mut next = 0;
    for cluster in 0..parallel.n_clusters {
        let items: Vec<(usize, Vec<f64>)> = (0..parallel.langs.len())
            .filter_map(|lang| Some((lang, rewards(table, run, parallel.item(lang, cluster)?)?.0)))
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
    let Some(terms) = variance_terms(&cells) else { return Vec::new() };
    let columns: Vec<ColumnId> = (0..SUMS)
        .map(|k| numbers.column(clusters.iter().zip(&terms).map(|(cluster, term)| (*cluster, term[k]))))
        .collect();
    let mut share = |of: fn(Shares) -> f64| numbers.function(columns.clone(), move |sums| shares_of(sums).map(of));
    let named =
        [("response", share(|s| s.response)), ("language", share(|s| s.language)), ("residual", share(|s| s.residual))];
    named.into_iter().map(|(name, number)| (name, number, cells.len())).collect()
}
