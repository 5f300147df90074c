//! The same rows through every format, and what each format has of its own.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Int64Array, LargeStringArray, ListArray, RecordBatch, StringArray,
    StringViewArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use rmbench::benchmark::convert;
use rmbench::benchmark::reader::{self, Format, ReadError, ReadOptions};
use rmbench::preference::{Message, Role};
use serde_json::json;

use super::layouts::{jsonl, written};

#[test]
fn every_format_keeps_every_comparison() {
    let messages = json!([{"role": "system", "content": "S, \"s\""}, {"role": "user", "content": "line\nline\ttab"}]);
    let pair = json!({
        "id": "1", "language": "arb_Arab", "prompt": "سؤال, \"q\"", "chosen": "[\"a\", \"list\"]", "rejected": " padded ",
        "subset": "s", "category": "c", "chosen_model": "m", "margin": 0.1
    });
    let chat = json!({"id": "2", "source_id": "1", "language": "jpn_Jpan", "context": messages, "chosen": "\r\n良い", "rejected": "R", "subset": "t"});
    let many = json!({
        "id": "3", "language": "eng_Latn", "prompt": "P", "chosen": ["a", "b"], "rejected": ["c", "d"], "subset": "s",
        "styles": ["x", "y"], "chosen_model": "m"
    });
    let dir = tempfile::tempdir().unwrap();
    let options = ReadOptions::default();
    for rows in [vec![pair.clone()], vec![chat.clone()], vec![pair, chat, many]] {
        let input = jsonl(&rows);
        let (before, _) = reader::read_all(&input.path, &options).unwrap();
        assert_eq!(before.len(), rows.len());
        for ending in ["parquet", "arrow", "arrows", "jsonl", "json", "csv", "tsv"] {
            let out = dir.path().join(format!("out.{ending}"));
            let done = convert::run(&input.path, &out, &options).unwrap_or_else(|e| panic!("{ending}: {e:?}"));
            assert_eq!(done.format, Format::of_file(&out).unwrap());
            let (after, _) = reader::read_all(&out, &options).unwrap_or_else(|e| panic!("{ending}: {e}"));
            assert_eq!(before, after, "{ending}");
        }
    }
}

/// Sides with prompts of their own, as pairs of critiques have them.
#[test]
fn every_format_keeps_the_prompts_of_both_sides() {
    let row = |id: &str, rejected: &str| {
        json!({"id": id, "language": "eng_Latn", "prompt_chosen": "of the\nchosen, \"one\"", "chosen": "C",
            "prompt_rejected": rejected, "rejected": "R", "subset": "s"})
    };
    let input = jsonl(&[row("1", "of the other"), row("2", "of a third")]);
    let options = ReadOptions { evidence: true, ..ReadOptions::default() };
    let (before, _) = reader::read_all(&input.path, &options).unwrap();
    assert!(before.iter().all(|pair| pair.rejected[0].prompt.is_some()));
    let dir = tempfile::tempdir().unwrap();
    for ending in ["parquet", "arrow", "jsonl", "csv"] {
        let out = dir.path().join(format!("out.{ending}"));
        convert::write(&out, &before).unwrap();
        let (after, _) = reader::read_all(&out, &options).unwrap_or_else(|e| panic!("{ending}: {e}"));
        assert_eq!(before, after, "{ending}");
    }
    let mut turns = before;
    turns[1].prompt.0.insert(0, Message { role: Role::System, content: "S".into() });
    let error = convert::write(&dir.path().join("out.parquet"), &turns).unwrap_err();
    assert!(error.to_string().contains("row 1") && error.hint().unwrap().contains("into one"), "{error}");
}

#[test]
fn a_failed_conversion_leaves_the_old_output() {
    let input = jsonl(&[
        json!({"language": "de", "prompt": "P", "chosen": "C", "rejected": "R"}),
        json!({"language": "de", "prompt": "P", "chosen": "C", "rejected": null}),
    ]);
    let output = written("out.csv", "old");
    assert!(convert::run(&input.path, &output.path, &ReadOptions::default()).is_err());
    assert_eq!(std::fs::read_to_string(&output.path).unwrap(), "old");
    let error = convert::run(&input.path, &output.path.with_extension("docx"), &ReadOptions::default()).unwrap_err();
    assert!(error.hint().unwrap().contains(".parquet"));
}

