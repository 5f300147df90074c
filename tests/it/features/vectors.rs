//! Vectors in the data: read, trained on, scored, reported, by the same commands as texts.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Builder, LargeListArray, ListArray, ListBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{Float32Type, Float64Type};
use parquet::arrow::ArrowWriter;
use rmbench::benchmark::reader::{self, ReadOptions};
use rmbench::lang::Lang;
use rmbench::random;
use rmbench::table::item::ItemTable;
use serde_json::json;

use crate::command::run;

const WIDTH: usize = 6;

/// A pair whose chosen response has more of `truth`.
fn pair(i: usize, flip: bool) -> [Vec<f32>; 2] {
    let draw = |side: &str, k: usize| random::uniform(9, side, format!("{i} {k}")) as f32 * 2.0 - 1.0;
    let side = |name: &str| -> Vec<f32> { (0..WIDTH).map(|k| draw(name, k)).collect() };
    let worth = |x: &[f32]| 2.0 * x[0] - x[1] + 0.5 * x[4];
    let (a, b) = (side("a"), side("b"));
    if (worth(&a) > worth(&b)) != flip { [a, b] } else { [b, a] }
}

pub fn write(path: &Path, rows: std::ops::Range<usize>) {
    let ids: Vec<String> = rows.clone().map(|i| format!("i{i}")).collect();
    let langs: Vec<&str> = rows.clone().map(|i| if i % 2 == 0 { "eng_Latn" } else { "hin_Deva" }).collect();
    let mut sides = [(); 2].map(|()| ListBuilder::new(Float32Builder::new()));
    for i in rows {
        for (side, vector) in sides.iter_mut().zip(pair(i, false)) {
            side.values().append_slice(&vector);
            side.append(true);
        }
    }
    let [mut chosen, mut rejected] = sides;
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(StringArray::from(ids))),
        ("language", Arc::new(StringArray::from(langs))),
        ("chosen_embedding", Arc::new(chosen.finish())),
        ("rejected_embedding", Arc::new(rejected.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub fn succeeds(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {text}");
    text
}

fn accuracy(dir: &Path, run: &str) -> f64 {
    let table = ItemTable::load(&[dir.join(run)]).unwrap();
    let right = (0..table.items.len()).filter(|&i| {
        let item = table.item(0, i);
        item.chosen[0].unwrap() > item.rejected[0].unwrap()
    });
    right.count() as f64 / table.items.len() as f64
}

#[test]
fn vectors_of_any_kind_go_the_whole_way() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    write(&dir.join("train.parquet"), 0..600);
    write(&dir.join("bench.parquet"), 600..1000);
    let train = |out: &str, more: &[&str]| {
        let mut args = vec!["train", "--data", "train.parquet", "--out", out, "--set", "lr=0.02", "--set", "epochs=30"];
        args.extend(more);
        succeeds(dir, &args);
        succeeds(dir, &["score", "--model", out, "--pairs", "bench.parquet", "--out", &format!("runs-{out}")]);
        accuracy(dir, &format!("runs-{out}"))
    };
    let linear = train("linear", &["--model", "init:embeddings"]);
    assert!(linear > 0.93, "{linear}");
    let mlp = train("mlp", &["--model", "init:embeddings", "--set", "reward.head={ mlp = { name = 'score' } }"]);
    assert!(mlp > 0.85, "{mlp}");
    // Going on from a trained head; a transfer from one language is as good where languages do not matter.
    let further = train("further", &["--model", "linear", "--set", "source.langs=hi"]);
    assert!(further > 0.93, "{further}");
    let card = std::fs::read_to_string(dir.join("linear/rmbench.toml")).unwrap();
    assert!(card.contains("kind = \"embedding\"") && card.contains("width = 6"), "{card}");
    // A model says which trainings it went through, and so does what is made of its scores.
    let card = std::fs::read_to_string(dir.join("further/rmbench.toml")).unwrap();
    assert!(card.contains("[[provenance.stages]]") && card.contains("base = \"init:embeddings\""), "{card}");
    let record = std::fs::read_to_string(dir.join("further/run.json")).unwrap();
    assert!(record.contains("bt from init:embeddings, 600 pairs, seed 0"), "{record}");
    succeeds(dir, &["report", "runs-linear", "runs-mlp", "runs-further", "--out", "report", "--format", "md"]);
    let markdown = std::fs::read_to_string(dir.join("report/report.md")).unwrap();
    assert_eq!(markdown.matches("Stage 1 of its training").count(), 1, "{markdown}");

    // A model of texts does not take vectors for texts, and says so.
    let output = run(dir, &["score", "--model", "mock:length", "--pairs", "bench.parquet", "--out", "no"]);
    assert_eq!(output.status.code(), Some(2));
    let pairs = json!({"id": "x", "language": "en", "prompt": "p", "chosen": "a", "rejected": "b"}).to_string();
    std::fs::write(dir.join("texts.jsonl"), pairs).unwrap();
    let output = run(dir, &["score", "--model", "linear", "--pairs", "texts.jsonl", "--out", "no"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("has no vector"), "{text}");
}

#[test]
fn vectors_are_read_alone_beside_texts_and_in_lists() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("pairs.jsonl");
    let options = ReadOptions { embeddings: true, lang: Some(Lang::ENGLISH), ..ReadOptions::default() };
    let read = |row: serde_json::Value| {
        std::fs::write(&path, row.to_string()).unwrap();
        reader::read_all(&path, &options).map(|(mut all, _)| all.remove(0)).map_err(|error| error.to_string())
    };
    let alone = read(json!({"chosen_embedding": [1, 2.5], "rejected_embedding": [0.5, -1]})).unwrap();
    assert_eq!(alone.chosen[0].embedding.as_ref().unwrap().0[..], [1.0, 2.5]);
    assert!(alone.chosen[0].text.starts_with("vector ") && alone.chosen[0].text != alone.rejected[0].text);
    let beside = read(json!({"prompt": "p", "chosen": "a", "rejected": "b", "embedding_chosen": [1.5, 2],
                             "embedding_rejected": [3, 4.5]}))
    .unwrap();
    assert_eq!((beside.chosen[0].text.as_str(), beside.rejected[0].embedding.as_ref().unwrap().0.len()), ("a", 2));
    let several = read(json!({"prompt": "p", "chosen": ["a"], "rejected": ["b", "c"], "chosen_embedding": [[1.5]],
                              "rejected_embedding": [[2.5], [3.5]]}))
    .unwrap();
    assert_eq!(several.rejected[1].embedding.as_ref().unwrap().0[..], [3.5]);
    for (row, says) in [
        (json!({"chosen_embedding": [1.5]}), "one side only"),
        (json!({"chosen_embedding": [1.5, null], "rejected_embedding": [1.5, 2]}), "chosen_embedding"),
        (json!({"chosen_embedding": [], "rejected_embedding": [1.5]}), "chosen_embedding"),
    ] {
        let error = read(row.clone()).unwrap_err();
        assert!(error.contains(says), "{row}: {error}");
    }
}

/// Every type of list that a file may have, numbers as they stand in it and others.
#[test]
fn vectors_in_parquet_are_read_whatever_the_list() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("pairs.parquet");
    let options = ReadOptions { embeddings: true, lang: Some(Lang::ENGLISH), ..ReadOptions::default() };
    let read = |chosen: ArrayRef, rejected: ArrayRef| {
        let batch =
            RecordBatch::try_from_iter([("chosen_embedding", chosen), ("rejected_embedding", rejected)]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        reader::read_all(&path, &options).map(|(all, _)| all).map_err(|error| error.to_string())
    };
    let rows = [[1.5f32, -2.0], [0.25, 8.0], [3.0, 0.5]];
    let short = || -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows.map(|row| Some(row.map(Some)))))
    };
    let long: ArrayRef =
        Arc::new(LargeListArray::from_iter_primitive::<Float32Type, _, _>(rows.map(|row| Some(row.map(Some)))));
    let fixed: ArrayRef =
        Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows.map(|row| Some(row.map(Some))), 2));
    let wide: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(
        rows.map(|row| Some(row.map(|x| Some(f64::from(x))))),
    ));
    for array in [long, fixed, wide] {
        let pairs = read(short(), array).unwrap();
        for (pair, expected) in pairs.iter().zip(rows) {
            for response in pair.responses() {
                assert_eq!(response.embedding.as_ref().unwrap().0[..], expected);
            }
        }
        assert_eq!(pairs.len(), 3);
    }
    let with = |bad: Option<f32>| -> ArrayRef {
        let rows = [[Some(1.0), Some(2.0)], [Some(1.0), bad]];
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows.map(Some)))
    };
    for bad in [None, Some(f32::NAN), Some(f32::INFINITY)] {
        let error = read(with(Some(4.0)), with(bad)).unwrap_err();
        assert!(error.contains("rejected_embedding") && error.contains("row 1"), "{bad:?}: {error}");
    }
}
