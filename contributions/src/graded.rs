//! Responses with gold grades (MENLO): whether rewards prefer what the grades prefer, and how a judge's grades
//! agree with people's.
//!
//! Preferences have three outcomes: the first response has the higher grade, the second has, or neither; a pair is
//! right where gold grades and rewards agree. F1 of a grade = 2 · both / (gold + judged), macro-F1 the plain mean
//! over grades that occur on either side, as scikit-learn's `f1_score(average="macro")`; it is defined for rewards
//! that are grades themselves.

use crate::item::Item;
use crate::outcome::Evidence;
use crate::rule::Protocol;
use crate::{Group, Metric};

/// Grades are 1 to 5.
const GRADES: usize = 5;

/// Whether an item is two responses with gold grades.
pub fn is_graded(item: &Item<'_>) -> bool {
    let one = |grades: &[u8]| matches!(grades, [grade] if *grade > 0);
    one(item.chosen_grades) && one(item.rejected_grades)
}

pub struct Preference {
    evidence: Evidence,
}

pub static PREFERENCE: Preference = Preference { evidence: Evidence::Rewards };
pub static LONGEST_WINS: Preference = Preference { evidence: Evidence::Characters };

/// Sums: agreements, pairs.
impl Metric for Preference {
    fn id(&self) -> &'static str {
        match self.evidence {
            Evidence::Rewards => "graded",
            Evidence::Characters => "graded-longest-wins",
        }
    }

    fn about(&self) -> &'static str {
        match self.evidence {
            Evidence::Rewards => "Share of pairs on which rewards prefer what the gold grades prefer, or neither.",
            Evidence::Characters => "The same for always preferring the longer response.",
        }
    }

    fn width(&self) -> usize {
        2
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items().filter(is_graded) {
            let Some(found) = self.evidence.extremes(&item) else { continue };
            let gold = item.chosen_grades[0].cmp(&item.rejected_grades[0]);
            let same = found.worst_chosen.partial_cmp(&found.best_rejected) == Some(gold);
            sums[0] += f64::from(u8::from(same));
            sums[1] += 1.0;
            any = true;
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        (sums[1] > 0.0).then(|| sums[0] / sums[1])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    MacroF1,
    Exact,
}

pub struct Grades {
    part: Part,
}

pub static MACRO_F1: Grades = Grades { part: Part::MacroF1 };
pub static EXACT: Grades = Grades { part: Part::Exact };

/// A reward that is a grade.
fn as_grade(reward: Option<f64>) -> Option<usize> {
    let reward = reward?;
    (reward.fract() == 0.0 && (1.0..=GRADES as f64).contains(&reward)).then_some(reward as usize)
}

/// (gold, judged) of both responses of an item, where all four are grades.
fn grades(item: &Item<'_>) -> Option<[(usize, usize); 2]> {
    if !is_graded(item) {
        return None;
    }
    let gold = [item.chosen_grades[0], item.rejected_grades[0]].map(usize::from);
    let judged = [Evidence::Rewards.chosen(item, 0), Evidence::Rewards.rejected(item, 0)].map(as_grade);
    let known = gold.iter().all(|grade| *grade <= GRADES);
    known.then_some([(gold[0], judged[0]?), (gold[1], judged[1]?)])
}

/// Sums: by grade, responses of which gold and judge say it, gold says it, the judge says it.
impl Metric for Grades {
    fn id(&self) -> &'static str {
        match self.part {
            Part::MacroF1 => "grade-macro-f",
            Part::Exact => "grade-exact",
        }
    }

    fn about(&self) -> &'static str {
        match self.part {
            Part::MacroF1 => "Mean over grades of F1 between a judge's grades and people's.",
            Part::Exact => "Share of responses that a judge gives the grade that people give.",
        }
    }

    fn width(&self) -> usize {
        3 * GRADES
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for responses in group.items().filter_map(|item| grades(&item)) {
            for (gold, judged) in responses {
                sums[gold - 1] += f64::from(u8::from(gold == judged));
                sums[GRADES + gold - 1] += 1.0;
                sums[2 * GRADES + judged - 1] += 1.0;
            }
            any = true;
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let (both, gold, judged) = (&sums[..GRADES], &sums[GRADES..2 * GRADES], &sums[2 * GRADES..]);
        let n: f64 = gold.iter().sum();
        if n.is_nan() || n <= 0.0 {
            return None;
        }
        if self.part == Part::Exact {
            return Some(both.iter().sum::<f64>() / n);
        }
        let occurring = (0..GRADES).filter(|grade| gold[*grade] + judged[*grade] > 0.0);
        let f1: Vec<f64> = occurring.map(|grade| 2.0 * both[grade] / (gold[grade] + judged[grade])).collect();
        Some(f1.iter().sum::<f64>() / f1.len() as f64)
    }
}

