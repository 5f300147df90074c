//! Standard errors against statsmodels, irrCAC, SciPy, krippendorff and NumPy (`tests/fixtures/languages.json`).

use std::path::Path;

use rmbench::metric::agreement::{agreement, errors};
use rmbench::metric::clustered::{Observation, slope};
use rmbench::metric::components::shares;
use rmbench::metric::correlation::{fisher, pearson, pearson_error};
use rmbench::metric::irt::{Fit, information, item_errors};
use rmbench::metric::normal::normal_quantile;
use serde_json::Value;

fn cases(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/languages.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[track_caller]
fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs(), "{a} and {b}");
}

#[test]
fn errors_of_agreement_equal_statsmodels_and_irrcac() {
    for case in cases("agreement") {
        let table = numbers(&case["table"]);
        let [raw, kappa, pabak, ac1, alpha] = errors(&table, 2).unwrap().map(Option::unwrap);
        close(raw, number(&case["raw"]), 1e-6);
        close(pabak, 2.0 * raw, 1e-6);
        close(kappa, number(&case["kappa"]), 1e-6);
        close(ac1, number(&case["ac1"]), 1e-3);
        // The jackknife is the same to first order in 1/n.
        close(alpha, number(&case["alpha_jackknife"]), 2.0 / number(&case["n"]));
    }
    assert_eq!(errors(&[0.0, 0.0, 0.0, 30.0], 2).unwrap()[0], None, "nothing varies");
    assert!(agreement(&[0.0; 4], 2).is_none() && errors(&[0.0; 4], 2).is_none());
}

#[test]
fn bounds_of_correlations_equal_scipy_and_the_jackknife() {
    let z = normal_quantile(0.975);
    for case in cases("correlations") {
        let pairs: Vec<(f64, f64)> =
            case["pairs"].as_array().unwrap().iter().map(numbers).map(|pair| (pair[0], pair[1])).collect();
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let r = pearson(&x, &y).unwrap();
        close(r, number(&case["r"]), 1e-12);
        let (low, high) = fisher(r, pairs.len() as f64, z, false).unwrap();
        close(low, number(&case["low"]), 1e-9);
        close(high, number(&case["high"]), 1e-9);
        close(pearson_error(&pairs).unwrap(), number(&case["error_jackknife"]), 5.0 / pairs.len() as f64);
        // Bonett and Wright: wider for ranks.
        let (wide, _) = fisher(r, pairs.len() as f64, z, true).unwrap();
        assert!(wide < low);
    }
    assert_eq!((fisher(1.0, 10.0, z, false), fisher(0.5, 3.0, z, false)), (None, None));
    assert_eq!(pearson_error(&[(1.0, 2.0), (1.0, 3.0)]), None);
}

#[test]
fn slopes_with_errors_clustered_two_ways_equal_statsmodels() {
    for case in cases("slopes") {
        let rows = case["rows"].as_array().unwrap().iter().map(numbers);
        let all: Vec<Observation> =
            rows.map(|row| Observation { x: row[0], y: row[1], groups: [row[2] as u32, row[3] as u32] }).collect();
        let found = slope(&all).unwrap();
        close(found.slope, number(&case["slope"]), 1e-9);
        close(found.error.unwrap(), number(&case["error"]), 1e-9);
    }
}

#[test]
fn errors_of_items_equal_numerical_derivatives() {
    for case in cases("items") {
        let ability = numbers(&case["theta"]);
        let n = ability.len();
        let (a, b) = (number(&case["a"]), number(&case["b"]));
        let fit = Fit { ability, difficulty: vec![b], discrimination: vec![a], objective: 0.0 };
        let answers: Vec<(u32, u32, bool)> = (0..n as u32).map(|person| (person, 0, person % 2 == 0)).collect();
        let found = item_errors(&answers, &fit)[0];
        assert_eq!(found.n, n);
        close(found.ln_discrimination, number(&case["ln_discrimination"]), 1e-5);
        close(found.difficulty, number(&case["difficulty"]), 1e-5);
        close(information(&fit)[0], number(&case["information"]), 1e-12);
    }
}

#[test]
fn variance_components_equal_statsmodels() {
    for case in cases("components") {
        let size = |name: &str| case[name].as_u64().unwrap() as usize;
        let (runs, langs) = (size("runs"), size("languages"));
        // Items, then languages, then runs.
        let right = numbers(&case["right"]);
        let items: Vec<&[f64]> = right.chunks_exact(runs * langs).collect();
        let mut sums = vec![0.0; 2 + runs + langs];
        for item in &items {
            sums[0] += 1.0;
            sums[1] += item.iter().sum::<f64>().powi(2);
            for (at, x) in item.iter().enumerate() {
                sums[2 + at % runs] += x;
                sums[2 + runs + at / runs] += x;
            }
        }
        let found = shares(&sums, runs, langs).unwrap();
        found.iter().zip(numbers(&case["shares"])).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} and {b}"));
    }
}
