//! Merged models: formulas and whole checkpoints against NumPy and transformers (`tests/reference/merge.py`),
//! identities, what is refused, and heads on one scale.

mod checkpoints;

use rmbench::merge::Thinning;
use rmbench::merge::rule::{self, Operands, PIECE, Rule, Values};
use serde_json::Value;
use tch::Tensor;

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/merge.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn values(numbers: &[f64]) -> Values {
    Values::new(&Tensor::from_slice(numbers))
}

fn rule_of(json: &Value) -> Rule {
    let flag = |value: &Value, key: &str| value[key].as_bool().unwrap();
    if let Some(linear) = json.get("linear") {
        return Rule::Linear { normalise: flag(linear, "normalise") };
    }
    let Some(deltas) = json.get("deltas") else { return Rule::Slerp };
    let thinning = match (deltas["thin"]["largest"].as_f64(), deltas["thin"]["random"].as_f64()) {
        (Some(density), _) => Thinning::Largest { density },
        (_, Some(density)) => Thinning::Random { density, seed: deltas["thin"]["seed"].as_u64().unwrap() },
        _ => Thinning::None,
    };
    let lambda = deltas["lambda"].as_f64().unwrap();
    Rule::Deltas { thinning, elect: flag(deltas, "elect"), normalise: flag(deltas, "normalise"), lambda }
}

fn merged(rule: &Rule, name: &str, operands: &Operands, weights: &[f64]) -> Vec<f64> {
    let mut found: Vec<f64> = Vec::new();
    rule::merge(rule, name, operands, weights, &mut |piece| {
        found.extend(Vec::<f64>::try_from(&piece).unwrap());
        Ok(())
    })
    .unwrap();
    found
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}, entry {at}: {a} and {b}");
    }
}

#[test]
fn every_formula_equals_the_reference() {
    let fixture = fixture();
    let all = |key: &str| -> Vec<Vec<f64>> { fixture[key].as_array().unwrap().iter().map(numbers).collect() };
    let (models, minus, base) = (all("models"), all("minus"), numbers(&fixture["base"]));
    let name = fixture["name"].as_str().unwrap();
    let keys: Vec<String> =
        fixture["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 25, "cases are missing");
    for case in cases {
        let n = case["n"].as_u64().unwrap() as usize;
        let operands = Operands {
            models: models[..n].iter().map(|model| values(model)).collect(),
            minus: match case["minus"].as_bool().unwrap() {
                true => minus[..n].iter().map(|model| values(model)).collect(),
                false => Vec::new(),
            },
            base: Some(values(&base)),
            keys: keys.clone(),
        };
        let found = merged(&rule_of(&case["rule"]), name, &operands, &numbers(&case["weights"]));
        assert_close(case["case"].as_str().unwrap(), &found, &numbers(&case["expected"]), 1e-12);
    }
}

/// Numbers without a pattern, many of them equal in magnitude.
fn drawn(n: usize, key: &str, levels: f64) -> Vec<f64> {
    let draw = |i: usize| (rmbench::random::uniform(3, key, i.to_le_bytes()) * 2.0 - 1.0) * levels;
    (0..n).map(|i| draw(i).round() / levels).collect()
}

#[test]
fn pieces_do_not_show() {
    // Longer than a piece, with magnitudes that tie across the border, against sorting the whole.
    let n = PIECE as usize + 4321;
    let (base, model) = (vec![0.0; n], drawn(2000, "model", 50.0).into_iter().cycle().take(n).collect::<Vec<_>>());
    let kept = (0.37 * n as f64) as usize;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| model[b].abs().total_cmp(&model[a].abs()));
    let mut expected = vec![0.0; n];
    order[..kept].iter().for_each(|&at| expected[at] = model[at]);
    let operands = Operands {
        models: vec![values(&model)],
        minus: Vec::new(),
        base: Some(values(&base)),
        keys: vec!["only".into()],
    };
    let ties =
        Rule::Deltas { thinning: Thinning::Largest { density: 0.37 }, elect: true, normalise: true, lambda: 1.0 };
    assert_eq!(merged(&ties, "t", &operands, &[1.0]), expected);
    // A random half, rescaled: the mean of kept factors is 1 within its error.
    let ones = Operands { models: vec![values(&vec![1.0; n])], ..operands };
    let dare = Rule::Deltas {
        thinning: Thinning::Random { density: 0.25, seed: 1 },
        elect: false,
        normalise: false,
        lambda: 1.0,
    };
    let found = merged(&dare, "t", &ones, &[1.0]);
    assert!(found.iter().all(|&x| x == 0.0 || x == 4.0));
    let mean = found.iter().sum::<f64>() / n as f64;
    // Standard error √(p(1−p)/n)/p ≈ 0.0017.
    assert!((mean - 1.0).abs() < 0.0085, "{mean}");
    assert_eq!(found, merged(&dare, "t", &ones, &[1.0]));
    assert_ne!(found, merged(&dare, "u", &ones, &[1.0]));
}

fn every_rule() -> Vec<Rule> {
    let deltas = |thinning, elect, normalise| Rule::Deltas { thinning, elect, normalise, lambda: 1.0 };
    vec![
        Rule::Linear { normalise: true },
        Rule::Slerp,
        deltas(Thinning::None, false, true),
        deltas(Thinning::Largest { density: 1.0 }, true, true),
        deltas(Thinning::Largest { density: 0.4 }, true, true),
        deltas(Thinning::Random { density: 0.4, seed: 5 }, true, false),
    ]
}

fn operands(models: &[(&str, &[f64])], base: &[f64]) -> Operands {
    Operands {
        models: models.iter().map(|(_, model)| values(model)).collect(),
        minus: Vec::new(),
        base: Some(values(base)),
        keys: models.iter().map(|(key, _)| (*key).to_owned()).collect(),
    }
}

#[test]
fn identities_hold() {
    let (a, b, base) = (drawn(500, "a", 1e6), drawn(500, "b", 1e6), drawn(500, "base", 1e6));
    for rule in every_rule() {
        // The order of models does not matter.
        let one_way = merged(&rule, "t", &operands(&[("a", &a), ("b", &b)], &base), &[0.25, 0.75]);
        let other_way = merged(&rule, "t", &operands(&[("b", &b), ("a", &a)], &base), &[0.75, 0.25]);
        assert_close(&format!("{rule:?}"), &one_way, &other_way, 1e-12);
        let keeps_everything = match rule {
            Rule::Deltas { thinning: Thinning::Largest { density }, .. } => density == 1.0,
            Rule::Deltas { thinning: Thinning::Random { .. }, .. } => false,
            _ => true,
        };
        if keeps_everything {
            // A model with itself is itself; a weight of 0 leaves a model out.
            let same = merged(&rule, "t", &operands(&[("a", &a), ("a", &a)], &base), &[0.25, 0.75]);
            assert_close(&format!("{rule:?}"), &same, &a, 1e-12);
            let alone = merged(&rule, "t", &operands(&[("a", &a), ("b", &b)], &base), &[1.0, 0.0]);
            if !matches!(rule, Rule::Deltas { elect: true, .. }) {
                assert_close(&format!("{rule:?}"), &alone, &a, 1e-12);
            }
        }
    }
}
