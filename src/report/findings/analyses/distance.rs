//! How far languages lie from the one that a model knows best, in its hidden states, and whether it errs more where
//! they lie far: Mahalanobis distances ([`crate::report::distances`]) as a detector of unfamiliar input (#37).

use crate::lang::Lang;
use crate::metric::accuracy::credit;
use crate::metric::auroc::Auroc;
use crate::metric::correlation::spearman;
use crate::metric::outcome::Evidence;
use crate::report::findings::analyses::Context;
use crate::report::findings::analyses::tokens::{rank_correlation_of, shuffled};
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "distance";

/// Fewer items say nothing of a language; fewer languages say nothing of a correlation.
const MIN_ITEMS: usize = 20;
const MIN_LANGS: usize = 6;

const OF_LANGUAGE: [&str; 3] = ["distance-ratio", "auroc", "accuracy"];

/// One item: its source, language, distance and credit.
struct Seen {
    cluster: u32,
    lang: Lang,
    distance: f64,
    credit: Option<f64>,
}

pub fn distance(context: &Context<'_>) -> Vec<Detail> {
    let runs = context.runs.iter().filter(|run| context.table.distances.contains_key(*run));
    runs.flat_map(|run| of_run(context, *run)).collect()
}

fn of_run(context: &Context<'_>, run: usize) -> Vec<Detail> {
    let Some(known) = context.table.distances.get(&run) else { return Vec::new() };
    let mut seen = Vec::new();
    for cell in &context.design.cells {
        for unit in &cell.units {
            for item in unit.items() {
                let Some(distance) = known.by_item.get(&(item as u32)) else { continue };
                let extremes = Evidence::Rewards.extremes(&context.table.item(run, item));
                let credit = extremes.and_then(|extremes| credit(&extremes, context.protocol.ties));
                seen.push(Seen { cluster: unit.cluster, lang: cell.lang, distance: *distance, credit });
            }
        }
    }
    let mut langs: Vec<Lang> = seen.iter().map(|seen| seen.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    langs.retain(|lang| seen.iter().filter(|seen| seen.lang == *lang).count() >= MIN_ITEMS);
    if !langs.contains(&known.reference) || langs.len() < 2 {
        return Vec::new();
    }
    seen.retain(|seen| langs.contains(&seen.lang));
    details(context, run, known.reference, known.n_fitted, &langs, &seen)
}

fn details(
    context: &Context<'_>,
    run: usize,
    reference: Lang,
    n_fitted: usize,
    langs: &[Lang],
    seen: &[Seen],
) -> Vec<Detail> {
    let of_lang = |lang: Lang| (0..seen.len()).filter(move |at| seen[*at].lang == lang).collect::<Vec<usize>>();
    let members: Vec<Vec<usize>> = langs.iter().map(|lang| of_lang(*lang)).collect();
    let home = of_lang(reference);
    // Positive: items of the language, against those of the reference.
    let ordered: Vec<(Vec<usize>, Auroc)> = members
        .iter()
        .map(|own| {
            let both: Vec<usize> = own.iter().chain(&home).copied().collect();
            let values: Vec<(f64, bool)> =
                both.iter().enumerate().map(|(at, item)| (seen[*item].distance, at < own.len())).collect();
            (both, Auroc::new(&values))
        })
        .collect();
    // Positive: items that the run gets wrong.
    let judged: Vec<usize> = (0..seen.len()).filter(|at| seen[*at].credit.is_some()).collect();
    let wrong = |at: &usize| (seen[*at].distance, seen[*at].credit.is_some_and(|credit| credit < 0.5));
    let errors = Auroc::new(&judged.iter().map(wrong).collect::<Vec<_>>());
    let width = OF_LANGUAGE.len() * langs.len() + 2;
    let compute = |weight: &dyn Fn(usize) -> f64, out: &mut [f64]| {
        let mean = |items: &[usize], value: &dyn Fn(&Seen) -> Option<f64>| {
            let values = items.iter().filter_map(|at| Some((weight(*at), value(&seen[*at])?)));
            let (sum, n) = values.fold((0.0, 0.0), |(sum, n), (w, x)| (sum + w * x, n + w));
            sum / n
        };
        let at_home = mean(&home, &|seen| Some(seen.distance));
        let (mut distances, mut accuracies) = (Vec::new(), Vec::new());
        for ((own, (both, auroc)), out) in members.iter().zip(&ordered).zip(out.chunks_exact_mut(OF_LANGUAGE.len())) {
            out[0] = mean(own, &|seen| Some(seen.distance)) / at_home;
            out[1] = auroc.area(&both.iter().map(|at| weight(*at)).collect::<Vec<f64>>()).unwrap_or(f64::NAN);
            out[2] = mean(own, &|seen| seen.credit);
            distances.push(out[0]);
            accuracies.push(out[2]);
        }
        let last = &mut out[width - 2..];
        last[0] = errors.area(&judged.iter().map(|at| weight(*at)).collect::<Vec<f64>>()).unwrap_or(f64::NAN);
        let usable = langs.len() >= MIN_LANGS && accuracies.iter().all(|a| !a.is_nan());
        last[1] = usable.then(|| spearman(&distances, &accuracies)).flatten().unwrap_or(f64::NAN);
    };
    let mut point = vec![f64::NAN; width];
    compute(&|_| 1.0, &mut point);
    let resampled = context.plan.run(width, seen.len() * 12, &|counts, out| {
        compute(&|at| f64::from(counts[seen[at].cluster as usize]), out);
    });
    let detail = |measure: &str, of: Vec<About>| context.detail(ANALYSIS, Some(run), measure, of);
    let fitted = detail("reference", vec![About::Lang(reference)]);
    let mut details =
        vec![fitted.with(Some(n_fitted as f64), None, n_fitted).because("states that the cloud is fitted to")];
    for (number, lang) in langs.iter().enumerate() {
        for (at, measure) in OF_LANGUAGE.into_iter().enumerate() {
            // The reference against itself is no finding.
            if *lang == reference && at < 2 {
                continue;
            }
            let at = number * OF_LANGUAGE.len() + at;
            let own = detail(measure, vec![About::Lang(*lang)]);
            details.push(own.with(Some(point[at]), resampled.interval(at), members[number].len()));
        }
    }
    details.push(detail("error-auroc", Vec::new()).with(
        Some(point[width - 2]),
        resampled.interval(width - 2),
        judged.len(),
    ));
    let correlation = detail("rank-correlation", Vec::new());
    details.push(match langs.len() {
        few if few < MIN_LANGS => correlation.because(format!("not enough data: {few} languages")),
        n => {
            let of = |at: usize| (0..n).map(|number| number * OF_LANGUAGE.len() + at).collect::<Vec<usize>>();
            let places = [of(0), of(2)].concat();
            let values: Vec<f64> = places.iter().map(|at| point[*at]).collect();
            let rho = Some(point[width - 1]).filter(|rho| !rho.is_nan());
            rank_correlation_of(correlation, rho, resampled.moved(&values, &places), context.plan.level, n)
        }
    });
    let rho = point[width - 1];
    if !rho.is_nan() {
        let values = |at: usize| point[..width - 2].iter().skip(at).step_by(OF_LANGUAGE.len()).copied().collect();
        let p = shuffled(values(0), values(2), context.plan.seed);
        details.push(detail("permutation-p", Vec::new()).with(Some(p), None, langs.len()));
    }
    details
}
