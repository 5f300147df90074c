//! Calibration by language: errors, slope, whether one language's temperature serves the others; the
//! reliability curve; what confidence is worth. Slopes of replicates are one step from the fit of all items.

mod errors;

use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::accuracy::confidences;
use crate::metric::calibration::{
    BINS, Binned, ELO, Pair, SUMS, bin_terms, fit_terms, transfer_terms, weighted_margins,
};
use crate::metric::columns::ColumnId;
use crate::metric::magnitude::Size;
use crate::metric::resample::{Answers, Found, Number, Numbers};
use crate::metric::selective::Ordered;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};
use errors::{Error, Errors, SAME};

pub const ANALYSIS: &str = "calibration";

/// Fewer items give no slope worth printing.
const MIN_ITEMS: usize = 50;

/// Measures of one language, in the order of [`of_group`].
const MEASURES: [&str; 9] = [
    "debiased-error",
    "ace",
    "mce",
    "slope",
    "elo-per-unit",
    "slope-ratio",
    "ece-at-reference-temperature",
    "reliability",
    "resolution",
];

pub const COVERAGES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Where the slope stands, and the measures that need the reference's.
const SLOPE: usize = 3;
const BY_REFERENCE: [&str; 2] = ["slope-ratio", "ece-at-reference-temperature"];

struct Group {
    about: About,
    pairs: Vec<Pair>,
    n: usize,
}

pub fn calibration(context: &Context<'_>) -> Vec<Detail> {
    context.by_run(|run| {
        let mut details = of_run(context, run);
        if !details.is_empty() {
            details.extend(selective(context, run));
        }
        details
    })
}

