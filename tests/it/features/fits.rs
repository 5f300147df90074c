//! Heads fitted at once: against scikit-learn and SciPy (`tests/reference/heads_on_features.py`), and on planted
//! truths.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmbench::backbone::weights;
use rmbench::lang::Lang;
use rmbench::metric::power_law::PowerLaw;
use rmbench::random;
use rmbench::reward::embedding::EmbeddingModel;
use rmbench::train::heads::cpm::{self, Penalty, Scale};
use rmbench::train::heads::orchestrator::{Orchestrator, Vote};
use rmbench::train::heads::pal::{self, Closeness, Pal, PalSettings};
use rmbench::train::heads::user::{self, Shot};
use rmbench::train::heads::{FeaturePair, credit};
use rmbench::train::personal;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::assert_close;

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/heads_on_features.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn matrix(value: &Value) -> Tensor {
    let rows = rows(value);
    Tensor::from_slice(&rows.concat()).view([rows.len() as i64, -1])
}

fn pair(source: usize, user: Option<&str>, chosen: Vec<f64>, rejected: Vec<f64>) -> FeaturePair {
    FeaturePair {
        chosen,
        rejected,
        source: format!("s{source}").into(),
        user: user.map(Arc::from),
        lang: Lang::ENGLISH,
    }
}

fn given(fixture: &Value) -> Vec<FeaturePair> {
    let sides = rows(&fixture["chosen"]).into_iter().zip(rows(&fixture["rejected"]));
    sides.enumerate().map(|(i, (chosen, rejected))| pair(i, None, chosen, rejected)).collect()
}

#[test]
fn cpm_equals_scikit_learn() {
    let fixture = fixture();
    let pairs = given(&fixture);
    let all: Vec<&FeaturePair> = pairs.iter().collect();
    let scale = Scale::of(&all);
    assert_close("mean", &scale.mean, &numbers(&fixture["cpm"]["mean"]), 1e-12);
    assert_close("deviation", &scale.deviation, &numbers(&fixture["cpm"]["deviation"]), 1e-12);
    let fits = fixture["cpm"]["fits"].as_array().unwrap();
    assert_eq!(fits.len(), 6);
    for fit in fits {
        let penalty = if fit["penalty"] == "l1" { Penalty::L1 } else { Penalty::L2 };
        let found = cpm::weights(&all, &scale, penalty, fit["c"].as_f64().unwrap()).unwrap();
        // liblinear stops at about 1e-6.
        assert_close(&fit.to_string(), &found, &numbers(&fit["weights"]), 1e-5);
    }
    assert_eq!(cpm::grid().len(), 12);
    assert!((cpm::grid()[0] / 1e-5 - 1.0).abs() < 1e-12 && (cpm::grid()[11] / 1e5 - 1.0).abs() < 1e-12);
}

