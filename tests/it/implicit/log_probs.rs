//! Sums and counts of response tokens' log-probabilities equal transformers', however sequences share and batches are cut.

use rmbench::reward::implicit::{ImplicitModel, response_tokens};
use rmbench::reward::network::Network;
use rmbench::table::implicit::{LogProbs, Span, View};
use rmbench::text::batch::{Sharing, TokenBatch};
use rmbench::text::encode::Encoded;
use rmbench::text::response_tokens::ResponseTokens;
use tch::Kind;

use super::*;

/// What transformers says of the items of a model.
struct Expected {
    items: Vec<Comparison>,
    /// By item and response.
    sums: Vec<Vec<f64>>,
    squares: Vec<Vec<f64>>,
    reference: Vec<Vec<f64>>,
    counts: Vec<Vec<f64>>,
    /// Sums as the model gives them in bf16.
    bf16: Vec<Vec<f64>>,
    ids: Vec<Vec<Vec<u32>>>,
}

fn expected(name: &str) -> Expected {
    let rows = json("log_probs.json")["models"][name].as_array().unwrap().clone();
    let item = |row: &Value| {
        let responses: Vec<&str> = row["responses"].as_array().unwrap().iter().map(text).collect();
        comparison(text(&row["name"]), text(&row["prompt"]), &responses[..1], &responses[1..])
    };
    let of = |key: &str| rows.iter().map(|row| numbers(&row[key])).collect();
    let ids = |row: &Value| {
        row["ids"].as_array().unwrap().iter().map(|ids| numbers(ids).iter().map(|id| *id as u32).collect()).collect()
    };
    Expected {
        items: rows.iter().map(item).collect(),
        sums: of("sums"),
        squares: of("squares"),
        reference: of("reference"),
        counts: of("counts"),
        bf16: of("bf16"),
        ids: rows.iter().map(ids).collect(),
    }
}

fn model(name: &str) -> ImplicitModel {
    let reference = match name {
        "policy" => Some("reference"),
        // The same model with the adapter off.
        "adapter" => Some("policy"),
        _ => None,
    };
    let reference = reference.map(|reference| policy(reference, Kind::Float).network);
    let view = View { with_reference: reference.is_some(), ..View::default() };
    ImplicitModel { policy: policy(name, Kind::Float), reference, view, span: Span::Response }
}

fn scored(model: &ImplicitModel, items: &[Comparison]) -> Vec<Vec<LogProbs>> {
    let scores = model.score(items, &mut |_| ()).unwrap();
    scores.iter().map(|item| item.iter().map(|score| score.log_probs.unwrap()).collect()).collect()
}

const RELATIVE: f64 = 1e-5;

#[test]
fn sums_and_counts_are_transformers() {
    for name in ["policy", "tied", "capped", "scaled", "adapter"] {
        let (model, expected) = (model(name), expected(name));
        let encoded = model.policy.text.encode_all(&expected.items).unwrap();
        for (encoded, ids) in encoded.iter().zip(&expected.ids) {
            assert_eq!(&encoded.sequences, ids, "{name}");
        }
        let scores = model.score(&expected.items, &mut |_| ()).unwrap();
        assert!(expected.items.len() > 15);
        for (item, scores) in scores.iter().enumerate() {
            for (response, score) in scores.iter().enumerate() {
                let found = score.log_probs.unwrap();
                let close = |found: f64, expected: f64, what: &str| {
                    let difference = (found - expected).abs();
                    assert!(difference <= RELATIVE * expected.abs(), "{name} {item} {what}: {found} not {expected}");
                };
                let sum = expected.sums[item][response];
                close(found.policy, sum, "sum");
                close(found.squares.unwrap(), expected.squares[item][response], "squares");
                assert_eq!(f64::from(found.tokens.unwrap()), expected.counts[item][response], "{name} {item}");
                let text = &expected.items[item].responses().nth(response).unwrap().text;
                assert_eq!(found.bytes, Some(text.len() as u32));
                let reward = match name {
                    "policy" | "adapter" => {
                        let reference = expected.reference[item][response];
                        close(found.reference.unwrap(), reference, "reference");
                        sum - reference
                    }
                    _ => {
                        assert_eq!(found.reference, None);
                        sum
                    }
                };
                let difference = (f64::from(score.reward.unwrap()) - reward).abs();
                assert!(difference <= 2.0 * RELATIVE * sum.abs(), "{name} {item}: {difference}");
            }
        }
    }
}