/// Languages with enough items, most items first.
fn groups(context: &Context<'_>, run: usize) -> Vec<Group> {
    let mut langs: Vec<Lang> = context.design.cells.iter().map(|cell| cell.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    let mut groups: Vec<Group> = Vec::new();
    let view = context.table.view(run);
    for lang in langs {
        let mut group = Group { about: About::Lang(lang), pairs: Vec::new(), n: 0 };
        for cell in context.design.cells.iter().filter(|cell| cell.lang == lang) {
            group.n += weighted_margins(&view, &cell.units, &mut group.pairs);
        }
        if group.n >= MIN_ITEMS {
            groups.push(group);
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.n));
    groups
}

/// The fitted slope of a group and the columns of its terms: gradient, curvature.
struct Fit {
    a: f64,
    terms: [ColumnId; 2],
}

impl Fit {
    /// In a resample, from the sums of the terms: one step from the fit of all items.
    fn moved(a: f64, terms: &[f64]) -> Option<f64> {
        let [gradient, curvature] = *terms else { return None };
        (curvature > 0.0).then(|| a + gradient / curvature)
    }
}

/// Columns of a group: bins at slope 1 as [`Binned::from_sums`] wants them, and its fit.
struct Columns {
    bins: Vec<ColumnId>,
    errors: Errors,
    fit: Option<Fit>,
}

fn binned(numbers: &mut Numbers<'_>, pairs: &[Pair]) -> Vec<ColumnId> {
    bin_terms(pairs, BINS).iter().map(|terms| numbers.insert(terms)).collect()
}

fn fitted(numbers: &mut Numbers<'_>, pairs: &[Pair]) -> Option<Fit> {
    let (a, terms) = fit_terms(pairs)?;
    Some(Fit { a, terms: terms.map(|terms| numbers.insert(&terms)) })
}

/// ECE at the reference's slope, which resampling moves: Σ (p − y) of a bin moves with it by its derivative.
struct Transferred {
    error: Number,
    parts: Vec<Number>,
}

fn transferred(numbers: &mut Numbers<'_>, pairs: &[Pair], reference: &Fit) -> Transferred {
    let a = reference.a;
    let mut columns: Vec<ColumnId> = transfer_terms(a, pairs).iter().map(|terms| numbers.insert(terms)).collect();
    columns.extend(reference.terms);
    let gap = move |sums: &[f64], bin: usize| {
        let (gaps, rest) = sums.split_at(BINS);
        let (moves, rest) = rest.split_at(BINS);
        let (n, terms) = rest.split_first()?;
        let moved = Fit::moved(a, terms)? - a;
        (*n > 0.0).then(|| (gaps[bin] + moved * moves[bin]) / n)
    };
    let parts = errors::parts(numbers, &columns, BINS, gap);
    let all = move |sums: &[f64]| (0..BINS).map(|bin| gap(sums, bin).map(f64::abs)).sum();
    Transferred { error: numbers.function(columns, all), parts }
}

/// Numbers of one group, in the order of [`MEASURES`]; `None` where no slope fits, or none of the reference.
fn of_group(numbers: &mut Numbers<'_>, group: &Group, own: &Columns, reference: Option<&Fit>) -> Declared {
    let mut of_bins = |function: fn(&Binned) -> Option<f64>| {
        Some(numbers.function(own.bins.clone(), move |sums| function(&Binned::from_sums(sums))))
    };
    let debiased = of_bins(Binned::debiased);
    let ace = of_bins(Binned::ace);
    let mce = of_bins(Binned::mce);
    let reliability = of_bins(|binned| Some(binned.brier()?.reliability));
    let resolution = of_bins(|binned| Some(binned.brier()?.resolution));
    let mut of_slope = |scale: f64| {
        let Fit { a, terms } = *own.fit.as_ref()?;
        Some(numbers.function(terms.to_vec(), move |sums| Some(scale * Fit::moved(a, sums)?)))
    };
    let (slope, elo) = (of_slope(1.0), of_slope(ELO));
    let ratio = own.fit.as_ref().zip(reference).map(|(own, reference)| {
        let (a, b) = (own.a, reference.a);
        numbers.function([own.terms, reference.terms].concat(), move |sums| {
            let (own, reference) = sums.split_at(2);
            Some(Fit::moved(a, own)? / Fit::moved(b, reference).filter(|slope| *slope > 0.0)?)
        })
    });
    let transferred = reference.map(|reference| transferred(numbers, &group.pairs, reference));
    let (error, parts) = transferred.map_or((None, Vec::new()), |found| (Some(found.error), found.parts));
    Declared { numbers: [debiased, ace, mce, slope, elo, ratio, error, reliability, resolution], transferred: parts }
}

struct Declared {
    numbers: [Option<Number>; MEASURES.len()],
    /// Parts of the error at the reference's temperature.
    transferred: Vec<Number>,
}

/// The interval of a measure, or why there is none.
fn interval(
    measure: &str,
    found: Found,
    own: &Columns,
    declared: &Declared,
    answers: &Answers,
) -> Result<Option<Interval>, &'static str> {
    let Some(point) = found.point else { return Ok(None) };
    let error = match measure {
        "debiased-error" => Error::Debiased,
        "ace" => Error::Ace,
        "mce" => Error::Mce,
        "reliability" => Error::Reliability,
        "resolution" => Error::Resolution,
        "ece-at-reference-temperature" => {
            let own = answers.size(Size::Sum, &declared.transferred, 1.0);
            return own.map(|own| Some(own.holding(point))).ok_or(SAME);
        }
        _ => return Ok(found.interval),
    };
    own.errors.interval(error, point, answers).map(Some)
}