#[test]
fn cpm_recovers_planted_weights_and_is_a_linear_model() {
    let planted = [1.0, -0.6, 0.0, 0.3];
    let draw = |what: &str, i: usize, k: usize| 2.0 * random::uniform(3, what, format!("{i} {k}")) - 1.0;
    // Features on scales of their own, as ratings and lengths are.
    let scales = [1.0, 10.0, 100.0, 0.1];
    let pairs: Vec<FeaturePair> = (0..1500)
        .map(|i| {
            let side = |what: &str| -> Vec<f64> { (0..4).map(|k| draw(what, i, k) * scales[k]).collect() };
            let worth = |x: &[f64]| (0..4).map(|k| 3.0 * planted[k] * x[k] / scales[k]).sum::<f64>();
            let (a, b) = (side("a"), side("b"));
            let p = 1.0 / (1.0 + (worth(&b) - worth(&a)).exp());
            let (chosen, rejected) = if random::uniform(3, "label", i.to_le_bytes()) < p { (a, b) } else { (b, a) };
            pair(i, None, chosen, rejected)
        })
        .collect();
    let model = cpm::fit(&pairs, 1).unwrap();
    let strongest = model.weights[0];
    for (found, planted) in model.weights.iter().zip(planted) {
        assert!((found / strongest - planted).abs() < 0.15, "{:?}", model.weights);
    }
    let accuracy = model.cross_validated.unwrap();
    assert!(accuracy.interval.unwrap().low > 0.7 && accuracy.n == 1500, "{accuracy:?}");
    // What is written is a head on vectors with the same rewards.
    let dir = tempfile::tempdir().unwrap();
    model.save(dir.path(), None).unwrap();
    let written = EmbeddingModel::load(dir.path(), Device::Cpu).unwrap();
    let floats: Vec<Vec<f32>> = pairs[..50].iter().map(|p| p.chosen.iter().map(|x| *x as f32).collect()).collect();
    let states = written.states(&floats.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let found = Vec::<f64>::try_from(&written.head().rewards(&states).unwrap().to_kind(Kind::Double)).unwrap();
    let expected: Vec<f64> = pairs[..50].iter().map(|p| model.reward(&p.chosen)).collect();
    assert_close("rewards", &found, &expected, 1e-4);
    let error = cpm::fit(&pairs[..4], 1).err().unwrap().to_string();
    assert!(error.contains("too few"), "{error}");
}

#[test]
fn pal_equals_its_formula() {
    let fixture = fixture();
    let given = &fixture["pal"];
    let n = rows(&given["mixtures"]).len() as i64;
    let (chosen, rejected) = (matrix(&fixture["chosen"]).narrow(0, 0, n), matrix(&fixture["rejected"]).narrow(0, 0, n));
    let ideal = pal::ideal_points(&matrix(&given["mixtures"]), &matrix(&given["prototypes"]));
    let projection = matrix(&given["projection"]);
    let floats = |tensor: &Tensor| Vec::<f64>::try_from(tensor).unwrap();
    let distance = pal::margins(&chosen, &rejected, &projection, &ideal, None);
    assert_close("distance", &floats(&distance), &numbers(&given["distance"]), 1e-10);
    let scale = Tensor::from(given["scale"].as_f64().unwrap());
    let cosine = pal::margins(&chosen, &rejected, &projection, &ideal, Some(&scale));
    assert_close("cosine", &floats(&cosine), &numbers(&given["cosine"]), 1e-9);
    for (loss, name) in [(pal::Loss::Logistic, "logistic"), (pal::Loss::Hinge, "hinge")] {
        assert_close(name, &floats(&pal::losses(&distance, loss)), &numbers(&given[name]), 1e-10);
    }
    // Gradients by finite differences.
    let of = |prototypes: &Tensor| {
        let ideal = pal::ideal_points(&matrix(&given["mixtures"]), prototypes);
        pal::losses(&pal::margins(&chosen, &rejected, &projection, &ideal, None), pal::Loss::Logistic).sum(Kind::Double)
    };
    let prototypes = matrix(&given["prototypes"]).set_requires_grad(true);
    let gradient = &Tensor::run_backward(&[of(&prototypes)], &[&prototypes], false, false)[0];
    let _no_grad = tch::no_grad_guard();
    for at in 0..prototypes.numel() as i64 {
        let step = Tensor::zeros_like(&prototypes);
        let _ = step.view([-1]).get(at).fill_(1e-6);
        let numeric = ((of(&(&prototypes + &step)) - of(&(&prototypes - &step))) / 2e-6).double_value(&[]);
        let exact = gradient.view([-1]).double_value(&[at]);
        assert!((numeric - exact).abs() < 1e-6 * exact.abs().max(1.0), "{numeric} and {exact}");
    }
}

/// Users of two kinds, each closest to an ideal point of its own; every user has `n` pairs.
fn two_kinds(users: usize, n: usize) -> Vec<FeaturePair> {
    let ideals = [[1.5, 0.0, 0.5], [-1.5, 0.5, 0.0]];
    let mut pairs = Vec::new();
    for u in 0..users {
        let (user, ideal) = (format!("u{u:02}"), ideals[u % 2]);
        for i in 0..n {
            let draw = |side: &str, k: usize| 4.0 * random::uniform(8, side, format!("{u} {i} {k}")) - 2.0;
            let side = |name: &str| -> Vec<f64> { (0..3).map(|k| draw(name, k)).collect() };
            let far = |x: &[f64]| x.iter().zip(ideal).map(|(x, p)| (x - p).powi(2)).sum::<f64>().sqrt();
            let (a, b) = (side("a"), side("b"));
            let (chosen, rejected) = if far(&a) < far(&b) { (a, b) } else { (b, a) };
            pairs.push(pair(1000 * u + i, Some(&user), chosen, rejected));
        }
    }
    pairs
}

#[test]
fn pal_recovers_planted_groups_and_knows_new_users_after_a_few_pairs() {
    let pairs = two_kinds(40, 60);
    let settings = PalSettings { k: 2, steps: 300, ..PalSettings::default() };
    let model = Pal::fit(&pairs, settings).unwrap();
    // Which prototype a user is closest to is the user's kind, up to the prototypes' names.
    let leans: Vec<bool> = (0..40).map(|u| model.shares(&format!("u{u:02}")).unwrap()[0] > 0.5).collect();
    let agree = leans.iter().enumerate().filter(|(u, lean)| **lean == (u % 2 == 0)).count();
    assert!(agree == 40 || agree == 0, "{agree} of 40 users in their group");
    // Held-out pairs and new users, against one ideal point for all.
    let of = |k: i64| pal::trial(&pairs, PalSettings { k, ..settings }, 0.25).unwrap();
    let (two, one) = (of(2), of(1));
    let (with, without) = (two.seen.unwrap(), one.seen.unwrap());
    assert!(with.interval.unwrap().low > without.interval.unwrap().high, "{with:?} and {without:?}");
    let shots: BTreeMap<usize, f64> =
        two.unseen.iter().filter_map(|(shots, accuracy)| Some((*shots, accuracy.as_ref()?.point))).collect();
    assert!(shots[&20] > shots[&0] + 0.1 && shots[&20] > 0.85, "{shots:?}");
    // The other closeness finds the groups, too: here directions and not distances decide.
    let cosine = PalSettings { closeness: Closeness::Cosine, ..settings };
    assert!(pal::trial(&pairs, cosine, 0.25).unwrap().seen.unwrap().point > without.point);
    // A user's ideal point is a model of its own: rewards are how close responses are.
    let dir = tempfile::tempdir().unwrap();
    let tensors = model.tensors();
    weights::write(&dir.path().join(pal::FILE), tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    personal::write(dir.path(), "u03", &dir.path().join("u03")).unwrap();
    let written = EmbeddingModel::load(&dir.path().join("u03"), Device::Cpu).unwrap();
    let own: Vec<&FeaturePair> = pairs.iter().filter(|p| p.user.as_deref() == Some("u03")).collect();
    let floats = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let sides: Vec<Vec<f32>> = own.iter().flat_map(|p| [floats(&p.chosen), floats(&p.rejected)]).collect();
    let states = written.states(&sides.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let rewards = Vec::<f64>::try_from(&written.head().rewards(&states).unwrap().to_kind(Kind::Double)).unwrap();
    let margins: Vec<f64> = rewards.chunks(2).map(|two| two[0] - two[1]).collect();
    assert_close("one user", &margins, &model.margins_of(&model.weights("u03").unwrap(), &own), 1e-5);
    let error = personal::write(dir.path(), "nobody", &dir.path().join("x")).err().unwrap().to_string();
    assert!(error.contains("no user `nobody`") && error.contains("u03"), "{error}");
    let error = Pal::fit(&pairs[..60], settings).err().unwrap().to_string();
    assert!(error.contains("two or more users, not 1"), "{error}");
}

#[test]
fn a_further_user_is_the_optimum_that_scipy_finds() {
    let given = &fixture()["user"];
    let shots: Vec<Shot> = numbers(&given["offsets"])
        .into_iter()
        .zip(rows(&given["seen"]))
        .map(|(offset, seen)| Shot { offset, seen })
        .collect();
    let found = user::fit(&shots, 4, given["ridge"].as_f64().unwrap());
    assert_close("vector", &found, &numbers(&given["vector"]), 1e-7);
}

#[test]
fn the_orchestrator_is_the_optimum_that_scipy_finds() {
    let given = &fixture()["orchestrator"];
    let sides = rows(&given["prompts"]).into_iter().zip(rows(&given["chosen"]));
    let votes: Vec<Vote> =
        sides.map(|(prompt, chosen)| Vote { prompt, rejected: vec![0.0; chosen.len()], chosen }).collect();
    let found = Orchestrator::fit(&votes, given["ridge"].as_f64().unwrap());
    assert!((found.loss(&votes) / given["loss"].as_f64().unwrap() - 1.0).abs() < 1e-7);
    for (vote, expected) in votes.iter().zip(rows(&given["shares"])) {
        assert_close("shares", &found.shares(&vote.prompt), &expected, 1e-5);
    }
}

#[test]
fn a_law_of_loss_is_the_one_that_scipy_finds() {
    let given = &fixture()["power"];
    let points: Vec<(f64, f64)> = numbers(&given["n"]).into_iter().zip(numbers(&given["loss"])).collect();
    let PowerLaw { a, b, c } = PowerLaw::fit(&points).unwrap();
    for (found, key) in [(a, "a"), (b, "b"), (c, "c")] {
        assert_close(key, &[found], &[given[key].as_f64().unwrap()], 1e-5);
    }
    let residual = points.iter().map(|(n, l)| PowerLaw { a, b, c }.at(*n) / l - 1.0).map(|r| r * r).sum::<f64>();
    assert!(residual < 1e-3 && credit(1.0) == 1.0);
}
