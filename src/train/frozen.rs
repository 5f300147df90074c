//! A reward head trained on a trunk that stays as it is: the trunk is run once per response.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use tch::Tensor;

use super::error::TrainError;
use super::scalar::ScalarTrainable;
use super::settings::{Groups, ParameterGroup};
use super::trainable::{Ask, Forward, PairSize, Trainable};
use crate::backbone::params::Params;
use crate::backbone::{Dropout, DropoutKey};
use crate::preference::Comparison;
use crate::reward::RewardError;
use crate::reward::features::store::{FeatureError, FeatureStore};
use crate::reward::features::{content, states};
use crate::reward::head::{Head, HeadStates};
use crate::text::encode::Encoded;

/// A model whose head alone is trained, and the features of its trunk.
pub struct FrozenTrunk {
    inner: ScalarTrainable,
    store: RefCell<FeatureStore>,
}

/// What the head reads of a pair's responses.
#[derive(Debug, Clone)]
pub struct Features {
    pub rows: Vec<Arc<[f32]>>,
    pub(super) size: PairSize,
}

/// The vectors of several pairs, one after the other.
pub(super) fn rows<'a>(pairs: &[&'a Features]) -> Vec<&'a [f32]> {
    pairs.iter().flat_map(|pair| pair.rows.iter().map(|row| &**row)).collect()
}

/// What a head makes of states, as [`Trainable::forward`] gives it.
pub(super) fn through(head: &Head, states: HeadStates, ask: Ask) -> Result<Forward<'static>, RewardError> {
    if ask.next_token.is_some() {
        return Err(RewardError::Model("a reward head alone has no next-token loss".into()));
    }
    Ok(Forward {
        rewards_s: head.rewards(&states)?,
        next_token: None,
        attributes_sa: ask.attributes.then(|| head.attributes(&states)),
        states_sd: ask.states.map(|of| of.read(head, &states)),
        rest: None,
    })
}

impl FrozenTrunk {
    /// Opens the features in `dir`; those of another trunk are refused. The head is trained but for what `groups` freeze.
    pub fn new(inner: ScalarTrainable, dir: &Path, groups: &[ParameterGroup]) -> Result<Self, TrainError> {
        let groups = Groups::of(groups);
        let network = &inner.model.network;
        network.params().values().for_each(|tensor| _ = tensor.set_requires_grad(false));
        network.train_where(|name| network.is_of_head(name) && !groups.is_frozen(name));
        let key = inner.model.feature_key()?;
        let store = FeatureStore::open(dir, key).map_err(|e| TrainError::Begin(format!("{e}; {}", e.hint())))?;
        Ok(Self { inner, store: RefCell::new(store) })
    }

    /// How many responses' features are known.
    pub fn n_kept(&self) -> usize {
        self.store.borrow().len()
    }
}

fn failed(error: FeatureError) -> RewardError {
    RewardError::Model(format!("{error}; {}", error.hint()))
}

impl Trainable for FrozenTrunk {
    type Encoded = Features;

    /// Features of the comparisons' responses: kept ones, and for the rest the trunk's.
    fn encode(&self, comparisons: &[Comparison]) -> Result<Vec<Features>, RewardError> {
        let encoded = self.inner.encode(comparisons)?;
        let mut store = self.store.borrow_mut();
        let lacks = |encoded: &Encoded| {
            (0..encoded.sequences.len()).any(|sequence| store.get(&content(encoded, sequence)).is_none())
        };
        let lacking = encoded.iter().zip(comparisons).filter(|(encoded, _)| lacks(encoded));
        let (lacking, whose): (Vec<Encoded>, Vec<Comparison>) =
            lacking.map(|(encoded, comparison)| (encoded.clone(), comparison.clone())).unzip();
        if !lacking.is_empty() {
            let computed = self.inner.model.features(&lacking, &mut |_| {}).map_err(|e| e.among(&whose))?;
            for (encoded, rows) in lacking.iter().zip(computed) {
                for (sequence, row) in rows.into_iter().enumerate() {
                    store.add(content(encoded, sequence), row).map_err(failed)?;
                }
            }
            store.flush().map_err(failed)?;
        }
        let of = |encoded: &Encoded| {
            let rows = (0..encoded.sequences.len()).map(|sequence| store.get(&content(encoded, sequence)));
            let rows = rows.collect::<Option<Vec<_>>>();
            let rows = rows.ok_or_else(|| RewardError::Model("features of a response are missing".into()))?;
            Ok(Features { rows, size: PairSize { computed: encoded.sequences.len(), ..self.inner.size(encoded) } })
        };
        encoded.iter().map(of).collect()
    }

    fn size(&self, features: &Features) -> PairSize {
        features.size
    }

    fn params(&self) -> &Params {
        self.inner.params()
    }

    fn is_head(&self, name: &str) -> bool {
        self.inner.model.network.is_of_head(name)
    }

    fn rewards(&self, pairs: &[&Features], dropout: Option<(Dropout, DropoutKey)>) -> Result<Tensor, RewardError> {
        Ok(self.forward(pairs, dropout, Ask::default())?.rewards_s)
    }

    fn forward(
        &self,
        pairs: &[&Features],
        _dropout: Option<(Dropout, DropoutKey)>,
        ask: Ask,
    ) -> Result<Forward<'_>, RewardError> {
        let network = &self.inner.model.network;
        let states = states(&rows(pairs), self.inner.model.gate.is_some(), network.device);
        through(network.head(), states, ask)
    }

    fn save(&self, dir: &Path) -> Result<(), RewardError> {
        self.inner.save(dir)
    }
}
