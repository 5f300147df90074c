//! Whom a reward model agrees with: accuracy by annotator and by group of annotators (#12, #27, #51), how far
//! annotators differ beyond what few opinions make of it, and how far they agree among themselves.
//!
//! An opinion for neither side counts nowhere; a tie of the model is worth one half. Items are resampled, people
//! stay who they are: spread and places are those of their true shares, and intervals invert tests
//! ([`crate::metric::magnitude`]), since resampled shares differ by noise once more.

use std::collections::BTreeMap;

use crate::metric::Interval;
use crate::metric::agreement::Coincidences;
use crate::metric::magnitude::{Moved, Place, Size};
use crate::metric::outcome::{Evidence, Outcome};
use crate::metric::spread::{Share, net_of_noise};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};
use crate::table::annotation::{Choice, Opinion};

pub const ANALYSIS: &str = "annotators";

/// Fewer opinions say nothing of a person; fewer people say nothing of a spread.
const MIN_OPINIONS: usize = 10;
const MIN_ANNOTATORS: usize = 5;

/// Places among annotators, from the one that the model agrees with least.
const PLACES: [(&str, f64); 3] = [("lowest-tenth", 0.1), ("median-annotator", 0.5), ("highest-tenth", 0.9)];

/// An opinion as it is used: its source item, its annotator, the credit of the model.
struct Seen {
    cluster: u32,
    annotator: u32,
    group: Option<u32>,
    credit: f64,
}

pub fn annotators(context: &Context<'_>) -> Vec<Detail> {
    let opinions = &context.table.annotations.opinions;
    if opinions.is_empty() {
        return Vec::new();
    }
    let mut clusters: BTreeMap<u32, u32> = BTreeMap::new();
    for unit in context.design.cells.iter().flat_map(|cell| &cell.units) {
        clusters.extend(unit.items().map(|item| (item as u32, unit.cluster)));
    }
    let here: Vec<(u32, &Opinion)> =
        opinions.iter().filter_map(|opinion| Some((*clusters.get(&opinion.item)?, opinion))).collect();
    let mut details = among_people(context, &here);
    for run in context.runs {
        details.extend(of_run(context, *run, &here));
    }
    details
}

/// Krippendorff's α of the annotators, the bound of what a model can agree with.
fn among_people(context: &Context<'_>, here: &[(u32, &Opinion)]) -> Vec<Detail> {
    let mut counts: BTreeMap<u32, (u32, [f64; 3])> = BTreeMap::new();
    for (cluster, opinion) in here {
        let label = match opinion.choice {
            Choice::Rejected => 0,
            Choice::Chosen => 1,
            Choice::Neither => 2,
        };
        counts.entry(opinion.item).or_insert((*cluster, [0.0; 3])).1[label] += 1.0;
    }
    counts.retain(|_, (_, labels)| labels.iter().sum::<f64>() >= 2.0);
    let detail = context.detail(ANALYSIS, None, "alpha", Vec::new());
    if counts.len() < MIN_OPINIONS {
        return vec![detail.because(format!("not enough data: {} items with several opinions", counts.len()))];
    }
    let alpha = |weight: &dyn Fn(u32) -> f64| {
        let mut all = Coincidences::new(3);
        counts.values().for_each(|(cluster, labels)| all.add(labels, weight(*cluster)));
        all.alpha()
    };
    let resampled = context.plan.run(1, counts.len() * 9, &|weights, out| {
        out[0] = alpha(&|cluster| f64::from(weights[cluster as usize])).unwrap_or(f64::NAN);
    });
    vec![detail.with(alpha(&|_| 1.0), resampled.interval(0), counts.len())]
}

