//! Calibration by language: errors, slope, whether one language's temperature serves the others; the
//! reliability curve; what confidence is worth.

use crate::lang::Lang;
use crate::metric::accuracy::credit;
use crate::metric::calibration::{BINS, Binned, ELO, margins, sigmoid, slope};
use crate::metric::outcome::Evidence;
use crate::metric::selective::Ordered;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "calibration";

/// Fewer items give no slope worth printing.
const MIN_ITEMS: usize = 50;

/// Measures of one language, in the order of [`of_group`].
const MEASURES: [&str; 10] = [
    "debiased-error",
    "ace",
    "mce",
    "slope",
    "elo-per-unit",
    "slope-ratio",
    "ece-at-reference-temperature",
    "reliability",
    "resolution",
    "within-bins",
];

pub const COVERAGES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Where the slope stands, and the measures that need the reference's.
const SLOPE: usize = 3;
const BY_REFERENCE: [&str; 2] = ["slope-ratio", "ece-at-reference-temperature"];

/// (source, margin, weight) of every pair of responses.
type Pairs = Vec<(u32, f64, f64)>;

struct Group {
    about: About,
    pairs: Pairs,
    n: usize,
}

pub fn calibration(context: &Context<'_>) -> Vec<Detail> {
    let mut details = Vec::new();
    for run in context.runs {
        let groups = groups(context, *run);
        if groups.is_empty() {
            continue;
        }
        let reference = groups.iter().position(|g| g.about == About::Lang(Lang::ENGLISH)).unwrap_or(0);
        details.extend(by_language(context, *run, &groups, reference));
        details.extend(reliability(context, *run, &groups, reference));
        details.extend(selective(context, *run));
    }
    details
}

/// Languages with enough items, most items first.
fn groups(context: &Context<'_>, run: usize) -> Vec<Group> {
    let mut langs: Vec<Lang> = context.design.cells.iter().map(|cell| cell.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    let mut groups: Vec<Group> = Vec::new();
    for lang in langs {
        let mut group = Group { about: About::Lang(lang), pairs: Vec::new(), n: 0 };
        let units = context.design.cells.iter().filter(|cell| cell.lang == lang).flat_map(|cell| &cell.units);
        for unit in units {
            for item in unit.items() {
                let margins = margins(&context.table.item(run, item));
                let weight = 1.0 / margins.len() as f64;
                group.n += usize::from(!margins.is_empty());
                group.pairs.extend(margins.into_iter().map(|margin| (unit.cluster, margin, weight)));
            }
        }
        if group.n >= MIN_ITEMS {
            groups.push(group);
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.n));
    groups
}

fn slope_of(group: &Group, counts: &dyn Fn(u32) -> f64) -> Option<f64> {
    slope(group.pairs.iter().map(|(cluster, margin, weight)| (*margin, weight * counts(*cluster))))
}

fn binned(group: &Group, a: f64, counts: &dyn Fn(u32) -> f64) -> Binned {
    let mut binned = Binned::new(BINS);
    for (cluster, margin, weight) in &group.pairs {
        let weight = weight * counts(*cluster);
        if weight > 0.0 {
            binned.add(sigmoid(a * margin), weight);
        }
    }
    binned
}

fn of_group(group: &Group, reference: Option<f64>, counts: &dyn Fn(u32) -> f64, out: &mut [f64]) {
    let plain = binned(group, 1.0, counts);
    let brier = plain.brier();
    let own = slope_of(group, counts);
    let transferred = reference.filter(|a| *a > 0.0).and_then(|a| binned(group, a, counts).ece());
    let values = [
        plain.debiased(),
        plain.ace(),
        plain.mce(),
        own,
        own.map(|a| a * ELO),
        own.zip(reference.filter(|a| *a > 0.0)).map(|(own, reference)| own / reference),
        transferred,
        brier.map(|parts| parts.reliability),
        brier.map(|parts| parts.resolution),
        brier.map(|parts| parts.within),
    ];
    for (out, value) in out.iter_mut().zip(values) {
        *out = value.unwrap_or(f64::NAN);
    }
}

fn by_language(context: &Context<'_>, run: usize, groups: &[Group], reference: usize) -> Vec<Detail> {
    let width = MEASURES.len();
    let compute = |counts: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        let at = slope_of(&groups[reference], counts);
        for (group, out) in groups.iter().zip(out.chunks_exact_mut(width)) {
            of_group(group, at, counts, out);
        }
    };
    let mut point = vec![f64::NAN; width * groups.len()];
    compute(&|_| 1.0, &mut point);
    let steps = groups.iter().map(|group| group.pairs.len()).sum::<usize>() * 40;
    let resampled =
        context.plan.run(point.len(), steps, &|counts, out| compute(&|c| f64::from(counts[c as usize]), out));
    let mut details = Vec::new();
    // A ratio to a slope that may be 0 says nothing.
    let steady = resampled.interval(reference * width + SLOPE).is_some_and(|interval| interval.low > 0.0);
    for (number, group) in groups.iter().enumerate() {
        for (at, measure) in MEASURES.into_iter().enumerate() {
            // The reference's ratio to itself is no finding.
            if number == reference && measure == "slope-ratio" {
                continue;
            }
            let detail = context.detail(ANALYSIS, Some(run), measure, vec![group.about.clone()]);
            let detail = match point[number * width + at] {
                _ if !steady && BY_REFERENCE.contains(&measure) => {
                    detail.because("the reference language's slope is not above 0")
                }
                value if value.is_nan() => detail.because("no slope fits: margins are all on one side"),
                value => detail.with(Some(value), resampled.interval(number * width + at), group.n),
            };
            details.push(detail);
        }
    }
    let of = vec![groups[reference].about.clone()];
    details.push(context.detail(ANALYSIS, Some(run), "reference", of).with(Some(1.0), None, groups[reference].n));
    details
}

