//! One user's rewards as a checkpoint of its own.

use std::path::Path;

use tch::{Device, Kind};

use super::companion::users::{FILE, difference};
use super::error::TrainError;
use crate::backbone::weights::Checkpoint;
use crate::reward::artifact;
use crate::reward::network::MissingHead;

/// The weight of a linear head as transformers and rmbench call it.
const HEAD: &str = "score.weight";

/// Writes the model in `dir` with `user`'s vector added to its head, w + Wᵀu, into `out`.
pub fn write(dir: &Path, user: &str, out: &Path) -> Result<(), TrainError> {
    let refuse = |problem: String| Err(TrainError::Begin(problem));
    let path = dir.join(FILE);
    if !path.is_file() {
        return refuse(format!("`{}` is missing: train with objective.name=individual first", path.display()));
    }
    let tensors = Checkpoint::open_files(std::slice::from_ref(&path))?.take_all()?;
    let added = match difference(&tensors, user) {
        Ok(added) => added,
        Err(users) => {
            return refuse(format!("`{}` has no user `{user}`; it has {}", path.display(), users.join(", ")));
        }
    };
    let failed = |e: artifact::ArtifactError| TrainError::Begin(e.to_string());
    let model =
        artifact::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse, None).map_err(failed)?;
    // Memory of its own: what is loaded is the file's pages.
    model.network.train_where(|name| name == HEAD);
    let Some(head) = model.network.params().get(HEAD).filter(|head| head.size() == added.size()) else {
        return refuse(format!("the head of `{}` is not one linear layer `{HEAD}`", dir.display()));
    };
    let _no_grad = tch::no_grad_guard();
    let _ = head.shallow_clone().g_add_(&added);
    artifact::save(out, &model, dir, Some("individual"), None).map_err(failed)
}
