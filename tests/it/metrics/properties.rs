//! What must hold for every metric in `METRICS`, and for findings as a whole.

use rmbench::benchmark::manifest::Manifest;
use rmbench::lang::Lang;
use rmbench::metric::design::Design;
use rmbench::metric::observe::observed;
use rmbench::metric::{Estimate, METRICS, Metric, Protocol};
use rmbench::progress::Silent;
use rmbench::report::findings::{Finding, FindingOptions, Findings, Languages, PairedDifference, Scope};
use rmbench::table::item::ItemTable;

use super::items::{Draws, Row, open, table};

/// Items of the shape a metric is for.
fn rows_for(metric: &dyn Metric, seed: u64, n: usize, change: &dyn Fn(f32) -> f32) -> Vec<Row> {
    let mut draws = Draws::new(seed);
    let mut rewards = |k: usize| -> Vec<f32> { (0..k).map(|_| change(draws.reward())).collect() };
    let mut rows = Vec::new();
    for i in 0..n {
        let id = metric.id();
        if id.starts_with("style-matrix") {
            rows.push(Row::comparison("s", &format!("i{i}"), &rewards(3), &rewards(3)));
        } else if id.starts_with("ties") {
            rows.push(Row::comparison("s", &format!("ref:{i}"), &rewards(1), &rewards(2)));
            rows.push(Row::comparison("s", &format!("tied:{i}"), &rewards(3), &rewards(2)));
        } else if id.starts_with("grade") {
            let grades: Vec<f32> = rewards(2).iter().map(|r| 1.0 + r.abs().floor() % 5.0).collect();
            let all = if id.starts_with("graded") { rewards(2) } else { grades };
            rows.push(Row::comparison("s", &format!("i{i}"), &all[..1], &all[1..]));
        } else if id.starts_with("two-orders") {
            rows.push(Row::comparison("s", &format!("i{i}"), &rewards(2), &rewards(2)));
        } else {
            let m = if i % 2 == 0 { 1 } else { 3 };
            let mut row = Row::comparison("s", &format!("i{i}"), &rewards(1), &rewards(m));
            // Longer, shorter and alike, on either side.
            row.chars = (0..1 + m as u32).map(|k| 10 + (i as u32 * 7 + k * 5) % 23).collect();
            rows.push(row);
        }
    }
    rows
}

/// With gold grades from the length of the responses' ids, so that they follow their rows.
fn graded(rows: &[Row]) -> ItemTable {
    let mut table = table(rows);
    let grade = |row: &Row, i: usize| 1 + ((row.id.bytes().map(usize::from).sum::<usize>() + 3 * i) % 5) as u8;
    let slots = |row: &Row| usize::from(row.n_chosen + row.n_rejected);
    table.grades = rows.iter().flat_map(|row| (0..slots(row)).map(move |i| grade(row, i))).collect();
    table
}

fn rule_of(metric: &dyn Metric) -> Manifest {
    let id = metric.id();
    if id.starts_with("style-matrix") {
        open("style-matrix", "loss")
    } else if id.starts_with("ties") {
        open("ties", "loss")
    } else if id.starts_with("grade") {
        open("graded", "loss")
    } else if id.starts_with("two-orders") {
        open("two-orders", "loss")
    } else {
        open("accuracy", "one-over-k")
    }
}

fn value_of(metric: &dyn Metric, table: &ItemTable) -> Option<f64> {
    let manifest = rule_of(metric);
    let design = Design::new(table, table.symbols.get("b").unwrap(), &manifest);
    let observed = observed(table, 0, &design.cells[0], metric, &Protocol::from(&manifest));
    metric.finish(&observed.totals()[..metric.width()])
}

#[test]
fn row_order_does_not_matter() {
    for metric in METRICS {
        let rows = rows_for(*metric, 1, 40, &|r| r);
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|row| row.id.bytes().rev().collect::<Vec<_>>());
        let (a, b) = (value_of(*metric, &graded(&rows)).unwrap(), value_of(*metric, &graded(&shuffled)).unwrap());
        assert!((a - b).abs() < 1e-12, "{}: {a} and {b}", metric.id());
    }
}

