//! `rmbench data show`, and `data check` with a model's own settings.

use std::path::Path;

use serde_json::Value;

use super::fixtures;
use crate::command::{run, transcript};

/// A model directory with the text side of a fixture, and two rows of pairs beside it.
fn prepared(architecture: &str, card: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for entry in std::fs::read_dir(fixtures().join("arch").join(architecture)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("tokenizer") || name.starts_with("chat_template") || name == "config.json" {
            std::fs::copy(&path, model.join(name)).unwrap();
        }
    }
    if !card.is_empty() {
        std::fs::write(model.join("rmbench.toml"), format!("schema = 1\n{card}")).unwrap();
    }
    let pairs = "prompt,chosen,rejected\nIs it deep?,\"Yes,\tten.\",No.\nשלום?,\"שלום\u{200f}!\",no\n";
    std::fs::write(dir.path().join("pairs.csv"), pairs).unwrap();
    dir
}

const CARD: &str = "[reward]\nkind = \"scalar\"\npooling = \"hf-last-nonpad\"\n";

fn show<'a>(row: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["data", "show", "--model", "model", "--pairs", "pairs.csv", "--lang", "he", "--row", row], more].concat()
}

fn shown(dir: &Path, row: &str) -> Value {
    let output = run(dir, &show(row, &["--json"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_row_is_shown_as_the_model_sees_it() {
    let dir = prepared("llama", CARD);
    insta::assert_snapshot!(transcript(dir.path(), &show("0", &[])));
    let text = transcript(dir.path(), &show("1", &[]));
    // Text from right to left stays whole, the mark in it is seen.
    assert!(text.contains("שלום<U+200F>!<|eot_id|>"), "{text}");
}

#[test]
fn programs_get_the_same_as_json() {
    let dir = prepared("llama", CARD);
    let json = shown(dir.path(), "0");
    let chosen = &json["responses"][0];
    assert_eq!((&json["lang"], &json["row"], &chosen["role"]), (&"heb_Hebr".into(), &0.into(), &"chosen".into()));
    let tokens = chosen["tokens"].as_array().unwrap();
    assert_eq!(tokens[0], json["bos"]);
    assert_eq!((&chosen["starts_with_bos"], &chosen["ends_with_eos"]), (&true.into(), &true.into()));
    assert_eq!(chosen["pooled"].as_u64().unwrap() as usize, tokens.len() - 1);
    assert!(json["shared_tokens"].as_u64().unwrap() > 5);
}

#[test]
fn what_was_done_to_a_row_is_said() {
    let dir = prepared("mistral", &format!("{CARD}[text]\nlayout = \"concat\"\nmax-length = 8\n"));
    let pairs = "prompt,chosen,rejected\n<s>Is the lake behind the hill deep?,Yes it is deep,No\n";
    std::fs::write(dir.path().join("pairs.csv"), pairs).unwrap();
    let json = shown(dir.path(), "0");
    assert_eq!(json["bos_removed"], 2);
    assert_eq!(json["responses"][0]["tokens"].as_array().unwrap().len(), 8);
    let warnings: Vec<&str> = json["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert!(warnings.contains(&"2 surplus BOS tokens were removed (bos policy)"), "{warnings:?}");
    assert!(warnings.contains(&"response 0 was cut to 8 tokens"), "{warnings:?}");
}

#[test]
fn rows_that_are_not_there_are_refused() {
    let dir = prepared("llama", "");
    let text = transcript(dir.path(), &show("2", &[]));
    assert!(text.contains("exit code 2") && text.contains("`pairs.csv` has no row 2: it has 2 rows"), "{text}");
}

#[test]
fn data_check_measures_with_the_models_own_settings() {
    let check = |card: &str| {
        let dir = prepared("llama", card);
        transcript(dir.path(), &["data", "check", "pairs.csv", "--lang", "he", "--model", "model"])
    };
    let remark = "2 items longer than the model takes: heb_Hebr 2";
    assert!(!check(CARD).contains("longer than the model takes"));
    let short = check(&format!("{CARD}[text]\nmax-length = 4\n"));
    assert!(short.contains(remark), "{short}");
}
