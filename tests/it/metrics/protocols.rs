//! Protocol rules against published numbers, and the protocol matrix by hand.

use std::path::Path;

use rmbench::benchmark::catalog;
use rmbench::benchmark::manifest::Manifest;
use rmbench::lang::Lang;
use rmbench::metric::TiePolicy;
use rmbench::metric::sheet::{NodeId, Sheet};
use rmbench::progress::Silent;
use rmbench::report::findings::{Averaging, FindingOptions, Findings, Languages, ProtocolScore, Scope};

use super::items::{Row, table};

fn published(name: &str) -> Vec<std::collections::HashMap<String, String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/published").join(name);
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn options() -> FindingOptions {
    FindingOptions { replicates: 200, ..FindingOptions::default() }
}

/// MM-Eval's index over the 87 languages of the score files, from mean chosen and rejected scores.
#[test]
fn language_disparity_of_three_models() {
    for (model, expected) in [("gpt-4", 0.8505), ("prometheus", 0.5929), ("skyworks", 0.5634)] {
        let rows = published(&format!("mmeval_langres_scores_{model}.csv"));
        assert_eq!(rows.len(), 87);
        let number =
            |row: &std::collections::HashMap<String, String>, column: &str| row[column].parse::<f32>().unwrap();
        let items: Vec<Row> = rows
            .iter()
            .map(|row| {
                let lang: &'static str = String::leak(row["flores_codes"].clone());
                let rewards = (number(row, "average_chosen_scores"), number(row, "average_rejected_scores"));
                Row::pair("mm-eval-language-resource", "lang_res", lang, "0", &[rewards])
            })
            .collect();
        let manifests = |name: &str| catalog::find(name).ok();
        let findings = Findings::compute(&table(&items), &manifests, &options(), &mut Silent).unwrap();
        let of = |metric: &str, languages: &Languages| {
            let mut all = findings.findings.iter();
            all.find(|f| f.metric == metric && f.languages == *languages).and_then(|f| f.estimate).map(|e| e.point)
        };
        let index = of("language-disparity", &Languages::Average("macro".into())).unwrap();
        assert!((index - expected).abs() < 5e-5, "{model}: {index}");
        let lang = Lang::from_code(&rows[0]["flores_codes"]).unwrap();
        let margin = of("mean-margin", &Languages::One(lang)).unwrap();
        let plain = number(&rows[0], "average_chosen_scores") - number(&rows[0], "average_rejected_scores");
        assert!((margin - f64::from(plain)).abs() < 1e-5, "{margin}");
    }
}

/// Of the user's own pairs: margins 2 and 1 on twelve items each, (2 + 1)/2 / 2; a language of three items is left out,
/// and where two languages do not have ten items, words stand in the number's place.
#[test]
fn open_benchmarks_have_a_language_disparity_too() {
    let pair = |lang: &'static str, i: usize, margin: f32| {
        let noise = if i.is_multiple_of(2) { 0.25 } else { -0.25 };
        Row::pair("own", "s", lang, &format!("{i}"), &[(margin + noise, 0.0)])
    };
    let of = |lang: &'static str, n: usize, margin: f32| (0..n).map(move |i| pair(lang, i, margin)).collect::<Vec<_>>();
    let index = |rows: Vec<Row>| {
        let findings = Findings::compute(&table(&rows), &|_| None, &options(), &mut Silent).unwrap();
        let mut all = findings.findings.iter();
        all.find(|f| f.metric == "language-disparity").cloned().unwrap()
    };
    let found = index([of("deu_Latn", 12, 2.0), of("arb_Arab", 12, 1.0), of("fra_Latn", 3, 9.0)].concat());
    let estimate = found.estimate.unwrap();
    assert!((estimate.point - 0.75).abs() < 1e-6 && estimate.n == 24, "{found:?}");
    let interval = estimate.interval.unwrap();
    assert!(interval.low < 0.75 && 0.75 < interval.high && interval.high - interval.low < 0.2, "{interval:?}");
    assert_eq!(found.why.as_deref(), Some("without 1 language of fewer than 10 items"));
    let found = index([of("deu_Latn", 12, 2.0), of("arb_Arab", 9, 1.0)].concat());
    assert_eq!(found.estimate, None);
    assert!(found.why.unwrap().starts_with("not enough data"));
}