/// Rounding to bf16 moves sums no farther than it moves transformers', by the root of the mean square.
#[test]
fn bf16_is_as_close_as_transformers_bf16() {
    for name in ["policy", "tied"] {
        let expected = expected(name);
        let narrow = ImplicitModel { policy: policy(name, Kind::BFloat16), reference: None, ..model("tied") };
        let found: Vec<f64> = scored(&narrow, &expected.items).iter().flatten().map(|of| of.policy).collect();
        let theirs: Vec<f64> = expected.bf16.concat();
        let exact: Vec<f64> = expected.sums.concat();
        let distance = |sums: &[f64]| {
            let squares = sums.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            (squares / exact.len() as f64).sqrt()
        };
        let (ours, theirs) = (distance(&found), distance(&theirs));
        eprintln!("{name}: distance from f32 {ours:.3}, transformers' {theirs:.3}, n {}", exact.len());
        assert!(ours > 0.0 && ours <= 1.25 * theirs, "{name}: {ours} {theirs}");
    }
}

/// Log-probabilities of every response in one batch.
fn by_sharing(network: &Network, encoded: &[Encoded], sharing: Sharing, model: &ImplicitModel) -> Vec<f64> {
    let members: Vec<(usize, &Encoded)> = encoded.iter().enumerate().collect();
    let batch = TokenBatch::build(&members, sharing, model.policy.reading(), model.policy.pad_id()).unwrap();
    let tokens = response_tokens(&batch, &members).unwrap();
    let found = Vec::<f32>::try_from(network.log_probs(&batch, &tokens).unwrap()).unwrap();
    tokens.of.iter().map(|own| own.iter().map(|&at| f64::from(found[at])).sum()).collect()
}

#[test]
fn trees_are_sequences_and_batches_leave_no_trace() {
    for name in ["policy", "tied", "capped", "scaled"] {
        let (mut model, expected) = (model(name), expected(name));
        let mut items = expected.items;
        // Responses that share their first tokens, end in one another, or are the same.
        items.push(comparison(
            "alike",
            "Go on.",
            &["The red boat left.", "The red boat"],
            &["The red", "The red boat left."],
        ));
        items.push(comparison("parted", "Say a letter.", &["A"], &["B", "C", "ثلاثة"]));
        let encoded = model.policy.text.encode_all(&items).unwrap();
        let tree = by_sharing(&model.policy.network, &encoded, Sharing::Always, &model);
        let separate = by_sharing(&model.policy.network, &encoded, Sharing::Never, &model);
        let close = |a: f64, b: f64| (a - b).abs() <= RELATIVE * b.abs().max(1.0);
        assert!(tree.iter().zip(&separate).all(|(a, b)| close(*a, *b)), "{name}: {tree:?} {separate:?}");
        let whole = scored(&model, &items);
        let flat: Vec<f64> = whole.iter().flatten().map(|of| of.policy).collect();
        assert!(flat.iter().zip(&separate).all(|(a, b)| close(*a, *b)), "{name}");
        for budget in [1, 200] {
            model.policy.token_budget = budget;
            for (a, b) in scored(&model, &items).iter().flatten().zip(whole.iter().flatten()) {
                assert!(close(a.policy, b.policy) && a.tokens == b.tokens, "{name}, budget {budget}: {a:?} {b:?}");
            }
        }
        // The same text twice is one response.
        let alike = &whole[items.len() - 2];
        assert_eq!(alike[0].policy, alike[3].policy);
        assert_ne!(alike[0].policy, alike[1].policy);
    }
}

