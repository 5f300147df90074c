//! CLoud's rewards, loss and gradients equal PyTorch's (`tests/reference/cloud.py`): a reward head that reads the end of
//! critiques, beside the output layer that learns to write them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::objective::Objective;
use rmbench::objective::language_model::Every;
use rmbench::reward::artifact::ProvenanceCard;
use rmbench::reward::network::Rest;
use rmbench::reward::options::{HeadKind, RewardOptions};
use rmbench::text::encode::Encoded;
use rmbench::train::scalar::ScalarTrainable;
use rmbench::train::trainable::{Ask, Trainable};
use tch::Tensor;

use super::*;

/// The fixture's language model with its head beside it, as one checkpoint.
fn with_head(name: &str, head: &Value, dir: &Path) {
    for entry in std::fs::read_dir(fixtures().join(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
    }
    let mut tensors: BTreeMap<String, Tensor> = Checkpoint::open_dir(dir).unwrap().take_all().unwrap();
    for (name, tensor) in head.as_object().unwrap() {
        let values: Vec<f32> = numbers(&tensor["values"]).iter().map(|x| *x as f32).collect();
        let shape: Vec<i64> = numbers(&tensor["shape"]).iter().map(|n| *n as i64).collect();
        tensors.insert(name.clone(), Tensor::from_slice(&values).view(shape.as_slice()));
    }
    let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
    weights::write(&dir.join("model.safetensors"), tensors).unwrap();
}

fn trainable(dir: &Path) -> ScalarTrainable {
    let parts = ModelParts::of(dir, None, &mut Silent).unwrap();
    let text = TextOverrides { max_length: Some(4096), ..TextOverrides::default() };
    let options = RewardOptions { head: Some(HeadKind::Critique), ..RewardOptions::default() };
    let model = artifact::load_parts(&parts, AdapterUse::Merged, loading(Kind::Float), &text, &options).unwrap();
    let model = ScalarModel { text: model.text.marking_prompts(), ..model };
    model.network.train_all();
    let provenance = ProvenanceCard {
        version: String::new(),
        commit: String::new(),
        base: String::new(),
        data: Vec::new(),
        langs: None,
        seed: 0,
        pairs: None,
        parameters: None,
        study: BTreeMap::new(),
        stages: Vec::new(),
    };
    ScalarTrainable::new(model, dir.to_owned(), "cloud".to_owned(), provenance)
}

fn close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 2e-5 * expected.abs().max(1e-2), "{what}: {found}, not {expected}");
}

#[test]
fn losses_and_gradients_of_critiques_are_pytorchs() {
    tch::set_num_threads(1);
    let path = fixtures().with_file_name("cloud.json");
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for name in ["policy", "tied"] {
        let expected = &fixture["models"][name];
        let dir = tempfile::tempdir().unwrap();
        with_head(name, &expected["head"], dir.path());
        let trainable = trainable(dir.path());
        let pair = |pair: &Value| {
            let mut made =
                comparison("c", text(&pair["prompt_chosen"]), &[text(&pair["chosen"])], &[text(&pair["rejected"])]);
            made.rejected[0].prompt = Some(Arc::new(Conversation::from_prompt(text(&pair["prompt_rejected"]))));
            made
        };
        let pairs: Vec<Comparison> = expected["pairs"].as_array().unwrap().iter().map(pair).collect();
        let encoded = trainable.encode(&pairs).unwrap();
        let every = Every { stride: 4, offset: 1 };
        let tokens: usize = encoded.iter().map(|encoded| trainable.next_tokens(encoded, every, 0)).sum();
        assert_eq!(tokens as u64, expected["tokens"].as_u64().unwrap());
        let members: Vec<&Encoded> = encoded.iter().collect();
        let given = trainable.forward(&members, None, Ask { next_token: Some(every), ..Ask::default() }).unwrap();
        let rewards = Vec::<f32>::try_from(given.rewards_s.detach()).unwrap();
        let wanted: Vec<f64> = expected["rewards"].as_array().unwrap().iter().flat_map(numbers).collect();
        rewards.iter().zip(&wanted).for_each(|(found, expected)| close(f64::from(*found), *expected, "a reward"));
        let lm = given.next_token.unwrap() / tokens as f64;
        close(lm.double_value(&[]), expected["lm"].as_f64().unwrap(), "the language-model loss");
        let pairs = given.rewards_s.view([-1, 2]);
        let preference = -(pairs.select(1, 0) - pairs.select(1, 1)).log_sigmoid().mean(Kind::Float);
        let loss = preference + lm * Objective::named("cloud").unwrap().lm_weight();
        close(loss.double_value(&[]), expected["loss"].as_f64().unwrap(), "the loss");
        loss.backward();
        given.rest.into_iter().for_each(Rest::backward);
        let params = trainable.params();
        let gradients = expected["gradients"].as_object().unwrap();
        assert_eq!(params.len(), gradients.len(), "{name}");
        for (parameter, gradient) in gradients {
            let found = params[parameter].grad().to_kind(Kind::Double);
            let norm = gradient["norm"].as_f64().unwrap();
            close(found.norm().double_value(&[]), norm, parameter);
            let sum = found.sum(Kind::Double).double_value(&[]);
            // A sum may cancel; it is held to the size of what it adds up.
            assert!((sum - gradient["sum"].as_f64().unwrap()).abs() <= 1e-4 * norm.max(1e-2), "{parameter}: {sum}");
        }
    }
}
