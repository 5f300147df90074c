//! Individual preference vectors: r_u(y) = r_0(y) + u·(W h), one short vector u per user beside the common head.
//!
//! h is what the reward head reads. With a linear head a user's reward is again a linear head, w + Wᵀu:
//! `rmbench model personal` writes it as an ordinary checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::backbone::params::Params;
use crate::objective::companions::Individual;
use crate::random;
use crate::train::error::TrainError;
use crate::train::optimizer::{AdamW, AdamWSettings, Group};
use crate::train::prepare::TrainPair;

/// The file of a finished model that holds `projection` [k, d] and `user.NAME` [k].
pub const FILE: &str = "users.safetensors";
pub const PROJECTION: &str = "projection";
const VECTORS: &str = "vectors";
const USER: &str = "user.";

pub struct Users {
    settings: Individual,
    seed: u64,
    /// In order; a user's place is the row of the vectors.
    names: Vec<Arc<str>>,
    /// Once the width of the states is known.
    learnt: Option<(Params, AdamW)>,
}

impl Users {
    pub fn new<E>(settings: Individual, seed: u64, pairs: &[TrainPair<E>]) -> Result<Self, TrainError> {
        let mut names: Vec<Arc<str>> = pairs.iter().filter_map(|pair| pair.label.user.clone()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < 2 {
            let problem = format!("objective `individual` needs the pairs of two or more users, not {}", names.len());
            return Err(TrainError::Settings(problem));
        }
        Ok(Self { settings, seed, names, learnt: None })
    }

    /// The row of a pair's user.
    pub fn row<E>(&self, pair: &TrainPair<E>) -> Option<i64> {
        let user = pair.label.user.as_ref()?;
        self.names.binary_search(user).ok().map(|row| row as i64)
    }

    fn learnt(&mut self, width: i64, device: Device) -> Result<&mut (Params, AdamW), TrainError> {
        if self.learnt.is_none() {
            let (users, rank) = (self.names.len() as i64, self.settings.rank as i64);
            tch::manual_seed((random::uniform(self.seed, "individual", PROJECTION) * (1u64 << 53) as f64) as i64);
            let drawn = Tensor::randn([rank, width], (Kind::Float, Device::Cpu)) / (width as f64).sqrt();
            // Vectors of zeros: training begins with the common reward.
            let zeros = Tensor::zeros([users, rank], (Kind::Float, device));
            let params = Params::from([
                (PROJECTION.to_owned(), drawn.to_device(device).set_requires_grad(true)),
                (VECTORS.to_owned(), zeros.set_requires_grad(true)),
            ]);
            let settings = AdamWSettings { weight_decay: self.settings.weight_decay, ..AdamWSettings::default() };
            let optimizer = AdamW::new(
                params.iter().map(|(name, tensor)| (name.as_str(), tensor)),
                |_| Group::default(),
                settings,
            )?;
            self.learnt = Some((params, optimizer));
        }
        self.learnt.as_mut().ok_or_else(|| TrainError::Settings("objective `individual` has no users".into()))
    }

    /// u·(W h) of each sequence [s], on the graph; 0 where the row of the user is not known.
    pub fn extra(&mut self, states_sd: &Tensor, rows: &[Option<i64>]) -> Result<Tensor, TrainError> {
        let width = states_sd.size().get(1).copied().unwrap_or(1);
        let (params, _) = self.learnt(width, states_sd.device())?;
        let projected_sk = states_sd.matmul(&params[PROJECTION].transpose(0, 1));
        let places: Vec<i64> = rows.iter().map(|row| row.unwrap_or(0)).collect();
        let known: Vec<f64> = rows.iter().map(|row| f64::from(row.is_some())).collect();
        let device = states_sd.device();
        let vectors_sk = params[VECTORS].index_select(0, &Tensor::from_slice(&places).to_device(device));
        let known_s = Tensor::from_slice(&known).to_kind(states_sd.kind()).to_device(device);
        Ok((projected_sk * vectors_sk).sum_dim_intlist(1, false, states_sd.kind()) * known_s)
    }

    /// One update from the gradients that the step left.
    pub fn learn(&mut self) {
        if let Some((_, optimizer)) = &mut self.learnt {
            optimizer.step(self.settings.lr);
            optimizer.zero_grad();
        }
    }

    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let Some((params, optimizer)) = &self.learnt else { return BTreeMap::new() };
        let vectors = params[VECTORS].detach();
        let of_users = self.names.iter().zip(0..).map(|(name, row)| (format!("{USER}{name}"), vectors.select(0, row)));
        let projection = (PROJECTION.to_owned(), params[PROJECTION].detach());
        of_users.chain([projection]).chain(optimizer.state()).collect()
    }