/// Agreement of a judge's grades with people's beyond chance, where near misses count less: κ = 1 − Σ w o / Σ w e, o the
/// responses by (gold, judged), e what their totals give by chance, w = |gold − judged| or its square (Cohen 1968).
pub struct WeightedKappa {
    quadratic: bool,
}

pub static LINEAR_KAPPA: WeightedKappa = WeightedKappa { quadratic: false };
pub static QUADRATIC_KAPPA: WeightedKappa = WeightedKappa { quadratic: true };

/// They may be below 0.
pub const SIGNED: [&str; 2] = ["grade-kappa-linear", "grade-kappa-quadratic"];

/// Sums: Σ |gold − judged|, Σ (gold − judged)², by grade responses of which gold says it, then those of which the judge
/// says it.
impl Metric for WeightedKappa {
    fn id(&self) -> &'static str {
        SIGNED[usize::from(self.quadratic)]
    }

    fn about(&self) -> &'static str {
        match self.quadratic {
            false => "Cohen's κ of a judge's grades and people's, weighted by the distance of grades.",
            true => "Cohen's κ of a judge's grades and people's, weighted by the squared distance of grades.",
        }
    }

    fn width(&self) -> usize {
        2 + 2 * GRADES
    }

    fn contribute(&self, group: &Group<'_>, _: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for responses in group.items().filter_map(|item| grades(&item)) {
            for (gold, judged) in responses {
                let distance = gold.abs_diff(judged) as f64;
                sums[0] += distance;
                sums[1] += distance * distance;
                sums[1 + gold] += 1.0;
                sums[1 + GRADES + judged] += 1.0;
            }
            any = true;
        }
        any
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let (found, totals) = sums.split_at(2);
        let (gold, judged) = totals.split_at(GRADES);
        let n: f64 = gold.iter().sum();
        let mut by_chance = 0.0;
        for (i, gold) in gold.iter().enumerate() {
            for (j, judged) in judged.iter().enumerate() {
                let distance = i.abs_diff(j) as f64;
                by_chance += gold * judged / n * if self.quadratic { distance * distance } else { distance };
            }
        }
        (by_chance > 0.0).then(|| 1.0 - found[usize::from(self.quadratic)] / by_chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gold 1 1 2 2 3, judged 1 2 2 2 1: F1 of 1 is 2·1/(2 + 2), of 2 is 2·2/(2 + 3), of 3 is 0; 4 and 5 do not
    /// occur. scikit-learn: 0.43333….
    #[test]
    fn by_hand() {
        let mut sums = [0.0; 15];
        for (gold, judged) in [(1, 1), (1, 2), (2, 2), (2, 2), (3, 1)] {
            sums[gold - 1] += f64::from(u8::from(gold == judged));
            sums[GRADES + gold - 1] += 1.0;
            sums[2 * GRADES + judged - 1] += 1.0;
        }
        assert!((MACRO_F1.finish(&sums).unwrap() - (0.5 + 0.8) / 3.0).abs() < 1e-15);
        assert_eq!(EXACT.finish(&sums), Some(0.6));
        assert_eq!([0.5, 6.0, 3.0].map(|reward| as_grade(Some(reward))), [None, None, Some(3)]);
    }
}
