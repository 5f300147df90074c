//! Findings of small benchmarks worked by hand.

use rmbench::benchmark::catalog;
use rmbench::benchmark::manifest::Manifest;
use rmbench::lang::Lang;
use rmbench::metric::aggregate::Compat;
use rmbench::progress::Silent;
use rmbench::report::findings::{Finding, FindingError, FindingOptions, Findings, Languages, Scope};

use super::items::{Row, table};

/// Two categories; Chat weighs its subsets 3 : 1 (or 1 : 1), Safety has one. Chinese in two scripts.
const SMALL: &str = r#"
name = "small"
title = "Small"
version = "1"
about = "A benchmark for tests."
rule = "accuracy"
ties = "loss"
langs = ["deu_Latn", "zho_Hans", "zho_Hant"]
overall = "mean-of-categories"
default-weights = "own"
english = "original"
weights = { own = "as counted", even = "all alike" }

[data]

[[average]]
name = "merged"
about = "Chinese once"
langs = ["deu_Latn", ["zho_Hans", "zho_Hant"]]

[[average]]
name = "all"
about = "Chinese twice"
langs = ["deu_Latn", "zho_Hans", "zho_Hant"]

[[category]]
name = "Chat"
[[category.subset]]
name = "a"
n = 4
weights = { own = 3, even = 1 }
[[category.subset]]
name = "b"
n = 2
weights = { own = 1, even = 1 }

[[category]]
name = "Safety"
[[category.subset]]
name = "c"
n = 2
weights = { own = 1, even = 1 }
"#;

fn manifests(name: &str) -> Option<Manifest> {
    match name {
        "small" => Some(Manifest::parse(SMALL, "small").unwrap()),
        _ => None,
    }
}

/// `right` says which items are right, as `a1 a2 …`; t instead of a letter's item means a tie.
fn rows(benchmark: &'static str, lang: &'static str, right: &str) -> Vec<Row> {
    let ids = ["a1", "a2", "a3", "a4", "b1", "b2", "c1", "c2"];
    let row = |id: &str| {
        let reward = if right.contains(&format!("{id}=")) {
            (1.0, 1.0)
        } else if right.contains(id) {
            (2.0, 1.0)
        } else {
            (0.0, 1.0)
        };
        Row::pair(benchmark, &id[..1], lang, id, &[reward])
    };
    ids.into_iter().map(row).collect()
}

fn options() -> FindingOptions {
    FindingOptions { replicates: 200, ..FindingOptions::default() }
}

fn compute(rows: &[Row], options: &FindingOptions) -> Findings {
    Findings::compute(&table(rows), &manifests, options, &mut Silent).unwrap()
}

fn lang(code: &str) -> Languages {
    Languages::One(Lang::from_code(code).unwrap())
}

fn average(name: &str) -> Languages {
    Languages::Average(name.to_owned())
}

fn find<'a>(findings: &'a Findings, metric: &str, scope: Scope, languages: &Languages) -> &'a Finding {
    let mut found = findings
        .findings
        .iter()
        .filter(|f| f.benchmark == "small" && f.metric == metric && f.scope == scope && f.languages == *languages);
    let first = found.next().unwrap_or_else(|| panic!("no {metric} {scope:?} {languages:?}"));
    assert!(found.next().is_none(), "{metric} {scope:?} {languages:?} twice");
    first
}

fn point(findings: &Findings, metric: &str, scope: Scope, languages: &Languages) -> f64 {
    find(findings, metric, scope, languages).estimate.unwrap().point
}

#[track_caller]
fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} and {b}");
}

/// German: a 3/4, b 1/2, c 1 → Chat (3 · 3/4 + 1/2)/4 = 11/16, Safety 1, score 27/32.
/// Simplified: a 2/4 (one more tied), b 1, c 1/2 → Chat (3/2 + 1)/4 = 5/8, Safety 1/2, score 9/16.
/// Traditional: all wrong but a1 → Chat 3/16, Safety 0, score 3/32.
fn three() -> Vec<Row> {
    let mut all = rows("small", "deu_Latn", "a1 a2 a3 b1 c1 c2");
    all.extend(rows("small", "zho_Hans", "a1 a2 a3= b1 b2 c1"));
    all.extend(rows("small", "zho_Hant", "a1"));
    all
}

