//! Votes, annotators, properties of responses and hidden states: parts against SciPy and scikit-learn
//! (`tests/fixtures/people.json`), analyses on tables whose truth is known.

use std::fs;
use std::path::{Path, PathBuf};

use rmbench::lang::Lang;
use rmbench::metric::auroc::Auroc;
use rmbench::metric::correlation::{Ranked, weighted_spearman};
use rmbench::metric::lasso::Lasso;
use rmbench::metric::mahalanobis::Cloud;
use rmbench::progress::Silent;
use rmbench::provenance::RunInfo;
use rmbench::report::distances;
use rmbench::report::findings::{About, Detail, FindingOptions, Findings};
use rmbench::table::annotation::read::read;
use rmbench::table::annotation::{Choice, Opinion, Votes};
use rmbench::table::features::{FeatureRow, write_features};
use rmbench::table::item::ItemTable;
use rmbench::table::score::{ScoreRow, Side};
use rmbench::table::store::write_table;
use serde_json::Value;

use super::items::{Row, table};

fn cases(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/people.json");
    let all: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[track_caller]
fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} and {b}");
}

#[test]
fn weighted_rank_correlation_equals_scipy_on_repeated_rows() {
    for case in cases("spearman") {
        let [x, y, weights] = ["x", "y", "weights"].map(|name| numbers(&case[name]));
        let found = weighted_spearman(&Ranked::new(&x), &Ranked::new(&y), &weights).unwrap();
        close(found, case["rho"].as_f64().unwrap(), 1e-12);
    }
}

#[test]
fn the_weighted_lasso_equals_scikit_learn() {
    for case in cases("lasso") {
        let width = case["width"].as_u64().unwrap() as usize;
        let [x, y, weights, expected] = ["x", "y", "weights", "coefficients"].map(|name| numbers(&case[name]));
        let mut rows = Lasso::new(width, case["penalty"].as_f64().unwrap());
        x.chunks(width).zip(&y).for_each(|(x, y)| rows.add(x, *y));
        let found = rows.fit(&weights, &[]).unwrap();
        for (b, expected) in found.iter().zip(&expected) {
            close(*b, *expected, 1e-5);
            assert_eq!(*b == 0.0, *expected == 0.0);
        }
    }
}

#[test]
fn distances_equal_scikit_learn() {
    let points = |value: &Value| value.as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    for case in cases("mahalanobis") {
        let cloud = Cloud::fit(&points(&case["points"])).unwrap();
        close(cloud.shrinkage, case["shrinkage"].as_f64().unwrap(), 1e-10);
        for (point, expected) in points(&case["others"]).iter().zip(numbers(&case["distances"])) {
            close(cloud.distance(point).unwrap(), expected, 1e-9);
        }
    }
    for case in cases("areas") {
        let [score, positive, weights] = ["score", "positive", "weights"].map(|name| numbers(&case[name]));
        let values: Vec<(f64, bool)> = score.iter().zip(&positive).map(|(s, p)| (*s, *p > 0.5)).collect();
        let found = Auroc::new(&values).area(&weights).unwrap();
        close(found, case["area"].as_f64().unwrap(), 1e-12);
    }
}

/// Noise between 0 and 1 that is a function of its place.
fn noise(what: &str, i: usize) -> f64 {
    rmbench::random::uniform(5, what, i.to_le_bytes())
}

fn compute(table: &ItemTable) -> Findings {
    let options = FindingOptions { replicates: 100, ..FindingOptions::default() };
    Findings::compute(table, &|_| None, &options, &mut Silent).unwrap()
}

fn find<'a>(findings: &'a Findings, analysis: &str, run: Option<usize>, measure: &str, of: &[About]) -> &'a Detail {
    let is = |d: &&Detail| d.analysis == analysis && d.run == run && d.measure == measure && d.of == of;
    findings.details.iter().find(is).unwrap_or_else(|| panic!("no {measure} of {analysis} about {of:?}"))
}

