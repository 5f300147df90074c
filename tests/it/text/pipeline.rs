//! Texts to token ids: layouts, BOS policies, truncation, special tokens.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Conversation, Response};
use rmbench::text::cut::Part;
use rmbench::text::encode::{Encoded, EncodingCounts, TextError, TextPipeline};
use rmbench::text::settings::{BosPolicy, Layout, TextSettings, Truncation};
use rmbench::text::train_tokenizer::{TokenizerKind, train_bpe};
use serde_json::Value;

use super::{fixtures, ids, json};

pub fn pair(prompt: &str, chosen: &str, rejected: &str) -> Comparison {
    Comparison {
        id: "q1".into(),
        source: "q1".into(),
        lang: Lang::from_code("deu_Latn").unwrap(),
        subset: "s".into(),
        category: None,
        prompt: Conversation::from_prompt(prompt),
        chosen: vec![Response::new(chosen)],
        rejected: vec![Response::new(rejected)],
        margin: None,
        evidence: Default::default(),
        row: 7,
    }
}

fn pipeline(architecture: &str, settings: TextSettings) -> TextPipeline {
    TextPipeline::from_dir(&fixtures().join("arch").join(architecture), &settings).unwrap()
}

#[test]
fn ids_of_pairs_equal_apply_chat_template_and_trl() {
    for entry in std::fs::read_dir(fixtures().join("arch")).unwrap() {
        let dir = entry.unwrap().path();
        let inputs: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("inputs.json")).unwrap()).unwrap();
        let auto = TextPipeline::from_dir(&dir, &TextSettings::default()).unwrap();
        let is_chat = inputs["text_format"] == "chat";
        assert_eq!(auto.layout(), if is_chat { Layout::Chat } else { Layout::Concat }, "{dir:?}");
        assert_eq!(auto.pad_id().map(u64::from), inputs["pad_token_id"].as_u64());
        assert_eq!(auto.eos_id().map(u64::from), inputs["eos_token_id"].as_u64());
        assert_eq!(auto.bos_id().map(u64::from), inputs["bos_token_id"].as_u64());

        let concat = |append_eos| {
            let settings = TextSettings { layout: Layout::Concat, append_eos, ..TextSettings::default() };
            TextPipeline::from_dir(&dir, &settings).unwrap()
        };
        let (plain, trl) = (concat(false), concat(true));
        for expected in inputs["pairs"].as_array().unwrap() {
            let text = |key: &str| expected[key].as_str().unwrap();
            let comparison = pair(text("prompt"), text("chosen"), text("rejected"));
            let check = |pipeline: &TextPipeline, key: &str| {
                let encoded = pipeline.encode(&comparison).unwrap();
                for (found, side) in encoded.sequences.iter().zip(["chosen", "rejected"]) {
                    let mut expected = ids(&expected[format!("{side}_{key}")]);
                    if dir.ends_with("internlm2") && key == "ids" {
                        // The reward token that its pooling rule appends.
                        assert_eq!(expected.pop(), Some(378));
                    }
                    assert_eq!(*found, expected, "{dir:?} {} {side} {key}", text("name"));
                }
            };
            if is_chat {
                check(&auto, "ids");
                let texts = auto.texts(&comparison, &comparison.chosen[0]).unwrap();
                assert_eq!(texts, (text("chosen_rendered").to_owned(), None));
            }
            check(&plain, "plain_ids");
            if !expected["chosen_trl_plain_ids"].is_null() {
                check(&trl, "trl_plain_ids");
            } else {
                check(&trl, "plain_ids");
            }
        }
    }
}

fn sequence(settings: TextSettings, prompt: &str) -> Encoded {
    pipeline("mistral", settings).encode(&pair(prompt, "yes", "no")).unwrap()
}

#[test]
fn the_bos_policy_decides_how_many() {
    let bos = pipeline("mistral", TextSettings::default()).bos_id().unwrap();
    let leading = |policy, layout, prompt: &str| {
        let encoded = sequence(TextSettings { bos: policy, layout, ..TextSettings::default() }, prompt);
        let count = encoded.sequences[0].iter().take_while(|id| **id == bos).count();
        (count, encoded.bos_removed, encoded.without_bos)
    };
    // The tokenizer adds one, the prompt's own text brings another.
    assert_eq!(leading(BosPolicy::Keep, Layout::Concat, "<s>a"), (2, 0, 0));
    assert_eq!(leading(BosPolicy::Dedupe, Layout::Concat, "<s>a"), (1, 2, 0));
    assert_eq!(leading(BosPolicy::Ensure, Layout::Concat, "<s>a"), (1, 2, 0));
    assert_eq!(leading(BosPolicy::None, Layout::Concat, "<s>a"), (0, 4, 2));
    assert_eq!(leading(BosPolicy::Dedupe, Layout::Chat, "a"), (1, 0, 0));

    // A template without BOS: transformers adds none, and neither does `dedupe`.
    let qwen = pipeline("qwen2", TextSettings::default());
    assert_eq!(qwen.bos_id(), None);
    let refused = TextPipeline::from_dir(
        &fixtures().join("arch/qwen2"),
        &TextSettings { bos: BosPolicy::Ensure, ..TextSettings::default() },
    );
    assert!(matches!(refused, Err(TextError::NoBos)));
}

