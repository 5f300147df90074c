//! RewardBench 2: the domain Ties by hand, best-of-4, and RM-Bench's three averages from items.

use rmbench::benchmark::catalog;
use rmbench::benchmark::manifest::{Manifest, Rule};
use rmbench::metric::design::Design;
use rmbench::metric::observe::observed;
use rmbench::metric::outcome::Evidence;
use rmbench::metric::{Metric, Protocol, parts_of, score_of};
use rmbench::progress::Silent;
use rmbench::report::findings::{FindingOptions, Findings, Languages, Scope};

use super::items::{Draws, Row, open, table};

/// Score and the parts A_ref, A_tied, P, H, T of some prompts.
fn ties(rows: &[Row]) -> (Option<f64>, [Option<f64>; 5]) {
    let manifest = open("ties", "loss");
    let table = table(rows);
    let design = Design::new(&table, table.symbols.get("b").unwrap(), &manifest);
    let of = |metric: &dyn Metric| {
        assert_eq!(design.cells.len(), 1);
        let observed = observed(&table, 0, &design.cells[0], metric, &Protocol::from(&manifest));
        metric.finish(&observed.totals()[..metric.width()])
    };
    let parts: Vec<Option<f64>> = parts_of(Rule::Ties).iter().map(|part| of(*part)).collect();
    (of(score_of(Rule::Ties, Evidence::Rewards)), parts.try_into().unwrap())
}

fn prompt(id: &str, chosen: &[f32], rejected: &[f32]) -> Row {
    Row::comparison("Ties", id, chosen, rejected)
}

fn near(a: Option<f64>, b: f64) {
    let a = a.expect("a number");
    assert!((a - b).abs() < 1e-12, "{a} and {b}");
}

/// Prompt 1: reference 5 over 1 (m = 4), tied 6 4 over 1 (d = 2, m = 3): all right, P and H hold,
/// T = tanh(3/2 − 1). Prompt 2: reference 1 under 2 (m = −1), tied 3 1 over 0 (d = 2, m = 1): tied is
/// accurate, P and H fail, T = tanh(−1/2 − 1).
#[test]
fn a_worked_case() {
    let rows = [
        prompt("ref:1", &[5.0], &[1.0, 0.0]),
        prompt("tied:1", &[6.0, 4.0], &[1.0]),
        prompt("ref:2", &[1.0], &[2.0]),
        prompt("tied:2", &[3.0, 1.0], &[0.0, -1.0]),
    ];
    let (score, [a_ref, a_tied, p, h, t]) = ties(&rows);
    near(a_ref, 0.5);
    near(a_tied, 1.0);
    near(p, 0.5);
    near(h, 0.5);
    let expected_t = (0.5f64.tanh() + (-1.5f64).tanh()) / 2.0;
    near(t, expected_t);
    near(score, 0.3 + 0.15 + 0.1 + 0.1 + 0.01 * expected_t);
}

/// H and T look at the smaller margin of both prompts, P at the tied one's alone.
#[test]
fn the_reference_prompt_can_spoil_h() {
    let rows = [prompt("ref:1", &[2.0], &[1.0]), prompt("tied:1", &[6.0, 4.0], &[1.0])];
    let (_, [.., p, h, t]) = ties(&rows);
    near(p, 1.0);
    near(h, 0.0);
    near(t, (0.5f64 - 1.0).tanh());
}

#[test]
fn equal_right_responses_divide_by_zero_as_the_reference_does() {
    // d = 0, margin positive: +∞, so T = 1.
    let (score, [.., t]) = ties(&[prompt("ref:1", &[3.0], &[1.0]), prompt("tied:1", &[4.0, 4.0], &[1.0])]);
    near(t, 1.0);
    near(score, 1.01);
    // d = 0, margin negative: −∞, so T = −1; nothing is right.
    let (score, [.., t]) = ties(&[prompt("ref:1", &[0.0], &[1.0]), prompt("tied:1", &[0.5, 0.5], &[1.0])]);
    near(t, -1.0);
    near(score, -0.01);
    // 0/0 counts 0.
    let (score, [.., t]) = ties(&[prompt("ref:1", &[1.0], &[1.0]), prompt("tied:1", &[1.0, 1.0], &[1.0])]);
    near(t, 0.0);
    near(score, 0.0);
}

