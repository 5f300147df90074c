//! Does a model read the criteria that it is given? Two comparisons of one source item in one language that have each other's
//! responses, under criteria that reverse the preference (CARM's reversal accuracy, arXiv 2407.14916).
//!
//! A reversal is right where both comparisons are, a tie of rewards being wrong. A model that looks at responses alone prefers
//! the same one twice, and so has half of the comparisons and no reversal right; a coin has a quarter of them.
//! Score tables have no texts: responses are known by their lengths, so that two of one length are no reversal here, and subsets
//! in which reversals are the exception, and may be accidents of lengths, are left out.

use std::collections::HashMap;

use crate::lang::Lang;
use crate::metric::outcome::{Evidence, Outcome};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};
use crate::table::item::ItemTable;

pub const ANALYSIS: &str = "reversals";
pub const MEASURES: [&str; 3] = ["reversal-accuracy", "comparison-accuracy", "unmoved"];

/// Fewer reversals give no share worth printing.
const MIN_REVERSALS: usize = 20;

/// Two comparisons, and the source item they are of.
struct Reversal {
    lang: Lang,
    cluster: u32,
    items: [usize; 2],
}

pub fn reversals(context: &Context<'_>) -> Vec<Detail> {
    let all = find(context);
    if all.is_empty() {
        return Vec::new();
    }
    let mut langs: Vec<Lang> = all.iter().map(|reversal| reversal.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    context.by_run(|run| {
        let mut details = of_some(context, run, Vec::new(), &all.iter().collect::<Vec<_>>());
        for lang in langs.iter().filter(|_| langs.len() > 1) {
            let own: Vec<&Reversal> = all.iter().filter(|reversal| reversal.lang == *lang).collect();
            details.extend(of_some(context, run, vec![About::Lang(*lang)], &own));
        }
        details
    })
}

/// Every comparison is in one reversal at most: of several it is in the first.
fn find(context: &Context<'_>) -> Vec<Reversal> {
    let n_subsets = context.design.subsets.len();
    let mut found: Vec<Vec<Reversal>> = (0..n_subsets).map(|_| Vec::new()).collect();
    let mut n_items = vec![0; n_subsets];
    for cell in &context.design.cells {
        n_items[cell.subset] += cell.units.len();
        let mut waiting: HashMap<(u32, [u32; 2]), Vec<usize>> = HashMap::new();
        for unit in &cell.units {
            for item in unit.items() {
                let Some([chosen, rejected]) = lengths(context.table, item) else { continue };
                match waiting.get_mut(&(unit.cluster, [rejected, chosen])).and_then(Vec::pop) {
                    Some(other) => {
                        let (lang, cluster) = (cell.lang, unit.cluster);
                        found[cell.subset].push(Reversal { lang, cluster, items: [other, item] });
                    }
                    None => waiting.entry((unit.cluster, [chosen, rejected])).or_default().push(item),
                }
            }
        }
    }
    let is_meant = |(reversals, n_items): &(Vec<Reversal>, usize)| 4 * reversals.len() >= *n_items;
    found.into_iter().zip(n_items).filter(is_meant).flat_map(|(reversals, _)| reversals).collect()
}

/// Characters of a pair's responses, where they are known and tell the two apart.
fn lengths(table: &ItemTable, item: usize) -> Option<[u32; 2]> {
    // Lengths are the data's, whichever run says them.
    let of_run = |run: usize| {
        let item = table.item(run, item);
        match (item.chosen_chars, item.rejected_chars) {
            (&[chosen], &[rejected]) => Some([chosen, rejected]),
            _ => None,
        }
    };
    let known = (0..table.runs.len()).find_map(|run| of_run(run).filter(|lengths| !lengths.contains(&0)));
    known.filter(|[chosen, rejected]| chosen != rejected)
}

fn of_some(context: &Context<'_>, run: usize, of: Vec<About>, reversals: &[&Reversal]) -> Vec<Detail> {
    let outcome = |item: usize| Some(Evidence::Rewards.extremes(&context.table.item(run, item))?.outcome());
    let decided = |reversal: &&Reversal| {
        let [first, second] = reversal.items.map(outcome);
        Some((reversal.cluster, [first?, second?]))
    };
    let judged: Vec<(u32, [Outcome; 2])> = reversals.iter().filter_map(decided).collect();
    let n = judged.len();
    let detail = |measure: &str| context.detail(ANALYSIS, Some(run), measure, of.clone());
    if n < MIN_REVERSALS {
        let why = format!("not enough data: {n} reversals");
        return MEASURES.map(|measure| detail(measure).because(why.clone())).into();
    }
    let is_right = |outcomes: &[Outcome; 2]| outcomes.iter().all(|outcome| *outcome == Outcome::ChosenWins);
    let is_unmoved =
        |outcomes: &[Outcome; 2]| outcomes.contains(&Outcome::ChosenWins) && outcomes.contains(&Outcome::RejectedWins);
    let credit = |outcome: &Outcome| match outcome {
        Outcome::ChosenWins => 0.5,
        Outcome::Tie => 0.25,
        Outcome::RejectedWins => 0.0,
    };
    let mut numbers = context.plan.numbers();
    let all = numbers.column(judged.iter().map(|(cluster, _)| (*cluster, 1.0)));
    let mut share = |value: &dyn Fn(&[Outcome; 2]) -> f64| {
        let above = numbers.column(judged.iter().map(|(cluster, outcomes)| (*cluster, value(outcomes))));
        numbers.ratio(above, all)
    };
    let wanted = [
        share(&|outcomes| f64::from(is_right(outcomes))),
        share(&|outcomes| outcomes.iter().map(credit).sum()),
        share(&|outcomes| f64::from(is_unmoved(outcomes))),
    ];
    let answers = numbers.resample();
    MEASURES.into_iter().zip(wanted).map(|(measure, number)| detail(measure).found(answers.of(number), n)).collect()
}