/// The mask from the template: what is counted is the response and its end of turn, nothing of the prompt or header.
#[test]
fn exactly_the_response_is_counted() {
    let model = model("policy");
    let item = comparison("one", "Is the lake deep?", &["Yes."], &["no"]);
    let encoded = model.policy.text.encode(&item).unwrap();
    for (sequence, response) in encoded.sequences.iter().zip(["Yes.", "no"]) {
        let start = encoded.prompt_tokens[0];
        let counted: String = sequence[start..].iter().map(|id| model.policy.text.token_of(*id).unwrap()).collect();
        assert_eq!(counted, format!("{response}<|eot_id|>"));
        let header: String = sequence[..start].iter().map(|id| model.policy.text.token_of(*id).unwrap()).collect();
        assert!(header.ends_with("assistant<|end_header_id|>ĊĊ"), "{header}");
    }
}

/// Passes with and without gradients agree, and gradients reach the output layer.
#[test]
fn recorded_passes_are_the_same_passes() {
    for name in ["policy", "tied"] {
        let (model, expected) = (model(name), expected(name));
        let encoded = model.policy.text.encode_all(&expected.items[..4]).unwrap();
        let members: Vec<(usize, &Encoded)> = encoded.iter().enumerate().collect();
        let batch = model.policy.token_batch(&members).unwrap();
        let tokens = response_tokens(&batch, &members).unwrap();
        let network = &model.policy.network;
        network.train_all();
        let plain = network.log_probs(&batch, &tokens).unwrap();
        let (recorded, rest) = network.log_probs_for_training(&batch, &tokens, None, None).unwrap();
        assert!(rest.is_none());
        assert!((&plain - recorded.detach()).abs().max().double_value(&[]) < 1e-5);
        recorded.sum(Kind::Float).backward();
        let output = if name == "tied" { "model.embed_tokens.weight" } else { "lm_head.weight" };
        assert!(network.params()[output].grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
    }
}

/// All tokens of a sequence, for losses over prompts too.
#[test]
fn whole_sequences_hold_their_responses() {
    let model = model("policy");
    let items = [comparison("a", "Is it deep?", &["Yes, it is."], &["Yes, very."])];
    let encoded = model.policy.text.encode_all(&items).unwrap();
    let members: Vec<(usize, &Encoded)> = encoded.iter().enumerate().collect();
    let batch = model.policy.token_batch(&members).unwrap();
    let (whole, own) = (ResponseTokens::whole(&batch), response_tokens(&batch, &members).unwrap());
    let of = |tokens: &ResponseTokens| {
        Vec::<f32>::try_from(model.policy.network.log_probs(&batch, tokens).unwrap()).unwrap()
    };
    let (of_whole, of_own) = (of(&whole), of(&own));
    for (sequence, ids) in encoded[0].sequences.iter().enumerate() {
        assert_eq!(whole.of[sequence].len(), ids.len() - 1);
        let tail = &whole.of[sequence][whole.of[sequence].len() - own.of[sequence].len()..];
        for (a, b) in tail.iter().zip(&own.of[sequence]) {
            assert!((of_whole[*a] - of_own[*b]).abs() < 1e-5);
        }
    }
}

#[test]
fn a_classifier_is_no_language_model_and_says_so() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/llama");
    let parts = ModelParts::of(&dir, None, &mut Silent).unwrap();
    let load = |parts: &ModelParts, options| {
        artifact::load_parts(parts, AdapterUse::Merged, loading(Kind::Float), &TextOverrides::default(), &options)
    };
    let error = load(&parts, artifact::as_policy()).err().unwrap().to_string();
    assert!(error.contains("no output layer") && error.contains("lm_head.weight"), "{error}");
    let parts = ModelParts::of(&fixtures().join("policy"), None, &mut Silent).unwrap();
    let error = load(&parts, Default::default()).err().unwrap();
    assert!(error.hint().unwrap().contains("--kind implicit"), "{error}");
}