fn of_run(context: &Context<'_>, run: usize) -> Vec<Detail> {
    let groups = groups(context, run);
    if groups.is_empty() {
        return Vec::new();
    }
    let asked = context.options.temperature_language;
    let place = groups.iter().position(|g| g.about == About::Lang(asked.unwrap_or(Lang::ENGLISH)));
    // A language that was asked for has no stand-in.
    let (at, lacking) = (place.unwrap_or(0), asked.is_some() && place.is_none());
    let mut numbers = context.plan.numbers();
    let columns: Vec<Columns> = groups
        .iter()
        .map(|group| {
            let bins = binned(&mut numbers, &group.pairs);
            let errors = Errors::new(&mut numbers, &bins, 1);
            Columns { bins, errors, fit: fitted(&mut numbers, &group.pairs) }
        })
        .collect();
    // A ratio to a slope that may be 0 says nothing; whether it may is known when it is resampled.
    let reference = columns[at].fit.as_ref().filter(|fit| fit.a > 0.0 && !lacking);
    let declared: Vec<Declared> =
        groups.iter().zip(&columns).map(|(group, own)| of_group(&mut numbers, group, own, reference)).collect();
    let curves = curves(&mut numbers, &groups, &columns, at);
    let by_bins = by_bins(&mut numbers, &groups);
    let of_languages = columns.iter().flat_map(|own| own.errors.kept());
    let parts = declared.iter().flat_map(|declared| &declared.transferred).copied();
    let of_all = by_bins.iter().flat_map(|own| own.errors.kept());
    let kept: Vec<Number> = of_languages.chain(parts).chain(of_all).collect();
    let answers = numbers.resample_keeping(&kept);
    let slope = declared[at].numbers[SLOPE].and_then(|slope| answers.of(slope).interval);
    let steady = slope.is_some_and(|interval| interval.low > 0.0);
    let mut details = Vec::new();
    for (number, (group, declared)) in groups.iter().zip(&declared).enumerate() {
        for (measure, own) in MEASURES.into_iter().zip(declared.numbers) {
            // The reference's ratio to itself is no finding.
            if number == at && measure == "slope-ratio" && !lacking {
                continue;
            }
            let detail = context.detail(ANALYSIS, Some(run), measure, vec![group.about.clone()]);
            details.push(match own.map(|number| answers.of(number)) {
                _ if lacking && BY_REFERENCE.contains(&measure) => {
                    detail.because("not enough data: the language asked for has fewer than 50 items")
                }
                _ if !steady && BY_REFERENCE.contains(&measure) => {
                    detail.because("the reference language's slope is not above 0")
                }
                Some(found) if found.point.is_some() => {
                    match interval(measure, found, &columns[number], declared, &answers) {
                        Ok(interval) => detail.with(found.point, interval, group.n),
                        Err(why) => detail.with(found.point, None, group.n).because(why),
                    }
                }
                _ => detail.because("no slope fits: margins are all on one side"),
            });
        }
    }
    if !lacking {
        let of = vec![groups[at].about.clone()];
        details.push(context.detail(ANALYSIS, Some(run), "reference", of).with(Some(1.0), None, groups[at].n));
    }
    details.extend(reliability(context, run, &curves, &answers));
    let n = groups.iter().map(|group| group.n).sum();
    for ByBins { bins, errors, declared } in by_bins {
        for (measure, error, number) in declared {
            let detail = context.detail(ANALYSIS, Some(run), measure, vec![About::Place(bins)]);
            let point = answers.of(number).point;
            details.push(match point.map(|point| errors.interval(error, point, &answers)) {
                Some(Err(why)) => detail.with(point, None, n).because(why),
                interval => detail.with(point, interval.and_then(Result::ok), n),
            });
        }
    }
    details
}

