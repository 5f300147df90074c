//! Ten steps of every loss that TRL's trainers of policies have: losses within 1e-4 relative of TRL's, step by step.

use rmbench::objective::{Label, Objective, Rewards};
use rmbench::progress::Silent;
use rmbench::train::begin_policy::begin_policy;
use rmbench::train::companion::shift::Shift;
use rmbench::train::optimizer::{AdamW, AdamWSettings, Group, clip_grad_norm};
use rmbench::train::policy::{PolicyPair, PolicyTrainable};
use rmbench::train::prepare::{Role, TrainPair, prepare};
use rmbench::train::settings::AdapterMethod;
use rmbench::train::trainable::Ask;
use rmbench::train::{TrainSettings, Trainable};
use tch::{Kind, Tensor};

use super::*;

const RELATIVE: f64 = 1e-4;
const STEPS: usize = 10;

fn settings(case: &Value) -> TrainSettings {
    let named = |key: &str| fixtures().join(case[key].as_str().unwrap_or(key)).to_string_lossy().into_owned();
    let mut settings = TrainSettings::default();
    let table: toml::Table = serde_json::from_value(case["objective"].clone()).unwrap();
    settings.objective = toml::from_str::<Objective>(&toml::to_string(&table).unwrap()).unwrap();
    settings.objective.validate().unwrap();
    settings.source.model = Some(named("policy"));
    settings.over_length = rmbench::train::settings::OverLength::Truncate;
    settings.text.max_length = Some(4096);
    let of_model = settings.objective.policy().unwrap().reference.is_some();
    match is_adapter(case) {
        // Against itself as it was: of a new one that is the base.
        true => settings.adapter.method = AdapterMethod::Keep,
        false => settings.source.reference = of_model.then(|| named("reference")),
    }
    settings
}

fn is_adapter(case: &Value) -> bool {
    case["policy"].as_str().is_some_and(|policy| policy.starts_with("adapter"))
}

/// The fixture's pairs, with a gold response before them where asked for; or its single responses, with the response before
/// it in its batch as KTO's estimate needs it.
fn data(steps: &Value, case: &Value, batch: usize) -> Vec<Comparison> {
    let name = case["objective"]["name"].as_str().unwrap();
    let singles = steps["singles"].as_array().unwrap();
    if case["data"] != "singles" {
        let (pairs, golds) = (steps["pairs"].as_array().unwrap(), steps["golds"].as_array().unwrap());
        let item = |(i, (pair, gold)): (usize, (&Value, &Value))| match case["data"] == "triples" {
            true => {
                let (chosen, rejected) = ([text(gold)], [text(&pair[1]), text(&pair[2])]);
                let mut item = comparison(&format!("t{i}"), text(&pair[0]), &chosen, &rejected);
                item.evidence.ranks = vec![0, 1, 2];
                item
            }
            false => comparison(&format!("p{i}"), text(&pair[0]), &[text(&pair[1])], &[text(&pair[2])]),
        };
        return pairs.iter().zip(golds).enumerate().map(item).collect();
    }
    let single = |(i, row): (usize, &Value)| {
        let first = i / batch * batch;
        let before = &singles[first + (i - first + batch - 1) % batch];
        let rejected: &[&str] = if name == "kto" { &[text(&before[1])] } else { &[] };
        let mut item = comparison(&format!("s{i}"), text(&row[0]), &[text(&row[1])], rejected);
        item.evidence.ratings = vec![Some(f64::from(row[2].as_bool().unwrap()))];
        item
    };
    singles.iter().enumerate().map(single).collect()
}

/// Pairs with reference log-probabilities. What KTO compares with came as a rejected response and is a further
/// sequence.
fn prepared(
    trainable: &PolicyTrainable,
    settings: &TrainSettings,
    data: &[Comparison],
    out: &Path,
) -> Vec<TrainPair<PolicyPair>> {
    let kto = settings.objective.name() == "kto";
    let mut plain = settings.clone();
    if kto {
        // The shape that data have here; labels are set right below.
        plain.objective = Objective::named("dpo").unwrap();
    }
    let mut pairs = prepare(trainable, data, Role::Training, &plain, &mut Silent).unwrap().pairs;
    if kto {
        for pair in &mut pairs {
            pair.label = Label { n_rejected: 0, n_further: 1, ..pair.label.clone() };
        }
    }
    trainable.complete(&mut pairs, out, &mut Silent).unwrap();
    pairs
}