#[test]
fn the_average_of_seven_benchmarks() {
    let rows = published("skywork_v2_seven_benchmarks.csv");
    assert_eq!(rows.len(), 8);
    for row in rows {
        let mut sheet = Sheet::default();
        let columns = ["rewardbench_v1", "rewardbench_2", "ppe_pref", "ppe_corr", "rmb", "rm_bench", "judgebench"];
        let nodes: Vec<NodeId> = columns.iter().map(|c| sheet.given(row[*c].parse().unwrap())).collect();
        let mean = sheet.plain_mean(&nodes);
        let ours = sheet.points()[mean as usize].unwrap();
        assert!((ours - row["recomputed_avg"].parse::<f64>().unwrap()).abs() < 5.1e-4, "{}", row["model"]);
        assert!((ours - row["avg"].parse::<f64>().unwrap()).abs() <= 0.05 + 1e-9, "{}", row["model"]);
    }
}

/// M-RewardBench drops languages of class 0 from its groups: traditional Chinese and no other.
#[test]
fn class_0_is_traditional_chinese_alone() {
    let langs = catalog::find("m-rewardbench").unwrap().langs;
    let class_0: Vec<&str> = langs.iter().filter(|l| l.info().unwrap().class == Some(0)).map(|l| l.code()).collect();
    assert_eq!(class_0, ["zho_Hant"]);
}

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
weights = { own = 3, even = 1 }
[[category.subset]]
name = "b"
weights = { own = 1, even = 1 }
[[category]]
name = "Safety"
[[category.subset]]
name = "c"
weights = { own = 1, even = 1 }
"#;

/// Right items per language: German a1 a2 a3 b1 c1 c2, simplified a1 a2 b1 b2 c1 with a3 tied, traditional a1.
fn three_languages() -> Vec<Row> {
    let ids = ["a1", "a2", "a3", "a4", "b1", "b2", "c1", "c2"];
    let right = [("deu_Latn", "a1 a2 a3 b1 c1 c2"), ("zho_Hans", "a1 a2 b1 b2 c1"), ("zho_Hant", "a1")];
    let row = |lang: &'static str, right: &str, id: &str| {
        let reward = match (lang, id) {
            ("zho_Hans", "a3") => (1.0, 1.0),
            _ if right.contains(id) => (2.0, 1.0),
            _ => (0.0, 1.0),
        };
        Row::pair("small", &id[..1], lang, id, &[reward])
    };
    right.into_iter().flat_map(|(lang, right)| ids.into_iter().map(move |id| row(lang, right, id))).collect()
}

fn matrix(rows: &[Row], manifest: &str) -> Vec<ProtocolScore> {
    let manifest = Manifest::parse(manifest, "small").unwrap();
    let findings = Findings::compute(&table(rows), &|_| Some(manifest.clone()), &options(), &mut Silent).unwrap();
    let own: Vec<f64> = findings.protocols.iter().filter(|p| p.own).map(|p| p.estimate.unwrap().point).collect();
    let headline = findings.benchmarks[0].averages.first().cloned().unwrap();
    let accuracy = findings.findings.iter().find(|f| {
        f.metric == "accuracy" && f.scope == Scope::Overall && f.languages == Languages::Average(headline.clone())
    });
    assert_eq!(own, [accuracy.unwrap().estimate.unwrap().point], "the own protocol is the report's headline");
    findings.protocols
}