/// Rewards are multiples of 1/8, so adding 16 is exact.
#[test]
fn a_constant_added_to_every_reward_does_not_matter() {
    // A grade is what it is.
    for metric in METRICS.iter().filter(|metric| !metric.id().starts_with("grade-")) {
        let plain = value_of(*metric, &graded(&rows_for(*metric, 2, 40, &|r| r)));
        let shifted = value_of(*metric, &graded(&rows_for(*metric, 2, 40, &|r| r + 16.0)));
        assert!(plain.is_some());
        assert_eq!(plain, shifted, "{}", metric.id());
    }
}

#[test]
fn swapping_chosen_and_rejected_turns_a_share_round_where_there_are_no_ties() {
    let mirror = |id: &str| match id {
        "accuracy" | "style-matrix" | "style-matrix-normal" => id.to_owned(),
        "style-matrix-easy" => "style-matrix-hard".to_owned(),
        "style-matrix-hard" => "style-matrix-easy".to_owned(),
        _ => String::new(),
    };
    for metric in METRICS {
        let Some(other) = METRICS.iter().find(|m| m.id() == mirror(metric.id())) else { continue };
        let size = if metric.id() == "accuracy" { 1 } else { 3 };
        let mut draws = Draws::new(3);
        let (mut rows, mut swapped) = (Vec::new(), Vec::new());
        for i in 0..50 {
            // Distinct: an index far below 1/8 is added.
            let rewards: Vec<f32> = (0..2 * size).map(|k| draws.reward() + k as f32 / 64.0).collect();
            let id = format!("i{i}");
            rows.push(Row::comparison("s", &id, &rewards[..size], &rewards[size..]));
            swapped.push(Row::comparison("s", &id, &rewards[size..], &rewards[..size]));
        }
        let (a, b) = (value_of(*metric, &table(&rows)).unwrap(), value_of(*other, &table(&swapped)).unwrap());
        assert!((a + b - 1.0).abs() < 1e-12, "{}: {a} and {b}", metric.id());
    }
}

/// Three runs, two categories of two subsets each, parallel in some languages; some ties, some missing.
fn parallel(langs: &[&'static str]) -> Vec<Row> {
    let mut rows = Vec::new();
    for subset in ["s1", "s2", "s3", "s4"] {
        for lang in langs {
            for i in 0..25 {
                let mut draws = Draws::new(
                    (i * 97 + lang.bytes().map(u64::from).sum::<u64>() * 7) ^ u64::from(subset.as_bytes()[1]) << 20,
                );
                let mut row = Row::pair("b", subset, lang, &format!("{subset}-{i:02}"), &[(0.0, 0.0); 3]);
                row.category = Some(if subset < "s3" { "first" } else { "second" });
                for (run, rewards) in row.rewards.iter_mut().enumerate() {
                    let missing = draws.bits().is_multiple_of(29);
                    let lead = 4.0 * run as f32;
                    *rewards = vec![Some(draws.reward() + lead), if missing { None } else { Some(draws.reward()) }];
                }
                rows.push(row);
            }
        }
    }
    rows
}

fn compute(rows: &[Row], options: &FindingOptions) -> Findings {
    Findings::compute(&table(rows), &|_| None, options, &mut Silent).unwrap()
}

fn options(seed: u64) -> FindingOptions {
    FindingOptions { replicates: 400, seed, ..FindingOptions::default() }
}

const LANGS: [&str; 3] = ["arb_Arab", "deu_Latn", "eng_Latn"];

#[test]
fn intervals_contain_their_points_and_numbers_are_explained_or_there() {
    let findings = compute(&parallel(&LANGS), &options(5));
    let mut with_interval = 0;
    for finding in &findings.findings {
        match &finding.estimate {
            None => assert!(finding.why.is_some(), "{finding:?}"),
            Some(estimate) => {
                assert!(estimate.n > 0, "{finding:?}");
                match &estimate.interval {
                    None => assert!(finding.why.is_some(), "{finding:?}"),
                    Some(i) => {
                        with_interval += 1;
                        assert!(i.low <= estimate.point && estimate.point <= i.high, "{finding:?}");
                        assert!(i.low < i.high, "{finding:?}");
                    }
                }
            }
        }
    }
    assert!(with_interval > 100, "{with_interval}");
    for difference in &findings.differences {
        let estimate = difference.estimate.unwrap();
        let interval = estimate.interval.unwrap();
        assert!(interval.low <= estimate.point && estimate.point <= interval.high);
    }
}

#[test]
fn the_same_seed_gives_the_same_intervals() {
    let rows = parallel(&LANGS);
    assert_eq!(compute(&rows, &options(1)), compute(&rows, &options(1)));
    assert_ne!(compute(&rows, &options(1)).findings, compute(&rows, &options(2)).findings);
}

/// A program may call from its own pool's only thread: it must not wait for another.
#[test]
fn a_pool_of_one_thread_computes_the_same() {
    let rows = parallel(&LANGS);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| compute(&rows, &options(1))), compute(&rows, &options(1)));
}

