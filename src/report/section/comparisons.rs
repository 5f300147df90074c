//! Pairs of runs: differences, tests, what could have been found; leaders by language; tests of equality.

use super::details::p_value;
use super::{benchmark_id, matrix, per_benchmark};
use crate::report::block::{Block, Cell, Column, Inline, Row, Table, Value, visible};
use crate::report::figure::{Figure, Heat, HeatCell, Label, Plot, Ramp};
use crate::report::findings::{
    BenchmarkInfo, ChiSquare, EqualityTest, Findings, Languages, PairedDifference, Ranking, Scope,
};
use crate::report::measure::Unit;
use crate::report::number;
use crate::report::select::{headline, ranking, run_name};

/// More rows than this are shown on demand.
const MOST_OPEN: usize = 30;
/// Runs of which a map says more than the table.
const FEWEST_MAPPED: usize = 4;
/// Runs that a map has room for.
const MOST_MAPPED: usize = 40;
/// More runs than this are counted instead of named.
const MOST_NAMED: usize = 4;

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let mut blocks = Vec::new();
        pairs(findings, benchmark, i, &mut blocks);
        leaders(findings, benchmark, i, &mut blocks);
        equality(findings, benchmark, i, &mut blocks);
        (!blocks.is_empty()).then_some(blocks)
    })
}

fn pairs(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, blocks: &mut Vec<Block>) {
    let Some(headline) = headline(benchmark) else { return };
    let order = ranking(findings, benchmark);
    let place = |run: usize| order.iter().position(|r| *r == run);
    let mut here: Vec<&PairedDifference> = findings
        .differences
        .iter()
        .filter(|d| d.benchmark == benchmark.name && d.scope == Scope::Overall && d.languages == headline)
        .filter(|d| d.tests.family > 0 || d.tests.mcnemar.is_some())
        .collect();
    if here.is_empty() {
        return;
    }
    here.sort_by_key(|d| {
        let (a, b) = (place(d.run), place(d.baseline));
        (a.min(b), a.max(b))
    });
    let family = here.iter().map(|d| d.tests.family).max().unwrap_or(0);
    blocks.push(Block::Paragraph(
        format!(
            "Every pair of runs, paired over the items both scored. {} {}",
            super::leaderboard::over(&headline),
            explanation(findings, family)
        )
        .into(),
    ));
    let tested: Vec<usize> =
        order.iter().copied().filter(|run| here.iter().any(|d| d.run == *run || d.baseline == *run)).collect();
    if (FEWEST_MAPPED..=MOST_MAPPED).contains(&tested.len()) {
        blocks.push(map(findings, benchmark, i, &tested, &here).into());
    }
    let caption = format!("Differences in percentage points with {} % intervals.", number::level(findings.level));
    let id = benchmark_id("comparisons", benchmark, i);
    let title = counted(here.len(), "pair of runs");
    fold(blocks, title, table(findings, id, caption, &here, false));
}

