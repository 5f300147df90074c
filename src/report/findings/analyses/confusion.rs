//! Whether responses are in the language that was asked for, and whether runs prefer those that are (Marchisio et al. 2024;
//! [`crate::lang::confusion`] says how responses are judged).
//!
//! A run is asked about items with all judged responses of one side in the language and all of the other side in another:
//! mean of 1\[r(right language) > r(wrong language)\], a tie counting half, whichever of the two the data prefer.

use crate::lang::Lang;
use crate::lang::confusion::Confusion;
use crate::metric::interval::wilson;
use crate::metric::outcome::{Evidence, Outcome};
use crate::metric::resample::{Answers, Number};
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "confusion";

/// Fewer responses, or items, give no share worth printing.
const MIN: usize = 20;

const SIDES: [&str; 2] = ["chosen", "rejected"];

/// An item whose responses were judged.
struct Seen {
    cluster: u32,
    lang: Lang,
    item: usize,
    sides: [Confusion; 2],
}

/// A number that was asked for, and what it is about.
struct Asked {
    measure: &'static str,
    of: Vec<About>,
    n: usize,
    /// `None`: not enough data.
    number: Option<Number>,
    /// A share of independent items or responses: then it has Wilson's interval, like scores.
    single: bool,
}

impl Asked {
    fn detail(
        self,
        context: &Context<'_>,
        run: Option<usize>,
        answers: &Answers,
        why: &dyn Fn(&str, usize) -> String,
    ) -> Detail {
        let detail = context.detail(ANALYSIS, run, self.measure, self.of);
        match self.number.map(|number| answers.of(number)) {
            Some(found) if self.single => {
                let interval = found.point.and_then(|share| wilson(share, self.n as f64, context.plan.level));
                detail.with(found.point, interval, self.n)
            }
            Some(found) => detail.found(found, self.n),
            None => detail.because(why(self.measure, self.n)),
        }
    }
}

pub fn confusion(context: &Context<'_>) -> Vec<Detail> {
    let Some(identifier) = &context.table.annotations.identifier else { return Vec::new() };
    let mut seen = Vec::new();
    for cell in &context.design.cells {
        for unit in &cell.units {
            let judged = unit.items().filter_map(|item| Some((item, context.table.annotations.confusion(item)?)));
            seen.extend(judged.map(|(item, sides)| Seen { cluster: unit.cluster, lang: cell.lang, item, sides }));
        }
    }
    let (mut responses, mut judged) = (0, 0);
    for side in seen.iter().flat_map(|seen| &seen.sides) {
        responses += side.responses;
        judged += side.judged();
    }
    if judged == 0 {
        return Vec::new();
    }
    let share = judged as f64 / responses as f64;
    let told = context.detail(ANALYSIS, None, "judged", vec![About::name(identifier)]);
    let mut details = vec![told.with(Some(share), None, responses).because("a count, not an estimate")];
    details.extend(rates(context, &seen));
    details.extend(context.by_run(|run| of_run(context, run, &seen)));
    details
}

