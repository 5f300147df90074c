//! Checkpoints that are broken in ways that happen: every message names the file, tensor or key, and says
//! what to do.

use std::path::{Path, PathBuf};

use rmbench::backbone::params::Params;
use rmbench::backbone::weights::{self, Checkpoint};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::command::run;

const FILES: [&str; 5] =
    ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];

/// A copy of the tiny Llama to break, and what is said of it.
struct Broken {
    dir: tempfile::TempDir,
}

impl Broken {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broken = Self { dir };
        std::fs::create_dir(broken.path("")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/llama");
        for file in FILES {
            std::fs::copy(source.join(file), broken.path(file)).unwrap();
        }
        let row = json!({"prompt": "Is it deep?", "chosen": "Yes, ten metres.", "rejected": "no"});
        std::fs::write(broken.dir.path().join("pairs.jsonl"), format!("{row}\n")).unwrap();
        broken
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("model").join(file)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    /// Sets keys of a JSON file.
    fn set(&self, file: &str, keys: &Value) {
        let mut json: Value = serde_json::from_str(&std::fs::read_to_string(self.path(file)).unwrap()).unwrap();
        json.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        self.write(file, &json.to_string());
    }

    fn tensors(&self, change: impl FnOnce(&mut Params)) {
        let path = self.path("model.safetensors");
        let mut tensors = Checkpoint::open_files(std::slice::from_ref(&path)).unwrap().take_all().unwrap();
        let mut copied: Params = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
        tensors.clear();
        change(&mut copied);
        weights::write(&path, copied.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
    }

    /// Exit code and what is said.
    fn score(&self) -> (Option<i32>, String) {
        let args = ["score", "--model", "model", "--pairs", "pairs.jsonl", "--set", "lang=eng_Latn", "--out", "out"];
        let output = run(self.dir.path(), &args);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Scoring is refused with a message that says all of this.
    fn refused(&self, said: &[&str]) {
        let (code, text) = self.score();
        assert_eq!(code, Some(2), "{text}");
        for said in said {
            assert!(text.contains(said), "`{said}` is not said: {text}");
        }
        // Nothing is said twice.
        let causes: Vec<&str> = text.lines().filter(|line| line.contains("caused by: ")).collect();
        assert!(causes.windows(2).all(|two| two[0].trim() != two[1].trim()), "{text}");
    }
}

const UP: &str = "model.layers.0.mlp.up_proj.weight";

#[test]
fn weights() {
    let broken = Broken::new();
    broken.tensors(|tensors| {
        let narrow = tensors[UP].narrow(1, 0, 16).contiguous();
        tensors.insert(UP.into(), narrow);
    });
    broken.refused(&[
        UP,
        "should have shape [64, 32]",
        "model/model.safetensors` has [64, 16]",
        "hint: the weights do not fit",
    ]);

    let broken = Broken::new();
    broken.tensors(|tensors| drop(tensors.remove("model.layers.1.input_layernorm.weight")));
    broken.refused(&["has no tensor `model.layers.1.input_layernorm.weight`", "hint: the weights do not fit"]);

    let broken = Broken::new();
    broken.tensors(|tensors| {
        drop(
            tensors
                .insert("model.layers.7.mlp.up_proj.weight".into(), Tensor::ones([2], (Kind::Float, tch::Device::Cpu))),
        )
    });
    broken.refused(&["does not use: model.layers.7.mlp.up_proj.weight", "hint: the weights do not fit"]);

    let broken = Broken::new();
    broken.tensors(|tensors| {
        let whole = tensors[UP].to_kind(Kind::Int8);
        tensors.insert(UP.into(), whole);
    });
    broken.refused(&[UP, "element type I8", "convert the checkpoint first"]);

    let broken = Broken::new();
    let bytes = std::fs::read(broken.path("model.safetensors")).unwrap();
    std::fs::write(broken.path("model.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    broken.refused(&["model/model.safetensors` is not a sound safetensors file", "cut short", "hint: the download"]);

    let broken = Broken::new();
    broken.write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n");
    broken.refused(&["model/model.safetensors`", "pointer that Git LFS leaves", "git lfs pull"]);

    let broken = Broken::new();
    broken.remove("model.safetensors");
    broken.refused(&["no `model.safetensors`", "hint: weights are read as safetensors or PyTorch's .bin"]);

    let broken = Broken::new();
    std::fs::rename(broken.path("model.safetensors"), broken.path("model-00001-of-00002.safetensors")).unwrap();
    let map = json!({"model.embed_tokens.weight": "model-00001-of-00002.safetensors", UP: "model-00002-of-00002.safetensors"});
    broken.write("model.safetensors.index.json", &json!({"weight_map": map}).to_string());
    broken.refused(&["model.safetensors.index.json`", "model-00002-of-00002.safetensors", UP, "hint: the download"]);
}

#[test]
fn weights_that_are_not_numbers() {
    let broken = Broken::new();
    broken.tensors(|tensors| drop(tensors.get_mut("score.weight").unwrap().fill_(f64::NAN)));
    let (code, text) = broken.score();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("2 responses have no reward: what the model gives is not a finite number"), "{text}");
}

#[test]
fn configurations() {
    for (keys, said) in [
        (
            json!({"model_type": "mamba"}),
            &["`mamba` is not supported; known: llama,", "hint: a model that computes as"][..],
        ),
        (json!({"num_attention_heads": 3}), &["num_attention_heads 3 is not a multiple"]),
        (json!({"hidden_size": 0}), &["`hidden_size` should be a positive integer, found 0"]),
        (json!({"rope_parameters": {"rope_type": "su"}}), &["rope type `su` is not supported; known: default,"]),
        (
            json!({"quantization_config": {"quant_method": "gptq"}}),
            &["quantised by gptq", "hint: score the checkpoint"],
        ),
    ] {
        let broken = Broken::new();
        broken.set("config.json", &keys);
        broken.refused(said);
    }
    for (text, said) in [
        ("{\"model_type\": ", &["model/config.json`: EOF while parsing", "hint: the file is not whole"][..]),
        ("[]", &["config.json: it should be an object, found []"]),
    ] {
        let broken = Broken::new();
        broken.write("config.json", text);
        broken.refused(said);
    }
    let broken = Broken::new();
    broken.remove("config.json");
    broken.refused(&["`model` is not a model directory: it has no config.json", "hint: a model directory has"]);
}

#[test]
fn heads() {
    let broken = Broken::new();
    broken.tensors(|tensors| {
        let head = tensors.remove("score.weight").unwrap();
        tensors.insert("ranker.weight".into(), head);
    });
    broken.refused(&[
        "`score.weight` is missing",
        "no use: ranker.weight",
        "head = …",
        "hint: if one of these tensors is the head",
    ]);
    // As the hint says.
    let card = "schema = 1\n[reward]\nhead = { linear = { name = \"ranker\" } }\npooling = \"mask-last\"\n";
    broken.write("rmbench.toml", card);
    assert_eq!(broken.score().0, Some(0));

    let broken = Broken::new();
    broken.write("rmbench.toml", &card.replace("ranker", "value_head"));
    broken.refused(&["`value_head.weight` is missing", "no use: score.weight"]);

    let broken = Broken::new();
    broken.tensors(|tensors| drop(tensors.remove("score.weight")));
    broken.refused(&["`score.weight` is missing", "hint: language models have no reward head"]);

    let broken = Broken::new();
    broken.tensors(|tensors| {
        let two = Tensor::cat(&[&tensors["score.weight"], &tensors["score.weight"]], 0);
        tensors.insert("score.weight".into(), two);
    });
    broken.set("config.json", &json!({"id2label": {"0": "kind", "1": "true"}}));
    broken.refused(&["2 labels (kind, true)", "label-weights = [1.0, 1.0]"]);

    let broken = Broken::new();
    broken.write("regression_layer.pt", "");
    broken.refused(&["model/regression_layer.pt` is not read", "'regression_layer.safetensors'"]);

    for (card, said) in [
        (
            "schema = 1\n[reward]\npolling = \"cls\"\n",
            &["model/rmbench.toml`", "unknown field `polling`", "`pooling`", "--print-config"][..],
        ),
        ("schema = 9\n[reward]\n", &["model/rmbench.toml`: schema 9 is not known"]),
    ] {
        let broken = Broken::new();
        broken.write("rmbench.toml", card);
        broken.refused(said);
    }
}

#[test]
fn tokenizers_and_templates() {
    let broken = Broken::new();
    broken.remove("tokenizer.json");
    broken.refused(&["model/tokenizer.json` is missing", "hint: only checkpoints with a `tokenizer.json`"]);

    let broken = Broken::new();
    broken.write("tokenizer.json", "{\"version\": \"1.0\"}");
    broken.refused(&["model/tokenizer.json`: "]);

    let broken = Broken::new();
    broken.set("tokenizer_config.json", &json!({"bos_token": "<|nope|>"}));
    broken
        .refused(&["model/tokenizer_config.json`: `bos_token` is \"<|nope|>\", which `tokenizer.json` does not know"]);

    let broken = Broken::new();
    broken.write("chat_template.jinja", "{% for m in messages %}{{ m.content }");
    broken.refused(&["the chat template does not parse: line 1"]);

    let broken = Broken::new();
    broken.write("chat_template.jinja", "{{ raise_exception('Roles must alternate') }}");
    broken.refused(&[
        "item `row-0` (eng_Latn), row 0: cannot render response 0",
        "Roles must alternate",
        "hint: the model's template",
    ]);

    let broken = Broken::new();
    broken.write("chat_template.jinja", "{{ messages[0].content.foo.bar }}");
    broken.refused(&["row 0: cannot render response 0", "caused by: "]);

    let broken = Broken::new();
    broken.tensors(|tensors| {
        let few = tensors["model.embed_tokens.weight"].narrow(0, 0, 200).contiguous();
        tensors.insert("model.embed_tokens.weight".into(), few);
    });
    broken.set("config.json", &json!({"vocab_size": 200}));
    broken
        .refused(&["outside the model's vocabulary of 200 (`vocab_size` in config.json)", "tokenizer does not belong"]);

    let broken = Broken::new();
    broken.write(
        "rmbench.toml",
        "schema = 1\n[reward]\npooling = { appended-token = { id = 9 } }\n[text]\nmax-length = 1\n",
    );
    broken.refused(&["max-length 1 leaves no room"]);

    let broken = Broken::new();
    broken.set("config.json", &json!({"pad_token_id": 382}));
    broken.set("tokenizer_config.json", &json!({"pad_token": "<|eot_id|>"}));
    let (code, text) = broken.score();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the pad token `<|eot_id|>` (id 382) is also the EOS token"), "{text}");
}

#[test]
fn what_cannot_be_pooled_is_named_by_item() {
    let broken = Broken::new();
    // The first token of every sequence.
    broken.set("config.json", &json!({"pad_token_id": 379}));
    broken.write("rmbench.toml", "schema = 1\n[reward]\npooling = \"hf-legacy-first-pad\"\n");
    broken.refused(&["item `row-0` (eng_Latn), row 0: response 0: the sequence starts with a pad token (id 379)"]);
}

#[test]
fn responses_without_text_and_languages_without_a_name() {
    let broken = Broken::new();
    let row = json!({"prompt": "Is it deep?", "chosen": "", "rejected": "no"});
    std::fs::write(broken.dir.path().join("pairs.jsonl"), format!("{row}\n")).unwrap();
    broken.refused(&["pairs.jsonl` row 0", "column `chosen`: the text is empty", "hint: mend the row"]);
    let args = ["score", "--model", "model", "--pairs", "pairs.jsonl", "--set", "lang=en", "--out", "out"];
    let said = String::from_utf8_lossy(&run(broken.dir.path(), &args).stderr).into_owned();
    assert!(said.contains("`en` is not a FLORES-200 code; it would be `eng_Latn`"), "{said}");
    let args = ["score", "--model", "model", "--pairs", "pairs.jsonl", "--out", "out"];
    let said = String::from_utf8_lossy(&run(broken.dir.path(), &args).stderr).into_owned();
    assert!(
        said.contains("has no language column") && said.contains("hint: say which language it is in (`lang`"),
        "{said}"
    );
}

#[test]
fn training_says_what_is_wrong_with_a_model_too() {
    let broken = Broken::new();
    broken.write("chat_template.jinja", "{% for m in messages %}{{ m.content }");
    let row = json!({"language": "eng_Latn", "prompt": "Is it deep?", "chosen": "Yes.", "rejected": "no"});
    std::fs::write(broken.dir.path().join("train.jsonl"), format!("{row}\n")).unwrap();
    let args = ["train", "--model", "model", "--data", "train.jsonl", "--out", "out"];
    let said = String::from_utf8_lossy(&run(broken.dir.path(), &args).stderr).into_owned();
    assert!(said.contains("the chat template does not parse: line 1"), "{said}");
}
