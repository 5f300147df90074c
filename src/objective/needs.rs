//! What an objective needs of the data, checked before training starts.

use super::implicit::ReferenceOf;
use super::{Family, Objective, bradley_terry, companions::LmText, pointwise};
use crate::benchmark::columns::Part;
use crate::preference::{Comparison, Role};

/// What a comparison lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// Completes "it has no …".
    pub what: &'static str,
    /// The part that would hold it.
    pub part: Part,
}

/// Which shapes of comparison an objective takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shapes {
    /// One chosen, one rejected response.
    Pairs,
    /// Pairs, and single responses nothing is said of.
    PairsAndSingle,
    /// At least one on either side.
    Lists,
    Any,
}

impl Objective {
    fn shapes(&self) -> Shapes {
        match self.family() {
            Family::PlackettLuce(_) | Family::KWise(_) | Family::MultiPair(_) | Family::GroupContrast(_) => {
                Shapes::Lists
            }
            Family::Triple(_) | Family::Group(_) => Shapes::Lists,
            Family::Bce(_) | Family::Mse(_) => Shapes::Any,
            Family::Sspo(_) | Family::Sft(_) => Shapes::PairsAndSingle,
            Family::Sided(sided) if sided.takes_single() => Shapes::PairsAndSingle,
            _ => Shapes::Pairs,
        }
    }

    /// Whether rows that prefer neither response are of use.
    pub fn takes_ties(&self) -> bool {
        match self.family() {
            Family::BradleyTerry(bt) => bt.soft_labels,
            Family::Contrast(contrast) => contrast.soft_labels,
            Family::RaoKupper(_) | Family::Davidson(_) => true,
            _ => false,
        }
    }

    /// Whether every comparison is one chosen against one rejected response.
    pub fn takes_pairs_only(&self) -> bool {
        self.shapes() == Shapes::Pairs
    }

    /// Whether a comparison of this shape is of use.
    pub fn takes_shape(&self, comparison: &Comparison) -> bool {
        match self.shapes() {
            Shapes::Pairs => comparison.is_pair(),
            Shapes::PairsAndSingle => {
                comparison.is_pair() || (comparison.chosen.len() == 1 && comparison.rejected.is_empty())
            }
            Shapes::Lists => !comparison.chosen.is_empty() && !comparison.rejected.is_empty(),
            Shapes::Any => !comparison.chosen.is_empty(),
        }
    }

    /// What a training comparison of the right shape lacks; `None` where it has all.
    pub fn lack(&self, comparison: &Comparison) -> Option<Lack> {
        let evidence = &comparison.evidence;
        let lacks = |lacks: bool, what, part| lacks.then_some(Lack { what, part });
        let of_behaviour = self.policy().and_then(|needs| needs.reference) == Some(ReferenceOf::Behaviour);
        if of_behaviour && evidence.behaviour.is_empty() {
            let what = "log-probabilities by the policy that wrote the responses";
            return Some(Lack { what, part: Part::BehaviourChosen });
        }
        match self.family() {
            Family::BradleyTerry(bt) => of_pairs(bt, comparison).or_else(|| {
                let system = comparison.prompt.0.first().is_some_and(|turn| turn.role == Role::System);
                lacks(self.needs_context() && !system, "criteria and no system turn", Part::Criteria)
            }),
            Family::Bce(_) => {
                let given = evidence.ratings.iter().flatten();
                let all = evidence.ratings.iter().all(Option::is_some);
                lacks(comparison.rejected.is_empty() && evidence.ratings.is_empty(), "label", Part::Label)
                    .or(lacks(!all, "rating of every response", Part::Scores))
                    .or(lacks(given.clone().any(|r| !(0.0..=1.0).contains(r)), "rating between 0 and 1", Part::Scores))
            }
            Family::Mse(_) => {
                let counted = evidence.ratings.iter().any(|rating| pointwise::counts(*rating));
                lacks(!counted, "rating", Part::Scores)
            }
            Family::Sspo(_) => lacks(
                comparison.rejected.is_empty() && !evidence.ratings.is_empty(),
                "use for a rating: single responses are unlabelled here",
                Part::Label,
            ),
            Family::LmBeside(lm) if lm.text == LmText::Rationale => {
                lacks(evidence.rationale.is_none(), "rationale", Part::Rationale)
            }
            Family::Individual(_) => lacks(evidence.user.is_none(), "user", Part::User),
            Family::Contrast(contrast) => {
                let probability = evidence.probability.or(evidence.vote_share());
                lacks(contrast.soft_labels && probability.is_none(), "probability and no votes", Part::Label).or(lacks(
                    contrast.rationale > 0.0 && evidence.rationale.is_none(),
                    "rationale",
                    Part::Rationale,
                ))
            }
            Family::Sided(_) => {
                lacks(comparison.rejected.is_empty() && evidence.ratings.is_empty(), "label", Part::Label)
            }
            Family::Triple(_) => lacks(
                comparison.responses().count() != 3 || !is_strict(&evidence.ranks),
                "three responses in a strict ranking",
                Part::Ranks,
            ),
            Family::Group(group) => {
                let all = evidence.ratings.len() == comparison.responses().count()
                    && evidence.ratings.iter().all(Option::is_some);
                lacks(group.rating_weight > 0.0 && !all, "rating of every response", Part::Scores)
            }
            Family::Composite(composite) => {
                let parts = composite.parts().unwrap_or_default();
                parts.iter().find_map(|(part, _)| part.lack(comparison))
            }
            _ => None,
        }
    }
}

/// Every place is taken once.
fn is_strict(ranks: &[u32]) -> bool {
    (0..ranks.len() as u32).all(|rank| ranks.contains(&rank))
}

fn of_pairs(bt: &bradley_terry::BradleyTerry, comparison: &Comparison) -> Option<Lack> {
    let evidence = &comparison.evidence;
    let checks = [
        (bt.needs_margin() && !comparison.margin.is_some_and(f64::is_finite), "margin", Part::Margin),
        (bt.needs_votes() && evidence.votes.is_none(), "votes", Part::VotesA),
        (
            bt.needs_votes() && evidence.vote_share().is_some_and(|share| share < 0.5),
            "majority for its chosen response",
            Part::VotesB,
        ),
        (
            bt.soft_labels && evidence.probability.or(evidence.vote_share()).is_none(),
            "probability and no votes",
            Part::Label,
        ),
    ];
    checks.into_iter().find(|(lacks, ..)| *lacks).map(|(_, what, part)| Lack { what, part })
}
