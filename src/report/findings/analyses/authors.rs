//! Whose answers runs prefer: a judge may like what its own model wrote (self-preference).
//!
//! Of the items with an answer by an author on one side and by somebody else on the other: how often the run prefers the
//! author's, how often people do, and the difference, which is 0 where a run knows no authors. For a run's own author, the
//! one whose name is the run's or its model's, this is its self-preference; what other runs show on the same items says
//! how much of it is quality that people overlook. A tie is worth one half.

use crate::metric::outcome::{Evidence, Outcome};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "authors";
pub const PREFERRED: &str = "preferred";
pub const DESERVED: &str = "deserved";
pub const EXCESS: &str = "excess";
/// Of the run's own author.
pub const OWN: &str = "self-preference";
pub const BEYOND: &str = "beyond-other-runs";

/// Fewer items give no share worth printing.
const MIN_ITEMS: usize = 20;
/// Authors of fewer items than these many others are left out.
const MOST_AUTHORS: usize = 12;

/// One item about an author: its source, its place in the table, and whether the author's answer is the chosen one.
struct Seen {
    cluster: u32,
    item: usize,
    is_chosen: bool,
}

pub fn authors(context: &Context<'_>) -> Vec<Detail> {
    let names = &context.table.annotations.authors;
    let mut by_author: Vec<Vec<Seen>> = names.iter().map(|_| Vec::new()).collect();
    for unit in context.design.cells.iter().flat_map(|cell| &cell.units) {
        for item in unit.items() {
            match context.table.annotations.written_by(item) {
                Some([chosen, rejected]) if chosen != rejected => {
                    let seen = |is_chosen| Seen { cluster: unit.cluster, item, is_chosen };
                    by_author[chosen as usize].push(seen(true));
                    by_author[rejected as usize].push(seen(false));
                }
                _ => {}
            }
        }
    }
    let mut order: Vec<usize> = (0..names.len()).filter(|author| by_author[*author].len() >= MIN_ITEMS).collect();
    order.sort_by_key(|author| std::cmp::Reverse(by_author[*author].len()));
    let known = by_author.iter().any(|seen| !seen.is_empty());
    context.by_run(|run| {
        if !known {
            return Vec::new();
        }
        let own = own_author(context, run);
        let shown = order.iter().copied().take(MOST_AUTHORS);
        let shown =
            shown.chain(own.filter(|own| order.iter().position(|a| a == own).is_some_and(|at| at >= MOST_AUTHORS)));
        let of_author =
            |author: usize| of_author(context, run, (&names[author], &by_author[author]), own == Some(author));
        let mut details: Vec<Detail> = shown.flat_map(of_author).collect();
        if !details.iter().any(|detail| detail.measure == OWN) {
            let why = match own {
                None => format!("not enough data: none of {} authors is called as the run or its model", names.len()),
                Some(own) => format!(
                    "not enough data: {} items with an answer by `{}` on one side only",
                    by_author[own].len(),
                    names[own]
                ),
            };
            details.push(context.detail(ANALYSIS, Some(run), OWN, Vec::new()).because(why));
        }
        details
    })
}

/// 1 where the run prefers the author's answer, 0 where it prefers the other, ½ where it cannot tell.
fn preference(context: &Context<'_>, run: usize, seen: &Seen) -> Option<f64> {
    let extremes = Evidence::Rewards.extremes(&context.table.item(run, seen.item))?;
    Some(match extremes.outcome() {
        Outcome::ChosenWins => f64::from(u8::from(seen.is_chosen)),
        Outcome::RejectedWins => f64::from(u8::from(!seen.is_chosen)),
        Outcome::Tie => 0.5,
    })
}

