//! Token ids equal transformers', for every family of tokenizers, in many scripts and on hostile strings.

use std::collections::BTreeSet;

use rmbench::text::encode::{TextError, TextPipeline};
use rmbench::text::settings::TextSettings;
use rmbench::text::tokenizer_files::TokenizerFiles;

use super::{fixtures, ids, json};

fn line(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn ids_in_forty_scripts_and_of_hostile_strings_equal_transformers() {
    let fixture = json("tokens.json");
    let texts = fixture["texts"].as_array().unwrap();
    let scripts: BTreeSet<&str> =
        texts.iter().filter_map(|t| t["lang"].as_str()?.split_once('_')).map(|l| l.1).collect();
    assert!(scripts.len() >= 40 && texts.len() > 140, "{} scripts", scripts.len());
    let tokenizers = fixture["tokenizers"].as_object().unwrap();
    assert!(tokenizers.len() >= 14);
    let mut wrong = Vec::new();
    for (name, expected) in tokenizers {
        let files = TokenizerFiles::read(&fixtures().join(expected["directory"].as_str().unwrap())).unwrap();
        let encode = |text: &str, special| files.tokenizer.encode_fast(text, special).unwrap().get_ids().to_vec();
        let largest = files.tokenizer.get_vocab(true).into_values().max().unwrap();
        assert_eq!(u64::from(largest) + 1, expected["vocabulary"].as_u64().unwrap(), "{name}");
        let mut without_special = String::new();
        for (entry, expected) in texts.iter().zip(expected["ids"].as_array().unwrap()) {
            let text = entry["text"].as_str().unwrap();
            let found = line(&encode(text, true));
            if found != *expected {
                wrong.push(format!("{name}: {text:?}\n  found    {found}\n  expected {expected}"));
            }
            without_special += &(line(&encode(text, false)) + "\n");
        }
        let digest = rmbench::files::sha256(without_special.as_bytes());
        if expected["without_special_sha256"] != digest {
            wrong.push(format!("{name}: ids without special tokens differ"));
        }
        for (pair, expected) in fixture["pairs"].as_array().unwrap().iter().zip(expected["pairs"].as_array().unwrap()) {
            let texts = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
            // transformers takes an empty second text for none.
            let found = match texts {
                (first, "") => files.tokenizer.encode_fast(first, true).unwrap(),
                both => files.tokenizer.encode_fast(both, true).unwrap(),
            };
            if found.get_ids() != ids(&expected["ids"]) || found.get_type_ids() != ids(&expected["types"]) {
                wrong.push(format!("{name}: {texts:?}\n  found    {:?}\n  expected {expected}", found.get_ids()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_checkpoint_with_nothing_but_a_sentencepiece_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tokenizer.model"), b"\n\x05").unwrap();
    let Err(error) = TextPipeline::from_dir(dir.path(), &TextSettings::default()) else { panic!("accepted") };
    assert!(
        matches!(error, TextError::Files(_)) && error.to_string().ends_with("tokenizer.json` is missing"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("AutoTokenizer.from_pretrained"));
}