fn pairs(n: usize, reward: &dyn Fn(usize) -> Vec<(f32, f32)>) -> ItemTable {
    let rows: Vec<Row> = (0..n).map(|i| Row::pair("b", "s", "eng_Latn", &format!("i{i:04}"), &reward(i))).collect();
    table(&rows)
}

fn titles(findings: &Findings) -> Vec<&'static str> {
    rmbench::report::section::fill(findings).iter().map(|section| section.title).collect()
}

/// Ten people vote. The first run's margins are the logits of the true shares, the second one's are noise.
#[test]
fn a_model_that_knows_the_votes_is_told_from_one_that_does_not() {
    let share = |i: usize| 0.05 + 0.9 * noise("share", i);
    let logit = |p: f64| (p / (1.0 - p)).ln() as f32;
    let mut table = pairs(300, &|i| vec![(logit(share(i)), 0.0), (4.0 * noise("other", i) as f32 - 2.0, 0.0)]);
    for i in 0..300 {
        let chosen = (0..10).filter(|vote| noise(&format!("vote {vote}"), i) < share(i)).count() as f64;
        table.annotations.add_votes(i as u32, Votes { chosen, rejected: 10.0 - chosen, neither: 0.0 });
    }
    let findings = compute(&table);
    let of = |run: usize, measure: &str, kind: &str| {
        find(&findings, "votes", Some(run), measure, &[About::name(kind)]).estimate.unwrap()
    };
    let knows = of(0, "spearman", "all");
    assert!(knows.point > 0.8 && knows.n == 300 && knows.interval.unwrap().low > 0.75, "{knows:?}");
    let blind = of(1, "spearman", "all").interval.unwrap();
    assert!(blind.low < 0.0 && 0.0 < blind.high, "{blind:?}");
    assert!(of(0, "squared-difference", "all").point < 0.03 && of(1, "squared-difference", "all").point > 0.08);
    assert!(of(0, "majority-agreement", "clear").point > of(0, "majority-agreement", "split").point);
    assert_eq!(of(0, "pearson", "clear").n + of(0, "pearson", "split").n, 300);
    assert!(titles(&findings).contains(&"Votes and annotators"));
}

/// Twelve people in two groups that want opposite things of half the items; the run agrees with the first group.
#[test]
fn a_model_that_agrees_with_one_group_is_found_out() {
    let mut table = pairs(120, &|i| vec![(if i % 2 == 0 { 1.0 } else { -1.0 }, 0.0)]);
    table.annotations.annotators = (0..12).map(|a| format!("person {a}")).collect();
    table.annotations.groups = vec!["north".to_owned(), "south".to_owned()];
    for annotator in 0..12u32 {
        for item in 0..120u32 {
            let wants_chosen = item % 2 == 0 || annotator >= 6;
            let errs = noise(&format!("person {annotator}"), item as usize) < 0.1;
            let choice = match (wants_chosen != errs, item % 40) {
                (_, 39) => Choice::Neither,
                (true, _) => Choice::Chosen,
                (false, _) => Choice::Rejected,
            };
            table.annotations.add_opinion(Opinion { item, annotator, group: Some(annotator / 6), choice });
        }
    }
    let findings = compute(&table);
    let of = |measure: &str, of: &[About]| find(&findings, "annotators", Some(0), measure, of).estimate.unwrap();
    let (north, south) = (of("accuracy", &[About::name("north")]), of("accuracy", &[About::name("south")]));
    assert_eq!((north.n, south.n), (6 * 117, 6 * 117), "opinions for neither side are left out");
    assert!((north.point - 0.9).abs() < 0.04 && (south.point - 0.5).abs() < 0.06, "{north:?} {south:?}");
    // Half of the people at 0.9, half at 0.5: a standard deviation of 0.2 (0.209 with n − 1).
    let spread = of("spread", &[]);
    assert!((spread.point - 0.209).abs() < 0.04 && spread.n == 12, "{spread:?}");
    assert!(of("lowest-tenth", &[]).point < 0.6 && of("highest-tenth", &[]).point > 0.85);
    let alpha = find(&findings, "annotators", None, "alpha", &[]).estimate.unwrap();
    assert!(alpha.point > 0.1 && alpha.point < 0.6 && alpha.n == 120, "{alpha:?}");
}

