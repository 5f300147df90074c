//! What one optimiser step saw and did.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::TrainError;
use super::evaluation::{Sums, margin};
use super::prepare::{TrainPair, named};
use crate::lang::Lang;
use crate::objective::Label;

pub struct StepReport {
    pub sums: Sums,
    /// Of the stand-ins beside rejected responses.
    pub beside: Sums,
    pub languages: BTreeMap<Lang, Sums>,
    pub reward_mean: f64,
    pub reward_std: f64,
    pub grad_norm: f64,
    pub lr: f64,
    /// Mean next-token loss, where it was asked for.
    pub next_token: Option<f64>,
    pub mismatched: usize,
    pub tokens: usize,
    pub tokens_shared: usize,
    /// What a batch of the same sequences would hold, each as long as the longest; `None` where they have no tokens.
    pub tokens_padded: Option<usize>,
    /// Arithmetic of the step, where the model can say.
    pub flop: f64,
    pub micro_batches: usize,
    /// What the objective keeps, where it keeps something.
    pub objective: Value,
}

impl StepReport {
    /// A line of `steps.jsonl` after (step, phase, epoch).
    pub fn to_json(&self, step: u64, phase: &str, epoch: f64) -> Value {
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
        put("step", step.into());
        put("phase", phase.into());
        put("epoch", epoch.into());
        put("lr", self.lr.into());
        put("loss", self.sums.mean_loss().into());
        put("accuracy", self.sums.accuracy().into());
        put("ties", self.sums.ties.into());
        put("margin", self.sums.mean_margin().into());
        put("reward_mean", self.reward_mean.into());
        put("reward_std", self.reward_std.into());
        put("grad_norm", self.grad_norm.into());
        put("next_token_loss", self.next_token.into());
        put("mismatched", self.mismatched.into());
        put("beside_loss", self.beside.mean_loss().into());
        put("beside_accuracy", self.beside.accuracy().into());
        put("pairs", self.sums.n.into());
        put("compared", self.sums.compared.into());
        put("micro_batches", self.micro_batches.into());
        put("tokens", self.tokens.into());
        put("tokens_shared", self.tokens_shared.into());
        put("tokens_padded", self.tokens_padded.into());
        let languages = self.languages.iter().map(|(lang, sums)| (lang.code().to_owned(), sums.to_json().into()));
        put("languages", Value::Object(languages.collect()));
        if !self.objective.is_null() {
            put("objective", self.objective.clone());
        }
        json!(line)
    }

    /// For the person waiting.
    pub fn note(&self) -> String {
        match (self.sums.mean_loss(), self.sums.accuracy()) {
            (Some(loss), Some(accuracy)) => format!("loss {loss:.4}, accuracy {:.0} %", 100.0 * accuracy),
            (Some(loss), None) => format!("loss {loss:.4}"),
            _ => String::new(),
        }
    }
}

/// Sums over a step.
#[derive(Debug, Default)]
pub struct SeenSums {
    /// The pairs.
    pub sums: Sums,
    /// The stand-ins beside rejected responses.
    pub beside: Sums,
    /// The pairs by language.
    pub languages: BTreeMap<Lang, Sums>,
}

impl SeenSums {
    /// A row of a pair in this language, or of a stand-in beside one.
    fn add(&mut self, lang: Option<Lang>, margin: Option<f64>, loss: f64) {
        let add = |sums: &mut Sums| match margin {
            Some(margin) => sums.add(margin, loss),
            None => sums.add_loss(loss),
        };
        match lang {
            Some(lang) => {
                add(&mut self.sums);
                add(self.languages.entry(lang).or_default());
            }
            None => add(&mut self.beside),
        }
    }
}

/// Rewards and losses of a step's rows, in the order they were computed.
#[derive(Default)]
pub struct Seen {
    pub labels: Vec<Label>,
    /// The row's pair, by its place in the step, and whether the row is a stand-in beside it.
    pub pair: Vec<usize>,
    pub extra: Vec<bool>,
    /// One row's after the other.
    pub rewards: Vec<f64>,
    pub losses: Vec<f64>,
}

