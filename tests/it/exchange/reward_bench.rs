//! RewardBench, M-RewardBench and RM-Bench results as their tools write them.

use rmbench::benchmark::catalog;
use rmbench::lang::Lang;
use rmbench::report::findings::{FindingOptions, Languages, Scope};
use rmbench::table::import::{ImportFormat, ImportOptions};
use serde_json::{Map, Value, json};

use super::{english, find, findings, imported, quick, refusal, write};

fn beaver() -> (Map<String, Value>, Vec<csv::StringRecord>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/published/rewardbench_v1_golden_beaver_cost.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let mut summary = Map::new();
    for row in rows.iter().filter(|row| &row[0] == "subset") {
        summary.insert(row[1].to_owned(), json!(row[2].parse::<f64>().unwrap()));
    }
    summary.insert("model".into(), json!("PKU-Alignment/beaver-7b-v1.0-cost"));
    summary.insert("model_type".into(), json!("Custom Classifier"));
    summary.insert("chat_template".into(), Value::Null);
    (summary, rows)
}

/// From the summary file through a score table to the section scores, in both eras.
#[test]
fn a_summary_gives_back_the_published_sections() {
    let dir = tempfile::tempdir().unwrap();
    let (summary, rows) = beaver();
    let published = |kind: &str, name: &str| -> f64 {
        rows.iter().find(|r| &r[0] == kind && (&r[1] == name || name.is_empty())).unwrap()[2].parse().unwrap()
    };
    let path = write(dir.path(), "eval-set/beaver.json", &Value::Object(summary).to_string());
    let runs = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default());
    assert_eq!(
        (runs[0].info.name.as_str(), runs[0].info.kind.as_str()),
        ("PKU-Alignment/beaver-7b-v1.0-cost", "scalar")
    );
    assert_eq!(runs[0].n_items, 2985);
    assert!(runs[0].notes.iter().any(|note| note.contains("pair with nothing")), "{:?}", runs[0].notes);
    let score = |weights: &str, scope: Scope| {
        let options = FindingOptions { weights: Some(weights.to_owned()), ..quick() };
        find(&findings(dir.path(), &runs, &options), 0, "accuracy", &scope, &english()).estimate.unwrap().point
    };
    for section in ["Chat", "Chat Hard", "Safety", "Reasoning"] {
        let ours = score("rb1", Scope::Category(section.into()));
        assert!((ours - published("section_rb1_weights", section)).abs() < 1e-12, "{section}: {ours}");
    }
    assert!((score("rb1", Scope::Overall) - published("overall_mean_of_4_rb1_weights", "")).abs() < 1e-12);
    let before = score("rb1-pre-2024-09", Scope::Category("Safety".into()));
    assert!((before - published("section_rb1_pre_2024_09_weights", "Safety")).abs() < 1e-12, "{before}");
}

#[test]
fn a_share_that_no_counts_give_is_left_out_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let summary = json!({"model": "m", "Factuality": (200.0 + 1.0 / 3.0 + 0.5) / 475.0, "Math": 0.123456, "Ties": 0.9});
    let path = write(dir.path(), "m.json", &summary.to_string());
    let runs = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default());
    assert_eq!(runs[0].n_items, 475);
    let notes = runs[0].notes.join("\n");
    for part in
        ["`Math` was left out: 0.123456 is no share of 183", "`Ties` was left out", "2 items have part of a credit"]
    {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let found = findings(dir.path(), &runs, &quick());
    let point = find(&found, 0, "accuracy", &Scope::Subset("Factuality".into()), &english()).estimate.unwrap().point;
    assert!((point - (200.0 + 5.0 / 6.0) / 475.0).abs() < 1e-12, "{point}");
}

