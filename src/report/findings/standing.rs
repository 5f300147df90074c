//! After resampling: p adjusted within their families, and rankings.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;
use rmbench_resampling::stepdown::{Member, adjusted};

use crate::metric::bootstrap::Kept;
use crate::metric::multiplicity::{benjamini_hochberg, holm};
use crate::metric::power::minimum_detectable_effect;
use crate::metric::ranking::{chance_of_best, letters, rank_interval, tie_groups};
use crate::metric::sheet::NodeId;
use crate::report::findings::draft::{Draft, Resolver};
use crate::report::findings::pairs::RankingDraft;
use crate::report::findings::{Languages, PairedDifference, Rank, Ranking, Scope};

/// Comparisons that are adjusted together: those over one average (all pairs for the score, all runs and
/// categories for categories), those in single languages (all of them).
fn family(difference: &PairedDifference) -> (bool, Option<String>) {
    let average = match &difference.languages {
        Languages::Average(name) => Some(name.clone()),
        Languages::One(_) => None,
    };
    (difference.scope == Scope::Overall, average)
}

/// Differences with intervals and tests.
pub fn differences(drafts: Vec<Draft<PairedDifference>>, resolver: &Resolver<'_>, level: f64) -> Vec<PairedDifference> {
    let nodes: Vec<Option<NodeId>> = drafts.iter().map(|draft| draft.node).collect();
    let mut families: HashMap<(bool, Option<String>), Vec<usize>> = HashMap::new();
    let mut out: Vec<PairedDifference> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let resolved = resolver.resolve(draft);
        let mut difference = PairedDifference { estimate: resolved.estimate, why: resolved.why, ..resolved.of };
        if let Some(spread) = resolved.spread {
            difference.tests.error = Some(spread.error);
            difference.tests.p = Some(spread.p_of_zero);
            difference.tests.detectable = Some(minimum_detectable_effect(spread.error, level));
            families.entry(family(&difference)).or_default().push(out.len());
        }
        out.push(difference);
    }
    let adjust = |members: Vec<usize>| {
        let p: Vec<f64> = members.iter().filter_map(|at| out[*at].tests.p).collect();
        let replicates: Vec<_> =
            members.iter().map(|at| nodes[*at].and_then(|node| resolver.replicates(node))).collect();
        let point = |at: &usize| out[*at].estimate.map_or(f64::NAN, |e| e.point);
        let family = members.iter().zip(&replicates).map(|(at, replicates)| member(point(at), replicates, resolver));
        let family: Vec<Member<'_>> = family.collect();
        (holm(&p), benjamini_hochberg(&p), adjusted(&family), members)
    };
    let found: Vec<_> = families.into_values().collect::<Vec<_>>().into_par_iter().map(adjust).collect();
    for (holm, bh, stepdown, members) in found {
        for (k, at) in members.iter().enumerate() {
            let tests = &mut out[*at].tests;
            tests.family = members.len();
            tests.p_holm = holm.get(k).copied();
            tests.p_bh = bh.get(k).copied();
            tests.p_romano_wolf = stepdown.get(k).copied().flatten();
        }
    }
    out
}

/// A number without replicates is no member of its family.
fn member<'a>(point: f64, replicates: &'a Option<Cow<'_, Kept>>, resolver: &Resolver<'_>) -> Member<'a> {
    match replicates {
        Some(kept) => Member { statistic: kept.statistic(point, &resolver.clusters), deviations: &kept.deviations },
        None => Member { statistic: f64::NAN, deviations: &[] },
    }
}

/// Ranks, chances of being the best and tie groups, one ranking per language and average.
pub fn rankings(drafts: &[RankingDraft], benchmark: &str, resolver: &Resolver<'_>, level: f64) -> Vec<Ranking> {
    drafts.par_iter().map(|draft| ranking(draft, benchmark, resolver, level)).collect()
}

fn ranking(draft: &RankingDraft, benchmark: &str, resolver: &Resolver<'_>, level: f64) -> Ranking {
    let n = draft.runs.len();
    let nodes: Vec<NodeId> = draft.pairs.iter().filter_map(|(.., node)| *node).collect();
    let replicates: Vec<_> = nodes.iter().map(|node| resolver.replicates(*node)).collect();
    let points: Vec<f64> = nodes.iter().map(|node| resolver.point(*node).unwrap_or(f64::NAN)).collect();
    let members: Vec<Member<'_>> =
        points.iter().zip(&replicates).map(|(point, replicates)| member(*point, replicates, resolver)).collect();
    // better[a][b]: a is significantly better than b. A pair without a test is not told apart.
    let mut better = vec![vec![false; n]; n];
    for ((i, j, _), (p, point)) in
        draft.pairs.iter().filter(|(.., node)| node.is_some()).zip(adjusted(&members).into_iter().zip(&points))
    {
        if p.is_some_and(|p| p <= 1.0 - level) {
            let (a, b) = if *point > 0.0 { (*i, *j) } else { (*j, *i) };
            better[a][b] = true;
        }
    }
    let better = |a: usize, b: usize| better[a][b];
    let scores: Vec<f64> = draft.runs.iter().map(|(_, node)| resolver.point(*node).unwrap_or(f64::NAN)).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let replicates: Option<Vec<Vec<f64>>> = draft
        .runs
        .iter()
        .zip(&scores)
        .map(|((_, node), score)| {
            Some(resolver.replicates(*node)?.deviations.iter().map(|d| score + f64::from(*d)).collect())
        })
        .collect();
    let chance = replicates.and_then(|replicates| chance_of_best(&replicates));
    let groups = tie_groups(n, &|a, b| better(order[a], order[b]) || better(order[b], order[a]));
    let letters = letters(n, &groups);
    let ranks = order.iter().zip(letters).map(|(place, letters)| {
        let (low, high) = rank_interval(*place, n, &better);
        let chance_of_best = chance.as_ref().map(|chance| chance[*place]);
        Rank { run: draft.runs[*place].0, low, high, chance_of_best, groups: letters }
    });
    Ranking {
        benchmark: benchmark.to_owned(),
        languages: draft.languages.clone(),
        pairs: members.len(),
        ranks: ranks.collect(),
    }
}
