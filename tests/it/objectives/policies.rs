//! Objectives of policies: golden values worked in plain double arithmetic (spec: objectives 5.1 and 5.2, training 3.3),
//! identities, and what is refused.

use rmbench::objective::{Label, Objective, ObjectiveError, Rewards, SPECS};
use rmbench::table::implicit::{Curve, Normalisation};
use tch::{Kind, Tensor};

use super::{objective, values};

/// lp, n, ref and, as if prompts had no tokens, the first two again.
type Row = [f64; 5];

const fn row(log_prob: f64, tokens: f64, reference: f64) -> Row {
    [log_prob, tokens, reference, log_prob, tokens]
}

/// Losses and their derivatives by lp_w and lp_l of each pair.
fn at(toml: &str, labels: &[Label], rows: &[Row]) -> (Vec<f64>, Vec<f64>) {
    let columns = Tensor::from_slice(&rows.concat()).view([-1, 5]).set_requires_grad(true);
    let losses = objective(toml).losses(&Rewards { rewards_s: &columns, labels }).unwrap();
    losses.mean(Kind::Double).backward();
    (values(&losses), values(&columns.grad().select(1, 0)))
}

fn loss(toml: &str, label: Label, rows: &[Row]) -> f64 {
    at(toml, &[label], rows).0[0]
}

fn pair() -> Label {
    Label::pair(None)
}

fn shifted(threshold: f64) -> Label {
    Label { threshold: Some(threshold), ..pair() }
}

/// One response, good or bad.
fn single(good: bool, threshold: f64) -> Label {
    Label { n_chosen: 1, ratings: vec![Some(f64::from(good))], threshold: Some(threshold), ..Label::default() }
}

const A: [Row; 2] = [row(-20.0, 10.0, -22.0), row(-26.0, 13.0, -25.0)];
const B: [Row; 2] = [row(-18.0, 12.0, 0.0), row(-26.0, 13.0, 0.0)];

#[test]
fn golden_values() {
    let cases: Vec<(&str, Label, &[Row], f64)> = vec![
        ("name='dpo'", pair(), &A, 0.5543552444685271),
        ("name='cdpo'\nlabel-smoothing=0.2", pair(), &A, 0.6143552444685272),
        ("name='rdpo'\nflip-rate=0.2", pair(), &A, 0.4543552444685271),
        ("name='dpo-hinge'", pair(), &A, 0.7),
        ("name='ipo-azar'", pair(), &A, 22.307455621301777),
        ("name='ln-dpo'", pair(), &A, 0.6793968816391958),
        ("name='bco'", shifted(0.05), &A, 1.2419140955790642),
        ("name='kto'", single(true, 0.3), &A[..1], 0.457602059225649),
        ("name='kto'", single(false, 0.3), &A[1..], 0.4675456936126813),
        ("name='orpo'", pair(), &A, 2.0693147180559945),
        ("name='cpo'", pair(), &A, 2.4374879504858855),
        ("name='simpo'\ngamma=1.0", pair(), &A, 1.3132616875182228),
        ("name='sppo-hard'", pair(), &A, 25.0),
        ("name='exo'", pair(), &A, 2.25819919150928),
        ("name='nca'", pair(), &A, 1.319406634109173),
        ("name='apo-zero'", pair(), &A, 0.925186815208582),
        ("name='apo-down'", pair(), &A, 0.9753914805008189),
        ("name='discopop'", pair(), &A, 0.7403571680088782),
        ("name='arpo'", pair(), &A, 4.3592573655475455),
        ("name='orpo'", pair(), &B, 1.543498880687054),
        ("name='cpo'", pair(), &B, 1.8711006659477776),
        ("name='simpo'", pair(), &B, 0.4740769841801067),
        ("name='alphapo'\ngamma=1.0", pair(), &B, 0.45555144401741615),
        ("name='arpo'", pair(), &B, 3.2358138640360106),
    ];
    for (toml, label, rows, expected) in cases {
        let found = loss(toml, label, rows);
        assert!((found / expected - 1.0).abs() <= 1e-12, "{toml}: {found} not {expected}");
    }
}