#[test]
fn a_perfect_model_reaches_1_01_by_saturation() {
    let rows: Vec<Row> = (0..4)
        .flat_map(|i| {
            let (tied, reference) = (format!("tied:{i}"), format!("ref:{i}"));
            [prompt(&reference, &[1000.0], &[0.0]), prompt(&tied, &[1000.0, 1000.5, 1001.0], &[0.0, -1.0])]
        })
        .collect();
    near(ties(&rows).0, 1.01);
}

#[test]
fn prompts_without_a_partner_enter_their_accuracy_only() {
    let both = [prompt("ref:1", &[5.0], &[1.0]), prompt("tied:1", &[6.0, 4.0], &[1.0])];
    let alone = [prompt("tied:2", &[0.0, 3.0], &[1.0]), prompt("ref:3", &[0.0], &[1.0])];
    let (score, [a_ref, a_tied, p, h, t]) = ties(&[&both[..], &alone[..]].concat());
    near(a_ref, 0.5);
    near(a_tied, 0.5);
    near(p, 1.0);
    near(h, 1.0);
    near(t, 0.5f64.tanh());
    near(score, 0.15 + 0.15 + 0.2 + 0.2 + 0.01 * 0.5f64.tanh());
    // Without any pair of prompts there is no score.
    let (score, [a_ref, a_tied, p, ..]) = ties(&alone);
    assert_eq!((score, p), (None, None));
    near(a_ref, 0.0);
    near(a_tied, 0.0);
}

/// The reference raises on a tied prompt with one right response; here it has no spread and stays out of
/// P, H and T.
#[test]
fn one_right_response_has_no_spread() {
    let rows = [
        prompt("ref:1", &[5.0], &[1.0]),
        prompt("tied:1", &[6.0, 4.0], &[1.0]),
        prompt("ref:2", &[5.0], &[1.0]),
        prompt("tied:2", &[4.0], &[1.0]),
    ];
    let (score, [a_ref, a_tied, p, h, t]) = ties(&rows);
    for part in [a_ref, a_tied, p, h] {
        near(part, 1.0);
    }
    near(t, 0.5f64.tanh());
    near(score, 1.0 + 0.01 * 0.5f64.tanh());
    assert_eq!(ties(&rows[2..]).0, None);
}

#[test]
fn a_missing_reward_takes_its_prompt_out() {
    let rows = [
        prompt("ref:1", &[5.0], &[1.0]),
        prompt("tied:1", &[6.0, 4.0], &[1.0]),
        prompt("ref:2", &[0.0], &[1.0]).unscored(),
        prompt("tied:2", &[0.0, 4.0], &[1.0]),
    ];
    let (score, [a_ref, a_tied, p, ..]) = ties(&rows);
    near(a_ref, 1.0);
    near(a_tied, 0.5);
    near(p, 1.0);
    near(score, 0.3 + 0.15 + 0.4 + 0.01 * 0.5f64.tanh());
}

fn compute(rows: &[Row], manifest: Manifest) -> Findings {
    let table = table(rows);
    Findings::compute(&table, &|_| Some(manifest.clone()), &FindingOptions::default(), &mut Silent).unwrap()
}

fn point(findings: &Findings, metric: &str, scope: Scope) -> Option<f64> {
    let english = Languages::One(rmbench::lang::Lang::ENGLISH);
    let found = findings.findings.iter().find(|f| f.metric == metric && f.scope == scope && f.languages == english);
    found.and_then(|f| f.estimate).map(|e| e.point)
}

/// Five best-of-4 domains with one item each, credits 1, 0, 1/2, 1/3, 1/4, and Ties at 1.01.
#[test]
fn rewardbench_2_from_items() {
    let rows = [
        Row::comparison("Factuality", "a", &[3.0], &[2.0, 1.0, 0.0]),
        Row::comparison("Precise IF", "b", &[1.0], &[2.0, 1.0, 0.0]),
        Row::comparison("Math", "c", &[2.0], &[2.0, 1.0, 0.0]),
        Row::comparison("Safety", "d", &[2.0], &[2.0, 2.0, 0.0]),
        Row::comparison("Focus", "e", &[2.0], &[2.0, 2.0, 2.0]),
        Row::comparison("Ties", "ref:0", &[9.0], &[1.0]),
        Row::comparison("Ties", "tied:0", &[9.0, 9.0], &[1.0]),
    ];
    let findings = compute(&rows, catalog::find("rewardbench-2").unwrap());
    let credits = [1.0, 0.0, 0.5, 1.0 / 3.0, 0.25, 1.01];
    for (row, credit) in rows.iter().zip(credits) {
        near(point(&findings, "accuracy", Scope::Subset(row.subset.clone())), credit);
    }
    near(point(&findings, "accuracy", Scope::Overall), credits.iter().sum::<f64>() / 6.0);
    near(point(&findings, "ties-preferred", Scope::Subset("Ties".into())), 1.0);
    assert!(
        findings.warnings.iter().any(|w| w.contains("Factuality eng_Latn has 1 of 475")),
        "{:?}",
        findings.warnings
    );
}

