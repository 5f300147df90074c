//! Every objective of the table: losses and gradients against PyTorch and TRL (`tests/reference/objectives.py`),
//! golden values, finite differences, identities, and a run of ten steps on real pairs. Everything here runs
//! over the table, so that an objective cannot be added without it.

mod policies;
pub mod runs;

use std::collections::BTreeSet;

use rmbench::objective::threshold::crossing;
use rmbench::objective::{Label, Objective, ObjectiveError, Rewards, SPECS};
use serde_json::Value;
use tch::{Kind, Tensor};

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/objectives.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn numbers_or_none(value: &Value) -> Vec<f64> {
    if value.is_null() { Vec::new() } else { numbers(value) }
}

fn objective(toml: &str) -> Objective {
    let objective: Objective = toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"));
    objective.validate().unwrap();
    objective
}

fn label(value: &Value) -> Label {
    let count = |key: &str| value[key].as_u64().unwrap_or(0) as usize;
    let number = |key: &str| value[key].as_f64();
    Label {
        n_chosen: count("n_chosen"),
        n_rejected: count("n_rejected"),
        n_further: count("n_further"),
        margin: number("margin"),
        probability: number("probability"),
        vote_share: number("vote_share"),
        ranks: value["ranks"]
            .as_array()
            .map_or(Vec::new(), |ranks| ranks.iter().map(|rank| rank.as_u64().unwrap() as u32).collect()),
        ratings: value["ratings"].as_array().map_or(Vec::new(), |ratings| ratings.iter().map(Value::as_f64).collect()),
        other_prompt: value["other_prompt"].as_bool().unwrap_or(false),
        threshold: number("threshold"),
        topic: numbers_or_none(&value["topic"]),
        ..Label::default()
    }
}

/// A case of the fixture.
struct Case {
    name: String,
    source: String,
    objective: Objective,
    labels: Vec<Label>,
    rewards: Vec<f64>,
    attributes: Option<i64>,
    losses: Vec<f64>,
    gradient: Vec<f64>,
}

impl Case {
    fn tensor(&self, rewards: &[f64]) -> Tensor {
        let flat = Tensor::from_slice(rewards);
        self.attributes.map_or_else(|| flat.shallow_clone(), |a| flat.view([-1, a]))
    }

    fn losses(&self, rewards_s: &Tensor) -> Tensor {
        self.objective.losses(&Rewards { rewards_s, labels: &self.labels }).unwrap()
    }

    /// The weighted sum that the fixture's gradients are of.
    fn weighted(&self, rewards_s: &Tensor) -> Tensor {
        let losses = self.losses(rewards_s);
        let n = losses.numel() as i64;
        // As torch.linspace, whose only element of one is the start.
        let weights: Vec<f64> = (0..n).map(|i| 0.5 + if n > 1 { i as f64 / (n - 1) as f64 } else { 0.0 }).collect();
        (losses * Tensor::from_slice(&weights)).sum(Kind::Double)
    }

    fn gradient(&self) -> Vec<f64> {
        let rewards = self.tensor(&self.rewards).set_requires_grad(true);
        self.weighted(&rewards).backward();
        values(&rewards.grad())
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.detach().flatten(0, -1)).unwrap()
}

fn cases() -> Vec<Case> {
    let all = fixture();
    let case = |case: &Value| {
        let table: toml::Table = serde_json::from_value(case["objective"].clone()).unwrap();
        let attributes = case["rewards"][0].as_array().map(|row| row.len() as i64);
        Case {
            name: case["objective"]["name"].as_str().unwrap().to_owned(),
            source: case["source"].as_str().unwrap().to_owned(),
            objective: objective(&toml::to_string(&table).unwrap()),
            labels: case["labels"].as_array().unwrap().iter().map(label).collect(),
            rewards: numbers(&case["rewards"]),
            attributes,
            losses: numbers(&case["losses"]),
            gradient: numbers(&case["gradient"]),
        }
    };
    all["cases"].as_array().unwrap().iter().map(case).collect()
}