#[test]
fn adding_a_language_does_not_change_another_ones_numbers() {
    let two = compute(&parallel(&LANGS), &options(1));
    let three = compute(&parallel(&["arb_Arab", "deu_Latn", "eng_Latn", "zho_Hans"]), &options(1));
    let deu = Lang::from_code("deu_Latn").unwrap();
    let of = |findings: &Findings| -> Vec<Finding> {
        findings.findings.iter().filter(|f| f.languages == Languages::One(deu)).cloned().collect()
    };
    assert!(of(&two).len() > 30);
    // The new language translates the same source items, so even the intervals stay: to the precision of replicates, which
    // are f32 (a share of right items is summed from those that are wrong where they are fewer, and which items they are
    // missing from is decided over all languages).
    let without_interval = |findings: &[Finding]| -> Vec<Finding> {
        let bare = |finding: &Finding| {
            let estimate = finding.estimate.map(|estimate| Estimate { interval: None, ..estimate });
            Finding { estimate, ..finding.clone() }
        };
        findings.iter().map(bare).collect()
    };
    let (two, three) = (of(&two), of(&three));
    assert_eq!(without_interval(&two), without_interval(&three));
    let bounds = |finding: &Finding| finding.estimate.and_then(|e| e.interval).map(|i| [i.low, i.high]);
    for (a, b) in two.iter().zip(&three) {
        let same = match (bounds(a), bounds(b)) {
            (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| (a - b).abs() <= f64::from(f32::EPSILON)),
            (a, b) => a == b,
        };
        assert!(same, "{a:?}\n{b:?}");
    }
}

/// A run compared with itself under another name differs by exactly nothing.
#[test]
fn equal_runs_differ_by_nothing() {
    let mut rows = parallel(&LANGS);
    for row in &mut rows {
        row.rewards[1] = row.rewards[0].clone();
    }
    let findings = compute(&rows, &options(1));
    let zero: Vec<_> = findings.differences.iter().filter(|d| d.run == 1 && d.baseline == 0).collect();
    assert!(!zero.is_empty());
    for difference in zero {
        assert_eq!(difference.estimate.unwrap().point, 0.0);
        assert!(difference.estimate.unwrap().interval.is_none(), "nothing varies");
    }
    let better: Vec<_> = findings.differences.iter().filter(|d| d.run == 2 && d.baseline == 0).collect();
    let low = |d: &PairedDifference| d.estimate.unwrap().interval.unwrap().low;
    // 25 pairs may say too little (p = 0.065): then the bound is 0, as far as replicates of 32 bits can tell.
    let [clear, open]: [Vec<&PairedDifference>; 2] =
        [true, false].map(|clear| better.iter().copied().filter(|d| (d.tests.p.unwrap() <= 0.05) == clear).collect());
    assert!(clear.len() > open.len() && clear.iter().all(|d| low(d) > 0.0));
    assert!(open.iter().all(|d| low(d) > -1e-6));
}

/// Overall of an open benchmark counts items: the micro average of two categories is their pool.
#[test]
fn pairs_are_pooled_by_item() {
    let rows = parallel(&LANGS);
    let findings = compute(&rows, &options(1));
    let right = |filter: &dyn Fn(&Row) -> bool| {
        let (mut right, mut n) = (0, 0);
        for row in rows.iter().filter(|row| filter(row)) {
            if let [Some(chosen), Some(rejected)] = row.rewards[0][..] {
                n += 1;
                right += usize::from(chosen > rejected);
            }
        }
        (f64::from(right as u32) / f64::from(n as u32), n)
    };
    let find = |scope: Scope, languages: Languages| {
        let found = findings
            .findings
            .iter()
            .find(|f| f.run == 0 && f.metric == "accuracy" && f.scope == scope && f.languages == languages);
        let estimate = found.unwrap().estimate.unwrap();
        (estimate.point, estimate.n)
    };
    assert_eq!(find(Scope::Overall, Languages::Average("micro".into())), right(&|_| true));
    assert_eq!(
        find(Scope::Category("first".into()), Languages::Average("micro".into())),
        right(&|r| r.category == Some("first"))
    );
    let deu = Languages::One(Lang::from_code("deu_Latn").unwrap());
    assert_eq!(find(Scope::Overall, deu.clone()), right(&|r| r.lang == "deu_Latn"));
    assert_eq!(find(Scope::Subset("s3".into()), deu), right(&|r| r.lang == "deu_Latn" && r.subset == "s3"));
    let macro_mean = LANGS.map(|lang| right(&|r| r.lang == lang).0).iter().sum::<f64>() / 3.0;
    assert!((find(Scope::Overall, Languages::Average("macro".into())).0 - macro_mean).abs() < 1e-12);
}

