//! Reference values of companions: `tests/fixtures/companions.json`, written by `tests/reference/companions.py`.

use serde_json::Value;
use tch::Tensor;

pub fn reference() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/companions.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A number, or all numbers of nested lists.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

pub fn matrix(value: &Value) -> Tensor {
    let rows = value.as_array().unwrap().len() as i64;
    Tensor::from_slice(&numbers(value)).view([rows, -1])
}
