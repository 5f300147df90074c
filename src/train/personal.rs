//! One user's rewards as a checkpoint of its own: of a user who was trained with, or of a new one.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::companion::users::{FILE, PROJECTION, difference};
use super::error::TrainError;
use super::heads::user::{Shot, fit};
use super::heads::{credit, mean, pal};
use crate::backbone::weights::Checkpoint;
use crate::metric::Estimate;
use crate::preference::Comparison;
use crate::reward::artifact;
use crate::reward::features::stacked;
use crate::reward::network::MissingHead;
use crate::reward::scalar::ScalarModel;

/// The weight of a linear head as transformers and rmbench call it.
const HEAD: &str = "score.weight";
/// Numbers of pairs after which a new user is looked at.
const SHOTS: [usize; 7] = [0, 1, 2, 4, 8, 16, 32];

fn refuse<T>(problem: String) -> Result<T, TrainError> {
    Err(TrainError::Begin(problem))
}

/// What a finished model keeps of its users.
fn kept(dir: &Path) -> Result<BTreeMap<String, Tensor>, TrainError> {
    let path = dir.join(FILE);
    if !path.is_file() {
        return refuse(format!("`{}` is missing: train with objective.name=individual first", path.display()));
    }
    Ok(Checkpoint::open_files(std::slice::from_ref(&path))?.take_all()?)
}

/// Writes the model in `dir` with `user`'s vector added to its head, w + Wᵀu, into `out`; of a fit of ideal points
/// ([`pal`]) the user's own.
pub fn write(dir: &Path, user: &str, out: &Path) -> Result<(), TrainError> {
    if dir.join(pal::FILE).is_file() {
        return pal::write_user(dir, user, out);
    }
    match difference(&kept(dir)?, user) {
        Ok(added) => write_with(dir, &added, out),
        Err(users) => {
            let path = dir.join(FILE);
            refuse(format!("`{}` has no user `{user}`; it has {}", path.display(), users.join(", ")))
        }
    }
}

fn write_with(dir: &Path, added: &Tensor, out: &Path) -> Result<(), TrainError> {
    let failed = |e: artifact::ArtifactError| TrainError::Begin(e.to_string());
    let model =
        artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).map_err(failed)?;
    // Memory of its own: what is loaded is the file's pages.
    model.network.train_where(|name| name == HEAD);
    let Some(head) = model.network.params().get(HEAD).filter(|head| head.size() == added.size()) else {
        return refuse(format!("the head of `{}` is not one linear layer `{HEAD}`", dir.display()));
    };
    let _no_grad = tch::no_grad_guard();
    let _ = head.shallow_clone().g_add_(added);
    artifact::save(out, &model, dir, Some("individual"), None).map_err(failed)
}

/// What the model in `dir` makes of a user's pairs.
pub fn shots(dir: &Path, model: &ScalarModel, pairs: &[Comparison]) -> Result<Vec<Shot>, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let tensors = kept(dir)?;
    let (Some(projection_kd), Some(head_1d)) = (tensors.get(PROJECTION), model.network.params().get(HEAD)) else {
        return refuse(format!("`{}` has no shared projection, or no head `{HEAD}`", dir.display()));
    };
    let encoded = model.text.encode_all(pairs).map_err(crate::reward::RewardError::from)?;
    let rows = model.features(&encoded, &mut |_| {}).map_err(|error| error.among(pairs))?;
    let floats = |tensor: Tensor| Vec::<f64>::try_from(&tensor.to_kind(Kind::Double)).unwrap_or_default();
    let shot = |sides: &Vec<Vec<f32>>| {
        let [chosen, rejected] = sides.as_slice() else {
            return refuse("a pair has not two responses".into());
        };
        let states_2d = stacked(&[chosen, rejected], Device::Cpu);
        let difference_1d = states_2d.narrow(0, 0, 1) - states_2d.narrow(0, 1, 1);
        let offset = difference_1d.matmul(&head_1d.transpose(0, 1)).double_value(&[0, 0]);
        Ok(Shot { offset, seen: floats(difference_1d.matmul(&projection_kd.transpose(0, 1)).squeeze_dim(0)) })
    };
    rows.iter().map(shot).collect()
}

/// Accuracy on a user's later pairs after so many of the first; all numbers on the same pairs.
pub fn by_shots(shots: &[Shot], ridge: f64) -> Vec<(usize, Option<Estimate>)> {
    let width = shots.first().map_or(0, |shot| shot.seen.len());
    let most = SHOTS.into_iter().rfind(|n| 2 * n <= shots.len()).unwrap_or(0);
    let tested: Vec<(String, &Shot)> =
        shots[most..].iter().enumerate().map(|(i, shot)| (i.to_string(), shot)).collect();
    let of = |n: usize| {
        let user = fit(&shots[..n], width, ridge);
        let credits = tested.iter().map(|(name, shot)| (name.as_str(), credit(shot.margin(&user))));
        (n, mean(credits, 0))
    };
    SHOTS.into_iter().filter(|n| *n <= most).map(of).collect()
}

/// Fits a new user's vector to all of the user's pairs and writes the user's rewards into `out`.
pub fn add(dir: &Path, user: &str, shots: &[Shot], ridge: f64, out: &Path) -> Result<(), TrainError> {
    let mut tensors = kept(dir)?;
    let width = shots.first().map_or(0, |shot| shot.seen.len());
    let vector = Tensor::from_slice(&fit(shots, width, ridge)).to_kind(Kind::Float);
    tensors.insert(format!("user.{user}"), vector);
    match difference(&tensors, user) {
        Ok(added) => write_with(dir, &added, out),
        Err(_) => refuse(format!("`{}` has no shared projection", dir.join(FILE).display())),
    }
}