#[test]
fn truncation_cuts_the_prompt_and_keeps_bos() {
    let prompt = "one two three four five six";
    let full = sequence(TextSettings::default(), prompt);
    let limit = full.sequences[0].len() - 4;
    let cut = sequence(TextSettings { max_length: Some(limit), ..TextSettings::default() }, prompt);
    // BOS, then what follows the four tokens that went.
    let expected = [&full.sequences[0][..1], &full.sequences[0][5..]].concat();
    assert_eq!(cut.sequences[0], expected);
    assert_eq!(cut.truncated, [true, full.sequences[1].len() > limit]);

    let right = TextSettings { max_length: Some(limit), truncation: Truncation::Right, ..TextSettings::default() };
    assert_eq!(sequence(right, prompt).sequences[0], full.sequences[0][..limit]);

    // Encoders keep [CLS] and [SEP], as transformers' own truncation does.
    let settings = TextSettings { max_length: Some(5), ..TextSettings::default() };
    let bert = pipeline("bert", settings.clone()).encode(&pair(prompt, "yes", "no")).unwrap();
    let all = pipeline("bert", TextSettings::default()).encode(&pair(prompt, "yes", "no")).unwrap();
    let n = all.sequences[0].len();
    assert_eq!(bert.sequences[0], [&all.sequences[0][..1], &all.sequences[0][n - 4..]].concat());

    let refuse = pipeline("mistral", TextSettings { truncation: Truncation::Refuse, ..settings });
    let error = refuse.encode(&pair(prompt, "yes", "no")).unwrap_err();
    assert!(error.to_string().starts_with("item `q1` (deu_Latn), row 7: response 0 has "), "{error}");
    assert!(error.hint().unwrap().contains("max-length"));
    let no_room = pipeline("bert", TextSettings { max_length: Some(2), ..TextSettings::default() });
    assert!(matches!(no_room.encode(&pair(prompt, "yes", "no")), Err(TextError::NoRoom { max_length: 2, special: 2 })));
}

#[test]
fn many_are_encoded_in_order_and_counted() {
    let pipeline = pipeline("llama", TextSettings { max_length: Some(40), ..TextSettings::default() });
    let comparisons: Vec<Comparison> =
        (0..200).map(|i| pair(&"word ".repeat(i % 17), &format!("answer {i}"), "no")).collect();
    let all = pipeline.encode_all(&comparisons).unwrap();
    for (comparison, encoded) in comparisons.iter().zip(&all) {
        assert_eq!(*encoded, pipeline.encode(comparison).unwrap());
    }
    let counts = EncodingCounts::of(&all);
    assert_eq!((counts.sequences, counts.bos_removed, counts.without_bos), (400, 0, 0));
    assert!(counts.truncated > 0 && all.iter().flat_map(|e| &e.sequences).all(|ids| ids.len() <= 40));
}

#[test]
fn the_first_bad_item_is_named_whatever_the_threads_do() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(fixtures().join("arch/mistral").join(name), dir.path().join(name)).unwrap();
    }
    let template = "{% for m in messages %}{% if m.content == 'bad' %}{{ raise_exception('not this') }}{% endif %}\
                    {{ m.content }}{% endfor %}";
    std::fs::write(dir.path().join("chat_template.jinja"), template).unwrap();
    let pipeline = TextPipeline::from_dir(dir.path(), &TextSettings::default()).unwrap();
    let mut comparisons: Vec<Comparison> = (0..100).map(|_| pair("a", "b", "c")).collect();
    for row in [90, 41] {
        comparisons[row] = Comparison { row: row as u64, ..pair("bad", "b", "c") };
    }
    let error = pipeline.encode_all(&comparisons).unwrap_err();
    assert_eq!(error.to_string(), "item `q1` (deu_Latn), row 41: cannot render response 0");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "the chat template refuses this conversation: not this"
    );
}