/// Values and derivatives, and what the two ways of IPO differ in.
#[test]
fn golden_gradients() {
    let rows = [row(-12.5, 10.0, -13.0), row(-15.0, 8.0, -14.0)];
    let cases = [
        ("dpo", "", [0.620957048, -0.046257015, 0.046257015]),
        ("dpo-hinge", "", [0.85, -0.1, 0.1]),
        ("ipo-azar", "", [23.280625, -0.965, 1.20625]),
        ("exo", "", [2.505516555, -0.167972253, 0.167972253]),
        ("nca", "", [1.349887802, -0.023125391, 0.023751041]),
        ("rdpo", "", [0.602207048, -0.058757015, 0.058757015]),
        ("cdpo", "", [0.635957048, -0.036257015, 0.036257015]),
        ("bco-pair", "", [1.312856308, -0.048750260, 0.047502081]),
        ("sppo-hard", "", [36.25, -9.0, 8.0]),
        ("apo-zero", "", [0.962523416, -0.024984382, 0.024937604]),
        ("apo-down", "", [0.975067551, 0.000124481, 0.024859901]),
        ("discopop", "", [0.849337579, -0.062520302, 0.062520302]),
        ("ln-dpo", "", [0.684435461, -0.004956251, 0.006195314]),
        ("f-dpo", "", [0.593123661, -0.027136275, 0.121616349]),
        ("f-dpo", "divergence='jensen-shannon'", [0.652067976, -0.018085432, 0.035020095]),
        ("f-dpo", "divergence='alpha'", [0.609934177, -0.035561085, 0.075282817]),
        ("simpo", "gamma=1.0", [0.575939420, -0.087564700, 0.109455875]),
        ("cpo", "nll=0.0", [0.575939420, -0.043782350, 0.043782350]),
        ("orpo", "nll=0.0", [0.037230959, -0.004356850, 0.004589573]),
        ("orpo", "nll-of='response'", [1.287230959, -0.104356850, 0.004589573]),
    ];
    for (name, more, expected) in cases {
        let (losses, gradient) = at(&format!("name='{name}'\n{more}"), &[pair()], &rows);
        let found = [losses[0], gradient[0], gradient[1]];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() <= 1.1e-9, "{name} {more}: {found} not {expected}");
        }
    }
    let (good, gradient) = at("name='kto'", &[single(true, 0.3)], &rows[..1]);
    assert!((good[0] - 0.495000167).abs() <= 1e-9 && (gradient[0] + 0.024997500).abs() <= 1e-9);
    let (bad, gradient) = at("name='kto'", &[single(false, 0.3)], &rows[1..]);
    assert!((bad[0] - 0.467545694).abs() <= 1e-9 && (gradient[0] - 0.024894672).abs() <= 1e-9);
    // Two pairs, sorted over the step.
    let two = [row(-12.5, 1.0, -13.0), row(-15.0, 1.0, -14.0), row(-20.0, 1.0, -19.0), row(-18.0, 1.0, -19.5)];
    let sorted = [
        ("aot", 0.723448234, [-0.023128508, 0.023128508, -0.028108825, 0.028108825]),
        ("aot-unpaired", 0.718771920, [-0.026248959, 0.025, -0.025, 0.026248959]),
    ];
    for (name, mean, expected) in sorted {
        let (losses, gradient) = at(&format!("name='{name}'"), &[pair(), pair()], &two);
        assert!((losses.iter().sum::<f64>() / 2.0 - mean).abs() <= 1e-9, "{name}: {losses:?}");
        let close = gradient.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= 1e-9);
        assert!(close, "{name}: {gradient:?} not {expected:?}");
    }
}

/// spec/objectives.md 5.3.
#[test]
fn identities() {
    let of = |toml: &str, rows: &[Row]| loss(toml, pair(), rows);
    for rows in [A, [row(-7.0, 5.0, -9.5), row(-11.0, 4.0, -6.0)]] {
        let dpo = of("name='dpo'", &rows);
        let swapped = of("name='dpo'", &[rows[1], rows[0]]);
        let gap = 0.1 * ((rows[0][0] - rows[0][2]) - (rows[1][0] - rows[1][2]));
        assert!((swapped - dpo - gap).abs() < 1e-12);
        // Settings that change nothing.
        for same in [
            "cdpo'\nlabel-smoothing=0.0",
            "rdpo'\nflip-rate=0.0",
            "f-dpo'\ndivergence='alpha'\nalpha=1.0",
            "mpo'\nterms='dpo:1'",
            "bpo-ref'",
            "dove'",
            "dpo-anchor'\nanchor=0.0",
        ] {
            assert!((of(&format!("name='{same}"), &rows) - dpo).abs() < 1e-12, "{same}");
        }
        // Unbiased under flips.
        let robust = |rows: &[Row]| of("name='rdpo'\nflip-rate=0.3", rows);
        assert!((0.7 * robust(&rows) + 0.3 * robust(&[rows[1], rows[0]]) - dpo).abs() < 1e-12);
        // With one token each, means are sums.
        let ones = rows.map(|row| self::row(row[0], 1.0, row[2]));
        assert!((of("name='ln-dpo'", &ones) - of("name='dpo'", &ones)).abs() < 1e-12);
        // Instructions that both sides have cancel.
        let longer = rows.map(|row| self::row(row[0] - 3.0, row[1] + 4.0, row[2] - 2.0));
        assert!((of("name='dove'", &longer) - dpo).abs() < 1e-12);
        // Equal policy and reference: ln 2.
        let even = rows.map(|row| self::row(row[0], row[1], row[0]));
        assert!((of("name='dpo'", &even) - std::f64::consts::LN_2).abs() < 1e-12);
        // A composite is the sum of its terms.
        let sum = 0.5 * dpo + 2.0 * of("name='sft'", &rows);
        assert!((of("name='mpo'\nterms='dpo:0.5, sft:2'", &rows) - sum).abs() < 1e-12);
    }
    // One pair alone is sorted already.
    assert!((of("name='aot'", &A) - of("name='dpo'", &A)).abs() < 1e-12);
    assert!((of("name='aot-unpaired'", &A) - of("name='dpo'", &A)).abs() < 1e-12);
}

