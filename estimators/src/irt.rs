//! How hard items are, and which are harder in one language than the others explain: a two-parameter
//! logistic model with a shift by item and language (differential item functioning).
//!
//! P(person p is right on item i) = σ(a_i (θ_p − b_i)), a person being a run in a language. θ ~ N(0, 1),
//! b ~ N(0, 2²), ln a ~ N(0, ½²) a priori; all are set to their joint posterior maximum by turns of Newton
//! steps (Baker and Kim 2004, ch. 4 and 7). Given those, the shift d of item i in language l, P = σ(a_i (θ −
//! b_i − d)), d ~ N(0, 1), has its own maximum and a standard error from the curvature there. d > 0: harder
//! than elsewhere, as a mistranslated item is.

use rayon::prelude::*;

use crate::calibration::{ln_sigmoid, sigmoid};

const ABILITY_VARIANCE: f64 = 1.0;
const DIFFICULTY_VARIANCE: f64 = 4.0;
const LN_DISCRIMINATION_VARIANCE: f64 = 0.25;
const ROUNDS: usize = 500;
/// Newton steps of one parameter per turn: the other parameters move, too, so more would be spent on a wrong place.
const STEPS: usize = 2;

/// One answer: (person, item, right).
pub type Answer = (u32, u32, bool);

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub ability: Vec<f64>,
    pub difficulty: Vec<f64>,
    pub discrimination: Vec<f64>,
    /// Log posterior, without constants.
    pub objective: f64,
}

/// The shift of an item's difficulty in one language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    pub shift: f64,
    pub error: f64,
}

/// Fits answers of `persons` on `items`.
pub fn fit(answers: &[Answer], persons: usize, items: usize) -> Fit {
    let mut by_person: Vec<Vec<(u32, bool)>> = vec![Vec::new(); persons];
    let mut by_item: Vec<Vec<(u32, bool)>> = vec![Vec::new(); items];
    for (person, item, right) in answers {
        by_person[*person as usize].push((*item, *right));
        by_item[*item as usize].push((*person, *right));
    }
    let mut fit = Fit {
        ability: vec![0.0; persons],
        difficulty: vec![0.0; items],
        discrimination: vec![1.0; items],
        objective: 0.0,
    };
    let mut before = f64::NEG_INFINITY;
    for _ in 0..ROUNDS {
        fit.ability = by_person
            .par_iter()
            .zip(&fit.ability)
            .map(|(answers, start)| {
                let parameters = |i: u32| (fit.discrimination[i as usize], fit.difficulty[i as usize]);
                let terms = answers.iter().map(|(i, right)| (parameters(*i), *right));
                ability(*start, terms)
            })
            .collect();
        let start = fit.discrimination.par_iter().zip(&fit.difficulty);
        let items: Vec<(f64, f64)> = by_item
            .par_iter()
            .zip(start)
            .map(|(answers, (a, b))| {
                let terms = answers.iter().map(|(p, right)| (fit.ability[*p as usize], *right));
                item_parameters((*a, *b), terms)
            })
            .collect();
        (fit.discrimination, fit.difficulty) = items.into_iter().unzip();
        fit.objective = objective(&by_person, &fit);
        if fit.objective - before < 1e-9 * fit.objective.abs() {
            break;
        }
        before = fit.objective;
    }
    fit
}

fn objective(by_person: &[Vec<(u32, bool)>], fit: &Fit) -> f64 {
    let likelihood = |(answers, theta): (&Vec<(u32, bool)>, &f64)| {
        let terms = answers.iter().map(|(item, right)| {
            let z = fit.discrimination[*item as usize] * (theta - fit.difficulty[*item as usize]);
            ln_sigmoid(if *right { z } else { -z })
        });
        terms.sum::<f64>()
    };
    // Collected before they are summed: the sum does not depend on threads.
    let by_person: Vec<f64> = by_person.par_iter().zip(&fit.ability).map(likelihood).collect();
    let prior = |values: &[f64], variance: f64| values.iter().map(|v| v * v).sum::<f64>() / (2.0 * variance);
    let ln: Vec<f64> = fit.discrimination.iter().map(|a| a.ln()).collect();
    by_person.iter().sum::<f64>()
        - prior(&fit.ability, ABILITY_VARIANCE)
        - prior(&fit.difficulty, DIFFICULTY_VARIANCE)
        - prior(&ln, LN_DISCRIMINATION_VARIANCE)
}

/// Maximum of a concave function of one variable from its slope and curvature, by damped Newton steps.
fn maximum(start: f64, steps: usize, slopes: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut x = start;
    for _ in 0..steps {
        let (gradient, curvature) = slopes(x);
        let step = (gradient / curvature).clamp(-1.0, 1.0);
        x += step;
        if step.abs() < 1e-12 {
            break;
        }
    }
    x
}

