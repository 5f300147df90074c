//! What papers say that methods do, on data where it can be seen: vectors with a known truth, with intervals.
//!
//! Every run is one of the documented commands; what is asserted is read from the report's findings.

use std::path::Path;

use rmbench::random;
use serde_json::{Value, json};

use crate::features::vectors::succeeds;

const WIDTH: usize = 8;

/// Lines of pairs: the chosen response has more of `truth` of its language, but for a share of flipped labels.
fn write(path: &Path, rows: std::ops::Range<usize>, langs: &[(&str, [f64; WIDTH])], flips: f64) {
    let line = |i: usize| {
        let (lang, truth) = langs[i % langs.len()];
        let side = |name: &str| -> Vec<f64> {
            (0..WIDTH).map(|k| 2.0 * random::uniform(4, name, format!("{i} {k}")) - 1.0).collect()
        };
        let worth = |x: &[f64]| x.iter().zip(truth).map(|(x, w)| x * w).sum::<f64>();
        let (a, b) = (side("a"), side("b"));
        let flipped = random::uniform(4, "flip", i.to_le_bytes()) < flips;
        let (chosen, rejected) = if (worth(&a) > worth(&b)) != flipped { (a, b) } else { (b, a) };
        // Two categories: close calls and clear ones.
        let margin = (worth(&chosen) - worth(&rejected)).abs();
        let category = if margin < 1.5 { "close" } else { "clear" };
        json!({"id": format!("i{i}"), "language": lang, "subset": category, "category": category,
               "chosen_embedding": chosen, "rejected_embedding": rejected})
        .to_string()
    };
    std::fs::write(path, rows.map(line).collect::<Vec<_>>().join("\n")).unwrap();
}

const TRUTH: [f64; WIDTH] = [2.0, -1.0, 0.5, 0.0, 1.0, 0.0, -0.5, 0.0];

fn details(dir: &Path, measure: &str) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(dir.join("report/findings.json")).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    let mine = |d: &&Value| d["analysis"] == "studies" && d["measure"] == measure;
    let name = |d: &Value| d["of"][0]["name"].as_str().unwrap().to_owned();
    found["details"].as_array().unwrap().iter().filter(mine).map(|d| (name(d), d["estimate"].clone())).collect()
}

fn ends(estimate: &Value) -> (f64, f64, f64) {
    let number = |pointer: &str| estimate.pointer(pointer).and_then(Value::as_f64).unwrap();
    (number("/interval/low"), number("/point"), number("/interval/high"))
}

#[test]
fn the_robust_loss_undoes_flips() {
    // 30 % of labels are flipped. Plain training learns how likely the *given* label is, at most 70 %; the
    // debiased loss learns how likely the true one is, so its loss on clean pairs is lower.
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    write(&dir.join("train.jsonl"), 0..3000, &[("eng_Latn", TRUTH)], 0.3);
    write(&dir.join("test.jsonl"), 3000..4000, &[("eng_Latn", TRUTH)], 0.0);
    let args = "train --data train.jsonl --model init:embeddings --test test.jsonl --out s --set lr=0.02 --set epochs=6 \
                --sweep objective.flip-rate=0,0.3 --seeds 3";
    succeeds(dir, &args.split_whitespace().collect::<Vec<_>>());
    let loss = details(&dir.join("s"), "median-loss");
    let [(plain_name, plain), (robust_name, robust)] = loss.as_slice() else { panic!("{loss:?}") };
    assert_eq!((plain_name.as_str(), robust_name.as_str()), ("objective.flip-rate 0", "objective.flip-rate 0.3"));
    let ((low, ..), (.., high)) = (ends(plain), ends(robust));
    assert!(high < low, "robust {robust}, plain {plain}");
    let accuracy = details(&dir.join("s"), "median-accuracy");
    assert!(ends(&accuracy[1].1).1 > 0.9, "{accuracy:?}");
}