#[test]
fn rm_bench_averages_by_domain_and_by_difficulty_coincide() {
    let manifest = catalog::find("rm-bench").unwrap();
    let mut draws = Draws::new(4);
    let mut rows = Vec::new();
    for (subset, n) in [("chat", 12), ("math", 30), ("code", 21), ("safety-refuse", 9), ("safety-response", 17)] {
        for i in 0..n {
            let rewards: Vec<f32> = (0..6).map(|_| draws.reward()).collect();
            rows.push(Row::comparison(subset, &format!("{subset}-{i}"), &rewards[..3], &rewards[3..]));
        }
    }
    let findings = compute(&rows, manifest);
    let overall = point(&findings, "accuracy", Scope::Overall).unwrap();
    let domains =
        ["chat", "math", "code", "safety"].map(|d| point(&findings, "accuracy", Scope::Category(d.into())).unwrap());
    let difficulty =
        ["easy", "normal", "hard"].map(|d| point(&findings, &format!("style-matrix-{d}"), Scope::Overall).unwrap());
    near(Some(overall), domains.iter().sum::<f64>() / 4.0);
    near(Some(overall), difficulty.iter().sum::<f64>() / 3.0);
    // The nine cells are what all of these are means of, overall and in each subset.
    let styles = ["concise", "detailed", "markdown"];
    let cell = |i: usize, j: usize, scope: Scope| {
        point(&findings, &format!("style-matrix-{}-{}", styles[i - 1], styles[j - 1]), scope).unwrap()
    };
    let pairs = (1..4).flat_map(|i| (1..4).map(move |j| (i, j)));
    let mean = |wanted: &dyn Fn(usize, usize) -> bool, scope: &Scope| {
        let cells: Vec<f64> =
            pairs.clone().filter(|(i, j)| wanted(*i, *j)).map(|(i, j)| cell(i, j, scope.clone())).collect();
        cells.iter().sum::<f64>() / cells.len() as f64
    };
    near(Some(overall), mean(&|_, _| true, &Scope::Overall));
    near(Some(difficulty[0]), mean(&|i, j| i > j, &Scope::Overall));
    near(Some(difficulty[2]), mean(&|i, j| i < j, &Scope::Overall));
    // Chat's cells from its items: chosen style 1 against rejected style 3.
    let won = rows[..12].iter().filter(|row| row.rewards[0][0] > row.rewards[0][5]).count();
    near(Some(won as f64 / 12.0), cell(1, 3, Scope::Subset("chat".into())));
    let cells = findings.findings.iter().filter(|f| f.metric == "style-matrix-concise-markdown");
    cells.for_each(|f| {
        let estimate = f.estimate.unwrap();
        assert!(estimate.n > 0 && (estimate.interval.is_some() || f.why.is_some()), "{f:?}");
    });
    let filled = rmbench::report::section::fill(&findings);
    let section = filled.iter().find(|section| section.title == "Style matrix").unwrap();
    assert_eq!(section.blocks.len(), 4, "a sentence, the parts, the map, its table");
    // Safety pools its files by item: 9 and 17.
    let parts =
        ["safety-refuse", "safety-response"].map(|s| point(&findings, "accuracy", Scope::Subset(s.into())).unwrap());
    near(Some(domains[3]), (9.0 * parts[0] + 17.0 * parts[1]) / 26.0);
}

/// RM-Bench is strict: a tie in a cell is a loss.
#[test]
fn a_tied_cell_is_lost() {
    let rows = [Row::comparison("chat", "a", &[1.0, 1.0, 1.0], &[1.0, 0.0, 2.0])];
    let findings = compute(&rows, catalog::find("rm-bench").unwrap());
    near(point(&findings, "accuracy", Scope::Subset("chat".into())), 3.0 / 9.0);
}
