//! What the trainer needs of a model. Scalar reward models implement it; tests bring a tiny one.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Kind, Tensor};

use super::error::TrainError;
use super::prepare::TrainPair;
use crate::backbone::params::Params;
use crate::backbone::weights::Checkpoint;
use crate::backbone::{Dropout, DropoutKey};
use crate::objective::language_model::Every;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::reward::RewardError;
use crate::reward::head::{Head, HeadStates};
use crate::reward::network::Rest;
use crate::text::cut::Part;

/// What one pair costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairSize {
    /// Tokens that are computed, after prefix sharing.
    pub computed: usize,
    /// Tokens of its sequences, as if each were computed alone.
    pub sequences: usize,
    /// A sequence was cut to the length limit.
    pub truncated: bool,
    /// Chosen and rejected are the same tokens: a tie, whatever rounding makes of it.
    pub same: bool,
}

/// Which states of responses are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatesOf {
    /// What the reward head reads.
    Trunk,
    /// What its last layer reads: of a head of one layer the same.
    LastLayer,
}

impl StatesOf {
    pub fn read(self, head: &Head, states: &HeadStates) -> Tensor {
        match self {
            StatesOf::Trunk => states.pooled_nd.shallow_clone(),
            StatesOf::LastLayer => head.before_last(states),
        }
    }
}

/// What a forward pass should give beside rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// The language-model loss at these positions.
    pub next_token: Option<Every>,
    /// Of which sequence of each comparison, beside the prompts.
    pub text: usize,
    /// States [s, d].
    pub states: Option<StatesOf>,
    /// The head's labels, before they become one reward.
    pub attributes: bool,
}

/// What one forward pass gives, on the graph.
pub struct Forward<'a> {
    /// [s], as [`Trainable::rewards`] gives them.
    pub rewards_s: Tensor,
    /// Sum of −log p over next tokens.
    pub next_token: Option<Tensor>,
    /// [s, d], as they were asked for.
    pub states_sd: Option<Tensor>,
    /// [s, a], the head's labels; of a policy what [`column`](crate::objective::implicit::column) says.
    pub attributes_sa: Option<Tensor>,
    /// What is left to do after the backward pass of a loss made of these.
    pub rest: Option<Rest<'a>>,
}

impl Forward<'_> {
    /// Rewards alone.
    pub fn of(rewards_s: Tensor) -> Self {
        Self { rewards_s, next_token: None, states_sd: None, attributes_sa: None, rest: None }
    }
}

/// What a checkpoint holds of a model.
pub trait Saved {
    /// See [`Trainable::saved`].
    fn parameters(&self) -> Result<Vec<(&str, &Tensor)>, RewardError>;

    /// See [`Trainable::save`].
    fn write(&self, dir: &Path) -> Result<(), RewardError>;

    /// See [`Trainable::read`].
    fn written(&self, dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
        take_all(dir)
    }
}

impl<M: Trainable> Saved for M {
    fn parameters(&self) -> Result<Vec<(&str, &Tensor)>, RewardError> {
        self.saved()
    }

    fn write(&self, dir: &Path) -> Result<(), RewardError> {
        self.save(dir)
    }

    fn written(&self, dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
        self.read(dir)
    }
}

/// A model that gives rewards on the autograd graph.
pub trait Trainable {
    /// A pair as token ids.
    type Encoded;

    /// Token ids, one entry per comparison; sequences over the length limit come back cut and marked.
    fn encode(&self, comparisons: &[Comparison]) -> Result<Vec<Self::Encoded>, RewardError>;

    /// The same, with what is over the length limit cut by this rule; `None` where it cannot be.
    fn encode_cut(&self, _comparisons: &[Comparison], _part: Part) -> Result<Vec<Option<Self::Encoded>>, RewardError> {
        Err(RewardError::Model("this model cuts no prompts and responses".into()))
    }

    fn size(&self, encoded: &Self::Encoded) -> PairSize;

    /// Tokens of each of its sequences; empty where it has none.
    fn lengths(&self, _encoded: &Self::Encoded) -> Vec<usize> {
        Vec::new()
    }

    /// Multiplications and additions of a pair's forward and backward pass; `None` where the model cannot say.
    fn flop(&self, _encoded: &Self::Encoded) -> Option<f64> {
        None
    }

    /// Whether its layers drop something by themselves while it is trained.
    fn drops(&self) -> bool {
        false
    }

    /// Kind of activations.
    fn compute(&self) -> Kind {
        Kind::Float
    }

    /// All parameters by name; those that ask for gradients are trained, in place.
    fn params(&self) -> &Params;

    /// Whether a parameter belongs to the reward head.
    fn is_head(&self, name: &str) -> bool {
        ["score.", "classifier.", "bert.pooler.", "reward_head."].iter().any(|prefix| name.starts_with(prefix))
    }

    /// Rewards [s], at least in f32: comparisons in order, chosen before rejected. The graph is recorded
    /// unless the caller holds a no-grad guard; dropout masks are a function of the key.
    fn rewards(&self, pairs: &[&Self::Encoded], dropout: Option<(Dropout, DropoutKey)>) -> Result<Tensor, RewardError>;

    /// As [`Trainable::rewards`], and what else is asked for. Models without an output layer refuse a
    /// language-model loss.
    fn forward(
        &self,
        pairs: &[&Self::Encoded],
        dropout: Option<(Dropout, DropoutKey)>,
        ask: Ask,
    ) -> Result<Forward<'_>, RewardError> {
        if ask.next_token.is_some() {
            return Err(RewardError::Model("this model has no next-token loss".into()));
        }
        if ask.states.is_some() || ask.attributes {
            return Err(RewardError::Model("this model does not show what its head reads".into()));
        }
        Ok(Forward::of(self.rewards(pairs, dropout)?))
    }

    /// Next tokens that [`Trainable::forward`] predicts for this pair over sequence `text`.
    fn next_tokens(&self, _encoded: &Self::Encoded, _every: Every, _text: usize) -> usize {
        0
    }

    /// The pair with the chosen response of `donor`, or without one the end of the prompt, in place of its
    /// rejected response, or `beside` it as a third sequence; `None` where the model cannot, or where it is
    /// the chosen text.
    fn mismatched(
        &self,
        _pair: &Self::Encoded,
        _donor: Option<&Self::Encoded>,
        _beside: bool,
    ) -> Option<Self::Encoded> {
        None
    }

    /// Adds what training needs of encoded pairs beside their tokens, and the pairs alone decide: log-probabilities by a
    /// reference. What is costly is kept in the run's directory `out`.
    fn complete(
        &self,
        _pairs: &mut [TrainPair<Self::Encoded>],
        _out: &Path,
        _progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        Ok(())
    }

    /// Writes the model directory into `dir`, every parameter under its name and in its own element type
    /// in `model.safetensors` (or shards with an index). Equal parameters give equal bytes.
    fn save(&self, dir: &Path) -> Result<(), RewardError>;

    /// The parameters that [`Trainable::save`] writes: all, or those beside a frozen base.
    fn saved(&self) -> Result<Vec<(&str, &Tensor)>, RewardError> {
        Ok(self.params().iter().map(|(name, tensor)| (name.as_str(), tensor)).collect())
    }

    /// What [`Trainable::save`] wrote into `dir`, by parameter name.
    fn read(&self, dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
        take_all(dir)
    }
}

/// All tensors of a checkpoint.
pub(super) fn take_all(dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
    let read = Checkpoint::open_dir(dir).and_then(|checkpoint| checkpoint.take_all());
    read.map_err(|e| RewardError::Model(e.to_string()))
}