/// Arrow's other ways to hold the same things: dictionaries, large and view strings, lists of structs,
/// numbers as ids, a list of one number as margin.
#[test]
fn column_types_of_other_writers() {
    let text = |values: [&str; 2]| -> ArrayRef { Arc::new(LargeStringArray::from(values.to_vec())) };
    let language: DictionaryArray<Int32Type> = ["deu_Latn", "deu_Latn"].into_iter().collect();
    let fields = vec![Field::new("content", DataType::Utf8, true), Field::new("role", DataType::Utf8, true)];
    let turns = StructArray::new(
        fields.clone().into(),
        vec![
            Arc::new(StringArray::from(vec!["Q1", "A1", "Q2", "Q"])),
            Arc::new(StringArray::from(vec!["user", "assistant", "user", "user"])),
        ],
        None,
    );
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields.into()), true));
    let prompt = ListArray::new(item, OffsetBuffer::from_lengths([3, 1]), Arc::new(turns), None);
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let margin =
        ListArray::new(item, OffsetBuffer::from_lengths([1, 1]), Arc::new(Float32Array::from(vec![0.5, 2.0])), None);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![5, 6]))),
        ("language", Arc::new(language)),
        ("unrelated", Arc::new(Int64Array::from(vec![0, 0]))),
        ("prompt", Arc::new(prompt)),
        ("chosen", text(["C1", "C2"])),
        ("rejected", Arc::new(StringViewArray::from(vec!["R1", "a rejected response that is not stored inline"]))),
        ("margin", Arc::new(margin)),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect()).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let parquet = dir.path().join("a.parquet");
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(File::create(&parquet).unwrap(), schema.clone(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let arrow = dir.path().join("a.feather");
    let mut writer = arrow::ipc::writer::FileWriter::try_new(File::create(&arrow).unwrap(), &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();

    for path in [parquet, arrow] {
        let reader = reader::open(&path, &ReadOptions::default()).unwrap();
        assert_eq!(reader.layout().unused, ["unrelated"]);
        let items: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(items[0].prompt.0.len(), 3);
        assert_eq!(items[0].prompt.0[1].role, Role::Assistant);
        assert_eq!((items[1].id.as_str(), items[1].lang.code(), items[1].margin), ("6", "deu_Latn", Some(2.0)));
        assert_eq!(items[1].rejected[0].text, "a rejected response that is not stored inline");
    }
}

#[test]
fn csv_with_a_byte_order_mark_messages_and_a_short_record() {
    let text = "\u{feff}id,lang,prompt,chosen,rejected\n\
                1,en,\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"Q\"\"}]\",C,R\n\
                2,en\n\
                3,en,\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"Q2\"\"}]\",\"C, with \"\"quotes\"\"\",R\n";
    let file = written("a.csv", text);
    let error = reader::read_all(&file.path, &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, ReadError::Row { row: 1, .. }), "{error}");
    let options = ReadOptions { skip_bad_rows: true, ..ReadOptions::default() };
    let (items, counts) = reader::read_all(&file.path, &options).unwrap();
    assert_eq!((items.len(), counts.skipped.get("malformed")), (2, Some(&1)));
    assert_eq!((items[1].row, items[1].prompt.plain_text().as_str()), (2, "Q2"));
    assert_eq!(items[1].chosen[0].text, "C, with \"quotes\"");
}

#[test]
fn broken_json_lines_are_rows_of_their_own() {
    let good = |id: u32| json!({"id": id, "language": "en", "prompt": "P", "chosen": "C", "rejected": "R"}).to_string();
    let file = written("a.jsonl", format!("{}\n{{\"id\": \n\n{}\n", good(0), good(2)));
    let error = reader::read_all(&file.path, &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("row 1") && error.to_string().contains("malformed"), "{error}");
    let options = ReadOptions { skip_bad_rows: true, ..ReadOptions::default() };
    let (items, counts) = reader::read_all(&file.path, &options).unwrap();
    assert_eq!((items.len(), counts.rows), (2, 3));
}

#[test]
fn a_cut_parquet_file_is_an_error_and_not_a_shorter_file() {
    let rows: Vec<_> =
        (0..50).map(|id| json!({"id": id, "language": "en", "prompt": "P", "chosen": "C", "rejected": "R"})).collect();
    let dir = tempfile::tempdir().unwrap();
    for ending in ["parquet", "arrow", "json"] {
        let path = dir.path().join(format!("a.{ending}"));
        convert::run(&jsonl(&rows).path, &path, &ReadOptions::default()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let result = reader::read_all(&path, &ReadOptions::default());
        assert!(result.is_err(), "{ending}");
    }
}

/// Files written by pyarrow (tests/reference/pair_files.py): nested messages, dictionary, fixed-size list.
#[test]
fn files_of_another_writer() {
    let fixture = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pairs").join(name);
    for name in ["chat.parquet", "chat.arrows"] {
        let (items, _) = reader::read_all(&fixture(name), &ReadOptions::default()).unwrap();
        let roles: Vec<Role> = items[1].prompt.0.iter().map(|turn| turn.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
        assert_eq!((items[1].lang.code(), items[1].margin, items[1].id.as_str()), ("deu_Latn", Some(2.0), "2"));
        assert_eq!(items[0].rejected[0].text, "Vierzig.");
    }
    let error = reader::read_all(&fixture("lz4.feather"), &ReadOptions::default()).unwrap_err();
    assert!(error.hint().unwrap().contains("without compression"), "{error}");
}
