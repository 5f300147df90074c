//! What a fitted model says of persons and items, and how sure it is.

use rayon::prelude::*;

use super::{ABILITY_VARIANCE, Answer, Fit, by_item, by_person, item_slopes};
use crate::calibration::sigmoid;

/// Standard errors of an item's ln a and b, given the abilities; and how many answers stand behind them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemErrors {
    pub ln_discrimination: f64,
    pub difficulty: f64,
    pub n: usize,
}

/// From the inverse of the information at the fit, the prior's included.
pub fn item_errors(answers: &[Answer], fit: &Fit) -> Vec<ItemErrors> {
    let of_item = |(answers, (a, b)): (Vec<(u32, bool)>, (&f64, &f64))| {
        let terms = answers.iter().map(|(p, right)| (fit.ability[*p as usize], *right));
        let (_, [aa, ab, bb]) = item_slopes((*a, *b), terms);
        let determinant = aa * bb - ab * ab;
        ItemErrors {
            ln_discrimination: (bb / determinant).sqrt(),
            difficulty: (aa / determinant).sqrt(),
            n: answers.len(),
        }
    };
    let parameters = fit.discrimination.par_iter().zip(&fit.difficulty);
    by_item(answers, fit.difficulty.len()).into_par_iter().zip(parameters).map(of_item).collect()
}

/// The mean ability of a group of persons: a run in its languages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ability {
    pub ability: f64,
    pub error: f64,
    /// Items that any of them answered.
    pub n: usize,
}

/// Mean abilities by group, `group_of` each person, given the items. An item moves a person's maximum by about
/// a (y − P) / I, where I = Σ a² P (1 − P) + 1 is the information; translations of an item move a run's languages together,
/// so what an item adds to the group's mean is one observation, and the error is that of a sum of independent items
/// (the sandwich with items as clusters). `None` for groups without an answer.
pub fn abilities(answers: &[Answer], fit: &Fit, group_of: &[usize], groups: usize) -> Vec<Option<Ability>> {
    let by_person = by_person(answers, fit.ability.len());
    let of_group = |group: usize| {
        let persons = || (0..group_of.len()).filter(|p| group_of[*p] == group && !by_person[*p].is_empty());
        let size = persons().count() as f64;
        let mut moved = vec![None; fit.difficulty.len()];
        for person in persons() {
            let theta = fit.ability[person];
            let at = |item: u32| {
                let (a, b) = (fit.discrimination[item as usize], fit.difficulty[item as usize]);
                (a, sigmoid(a * (theta - b)))
            };
            let of_items: f64 = by_person[person]
                .iter()
                .map(|(item, _)| {
                    let (a, p) = at(*item);
                    a * a * p * (1.0 - p)
                })
                .sum();
            let information = of_items + 1.0 / ABILITY_VARIANCE;
            for (item, right) in &by_person[person] {
                let (a, p) = at(*item);
                let by = a * (f64::from(u8::from(*right)) - p) / (information * size);
                *moved[*item as usize].get_or_insert(0.0) += by;
            }
        }
        let moved: Vec<f64> = moved.into_iter().flatten().collect();
        let n = moved.len() as f64;
        let mean = moved.iter().sum::<f64>() / n;
        let squares: f64 = moved.iter().map(|by| (by - mean) * (by - mean)).sum();
        (n >= 2.0).then(|| Ability {
            ability: persons().map(|p| fit.ability[p]).sum::<f64>() / size,
            error: (squares * n / (n - 1.0)).sqrt(),
            n: moved.len(),
        })
    };
    (0..groups).into_par_iter().map(of_group).collect()
}