#[test]
fn prompt_ends_are_marked_where_they_are_wanted() {
    let plain = pipeline("llama", TextSettings::default());
    assert!(plain.encode(&pair("Hi", "yes", "no")).unwrap().prompt_tokens.is_empty());
    let marking = plain.marking_prompts();
    let encoded = marking.encode(&pair("Hi", "yes", "no")).unwrap();
    let [chosen, rejected] = [0, 1].map(|i| encoded.prompt_tokens[i]);
    assert_eq!(chosen, rejected);
    // What follows is the response with its end of turn.
    let eot = marking.eos_id().unwrap();
    let turn_ends: Vec<usize> = (0..encoded.sequences[0].len()).filter(|i| encoded.sequences[0][*i] == eot).collect();
    assert!(turn_ends[0] < chosen && chosen < turn_ends[1], "{chosen} in {turn_ends:?}");
}

#[test]
fn the_switches_of_the_tokenizer_configuration_count() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures().join("arch/mistral/tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    let config = r#"{"pad_token": "</s>", "eos_token": {"content": "</s>"}, "add_bos_token": false}"#;
    std::fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
    let pipeline = TextPipeline::from_dir(dir.path(), &TextSettings::default()).unwrap();
    assert_eq!((pipeline.pad_id(), pipeline.eos_id()), (Some(380), Some(380)));
    // The post-processor of `tokenizer.json` adds a BOS, whatever `add_bos_token` says (transformers 5.23).
    let start = pipeline.encode(&pair("a", "b", "c")).unwrap().sequences[0][0];
    assert_eq!(Some(start), self::pipeline("mistral", TextSettings::default()).bos_id());
}

#[test]
fn special_tokens_that_the_vocabulary_lacks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures().join("arch/mistral/tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    std::fs::write(dir.path().join("tokenizer_config.json"), r#"{"eos_token": "<|eot|>"}"#).unwrap();
    let Err(error) = TextPipeline::from_dir(dir.path(), &TextSettings::default()) else { panic!("accepted") };
    assert!(error.to_string().ends_with("`eos_token` is \"<|eot|>\", which `tokenizer.json` does not know"), "{error}");
}

#[test]
fn a_trained_tokenizer_is_a_checkpoint_like_any_other() {
    let corpus = json("tokens.json");
    let texts: Vec<String> =
        corpus["texts"].as_array().unwrap().iter().map(|t| t["text"].as_str().unwrap().to_owned()).collect();
    for kind in [TokenizerKind::Decoder, TokenizerKind::Encoder] {
        let trained = train_bpe(texts.iter(), 700, kind, 256).unwrap();
        let dir = tempfile::tempdir().unwrap();
        trained.write(dir.path()).unwrap();
        let pipeline = TextPipeline::from_dir(dir.path(), &TextSettings::default()).unwrap();
        assert_eq!((pipeline.layout(), pipeline.model_max_length()), (Layout::Chat, Some(256)));
        assert_eq!(pipeline.vocab_size(), trained.vocab_size());
        assert_eq!(pipeline.pad_id(), Some(0));
        let encoded = pipeline.encode(&pair("Wie geht es?", "Gut!", "")).unwrap();
        let specials: BTreeMap<&str, u32> =
            ["<|user|>", "<|end|>", "<|assistant|>", trained.start_token()].map(|t| (t, trained.id(t).unwrap())).into();
        let chosen = &encoded.sequences[0];
        assert_eq!((chosen[0], chosen[1]), (specials[trained.start_token()], specials["<|user|>"]));
        assert_eq!(chosen.last(), Some(&specials["<|end|>"]));
        let n = encoded.sequences[1].len();
        assert_eq!(
            encoded.sequences[1][n - 3..],
            [specials["<|end|>"], specials["<|assistant|>"], specials["<|end|>"]]
        );
    }
}

/// The real checkpoint of the fixtures in `minilm/`, if this machine has it.
fn minilm() -> Option<TextPipeline> {
    let Ok(dir) = std::env::var("RMBENCH_TEST_MINILM") else {
        crate::say_skipped("RMBENCH_TEST_MINILM");
        return None;
    };
    Some(TextPipeline::from_dir(&PathBuf::from(dir), &TextSettings::default()).unwrap())
}

#[test]
fn a_real_tokenizer_whose_file_asks_for_padding_and_truncation() {
    let Some(pipeline) = minilm() else { return };
    for text in json("minilm/hidden.json")["texts"].as_array().unwrap() {
        let encoded = pipeline.encode(&pair(text["text"].as_str().unwrap(), "", "")).unwrap();
        assert_eq!(encoded.sequences[0], ids(&text["ids"]), "{}", text["text"]);
    }
}