/// People prefer lists and dislike repetition; one run wants the same, another one wants length only.
#[test]
fn what_preferences_go_by_is_recovered() {
    let normal = |what: &str, i: usize| (0..12).map(|k| noise(&format!("{what} {k}"), i)).sum::<f64>() - 6.0;
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let names = ["lists", "repetition", "length", "noise"];
    let raw = |i: usize| names.map(|name| normal(name, i));
    // Which of the two responses people prefer decides which is called chosen.
    let turn = |i: usize| {
        let [lists, repetition, ..] = raw(i);
        if noise("people", i) < sigmoid(1.5 * lists - repetition) { 1.0 } else { -1.0 }
    };
    let wants = |i: usize, alpha: [f64; 4], who: &str| {
        let z: f64 = raw(i).iter().zip(alpha).map(|(x, a)| x * a).sum::<f64>() * turn(i);
        if noise(who, i) < sigmoid(z) { (1.0, 0.0) } else { (0.0, 1.0) }
    };
    let mut table =
        pairs(600, &|i| vec![wants(i, [1.5, -1.0, 0.0, 0.0], "same"), wants(i, [0.0, 0.0, 2.0, 0.0], "long")]);
    for name in names {
        let property = table.annotations.property(name);
        for i in 0..600 {
            table.annotations.set_difference(i as u32, property, 3.0 * turn(i) * raw(i)[property]);
        }
    }
    let findings = compute(&table);
    let weight = |run: Option<usize>, name: &str| {
        find(&findings, "dissection", run, "weight", &[About::name(name)]).estimate.unwrap()
    };
    for judge in [None, Some(0)] {
        let (lists, repetition) = (weight(judge, "lists"), weight(judge, "repetition"));
        assert!((lists.point - 1.4).abs() < 0.3 && lists.interval.unwrap().low > 0.9, "{judge:?} {lists:?}");
        assert!((repetition.point + 0.9).abs() < 0.3 && repetition.interval.unwrap().high < -0.5, "{repetition:?}");
        // Within four standard errors (0.1 each) of 0.
        assert!(weight(judge, "length").point.abs() < 0.4 && weight(judge, "noise").point.abs() < 0.4);
        assert_eq!(lists.n, 600);
    }
    assert!(weight(Some(1), "length").point > 1.5 && weight(Some(1), "lists").point.abs() < 0.4);
    let like =
        |run: usize| find(&findings, "dissection", Some(run), "similarity", &[About::name("people")]).estimate.unwrap();
    assert!(like(0).point > 0.97 && like(1).point < 0.3 && like(0).n == 4);
    let predicted = find(&findings, "dissection", Some(1), "predicted", &[]).estimate.unwrap();
    assert!(predicted.point > 0.75 && predicted.interval.unwrap().low > 0.72, "{predicted:?}");
    let wins = find(&findings, "content-blind", None, "more-wins", &[About::name("lists")]).estimate.unwrap();
    assert!(wins.point > 0.65 && wins.n == 600);
    assert!(titles(&findings).contains(&"What preferences go by"));
}

#[test]
fn few_votes_and_few_properties_give_no_numbers() {
    let mut table = pairs(60, &|i| vec![(noise("r", i) as f32, 0.5)]);
    (0..8).for_each(|i| table.annotations.add_votes(i, Votes { chosen: 3.0, rejected: 1.0, neither: 0.0 }));
    let property = table.annotations.property("lists");
    (0..60).for_each(|i| table.annotations.set_difference(i, property, f64::from(i % 3)));
    let findings = compute(&table);
    let numbers =
        |analysis: &str| findings.details.iter().filter(|d| d.analysis == analysis && d.estimate.is_some()).count();
    assert_eq!((numbers("votes"), numbers("annotators"), numbers("dissection")), (0, 0, 0));
    let why = find(&findings, "dissection", None, "weight", &[]).why.clone().unwrap();
    assert_eq!(why, "not enough data: 60 items whose properties are all known");
    assert!(!titles(&findings).contains(&"Votes and annotators"));
}

