//! Heads without a trunk beside them: a frozen trunk's features, vectors in the data, and what is fitted to these.

mod fits;
pub mod vectors;

use std::path::Path;

use rmbench::backbone::weights::{self, Checkpoint};
use rmbench::preference::Comparison;
use rmbench::progress::Silent;
use rmbench::reward::artifact;
use rmbench::reward::network::MissingHead;
use rmbench::train::begin::begin;
use rmbench::train::frozen::FrozenTrunk;
use rmbench::train::{TrainError, TrainJob, TrainOutcome, TrainSettings, Trainable, personal};
use tch::{Device, Kind, Tensor};

use crate::artifact::{comparisons, tiny};
use crate::objectives::runs::of_two_users;

fn pairs(n: usize) -> Vec<Comparison> {
    let mut pairs = comparisons(n);
    pairs.iter_mut().for_each(|pair| pair.rejected.truncate(1));
    pairs
}

fn settings(model: &Path, more: &str) -> TrainSettings {
    let text = format!(
        "batch-size = 8\nlr = 0.01\nmax-steps = 12\nfinal-model = 'last'\nsave-every = 5\nclip = 0.0\n{more}\n\
         [source]\nmodel = '{}'",
        model.display()
    );
    toml::from_str(&text).unwrap()
}

fn frozen(settings: &TrainSettings, pairs: &[Comparison], cache: &Path, out: &Path) -> Result<FrozenTrunk, TrainError> {
    FrozenTrunk::new(begin(settings, pairs, Vec::new(), out, &mut Silent)?.trainable, cache, &settings.groups)
}

fn train<M: Trainable>(model: &M, settings: &TrainSettings, pairs: &[Comparison], out: &Path) -> TrainOutcome {
    let run = begin(settings, pairs, Vec::new(), out, &mut Silent).unwrap().run;
    let job = TrainJob { settings, train: pairs, parts: &[], eval: &[], out, resume: false, run };
    rmbench::train::run(model, job, &mut Silent).unwrap()
}

fn rewards(dir: &Path, pairs: &[Comparison]) -> Vec<f64> {
    let model = artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).unwrap();
    let scores = model.score(pairs, &mut |_| {}).unwrap();
    scores.iter().flatten().map(|score| f64::from(score.reward.unwrap())).collect()
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}, {at}: {a} and {b}");
    }
}

#[test]
fn a_head_on_kept_features_is_the_head_beside_its_trunk() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    artifact::save(&root.join("base"), &tiny(root), root, None, None).unwrap();
    let (pairs, settings) = (pairs(40), settings(&root.join("base"), ""));

    // The same training with the trunk computed every time.
    let whole = begin(&settings, &pairs, Vec::new(), &root.join("whole"), &mut Silent).unwrap().trainable;
    let network = &whole.model.network;
    network.params().values().for_each(|tensor| _ = tensor.set_requires_grad(false));
    network.train_where(|name| name == "score.weight");
    train(&whole, &settings, &pairs, &root.join("whole"));

    let model = frozen(&settings, &pairs, &root.join("cache"), &root.join("head")).unwrap();
    train(&model, &settings, &pairs, &root.join("head"));
    let kept = model.n_kept();
    assert!(kept > 0 && kept <= 80, "{kept}");
    assert_close("both ways", &rewards(&root.join("head"), &pairs), &rewards(&root.join("whole"), &pairs), 1e-5);
    // Trunk and head as one directory say what the head said of kept features.
    let encoded = model.encode(&pairs).unwrap();
    let own = tch::no_grad(|| model.rewards(&encoded.iter().collect::<Vec<_>>(), None).unwrap());
    let own = Vec::<f64>::try_from(&own.to_kind(Kind::Double)).unwrap();
    assert_close("saved", &rewards(&root.join("head"), &pairs), &own, 1e-5);
    assert!(own != rewards(&root.join("base"), &pairs));

    // Another run finds everything there: nothing is written, the result is the same bytes.
    let files = || std::fs::read_dir(root.join("cache")).unwrap().count();
    let before = files();
    let again = frozen(&settings, &pairs, &root.join("cache"), &root.join("again")).unwrap();
    assert_eq!(again.n_kept(), kept);
    train(&again, &settings, &pairs, &root.join("again"));
    assert_eq!((files(), again.n_kept()), (before, kept));
    let bytes = |run: &str| std::fs::read(root.join(run).join("model.safetensors")).unwrap();
    assert!(bytes("head") == bytes("again"));
}