/// Line pass rate, line accuracy and word pass rate by language and side.
fn rates(context: &Context<'_>, seen: &[Seen]) -> Vec<Detail> {
    let mut langs: Vec<Lang> = seen.iter().map(|seen| seen.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    let mut numbers = context.plan.numbers();
    let mut wanted: Vec<Asked> = Vec::new();
    for lang in langs {
        for (side, name) in SIDES.into_iter().enumerate() {
            let own = || seen.iter().filter(|seen| seen.lang == lang).map(|seen| (seen.cluster, &seen.sides[side]));
            let n: usize = own().map(|(_, side)| side.judged()).sum();
            let asked: usize = own().map(|(_, side)| side.words().0).sum();
            let mut column = |of: &dyn Fn(&Confusion) -> usize| numbers.column(own().map(|(c, s)| (c, of(s) as f64)));
            let (judged, wrong) = (column(&|side| side.judged()), column(&|side| side.wrong()));
            let (words, english) = (column(&|side| side.words().0), column(&|side| side.words().1));
            let shares = numbers.column(own().map(|(cluster, side)| (cluster, side.shares())));
            let none = |sums: &[f64]| (sums[1] > 0.0).then(|| 1.0 - sums[0] / sums[1]);
            let enough = n >= MIN;
            let found = [
                ("line-pass-rate", n, enough.then(|| numbers.function(vec![wrong, judged], none))),
                ("line-accuracy", n, enough.then(|| numbers.ratio(shares, judged))),
                ("word-pass-rate", asked, (asked >= MIN).then(|| numbers.function(vec![english, words], none))),
            ];
            let of = vec![About::Lang(lang), About::name(name)];
            let single = own().all(|(_, side)| side.responses == 1) && is_distinct(own().map(|(cluster, _)| cluster));
            wanted.extend(found.map(|(measure, n, number)| {
                let single = single && measure != "line-accuracy";
                Asked { measure, of: of.clone(), n, number, single }
            }));
        }
    }
    let answers = numbers.resample();
    let why = |measure: &str, n: usize| match (measure, n) {
        ("word-pass-rate", 0) => "only asked of Arabic, Hindi, Japanese, Korean, Russian and Chinese".to_owned(),
        _ => format!("not enough data: {n} responses"),
    };
    wanted.into_iter().map(|asked| asked.detail(context, None, &answers, &why)).collect()
}

fn is_distinct(clusters: impl Iterator<Item = u32>) -> bool {
    let mut seen = std::collections::HashSet::new();
    clusters.into_iter().all(|cluster| seen.insert(cluster))
}

/// `Some(true)`: the chosen side is the one in the language; `None`: both are, neither is, or nothing can be told.
fn chosen_is_right(sides: &[Confusion; 2]) -> Option<bool> {
    let right = |side: &Confusion| side.judged() > 0 && side.wrong() == 0;
    let wrong = |side: &Confusion| side.judged() > 0 && side.wrong() == side.judged();
    match sides {
        [chosen, rejected] if right(chosen) && wrong(rejected) => Some(true),
        [chosen, rejected] if wrong(chosen) && right(rejected) => Some(false),
        _ => None,
    }
}

fn of_run(context: &Context<'_>, run: usize, seen: &[Seen]) -> Vec<Detail> {
    let told = seen.iter().filter_map(|seen| {
        let chosen = chosen_is_right(&seen.sides)?;
        let credit = match Evidence::Rewards.extremes(&context.table.item(run, seen.item))?.outcome() {
            Outcome::ChosenWins => f64::from(u8::from(chosen)),
            Outcome::RejectedWins => f64::from(u8::from(!chosen)),
            Outcome::Tie => 0.5,
        };
        Some((seen, chosen, credit))
    });
    let told: Vec<(&Seen, bool, f64)> = told.collect();
    let mut numbers = context.plan.numbers();
    let mut wanted: Vec<Asked> = Vec::new();
    let mut group = |measure, of: Vec<About>, is: &dyn Fn(&Seen, bool) -> bool| {
        let own = told.iter().filter(|(seen, chosen, _)| is(seen, *chosen));
        let items: Vec<(u32, f64)> = own.map(|(seen, _, credit)| (seen.cluster, *credit)).collect();
        let enough = items.len() >= MIN;
        // A language with few such items has no row.
        if !enough && !of.is_empty() {
            return;
        }
        let number = enough.then(|| {
            let credit = numbers.insert(&items);
            let all = numbers.column(items.iter().map(|(cluster, _)| (*cluster, 1.0)));
            numbers.ratio(credit, all)
        });
        let shares = items.iter().all(|(_, credit)| *credit != 0.5);
        let single = shares && is_distinct(items.iter().map(|(cluster, _)| *cluster));
        wanted.push(Asked { measure, of, n: items.len(), number, single });
    };
    group("prefers-right-language", Vec::new(), &|_, _| true);
    group("where-it-is-chosen", Vec::new(), &|_, chosen| chosen);
    group("where-it-is-rejected", Vec::new(), &|_, chosen| !chosen);
    let mut langs: Vec<Lang> = told.iter().map(|(seen, ..)| seen.lang).collect();
    langs.sort_unstable();
    langs.dedup();
    for lang in langs {
        group("prefers-right-language", vec![About::Lang(lang)], &|seen, _| seen.lang == lang);
    }
    let answers = numbers.resample();
    let why = |_: &str, n: usize| {
        format!("not enough data: {n} items with one side in the language and the other in another")
    };
    wanted.into_iter().map(|asked| asked.detail(context, Some(run), &answers, &why)).collect()
}