#[test]
fn files_of_annotations_are_read_and_faults_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut rows = Vec::new();
    for lang in ["eng_Latn", "deu_Latn"] {
        for id in ["a", "b"] {
            rows.push(Row::pair("b", "s", lang, id, &[(1.0, 0.0)]));
        }
    }
    let table = table(&rows);
    let place = |id: &str, lang: &str| {
        let lang = Lang::from_code(lang).unwrap();
        table.items.iter().position(|key| table.symbols.name(key.item) == id && key.lang == lang).unwrap()
    };
    let votes =
        path("votes.csv", "id,language,votes_chosen,votes_rejected,votes-tie\na,,3,1,0\nb,de,1,1,2\nz,,1,0,0\n");
    let people = path(
        "people.jsonl",
        "{\"id\":\"a\",\"annotator\":7,\"prefers\":\"chosen\",\"group\":\"x\",\"lang\":\"en\"}\n{\"id\":\"a\",\"annotator\":8,\"prefers\":-2,\"lang\":\"en\"}\n",
    );
    let properties = path(
        "properties.jsonl",
        "{\"id\":\"b\",\"chosen.polite\":true,\"rejected.polite\":false,\"chosen.errors\":[1,3],\"rejected.errors\":0}\n",
    );
    let found = read(&table, &[votes, people, properties]).unwrap();
    let english = found.votes(place("a", "eng_Latn")).unwrap();
    assert_eq!((english.chosen, english.rejected), (3.0, 1.0), "totals stand, opinions are not added to them");
    assert_eq!((found.n_totalled_opinions(), found.opinions.len()), (1, 2));
    assert_eq!(found.votes(place("a", "deu_Latn")).unwrap().share(), Some(0.75));
    assert_eq!(found.votes(place("b", "deu_Latn")).unwrap().share(), Some(0.5));
    assert_eq!(found.votes(place("b", "eng_Latn")), None);
    assert_eq!(
        (found.annotators.as_slice(), found.groups.as_slice()),
        (&["7".to_owned(), "8".to_owned()][..], &["x".to_owned()][..])
    );
    assert_eq!(found.opinions[1].choice, Choice::Rejected);
    assert_eq!(found.properties, ["polite", "errors"]);
    assert_eq!(found.differences(place("b", "eng_Latn")), Some(&[1.0, 2.0][..]));
    assert_eq!((found.files[0].rows, found.files[0].matched), (3, 2));

    for (name, text, expected) in [
        ("a.csv", "id,votes-chosen\na,1\n", "has `votes-chosen` but not `votes-rejected`"),
        ("b.csv", "name,votes-chosen,votes-rejected\na,1,1\n", "has no column `id`"),
        ("c.csv", "id,language\na,de\n", "says nothing of the items"),
        (
            "d.csv",
            "id,annotator,prefers\na,1,perhaps\n",
            "row 0 (counted from 0), column `prefers`: `perhaps` names neither",
        ),
        ("e.csv", "id,votes-chosen,votes-rejected\na,-1,0\n", "column `votes-chosen`: -1 votes"),
        (
            "f.csv",
            "id,language,votes-chosen,votes-rejected\na,klingon,1,0\n",
            "row 0 (counted from 0), column `language`",
        ),
        ("g.csv", "id,votes-chosen,votes-rejected\nq,1,0\n", "none of the 1 rows"),
        ("h.csv", "id,chosen.x\na,1\n", "has `chosen.x` but not `rejected.x`"),
    ] {
        let error = read(&table, &[path(name, text)]).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    }
}

