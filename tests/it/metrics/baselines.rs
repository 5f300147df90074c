//! Content-blind baselines of both RewardBenches as they are published (`golden/length-baselines`), from as many items with
//! the longer, the shorter or equally long chosen responses; and the class that M-RewardBench's figures drop.

use std::collections::HashMap;
use std::path::Path;

use rmbench::benchmark::catalog;
use rmbench::metric::{Estimate, TiePolicy};
use rmbench::progress::Silent;
use rmbench::report::findings::{About, FindingOptions, Findings, Scope};

use super::items::{Row, table};

type Record = HashMap<String, String>;

fn read(name: &str) -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/published").join(name);
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn number(row: &Record, column: &str) -> f64 {
    row[column].parse().unwrap()
}

fn compute(rows: &[Row], benchmark: &str, ties: Option<TiePolicy>) -> Findings {
    let options = FindingOptions { replicates: 100, ties, ..FindingOptions::default() };
    Findings::compute(&table(rows), &|_| catalog::find(benchmark).ok(), &options, &mut Silent).unwrap()
}

fn of_subset(findings: &Findings, metric: &str, subset: &str) -> Estimate {
    let scope = Scope::Subset(subset.to_owned());
    let found = findings.findings.iter().find(|f| f.metric == metric && f.scope == scope).unwrap();
    found.estimate.unwrap_or_else(|| panic!("{metric} of {subset}: {:?}", found.why))
}

/// One pair, or best of four, with these lengths.
fn item(subset: &str, id: &str, chosen: u32, rejected: &[u32]) -> Row {
    let mut row = Row::comparison(subset, id, &[1.0], &vec![0.0; rejected.len()]);
    row.chars = std::iter::once(chosen).chain(rejected.iter().copied()).collect();
    row
}

/// Of 100 pairs of alpacaeval-easy one has two equally long responses: the published figure, as all of the first version's,
/// leaves it out. That is what `ties = exclude` computes; by the benchmark's own rule it is wrong.
#[test]
fn pick_the_longer_on_rewardbench_leaves_equal_lengths_out() {
    let sizes: HashMap<String, f64> = read("subset_weights_rewardbench_v1_and_mrewardbench.csv")
        .iter()
        .map(|row| (row["subset"].clone(), number(row, "rb1_n")))
        .collect();
    let published = read("length_only_baselines.csv");
    let of_subsets: Vec<&Record> =
        published.iter().filter(|row| row["benchmark"] == "rb1" && sizes.contains_key(&row["slice"])).collect();
    assert_eq!(of_subsets.len(), 5);
    let mut rows = Vec::new();
    for row in &of_subsets {
        let (name, n, all) = (&row["slice"], number(row, "n") as usize, sizes[&row["slice"]] as usize);
        let longer = (number(row, "pick_longest") * n as f64).round() as usize;
        for i in 0..all {
            let (chosen, rejected) = if i < longer { (20, 10) } else { (10, if i < n { 20 } else { 10 }) };
            rows.push(item(name, &format!("{name}-{i}"), chosen, &[rejected]));
        }
    }
    let findings = compute(&rows, "rewardbench", Some(TiePolicy::Exclude));
    let by_the_rule = compute(&rows, "rewardbench", None);
    for row in of_subsets {
        let (name, n, share) = (&row["slice"], number(row, "n"), number(row, "pick_longest"));
        let longest = of_subset(&findings, "longest-wins", name);
        assert!((longest.point - share).abs() <= 5e-4 + 1e-12, "{name}: {longest:?}");
        let shortest = of_subset(&findings, "shortest-wins", name);
        assert!((longest.point + shortest.point - 1.0).abs() < 1e-12, "{name}: no length is equal");
        let strict = of_subset(&by_the_rule, "longest-wins", name);
        assert!((strict.point - longest.point * n / sizes[name]).abs() < 1e-12, "{name}: {strict:?}");
    }
    // The sections add up to the whole, so the published figures count items, not sections.
    let section = |name: &str| published.iter().find(|row| row["benchmark"] == "rb1" && row["slice"] == name).unwrap();
    let right: f64 = ["Chat", "Chat Hard", "Safety", "Reasoning"]
        .map(|name| number(section(name), "n") * number(section(name), "pick_longest"))
        .iter()
        .sum();
    let (n, share) = (number(section("Overall"), "n"), number(section("Overall"), "pick_longest"));
    assert!((right / n - share).abs() < 1e-3, "{}", right / n);
}

