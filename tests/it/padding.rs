//! A pad token that is also EOS: said at the start of scoring and training, and gone from what is exported.

use std::path::Path;

use rmbench::backbone::params::Params;
use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::reward::artifact;
use rmbench::reward::network::MissingHead;
use serde_json::{Value, json};
use tch::{Device, Kind};

use crate::command::run;
use crate::heads::{assemble, assembled};

const EOS: u32 = 382;
const PAD: u32 = 383;

/// Pairs in a file of a name of its own.
fn write_pairs(dir: &Path) {
    let row = |i: usize| {
        json!({"id": format!("item-{i}"), "language": "eng_Latn", "prompt": format!("Is lake {i} deep?"),
               "chosen": "Yes, about ten metres.", "rejected": "no"})
    };
    let text: Vec<String> = (0..4).map(|i| row(i).to_string()).collect();
    std::fs::write(dir.join("pairs.jsonl"), text.join("\n")).unwrap();
}

/// The tiny Llama with pad = EOS, in `config.json` and in the tokenizer, in `dir/model`.
fn write_model(dir: &Path, card: &str, with_head: bool) {
    let model = dir.join("model");
    std::fs::create_dir(&model).unwrap();
    assemble(&model, "llama", &json!({"pad_token_id": EOS}), None, None, card);
    let path = model.join("tokenizer_config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("<|finetune_right_pad_id|>", "<|eot_id|>")).unwrap();
    if !with_head {
        let path = model.join("model.safetensors");
        let mut tensors: Params = Checkpoint::open_files(std::slice::from_ref(&path)).unwrap().take_all().unwrap();
        drop(tensors.remove("score.weight").unwrap());
        weights::write(&path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
    }
    write_pairs(dir);
}

fn talk(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = run(dir, args);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const SCORE: [&str; 5] = ["score", "--model", "model", "--pairs", "pairs.jsonl"];
const TRAIN: [&str; 13] = [
    "train",
    "--model",
    "model",
    "--data",
    "pairs.jsonl",
    "--out",
    "out",
    "--device",
    "cpu",
    "--set",
    "epochs=1",
    "--set",
    "batch-size=4",
];

#[test]
fn scoring_warns_where_a_rule_looks_for_a_pad_token_that_ends_texts() {
    for (card, said) in [
        ("", Some("pooling `hf-last-nonpad` skips one that closes the response")),
        ("pooling = \"hf-legacy-first-pad\"", Some("reads before the first one, which may stand in the prompt")),
        ("pooling = \"mask-last\"", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write_model(dir.path(), card, true);
        for more in [&["--out", "run"][..], &["--out", "other", "--dry-run"]] {
            let (code, text) = talk(dir.path(), &[&SCORE[..], more].concat());
            assert_eq!(code, Some(0), "{text}");
            assert_eq!(
                text.contains("the pad token `<|eot_id|>` (id 382) is also the EOS token"),
                said.is_some(),
                "{text}"
            );
            assert!(said.is_none_or(|said| text.contains(said)), "{text}");
        }
        // A run may say otherwise.
        let (_, text) =
            talk(dir.path(), &[&SCORE[..], &["--out", "set", "--set", "reward.pooling=mask-last"]].concat());
        assert!(!text.contains("EOS"), "{text}");
    }
}

#[test]
fn what_is_trained_anew_gets_a_pad_token_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), "", false);
    let (code, text) = talk(dir.path(), &TRAIN);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("pad token: `<|finetune_right_pad_id|>` (id 383), since id 382 also ends texts"), "{text}");
    assert!(!text.contains("is also the EOS token"), "{text}");
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("out").join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("config.json")["pad_token_id"], json!(PAD));
    let tokenizer = read("tokenizer_config.json");
    assert_eq!(tokenizer["pad_token"], json!("<|finetune_right_pad_id|>"));
    assert_eq!(tokenizer["eos_token"], json!("<|eot_id|>"));
    // It pools what transformers will: the closing EOS. And it is loaded again as it is.
    let missing = MissingHead::Refuse;
    let model = artifact::load(&dir.path().join("out"), Device::Cpu, Kind::Float, Kind::Float, missing, None).unwrap();
    assert_eq!((model.pad_id(), model.text.pad_id()), (Some(PAD), Some(PAD)));
}

#[test]
fn a_trained_head_goes_on_reading_where_it_learnt_to() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), "", true);
    let (code, text) = talk(dir.path(), &TRAIN);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("is also the EOS token") && !text.contains("pad token: `"), "{text}");
    // A rule that ignores padding is no worse for another pad token.
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), "pooling = \"mask-last\"", true);
    let (_, text) = talk(dir.path(), &TRAIN);
    assert!(text.contains("pad token: `<|finetune_right_pad_id|>`"), "{text}");
}

#[test]
fn heads_that_cannot_be_trained_are_refused() {
    let (_, model) = assembled("urm");
    write_pairs(model.path());
    let model_dir = model.path().to_string_lossy().into_owned();
    let mut args = TRAIN;
    args[2] = &model_dir;
    let (code, text) = talk(model.path(), &args);
    assert_eq!(code, Some(2));
    assert!(text.contains("can be scored with, not trained"), "{text}");
}