impl Seen {
    /// Label, pair, whether it is beside, rewards and loss of each row.
    fn rows(&self) -> impl Iterator<Item = (&Label, usize, bool, &[f64], f64)> {
        let mut rest = self.rewards.as_slice();
        let rewards = self.labels.iter().map(move |label| {
            let (own, after) = rest.split_at(label.n_sequences().min(rest.len()));
            rest = after;
            own
        });
        let marks = self.labels.iter().zip(&self.pair).zip(&self.extra);
        let numbers = rewards.zip(&self.losses);
        marks.zip(numbers).map(|(((label, &pair), &extra), (rewards, &loss))| (label, pair, extra, rewards, loss))
    }

    /// Sums over the pairs, and over the stand-ins beside them.
    pub fn sums<E>(&self, t: u64, pairs: &[&TrainPair<E>]) -> Result<SeenSums, TrainError> {
        let mut all = SeenSums::default();
        let mut broken = Vec::new();
        for (label, pair, extra, rewards, loss) in self.rows() {
            let finite = loss.is_finite() && rewards.iter().all(|reward| reward.is_finite());
            match margin(label, rewards).filter(|_| !label.is_tie()) {
                _ if !finite => broken.push(pairs[pair]),
                margin => all.add((!extra).then(|| pairs[pair].lang), margin, loss),
            }
        }
        if broken.is_empty() {
            return Ok(all);
        }
        let (n, of) = (broken.len(), self.labels.len());
        let what = format!("{n} of {of} pairs have a reward or loss that is not a finite number");
        Err(TrainError::NonFinite { step: t + 1, what, pairs: named(broken.into_iter()) })
    }

    /// Chosen and rejected rewards of the pairs themselves.
    pub fn sides(&self) -> [Vec<f64>; 2] {
        let of = |place: usize| {
            let pairs = self.rows().filter(|(label, _, extra, ..)| label.is_pair() && !extra);
            pairs.filter_map(|(_, _, _, rewards, _)| rewards.get(place).copied()).collect()
        };
        [of(0), of(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sums: Sums) -> StepReport {
        StepReport {
            sums,
            beside: Sums::default(),
            languages: BTreeMap::new(),
            reward_mean: 0.0,
            reward_std: 1.0,
            grad_norm: 1.0,
            lr: 0.1,
            next_token: None,
            mismatched: 0,
            tokens: 1,
            tokens_shared: 0,
            tokens_padded: None,
            flop: 0.0,
            micro_batches: 1,
            objective: Value::Null,
        }
    }

    #[test]
    fn the_note_is_short() {
        let mut sums = Sums::default();
        sums.add(1.0, 0.3);
        sums.add(-1.0, 1.3);
        assert_eq!(report(sums).note(), "loss 0.8000, accuracy 50 %");
        let mut single = Sums::default();
        single.add_loss(0.5);
        assert_eq!(report(single).note(), "loss 0.5000");
    }

    /// A pair, a list of which one rejected response leads, a tie and a single response.
    #[test]
    fn rows_are_compared_by_their_shape() {
        let seen = Seen {
            labels: vec![
                Label::pair(None),
                Label { n_rejected: 2, ..Label::pair(None) },
                Label { probability: Some(0.5), ..Label::pair(None) },
                Label { n_rejected: 0, ..Label::pair(None) },
            ],
            pair: vec![0; 4],
            extra: vec![false; 4],
            rewards: vec![1.0, 0.5, 2.0, 1.0, 3.0, 0.0, 9.0, 4.0],
            losses: vec![0.1; 4],
        };
        let pair = TrainPair {
            id: "i".into(),
            source: "i".into(),
            subset: "a".into(),
            lang: Lang::ENGLISH,
            row: 0,
            label: Label::pair(None),
            weight: 1.0,
            size: Default::default(),
            encoded: (),
            at: 0,
        };
        let SeenSums { sums, languages, .. } = seen.sums(0, &[&pair]).unwrap();
        assert_eq!(languages[&Lang::ENGLISH], sums);
        assert_eq!((sums.n, sums.compared, sums.correct, sums.margin), (4, 2, 1, -0.5));
        assert_eq!(seen.sides(), [vec![1.0, 0.0], vec![0.5, 9.0]]);
    }
}