#[test]
fn features_belong_to_the_trunk_and_not_to_the_head() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let model = tiny(root);
    artifact::save(&root.join("base"), &model, root, None, None).unwrap();
    let key = model.feature_key().unwrap();
    let _ = tch::no_grad(|| model.network.params()["score.weight"].shallow_clone().fill_(0.5));
    assert_eq!(model.feature_key().unwrap(), key);
    let _ = tch::no_grad(|| model.network.params()["model.norm.weight"].shallow_clone().fill_(0.5));
    assert_ne!(model.feature_key().unwrap(), key);
    artifact::save(&root.join("other"), &model, root, None, None).unwrap();

    let pairs = pairs(10);
    let open = |name: &str| {
        let settings = settings(&root.join(name), "");
        frozen(&settings, &pairs, &root.join("cache"), &root.join("out"))
    };
    open("base").unwrap().encode(&pairs).unwrap();
    let error = open("other").err().unwrap().to_string();
    assert!(error.contains("the trunk's weights differ") && error.contains("another directory"), "{error}");
}

#[test]
fn other_heads_are_trained_on_features_too() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let base = root.join("base");
    artifact::save(&base, &tiny(root), root, None, None).unwrap();
    // A trunk alone: heads of other shapes than the checkpoint's are drawn.
    let mut tensors = Checkpoint::open_dir(&base).unwrap().take_all().unwrap();
    tensors.remove("score.weight");
    weights::write(&base.join("model.safetensors"), tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    let mut pairs = pairs(40);
    for (i, pair) in pairs.iter_mut().enumerate() {
        pair.evidence.ratings = vec![Some((i % 5) as f64), Some((i % 3) as f64), None, Some(1.0)];
    }
    let cases = [
        ("mlp", "[reward]\nhead = { mlp = { name = 'score' } }"),
        ("attributes", "[objective]\nname = 'mse'\nattributes = ['a', 'b']\nweights = [1.0, 0.5]"),
    ];
    for (name, more) in cases {
        let base: TrainSettings = settings(&base, "");
        let table: toml::Table = more.parse().unwrap();
        let mut whole = toml::Table::try_from(&base).unwrap();
        whole.extend(table);
        let Ok(settings) = toml::Value::Table(whole).try_into::<TrainSettings>() else {
            panic!("{name}: settings do not parse");
        };
        let (out, cache) = (root.join(name), root.join("cache"));
        let model = frozen(&settings, &pairs, &cache, &out).unwrap();
        let before: Vec<Tensor> = model.params().values().map(|t| t.detach().copy()).collect();
        train(&model, &settings, &pairs, &out);
        for ((param, tensor), before) in model.params().iter().zip(before) {
            let changed = !tensor.detach().equal(&before);
            // Differences of rewards do not depend on the last bias: its gradient is 0.
            let is_trained = model.is_head(param) && param != "score.2.bias";
            assert_eq!(changed, is_trained, "{name}: {param}");
        }
        let encoded = model.encode(&pairs).unwrap();
        let own = tch::no_grad(|| model.rewards(&encoded.iter().collect::<Vec<_>>(), None).unwrap());
        let own = Vec::<f64>::try_from(&own.to_kind(Kind::Double)).unwrap();
        assert_close(name, &rewards(&out, &pairs), &own, 1e-5);
    }
}

