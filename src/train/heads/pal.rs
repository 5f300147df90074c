//! Ideal points of users who are alike: PAL, model A (PAL: Pluralistic Alignment Framework for Learning from
//! Heterogeneous Preferences; code RamyaLab/pluralistic-alignment@fcfc03c).
//!
//! u_i = Σ_k softmax(w_i)_k·p_k, a mixture of K prototypes that all users share; f(y) = A·y. A response is the better
//! the closer it is: D = ‖f(rejected) − u‖ − ‖f(chosen) − u‖, loss −ln σ(D), or max(0, 1 − D). A new user is K numbers:
//! w_i alone is fitted. With `Closeness::Cosine` closeness is e^min(s, ln 100)·cos(f(y), u), s learnt.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{FeaturePair, credit, mean};
use crate::backbone::params::Params;
use crate::backbone::weights::Checkpoint;
use crate::metric::Estimate;
use crate::random;
use crate::reward::embedding;
use crate::train::error::TrainError;
use crate::train::optimizer::{AdamW, AdamWSettings, Group};

/// A distance has no slope at 0.
const EPS: f64 = 1e-12;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closeness {
    #[default]
    Distance,
    Cosine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    #[default]
    Logistic,
    Hinge,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PalSettings {
    /// Prototypes.
    pub k: i64,
    /// Rows of A; 0: as wide as the features.
    pub width: i64,
    pub closeness: Closeness,
    pub loss: Loss,
    pub steps: u64,
    pub lr: f64,
    pub weight_decay: f64,
    /// Beginnings that are tried; the one with the smallest loss stays.
    pub restarts: u64,
    pub seed: u64,
}

impl Default for PalSettings {
    fn default() -> Self {
        Self {
            k: 2,
            width: 0,
            closeness: Closeness::Distance,
            loss: Loss::Logistic,
            steps: 600,
            lr: 0.05,
            weight_decay: 1e-3,
            restarts: 3,
            seed: 0,
        }
    }
}

/// D of pairs [n]: features [n, d] through A [w, d], ideal points [n, w].
pub fn margins(
    chosen_nd: &Tensor,
    rejected_nd: &Tensor,
    projection_wd: &Tensor,
    ideal_nw: &Tensor,
    cosine_scale: Option<&Tensor>,
) -> Tensor {
    let kind = ideal_nw.kind();
    let seen = |features_nd: &Tensor| features_nd.matmul(&projection_wd.transpose(0, 1));
    let sum = |x: Tensor| x.sum_dim_intlist(1, false, kind);
    let closeness = |seen_nw: Tensor| match cosine_scale {
        None => -(sum((seen_nw - ideal_nw).square()) + EPS).sqrt(),
        Some(scale) => {
            let lengths = (sum(seen_nw.square()) + EPS).sqrt() * (sum(ideal_nw.square()) + EPS).sqrt();
            scale.clamp_max(100f64.ln()).exp() * sum(seen_nw * ideal_nw) / lengths
        }
    };
    closeness(seen(chosen_nd)) - closeness(seen(rejected_nd))
}

/// Loss [n] of margins [n].
pub fn losses(margins_n: &Tensor, loss: Loss) -> Tensor {
    match loss {
        Loss::Logistic => -margins_n.log_sigmoid(),
        Loss::Hinge => (-margins_n + 1.0).relu(),
    }
}

/// Mixtures [n, w] of prototypes [k, w] with weights [n, k].
pub fn ideal_points(weights_nk: &Tensor, prototypes_kw: &Tensor) -> Tensor {
    weights_nk.softmax(1, weights_nk.kind()).matmul(prototypes_kw)
}

const PROJECTION: &str = "projection";
const PROTOTYPES: &str = "prototypes";
const MIXTURES: &str = "mixtures";
const SCALE: &str = "scale";
const USER: &str = "user.";

pub struct Pal {
    settings: PalSettings,
    params: Params,
    users: Vec<Arc<str>>,
    /// Mean training loss.
    pub loss: f64,
}

/// Pairs as tensors.
struct Batch {
    chosen_nd: Tensor,
    rejected_nd: Tensor,
}

impl Batch {
    fn of(pairs: &[&FeaturePair]) -> Self {
        let rows = |side: &dyn Fn(&FeaturePair) -> Vec<f64>| {
            let width = pairs.first().map_or(0, |pair| pair.chosen.len()) as i64;
            let flat: Vec<f64> = pairs.iter().flat_map(|pair| side(pair)).collect();
            Tensor::from_slice(&flat).view([-1, width]).to_kind(Kind::Float)
        };
        Self { chosen_nd: rows(&|pair| pair.chosen.clone()), rejected_nd: rows(&|pair| pair.rejected.clone()) }
    }
}

impl Pal {
    /// Fits prototypes, projection and the users' mixtures.
    pub fn fit(pairs: &[FeaturePair], settings: PalSettings) -> Result<Self, TrainError> {
        let mut users: Vec<Arc<str>> = pairs.iter().filter_map(|pair| pair.user.clone()).collect();
        users.sort_unstable();
        users.dedup();
        let known: Vec<&FeaturePair> = pairs.iter().filter(|pair| pair.user.is_some()).collect();
        if users.len() < 2 {
            return Err(TrainError::Begin(format!("pal needs the pairs of two or more users, not {}", users.len())));
        }
        let row = |pair: &&FeaturePair| pair.user.as_ref().and_then(|user| users.binary_search(user).ok());
        let rows: Vec<i64> = known.iter().filter_map(row).map(|row| row as i64).collect();
        let (batch, rows) = (Batch::of(&known), Tensor::from_slice(&rows));
        let mut best: Option<Pal> = None;
        for restart in 0..settings.restarts.max(1) {
            let params = Self::drawn(&settings, &batch, users.len() as i64, restart);
            let loss = descend(&settings, &params, &[], &batch, &rows)?;
            if loss.is_finite() && best.as_ref().is_none_or(|other| loss < other.loss) {
                best = Some(Self { settings, params, users: users.clone(), loss });
            }
        }
        best.ok_or_else(|| TrainError::Begin("pal found no finite loss; a smaller learning rate may".into()))
    }

    fn drawn(settings: &PalSettings, batch: &Batch, users: i64, restart: u64) -> Params {
        let d = batch.chosen_nd.size()[1];
        let width = if settings.width > 0 { settings.width } else { d };
        let draw = random::uniform(settings.seed, "pal", restart.to_le_bytes());
        tch::manual_seed((draw * (1u64 << 53) as f64) as i64);
        let normal = |shape: [i64; 2]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        // As wide as they see everything; narrower, a random view.
        let projection = match width == d {
            true => Tensor::eye(d, (Kind::Float, Device::Cpu)),
            false => normal([width, d]) / (d as f64).sqrt(),
        };
        let spread = batch.chosen_nd.std(true).double_value(&[]).max(1e-6);
        let mut params = Params::from([
            (PROJECTION.to_owned(), projection),
            (PROTOTYPES.to_owned(), normal([settings.k.max(1), width]) * spread),
            (MIXTURES.to_owned(), normal([users, settings.k.max(1)]) * 0.01),
        ]);
        if settings.closeness == Closeness::Cosine {
            params.insert(SCALE.to_owned(), Tensor::from(1f32));
        }
        params.into_iter().map(|(name, tensor)| (name, tensor.set_requires_grad(true))).collect()
    }

    pub fn users(&self) -> &[Arc<str>] {
        &self.users
    }

    /// softmax(w) of a user: [k].
    pub fn shares(&self, user: &str) -> Option<Vec<f64>> {
        let row = self.users.iter().position(|known| **known == *user)?;
        let weights = self.params[MIXTURES].detach().get(row as i64).softmax(0, Kind::Double);
        Vec::<f64>::try_from(&weights).ok()
    }

    /// w of a user who was not trained with, from a few pairs.
    pub fn new_user(&self, shots: &[&FeaturePair]) -> Result<Tensor, TrainError> {
        let k = self.params[PROTOTYPES].size()[0];
        let weights = Tensor::zeros([1, k], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        if shots.is_empty() {
            return Ok(weights.detach());
        }
        let mut params: Params = self.params.iter().map(|(name, tensor)| (name.clone(), tensor.detach())).collect();
        params.insert(MIXTURES.to_owned(), weights.shallow_clone());
        let rows = Tensor::zeros([shots.len() as i64], (Kind::Int64, Device::Cpu));
        let settings = PalSettings { steps: self.settings.steps.min(200), ..self.settings };
        descend(&settings, &params, &[MIXTURES], &Batch::of(shots), &rows)?;
        Ok(weights.detach())
    }

    /// D of a user's pairs, by mixture weights [1, k].
    pub fn margins_of(&self, weights_1k: &Tensor, pairs: &[&FeaturePair]) -> Vec<f64> {
        if pairs.is_empty() {
            return Vec::new();
        }
        let _no_grad = tch::no_grad_guard();
        let batch = Batch::of(pairs);
        let ideal = ideal_points(weights_1k, &self.params[PROTOTYPES]);
        let scale = self.params.get(SCALE);
        let margins = margins(&batch.chosen_nd, &batch.rejected_nd, &self.params[PROJECTION], &ideal, scale);
        Vec::<f64>::try_from(&margins.to_kind(Kind::Double)).unwrap_or_default()
    }

    /// Mixture weights [1, k] of a user who was trained with.
    pub fn weights(&self, user: &str) -> Option<Tensor> {
        let row = self.users.iter().position(|known| **known == *user)?;
        Some(self.params[MIXTURES].detach().narrow(0, row as i64, 1))
    }

    /// By names, for a file.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut all: BTreeMap<String, Tensor> = self
            .params
            .iter()
            .filter(|(name, _)| *name != MIXTURES)
            .map(|(name, tensor)| (name.clone(), tensor.detach()))
            .collect();
        let rows = self.users.iter().enumerate();
        all.extend(
            rows.map(|(row, user)| {
                (format!("{USER}{user}"), self.params[MIXTURES].detach().select(0, row as i64).copy())
            }),
        );
        all
    }
}

/// Steps of AdamW over all pairs at once; `only` these parameters where some are named. The last mean loss.
fn descend(
    settings: &PalSettings,
    params: &Params,
    only: &[&str],
    batch: &Batch,
    rows: &Tensor,
) -> Result<f64, TrainError> {
    let trained = params.iter().filter(|(name, _)| only.is_empty() || only.contains(&name.as_str()));
    let mut optimizer = AdamW::new(
        trained.map(|(name, tensor)| (name.as_str(), tensor)),
        |_| Group::default(),
        AdamWSettings::default(),
    )?;
    let mut last = f64::NAN;
    for step in 0..settings.steps {
        let ideal_nw = ideal_points(&params[MIXTURES].index_select(0, rows), &params[PROTOTYPES]);
        let scale = params.get(SCALE);
        let margins_n = margins(&batch.chosen_nd, &batch.rejected_nd, &params[PROJECTION], &ideal_nw, scale);
        let loss = losses(&margins_n, settings.loss).mean(Kind::Float);
        last = loss.double_value(&[]);
        // A prior on mixtures: a user of whom little is known is a bit of everything.
        let prior = params[MIXTURES].square().sum(Kind::Float) * (settings.weight_decay / rows.size()[0].max(1) as f64);
        (loss + prior).backward();
        let rate = settings.lr * (1.0 - step as f64 / settings.steps as f64);
        optimizer.step(rate);
        optimizer.zero_grad();
    }
    Ok(last)
}

/// The file with `projection`, `prototypes`, `user.NAME` and, for cosines, `scale`.
pub const FILE: &str = "pal.safetensors";

/// Writes a user's ideal point as a head on vectors, from the fit in `dir`.
pub fn write_user(dir: &Path, user: &str, out: &Path) -> Result<(), TrainError> {
    let path = dir.join(FILE);
    let tensors = Checkpoint::open_files(std::slice::from_ref(&path))?.take_all()?;
    let refuse = |problem: String| Err(TrainError::Begin(format!("`{}` {problem}", path.display())));
    if tensors.contains_key(SCALE) {
        return refuse("compares directions; a head of one user is written for distances only".into());
    }
    let (Some(projection_wd), Some(prototypes_kw)) = (tensors.get(PROJECTION), tensors.get(PROTOTYPES)) else {
        return refuse("has no projection or no prototypes".into());
    };
    let Some(weights_k) = tensors.get(&format!("{USER}{user}")) else {
        let users: Vec<&str> = tensors.keys().filter_map(|name| name.strip_prefix(USER)).collect();
        return refuse(format!("has no user `{user}`; it has {}", users.join(", ")));
    };
    let point_w = ideal_points(&weights_k.unsqueeze(0), prototypes_kw).squeeze_dim(0);
    Ok(embedding::write_ideal_point(out, projection_wd, &point_w, None).map_err(Box::new)?)
}

/// How well users are known: those trained with on pairs kept apart, new ones by the number of their pairs seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub seen: Option<Estimate>,
    /// Pairs of a new user that were fitted to, and accuracy on that user's others.
    pub unseen: Vec<(usize, Option<Estimate>)>,
}

