//! How hard items are, and which are harder in one language than the others explain: a two-parameter
//! logistic model with a shift by item and language (differential item functioning).
//!
//! P(person p is right on item i) = σ(a_i (θ_p − b_i)), a person being a run in a language. θ ~ N(0, 1),
//! b ~ N(0, 2²), ln a ~ N(0, ½²) a priori; all go to their joint posterior maximum by turns of one Newton
//! step each (Baker and Kim 2004, ch. 4 and 7). Given those, the shift d of item i in language l, P = σ(a_i (θ −
//! b_i − d)), d ~ N(0, 1), has its own maximum and a standard error from the curvature there. d > 0: harder
//! than elsewhere, as a mistranslated item is.

mod scores;

use rayon::prelude::*;

use crate::calibration::{ln_sigmoid, sigmoid};

pub use scores::{Ability, ItemErrors, abilities, information, item_errors};

const ABILITY_VARIANCE: f64 = 1.0;
const DIFFICULTY_VARIANCE: f64 = 4.0;
const LN_DISCRIMINATION_VARIANCE: f64 = 0.25;
const ROUNDS: usize = 500;
/// Answers that all rounds together may look at: where there are millions, the last digits of a flag's z do not matter.
const LOOKS: usize = 100_000_000;
const FEWEST_ROUNDS: usize = 30;
/// Where no parameter moves further than this in a round, the fit has settled.
const SETTLED: f64 = 1e-9;

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

/// Answers by person: (item, right), or by item: (person, right).
type Answers = Vec<Vec<(u32, bool)>>;

fn by_person(answers: &[Answer], persons: usize) -> Answers {
    let mut found: Answers = vec![Vec::new(); persons];
    answers.iter().for_each(|(person, item, right)| found[*person as usize].push((*item, *right)));
    found
}

fn by_item(answers: &[Answer], items: usize) -> Answers {
    let mut found: Answers = vec![Vec::new(); items];
    answers.iter().for_each(|(person, item, right)| found[*item as usize].push((*person, *right)));
    found
}

/// Fits answers of `persons` on `items`.
pub fn fit(answers: &[Answer], persons: usize, items: usize) -> Fit {
    fit_within(answers, persons, items, LOOKS)
}

/// The same, with all rounds together looking at about so many answers.
pub fn fit_within(answers: &[Answer], persons: usize, items: usize, looks: usize) -> Fit {
    let (by_person, by_item) = (by_person(answers, persons), by_item(answers, items));
    let mut fit = Fit {
        ability: vec![0.0; persons],
        difficulty: vec![0.0; items],
        discrimination: vec![1.0; items],
        objective: 0.0,
    };
    for _ in 0..ROUNDS.min((looks / answers.len().max(1)).max(FEWEST_ROUNDS)) {
        let ability: Vec<f64> = by_person
            .par_iter()
            .zip(&fit.ability)
            .map(|(answers, start)| {
                let parameters = |i: u32| (fit.discrimination[i as usize], fit.difficulty[i as usize]);
                let terms = answers.iter().map(|(i, right)| (parameters(*i), *right));
                ability(*start, terms)
            })
            .collect();
        let mut moved = furthest(&fit.ability, &ability);
        fit.ability = ability;
        let start = fit.discrimination.par_iter().zip(&fit.difficulty);
        let items: Vec<(f64, f64)> = by_item
            .par_iter()
            .zip(start)
            .map(|(answers, (a, b))| {
                let terms = answers.iter().map(|(p, right)| (fit.ability[*p as usize], *right));
                item_parameters((*a, *b), terms)
            })
            .collect();
        let (discrimination, difficulty): (Vec<f64>, Vec<f64>) = items.into_iter().unzip();
        moved = moved.max(furthest(&fit.discrimination, &discrimination)).max(furthest(&fit.difficulty, &difficulty));
        (fit.discrimination, fit.difficulty) = (discrimination, difficulty);
        if moved < SETTLED {
            break;
        }
    }
    fit.objective = objective(&by_person, &fit);
    fit
}

fn furthest(before: &[f64], after: &[f64]) -> f64 {
    before.iter().zip(after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
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
    maximum(start, 1, |theta| {
        let (mut gradient, mut curvature) = (-theta / ABILITY_VARIANCE, 1.0 / ABILITY_VARIANCE);
        for ((a, b), right) in terms.clone() {
            let p = sigmoid(a * (theta - b));
            gradient += a * (f64::from(u8::from(right)) - p);
            curvature += a * a * p * (1.0 - p);
        }
        (gradient, curvature)
    })
}

/// A scoring step on (ln a, b), of at most 1 in each: the information is that of the expected answers, so steps rarely overshoot,
/// and what one does the next turn undoes.
fn item_parameters((a, b): (f64, f64), terms: impl Iterator<Item = (f64, bool)>) -> (f64, f64) {
    let (gradient, information) = item_slopes((a, b), terms);
    let determinant = information[0] * information[2] - information[1] * information[1];
    let step = [
        (information[2] * gradient[0] - information[1] * gradient[1]) / determinant,
        (information[0] * gradient[1] - information[1] * gradient[0]) / determinant,
    ];
    let [of_a, of_b] = step.map(|step| step.clamp(-1.0, 1.0));
    ((a.ln() + of_a).exp(), b + of_b)
}

/// The slope of an item's log posterior in (ln a, b), and the information there: ln a, both, b.
fn item_slopes((a, b): (f64, f64), terms: impl Iterator<Item = (f64, bool)>) -> ([f64; 2], [f64; 3]) {
    let mut gradient = [-a.ln() / LN_DISCRIMINATION_VARIANCE, -b / DIFFICULTY_VARIANCE];
    let mut information = [1.0 / LN_DISCRIMINATION_VARIANCE, 0.0, 1.0 / DIFFICULTY_VARIANCE];
    for (theta, right) in terms {
        let z = a * (theta - b);
        let p = sigmoid(z);
        let (error, weight) = (f64::from(u8::from(right)) - p, p * (1.0 - p));
        gradient[0] += error * z;
        gradient[1] -= error * a;
        information[0] += weight * z * z;
        information[1] -= weight * z * a;
        information[2] += weight * a * a;
    }
    (gradient, information)
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