#[test]
fn weights_categories_and_averages_by_hand() {
    let findings = compute(&three(), &options());
    let (deu, hans, hant) = (lang("deu_Latn"), lang("zho_Hans"), lang("zho_Hant"));
    near(point(&findings, "accuracy", Scope::Subset("a".into()), &deu), 0.75);
    near(point(&findings, "accuracy", Scope::Category("Chat".into()), &deu), 11.0 / 16.0);
    near(point(&findings, "accuracy", Scope::Overall, &deu), 27.0 / 32.0);
    near(point(&findings, "accuracy", Scope::Overall, &hans), 9.0 / 16.0);
    near(point(&findings, "accuracy", Scope::Overall, &hant), 3.0 / 32.0);
    let chinese = (9.0 / 16.0 + 3.0 / 32.0) / 2.0;
    near(point(&findings, "accuracy", Scope::Overall, &average("merged")), (27.0 / 32.0 + chinese) / 2.0);
    near(point(&findings, "accuracy", Scope::Overall, &average("all")), 48.0 / 32.0 / 3.0);
    near(point(&findings, "accuracy", Scope::Subset("c".into()), &average("all")), 0.5);
    // Points squared, n − 1: two members 27/32 and 21/64.
    near(
        point(&findings, "language-variance", Scope::Overall, &average("merged")),
        1e4 * (33.0f64 / 64.0).powi(2) / 2.0,
    );
    let even = FindingOptions { weights: Some("even".into()), ..options() };
    near(point(&compute(&three(), &even), "accuracy", Scope::Category("Chat".into()), &deu), 0.625);
    let half = FindingOptions { ties: Some(rmbench::metric::TiePolicy::Half), ..options() };
    near(point(&compute(&three(), &half), "accuracy", Scope::Subset("a".into()), &hans), 0.625);
    // One tie in 8 items of simplified Chinese.
    near(point(&findings, "tie-rate", Scope::Overall, &hans), 0.125);
    assert_eq!(find(&findings, "accuracy", Scope::Overall, &hans).n_ties, 1);
    assert_eq!(find(&findings, "accuracy", Scope::Overall, &hans).estimate.unwrap().n, 8);
    // The rejected response is always the longer one.
    near(point(&findings, "longest-wins", Scope::Overall, &deu), 0.0);
    assert_eq!(findings.benchmarks[0].averages, ["merged", "all"]);
    assert_eq!(findings.benchmarks[0].categories, ["Chat", "Safety"]);
}

#[test]
fn a_subset_in_one_language_has_wilsons_interval() {
    let findings = compute(&three(), &options());
    let interval =
        find(&findings, "accuracy", Scope::Subset("a".into()), &lang("deu_Latn")).estimate.unwrap().interval.unwrap();
    // Wilson for 3 of 4 at 95 %: centre (0.75 + 0.48018)/1.96036, from statsmodels 0.300642, 0.954413.
    assert!((interval.low - 0.300642).abs() < 1e-6 && (interval.high - 0.954413).abs() < 1e-6, "{interval:?}");
}

#[test]
fn a_missing_subset_leaves_an_explanation() {
    let mut all = three();
    all.retain(|row| !(row.lang == "zho_Hans" && row.subset == "b"));
    let findings = compute(&all, &options());
    let chat = find(&findings, "accuracy", Scope::Category("Chat".into()), &lang("zho_Hans"));
    assert_eq!(chat.estimate, None);
    assert_eq!(chat.why.as_deref(), Some("no item has an outcome in b"));
    let all_langs = find(&findings, "accuracy", Scope::Overall, &average("all"));
    assert_eq!(all_langs.estimate, None);
    assert!(all_langs.why.as_deref().unwrap().contains("zho_Hans"), "{all_langs:?}");
    near(point(&findings, "accuracy", Scope::Category("Safety".into()), &lang("zho_Hans")), 0.5);
    assert!(findings.warnings.iter().any(|w| w.contains("b zho_Hans has 0 of 2")), "{:?}", findings.warnings);
    // As RewardBench computes it: Chat is what is left of it, and says so.
    let compat = FindingOptions { compat: Some(Compat::RewardBench), ..options() };
    let findings = compute(&all, &compat);
    let chat = find(&findings, "accuracy", Scope::Category("Chat".into()), &lang("zho_Hans"));
    near(chat.estimate.unwrap().point, 0.5);
    assert!(chat.why.as_deref().unwrap().starts_with("as RewardBench computes it, without b"));
}