/// log(1 − e^m) where the naive form has no digits left.
#[test]
fn odds_keep_their_digits() {
    for m in [-1e-6, -1e-3, -0.5, -0.7, -5.0, -60.0] {
        let rows = [row(10.0 * m, 10.0, 0.0), row(-10.0, 10.0, 0.0)];
        let found = loss("name='orpo'\nnll=0.0\nbeta=1.0", pair(), &rows);
        let odds = |m: f64| m - (-m.exp_m1()).ln();
        let gap: f64 = odds(m) - odds(-1.0);
        let expected = (-gap).max(0.0) + (-gap.abs()).exp().ln_1p();
        assert!((found - expected).abs() <= 1e-9 * expected.max(1e-3), "{m}: {found} not {expected}");
    }
}

#[test]
fn what_scores_a_trained_policy_is_what_trained_it() {
    use Normalisation::{Mean, Sum};
    let expected = [
        ("dpo", Sum, true, 0.1),
        ("ipo-azar", Mean, true, 1.0),
        ("ln-dpo", Mean, true, 0.1),
        ("sppo-hard", Sum, true, 1.0),
        ("orpo", Mean, false, 0.1),
        ("cpo", Sum, false, 0.1),
        ("simpo", Mean, false, 2.0),
        ("arpo", Sum, false, 0.1),
        ("kto", Sum, true, 0.1),
        ("mpo", Sum, true, 0.1),
    ];
    for (name, normalisation, reference, beta) in expected {
        let needs = Objective::named(name).unwrap().policy().unwrap();
        let found = (needs.normalisation, needs.reference.is_some(), needs.beta);
        assert_eq!(found, (normalisation, reference, beta), "{name}");
    }
    for (toml, curve) in [
        ("name='dpo'", Curve::Straight),
        ("name='f-dpo'", Curve::Exponential(-1.0)),
        ("name='f-dpo'\ndivergence='jensen-shannon'", Curve::JensenShannon),
        ("name='f-dpo'\ndivergence='alpha'\nalpha=0.25", Curve::Exponential(-0.75)),
        ("name='alphapo'", Curve::Exponential(-0.25)),
    ] {
        assert_eq!(objective(toml).policy().unwrap().curve, curve, "{toml}");
    }
    let policies = SPECS.iter().filter(|spec| spec.objective().policy().is_some()).count();
    assert_eq!(policies, 35);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |toml: &str| {
        let found: Objective = toml::from_str(toml).unwrap();
        found.validate().unwrap_err().to_string()
    };
    for (toml, part) in [
        ("name='dpo'\nbeta=0.0", "`beta`"),
        ("name='exo'\nlabel-smoothing=0.0", "`label-smoothing`"),
        ("name='rdpo'\nflip-rate=0.45", "`flip-rate`"),
        ("name='dpo-hinge'\nlabel-smoothing=0.1", "links `sigmoid` and `exo`"),
        ("name='simpo'\nanchor=1.0", "needs a score with a reference"),
        ("name='mpo'\nterms='dpo'", "`dpo` is not of the form NAME:WEIGHT"),
        ("name='mpo'\nterms='dpo:1,bt:1'", "`bt` is of reward heads"),
        ("name='mpo'\nterms='dpo:1,dpo:2'", "occurs twice"),
        ("name='mpo'\nterms='dpo:-1'", "above 0"),
        ("name='mpo'\nterms='dpo:1,nope:1'", "no objective `nope`"),
        ("name='mpo'\nterms='kto:1,bco:1'", "different things"),
        ("name='mpo'\nterms='dpo:1'\n[of.sft]\nnll-mean='step'", "no term"),
    ] {
        let problem = refused(toml);
        assert!(problem.contains(part), "{toml}: {problem}");
    }
    let rewards = Tensor::from_slice(&[1.0, 2.0]);
    let error = objective("name='dpo'").losses(&Rewards { rewards_s: &rewards, labels: &[pair()] }).unwrap_err();
    assert!(error.to_string().contains("log-probabilities of a policy"), "{error}");
    let columns = Tensor::from_slice(&A.concat()).view([-1, 5]);
    let error = objective("name='kto'").losses(&Rewards { rewards_s: &columns, labels: &[pair()] }).unwrap_err();
    assert!(matches!(error, ObjectiveError::Lacks { what: "shift of its step", .. }), "{error}");
}