fn losses(settings: &TrainSettings, data: &[Comparison], batch: usize, lr: f64, warmup: usize) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let needs = settings.objective.policy().unwrap();
    let beginning = begin_policy(settings, needs, data.len(), Vec::new(), dir.path(), &mut Silent).unwrap();
    let trainable = beginning.trainable;
    let pairs = prepared(&trainable, settings, data, dir.path());
    let adamw = AdamWSettings { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01, ..AdamWSettings::default() };
    let params = trainable.params().iter().map(|(name, tensor)| (name.as_str(), tensor));
    let mut optimizer = AdamW::new(params, |_| Group::default(), adamw).unwrap();
    let mut shift = needs.shift.map(Shift::new);
    let mut found = Vec::new();
    for step in 0..STEPS {
        let members: Vec<&TrainPair<PolicyPair>> =
            (0..batch).map(|i| &pairs[(step * batch + i) % pairs.len()]).collect();
        let encoded: Vec<&PolicyPair> = members.iter().map(|pair| &pair.encoded).collect();
        let given = trainable.forward(&encoded, None, Ask::default()).unwrap();
        let columns = given.attributes_sa.unwrap();
        let mut labels: Vec<Label> = members.iter().map(|pair| pair.label.clone()).collect();
        if let Some(shift) = &mut shift {
            let flat = Vec::<f64>::try_from(columns.detach().flatten(0, -1)).unwrap();
            let value = shift.of_step(&[(flat, labels.clone())]);
            labels.iter_mut().for_each(|label| label.threshold = Some(value));
        }
        let loss: Tensor =
            settings.objective.losses(&Rewards { rewards_s: &columns, labels: &labels }).unwrap().mean(Kind::Double);
        found.push(loss.double_value(&[]));
        loss.backward();
        assert_eq!(given.rest.is_some(), settings.checkpoint_layers > 0);
        if let Some(rest) = given.rest {
            rest.backward();
        }
        clip_grad_norm(optimizer.params().map(|(_, param)| param), Some(1.0));
        // transformers' linear schedule.
        let rate = match step < warmup {
            true => step as f64 / warmup as f64,
            false => (STEPS - step) as f64 / (STEPS - warmup) as f64,
        };
        optimizer.step(lr * rate);
        optimizer.zero_grad();
    }
    found
}

#[test]
fn ten_steps_are_trls() {
    tch::set_num_threads(1);
    let steps = json("steps.json");
    let batch = steps["batch"].as_u64().unwrap() as usize;
    let (lr, warmup) = (steps["learning_rate"].as_f64().unwrap(), steps["warmup"].as_u64().unwrap() as usize);
    let cases = steps["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 37);
    let mut failed = Vec::new();
    for (case, layers) in cases.iter().flat_map(|case| [(case, 0), (case, 1)]) {
        // Gradient checkpointing changes nothing.
        let settings = TrainSettings { checkpoint_layers: layers, ..settings(case) };
        let data = data(&steps, case, batch);
        let expected = numbers(&case["losses"]);
        let found = losses(&settings, &data, batch, lr, warmup);
        assert_eq!((found.len(), expected.len()), (STEPS, STEPS));
        let largest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f64::max);
        let of = case["policy"].as_str().unwrap_or("policy");
        eprintln!("{of}, {}, {layers}: largest relative difference {largest:.1e}", case["objective"]);
        if largest > RELATIVE {
            failed.push(format!("{}: {largest:.1e}\n{found:?}\n{expected:?}", case["objective"]));
        }
        // The steps moved something.
        assert!((found[9] - found[0]).abs() > 1e-3 * found[0].abs(), "{found:?}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