#[test]
fn losses_and_gradients_are_the_references() {
    let mut seen = BTreeSet::new();
    let mut of_trl = 0;
    for case in cases() {
        let found = values(&case.losses(&case.tensor(&case.rewards)));
        assert_eq!(found.len(), case.losses.len(), "{}", case.name);
        let gradient = case.gradient();
        let losses = found.into_iter().zip(case.losses.iter().copied());
        let all = losses.chain(gradient.into_iter().zip(case.gradient.iter().copied()));
        for (found, expected) in all {
            assert!((found - expected).abs() <= 1e-9, "{} ({}): {found} not {expected}", case.name, case.source);
        }
        of_trl += usize::from(case.source.starts_with("trl"));
        seen.insert(case.name);
    }
    let missing: Vec<&str> = SPECS.iter().map(|spec| spec.name).filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "no reference for {missing:?}");
    assert_eq!(of_trl, 5);
}

#[test]
fn gradients_are_finite_differences() {
    let h = 1e-5;
    for case in cases() {
        let gradient = case.gradient();
        for (index, exact) in gradient.iter().enumerate() {
            let at = |shift: f64| {
                let mut moved = case.rewards.clone();
                moved[index] += shift;
                case.weighted(&case.tensor(&moved)).double_value(&[])
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            assert!((exact - numeric).abs() < 1e-7, "{} by reward {index}: {exact} not {numeric}", case.name);
        }
    }
}

/// Losses of one comparison of each shape.
fn loss(toml: &str, label: Label, rewards: &[f64]) -> f64 {
    let rewards_s = Tensor::from_slice(rewards);
    objective(toml).losses(&Rewards { rewards_s: &rewards_s, labels: &[label] }).unwrap().double_value(&[0])
}

/// spec/objectives.md 5.1 and 5.2, and spec/training.md 1.8: worked from the formulas in double arithmetic.
#[test]
fn golden_values() {
    let pair = || Label::pair(None);
    let margin = |margin: f64| Label::pair(Some(margin));
    let soft = |q: f64| Label { probability: Some(q), ..Label::pair(None) };
    let list = |k, m| Label { n_chosen: k, n_rejected: m, ..Label::default() };
    let ranked = |ranks: &[u32]| Label { ranks: ranks.to_vec(), ..list(1, ranks.len() - 1) };
    let rated = |y: &[f64]| Label { ratings: y.iter().map(|y| Some(*y)).collect(), ..list(1, y.len() - 1) };
    let a = [1.2, 0.5];
    let b = [1.5, 0.25];
    let exact: Vec<(&str, Label, &[f64], f64)> = vec![
        ("name='bt'", pair(), &a, 0.4031860488854579),
        ("name='bt-margin'", margin(0.5), &a, 0.5981388693815919),
        ("name='bt-scaled'", margin(-2.0), &a, 0.8063720977709158),
        ("name='bt-centered'", pair(), &a, 0.4320860488854579),
        ("name='bt-smooth'\nlabel-smoothing=0.2", pair(), &a, 0.543186048885458),
        ("name='bt-robust'\nflip-rate=0.2", pair(), &a, 0.1698527155521246),
        ("name='bce'", pair(), &a, 0.6186797257590689),
        ("name='listmle'", ranked(&[0, 1, 2]), &[2.0, 1.0, -1.0], 0.4759402278111591),
        ("name='multi-pair'", list(1, 2), &[1.2, 0.5, -0.3], 0.30229966343410514),
        ("name='group-contrast'", list(2, 1), &[2.0, 1.0, -1.0], 0.0357505292499636),
        ("name='mse'", rated(&[1.0, 0.0, -100.0]), &[1.2, 0.5, 3.0], 0.145),
    ];
    for (toml, label, rewards, expected) in exact {
        let found = loss(toml, label, rewards);
        assert!((found / expected - 1.0).abs() <= 1e-12, "{toml}: {found} not {expected}");
    }
    let theta = format!("name='rao-kupper'\ntheta={}", 0.3f64.exp());
    let rounded: Vec<(&str, Label, &[f64], f64)> = vec![
        ("name='bt-soft'", soft(0.8), &b, 0.501929081),
        ("name='focal'", pair(), &b, 0.012494511),
        ("name='hinge'\ntarget=2.0", pair(), &b, 0.75),
        ("name='margin-mse'\ntarget=2.0", pair(), &b, 0.5625),
        (&theta, pair(), &b, 0.326956407),
        (&theta, soft(0.5), &b, 2.265303241),
        ("name='davidson'\nnu=0.5", pair(), &b, 0.440919450),
        ("name='davidson'\nnu=0.5", soft(0.5), &b, 1.759066630),
        ("name='listmle'", ranked(&[0, 1, 2]), &[1.0, 0.2, -0.5], 0.917481122),
        ("name='k-wise'", ranked(&[0, 1, 2]), &[1.0, 0.2, -0.5], 0.325233331),
    ];
    for (toml, label, rewards, expected) in rounded {
        let found = loss(toml, label, rewards);
        assert!((found - expected).abs() <= 6e-10, "{toml}: {found} not {expected}");
    }
}

/// spec/objectives.md 5.3.
#[test]
fn identities() {
    let of = |toml: &str, rewards: &[f64]| loss(toml, Label::pair(None), rewards);
    for (c, r) in [(0.3, -1.1), (2.0, 2.5), (-0.4, 0.0)] {
        let (bt, swapped) = (of("name='bt'", &[c, r]), of("name='bt'", &[r, c]));
        // BT(−d) − BT(d) = d, and e^−BT(d) + e^−BT(−d) = 1.
        assert!((swapped - bt - (c - r)).abs() < 1e-14);
        assert!(((-bt).exp() + (-swapped).exp() - 1.0).abs() < 1e-14);
        // With two responses every list loss is Bradley–Terry.
        for name in ["listmle", "k-wise", "multi-pair", "group-contrast"] {
            assert!((of(&format!("name='{name}'"), &[c, r]) - bt).abs() < 1e-14, "{name}");
        }
        // Settings that change nothing.
        for name in ["bt-smooth'\nlabel-smoothing=0.0", "bt-robust'\nflip-rate=0.0", "focal'\ngamma=0.0"] {
            assert!((of(&format!("name='{name}"), &[c, r]) - bt).abs() < 1e-14, "{name}");
        }
        assert!((of("name='davidson'\nnu=1e-12", &[c, r]) - bt).abs() < 1e-11);
        assert!((of("name='rao-kupper'\ntheta=1.000000000001", &[c, r]) - bt).abs() < 1e-11);
        // Unbiasedness under flips: the mean over labels that are wrong at rate e is the loss without flips.
        let robust = |rewards: &[f64]| of("name='bt-robust'\nflip-rate=0.3", rewards);
        assert!((0.7 * robust(&[c, r]) + 0.3 * robust(&[r, c]) - bt).abs() < 1e-14);
        // What can happen has probability 1.
        for toml in ["name='davidson'\nnu=0.7", "name='rao-kupper'\ntheta=1.8"] {
            let tie = loss(toml, Label { probability: Some(0.5), ..Label::pair(None) }, &[c, r]);
            let sum = [of(toml, &[c, r]), of(toml, &[r, c]), tie].iter().map(|l| (-l).exp()).sum::<f64>();
            assert!((sum - 1.0).abs() < 1e-14, "{toml}: {sum}");
        }
    }
    // A margin or strength of 0 has no gradient under scaling.
    let rewards = Tensor::from_slice(&[1.0, 0.3]).set_requires_grad(true);
    let labels = [Label::pair(Some(0.0))];
    let scaled = objective("name='bt-scaled'").losses(&Rewards { rewards_s: &rewards, labels: &labels }).unwrap();
    scaled.sum(Kind::Double).backward();
    assert_eq!(values(&rewards.grad()), [0.0, 0.0]);
}

/// Sums of exponentials of rewards that overflow, and gaps at which probabilities are 0 in doubles.
#[test]
fn extreme_rewards_have_finite_losses_and_gradients() {
    for case in cases() {
        let quadratic =
            ["mse", "margin-mse", "bt-centered", "ipo-azar", "sppo-hard", "ulma"].contains(&case.name.as_str());
        let large: Vec<f64> = case.rewards.iter().map(|r| r * if quadratic { 1.0 } else { 900.0 }).collect();
        let rewards = case.tensor(&large).set_requires_grad(true);
        let losses = case.losses(&rewards);
        losses.sum(Kind::Double).backward();
        let all = [values(&losses), values(&rewards.grad())].concat();
        assert!(all.iter().all(|value| value.is_finite()), "{}: {all:?}", case.name);
    }
}

/// Losses do not depend on what else is in the batch.
#[test]
fn comparisons_do_not_see_each_other() {
    let whole_step = |case: &Case| case.objective.policy().is_some_and(|needs| needs.whole_step);
    for case in cases().into_iter().filter(|case| !whole_step(case)) {
        let together = values(&case.losses(&case.tensor(&case.rewards)));
        let mut start = 0;
        for (label, together) in case.labels.iter().zip(together) {
            let size = label.n_sequences() * case.attributes.unwrap_or(1) as usize;
            let own = case.tensor(&case.rewards[start..start + size]);
            let labels = std::slice::from_ref(label);
            let alone = case.objective.losses(&Rewards { rewards_s: &own, labels }).unwrap();
            assert!((alone.double_value(&[0]) - together).abs() < 1e-14, "{}", case.name);
            start += size;
        }
    }
}

#[test]
fn the_table_is_whole() {
    let names: BTreeSet<&str> = SPECS.iter().map(|spec| spec.name).collect();
    assert_eq!(names.len(), SPECS.len(), "a name stands for two objectives");
    for spec in SPECS {
        let objective = spec.objective();
        assert_eq!(objective.name(), spec.name);
        objective.validate().unwrap();
        assert!([spec.formula, spec.needs, spec.paper].iter().all(|text| !text.is_empty()), "{}", spec.name);
        let again: Objective = toml::from_str(&toml::to_string(&objective).unwrap()).unwrap();
        assert_eq!(again, objective);
        assert_eq!(Objective::named(spec.name).as_ref(), Some(&objective));
        let unknown = toml::from_str::<Objective>(&format!("name = '{}'\nno-such-key = 1", spec.name)).unwrap_err();
        assert!(unknown.message().starts_with("unknown field `no-such-key`"), "{unknown}");
    }
    let unknown = toml::from_str::<Objective>("name = 'btt'").unwrap_err().to_string();
    assert!(unknown.contains("no objective `btt`") && unknown.contains("bt-margin"), "{unknown}");
}

#[test]
fn settings_out_of_range_are_refused() {
    for toml in [
        "name='bt-robust'\nflip-rate=0.5",
        "name='bt-smooth'\nlabel-smoothing=0.5",
        "name='bt-margin'\nmargin-scale=0.0",
        "name='focal'\ngamma=-1.0",
        "name='hinge'\ntarget=0.0",
        "name='rao-kupper'\ntheta=1.0",
        "name='davidson'\nnu=0.0",
        "name='mapl'\nintra=-1.0",
        "name='sspo'\nnew-share=0.0",
        "name='more'\nnew-share=1.5",
        "name='dial'\ncritic-lr=0.0",
        "name='lm-beside'\nlm-weight=0.0",
        "name='individual'\nrank=0",
    ] {
        let found: Objective = toml::from_str(toml).unwrap();
        assert!(matches!(found.validate(), Err(ObjectiveError::Setting { .. })), "{toml}");
    }
}

#[test]
fn the_threshold_is_where_scipys_densities_cross() {
    let of = &fixture()["crossing"];
    let found = crossing(&numbers(&of["chosen"]), &numbers(&of["rejected"])).unwrap();
    assert!((found - of["threshold"].as_f64().unwrap()).abs() < 1e-12, "{found}");
}
