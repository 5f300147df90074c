//! What a sampled judgment is worth to a judge in training: a number that follows from the verdict and the data alone.
//!
//! * verdict: 1 for the right one, ½ for a tie, 0 for the wrong one, −format for none that can be read;
//! * ranking: −format·1[bad form] − weight·|P − G| − grades·Σ|p − g|, P and G the predicted and the gold place on the
//!   protocol's scale, p and g the ratings of the two responses (HelpSteer3-Preference and Nemotron's GenRM, arXiv
//!   2505.11475, where the scale is 1 to 6, format 10 and both weights 1). The last term vanishes where the data have no
//!   ratings; where they have, a reply without them has a bad form. Of a letter or a number the scale is the place.
//! * grades: exact·½Σ1[p = g] + near·½Σ1[|p − g| = 1] + order·1[sign(p₁ − p₂) = sign(g₁ − g₂)], or −format (MENLO,
//!   arXiv 2509.26601). 1, ½, 1 and 0.2 are what public reviews of the paper say; the mean over the two responses is ours.
//!
//! Groups have advantages (R − mean)/(std + 10⁻⁴), std with n in the denominator less one (arXiv 2402.03300); without
//! `scaled` R − mean (Dr. GRPO, arXiv 2503.20783).

use serde::{Deserialize, Serialize};

use super::grammar::{Meaning, Reading, Verdict};
use super::protocol::Protocol;
use crate::lang::Lang;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Worth {
    Verdict {
        format: f64,
    },
    Ranking {
        format: f64,
        weight: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        grades: f64,
    },
    Grades {
        exact: f64,
        near: f64,
        order: f64,
        format: f64,
    },
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

impl Default for Worth {
    fn default() -> Self {
        Worth::Verdict { format: 1.0 }
    }
}

/// What the data say of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Gold {
    pub verdict: Verdict,
    /// Ratings of the two responses, in the order shown.
    pub grades: Option<[f64; 2]>,
}

/// A reply as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub reading: Reading,
    /// The ratings that it gives the two responses, where the protocol asks for them.
    pub grades: Option<[f64; 2]>,
}

impl Answer {
    pub fn read(protocol: &Protocol, lang: Lang, reply: &str) -> Self {
        let reading = protocol.grammar(lang).read(reply);
        let grades = protocol.grades(lang, reply, &reading);
        Self { reading, grades }
    }
}

impl Worth {
    /// Of a reply as it was read.
    pub fn of(self, answer: &Answer, gold: &Gold, protocol: &Protocol) -> f64 {
        let bad_form = match self {
            Worth::Verdict { format } | Worth::Ranking { format, .. } | Worth::Grades { format, .. } => -format,
        };
        let Reading::Verdict { verdict, .. } = &answer.reading else { return bad_form };
        match self {
            Worth::Verdict { .. } => match (verdict, &gold.verdict) {
                (Verdict::Tie, Verdict::Tie) => 1.0,
                (Verdict::Tie, _) | (_, Verdict::Tie) => 0.5,
                (verdict, gold) => f64::from(u8::from(same_side(verdict, gold))),
            },
            Worth::Ranking { weight, grades, .. } => {
                let of_ranking = -weight * (place(verdict, protocol) - place(&gold.verdict, protocol)).abs();
                match (gold.grades.filter(|_| grades > 0.0), answer.grades) {
                    (None, _) => of_ranking,
                    (Some(_), None) => bad_form,
                    (Some(gold), Some(given)) => {
                        of_ranking - grades * given.iter().zip(gold).map(|(p, g)| (p - g).abs()).sum::<f64>()
                    }
                }
            }
            Worth::Grades { exact, near, order, .. } => match (answer.grades, gold.grades) {
                (Some(given), Some(gold)) => {
                    let hit = |distance: f64| {
                        if distance == 0.0 { exact } else { near * f64::from(u8::from(distance == 1.0)) }
                    };
                    let hits: f64 = given.iter().zip(gold).map(|(p, g)| hit((p - g).abs())).sum();
                    let same_order = given[0].total_cmp(&given[1]) == gold[0].total_cmp(&gold[1]);
                    hits / 2.0 + order * f64::from(u8::from(same_order))
                }
                _ => bad_form,
            },
        }
    }

    /// Whether it counts the ratings of single responses, and whether it cannot do without them.
    pub fn reads_grades(self) -> [bool; 2] {
        match self {
            Worth::Verdict { .. } => [false, false],
            Worth::Ranking { grades, .. } => [grades > 0.0, false],
            Worth::Grades { .. } => [true, true],
        }
    }

    /// The first number that makes no sense.
    pub fn problem(self) -> Option<&'static str> {
        let numbers = match self {
            Worth::Verdict { format } => vec![format],
            Worth::Ranking { format, weight, grades } => vec![format, weight, grades],
            Worth::Grades { exact, near, order, format } => vec![exact, near, order, format],
        };
        let holds = numbers.iter().all(|x| *x >= 0.0 && x.is_finite());
        (!holds).then_some("made of numbers that are at least 0")
    }
}

fn same_side(one: &Verdict, other: &Verdict) -> bool {
    match (one, other) {
        (Verdict::Pick { place, .. }, Verdict::Pick { place: other, .. }) => place == other,
        (Verdict::Rating(one), Verdict::Rating(other)) => (*one > 0.5) == (*other > 0.5),
        _ => false,
    }
}

