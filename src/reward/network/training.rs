//! Passes that gradients go back through.

use tch::Tensor;

use super::Network;
use crate::backbone::{self, Dropout, DropoutKey, Pass, vocabulary};
use crate::random;
use crate::reward::RewardError;
use crate::reward::head::HeadStates;
use crate::text::batch::TokenBatch;

/// What a training pass gives before the head.
pub struct TrainingStates<'a> {
    /// What the head reads.
    pub states: HeadStates,
    /// [t, d] of all tokens, where they were asked for.
    pub hidden_td: Option<Tensor>,
    /// What is left to do after the loss's backward pass.
    pub rest: Option<Rest<'a>>,
}

/// The part of a backward pass that autograd does not see.
pub struct Rest<'a> {
    /// Through an output layer whose logits are made again.
    logits: Option<vocabulary::Rest>,
    /// Through layers that are computed again.
    layers: Option<backbone::Rest<'a>>,
}

impl<'a> Rest<'a> {
    pub(in crate::reward) fn of(logits: Option<vocabulary::Rest>, layers: Option<backbone::Rest<'a>>) -> Option<Self> {
        (logits.is_some() || layers.is_some()).then_some(Self { logits, layers })
    }

    /// Whether the layers' gradients are written out, not found by autograd.
    pub fn is_by_hand(&self) -> bool {
        matches!(self.layers, Some(backbone::Rest::ByHand(_)))
    }

    /// After the loss's own backward pass.
    pub fn backward(self) {
        if let Some(logits) = self.logits {
            logits();
        }
        if let Some(layers) = self.layers {
            layers.backward();
        }
    }
}

impl Network {
    /// Rewards [n] in f32 on the graph. The key fixes the dropout masks.
    pub fn rewards_for_training(
        &self,
        batch: &TokenBatch,
        dropout: Option<(Dropout, DropoutKey)>,
    ) -> Result<Tensor, RewardError> {
        self.forward(batch, self.training_pass(dropout))
    }

    /// What the head reads, on the graph; the hidden states [t, d] of all tokens where they are `wanted`. With
    /// `segment`, autograd keeps so many layers and the rest of the backward pass comes with them.
    pub fn states_for_training(
        &self,
        batch: &TokenBatch,
        dropout: Option<(Dropout, DropoutKey)>,
        wanted: bool,
        segment: Option<usize>,
    ) -> Result<TrainingStates<'_>, RewardError> {
        self.check(batch)?;
        let pass = self.training_pass(dropout);
        let positions = batch.read_positions().filter(|_| !wanted);
        let (states_xd, rest) = match (segment, &positions) {
            (Some(length), positions) => {
                let (states_xd, rest) = self.backbone.in_segments(batch, positions.as_deref(), pass, length);
                (states_xd, Some(rest))
            }
            (None, positions) => match (self.backbone.by_hand(batch, positions.as_deref(), pass), positions) {
                (Some((states_xd, rest)), _) => (states_xd, Some(rest)),
                (None, Some(positions)) => (self.backbone.hidden_at(batch, positions, pass), None),
                (None, None) => (self.backbone.hidden(batch, pass), None),
            },
        };
        let states = match positions {
            Some(_) => HeadStates::of_rows(states_xd.shallow_clone(), batch),
            None => HeadStates::of_stream(&states_xd, batch)?,
        };
        Ok(TrainingStates { states, hidden_td: wanted.then_some(states_xd), rest: Rest::of(None, rest) })
    }

    pub(in crate::reward) fn training_pass(&self, dropout: Option<(Dropout, DropoutKey)>) -> Pass {
        let seed = dropout.map_or(0, |(_, key)| seed_of(key));
        Pass { compute: self.compute, dropout: dropout.map(|(d, _)| d), seed }
    }
}

fn seed_of(key: DropoutKey) -> u64 {
    let mut bytes = key.step.to_le_bytes().to_vec();
    bytes.extend(key.micro.to_le_bytes());
    // 53 bits of a uniform draw are plenty to keep streams apart.
    (random::uniform(key.seed, "dropout", bytes) * (1u64 << 53) as f64) as u64
}
