//! From judgments to one reward per response, so that every outcome metric works for judges as for scalar models.
//!
//! * Responses rated one by one: reward = mean of the ratings (or probabilities).
//! * Two at a time, both graded, where grades are asked for: reward = mean of the grades.
//! * Two at a time, chosen against each rejected one: m = mean vote over orders, samples and judges, +1 for the
//!   chosen response, −1 for the rejected one, 0 for a tie (or 2p − 1). A pair gets ½ ± m/2; of 1 × k the chosen
//!   response gets ½ and each rejected one ½ − m, so that it is beaten iff its own m > 0.
//! * All at once: reward = share of the votes.
//! * Two at a time of k × m (RM-Bench's 3 × 3): every pair has an m of its own and there are no rewards, since a judge
//!   may prefer in a circle; what needs rewards has nothing to say of such items, what needs outcomes looks at pairs.
//!
//! With both orders of a pair this is JudgeBench's rule: right with right or with a tie is right, right with wrong is a
//! tie. In a panel of several judges each has one vote per set of responses: the sign of its own m.

use crate::judge::settings::Verdicts;
use crate::judge::{Judgment, Outcome};

/// What a judgment without a verdict counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unresolved {
    /// Nothing: the other judgments decide; without any, the response has no reward.
    #[default]
    Missing,
    /// A tie (RewardBench counts 0.5 for a pair).
    Tie,
    /// A vote for the wrong response.
    Wrong,
    /// A vote for the right response: no policy, the upper bound.
    Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lowering {
    /// What of a judgment counts, where it has it.
    pub verdicts: Verdicts,
    pub unresolved: Unresolved,
}

impl Lowering {
    fn is_soft(self) -> bool {
        self.verdicts == Verdicts::Soft
    }
}

/// Rewards by response, chosen first; `None` where nothing was decided. `judgments` are all of one item.
pub fn rewards(judgments: &[&Judgment], n_chosen: usize, n_rejected: usize, lowering: Lowering) -> Vec<Option<f32>> {
    let n = n_chosen + n_rejected;
    let Some(first) = judgments.first() else { return vec![None; n] };
    match first.shown.len() {
        2 if lowering.verdicts == Verdicts::Grades => graded(judgments, n_chosen, n, lowering),
        1 => rated(judgments, n_chosen, n, lowering),
        2 if n_chosen > 1 => vec![None; n],
        2 => compared(judgments, n, lowering),
        _ => ranked(judgments, n_chosen, n, lowering),
    }
}

/// The m of every pair of a matrix of k × m responses that were judged two at a time, row by row of the chosen ones; NaN
/// where nothing was decided. `None`: the item was judged otherwise, has one chosen response, or grades are its rewards.
pub fn pairs(judgments: &[&Judgment], n_chosen: usize, n_rejected: usize, lowering: Lowering) -> Option<Vec<f32>> {
    if n_chosen < 2 || judgments.first()?.shown.len() != 2 || lowering.verdicts == Verdicts::Grades {
        return None;
    }
    let names = judges(judgments);
    let of = |chosen: usize, rejected: usize| {
        let m = against(judgments, &names, (chosen as u16, (n_chosen + rejected) as u16), lowering);
        m.map_or(f32::NAN, |m| m as f32)
    };
    Some((0..n_chosen).flat_map(|c| (0..n_rejected).map(move |r| (c, r))).map(|(c, r)| of(c, r)).collect())
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0usize);
    for value in values {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}

fn rated(judgments: &[&Judgment], n_chosen: usize, n: usize, lowering: Lowering) -> Vec<Option<f32>> {
    let value = |judgment: &Judgment| {
        let p = judgment.probabilities.as_ref().and_then(|p| p.first()).copied().filter(|_| lowering.is_soft());
        p.or(judgment.rating)
    };
    let of = |slot: usize| {
        let own = judgments.iter().filter(move |judgment| judgment.shown.first() == Some(&(slot as u16)));
        mean(own.filter(|judgment| judgment.outcome.is_decided()).filter_map(|judgment| value(judgment)))
    };
    with_stand_ins((0..n).map(of).collect(), n_chosen, lowering)
}