/// Two runs in three languages: states of Arabic are moved in the first run, in the second one nowhere.
#[test]
fn a_language_that_lies_far_out_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let langs = ["eng_Latn", "arb_Arab", "deu_Latn"];
    let normal = |key: &str, i: usize| ((0..6).map(|k| noise(&format!("{key} {k}"), i)).sum::<f64>() - 3.0) as f32;
    let runs: Vec<PathBuf> = ["moved", "still"].map(|name| dir.path().join(name)).into();
    for (number, path) in runs.iter().enumerate() {
        fs::create_dir(path).unwrap();
        let info = RunInfo::of_this_binary(if number == 0 { "moved" } else { "still" }, "m", "scalar");
        let (mut rows, mut features) = (Vec::new(), Vec::new());
        for (l, lang) in langs.iter().enumerate() {
            for i in 0..100 {
                for side in [Side::Chosen, Side::Rejected] {
                    let far = number == 0 && l == 1;
                    let reward = if side == Side::Rejected {
                        0.0
                    } else {
                        noise(&format!("{lang} r"), i) as f32 - if far { 0.8 } else { 0.1 }
                    };
                    let row = ScoreRow {
                        benchmark: "b".into(),
                        benchmark_version: "1".into(),
                        subset: "s".into(),
                        category: None,
                        lang: Lang::from_code(lang).unwrap(),
                        item_id: format!("i{i}").into(),
                        source_id: format!("i{i}").into(),
                        side,
                        response_index: 0,
                        variant: None,
                        n_chars: 5,
                        n_tokens: 3,
                        truncated: false,
                        reward: Some(reward),
                        log_probs: None,
                    };
                    // 600 numbers are folded to 256.
                    let key = format!("{lang} {} {number}", side.as_str());
                    let numbers: Vec<f32> = (0..20).map(|at| normal(&format!("{key} {at}"), i)).collect();
                    let state = (0..600).map(|at| numbers[at % 20] + if far { 1.0 } else { 0.0 });
                    features.push(FeatureRow::of(&row, state.collect()));
                    rows.push(row);
                }
            }
        }
        write_table(&path.join("scores.parquet"), &info, &rows).unwrap();
        write_features(&path.join("features.parquet"), &info, features).unwrap();
    }
    let mut table = ItemTable::load(&runs).unwrap();
    distances::attach(&mut table, &runs).unwrap();
    let findings = compute(&table);
    let of = |run: usize, measure: &str, lang: &str| {
        let lang = Lang::from_code(lang).unwrap();
        find(&findings, "distance", Some(run), measure, &[About::Lang(lang)]).estimate.unwrap()
    };
    let far = of(0, "auroc", "arb_Arab");
    assert!(far.point > 0.9 && far.interval.unwrap().low > 0.85 && far.n > 25, "{far:?}");
    assert!(of(0, "distance-ratio", "arb_Arab").interval.unwrap().low > 1.2);
    for (run, lang) in [(0, "deu_Latn"), (1, "arb_Arab"), (1, "deu_Latn")] {
        let same = of(run, "auroc", lang);
        assert!((same.point - 0.5).abs() < 0.15 && same.interval.unwrap().low < 0.5, "{same:?}");
    }
    let errors = find(&findings, "distance", Some(0), "error-auroc", &[]).estimate.unwrap();
    assert!(errors.interval.unwrap().low > 0.5, "it errs where it is far out: {errors:?}");
    let few = find(&findings, "distance", Some(0), "rank-correlation", &[]);
    assert_eq!(few.why.as_deref(), Some("not enough data: 3 languages"));
    assert!(titles(&findings).contains(&"Hidden states"));

    let other = RunInfo::of_this_binary("moved", "another", "scalar");
    let path = runs[0].join("features.parquet");
    write_features(&path, &other, Vec::new()).unwrap();
    let error = distances::attach(&mut table, &runs).unwrap_err().to_string();
    assert!(error.contains("comes from another run"), "{error}");
}