/// Numbers of pairs of a new user.
pub const SHOTS: [usize; 6] = [0, 1, 2, 5, 10, 20];

type ByUser<'a> = BTreeMap<&'a str, Vec<&'a FeaturePair>>;

/// Fits with a share of users and of pairs held out, and measures on these. Intervals resample users.
pub fn trial(pairs: &[FeaturePair], settings: PalSettings, held_out: f64) -> Result<Trial, TrainError> {
    let seed = settings.seed;
    let is_new = |user: &str| random::uniform(seed, "pal-users", user) < held_out;
    // A source is kept from all: its versions in other languages, or what others said of it, would give it away.
    let is_kept = |pair: &FeaturePair| random::uniform(seed, "pal-pairs", &*pair.source) < held_out;
    let mut train = Vec::new();
    let (mut seen, mut new) = (ByUser::new(), ByUser::new());
    for pair in pairs {
        let Some(user) = pair.user.as_deref() else { continue };
        if is_new(user) {
            new.entry(user).or_default().push(pair);
        } else if is_kept(pair) {
            seen.entry(user).or_default().push(pair);
        } else {
            train.push(pair.clone());
        }
    }
    let pal = Pal::fit(&train, settings)?;
    let credits = |user: &'_ str, weights: &Tensor, pairs: &[&FeaturePair]| -> Vec<(String, f64)> {
        pal.margins_of(weights, pairs).into_iter().map(|margin| (user.to_owned(), credit(margin))).collect()
    };
    let of = |all: Vec<(String, f64)>| mean(all.iter().map(|(user, credit)| (user.as_str(), *credit)), seed);
    let mut known = Vec::new();
    for (user, pairs) in &seen {
        if let Some(weights) = pal.weights(user) {
            known.extend(credits(user, &weights, pairs));
        }
    }
    let most = SHOTS[SHOTS.len() - 1];
    let mut unseen = Vec::new();
    for shots in SHOTS {
        let mut all = Vec::new();
        for (user, pairs) in new.iter().filter(|(_, pairs)| pairs.len() > most) {
            // The same pairs are measured whatever the number of shots.
            let weights = pal.new_user(&pairs[..shots])?;
            all.extend(credits(user, &weights, &pairs[most..]));
        }
        unseen.push((shots, of(all)));
    }
    Ok(Trial { seen: of(known), unseen })
}
