//! What the reward head reads of each response: the last word of the trunk, computed once and kept.
//!
//! A trunk that is not trained says the same of a response every time. Its states are kept on disk
//! ([`store`]) by the tokens they were computed from, so that heads are trained on them in seconds.

pub mod store;
pub mod table;

use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use super::RewardError;
use super::head::HeadStates;
use super::in_batches::each_batch;
use super::network::Network;
use super::scalar::{ScalarModel, floats};
use crate::text::encode::Encoded;
use crate::text::pooling::Pooling;
use store::{Content, FeatureKey};

/// Elements hashed at a time.
const PIECE: i64 = 1 << 20;

impl ScalarModel {
    /// What the features of this model depend on beside the tokens.
    pub fn feature_key(&self) -> Result<FeatureKey, RewardError> {
        if matches!(self.pooling, Pooling::Tokens { .. }) {
            let why = "its head reads every token of a response, not one state";
            return Err(RewardError::Model(format!("features cannot be kept for this model: {why}")));
        }
        let gate = self.gate.as_ref().map(|pattern| format!(", gate {pattern:?}")).unwrap_or_default();
        Ok(FeatureKey {
            trunk: self.trunk_digest()?,
            pooling: format!("{:?}{gate}", self.pooling),
            dtype: format!("{:?}", self.network.compute),
        })
    }

    /// SHA-256 of the trunk: its configuration and every tensor, with name, kind and shape.
    fn trunk_digest(&self) -> Result<String, RewardError> {
        let mut hasher = Sha256::new();
        hasher.update(format!("{:?}", self.network.config.family));
        let trunk = self.network.params().iter().filter(|(name, _)| !self.network.is_of_head(name));
        let mut buffer = Vec::new();
        for (name, tensor) in trunk {
            hasher.update(format!("\n{name} {:?} {:?}\n", tensor.kind(), tensor.size()));
            let failed = |e: tch::TchError| RewardError::Model(format!("tensor `{name}` cannot be read: {e}"));
            let flat = tensor.detach().contiguous().f_view([-1]).map_err(failed)?;
            let (n, size) = (flat.numel() as i64, tensor.kind().elt_size_in_bytes());
            for at in (0..n).step_by(PIECE as usize) {
                let count = PIECE.min(n - at);
                let piece = flat.f_narrow(0, at, count).and_then(|piece| piece.f_to_device(Device::Cpu));
                buffer.resize(count as usize * size, 0);
                piece.and_then(|piece| piece.f_copy_data_u8(&mut buffer, count as usize)).map_err(failed)?;
                hasher.update(&buffer);
            }
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Features of every sequence: outer comparisons, inner in their order, computed without gradients. Where the
    /// head has a gate, what that reads follows on what the head reads ([`states`] takes the two apart).
    /// `done(n)` is called as n more comparisons are finished.
    pub fn features(&self, encoded: &[Encoded], done: &mut dyn FnMut(u64)) -> Result<Vec<Vec<Vec<f32>>>, RewardError> {
        let mut found: Vec<Vec<Vec<f32>>> = encoded.iter().map(|e| vec![Vec::new(); e.sequences.len()]).collect();
        each_batch(self, self, encoded, features_of, done, |(owners, rows): Rows| {
            for ((comparison, response), row) in owners.into_iter().zip(rows) {
                found[comparison][response] = row;
            }
        })?;
        Ok(found)
    }
}

impl Network {
    /// Whether a parameter is the reward head's.
    pub fn is_of_head(&self, name: &str) -> bool {
        self.head_params.contains(name)
    }
}

/// Comparison and response of each row, and the rows.
type Rows = (Vec<(usize, usize)>, Vec<Vec<f32>>);

fn features_of(model: &ScalarModel, members: &[(usize, &Encoded)]) -> Result<Rows, RewardError> {
    let _no_grad = tch::no_grad_guard();
    let batch = model.token_batch(members)?;
    let states = model.network.head_states(&batch)?;
    let states_nd = match (&states.gate_nd, &states.tokens) {
        (_, Some(_)) => {
            return Err(RewardError::Model("the head reads every token of a response, not one state".into()));
        }
        (Some(gate_nd), None) => Tensor::cat(&[&states.pooled_nd, gate_nd], 1),
        (None, None) => states.pooled_nd,
    };
    let width = states_nd.size().last().copied().unwrap_or(1).max(1) as usize;
    let all = floats(&states_nd.reshape([-1]))?;
    Ok((batch.owners, all.chunks(width).map(<[f32]>::to_vec).collect()))
}

/// What a sequence is known by: SHA-256 of its tokens and of the segments they belong to.
pub fn content(encoded: &Encoded, sequence: usize) -> Content {
    let mut hasher = Sha256::new();
    let tokens = encoded.sequences.get(sequence).into_iter().flatten();
    tokens.for_each(|id| hasher.update(id.to_le_bytes()));
    if let Some(segments) = encoded.segments.get(sequence).filter(|segments| segments.iter().any(|id| *id > 0)) {
        hasher.update(b"segments");
        segments.iter().for_each(|id| hasher.update(id.to_le_bytes()));
    }
    hasher.finalize().into()
}

/// Features of several sequences as a head reads them.
pub fn states(rows: &[&[f32]], has_gate: bool, device: Device) -> HeadStates {
    let rows_nd = stacked(rows, device);
    if !has_gate {
        return HeadStates { pooled_nd: rows_nd, gate_nd: None, tokens: None };
    }
    let width = rows_nd.size()[1] / 2;
    let (pooled_nd, gate_nd) = (rows_nd.narrow(1, 0, width), rows_nd.narrow(1, width, width));
    HeadStates { pooled_nd, gate_nd: Some(gate_nd), tokens: None }
}

/// Vectors as one tensor [n, d].
pub fn stacked(rows: &[&[f32]], device: Device) -> Tensor {
    let width = rows.first().map_or(0, |row| row.len()) as i64;
    Tensor::from_slice(&rows.concat()).view([-1, width]).to_kind(Kind::Float).to_device(device)
}