fn of_run(context: &Context<'_>, run: usize, here: &[(u32, &Opinion)]) -> Vec<Detail> {
    let credit = |opinion: &Opinion| {
        let outcome = Evidence::Rewards.extremes(&context.table.item(run, opinion.item as usize))?.outcome();
        match (opinion.choice, outcome) {
            (Choice::Neither, _) => None,
            (_, Outcome::Tie) => Some(0.5),
            (Choice::Chosen, Outcome::ChosenWins) | (Choice::Rejected, Outcome::RejectedWins) => Some(1.0),
            _ => Some(0.0),
        }
    };
    let seen = here.iter().filter_map(|(cluster, opinion)| {
        let (cluster, annotator, group) = (*cluster, opinion.annotator, opinion.group);
        Some(Seen { cluster, annotator, group, credit: credit(opinion)? })
    });
    let seen: Vec<Seen> = seen.collect();
    let n = seen.len();
    if n < MIN_OPINIONS {
        return Vec::new();
    }
    let annotations = &context.table.annotations;
    let mut of_annotator = vec![0usize; annotations.annotators.len()];
    let mut of_group = vec![0usize; annotations.groups.len()];
    for seen in &seen {
        of_annotator[seen.annotator as usize] += 1;
        seen.group.into_iter().for_each(|group| of_group[group as usize] += 1);
    }
    let people: Vec<usize> = (0..of_annotator.len()).filter(|at| of_annotator[*at] >= MIN_OPINIONS).collect();
    let several = people.len() >= MIN_ANNOTATORS;
    // All opinions, groups, people.
    let width = 1 + of_group.len() + people.len();
    let first_person = 1 + of_group.len();
    let compute = |weight: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        let nothing = Share { right: 0.0, n: 0.0 };
        let (mut all, mut shares) = (nothing, vec![nothing; of_annotator.len()]);
        let mut groups = vec![nothing; of_group.len()];
        for seen in &seen {
            let w = weight(seen.cluster);
            let group = seen.group.map(|group| &mut groups[group as usize]);
            for share in [Some(&mut all), Some(&mut shares[seen.annotator as usize]), group].into_iter().flatten() {
                share.right += w * seen.credit;
                share.n += w;
            }
        }
        let people = people.iter().map(|at| &shares[*at]);
        for (out, share) in out.iter_mut().zip(std::iter::once(&all).chain(&groups).chain(people)) {
            *out = share.point().unwrap_or(f64::NAN);
        }
        shares
    };
    let mut point = vec![f64::NAN; width];
    let shares = compute(&|_| 1.0, &mut point);
    let resampled = context.plan.run(width, n * 6, &|weights, out| {
        compute(&|cluster| f64::from(weights[cluster as usize]), out);
    });
    let detail = |measure: &str, of: Vec<About>| context.detail(ANALYSIS, Some(run), measure, of);
    let mut details = vec![detail("accuracy", Vec::new()).with(Some(point[0]), resampled.interval(0), n)];
    if several {
        let places: Vec<usize> = (first_person..width).collect();
        let moved = resampled.moved(&point[first_person..], &places);
        let net = net_of_noise(people.iter().map(|at| shares[*at]));
        details.extend(among_shares(moved.as_ref(), net, context.plan.level, people.len(), &detail));
    } else {
        let few = format!("not enough data: {} annotators with {MIN_OPINIONS} opinions or more", people.len());
        let measures = std::iter::once("spread").chain(PLACES.map(|(name, _)| name));
        details.extend(measures.map(|measure| detail(measure, Vec::new()).because(few.clone())));
    }
    for (at, name) in annotations.groups.iter().enumerate().filter(|(at, _)| of_group[*at] >= MIN_OPINIONS) {
        let own = detail("accuracy", vec![About::name(name)]);
        details.push(own.with(Some(point[1 + at]), resampled.interval(1 + at), of_group[at]));
    }
    details
}

/// How far the true shares of people lie apart, and places among them; all without what few opinions make of them.
fn among_shares(
    moved: Option<&Moved>,
    net: Option<f64>,
    level: f64,
    n: usize,
    detail: &dyn Fn(&str, Vec<About>) -> Detail,
) -> Vec<Detail> {
    const NOTHING: &str = "no interval: resampling says nothing of these annotators";
    let interval = moved.and_then(|moved| moved.bounds(Size::Spread, level)).map(|own| Interval::new(own, level));
    let interval = interval.zip(net).map(|(interval, net)| interval.holding(net));
    let spread = detail("spread", Vec::new()).with(net, interval, n);
    let mut details = vec![if interval.is_none() { spread.because(NOTHING) } else { spread }];
    for (measure, place) in PLACES {
        let found = moved.and_then(|moved| moved.place(Place::Quantile(place), level));
        let detail = detail(measure, Vec::new());
        details.push(match found {
            // Shares are between 0 and 1.
            Some(found) => {
                let bounds = found.bounds.map(|bound| bound.clamp(0.0, 1.0));
                detail.with(Some(found.point.clamp(0.0, 1.0)), Some(Interval::new(bounds, level)), n)
            }
            None => detail.because("resampling says nothing of these annotators"),
        });
    }
    details
}
