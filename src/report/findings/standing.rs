//! After resampling: p adjusted within their families, and rankings.

use std::collections::HashMap;

use rayon::prelude::*;
use rmbench_resampling::best::{Contender, chance_of_best};
use rmbench_resampling::stepdown::{Deviations, Member, adjusted};

use crate::metric::bootstrap::statistic;
use crate::metric::multiplicity::{benjamini_hochberg, holm};
use crate::metric::power::minimum_detectable_effect;
use crate::metric::ranking::{letters, rank_interval, tie_groups};
use crate::metric::sheet::NodeId;
use crate::report::findings::draft::{Draft, Replicated, Resolver};
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
    let mut evidence: Vec<(f64, f64)> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let resolved = resolver.resolve(draft);
        let mut difference = PairedDifference { estimate: resolved.estimate, why: resolved.why, ..resolved.of };
        // In families a number is as far from 0 as its own test says.
        let point = difference.estimate.map_or(f64::NAN, |estimate| estimate.point);
        if let Some(spread) = resolved.spread {
            evidence.push((statistic(point, spread.error, spread.freedom), spread.error));
            difference.tests.error = Some(spread.error);
            difference.tests.p = Some(spread.p_of_zero);
            difference.tests.detectable = Some(minimum_detectable_effect(spread.error, level));
            families.entry(family(&difference)).or_default().push(out.len());
        } else {
            evidence.push((f64::NAN, f64::NAN));
        }
        out.push(difference);
    }
    let adjust = |members: Vec<usize>| {
        let p: Vec<f64> = members.iter().filter_map(|at| out[*at].tests.p).collect();
        let replicates = |at: &usize| nodes[*at].and_then(|node| resolver.replicates(node));
        let family: Vec<Member<'_>> = members.iter().map(|at| member(evidence[*at], replicates(at))).collect();
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
fn member((statistic, sd): (f64, f64), replicates: Option<Replicated<'_>>) -> Member<'_> {
    match replicates {
        Some(found) => Member { statistic, sd, deviations: found.deviations() },
        None => Member { statistic: f64::NAN, sd: f64::NAN, deviations: Deviations::Of(&[]) },
    }
}

/// Ranks, chances of being the best and tie groups, one ranking per language and average.
pub fn rankings(drafts: &[RankingDraft], benchmark: &str, resolver: &Resolver<'_>, level: f64) -> Vec<Ranking> {
    drafts.par_iter().map(|draft| ranking(draft, benchmark, resolver, level)).collect()
}

fn ranking(draft: &RankingDraft, benchmark: &str, resolver: &Resolver<'_>, level: f64) -> Ranking {
    let n = draft.runs.len();
    let nodes: Vec<NodeId> = draft.pairs.iter().filter_map(|(.., node)| *node).collect();
    let points: Vec<f64> = nodes.iter().map(|node| resolver.point(*node).unwrap_or(f64::NAN)).collect();
    let tested = |(node, point): (&NodeId, &f64)| {
        let replicates = resolver.replicates(*node);
        let evidence = replicates.map(|found| found.whole().evidence(*point, &resolver.clusters));
        member(evidence.unwrap_or((f64::NAN, f64::NAN)), replicates)
    };
    let members: Vec<Member<'_>> = nodes.par_iter().zip(&points).map(tested).collect();
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
    let replicates: Option<Vec<_>> =
        draft.runs.iter().map(|(_, node)| Some(resolver.replicates(*node)?.whole())).collect();
    let chance = replicates.and_then(|replicates| {
        let with_point = replicates.iter().zip(&scores);
        let contenders = with_point.map(|(kept, point)| Contender { point: *point, deviations: &kept.deviations });
        chance_of_best(&contenders.collect::<Vec<_>>())
    });
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