/// Two graded side by side.
fn graded(judgments: &[&Judgment], n_chosen: usize, n: usize, lowering: Lowering) -> Vec<Option<f32>> {
    let of = |slot: usize| {
        let grade = |judgment: &&Judgment| {
            let at = judgment.shown.iter().position(|shown| usize::from(*shown) == slot)?;
            judgment.grades.as_ref()?.get(at).copied()
        };
        mean(judgments.iter().filter(|judgment| judgment.outcome.is_decided()).filter_map(grade))
    };
    with_stand_ins((0..n).map(of).collect(), n_chosen, lowering)
}

/// Rewards by response, with what the policy says of those that have none.
fn with_stand_ins(found: Vec<Option<f64>>, n_chosen: usize, lowering: Lowering) -> Vec<Option<f32>> {
    let n = found.len();
    // One unread rating makes an item undecided: a tie of all, where ties are what it counts as.
    if lowering.unresolved == Unresolved::Tie && found.iter().any(Option::is_none) {
        return vec![Some(0.0); n];
    }
    let stand_in = |slot: usize| match (lowering.unresolved, slot < n_chosen) {
        (Unresolved::Missing | Unresolved::Tie, _) => None,
        (Unresolved::Wrong, true) | (Unresolved::Right, false) => Some(f32::NEG_INFINITY),
        (Unresolved::Wrong, false) | (Unresolved::Right, true) => Some(f32::INFINITY),
    };
    found.into_iter().enumerate().map(|(slot, value)| value.map(|v| v as f32).or_else(|| stand_in(slot))).collect()
}

/// The vote of one judgment of a pair for the response at `slot`, from −1 to 1.
fn vote(judgment: &Judgment, slot: u16, lowering: Lowering) -> Option<f64> {
    let at = judgment.shown.iter().position(|shown| *shown == slot)?;
    let p = judgment.probabilities.as_ref().and_then(|p| p.get(at)).filter(|_| lowering.is_soft());
    match (judgment.outcome, judgment.picked, p) {
        (Outcome::Verdict, _, Some(p)) => Some(2.0 * p - 1.0),
        (Outcome::Verdict, Some(picked), None) => Some(if usize::from(picked) == at { 1.0 } else { -1.0 }),
        (Outcome::Tie, ..) => Some(0.0),
        _ => match lowering.unresolved {
            Unresolved::Missing => None,
            Unresolved::Tie => Some(0.0),
            Unresolved::Wrong => Some(-1.0),
            Unresolved::Right => Some(1.0),
        },
    }
}

fn judges<'a>(judgments: &[&'a Judgment]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for judgment in judgments {
        if !names.contains(&&*judgment.judge) {
            names.push(&judgment.judge);
        }
    }
    names
}

/// Mean vote for the first of two responses against the second, over orders and samples, then over judges.
fn against(judgments: &[&Judgment], names: &[&str], (first, second): (u16, u16), lowering: Lowering) -> Option<f64> {
    let own = |name: &str| {
        mean(
            judgments
                .iter()
                .filter(|judgment| &*judgment.judge == name)
                .filter(|judgment| judgment.shown.contains(&first) && judgment.shown.contains(&second))
                .filter_map(|judgment| vote(judgment, first, lowering)),
        )
    };
    match names {
        [only] => own(only),
        several => {
            let sign = |m: f64| {
                if m > 0.0 {
                    1.0
                } else if m < 0.0 {
                    -1.0
                } else {
                    0.0
                }
            };
            mean(several.iter().filter_map(|name| own(name)).map(sign))
        }
    }
}

/// One chosen response against every rejected one.
fn compared(judgments: &[&Judgment], n: usize, lowering: Lowering) -> Vec<Option<f32>> {
    let names = judges(judgments);
    let margins: Vec<Option<f64>> = (1..n as u16).map(|slot| against(judgments, &names, (0, slot), lowering)).collect();
    match margins.as_slice() {
        [margin] => [1.0, -1.0].map(|side| margin.map(|m| (0.5 + side * m / 2.0) as f32)).to_vec(),
        margins => {
            let rejected = margins.iter().map(|margin| margin.map(|m| (0.5 - m) as f32));
            std::iter::once(Some(0.5)).chain(rejected).collect()
        }
    }
}