/// Mean p and share of right preferences by bin of confidence (p ≥ ½): in the reference language and in
/// the others together.
fn reliability(context: &Context<'_>, run: usize, groups: &[Group], reference: usize) -> Vec<Detail> {
    let mut others = Group { about: About::name("other languages"), pairs: Vec::new(), n: 0 };
    for (_, group) in groups.iter().enumerate().filter(|(number, _)| *number != reference) {
        others.pairs.extend_from_slice(&group.pairs);
        others.n += group.n;
    }
    let shown: Vec<&Group> = [&groups[reference], &others].into_iter().filter(|group| group.n > 0).collect();
    let half = BINS / 2;
    let compute = |counts: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        for (group, out) in shown.iter().zip(out.chunks_exact_mut(half)) {
            let binned = binned(group, 1.0, counts);
            for (at, out) in out.iter_mut().enumerate() {
                *out = binned.point(half + at).map_or(f64::NAN, |(_, _, right)| right);
            }
        }
    };
    let steps = shown.iter().map(|group| group.pairs.len()).sum::<usize>() * 12;
    let width = half * shown.len();
    let resampled = context.plan.run(width, steps, &|counts, out| compute(&|c| f64::from(counts[c as usize]), out));
    let mut details = Vec::new();
    for (number, group) in shown.iter().enumerate() {
        let binned = binned(group, 1.0, &|_| 1.0);
        for at in 0..half {
            let Some((n, p, right)) = binned.point(half + at) else { continue };
            let of = vec![group.about.clone(), About::Place(at as u32)];
            let n = n.round() as usize;
            let of_bin = |measure: &str| context.detail(ANALYSIS, Some(run), measure, of.clone());
            // Percentiles of a handful of items are no interval.
            let interval = resampled.interval(number * half + at).filter(|_| n >= 10);
            details.push(of_bin("bin-probability").with(Some(p), None, n));
            details.push(of_bin("bin-share-right").with(Some(right), interval, n));
        }
    }
    details
}

/// AURC and accuracy by coverage over all items of a run.
fn selective(context: &Context<'_>, run: usize) -> Vec<Detail> {
    let mut items: Vec<(u32, f64, f64)> = Vec::new();
    for unit in context.design.cells.iter().flat_map(|cell| &cell.units) {
        for item in unit.items() {
            let Some(extremes) = Evidence::Rewards.extremes(&context.table.item(run, item)) else { continue };
            if let Some(credit) = credit(&extremes, context.protocol.ties) {
                items.push((unit.cluster, extremes.margin().abs(), credit));
            }
        }
    }
    let n = items.len();
    if n < MIN_ITEMS {
        return Vec::new();
    }
    let ordered = Ordered::new(items);
    let compute = |counts: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        if let Some((area, at)) = ordered.curve(counts, &COVERAGES) {
            out[0] = area;
            out[1..].copy_from_slice(&at);
        }
    };
    let mut point = vec![f64::NAN; 1 + COVERAGES.len()];
    compute(&|_| 1.0, &mut point);
    let resampled =
        context.plan.run(point.len(), n * 4, &|counts, out| compute(&|c| f64::from(counts[c as usize]), out));
    let aurc = context.detail(ANALYSIS, Some(run), "aurc", Vec::new());
    let mut details = vec![aurc.with(Some(point[0]), resampled.interval(0), n)];
    for (at, coverage) in COVERAGES.iter().enumerate() {
        let of = vec![About::Place((coverage * 100.0).round() as u32)];
        let detail = context.detail(ANALYSIS, Some(run), "selective-accuracy", of);
        let covered = (coverage * n as f64).round() as usize;
        details.push(detail.with(Some(point[1 + at]), resampled.interval(1 + at), covered));
    }
    details
}