#[test]
fn four_thousand_real_pairs_have_the_ids_that_trl_trained_on() {
    let Some(pipeline) = minilm() else { return };
    let Ok(data) = std::env::var("RMBENCH_TEST_DATA") else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return;
    };
    let fixture = json("minilm/bt10.json");
    let n = fixture["data"]["first_rows"].as_u64().unwrap() as usize;
    let comparisons = first_rows(&PathBuf::from(data).join("train.parquet"), n);
    let encoded = pipeline.encode_all(&comparisons).unwrap();

    // TRL drops pairs of which either side is too long.
    let too_long = |e: &Encoded| e.sequences.iter().any(|s| s.len() > 256);
    let dropped: Vec<u32> = (0..n).filter(|i| too_long(&encoded[*i])).map(|i| i as u32).collect();
    assert_eq!(dropped, ids(&fixture["dropped_rows"]));
    for batch in fixture["batches"].as_array().unwrap() {
        let rows = ids(&batch["rows"]);
        let mut bytes = Vec::new();
        for side in 0..2 {
            for row in &rows {
                bytes.extend(encoded[*row as usize].sequences[side].iter().flat_map(|id| id.to_le_bytes()));
            }
        }
        assert_eq!(batch["ids_sha256"], rmbench::files::sha256(&bytes));
    }
}

fn first_rows(path: &std::path::Path, n: usize) -> Vec<Comparison> {
    use arrow::array::AsArray;
    let file = std::fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batches = reader.with_limit(n).build().unwrap();
    let mut found = Vec::new();
    for batch in batches {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (prompt, chosen, rejected) = (column("prompt"), column("chosen"), column("rejected"));
        found.extend((0..batch.num_rows()).map(|i| pair(prompt.value(i), chosen.value(i), rejected.value(i))));
    }
    found
}

/// Prompts and responses over the limit, cut at one side: nothing else changes, in any layout.
#[test]
fn a_pair_is_cut_at_its_prompt_or_at_its_responses() {
    let prompt = "Tell me all about the lake, the boat and the bread in the old house.";
    let short = pair(prompt, "Deep.", "No, it is not so deep at all, I think.");
    for (architecture, layout) in [("llama", Layout::Chat), ("qwen2", Layout::Concat), ("xlm_roberta", Layout::Pair)] {
        let with = |max_length| {
            pipeline(architecture, TextSettings { layout, max_length, ..TextSettings::default() }).marking_prompts()
        };
        let whole = with(None).encode(&short).unwrap();
        let lengths: Vec<usize> = whole.sequences.iter().map(Vec::len).collect();
        assert!(lengths[0] < lengths[1]);
        let limit = lengths[1] - 9;
        let one = |part| with(Some(limit)).encode_all_cut(std::slice::from_ref(&short), part).unwrap().remove(0);
        let cut = one(Part::Prompt).unwrap();
        let response = |encoded: &Encoded, side: usize| encoded.sequences[side][encoded.prompt_tokens[side]..].to_vec();
        for (side, length) in lengths.iter().enumerate() {
            assert_eq!(cut.sequences[side].len(), length - 9, "{architecture}");
            assert_eq!(response(&cut, side), response(&whole, side), "{architecture}");
        }
        let prompts = [0, 1].map(|side| cut.sequences[side][..cut.prompt_tokens[side]].to_vec());
        let n = prompts[0].len().min(prompts[1].len());
        assert!(n > 5 && prompts[0][..n] == prompts[1][..n], "{architecture}");
        assert_eq!(prompts[0].first() == whole.sequences[0].first(), layout != Layout::Concat, "the BOS stays");
        assert_eq!(cut.truncated, [true, true]);
        let cut = one(Part::Response).unwrap();
        assert_eq!(cut.sequences[0], whole.sequences[0]);
        let (before, after) = (&whole.sequences[1], &cut.sequences[1]);
        assert_eq!((after.len(), cut.truncated.as_slice()), (limit, &[false, true][..]));
        let kept = after.iter().zip(before).take_while(|(a, b)| a == b).count();
        assert!(kept >= whole.prompt_tokens[1], "{architecture}");
        // What closes the response is still there.
        assert_eq!(after[kept..], before[kept + 9..], "{architecture}");
        assert!(layout == Layout::Concat || after.len() > kept);
        // Where there is no room for any of the part, there is no such pair.
        let tiny = with(Some(8)).encode_all_cut(std::slice::from_ref(&short), Part::Response).unwrap().remove(0);
        assert!(tiny.is_none());
    }
}
