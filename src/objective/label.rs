//! What the data say of one comparison, as objectives read it.

use std::sync::Arc;

use crate::preference::Comparison;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Label {
    pub n_chosen: usize,
    pub n_rejected: usize,
    /// Sequences after the responses that are not compared as such: a composite's two ([`mapl`](super::mapl)),
    /// or a rationale ([`LmText::Rationale`](super::companions::LmText)).
    pub n_further: usize,
    /// How much clearer the preference is, in the data set's own unit.
    pub margin: Option<f64>,
    /// The probability that the chosen response is better, where the data give one.
    pub probability: Option<f64>,
    /// The share of annotators who chose the chosen response.
    pub vote_share: Option<f64>,
    /// Places of the responses in a ranking, smaller is better; empty: chosen before rejected.
    pub ranks: Vec<u32>,
    /// Ratings of the responses, for each as many as there are attributes; empty where there are none.
    pub ratings: Vec<Option<f64>>,
    /// The rejected response answers another prompt.
    pub other_prompt: bool,
    /// The reward from which unlabelled responses count as good, in this step.
    pub threshold: Option<f64>,
    /// Whose preference it is.
    pub user: Option<Arc<str>>,
    /// What the prompt is about ([`topic`](super::topic)); empty where nobody asks.
    pub topic: Vec<f64>,
    /// Log-probabilities of the responses by the policy that wrote them; empty where the data have none.
    pub behaviour: Vec<f64>,
}

impl Label {
    /// One chosen against one rejected response.
    pub fn pair(margin: Option<f64>) -> Self {
        Self { n_chosen: 1, n_rejected: 1, margin, ..Self::default() }
    }

    pub fn of(comparison: &Comparison) -> Self {
        let evidence = &comparison.evidence;
        Self {
            n_chosen: comparison.chosen.len(),
            n_rejected: comparison.rejected.len(),
            n_further: 0,
            margin: comparison.margin,
            probability: evidence.probability,
            vote_share: evidence.vote_share(),
            ranks: evidence.ranks.clone(),
            ratings: evidence.ratings.clone(),
            other_prompt: comparison.rejected.iter().any(|response| response.prompt.is_some()),
            threshold: None,
            user: evidence.user.clone(),
            topic: Vec::new(),
            behaviour: evidence.behaviour.clone(),
        }
    }

    pub fn n_responses(&self) -> usize {
        self.n_chosen + self.n_rejected
    }

    pub fn n_sequences(&self) -> usize {
        self.n_responses() + self.n_further
    }

    pub fn is_pair(&self) -> bool {
        (self.n_chosen, self.n_rejected) == (1, 1)
    }

    /// One response that nothing is said of.
    pub fn is_unlabelled(&self) -> bool {
        self.n_rejected == 0 && self.ratings.is_empty()
    }

    /// The probability that the chosen response is better: as the data give it, or the share of votes.
    pub fn soft(&self) -> Option<f64> {
        self.probability.or(self.vote_share)
    }

    pub fn is_tie(&self) -> bool {
        self.soft() == Some(0.5)
    }

    /// The place of response `index` in the ranking.
    pub fn rank(&self, index: usize) -> u32 {
        self.ranks.get(index).copied().unwrap_or(u32::from(index >= self.n_chosen))
    }
}