/// Where a verdict stands on its protocol's scale.
fn place(verdict: &Verdict, protocol: &Protocol) -> f64 {
    match (verdict, &protocol.verdict.meaning) {
        (Verdict::Rating(rating), _) => *rating,
        (Verdict::Pick { place, strength }, Meaning::Scale { min, max }) => {
            let half = (max - min).div_ceil(2);
            let strength = strength.unwrap_or(half).clamp(1, half);
            f64::from(if *place == 0 { min + half - strength } else { max - half + strength })
        }
        (Verdict::Tie, Meaning::Scale { min, max }) => (f64::from(*min) + f64::from(*max)) / 2.0,
        (Verdict::Tie, _) => 0.5,
        (Verdict::Pick { place, .. }, _) => *place as f64,
    }
}

/// What each member of a group is worth beside the others; 0 where all are worth the same.
pub fn advantages(worths: &[f64], scaled: bool) -> Vec<f64> {
    let n = worths.len() as f64;
    let mean = worths.iter().sum::<f64>() / n.max(1.0);
    let variance = worths.iter().map(|worth| (worth - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let by = if scaled { variance.sqrt() + 1e-4 } else { 1.0 };
    worths.iter().map(|worth| (worth - mean) / by).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(verdict: Verdict) -> Reading {
        Reading::Verdict { verdict, at: 0..1 }
    }

    fn pick(place: usize) -> Verdict {
        Verdict::Pick { place, strength: None }
    }

    fn said(reading: Reading) -> Answer {
        Answer { reading, grades: None }
    }

    fn gold(verdict: Verdict) -> Gold {
        Gold { verdict, grades: None }
    }

    #[test]
    fn worth_by_hand() {
        let protocol = Protocol::find("pairwise").unwrap();
        let worth = Worth::Verdict { format: 0.2 };
        let of = |reading: Reading| worth.of(&said(reading), &gold(pick(1)), &protocol);
        assert_eq!([of(read(pick(1))), of(read(pick(0))), of(read(Verdict::Tie))], [1.0, 0.0, 0.5]);
        assert_eq!(of(Reading::Unparsed("")), -0.2);
        let scale = Protocol::find("helpsteer3").unwrap();
        let ranking = Worth::Ranking { format: 10.0, weight: 1.0, grades: 0.0 };
        let graded = |place, strength| Verdict::Pick { place, strength: Some(strength) };
        let of = |reading: Reading, verdict: Verdict| ranking.of(&said(reading), &gold(verdict), &scale);
        // Places 1 to 6: the first by 3 is 1, the second by 1 is 4, by 3 is 6.
        assert_eq!(of(read(graded(1, 1)), graded(0, 3)), -3.0);
        assert_eq!(of(read(graded(1, 3)), graded(1, 3)), 0.0);
        assert_eq!(of(Reading::Refused, graded(1, 3)), -10.0);
    }

    /// HelpSteer3's own form: scores 4 and 2 against 5 and 2, ranking 2 against 1: −1 − 1. Without scores the form is bad,
    /// unless the data have none either.
    #[test]
    fn helpsteer3_counts_scores_beside_the_ranking() {
        let protocol = Protocol::find("helpsteer3").unwrap();
        let worth = Worth::Ranking { format: 10.0, weight: 1.0, grades: 1.0 };
        let of = |reply: &str, grades| {
            let gold = Gold { verdict: Verdict::Pick { place: 0, strength: Some(3) }, grades };
            worth.of(&Answer::read(&protocol, Lang::ENGLISH, reply), &gold, &protocol)
        };
        let ranking = "[The Begin of Ranking Score]\n\\boxed{2}\n[The End of Ranking Score]";
        let whole =
            format!("[The Begin of Individual Scores]\n\\boxed{{4, 2}}\n[The End of Individual Scores]\n{ranking}");
        assert_eq!(of(&whole, Some([5.0, 2.0])), -2.0);
        assert_eq!(of(&whole, None), -1.0);
        assert_eq!(of(ranking, Some([5.0, 2.0])), -10.0);
        assert_eq!(of(ranking, None), -1.0);
    }

    /// Gold grades 4 and 2. 4 and 1: ½·(1 + ½) + 1; 2 and 4: nothing; 4 and 4: ½·1; ties are an order of their own.
    #[test]
    fn menlo_by_hand() {
        let protocol = Protocol::find("menlo").unwrap();
        let worth = Worth::Grades { exact: 1.0, near: 0.5, order: 1.0, format: 0.2 };
        let of = |reply: &str, grades| {
            let gold = Gold { verdict: Verdict::Pick { place: 0, strength: Some(2) }, grades: Some(grades) };
            worth.of(&Answer::read(&protocol, Lang::ENGLISH, reply), &gold, &protocol)
        };
        assert_eq!(of("Because. [[4, 1]]", [4.0, 2.0]), 1.75);
        assert_eq!(of("[[2, 4]]", [4.0, 2.0]), 0.0);
        assert_eq!(of("[[４，４]]", [4.0, 2.0]), 0.5);
        assert_eq!(of("[[3, 3]]", [3.0, 3.0]), 2.0);
        assert_eq!(of("[[6, 1]]", [4.0, 2.0]), -0.2);
        assert_eq!(of("4 and 1", [4.0, 2.0]), -0.2);
    }

    /// 1, 0, 0, 1: mean ½, std √(1/3).
    #[test]
    fn advantages_by_hand() {
        let found = advantages(&[1.0, 0.0, 0.0, 1.0], true);
        let expected = 0.5 / ((1.0f64 / 3.0).sqrt() + 1e-4);
        assert!((found[0] - expected).abs() < 1e-12 && (found[1] + expected).abs() < 1e-12);
        assert_eq!(advantages(&[1.0, 0.0], false), [0.5, -0.5]);
        assert_eq!(advantages(&[2.0, 2.0, 2.0], true), [0.0; 3]);
        assert!(advantages(&[], true).is_empty());
    }
}