/// Best of four with 1/k for equal lengths: quarters come from four equally long responses, thirds from three.
#[test]
fn pick_the_longest_and_the_shortest_on_rewardbench_2() {
    let published = read("length_only_baselines.csv");
    // Credits in quarters, so that ties are needed where no whole number of items gives the figure.
    let domains = [("Focus", 248, 1044), ("Math", 164, 276), ("Safety", 444, 560), ("Factuality", 549, 538)];
    let mut rows = Vec::new();
    for (name, longest, shortest) in domains {
        let row = published.iter().find(|row| row["benchmark"] == "rb2" && row["slice"] == name).unwrap();
        let mut lengths: Vec<[u32; 4]> = Vec::new();
        lengths.extend(vec![[40, 10, 20, 30]; longest / 4]);
        lengths.extend(vec![[5, 10, 20, 30]; shortest / 4]);
        match (longest % 4, shortest % 4) {
            (0, 0) => {}
            // Longest of all four at once is shortest of all four, too; then one of three shortest.
            (1, 2) => lengths.extend([[9, 9, 9, 9], [5, 5, 5, 9]]),
            other => panic!("{other:?}"),
        }
        lengths.resize(number(row, "n") as usize, [15, 10, 20, 30]);
        for (i, [chosen, rejected @ ..]) in lengths.iter().enumerate() {
            rows.push(item(name, &format!("{name}-{i}"), *chosen, rejected));
        }
    }
    let findings = compute(&rows, "rewardbench-2", None);
    for (name, ..) in domains {
        let row = published.iter().find(|row| row["benchmark"] == "rb2" && row["slice"] == name).unwrap();
        for (metric, column) in [("longest-wins", "pick_longest"), ("shortest-wins", "pick_shortest")] {
            let found = of_subset(&findings, metric, name);
            assert!((found.point - number(row, column)).abs() <= 5e-4 + 1e-12, "{name} {metric}: {found:?}");
            assert_eq!(found.n, number(row, "n") as usize);
        }
    }
}

/// M-RewardBench's figures drop class 0, traditional Chinese: of Sino-Tibetan languages simplified Chinese is left.
#[test]
fn groups_are_given_without_class_0_too() {
    let right = [("zho_Hans", 30), ("zho_Hant", 18), ("deu_Latn", 24), ("fra_Latn", 36)];
    let mut rows = Vec::new();
    for (lang, right) in right {
        for i in 0..40 {
            let chosen = if i < right { 1.0 } else { -1.0 };
            rows.push(Row::pair("own", "s", lang, &format!("i{i}"), &[(chosen, 0.0)]));
        }
    }
    let options = FindingOptions { replicates: 200, ..FindingOptions::default() };
    let findings = Findings::compute(&table(&rows), &|_| None, &options, &mut Silent).unwrap();
    let of = [About::name("accuracy"), About::name("family"), About::name("Sino-Tibetan"), About::Place(2)];
    let all: Vec<_> = findings.details.iter().filter(|d| d.measure == "group-mean-without-class-0").collect();
    assert_eq!(all.len(), 1, "the only group with other members");
    assert_eq!(all[0].of, of);
    let found = all[0].estimate.unwrap();
    assert!((found.point - 0.75).abs() < 1e-12 && found.n == 40 && found.interval.is_some(), "{found:?}");
    let whole = findings.details.iter().find(|d| d.measure == "group-mean" && d.of == of).unwrap();
    assert!((whole.estimate.unwrap().point - 0.6).abs() < 1e-12);
}