fn ability(start: f64, terms: impl Iterator<Item = ((f64, f64), bool)> + Clone) -> f64 {
    maximum(start, STEPS, |theta| {
        let (mut gradient, mut curvature) = (-theta / ABILITY_VARIANCE, 1.0 / ABILITY_VARIANCE);
        for ((a, b), right) in terms.clone() {
            let p = sigmoid(a * (theta - b));
            gradient += a * (f64::from(u8::from(right)) - p);
            curvature += a * a * p * (1.0 - p);
        }
        (gradient, curvature)
    })
}

/// Scoring steps on (ln a, b), halved until the posterior rises.
fn item_parameters((a, b): (f64, f64), terms: impl Iterator<Item = (f64, bool)> + Clone) -> (f64, f64) {
    let value = |ln_a: f64, b: f64| {
        let likelihood = terms.clone().map(|(theta, right)| {
            let z = ln_a.exp() * (theta - b);
            ln_sigmoid(if right { z } else { -z })
        });
        likelihood.sum::<f64>() - ln_a * ln_a / (2.0 * LN_DISCRIMINATION_VARIANCE) - b * b / (2.0 * DIFFICULTY_VARIANCE)
    };
    let (mut ln_a, mut b) = (a.ln(), b);
    let mut now = value(ln_a, b);
    for _ in 0..STEPS {
        let a = ln_a.exp();
        let mut gradient = [-ln_a / LN_DISCRIMINATION_VARIANCE, -b / DIFFICULTY_VARIANCE];
        let mut information = [1.0 / LN_DISCRIMINATION_VARIANCE, 0.0, 1.0 / DIFFICULTY_VARIANCE];
        for (theta, right) in terms.clone() {
            let z = a * (theta - b);
            let p = sigmoid(z);
            let (error, weight) = (f64::from(u8::from(right)) - p, p * (1.0 - p));
            gradient[0] += error * z;
            gradient[1] -= error * a;
            information[0] += weight * z * z;
            information[1] -= weight * z * a;
            information[2] += weight * a * a;
        }
        let determinant = information[0] * information[2] - information[1] * information[1];
        let mut step = [
            (information[2] * gradient[0] - information[1] * gradient[1]) / determinant,
            (information[0] * gradient[1] - information[1] * gradient[0]) / determinant,
        ];
        let mut next = value(ln_a + step[0], b + step[1]);
        while next < now && step[0].abs() + step[1].abs() > 1e-13 {
            step = step.map(|s| s / 2.0);
            next = value(ln_a + step[0], b + step[1]);
        }
        if next < now {
            break;
        }
        (ln_a, b, now) = (ln_a + step[0], b + step[1], next);
        if step[0].abs() + step[1].abs() < 1e-12 {
            break;
        }
    }
    (ln_a.exp(), b)
}

/// The shift of one item in one language, from its answers there: (ability, right).
pub fn shift(a: f64, b: f64, answers: &[(f64, bool)]) -> Shift {
    let slopes = |d: f64| {
        let (mut gradient, mut curvature) = (-d, 1.0);
        for (theta, right) in answers {
            let p = sigmoid(a * (theta - b - d));
            gradient -= a * (f64::from(u8::from(*right)) - p);
            curvature += a * a * p * (1.0 - p);
        }
        (gradient, curvature)
    };
    let shift = maximum(0.0, 30, slopes);
    Shift { shift, error: 1.0 / slopes(shift).1.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_all_fail_in_one_language_stands_out() {
        // Twelve runs in four languages on 40 items; run r is right where its strength exceeds the item's.
        let (mut answers, mut persons) = (Vec::new(), 0);
        for lang in 0..4u32 {
            for run in 0..12u32 {
                for item in 0..40u32 {
                    let noise = (run * 7 + item * 13 + lang * 5) % 11;
                    let inverted = lang == 2 && item == 5;
                    answers.push((persons, item, (run * 3 + noise > item) != inverted));
                }
                persons += 1;
            }
        }
        let fit = fit(&answers, persons as usize, 40);
        assert!(fit.difficulty[35] > fit.difficulty[2]);
        assert!(fit.ability[11] > fit.ability[0]);
        let of = |item: u32, lang: u32| {
            let own = answers.iter().filter(|(p, i, _)| *i == item && p / 12 == lang);
            let own: Vec<(f64, bool)> = own.map(|(p, _, right)| (fit.ability[*p as usize], *right)).collect();
            shift(fit.discrimination[item as usize], fit.difficulty[item as usize], &own)
        };
        let z = |s: Shift| s.shift / s.error;
        assert!(z(of(5, 2)) > 3.0, "{:?}", of(5, 2));
        assert!(z(of(5, 1)).abs() < 3.0 && z(of(20, 2)).abs() < 3.0);
    }

    #[test]
    fn no_answers_leave_the_prior() {
        let fit = fit(&[], 2, 3);
        assert_eq!((fit.ability, fit.difficulty, fit.discrimination), (vec![0.0; 2], vec![0.0; 3], vec![1.0; 3]));
        assert_eq!(shift(1.0, 0.0, &[]), Shift { shift: 0.0, error: 1.0 });
    }
}