/// ArmoRM's second stage: attributes that stay as they are, and a gate that learns from preferences, by the prompt, which of
/// them count. Here prompts in one script want the first attribute and all others the second.
#[test]
fn a_gate_is_trained_on_features() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let base = root.join("base");
    artifact::save(&base, &tiny(root), root, None, None).unwrap();
    let mut tensors = Checkpoint::open_dir(&base).unwrap().take_all().unwrap();
    tch::manual_seed(5);
    let attributes_2d = Tensor::randn([2, tensors["score.weight"].size()[1]], (Kind::Float, Device::Cpu)) * 0.3;
    tensors.insert("score.weight".to_owned(), attributes_2d.shallow_clone());
    weights::write(&base.join("model.safetensors"), tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    let more = "[reward]\nhead = 'gated'\npooling = 'mask-last'\ngate-pattern = '<|assistant|>'\n\
                gate-temperature = 1.0\n[[groups]]\npattern = '^score'\nfrozen = true";
    let mut settings = settings(&base, more);
    settings.max_steps = Some(150);
    // Who is chosen is what the prompt's own attribute says.
    let mut pairs = pairs(90);
    let open = |pairs: &[Comparison]| frozen(&settings, pairs, &root.join("cache"), &root.join("gate")).unwrap();
    let wants_first = |pair: &Comparison| pair.prompt.plain_text().is_ascii();
    let seen = open(&pairs).encode(&pairs).unwrap();
    for (pair, features) in pairs.iter_mut().zip(seen) {
        let width = features.rows[0].len() / 2;
        let at = |row: &[f32]| {
            let values = Tensor::from_slice(&row[..width]).unsqueeze(1);
            let both = attributes_2d.matmul(&values);
            both.double_value(&[i64::from(!wants_first(pair)), 0])
        };
        if at(&features.rows[0]) < at(&features.rows[1]) {
            std::mem::swap(&mut pair.chosen, &mut pair.rejected);
        }
    }
    let model = open(&pairs);
    let accuracy = |model: &FrozenTrunk| {
        let encoded = model.encode(&pairs).unwrap();
        let rewards = tch::no_grad(|| model.rewards(&encoded.iter().collect::<Vec<_>>(), None).unwrap());
        let rewards = Vec::<f64>::try_from(&rewards.to_kind(Kind::Double)).unwrap();
        let right = rewards.chunks(2).filter(|pair| pair[0] > pair[1]).count();
        (right as f64 / pairs.len() as f64, rewards)
    };
    // The gate begins even: both attributes count by half.
    let (before, _) = accuracy(&model);
    train(&model, &settings, &pairs, &root.join("gate"));
    let (after, own) = accuracy(&model);
    assert!(after > 0.95 && before < after - 0.1, "{before} and {after}");
    let saved = Checkpoint::open_dir(&root.join("gate")).unwrap().take_all().unwrap();
    assert!(saved["score.weight"].equal(&attributes_2d), "the attributes were trained");
    // What was trained on features is what is scored from texts.
    assert_close("gate", &rewards(&root.join("gate"), &pairs), &own, 1e-5);
}

/// Two users who want opposite things of the same responses, on kept features: vectors beside the head tell them apart, and each
/// user's checkpoint has that user's rewards.
#[test]
fn vectors_of_users_are_trained_on_features() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let base = root.join("base");
    artifact::save(&base, &tiny(root), root, None, None).unwrap();
    let pairs = pairs(24);
    let data = of_two_users(&pairs);
    let mut settings = settings(&base, "[objective]\nname = 'individual'\nlr = 0.05\nrank = 8");
    settings.max_steps = Some(200);
    let out = root.join("users");
    let model = frozen(&settings, &data, &root.join("cache"), &out).unwrap();
    train(&model, &settings, &data, &out);
    for (user, wants) in [("anna", 1.0), ("ben", -1.0)] {
        let own = root.join(user);
        personal::write(&out, user, &own).unwrap();
        let right = rewards(&own, &pairs).chunks(2).filter(|pair| wants * (pair[0] - pair[1]) > 0.0).count();
        assert!(right >= 21, "{user}: {right} of 24");
    }
}