/// Logits of shape [B, 1] are lists of one; ids are whole numbers.
#[test]
fn items_of_version_1() {
    let dir = tempfile::tempdir().unwrap();
    let file = json!({
        "model": "org/rm", "model_type": "Seq. Classifier", "chat_template": "tokenizer",
        "id": [0, 1, 2], "subset": ["donotanswer", "donotanswer", "hep-go"],
        "scores_chosen": [[1.5], 0.25, 3], "scores_rejected": [[1.0], 0.25, [4.0]],
        "results": [1, 0, 0], "text_chosen": ["a", "b", "c"], "text_rejected": ["a", "b", "c"],
    });
    let path = write(dir.path(), "rm.json", &file.to_string());
    let runs = imported(ImportFormat::Rewardbench, std::slice::from_ref(&path), &ImportOptions::default());
    let rewards: Vec<(String, Option<f32>)> =
        runs[0].rows.iter().map(|row| (format!("{} {}", row.item_id, row.side.as_str()), row.reward)).collect();
    assert_eq!(rewards[0], ("0 chosen".to_owned(), Some(1.5)));
    assert_eq!(rewards[3], ("1 rejected".to_owned(), Some(0.25)));
    assert_eq!(rewards[5], ("2 rejected".to_owned(), Some(4.0)));
    assert!(runs[0].info.digests.contains_key("manifest/rewardbench"));
    assert_eq!(runs[0].rows[0].benchmark_version.as_ref(), catalog::find("rewardbench").unwrap().version);
    // Arrays that do not stand side by side.
    let mut broken = file;
    broken["scores_chosen"] = json!([1.0]);
    let path = write(dir.path(), "broken.json", &broken.to_string());
    let (error, _) = refusal(ImportFormat::Rewardbench, &path, &ImportOptions::default());
    assert!(error.ends_with("broken.json` has 1 values of `scores_chosen` for 3 items"), "{error}");
}

/// The first ten ids of Factuality read 30-39; with the data, items are joined by subset and position.
#[test]
fn items_of_version_2_with_their_known_faults() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids: Vec<Value> = (30..40).chain(10..41).map(|n: i32| json!(n.to_string())).collect();
    let mut subsets = vec![json!("Factuality"); 41];
    // Best of 4; item 0 shares the maximum with one other; the numbers are lists of one now and then.
    let mut scores: Vec<Value> =
        (0..41).map(|i| if i == 0 { json!([[2.0], [2.0], 1.0, 0.0]) } else { json!([1.0, 0.0, 0.0, -1.0]) }).collect();
    let mut right = vec![json!(1); 41];
    for (id, list, n) in [("ref:0", json!([9.0, 1.0]), 1), ("tied:0", json!([9.0, 8.5, 1.0]), 2)] {
        ids.push(json!(id));
        subsets.push(json!("Ties"));
        scores.push(list);
        right.push(json!(n));
    }
    let results = vec![json!(0.25); 43];
    let file = json!({"model": "m", "model_type": "Seq. Classifier", "id": ids, "subset": subsets, "scores": scores, "num_correct": right, "results": results});
    let path = write(dir.path(), "m.json", &file.to_string());
    let runs = imported(ImportFormat::Rewardbench, std::slice::from_ref(&path), &ImportOptions::default());
    assert_eq!(runs[0].n_items, 43);
    assert!(runs[0].notes.contains(&"the first ten ids of Factuality read 30-39; they are 0-9".to_owned()));
    let found = findings(dir.path(), &runs, &quick());
    let point = |metric: &str, subset: &str| {
        find(&found, 0, metric, &Scope::Subset(subset.into()), &english()).estimate.unwrap().point
    };
    assert!((point("accuracy", "Factuality") - 40.5 / 41.0).abs() < 1e-12);
    assert!((point("ties-tied", "Ties") - 1.0).abs() < 1e-12);
    // A judge's file has results only: those of Ties mean nothing.
    let judge = json!({"model": "j", "model_type": "Generative RM", "id": file["id"], "subset": file["subset"], "num_correct": file["num_correct"], "results": file["results"], "scores": []});
    let path = write(dir.path(), "j.json", &judge.to_string());
    let runs = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default());
    assert_eq!((runs[0].n_items, runs[0].info.kind.as_str()), (41, "generative"));
    assert!(runs[0].notes.iter().any(|n| n.starts_with("2 items of Ties")), "{:?}", runs[0].notes);
    let found = findings(dir.path(), &runs, &quick());
    let factuality = find(&found, 0, "accuracy", &Scope::Subset("Factuality".into()), &english()).estimate.unwrap();
    assert!((factuality.point - 0.25).abs() < 1e-12);
}

