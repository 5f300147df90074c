//! Analyses against SciPy, scikit-learn, statsmodels, krippendorff and irrCAC (`tests/fixtures/analyses.json`).

use std::path::Path;

use rmbench::metric::agreement::{Coincidences, agreement};
use rmbench::metric::calibration::{Binned, sigmoid, slope};
use rmbench::metric::correlation::{kendall, pearson, spearman};
use rmbench::metric::irt;
use rmbench::metric::linkage::{average_linkage, leaves};
use rmbench::metric::logistic::Rows;
use rmbench::metric::permutation::{eta_squared, label_test};
use rmbench::metric::selective::Ordered;
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/analyses.json");
    let mut all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[name].take()
}

fn cases(name: &str) -> Vec<Value> {
    let cases = fixture(name).as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn whole(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

#[track_caller]
fn close(a: f64, b: &Value, tolerance: f64) {
    let b = b.as_f64().unwrap();
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} and {b}");
}

#[test]
fn agreement_equals_scikit_learn_krippendorff_and_irrcac() {
    for case in cases("agreement") {
        let labels = case["labels"].as_u64().unwrap() as usize;
        let found = agreement(&numbers(&case["table"]), labels).unwrap();
        close(found.raw, &case["raw"], 1e-12);
        let measures = [("kappa", found.kappa), ("pabak", found.pabak), ("ac1", found.ac1), ("alpha", found.alpha)];
        for (name, value) in measures {
            close(value.unwrap(), &case[name], 1e-9);
        }
    }
    for case in cases("alpha_of_many") {
        let mut coincidences = Coincidences::new(case["labels"].as_u64().unwrap() as usize);
        for counts in case["counts"].as_array().unwrap() {
            coincidences.add(&numbers(counts), 1.0);
        }
        close(coincidences.alpha().unwrap(), &case["alpha"], 1e-9);
    }
}

#[test]
fn trees_equal_scipy() {
    for case in cases("trees") {
        let n = case["n"].as_u64().unwrap() as usize;
        let merges = average_linkage(&numbers(&case["distances"]), n);
        let expected = numbers(&case["merges"]);
        assert_eq!(merges.len(), n - 1);
        for (merge, row) in merges.iter().zip(expected.chunks_exact(4)) {
            assert_eq!([merge.a as f64, merge.b as f64, merge.size as f64], [row[0], row[1], row[3]]);
            assert!((merge.distance - row[2]).abs() < 1e-12);
        }
        assert_eq!(leaves(&merges, n), whole(&case["leaves"]));
    }
}

#[test]
fn permutation_tests_equal_scipy() {
    for case in cases("permutations") {
        let (values, groups) = (numbers(&case["values"]), whole(&case["groups"]));
        close(eta_squared(&values, &groups).unwrap(), &case["eta_squared"], 1e-12);
        let test = label_test(&groups, 0, &|groups| eta_squared(&values, groups).unwrap());
        assert!(test.exact);
        close(test.p, &case["p"], 1e-12);
    }
}

#[test]
fn calibration_equals_scikit_learn_and_statsmodels() {
    for case in cases("calibration") {
        let margins = numbers(&case["margins"]);
        for bins in [5, 10, 20] {
            let mut binned = Binned::new(bins);
            margins.iter().for_each(|margin| binned.add(sigmoid(*margin), 1.0));
            let expected = &case[format!("bins_{bins}")];
            close(binned.ece().unwrap(), &expected["ece"], 1e-12);
            close(binned.ace().unwrap(), &expected["ace"], 1e-12);
            close(binned.mce().unwrap(), &expected["mce"], 1e-12);
            close(binned.debiased().unwrap(), &expected["debiased"], 1e-9);
            let brier = binned.brier().unwrap();
            close(brier.score, &case["brier"], 1e-12);
            close(brier.reliability, &expected["reliability"], 1e-12);
            close(brier.resolution, &expected["resolution"], 1e-12);
        }
        let loss = margins.iter().map(|m| -rmbench::metric::calibration::ln_sigmoid(*m)).sum::<f64>();
        close(loss / margins.len() as f64, &case["log_loss"], 1e-12);
        let weighted: Vec<(f64, f64)> = margins.iter().map(|m| (*m, 1.0)).collect();
        close(slope(&weighted).unwrap(), &case["slope"], 1e-8);
    }
}

#[test]
fn selective_accuracy_equals_numpy() {
    for case in cases("selective") {
        let (confidence, right) = (numbers(&case["confidence"]), numbers(&case["right"]));
        let items = confidence.iter().zip(&right).enumerate().map(|(i, (c, r))| (i as u32, *c, *r)).collect();
        let (area, at) = Ordered::new(items).curve(&vec![1.0; right.len()], &numbers(&case["coverages"])).unwrap();
        close(area, &case["aurc"], 1e-12);
        for (value, expected) in at.iter().zip(case["accuracy"].as_array().unwrap()) {
            close(*value, expected, 1e-12);
        }
    }
}

fn rows(case: &Value) -> Rows {
    let width = case["width"].as_u64().unwrap() as usize;
    let mut rows = Rows::new(width);
    for (x, y) in numbers(&case["x"]).chunks_exact(width).zip(numbers(&case["y"])) {
        rows.add(x, y);
    }
    rows
}

#[test]
fn logistic_regression_equals_statsmodels_and_scipy() {
    for case in cases("logistic") {
        let rows = rows(&case);
        let found = rows.fit(&|_| 1.0, 0.0).unwrap();
        found.iter().zip(case["coefficients"].as_array().unwrap()).for_each(|(b, e)| close(*b, e, 1e-8));
        let found = rows.fit(&|_| 1.0, case["ridge"].as_f64().unwrap()).unwrap();
        found.iter().zip(case["ridge_coefficients"].as_array().unwrap()).for_each(|(b, e)| close(*b, e, 1e-6));
    }
}

#[test]
fn the_lasso_equals_scikit_learn() {
    let case = fixture("lasso");
    let rows = rows(&case);
    for fit in case["fits"].as_array().unwrap() {
        let found = rows.lasso(fit["penalty"].as_f64().unwrap());
        for (b, expected) in found.iter().zip(fit["coefficients"].as_array().unwrap()) {
            close(*b, expected, 1e-5);
            assert_eq!(*b == 0.0, expected.as_f64().unwrap() == 0.0);
        }
    }
}

#[test]
fn correlations_equal_scipy() {
    for case in cases("correlations") {
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        close(pearson(&x, &y).unwrap(), &case["pearson"], 1e-12);
        close(spearman(&x, &y).unwrap(), &case["spearman"], 1e-12);
        close(kendall(&x, &y).unwrap(), &case["kendall"], 1e-12);
    }
    assert_eq!((pearson(&[1.0], &[2.0]), spearman(&[1.0, 1.0], &[1.0, 2.0])), (None, None));
}

#[test]
fn the_item_response_model_equals_scipy() {
    let case = fixture("item_response");
    let answers: Vec<irt::Answer> =
        case["answers"].as_array().unwrap().iter().map(whole).map(|a| (a[0] as u32, a[1] as u32, a[2] == 1)).collect();
    let size = |name: &str| case[name].as_u64().unwrap() as usize;
    let fit = irt::fit(&answers, size("persons"), size("items"));
    // Ours may not be lower: both look for the maximum of the same function.
    assert!(fit.objective > case["objective"].as_f64().unwrap() - 1e-6, "{}", fit.objective);
    for (name, values) in
        [("ability", &fit.ability), ("difficulty", &fit.difficulty), ("discrimination", &fit.discrimination)]
    {
        values.iter().zip(case[name].as_array().unwrap()).for_each(|(v, e)| close(*v, e, 1e-3));
    }
    let of = &case["shift"];
    let own: Vec<(f64, bool)> =
        of["answers"].as_array().unwrap().iter().map(numbers).map(|a| (a[0], a[1] == 1.0)).collect();
    let found = irt::shift(of["a"].as_f64().unwrap(), of["b"].as_f64().unwrap(), &own);
    close(found.shift, &of["shift"], 1e-7);
    close(found.error, &of["error"], 1e-7);
}
