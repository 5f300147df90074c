//! The forward passes of one step: what is asked of the model, and the same for every micro-batch.

use std::collections::BTreeMap;

use tch::Tensor;

use super::companion::balance::Balance;
use super::companion::shift;
use super::error::TrainError;
use super::settings::TrainSettings;
use super::stand_ins::Step;
use super::trainable::{Ask, Forward, StatesOf, Trainable};
use super::values::to_f64;
use crate::backbone::{Dropout, DropoutKey};
use crate::objective::language_model::Every;

pub struct Passes<'a> {
    settings: &'a TrainSettings,
    t: u64,
    ask: Ask,
}

impl<'a> Passes<'a> {
    /// Of step `t`; `prefers`: it is one of preference learning.
    pub fn of(settings: &'a TrainSettings, t: u64, lm_weight: f64, prefers: bool, states: Option<StatesOf>) -> Self {
        let next_token = (lm_weight > 0.0).then_some(Every { stride: settings.lm_stride, offset: t });
        let text = if prefers { settings.objective.lm_text() } else { 0 };
        let attributes = prefers && settings.objective.n_attributes() > 0;
        Self { settings, t, ask: Ask { next_token, text, states: states.filter(|_| prefers), attributes } }
    }

    /// Next tokens predicted of a pair: the mean is over those of the whole step.
    pub fn next_tokens<M: Trainable>(&self, model: &M, encoded: &M::Encoded) -> usize {
        self.ask.next_token.map_or(0, |every| model.next_tokens(encoded, every, self.ask.text))
    }

    /// The micro-batch number `micro`, of these pairs of the step.
    pub fn run<'m, M: Trainable>(
        &self,
        model: &'m M,
        drawn: &Step<M::Encoded>,
        piece: &[usize],
        micro: usize,
    ) -> Result<Forward<'m>, TrainError> {
        let encoded = drawn.encoded();
        let members: Vec<&M::Encoded> = piece.iter().map(|&index| encoded[index]).collect();
        let key = DropoutKey { seed: self.settings.seed, step: self.t, micro: micro as u64 };
        let rates = self.settings.dropout.rates().or_else(|| model.drops().then(Dropout::none));
        let dropout = rates.map(|rates| (rates, key));
        Ok(model.forward(&members, dropout, self.ask)?)
    }

    /// Refuses a step of several micro-batches where the objective compares all of its pairs.
    pub fn refuse_pieces(&self, costs: &[usize], pieces: usize) -> Result<(), TrainError> {
        let objective = &self.settings.objective;
        if pieces < 2 || !objective.policy().is_some_and(|needs| needs.whole_step) {
            return Ok(());
        }
        Err(TrainError::Settings(format!(
            "objective `{}` looks at all pairs of a step at once; step {} has {} tokens: set token-budget to that or more, \
             or a smaller batch-size",
            objective.name(),
            self.t + 1,
            costs.iter().sum::<usize>()
        )))
    }

    /// What a policy says of the step's sequences, without gradients: by micro-batch, with the labels.
    pub fn seen<M: Trainable>(
        &self,
        model: &M,
        drawn: &Step<M::Encoded>,
        pieces: &[Vec<usize>],
    ) -> Result<Vec<shift::Seen>, TrainError> {
        let _no_grad = tch::no_grad_guard();
        let of_piece = |(micro, piece): (usize, &Vec<usize>)| {
            let columns = self.run(model, drawn, piece, micro)?.attributes_sa;
            Ok((columns.as_ref().map(to_f64).unwrap_or_default(), drawn.compared(piece).labels(drawn, None)))
        };
        pieces.iter().enumerate().map(of_piece).collect()
    }

    /// The gradient of each group's mean loss over the step by the reward head's parameters. The micro-batches
    /// are run once more for it, without a backward pass through the trunk.
    pub fn head_gradients<M: Trainable>(
        &self,
        model: &M,
        drawn: &Step<M::Encoded>,
        pieces: &[Vec<usize>],
        balance: &Balance,
    ) -> Result<BTreeMap<String, Vec<f64>>, TrainError> {
        let head = model.params().iter().filter(|(name, param)| model.is_head(name) && param.requires_grad());
        let head: Vec<&Tensor> = head.map(|(_, param)| param).collect();
        let rewards_only = Passes { ask: Ask::default(), ..*self };
        let mut sums: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (micro, piece) in pieces.iter().enumerate() {
            let rewards_s = rewards_only.run(model, drawn, piece, micro)?.rewards_s;
            let compared = drawn.compared(piece);
            let labels = compared.labels(drawn, None);
            let losses_n = compared.losses(&self.settings.objective, &rewards_s, &labels)?;
            let weights_n = Tensor::from_slice(&compared.weights(drawn, &vec![1.0; drawn.pairs.len()]));
            let losses_n = &losses_n * weights_n.to_kind(losses_n.kind()).to_device(losses_n.device());
            let mut groups: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
            for (row, &pair) in compared.pair.iter().enumerate().filter(|(row, _)| !compared.is_stand_in(*row)) {
                groups.entry(balance.group(drawn.pairs[pair])).or_default().push(row as i64);
            }
            for (group, rows) in groups {
                let rows = Tensor::from_slice(&rows).to_device(losses_n.device());
                let loss = losses_n.index_select(0, &rows).sum(losses_n.kind());
                let gradients = Tensor::run_backward(&[loss], &head, true, false);
                let gradient: Vec<f64> = gradients.iter().flat_map(to_f64).collect();
                match sums.get_mut(group) {
                    Some(sum) => sum.iter_mut().zip(gradient).for_each(|(sum, new)| *sum += new),
                    None => {
                        sums.insert(group.to_owned(), gradient);
                    }
                }
            }
        }
        // A sum and a mean have the same direction, and only that is used.
        Ok(sums)
    }
}