/// By item: a² P (1 − P), how much one answer says of an ability, in the mean over the persons' abilities.
pub fn information(fit: &Fit) -> Vec<f64> {
    let of_item = |(a, b): (&f64, &f64)| {
        let of_person = |theta: &f64| {
            let p = sigmoid(a * (theta - b));
            a * a * p * (1.0 - p)
        };
        fit.ability.iter().map(of_person).sum::<f64>() / fit.ability.len() as f64
    };
    fit.discrimination.par_iter().zip(&fit.difficulty).map(of_item).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{fit, maximum};
    use super::*;

    /// Every `alike` persons in a row answer alike, as languages of a run may do.
    fn planted(persons: u32, items: u32, alike: u32) -> (Vec<Answer>, Vec<f64>) {
        let unit = |key: u64| {
            let mut z = key.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678_9ABC_DEF1);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        let difficulty: Vec<f64> = (0..items).map(|i| 4.0 * unit(u64::from(i)) - 2.0).collect();
        let mut answers = Vec::new();
        for person in 0..persons {
            let theta = f64::from(person / alike) / f64::from(persons / alike) * 2.0 - 1.0;
            for item in 0..items {
                let draw = unit(1_000_000 + u64::from(person / alike) * 10_000 + u64::from(item));
                answers.push((person, item, draw < sigmoid(1.2 * (theta - difficulty[item as usize]))));
            }
        }
        (answers, difficulty)
    }

    #[test]
    fn planted_difficulties_and_abilities_are_found() {
        let (answers, difficulty) = planted(80, 150, 1);
        let fit = fit(&answers, 80, 150);
        assert!(crate::correlation::pearson(&fit.difficulty, &difficulty).unwrap() > 0.95);
        let truth: Vec<f64> = (0..80).map(f64::from).collect();
        assert!(crate::correlation::pearson(&fit.ability, &truth).unwrap() > 0.95);
        let errors = item_errors(&answers, &fit);
        assert!(errors.iter().all(|e| e.n == 80 && e.difficulty > 0.05 && e.difficulty < 2.0));
        let information = information(&fit);
        let (most, least) = (0..150).fold((0, 0), |(most, least), i| {
            let more = if information[i] > information[most] { i } else { most };
            (more, if information[i] < information[least] { i } else { least })
        });
        assert!(fit.difficulty[most].abs() < fit.difficulty[least].abs());
    }

    #[test]
    fn errors_of_abilities_are_those_of_resampled_items() {
        let (answers, _) = planted(40, 120, 2);
        let fit = fit(&answers, 40, 120);
        let group_of: Vec<usize> = (0..40).map(|p| p / 2).collect();
        let found = abilities(&answers, &fit, &group_of, 20)[7].unwrap();
        assert!((found.ability - (fit.ability[14] + fit.ability[15]) / 2.0).abs() < 1e-12 && found.n == 120);
        // The two answer alike: as one of them alone, not by √2 surer.
        let alone = abilities(&answers, &fit, &(0..40).collect::<Vec<usize>>(), 40)[14].unwrap();
        assert!((found.error / alone.error - 1.0).abs() < 1e-6, "{found:?} {alone:?}");
        // Items drawn with replacement, the ability fitted anew.
        let own: Vec<(usize, bool)> =
            answers.iter().filter(|(p, ..)| *p == 14).map(|(_, i, right)| (*i as usize, *right)).collect();
        let mut state = 7u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % 120
        };
        let replicates: Vec<f64> = (0..2000)
            .map(|_| {
                let items: Vec<usize> = (0..120).map(|_| draw()).collect();
                maximum(0.0, 50, |theta| {
                    let (mut gradient, mut curvature) = (-theta, 1.0);
                    for item in &items {
                        let (i, right) = own[*item];
                        let (a, b) = (fit.discrimination[i], fit.difficulty[i]);
                        let p = sigmoid(a * (theta - b));
                        gradient += a * (f64::from(u8::from(right)) - p);
                        curvature += a * a * p * (1.0 - p);
                    }
                    (gradient, curvature)
                })
            })
            .collect();
        let mean = replicates.iter().sum::<f64>() / 2000.0;
        let sd = (replicates.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1999.0).sqrt();
        assert!((found.error / sd - 1.0).abs() < 0.08, "{} and {sd}", found.error);
    }
}