/// Every run against every other: who is ahead, by how much, and where that is established.
fn map(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    runs: &[usize],
    differences: &[&PairedDifference],
) -> Figure {
    let between = |a: usize, b: usize| {
        differences.iter().find_map(|d| match (d.run, d.baseline) {
            pair if pair == (a, b) => Some((d.estimate?, *d)),
            pair if pair == (b, a) => Some((d.estimate?.reversed(), *d)),
            _ => None,
        })
    };
    let cell = |a: usize, b: usize| {
        let what = format!("{} against {}", run_name(findings, a), run_name(findings, b));
        let found = between(a, b);
        let p = found.and_then(|(_, d)| d.tests.p_romano_wolf);
        let (estimate, why) = (found.map(|(estimate, _)| estimate), "not compared");
        let value = Value { estimate, ..Value::absent(Unit::Points, why) };
        let mut hover = if a == b { visible(&run_name(findings, a)) } else { matrix::hover(&what, &value) };
        if let Some(p) = p {
            hover.push_str(&format!(", {} (Romano-Wolf)", p_value(p)));
        }
        HeatCell { estimate, hover, run: Some(a), lang: None, faint: p.is_none_or(|p| p >= 1.0 - findings.level) }
    };
    let label =
        |(place, run): (usize, &usize)| Label::run(*run, &format!("{}  {}", place + 1, run_name(findings, *run)));
    let number = |(place, run): (usize, &usize)| Label::text(&(place + 1).to_string()).of_run(*run);
    Figure {
        id: benchmark_id("pairs", benchmark, i),
        title: visible(&format!("Every run against every other, {}", benchmark.title)),
        caption: format!(
            "The run of the row minus the run of the column, percentage points. Coloured where the difference is \
             established (Romano-Wolf over all pairs, {} %).",
            number::level(1.0 - findings.level)
        )
        .into(),
        alt: format!(
            "Paired differences of {} runs in the order of the leaderboard; the table has the numbers.",
            runs.len()
        ),
        plot: Plot::Heat(Heat {
            legend: "points".to_owned(),
            unit: Unit::Points,
            ramp: Ramp::Diverging,
            range: None,
            rows: runs.iter().enumerate().map(label).collect(),
            columns: runs.iter().enumerate().map(number).collect(),
            cells: runs.iter().map(|a| runs.iter().map(|b| cell(*a, *b)).collect()).collect(),
        }),
    }
}

fn explanation(findings: &Findings, family: usize) -> String {
    format!(
        "p is the paired cluster bootstrap's; Romano-Wolf and Holm adjust it so that the chance of any false finding \
         among {} stays at {} %, Benjamini-Hochberg so that this share of findings is expected to be \
         false. Detectable is the true difference that would be found four times in five.",
        counted(family, "comparison"),
        number::level(1.0 - findings.level)
    )
}

fn fold(blocks: &mut Vec<Block>, title: String, table: Table) {
    let open = table.rows.len() <= MOST_OPEN;
    match open {
        true => blocks.push(table.into()),
        false => blocks.push(Block::Fold { summary: title.into(), blocks: vec![table.into()], open: false }),
    }
}

/// `1 pair`, `300 pairs`.
pub fn counted(n: usize, what: &str) -> String {
    match (n, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (n, Some((word, rest))) => format!("{} {word}s {rest}", number::count(n)),
        (n, None) => format!("{} {what}s", number::count(n)),
    }
}