#[test]
fn merging_and_mixing_are_compared_by_language_and_category() {
    // Two languages that prefer different things: specialists, their merge, and one model of mixed data.
    let other = [0.0, 1.0, 0.5, 2.0, -1.0, 0.0, 0.0, 0.5];
    let langs = [("deu_Latn", TRUTH), ("hin_Deva", other)];
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    write(&dir.join("train.jsonl"), 0..3000, &langs, 0.0);
    write(&dir.join("test.jsonl"), 3000..4200, &langs, 0.0);
    write(&dir.join("pool.jsonl"), 4200..4400, &langs, 0.0);
    let say = |line: &str| succeeds(dir, &line.split_whitespace().collect::<Vec<_>>());
    let train = "train --data train.jsonl --model init:embeddings --set lr=0.02 --set epochs=4";
    say(&format!("{train} --out de --set source.langs=de"));
    say(&format!("{train} --out hi --set source.langs=hi"));
    say(&format!("{train} --out mixed"));
    say("merge de hi --match-heads pool.jsonl --out merged");
    for model in ["de", "hi", "mixed", "merged"] {
        say(&format!("score --model {model} --pairs test.jsonl --out runs/{model}"));
    }
    say("report runs/mixed runs/merged runs/de runs/hi --out report --baseline runs/mixed --format md,json");
    let text = std::fs::read_to_string(dir.join("report/findings.json")).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    let accuracy = |run: usize, lang: &str| {
        let mine = |f: &&Value| {
            let overall = f["metric"] == "accuracy" && f["scope"]["of"] == "overall";
            overall && f["run"] == run && f["languages"]["name"] == lang
        };
        ends(&found["findings"].as_array().unwrap().iter().find(mine).unwrap()["estimate"])
    };
    // A specialist beats both at home and loses abroad; the merge lies between the two specialists.
    for (own, foreign, lang) in [(2, 3, "deu_Latn"), (3, 2, "hin_Deva")] {
        let (home, abroad, merged) = (accuracy(own, lang), accuracy(foreign, lang), accuracy(1, lang));
        assert!(home.0 > merged.2.max(abroad.2), "{lang}: {home:?} {merged:?} {abroad:?}");
        assert!(merged.0 > abroad.1, "{lang}: {merged:?} {abroad:?}");
    }
    // The differences of merged and mixed, paired on the same items, by language.
    for lang in ["deu_Latn", "hin_Deva"] {
        let mine = |d: &&Value| {
            let overall = d["scope"]["of"] == "overall" && d["languages"]["name"] == lang;
            overall && d["run"] == 1 && d["baseline"] == 0
        };
        let estimate = &found["differences"].as_array().unwrap().iter().find(mine).unwrap()["estimate"];
        assert!(estimate["interval"].is_object() && estimate["n"] == 600, "{estimate}");
    }
    let markdown = std::fs::read_to_string(dir.join("report/report.md")).unwrap();
    assert!(markdown.contains("## Languages and categories") && markdown.contains("clear"), "{markdown}");
    for words in ["merged less mixed, percentage points", "| Language | Overall | clear | close | n |"] {
        assert!(markdown.contains(words), "{words}: {markdown}");
    }
    // Weights that depend on the prompt find the specialist of each language; equal ones cannot.
    say("model orchestrate runs/de runs/hi --by language,category --out weights.json");
    let found: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("weights.json")).unwrap()).unwrap();
    assert_eq!(found["by"], "language and category");
    for category in ["close", "clear"] {
        let of_de = |lang: &str| found["weights"][format!("{lang}, {category}")][0].as_f64().unwrap();
        assert!(of_de("deu_Latn") > of_de("hin_Deva") + 0.05, "{found}");
    }
    let accuracy = |at: usize| found["accuracies"][at]["accuracy"]["point"].as_f64().unwrap();
    assert_eq!(found["accuracies"][0]["of"], "weights by language and category");
    assert!(accuracy(0) > accuracy(1), "{found}");
}

/// Responses of two kinds, and criteria that ask for one or the other. The head sees either both, as what a response is worth
/// under the criteria, or the responses alone.
#[test]
fn reversals_tell_who_reads_the_criteria() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let row = |i: usize, wanted: usize, reads: bool| {
        let lang = ["deu_Latn", "hin_Deva"][i % 2];
        let strength = |kind: usize| 0.5 + random::uniform(7, "strength", format!("{i} {kind}"));
        let vector = |kind: usize| {
            let own = if kind == 0 { [strength(0), 0.0] } else { [0.0, strength(1)] };
            let sign = if wanted == 0 { 1.0 } else { -1.0 };
            if reads { [sign * own[0], sign * own[1]] } else { own }
        };
        // Longer and shorter: responses are told apart by their lengths.
        let text = |kind: usize| ["a long answer about boats", "bread"][kind];
        json!({"id": format!("i{i}-{wanted}"), "source_id": format!("i{i}"), "language": lang, "subset": "criteria",
               "prompt": format!("Prefer kind {wanted}."), "chosen": text(wanted), "rejected": text(1 - wanted),
               "chosen_embedding": vector(wanted), "rejected_embedding": vector(1 - wanted)})
        .to_string()
    };
    for (name, reads) in [("reads", true), ("blind", false)] {
        for (part, range) in [("train", 0..200), ("test", 200..300)] {
            let rows = range.flat_map(|i| [row(i, 0, reads), row(i, 1, reads)]);
            std::fs::write(dir.join(format!("{name}-{part}.jsonl")), rows.collect::<Vec<_>>().join("\n")).unwrap();
        }
        let say = |line: String| succeeds(dir, &line.split_whitespace().collect::<Vec<_>>());
        say(format!(
            "train --data {name}-train.jsonl --model init:embeddings --out {name} --set lr=0.05 --set epochs=5"
        ));
        say(format!("score --model {name} --pairs {name}-test.jsonl --out runs/{name}"));
        say(format!("report runs/{name} --out report-{name} --format md,json"));
        let text = std::fs::read_to_string(dir.join(format!("report-{name}/findings.json"))).unwrap();
        let found: Value = serde_json::from_str(&text).unwrap();
        let of = |measure: &str| -> Vec<Value> {
            let mine = |d: &&Value| d["analysis"] == "reversals" && d["measure"] == measure;
            found["details"].as_array().unwrap().iter().filter(mine).map(|d| d["estimate"].clone()).collect()
        };
        // Together, and in each of the two languages.
        let (both, single, unmoved) = (of("reversal-accuracy"), of("comparison-accuracy"), of("unmoved"));
        assert_eq!(both.iter().map(|e| e["n"].as_u64().unwrap()).collect::<Vec<_>>(), [100, 50, 50]);
        let point = |of: &[Value]| of[0]["point"].as_f64().unwrap();
        match reads {
            true => assert!(point(&both) > 0.9 && point(&unmoved) < 0.1, "{both:?} {unmoved:?}"),
            false => assert_eq!((point(&both), point(&single), point(&unmoved)), (0.0, 0.5, 1.0)),
        }
        let markdown = std::fs::read_to_string(dir.join(format!("report-{name}/report.md"))).unwrap();
        assert!(markdown.contains("## Criteria that reverse preferences"), "{markdown}");
    }
}