#[test]
fn unscored_items_are_missing_not_wrong() {
    let mut all = three();
    for row in all.iter_mut().filter(|row| row.id == "a4" && row.lang == "deu_Latn") {
        *row = row.clone().unscored();
    }
    let findings = compute(&all, &options());
    let subset = find(&findings, "accuracy", Scope::Subset("a".into()), &lang("deu_Latn")).estimate.unwrap();
    assert_eq!((subset.point, subset.n, subset.n_missing), (1.0, 3, 1));
    assert!(findings.warnings.iter().any(|w| w.contains("1 items have no outcome")), "{:?}", findings.warnings);
}

/// English originals in another benchmark, one of them (a4) not translated, and with a further subset.
#[test]
fn the_gap_to_english_is_taken_on_shared_source_items() {
    let mut all = three();
    all.retain(|row| row.id != "a4");
    let mut english = rows("original", "eng_Latn", "a1 a2 a4 b1 b2 c1 c2");
    english.push(Row::pair("original", "z", "eng_Latn", "z1", &[(1.0, 0.0)]));
    all.extend(english);
    let findings = compute(&all, &options());
    let deu = lang("deu_Latn");
    // On a1 a2 a3: English 2/3, German 1. Chat: German (3 + 1/2)/4, English (2 + 1)/4; Safety 1 and 1.
    near(point(&findings, "gap-to-english", Scope::Category("Chat".into()), &deu), 3.5 / 4.0 - 3.0 / 4.0);
    near(point(&findings, "gap-to-english", Scope::Overall, &deu), 0.5 / 4.0 / 2.0);
    assert_eq!(find(&findings, "gap-to-english", Scope::Overall, &deu).estimate.unwrap().n, 7);
    // On all its items English has a 3/4: Chat (9/4 + 1)/4.
    near(point(&findings, "gap-to-english-all-items", Scope::Overall, &deu), (3.5 / 4.0 - 3.25 / 4.0) / 2.0);
    let gaps =
        ["deu_Latn", "zho_Hans", "zho_Hant"].map(|l| point(&findings, "gap-to-english", Scope::Overall, &lang(l)));
    near(point(&findings, "gap-to-english", Scope::Overall, &average("all")), gaps.iter().sum::<f64>() / 3.0);
    // κ on 7 shared items, labels loss, win, tie: German wins a1 a2 a3 b1 c1 c2, English a1 a2 b1 b2 c1 c2.
    // Agreement 5/7; chance (6·6 + 1·1)/49.
    let (observed, chance) = (5.0 / 7.0, 37.0 / 49.0);
    near(point(&findings, "kappa-with-english", Scope::Overall, &deu), (observed - chance) / (1.0 - chance));
    // English has no part in the benchmark's own numbers.
    let small = findings.benchmarks.iter().find(|info| info.name == "small").unwrap();
    assert_eq!(small.langs.len(), 3);
    assert!(small.subsets.iter().all(|(name, _)| name != "z"));
}

#[test]
fn without_english_there_is_an_explanation_instead_of_a_gap() {
    let findings = compute(&three(), &options());
    let gap = find(&findings, "gap-to-english", Scope::Overall, &lang("deu_Latn"));
    assert_eq!(gap.estimate, None);
    assert!(gap.why.as_deref().unwrap().contains("score `original`"), "{gap:?}");
    // English there, but none of the source items.
    let mut all = three();
    let mut others = rows("original", "eng_Latn", "a1");
    for row in &mut others {
        row.id = format!("other-{}", row.id);
    }
    all.extend(others);
    let gap_of = compute(&all, &options());
    let gap = find(&gap_of, "gap-to-english", Scope::Overall, &lang("deu_Latn"));
    assert_eq!(gap.why.as_deref(), Some("no source item has an outcome both here and in English"));
}