#[test]
fn outputs_of_the_rewardbench_command() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: i32, chosen: f64| json!({"id": id, "subset": "hep-js", "prompt": "p", "chosen": "longer", "rejected": "short", "results": 1, "scores_chosen": chosen, "scores_rejected": [0.5], "text_chosen": "x", "text_rejected": "y"});
    let path = write(dir.path(), "rm_outputs.jsonl", &format!("{}\n{}\n", row(7, 1.0), row(8, 0.25)));
    let runs = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default());
    assert_eq!((runs[0].info.name.as_str(), runs[0].n_items), ("rm", 2));
    let first = &runs[0].rows[0];
    assert_eq!((first.benchmark.as_ref(), first.subset.as_ref(), first.n_chars), ("rewardbench", "hep-js", 6));
    let path = write(dir.path(), "y_all.jsonl", "{\"chosen\": 2.5, \"rejected\": -1.0}\n");
    let runs = imported(ImportFormat::Rewardbench, &[path], &ImportOptions::default());
    assert_eq!(
        (runs[0].info.name.as_str(), runs[0].rows[0].reward, runs[0].rows[1].reward),
        ("y", Some(2.5), Some(-1.0))
    );
    let path = write(dir.path(), "x_outputs.jsonl", "{\"text\": \"a\", \"other\": 0.7}\n");
    let (error, hint) = refusal(ImportFormat::Rewardbench, &path, &ImportOptions::default());
    assert!(error.contains("has no columns with scores") && hint.contains("score-chosen"), "{error} {hint}");
}

/// 2,869 items of a language in the order of the data; position gives ids and subsets.
#[test]
fn m_rewardbench_in_both_layouts() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = catalog::find("m-rewardbench").unwrap();
    let deu = Lang::from_code("deu_Latn").unwrap();
    let subsets: Vec<String> = manifest
        .subsets()
        .flat_map(|(_, s)| vec![s.name.clone(); manifest.expected(&s.name, deu).unwrap() as usize])
        .collect();
    assert_eq!(subsets.len(), 2869);
    let data: String = subsets
        .iter()
        .enumerate()
        .map(|(i, s)| format!("{}\n", json!({"id": i, "language": "deu_Latn", "prompt": "p", "chosen": "gut so", "rejected": "nein", "chosen_model": "a", "rejected_model": "b", "source": s})))
        .collect();
    let data = write(dir.path(), "deu_Latn.jsonl", &data);
    // Right where i is no multiple of 4.
    let lines: String = (0..2869)
        .map(|i| format!("{}\n", json!({"chosen": if i % 4 == 0 { 0.0 } else { 2.0 }, "rejected": 1.0})))
        .collect();
    let all = write(dir.path(), "org/rm-deu_Latn-all.jsonl", &lines);
    let accuracies: Map<String, Value> = manifest
        .subsets()
        .map(|(_, s)| {
            let own: Vec<usize> = (0..2869).filter(|i| subsets[*i] == s.name).collect();
            let right = own.iter().filter(|i| *i % 4 != 0).count();
            (s.name.clone(), json!(right as f64 / own.len() as f64))
        })
        .collect();
    let summary = json!({"accuracy": 0.75, "num_prompts": 2869, "model": "org/rm", "ref_model": "org/base", "subset_results": accuracies});
    let summary = write(dir.path(), "org/rm-deu_Latn.json", &summary.to_string());
    let judge = json!({
        "dataset": "x", "model": "org/judge", "scores": {"accuracy": 0.75, "num_correct": 0, "num_total": 2869,
            "results": (0..2869).map(|i| if i % 4 == 0 { 0.0 } else { 1.0 }).collect::<Vec<f64>>()},
        "leaderboard": {"Chat": 0.0}, "subset": accuracies,
    });
    let judge = write(dir.path(), "org___judge-deu_Latn.json", &judge.to_string());

    let with_data = ImportOptions { items: vec![data], ..ImportOptions::default() };
    let both = [all.clone(), summary.clone(), judge];
    let runs = imported(ImportFormat::MRewardbench, &both, &with_data);
    let names: Vec<&str> = runs.iter().map(|run| run.info.name.as_str()).collect();
    assert_eq!(names, ["org/judge", "org/rm"], "the numbers of the summary beside the scores are not read");
    assert_eq!(
        [&runs[0].info.kind, &runs[1].info.kind],
        ["generative", "implicit"],
        "the summary has a reference model"
    );
    assert_eq!(runs[1].rows[0].n_chars, 6);
    let found = findings(dir.path(), &runs, &quick());
    let deu_only = Languages::One(deu);
    let point = |run: usize| find(&found, run, "accuracy", &Scope::Overall, &deu_only).estimate.unwrap().point;
    assert!((point(0) - point(1)).abs() < 1e-12);

    // Summaries alone: the same scores, on items that pair with nothing.
    let alone = imported(ImportFormat::MRewardbench, &[summary], &ImportOptions::default());
    let found = findings(dir.path(), &alone, &quick());
    let summarised = find(&found, 0, "accuracy", &Scope::Overall, &deu_only).estimate.unwrap();
    assert!((summarised.point - point(0)).abs() < 1e-12);

    let (error, hint) = refusal(ImportFormat::MRewardbench, &all, &ImportOptions::default());
    assert!(error.contains("in the order of the data") && hint.contains("--items"), "{error} {hint}");
    let short = write(dir.path(), "org/rm-deu_Latn-all.jsonl", "{\"chosen\": 1.0, \"rejected\": 0.0}\n");
    let (error, _) = refusal(ImportFormat::MRewardbench, &short, &with_data);
    assert!(error.contains("has 1 scores of deu_Latn without usable ids, the data of deu_Latn 2869 items"), "{error}");
}

