//! Statistics against scipy, scikit-learn, statsmodels and NumPy (`tests/fixtures/stats.json`, `paired_tests.json`).

use std::path::Path;

use rmbench::metric::Metric;
use rmbench::metric::agreement::kappa;
use rmbench::metric::gamma::chi2_tail;
use rmbench::metric::graded::{LINEAR_KAPPA, QUADRATIC_KAPPA};
use rmbench::metric::interval::{quantile, wilson};
use rmbench::metric::mcnemar::{exact_p, mid_p};
use rmbench::metric::multiplicity::{benjamini_hochberg, holm};
use rmbench::metric::normal::normal_quantile;
use rmbench::metric::student::from_normal;
use rmbench::metric::{cochran, stuart_maxwell};
use serde_json::Value;

fn fixture(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stats.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[track_caller]
fn close(a: f64, b: &Value, relative: f64) {
    let b = b.as_f64().unwrap();
    assert!((a - b).abs() <= relative * b.abs().max(1e-300) + 1e-14, "{a} and {b}");
}

#[test]
fn wilson_equals_statsmodels() {
    for case in fixture("wilson") {
        let (k, n) = (case["successes"].as_f64().unwrap(), case["n"].as_f64().unwrap());
        let interval = wilson(k / n, n, case["level"].as_f64().unwrap()).unwrap();
        close(interval.low, &case["low"], 1e-9);
        close(interval.high, &case["high"], 1e-9);
    }
}

#[test]
fn normal_quantiles_equal_scipy() {
    for case in fixture("normal_quantile") {
        close(normal_quantile(case["p"].as_f64().unwrap()), &case["z"], 1e-11);
    }
}

#[test]
fn mcnemar_equals_scipy() {
    for case in fixture("mcnemar_exact") {
        let counts = ["only_first_right", "only_second_right"].map(|name| case[name].as_u64().unwrap());
        close(exact_p(counts[0], counts[1]), &case["p"], 1e-9);
    }
}

#[test]
fn kappa_equals_scikit_learn_where_it_is_defined() {
    for case in fixture("cohen_kappa") {
        let labels = numbers(&case["labels"]);
        let index = |x: f64| labels.iter().position(|l| *l == x).unwrap();
        let mut table = vec![0.0; labels.len() * labels.len()];
        for (a, b) in numbers(&case["a"]).into_iter().zip(numbers(&case["b"])) {
            table[index(a) * labels.len() + index(b)] += 1.0;
        }
        match (kappa(&table, labels.len()), &case["unweighted"]) {
            (None, Value::Null) => {}
            (Some(ours), theirs) if !theirs.is_null() => close(ours, theirs, 1e-12),
            (ours, theirs) => panic!("{}: {ours:?} and {theirs}", case["name"]),
        }
    }
}

/// κ of grades is the weighted κ of scikit-learn, its labels 0, 1, 2 being grades 1, 2, 3.
#[test]
fn weighted_kappa_of_grades_equals_scikit_learn() {
    for case in fixture("cohen_kappa") {
        let mut sums = [0.0; 12];
        for (a, b) in numbers(&case["a"]).into_iter().zip(numbers(&case["b"])) {
            sums[0] += (a - b).abs();
            sums[1] += (a - b) * (a - b);
            sums[2 + a as usize] += 1.0;
            sums[7 + b as usize] += 1.0;
        }
        for (metric, name) in [(&LINEAR_KAPPA, "linear"), (&QUADRATIC_KAPPA, "quadratic")] {
            match (metric.finish(&sums), &case[name]) {
                (None, Value::Null) => {}
                (Some(ours), theirs) if !theirs.is_null() => close(ours, theirs, 1e-12),
                (ours, theirs) => panic!("{}, {name}: {ours:?} and {theirs}", case["name"]),
            }
        }
    }
}

#[test]
fn quantiles_equal_numpy() {
    for case in fixture("quantile_linear") {
        let mut values = numbers(&case["values"]);
        values.sort_by(f64::total_cmp);
        for (level, expected) in numbers(&case["levels"]).into_iter().zip(case["quantiles"].as_array().unwrap()) {
            close(quantile(&values, level).unwrap(), expected, 1e-12);
        }
    }
}

fn paired(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/paired_tests.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn counts(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect()
}

#[test]
fn mcnemar_and_its_mid_p_equal_statsmodels() {
    for case in paired("mcnemar") {
        let [b, c] = ["b", "c"].map(|name| case[name].as_u64().unwrap());
        close(exact_p(b, c), &case["p"], 1e-9);
        close(mid_p(b, c), &case["mid_p"], 1e-9);
    }
}

#[test]
fn wilson_equals_proportion_confint() {
    for case in paired("wilson") {
        let (k, n) = (case["successes"].as_f64().unwrap(), case["n"].as_f64().unwrap());
        let interval = wilson(k / n, n, case["level"].as_f64().unwrap()).unwrap();
        close(interval.low, &case["low"], 1e-9);
        close(interval.high, &case["high"], 1e-9);
    }
}

#[test]
fn cochrans_q_equals_statsmodels() {
    for case in paired("cochran") {
        let found = cochran::q(&counts(&case["right"]), &counts(&case["by_item"])).unwrap();
        close(found.statistic, &case["statistic"], 1e-9);
        close(found.p, &case["p"], 1e-9);
        assert_eq!(found.df as u64, case["df"].as_u64().unwrap());
    }
}

#[test]
fn stuart_maxwell_equals_statsmodels() {
    for case in paired("stuart_maxwell") {
        let found = stuart_maxwell::test(&numbers(&case["table"]), case["k"].as_u64().unwrap() as usize).unwrap();
        close(found.statistic, &case["statistic"], 1e-9);
        close(found.p, &case["p"], 1e-9);
        assert_eq!(found.df as u64, case["df"].as_u64().unwrap());
    }
}

#[test]
fn kappa_equals_statsmodels() {
    for case in paired("kappa") {
        let found = kappa(&numbers(&case["table"]), case["k"].as_u64().unwrap() as usize).unwrap();
        close(found, &case["kappa"], 1e-9);
    }
}

#[test]
fn adjusted_p_equal_statsmodels() {
    for case in paired("adjusted") {
        let p = numbers(&case["p"]);
        for (ours, theirs) in [(holm(&p), &case["holm"]), (benjamini_hochberg(&p), &case["bh"])] {
            for (ours, theirs) in ours.into_iter().zip(theirs.as_array().unwrap()) {
                close(ours, theirs, 1e-12);
            }
        }
    }
}

#[test]
fn tails_equal_scipy() {
    for case in paired("chi2") {
        close(chi2_tail(case["x"].as_f64().unwrap(), case["df"].as_f64().unwrap()), &case["p"], 1e-9);
    }
    for case in paired("student") {
        let freedom = case["df"].as_f64().unwrap();
        close(from_normal(normal_quantile(case["level"].as_f64().unwrap()), freedom), &case["t"], 1e-9);
    }
}