#[test]
fn options_that_name_nothing_are_refused_with_a_hint() {
    let refused =
        |options: FindingOptions| Findings::compute(&table(&three()), &manifests, &options, &mut Silent).unwrap_err();
    let error = refused(FindingOptions { baseline: Some("run-1".into()), ..options() });
    assert_eq!(error.to_string(), "no run is called `run-1`");
    assert_eq!(error.hint().as_deref(), Some("did you mean `run-0`?"));
    let error = refused(FindingOptions { weights: Some("odd".into()), ..options() });
    assert!(matches!(error, FindingError::UnknownWeights { .. }));
    assert_eq!(error.hint().as_deref(), Some("known: even, own"));
    assert!(matches!(refused(FindingOptions { level: 95.0, ..options() }), FindingError::Level { .. }));
    assert!(matches!(refused(FindingOptions { replicates: 10, ..options() }), FindingError::Replicates { .. }));
}

/// The whole chain on the published layout: 23 languages with a handful of the real subsets missing.
#[test]
fn m_rewardbench_without_all_its_languages_says_so() {
    let manifest = catalog::find("m-rewardbench").unwrap();
    let mut all = Vec::new();
    for lang in ["deu_Latn", "zho_Hans"] {
        for (_, subset) in manifest.subsets() {
            for i in 0..3 {
                let reward = if i == 0 { (0.0, 1.0) } else { (1.0, 0.0) };
                all.push(Row::pair("m-rewardbench", &subset.name, lang, &format!("{}-{i}", subset.name), &[reward]));
            }
        }
    }
    let findings = Findings::compute(&table(&all), &|name| catalog::find(name).ok(), &options(), &mut Silent).unwrap();
    let info = &findings.benchmarks[0];
    assert_eq!(info.averages[0], "macro", "the only average that has a number comes first");
    let overall = |name: &str| {
        findings
            .findings
            .iter()
            .find(|f| f.languages == average(name) && f.scope == Scope::Overall && f.metric == "accuracy")
            .unwrap()
    };
    near(overall("macro").estimate.unwrap().point, 2.0 / 3.0);
    assert_eq!(overall("avg23").estimate, None);
    assert!(overall("avg23").why.as_deref().unwrap().contains("arb_Arab"));
    assert!(
        findings.warnings.iter().any(|w| w.contains("21 of 23 languages were not scored")),
        "{:?}",
        findings.warnings
    );
    assert!(info.protocol.iter().any(|s| s.contains("`mrb`")), "{:?}", info.protocol);
}

/// Pairs in three languages: German shares both English items, Chinese one, Greek none.
#[test]
fn the_gap_of_plain_pairs_averages_over_languages_that_share_items() {
    let pair = |lang, id, right: bool| Row::pair("p", "s", lang, id, &[if right { (1.0, 0.0) } else { (0.0, 1.0) }]);
    let rows = [
        pair("deu_Latn", "x", true),
        pair("deu_Latn", "y", false),
        pair("ell_Grek", "z", true),
        pair("eng_Latn", "x", true),
        pair("eng_Latn", "y", true),
        pair("zho_Hans", "x", false),
        pair("zho_Hans", "w", true),
    ];
    let findings = compute(&rows, &options());
    let gap = |languages: Languages| {
        findings
            .findings
            .iter()
            .find(|f| f.metric == "gap-to-english" && f.scope == Scope::Overall && f.languages == languages)
    };
    near(gap(lang("deu_Latn")).unwrap().estimate.unwrap().point, -0.5);
    near(gap(lang("zho_Hans")).unwrap().estimate.unwrap().point, -1.0);
    assert!(gap(Languages::One(Lang::ENGLISH)).is_none());
    assert_eq!(gap(lang("ell_Grek")).unwrap().estimate, None);
    let mean = gap(average("macro")).unwrap();
    near(mean.estimate.unwrap().point, -0.75);
    assert!(mean.why.as_deref().unwrap().starts_with("without languages that share no items: 1"), "{mean:?}");
    // Item by item: x y in German, x in Chinese against x y x in English.
    near(gap(average("micro")).unwrap().estimate.unwrap().point, 1.0 / 3.0 - 1.0);
}