fn ranked(judgments: &[&Judgment], n_chosen: usize, n: usize, lowering: Lowering) -> Vec<Option<f32>> {
    let mut votes = vec![0.0; n];
    let mut total = 0.0;
    for judgment in judgments {
        let shown = &judgment.shown;
        let share = 1.0 / shown.len() as f64;
        let p = judgment.probabilities.as_ref().filter(|p| lowering.is_soft() && p.len() == shown.len());
        let mut add = |slot: usize, weight: f64| {
            if let Some(vote) = votes.get_mut(slot) {
                *vote += weight;
            }
        };
        match (judgment.outcome, judgment.picked, p) {
            (Outcome::Verdict, _, Some(p)) => shown.iter().zip(p).for_each(|(slot, p)| add(usize::from(*slot), *p)),
            (Outcome::Verdict, Some(picked), None) => {
                add(shown.get(usize::from(picked)).map_or(n, |s| usize::from(*s)), 1.0)
            }
            (Outcome::Tie, ..) => shown.iter().for_each(|slot| add(usize::from(*slot), share)),
            _ => match lowering.unresolved {
                Unresolved::Missing => continue,
                Unresolved::Tie => shown.iter().for_each(|slot| add(usize::from(*slot), share)),
                Unresolved::Wrong => add(n_chosen, 1.0),
                Unresolved::Right => add(0, 1.0),
            },
        }
        total += 1.0;
    }
    votes.into_iter().map(|vote| (total > 0.0).then(|| (vote / total) as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(judgments: &[Judgment], sides: (usize, usize), unresolved: Unresolved) -> Vec<Option<f32>> {
        let judgments: Vec<&Judgment> = judgments.iter().collect();
        rewards(&judgments, sides.0, sides.1, Lowering { unresolved, ..Lowering::default() })
    }

    /// JudgeBench's rule in six rows. Shown [0, 1] then [1, 0]; c = the chosen response is picked, r = the rejected one.
    ///
    /// | first | second | m | right |
    /// |---|---|---|---|
    /// | c | c | 1 | yes |
    /// | c | r | 0 | tie |
    /// | c | tie | ½ | yes |
    /// | tie | tie | 0 | tie |
    /// | c | unparsed | 1 | yes |
    /// | r | tie | −½ | no |
    #[test]
    fn two_orders_of_a_pair() {
        let (v, t, u) = (Outcome::Verdict, Outcome::Tie, Outcome::Unparsed);
        let pair = |first: (Outcome, Option<u16>), second: (Outcome, Option<u16>)| {
            let judgments =
                [Judgment::bare("j", &[0, 1], first.0, first.1), Judgment::bare("j", &[1, 0], second.0, second.1)];
            lowered(&judgments, (1, 1), Unresolved::Missing)
        };
        let expected = |m: f32| vec![Some(0.5 + m / 2.0), Some(0.5 - m / 2.0)];
        assert_eq!(pair((v, Some(0)), (v, Some(1))), expected(1.0));
        assert_eq!(pair((v, Some(0)), (v, Some(0))), expected(0.0));
        assert_eq!(pair((v, Some(0)), (t, None)), expected(0.5));
        assert_eq!(pair((t, None), (t, None)), expected(0.0));
        assert_eq!(pair((v, Some(0)), (u, None)), expected(1.0));
        assert_eq!(pair((v, Some(1)), (t, None)), expected(-0.5));
        assert_eq!(pair((u, None), (u, None)), [None, None]);
    }

    #[test]
    fn judgments_without_a_verdict_count_as_the_policy_says() {
        let judgments = [Judgment::bare("j", &[0, 1], Outcome::Refused, None)];
        let of = |unresolved| lowered(&judgments, (1, 1), unresolved);
        assert_eq!(of(Unresolved::Missing), [None, None]);
        assert_eq!(of(Unresolved::Tie), [Some(0.5), Some(0.5)]);
        assert_eq!(of(Unresolved::Wrong), [Some(0.0), Some(1.0)]);
        assert_eq!(of(Unresolved::Right), [Some(1.0), Some(0.0)]);
    }

    /// Two chosen (0, 1) and two rejected responses (2, 3): in a circle, which no rewards could say. 0 beats 2, 2 beats 1,
    /// 1 beats 3, 3 beats 0; of 1 and 3 one order is a tie.
    #[test]
    fn a_matrix_has_pairs_and_no_rewards() {
        let v = Outcome::Verdict;
        let judgments = [
            Judgment::bare("j", &[0, 2], v, Some(0)),
            Judgment::bare("j", &[2, 1], v, Some(0)),
            Judgment::bare("j", &[1, 3], v, Some(0)),
            Judgment::bare("j", &[3, 1], Outcome::Tie, None),
            Judgment::bare("j", &[3, 0], v, Some(0)),
        ];
        let all: Vec<&Judgment> = judgments.iter().collect();
        let lowering = Lowering::default();
        assert_eq!(pairs(&all, 2, 2, lowering), Some(vec![1.0, -1.0, -1.0, 0.5]));
        assert_eq!(rewards(&all, 2, 2, lowering), [None; 4]);
        assert!(pairs(&all[..2], 2, 2, lowering).unwrap()[1].is_nan(), "not judged");
        assert_eq!(pairs(&all, 1, 3, lowering), None);
        let ratings = [Judgment::bare("j", &[0], v, None)];
        assert_eq!(pairs(&ratings.iter().collect::<Vec<_>>(), 2, 2, lowering), None);
    }

    /// 4 and 2, then (shown the other way round) 3 and 3: means 3½ and 2½. Without a verdict there is no reward.
    #[test]
    fn grades_of_two_orders() {
        let v = Outcome::Verdict;
        let graded = |shown: &[u16], outcome, grades: [f64; 2]| Judgment {
            grades: Some(grades.to_vec()),
            ..Judgment::bare("j", shown, outcome, Some(0))
        };
        let both = [graded(&[0, 1], v, [4.0, 2.0]), graded(&[1, 0], Outcome::Tie, [3.0, 3.0])];
        let all: Vec<&Judgment> = both.iter().collect();
        let of =
            |all: &[&Judgment], unresolved| rewards(all, 1, 1, Lowering { verdicts: Verdicts::Grades, unresolved });
        assert_eq!(of(&all, Unresolved::Missing), [Some(3.5), Some(2.5)]);
        let none = [Judgment::bare("j", &[0, 1], Outcome::Unparsed, None)];
        let none: Vec<&Judgment> = none.iter().collect();
        assert_eq!(of(&none, Unresolved::Missing), [None, None]);
        assert_eq!(of(&none, Unresolved::Wrong), [Some(f32::NEG_INFINITY), Some(f32::INFINITY)]);
        assert_eq!(rewards(&all, 1, 1, Lowering::default()), [Some(0.75), Some(0.25)], "votes: 1 and a tie");
    }

    #[test]
    fn panels_lists_and_ratings() {
        let v = Outcome::Verdict;
        // Two judges for, one against: m = 1/3.
        let panel = ["a", "b", "c"].map(|name| Judgment::bare(name, &[0, 1], v, Some(u16::from(name == "c"))));
        assert_eq!(lowered(&panel, (1, 1), Unresolved::Missing)[0], Some((0.5 + 1.0 / 6.0) as f32));
        // Against one rejected response won, against the other lost.
        let list = [Judgment::bare("a", &[0, 1], v, Some(0)), Judgment::bare("a", &[2, 0], v, Some(0))];
        assert_eq!(lowered(&list, (1, 2), Unresolved::Missing), [Some(0.5), Some(-0.5), Some(1.5)]);
        let best = [Judgment::bare("a", &[3, 0, 2, 1], v, Some(1)), Judgment::bare("a", &[1, 2, 0, 3], v, Some(0))];
        assert_eq!(lowered(&best, (1, 3), Unresolved::Missing), [Some(0.5), Some(0.5), Some(0.0), Some(0.0)]);
        let mut ratings = [
            Judgment::bare("a", &[0], v, None),
            Judgment::bare("b", &[0], v, None),
            Judgment::bare("a", &[1], v, None),
        ];
        (ratings[0].rating, ratings[1].rating, ratings[2].rating) = (Some(8.0), Some(5.0), Some(7.0));
        assert_eq!(lowered(&ratings, (1, 1), Unresolved::Missing), [Some(6.5), Some(7.0)]);
        ratings[2].outcome = Outcome::Unparsed;
        assert_eq!(lowered(&ratings, (1, 1), Unresolved::Missing), [Some(6.5), None]);
        assert_eq!(lowered(&ratings, (1, 1), Unresolved::Tie), [Some(0.0), Some(0.0)]);
    }
}