/// | German | simplified | traditional | |
/// |---|---|---|---|
/// | 27/32 | 9/16 | 3/32 | own weights, ties lost |
/// | (5/8 + 1)/2 | (3/4 + 1/2)/2 | (1/8 + 0)/2 | even weights |
/// | 6/8 | 5/8 | 1/8 | items pooled |
/// | | a 5/8: (3·5/8 + 1)/4 = 23/32, (23/32 + 1/2)/2 | | own, tie ½ |
/// | | a 2/3: 3/4, 5/8 | | own, ties left out |
#[test]
fn every_protocol_by_hand() {
    let found = matrix(&three_languages(), SMALL);
    // Three tie policies (1/k is ½ for pairs) × (own, even, pooled) × two averages.
    assert_eq!(found.len(), 3 * 3 * 2);
    let score = |ties: TiePolicy, weights: Option<&str>, average: &str| {
        let averaging = if weights.is_some() { Averaging::Categories } else { Averaging::Items };
        let mut all = found.iter();
        let same = |p: &&ProtocolScore| {
            p.protocol.ties == ties
                && p.protocol.weights.as_deref() == weights
                && p.protocol.averaging == averaging
                && p.protocol.languages == Languages::Average(average.into())
        };
        let one = all.find(same).unwrap_or_else(|| panic!("{ties:?} {weights:?} {average}"));
        (one.estimate.unwrap(), one.difference)
    };
    let merged = |[d, s, t]: [f64; 3]| (d + (s + t) / 2.0) / 2.0;
    let all = |[d, s, t]: [f64; 3]| (d + s + t) / 3.0;
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} and {b}");
    let own = [27.0 / 32.0, 9.0 / 16.0, 3.0 / 32.0];
    let even = [13.0 / 16.0, 5.0 / 8.0, 1.0 / 16.0];
    let items = [6.0 / 8.0, 5.0 / 8.0, 1.0 / 8.0];
    let half = [27.0 / 32.0, (23.0 / 32.0 + 0.5) / 2.0, 3.0 / 32.0];
    let out = [27.0 / 32.0, (0.75 + 0.5) / 2.0, 3.0 / 32.0];
    for (ties, weights, cells) in [
        (TiePolicy::Loss, Some("own"), own),
        (TiePolicy::Loss, Some("even"), even),
        (TiePolicy::Loss, None, items),
        (TiePolicy::Half, Some("own"), half),
        (TiePolicy::Exclude, Some("own"), out),
    ] {
        near(score(ties, weights, "merged").0.point, merged(cells));
        near(score(ties, weights, "all").0.point, all(cells));
    }
    let (estimate, difference) = score(TiePolicy::Half, Some("own"), "merged");
    assert_eq!((estimate.n, estimate.n_missing), (24, 0));
    near(difference.unwrap().point, merged(half) - merged(own));
    assert_eq!(score(TiePolicy::Exclude, Some("own"), "merged").0.n, 23);
    assert_eq!(score(TiePolicy::Loss, Some("own"), "merged").1, None, "the own protocol has no distance to itself");
}

#[test]
fn axes_on_which_nothing_differs_are_left_out() {
    let mut rows = three_languages();
    rows.retain(|row| !(row.lang == "zho_Hans" && row.id == "a3"));
    assert_eq!(matrix(&rows, SMALL).len(), 3 * 2, "without ties the tie policies agree");
}

/// An arena has no gold: (wins + ½ ties) / prompts, German (2 + ½)/4, Turkish (1 + 0)/2, and the mean of the two.
#[test]
fn an_arena_gives_win_rates() {
    let manifest = catalog::find("m-arena-hard").unwrap();
    let fought = [("deu_Latn", "1", 1.0), ("deu_Latn", "2", 0.5), ("deu_Latn", "3", 0.0), ("deu_Latn", "4", -1.0)];
    let fought = fought.into_iter().chain([("tur_Latn", "1", 0.25), ("tur_Latn", "2", -2.0)]);
    let rows: Vec<Row> =
        fought.map(|(lang, id, margin)| Row::pair("m-arena-hard", "all", lang, id, &[(margin, 0.0)])).collect();
    let findings = Findings::compute(&table(&rows), &|_| Some(manifest.clone()), &options(), &mut Silent).unwrap();
    let rate = |languages: Languages| {
        let is = |f: &&rmbench::report::findings::Finding| {
            f.metric == "accuracy" && f.scope == Scope::Overall && f.languages == languages
        };
        let found = findings.findings.iter().find(is).unwrap().estimate.unwrap();
        (found.point, found.n)
    };
    assert_eq!(rate(Languages::One(Lang::from_code("deu_Latn").unwrap())), (0.625, 4));
    assert_eq!(rate(Languages::One(Lang::from_code("tur_Latn").unwrap())), (0.5, 2));
    assert_eq!(rate(Languages::Average("macro".into())), (0.5625, 6));
    assert_eq!(findings.benchmarks[0].averages, ["macro", "micro"]);
}

