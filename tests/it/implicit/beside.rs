//! A reward model in training stays the language model that it began as: its next-token loss is that model's own.

use rmbench::objective::language_model::{NextTokens, next_token_loss};
use rmbench::progress::Silent;
use rmbench::train::TrainJob;
use rmbench::train::begin::begin;

use super::train::{given, settings, steps};
use super::*;

/// The layer apart, embeddings in its place, logits with a cap and with a scale.
#[test]
fn the_loss_beside_a_reward_is_that_of_the_model_begun_with() {
    let data = given("dpo");
    for name in ["policy", "tied", "capped", "scaled"] {
        let out = tempfile::tempdir().unwrap();
        let mut settings = settings("lm-beside", "lm-stride = 1");
        (settings.batch_size, settings.max_steps) = (data.len(), Some(1));
        settings.source.model = Some(fixtures().join(name).to_string_lossy().into_owned());
        let beginning = begin(&settings, &data, Vec::new(), out.path(), &mut Silent).unwrap();
        let job = TrainJob {
            settings: &settings,
            train: &data,
            parts: &[],
            eval: &[],
            out: out.path(),
            resume: false,
            run: beginning.run,
        };
        rmbench::train::run(&beginning.trainable, job, &mut Silent).unwrap();
        let found = steps(out.path())[0]["next_token_loss"].as_f64().unwrap();

        let parts = ModelParts::of(&fixtures().join(name), None, &mut Silent).unwrap();
        let text = TextOverrides { max_length: Some(400), ..TextOverrides::default() };
        let policy =
            artifact::load_parts(&parts, AdapterUse::Merged, loading(Kind::Float), &text, &artifact::as_policy())
                .unwrap();
        let encoded = policy.text.encode_all(&data).unwrap();
        let members: Vec<_> = encoded.iter().enumerate().collect();
        let batch = policy.token_batch(&members).unwrap();
        let next = NextTokens::of(&batch, |response| response == 0);
        let states = policy.network.states_for_training(&batch, None, true, None).unwrap();
        let output = policy.network.head().output().unwrap();
        let sum = next_token_loss(&states.hidden_td.unwrap(), output, &next).double_value(&[]);
        let expected = sum / next.len() as f64;
        assert!((found - expected).abs() < 1e-5 * expected, "{name}: {found}, not {expected}");
        // Nothing of it is saved: the model is a classifier.
        let saved = rmbench::backbone::weights::Checkpoint::open_dir(out.path()).unwrap();
        assert!(saved.names().all(|name| !name.starts_with("lm_head")), "{name}");
    }
}