/// Translation has eight cells, each in one language; a folder per language; English from RewardBench's own file.
#[test]
fn m_rewardbench_translation_folders_and_english() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = catalog::find("m-rewardbench-translation").unwrap();
    let cells: Vec<&str> = manifest.subsets().map(|(_, subset)| subset.name.as_str()).collect();
    assert_eq!(cells.len(), 8);
    let shares: Map<String, Value> =
        cells.iter().enumerate().map(|(i, c)| (c.to_string(), json!(i as f64 / 10.0))).collect();
    let summary = json!({"accuracy": 0.35, "num_prompts": 800, "model": "org/rm", "ref_model": "org/base", "subset_results": shares});
    let summary = write(dir.path(), "org/rm-translation.json", &summary.to_string());
    let rows = cells.iter().flat_map(|cell| std::iter::repeat_n(*cell, 100)).enumerate();
    let data: String = rows
        .map(|(i, cell)| {
            format!(
                "{}\n",
                json!({"id": i, "prompt": format!("p {}", i % 7), "chosen": "gut", "rejected": "x", "source": cell})
            )
        })
        .collect();
    let data = write(dir.path(), "data/translation/test.jsonl", &data);
    let lines: String = (0..800)
        .map(|i| format!("{}\n", json!({"chosen": if i % 100 < i / 100 * 10 { 1.0 } else { 0.0 }, "rejected": 0.5})))
        .collect();
    let lines = write(dir.path(), "x/org/rm-translation-all.jsonl", &lines);
    let with_data = ImportOptions { items: vec![data], ..ImportOptions::default() };
    let of_summary = imported(ImportFormat::MRewardbench, &[summary], &ImportOptions::default()).remove(0);
    assert_eq!(of_summary.info.kind, "implicit", "a reference model says so");
    let of_lines = imported(ImportFormat::MRewardbench, &[lines], &with_data).remove(0);
    assert!(
        of_lines.notes.iter().any(|n| n.contains("800 items joined with --items by position")),
        "{:?}",
        of_lines.notes
    );
    assert!(of_lines.notes.iter().any(|n| n.contains("800 translations are of 7")), "{:?}", of_lines.notes);
    for run in [of_summary, of_lines] {
        let found = findings(dir.path(), &[run], &quick());
        for (i, (_, subset)) in manifest.subsets().enumerate() {
            let (scope, lang) = (Scope::Subset(subset.name.clone()), Languages::One(subset.langs[0]));
            let estimate = find(&found, 0, "accuracy", &scope, &lang).estimate.unwrap();
            assert_eq!((estimate.n, (estimate.point * 10.0).round() as usize), (100, i), "{}", subset.name);
        }
    }

    // One folder per language, and RewardBench's own results as English, on the ids that both have.
    let manifest = catalog::find("m-rewardbench").unwrap();
    let subsets: Vec<&str> = manifest.subsets().flat_map(|(_, s)| [s.name.as_str(), s.name.as_str()]).collect();
    let n = subsets.len();
    let row = |(i, subset): (usize, &&str)| json!({"id": i, "prompt": "p", "chosen": "gut", "rejected": "x", "source": subset, "subset": subset});
    let data: Vec<String> = subsets.iter().enumerate().map(|row_of| format!("{}\n", row(row_of))).collect();
    let deu = write(dir.path(), "data/deu_Latn.jsonl", &data.concat());
    let one_more = format!("{}\n", row((n, &"hep-go")));
    let eng = write(dir.path(), "data/rewardbench.jsonl", &format!("{}{one_more}", data.concat()));
    // German: right at even positions. English, in reverse: right everywhere, but at the item that German lacks.
    let scores = |i: usize| format!("{}\n", json!({"chosen": i % 2, "rejected": 0.5}));
    let lines = write(dir.path(), "deu_Latn/org/rm-all.jsonl", &(1..=n).map(scores).collect::<String>());
    let ids: Vec<usize> = (0..=n).rev().collect();
    let rewards: Vec<usize> = ids.iter().map(|id| usize::from(*id < n)).collect();
    let of_ids: Vec<&str> = ids.iter().map(|id| subsets.get(*id).copied().unwrap_or("hep-go")).collect();
    let own = json!({"model": "org/rm", "model_type": "Seq. Classifier", "id": ids, "subset": of_ids, "scores_chosen": rewards, "scores_rejected": vec![0.5; n + 1]});
    let own = write(dir.path(), "eval-set-scores/org/rm.json", &own.to_string());
    let options = ImportOptions { items: vec![deu, eng], ..ImportOptions::default() };
    let runs = imported(ImportFormat::MRewardbench, &[lines, own], &options);
    assert_eq!((runs.len(), runs[0].n_items), (1, 2 * n + 1), "one model, one run");
    let found = findings(dir.path(), &runs, &quick());
    let gap = find(&found, 0, "gap-to-english", &Scope::Overall, &Languages::One(deu_latn())).estimate.unwrap();
    assert_eq!((gap.point, gap.n), (-0.5, n), "paired on the ids that both have");
}