    pub fn load(&mut self, mut tensors: BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        if tensors.is_empty() {
            return Ok(());
        }
        let broken = || TrainError::Settings("the checkpoint holds other users than the data".into());
        let projection = tensors.remove(PROJECTION).ok_or_else(broken)?;
        let mut vectors = Vec::with_capacity(self.names.len());
        for name in &self.names {
            vectors.push(tensors.remove(&format!("{USER}{name}")).ok_or_else(broken)?);
        }
        let width = projection.size().get(1).copied().ok_or_else(broken)?;
        let (params, optimizer) = self.learnt(width, projection.device())?;
        let _no_grad = tch::no_grad_guard();
        params[PROJECTION].shallow_clone().copy_(&projection);
        params[VECTORS].shallow_clone().copy_(&Tensor::stack(&vectors, 0));
        Ok(optimizer.load_state(tensors)?)
    }

    pub fn report(&self) -> Value {
        let norm = self.learnt.as_ref().map(|(params, _)| {
            params[VECTORS].detach().square().sum_dim_intlist(1, false, Kind::Float).sqrt().mean(Kind::Float)
        });
        json!({ "users": self.names.len(), "mean_norm": norm.map(|norm| norm.double_value(&[])) })
    }
}

/// What of a checkpoint's tensors a finished model keeps.
pub fn finished(tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.into_iter().filter(|(name, _)| name == PROJECTION || name.starts_with(USER)).collect()
}

/// The vector Wᵀu [1, d] that makes the common linear head a user's; an error lists the users there are.
pub fn difference(tensors: &BTreeMap<String, Tensor>, user: &str) -> Result<Tensor, Vec<String>> {
    let users = || tensors.keys().filter_map(|name| name.strip_prefix(USER)).map(str::to_owned).collect();
    match (tensors.get(PROJECTION), tensors.get(&format!("{USER}{user}"))) {
        (Some(projection_kd), Some(vector_k)) => Ok(vector_k.unsqueeze(0).matmul(projection_kd)),
        _ => Err(users()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::companion::tests::{matrix, numbers, reference};

    /// `tests/reference/companions.py`: values and gradients in f64.
    #[test]
    fn rewards_of_users_are_the_references() {
        let all = &reference()["users"];
        let params = Params::from([
            (PROJECTION.to_owned(), matrix(&all["projection"]).set_requires_grad(true)),
            (VECTORS.to_owned(), matrix(&all["vectors"]).set_requires_grad(true)),
        ]);
        let optimizer = AdamW::new([], |_| Group::default(), AdamWSettings::default()).unwrap();
        let names = vec!["a".into(), "b".into(), "c".into()];
        let learnt = Some((params.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect(), optimizer));
        let mut users = Users { settings: Individual::default(), seed: 0, names, learnt };
        let rows: Vec<Option<i64>> = all["rows"].as_array().unwrap().iter().map(Value::as_i64).collect();
        let extra = users.extra(&matrix(&all["states"]), &rows).unwrap();
        (&extra * Tensor::from_slice(&numbers(&all["weights"]))).sum(Kind::Double).backward();
        for (what, found) in [
            ("extra", extra.detach()),
            ("by_projection", params[PROJECTION].grad()),
            ("by_vectors", params[VECTORS].grad()),
        ] {
            let found = Vec::<f64>::try_from(found.reshape([-1])).unwrap();
            let expected = numbers(&all[what]);
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-9), "{what}: {found:?} {expected:?}");
        }
    }
}