fn of_author(context: &Context<'_>, run: usize, (name, seen): (&str, &[Seen]), own: bool) -> Vec<Detail> {
    let of = vec![About::name(name)];
    let judged: Vec<(&Seen, f64)> = seen.iter().filter_map(|s| Some((s, preference(context, run, s)?))).collect();
    let n = judged.len();
    let measures: Vec<&str> = [PREFERRED, DESERVED, EXCESS].into_iter().chain(own.then_some(OWN)).collect();
    if n < MIN_ITEMS {
        let why = format!("not enough data: {n} items that the run decided");
        let detail = |measure| context.detail(ANALYSIS, Some(run), measure, of.clone()).because(why.clone());
        return measures.into_iter().map(detail).collect();
    }
    let mut numbers = context.plan.numbers();
    let deserved = |seen: &Seen| f64::from(u8::from(seen.is_chosen));
    let all = numbers.column(judged.iter().map(|(seen, _)| (seen.cluster, 1.0)));
    let preferred = numbers.column(judged.iter().map(|(seen, p)| (seen.cluster, *p)));
    let right = numbers.column(judged.iter().map(|(seen, _)| (seen.cluster, deserved(seen))));
    let wanted = [
        numbers.ratio(preferred, all),
        numbers.ratio(right, all),
        numbers.function(vec![preferred, right, all], |sums| (sums[2] > 0.0).then(|| (sums[0] - sums[1]) / sums[2])),
    ];
    let beside: Vec<(u32, f64)> = if own { beyond(context, run, &judged) } else { Vec::new() };
    let beyond = (beside.len() >= MIN_ITEMS).then(|| {
        let above = numbers.column(beside.iter().copied());
        let below = numbers.column(beside.iter().map(|(cluster, _)| (*cluster, 1.0)));
        numbers.function(vec![above, below], |sums| (sums[1] > 0.0).then(|| sums[0] / sums[1]))
    });
    let answers = numbers.resample();
    let detail = |measure: &str| context.detail(ANALYSIS, Some(run), measure, of.clone());
    let places = [0, 1, 2, 2];
    let mut details: Vec<Detail> = measures
        .into_iter()
        .zip(places)
        .map(|(measure, at)| detail(measure).found(answers.of(wanted[at]), n))
        .collect();
    if own {
        details.push(match beyond {
            Some(number) => detail(BEYOND).found(answers.of(number), beside.len()),
            None => detail(BEYOND).because("not enough data: no other run decided these items"),
        });
    }
    details
}

/// How much more the run prefers the author's answers than the other runs do on average.
fn beyond(context: &Context<'_>, run: usize, judged: &[(&Seen, f64)]) -> Vec<(u32, f64)> {
    let of_item = |(seen, own): &(&Seen, f64)| {
        let others = context.runs.iter().filter(|other| **other != run);
        let others: Vec<f64> = others.filter_map(|other| preference(context, *other, seen)).collect();
        let mean = others.iter().sum::<f64>() / others.len() as f64;
        (!others.is_empty()).then_some((seen.cluster, own - mean))
    };
    judged.iter().filter_map(of_item).collect()
}

/// The author that has the name of the run, of its model or of one of its judges.
fn own_author(context: &Context<'_>, run: usize) -> Option<usize> {
    let column = &context.table.runs[run];
    let judges = column.judged.iter().flat_map(|judged| judged.judges.iter().map(String::as_str));
    let names: Vec<String> =
        [column.info.name.as_str(), column.info.model.as_str()].into_iter().chain(judges).map(plain).collect();
    context.table.annotations.authors.iter().position(|author| names.contains(&plain(author)))
}

/// The last part of a model's name in small letters and digits, without the protocol behind it.
fn plain(name: &str) -> String {
    let name = name.split(',').next().unwrap_or(name).trim_end_matches('/');
    let last = name.rsplit(['/', '#']).next().unwrap_or(name);
    last.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_model() {
        for name in ["org/Judge-7B", "endpoint:http://h:1/v1#org/judge-7b", "judge-7b, pairwise", "judge 7b"] {
            assert_eq!(plain(name), "judge7b", "{name}");
        }
        assert_ne!(plain("judge-70b"), "judge7b");
    }
}