/// Errors over so many bins: measures and their numbers.
struct ByBins {
    bins: u32,
    errors: Errors,
    declared: [(&'static str, Error, Number); 3],
}

type OfBins = fn(&Binned) -> Option<f64>;

/// What MORE reports: errors of all languages together over 5, 10 and 20 bins.
fn by_bins(numbers: &mut Numbers<'_>, groups: &[Group]) -> Vec<ByBins> {
    const MOST: usize = 20;
    let pairs: Vec<Pair> = groups.iter().flat_map(|group| &group.pairs).copied().collect();
    let columns: Vec<ColumnId> = bin_terms(&pairs, MOST).iter().map(|terms| numbers.insert(terms)).collect();
    let measures: [(&str, Error, OfBins); 3] = [
        ("all-ece", Error::Ece, Binned::ece),
        ("all-ace", Error::Ace, Binned::ace),
        ("all-mce", Error::Mce, Binned::mce),
    ];
    let of_bins = |bins: usize| {
        let errors = Errors::new(numbers, &columns, MOST / bins);
        let declared = measures.map(|(measure, error, of)| {
            let made = move |sums: &[f64]| of(&Binned::from_sums(sums).coarser(MOST / bins));
            (measure, error, numbers.function(columns.clone(), made))
        });
        ByBins { bins: bins as u32, errors, declared }
    };
    [5, 10, MOST].map(of_bins).into()
}

/// A reliability curve: p̄ and ȳ of each bin of confidence (p ≥ ½).
struct Curve {
    about: About,
    points: Vec<[Number; 2]>,
    /// Predictions in each bin.
    counts: Vec<f64>,
}

/// The reference language's curve, and that of the others together.
fn curves(numbers: &mut Numbers<'_>, groups: &[Group], columns: &[Columns], reference: usize) -> Vec<Curve> {
    let own = vec![reference];
    let others: Vec<usize> = (0..groups.len()).filter(|number| *number != reference).collect();
    let shown = [(groups[reference].about.clone(), own), (About::name("other languages"), others)];
    let curve = |(about, members): (About, Vec<usize>)| {
        let mut points = Vec::new();
        let mut counts = Vec::new();
        for at in BINS / 2..BINS {
            let sum = |which: usize| members.iter().map(|g| columns[*g].bins[at * SUMS + which]).collect::<Vec<_>>();
            let pooled = |which: usize| [sum(which), sum(0)].concat();
            let k = members.len();
            let mut mean = |which: usize| {
                numbers.function(pooled(which), move |sums| {
                    let (above, below) = sums.split_at(k);
                    let n: f64 = below.iter().sum();
                    (n > 0.0).then(|| above.iter().sum::<f64>() / n)
                })
            };
            points.push([mean(1), mean(2)]);
            counts.push(sum(0).iter().map(|column| numbers.total(*column)).sum());
        }
        Curve { about, points, counts }
    };
    shown.into_iter().filter(|(_, members)| !members.is_empty()).map(curve).collect()
}

fn reliability(context: &Context<'_>, run: usize, curves: &[Curve], answers: &Answers) -> Vec<Detail> {
    let mut details = Vec::new();
    for curve in curves {
        for (at, ([p, right], n)) in curve.points.iter().zip(&curve.counts).enumerate() {
            let n = n.round() as usize;
            let (p, right) = (answers.of(*p), answers.of(*right));
            if p.point.is_none() {
                continue;
            }
            let of = vec![curve.about.clone(), About::Place(at as u32)];
            let of_bin = |measure: &str| context.detail(ANALYSIS, Some(run), measure, of.clone());
            // Percentiles of a handful of items are no interval.
            let interval = right.interval.filter(|_| n >= 10);
            details.push(of_bin("bin-probability").with(p.point, None, n));
            details.push(of_bin("bin-share-right").with(right.point, interval, n));
        }
    }
    details
}

/// AURC and accuracy by coverage over all items of a run.
fn selective(context: &Context<'_>, run: usize) -> Vec<Detail> {
    let view = context.table.view(run);
    let mut items: Vec<(u32, f64, f64)> = Vec::new();
    for cell in &context.design.cells {
        confidences(&view, &cell.units, context.protocol, &mut items);
    }
    let n = items.len();
    if n < MIN_ITEMS {
        return Vec::new();
    }
    let ordered = Ordered::new(items);
    let Some((area, at)) = ordered.curve(&vec![1.0; context.design.n_clusters], &COVERAGES) else { return Vec::new() };
    let point: Vec<f64> = std::iter::once(area).chain(at).collect();
    // Many weightings at once cost a fraction of one by one.
    let resampled = context.plan.run_lanes(n / 2, &|weights| ordered.curves(weights, &COVERAGES));
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