fn deu_latn() -> Lang {
    Lang::from_code("deu_Latn").unwrap()
}

#[test]
fn rm_bench_submissions() {
    let dir = tempfile::tempdir().unwrap();
    let item = |id: &str, chosen: [f64; 3]| json!({"id": id, "prompt": "p", "domain": "chat", "chosen": ["a", "bb", "ccc"], "rejected": ["a", "b", "c"], "score_chosen": chosen, "score_rejected": [2.0, 0.0, 4.0]});
    let file = json!([item("1", [1.0, 5.0, 3.0]), item("2", [9.0, 9.0, 9.0])]);
    let path = write(dir.path(), "GRM/total_dataset_GRM_REWORD_MODEL_x.json", &file.to_string());
    let runs = imported(ImportFormat::RmBench, &[path], &ImportOptions::default());
    assert_eq!(runs[0].info.name, "GRM");
    assert_eq!(runs[0].rows[2].variant.as_deref(), Some("markdown"));
    let found = findings(dir.path(), &runs, &quick());
    let chat = Scope::Subset("chat".into());
    let point = |metric: &str| find(&found, 0, metric, &chat, &english()).estimate.unwrap().point;
    // The first item's matrix is worked in `style_matrix`: 6/9, hard 2/3.
    assert!((point("accuracy") - (6.0 / 9.0 + 1.0) / 2.0).abs() < 1e-12);
    assert!((point("style-matrix-hard") - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
}