/// p as printed: never 0, which no test gives.
pub fn p_text(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

fn p_cell(p: Option<f64>) -> Cell {
    p.map_or_else(
        || Cell::Absent("not enough data for this test".to_owned()),
        |p| Cell::Number { text: p_text(p), key: p },
    )
}

/// A share that is no estimate, in percent.
pub fn percent_cell(share: f64) -> Cell {
    Cell::Number { text: number::point(share, Unit::Percent), key: share }
}

/// A row per difference; tests of the items themselves where some row has them.
pub fn table(
    findings: &Findings,
    id: String,
    caption: String,
    differences: &[&PairedDifference],
    by_language: bool,
) -> Table {
    let any = |has: &dyn Fn(&PairedDifference) -> bool| differences.iter().any(|d| has(d));
    let (has_tables, has_ties) = (any(&|d| d.tests.mcnemar.is_some()), any(&|d| d.tests.stuart_maxwell.is_some()));
    let mut columns = vec![Column::left(if by_language { "Language" } else { "Run" })];
    columns.push(Column::left(if by_language { "Run" } else { "Against" }));
    columns.push(Column::right("Difference").about("Accuracy of the run minus accuracy of the other"));
    let p = |title: &str| Column::right(title).lowest_first();
    columns.push(p("p").about("Paired cluster bootstrap, two-sided"));
    columns.push(p("Romano-Wolf").about("p adjusted by step-down over the same replicates"));
    columns.push(p("Holm").about("p adjusted for the chance of any false finding"));
    columns.push(p("Benjamini-Hochberg").about("p adjusted for the share of false findings"));
    columns.push(Column::right("Detectable").about("Minimum detectable effect in points, power 80 %"));
    if has_tables {
        columns.push(Column::right("Only one right").about("Items only the run : only the other gets right"));
        columns.push(p("McNemar").about("Exact p, each item counting once"));
        columns.push(p("McNemar, mid-p"));
    }
    if has_ties {
        columns.push(p("Stuart-Maxwell").about("p with ties as an outcome of their own"));
    }
    let rows = differences.iter().map(|d| {
        let run = Inline::new().name(run_name(findings, d.run));
        let lang = match &d.languages {
            Languages::One(lang) if by_language => Some(*lang),
            _ => None,
        };
        let mut cells: Vec<Cell> = match (&d.languages, by_language) {
            (Languages::One(lang), true) => vec![Inline::new().lang(*lang).into(), run.into()],
            (Languages::Average(name), true) => vec![Inline::new().name(name).into(), run.into()],
            (_, false) => vec![run.into(), Inline::new().name(run_name(findings, d.baseline)).into()],
        };
        let value =
            Value { estimate: d.estimate, why: d.why.as_deref().map(visible), ..Value::absent(Unit::Points, "") };
        cells.push(value.into());
        cells.extend([d.tests.p, d.tests.p_romano_wolf, d.tests.p_holm, d.tests.p_bh].map(p_cell));
        cells.push(
            d.tests.detectable.map_or_else(|| Cell::Absent("not enough data for this test".to_owned()), percent_cell),
        );
        if has_tables {
            let counts = d.tests.mcnemar.map(|m| Cell::Number {
                text: format!("{} : {}", number::count(m.only_run as usize), number::count(m.only_baseline as usize)),
                key: m.only_run as f64 - m.only_baseline as f64,
            });
            let none = || Cell::Absent("items of several languages, or not right or wrong".to_owned());
            cells.push(counts.unwrap_or_else(none));
            cells.push(d.tests.mcnemar.map_or_else(none, |m| p_cell(Some(m.exact_p))));
            cells.push(d.tests.mcnemar.map_or_else(none, |m| p_cell(Some(m.mid_p))));
        }
        if has_ties {
            let none = || Cell::Absent("no ties here".to_owned());
            cells.push(d.tests.stuart_maxwell.map_or_else(none, |found| p_cell(Some(found.p))));
        }
        Row { cells, lang, run: Some(d.run), pinned: false }
    });
    Table { id, caption: caption.into(), columns, rows: rows.collect() }
}

/// Who leads in each language, and with whom.
fn leaders(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, blocks: &mut Vec<Block>) {
    let here: Vec<&Ranking> = findings.rankings.iter().filter(|r| r.benchmark == benchmark.name).collect();
    if here.len() < 2 {
        return;
    }
    let rows = here.iter().filter_map(|ranking| {
        let first = ranking.ranks.first()?;
        let (label, lang) = match &ranking.languages {
            Languages::One(lang) => (Inline::new().lang(*lang), Some(*lang)),
            Languages::Average(name) => (Inline::new().name(name), None),
        };
        let tied: Vec<Inline> =
            level_with_first(ranking).into_iter().map(|run| Inline::new().name(run_name(findings, run))).collect();
        let tied = match tied.len() {
            0 => Inline::from("none"),
            n if n > MOST_NAMED => Inline::from(format!("{n} runs")),
            _ => Inline::new().list(tied),
        };
        let best = first.chance_of_best.map_or_else(|| Cell::Absent("not enough data".to_owned()), percent_cell);
        let cells = vec![
            label.into(),
            Inline::new().name(run_name(findings, first.run)).into(),
            best,
            tied.into(),
            Cell::Count(ranking.pairs),
        ];
        Some(Row { cells, lang, run: None, pinned: lang.is_none() })
    });
    let columns = vec![
        Column::left("Language"),
        Column::left("Highest score"),
        Column::right("Best, %").about("Share of replicates in which it is the best"),
        Column::left("Not told apart from it").about("Runs that do not differ significantly from it"),
        Column::right("Pairs").about("Tested together, Romano-Wolf"),
    ];
    let caption = "Who leads in each language, and which runs cannot be told apart from the leader.".into();
    let table = Table { id: benchmark_id("leaders", benchmark, i), caption, columns, rows: rows.collect() };
    blocks.push(table.into());
}

/// Runs that share a tie group with the one that has the highest score.
pub fn level_with_first(ranking: &Ranking) -> Vec<usize> {
    let Some((first, others)) = ranking.ranks.split_first() else { return Vec::new() };
    let share = |groups: &[String]| groups.iter().any(|group| first.groups.contains(group));
    others.iter().filter(|rank| share(&rank.groups)).map(|rank| rank.run).collect()
}

fn equality(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, blocks: &mut Vec<Block>) {
    let here: Vec<&EqualityTest> = findings.equality.iter().filter(|t| t.benchmark == benchmark.name).collect();
    if here.is_empty() {
        return;
    }
    let rows = here.iter().map(|test| {
        let (label, lang) = match (test.run, &test.languages) {
            (Some(run), _) => (Inline::new().name(run_name(findings, run)).text(": languages are equally hard"), None),
            (None, Some(Languages::One(lang))) => {
                (Inline::new().lang(*lang).text(": runs are equally good"), Some(*lang))
            }
            (None, _) => (Inline::from("runs are equally good"), None),
        };
        let why = || Cell::Absent(test.why.clone().unwrap_or_else(|| "not enough data".to_owned()));
        let cell = |number: &dyn Fn(&ChiSquare) -> (String, f64)| match &test.found {
            Some(found) => {
                let (text, key) = number(found);
                Cell::Number { text, key }
            }
            None => why(),
        };
        let cells = vec![
            label.into(),
            cell(&|found| (format!("{:.1}", found.statistic), found.statistic)),
            cell(&|found| (found.df.to_string(), found.df as f64)),
            cell(&|found| (p_text(found.p), found.p)),
            Cell::Count(test.n),
        ];
        Row { cells, lang, run: test.run, pinned: false }
    });
    let columns = vec![
        Column::left("What is tested"),
        Column::right("Q").about("Cochran's Q"),
        Column::right("Degrees of freedom"),
        Column::right("p").lowest_first(),
        Column::right("n").about("Items with an outcome in all of them"),
    ];
    let table = Table {
        id: benchmark_id("equality", benchmark, i),
        caption: "Cochran's Q on items that have every outcome, each counting once; a tie is not right.".into(),
        columns,
        rows: rows.collect(),
    };
    fold(blocks, "Tests of equality across languages and runs".to_owned(), table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::Rank;

    #[test]
    fn p_is_never_zero() {
        assert_eq!((p_text(0.0), p_text(0.0312), p_text(1.0)), ("< 0.001".into(), "0.031".into(), "1.000".into()));
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(["1 pair", "300 pairs"], [counted(1, "pair"), counted(300, "pair")]);
        assert_eq!(counted(300, "pair of runs"), "300 pairs of runs");
    }

    #[test]
    fn the_leader_shares_its_group() {
        let rank = |run, groups: &[&str]| Rank {
            run,
            low: 1,
            high: 3,
            chance_of_best: None,
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        };
        let ranks = vec![rank(4, &["a"]), rank(2, &["a", "b"]), rank(0, &["b"])];
        let ranking = Ranking { benchmark: "b".into(), languages: Languages::Average("macro".into()), pairs: 3, ranks };
        assert_eq!(level_with_first(&ranking), [2]);
    }
}