/// Every interval of every analysis holds its number, whatever the data: calibrated, all languages alike, one run that says the same of
/// everything, accuracy that follows the cost of tokens exactly.
#[test]
fn intervals_of_details_contain_their_points() {
    const LANGS: [&str; 7] = ["eng_Latn", "arb_Arab", "deu_Latn", "fra_Latn", "hin_Deva", "rus_Cyrl", "spa_Latn"];
    type Reward = fn(usize, usize, usize) -> f32;
    fn draw(run: usize, lang: usize, item: usize) -> f64 {
        rmbench::random::uniform(3, "details", format!("{run} {lang} {item}"))
    }
    fn signed(margin: f64, right: bool) -> f32 {
        (if right { margin } else { -margin }) as f32
    }
    let sets: [(&str, usize, Reward); 4] = [
        ("calibrated", 3, |run, lang, item| {
            let margin = 4.0 * draw(9, 0, item);
            signed(margin, draw(run, lang, item) < 1.0 / (1.0 + (-margin).exp()))
        }),
        ("alike", 2, |run, _, item| signed(1.0 + draw(8, run, item), draw(run, 0, item) < 0.7)),
        ("constant", 3, |run, lang, item| if run == 1 { 1.0 } else { (draw(run, lang, item) - 0.3) as f32 }),
        ("planted", 1, |run, lang, item| {
            signed(0.5 + draw(7, lang, item), draw(run, 0, item) < 0.95 - 0.07 * lang as f64)
        }),
    ];
    for (name, runs, reward) in sets {
        let mut rows = Vec::new();
        for (l, lang) in LANGS.iter().enumerate() {
            for i in 0..120 {
                let rewards: Vec<(f32, f32)> = (0..runs).map(|run| (reward(run, l, i), 0.0)).collect();
                let mut row = Row::pair("b", "s", lang, &format!("i{i:03}"), &rewards);
                row.chars = vec![10 + (i as u32 * 7) % 23, 10 + (i as u32 * 5) % 19];
                rows.push(row);
            }
        }
        let mut table = table(&rows);
        for run in &mut table.runs {
            for (at, n) in run.n_tokens.iter_mut().enumerate() {
                *n = 20 + 3 * (at / 240) as u32 + at as u32 % 5;
            }
        }
        let findings = Findings::compute(&table, &|_| None, &options(3), &mut Silent).unwrap();
        let estimates = findings.details.iter().map(|d| (format!("{d:?}"), d.estimate));
        let estimates = estimates.chain(findings.findings.iter().map(|f| (format!("{f:?}"), f.estimate)));
        let mut held = 0;
        for (what, estimate) in estimates {
            if let Some((point, i)) = estimate.and_then(|e| Some((e.point, e.interval?))) {
                held += 1;
                assert!(i.low <= point + 1e-6 && point - 1e-6 <= i.high, "{name}: {what}");
            }
        }
        assert!(held > 200, "{name}: {held}");
        let of = |measure: &'static str| findings.details.iter().filter(move |d| d.measure == measure);
        if name == "planted" {
            let rho = of("rank-correlation").find(|d| d.estimate.is_some()).unwrap().estimate.unwrap();
            assert!(rho.point < -0.9 && rho.interval.unwrap().low == -1.0, "{rho:?}");
        }
        if name == "constant" {
            let left_out: Vec<_> = of("left-out").collect();
            assert!(left_out.len() == 1 && left_out[0].run == Some(1), "{left_out:?}");
            assert!(of("gain-over-best-run").any(|d| d.estimate.is_some()), "the others are joined");
            let titles: Vec<&str> = rmbench::report::section::fill(&findings).iter().map(|s| s.title).collect();
            assert!(titles.contains(&"Ensembles"));
        }
    }
}