/// Translations under their own weights against RewardBench's own score: all its items, its weights.
#[test]
fn the_gap_to_published_english() {
    let mrb = catalog::find("m-rewardbench").unwrap();
    let rb1 = catalog::find("rewardbench").unwrap();
    let mut rows = Vec::new();
    let mut add = |benchmark: &'static str, manifest: &Manifest, lang: &'static str, wrong: usize| {
        for (category, subset) in manifest.subsets().filter(|(c, _)| !c.optional) {
            for i in 0..subset.n.unwrap() as usize {
                // Only the first items of Safety are ever wrong: `wrong` of each subset.
                let right = !(category.name == "Safety" && i < wrong);
                let reward = if right { (1.0, 0.0) } else { (0.0, 1.0) };
                rows.push(Row::pair(benchmark, &subset.name, lang, &format!("{}-{i}", subset.name), &[reward]));
            }
        }
    };
    add("m-rewardbench", &mrb, "deu_Latn", 20);
    add("rewardbench", &rb1, "eng_Latn", 10);
    let findings = Findings::compute(&table(&rows), &|name| catalog::find(name).ok(), &options(), &mut Silent).unwrap();
    let of = |metric: &str, scope: Scope| {
        let deu = Languages::One(Lang::from_code("deu_Latn").unwrap());
        let mut all = findings.findings.iter();
        all.find(|f| f.metric == metric && f.scope == scope && f.languages == deu).unwrap().estimate.unwrap().point
    };
    // Weights of Safety are the counts in both, so 5 · 20 of 736 and 5 · 10 of 740 items are wrong.
    let (here, there) = (1.0 - 100.0 / 736.0, 1.0 - 50.0 / 740.0);
    let safety = Scope::Category("Safety".into());
    assert!((of("gap-to-published-english", safety.clone()) - (here - there)).abs() < 1e-12);
    assert!((of("gap-to-published-english-percent", safety) - (here - there) / there).abs() < 1e-12);
    assert!((of("gap-to-published-english", Scope::Overall) - (here - there) / 4.0).abs() < 1e-12);
    let percent = of("gap-to-published-english-percent", Scope::Overall);
    assert!((percent - (here - there) / 4.0 / ((3.0 + there) / 4.0)).abs() < 1e-12, "{percent}");
}

/// Four runs. Item x: win win loss loss in German, win loss loss loss in English, κ = ½ (worked in the module); on y
/// nothing varies; z has no English partner.
#[test]
fn kappa_item_by_item_over_runs() {
    let of = |right: [bool; 4]| right.map(|right| if right { (1.0, 0.0) } else { (0.0, 1.0) });
    let rows = [
        Row::pair("p", "s", "deu_Latn", "x", &of([true, true, false, false])),
        Row::pair("p", "s", "deu_Latn", "y", &of([true; 4])),
        Row::pair("p", "s", "deu_Latn", "z", &of([true, false, true, false])),
        Row::pair("p", "s", "eng_Latn", "x", &of([true, false, false, false])),
        Row::pair("p", "s", "eng_Latn", "y", &of([true; 4])),
    ];
    let findings = Findings::compute(&table(&rows), &|_| None, &options(), &mut Silent).unwrap();
    let [only] = findings.panel.as_slice() else { panic!("{:?}", findings.panel) };
    assert_eq!((only.metric.as_str(), only.runs), ("kappa-with-english-by-item", 4));
    assert_eq!(only.languages, Languages::One(Lang::from_code("deu_Latn").unwrap()));
    let estimate = only.estimate.unwrap();
    assert_eq!((estimate.point, estimate.n, estimate.n_missing), (0.5, 1, 1));
    // With two runs there is nothing to take a kappa over.
    let two: Vec<Row> = rows
        .iter()
        .cloned()
        .map(|mut row| {
            row.rewards.truncate(2);
            row
        })
        .collect();
    assert!(Findings::compute(&table(&two), &|_| None, &options(), &mut Silent).unwrap().panel.is_empty());
}
