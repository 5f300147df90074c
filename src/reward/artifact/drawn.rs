//! Models that are drawn, not read.

use std::path::Path;

use tch::{Device, Kind};

use super::{ArtifactError, assembled, within};
use crate::reward::head::HeadInit;
use crate::reward::network::Network;
use crate::reward::options::RewardOptions;
use crate::reward::preset::{Preset, SpecialIds};
use crate::reward::scalar::ScalarModel;
use crate::text::encode::TextPipeline;
use crate::text::settings::TextSettings;

/// Draws a model of a preset around a tokenizer that lies in `tokenizer_dir`, with a head as `reward` says.
#[allow(clippy::too_many_arguments)]
pub fn init(
    preset: &Preset,
    tokenizer_dir: &Path,
    settings: &TextSettings,
    head: HeadInit,
    seed: u64,
    compute: Kind,
    device: Device,
    reward: &RewardOptions,
) -> Result<ScalarModel, ArtifactError> {
    let text = TextPipeline::from_dir(tokenizer_dir, &within(settings, Some(preset.max_length as i64)))?;
    let wrong = |problem: &str| ArtifactError::Wrong { path: tokenizer_dir.to_owned(), problem: problem.to_owned() };
    let special = SpecialIds {
        pad: text.pad_id().ok_or_else(|| wrong("the tokenizer has no padding token"))?,
        bos: text.bos_id(),
        eos: text.eos_id().ok_or_else(|| wrong("the tokenizer has no end token"))?,
    };
    let config = preset.config(text.vocab_size(), special);
    let network = Network::init(config, reward, head, seed, compute, device)?;
    assembled(tokenizer_dir, network, text)
}
