//! A reward head trained on vectors that come with the data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tch::Tensor;

use super::begin::refuse_reference;
use super::error::TrainError;
use super::frozen::{Features, rows, through};
use super::record::{described, reward_options};
use super::settings::TrainSettings;
use super::trainable::{Ask, Forward, PairSize, Trainable};
use crate::backbone::params::Params;
use crate::backbone::{Dropout, DropoutKey};
use crate::device;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::RewardError;
use crate::reward::artifact::ProvenanceCard;
use crate::reward::embedding::EmbeddingModel;
use crate::reward::locate;

/// What `--model` says where a head on vectors is to be drawn.
pub const INIT: &str = "init:embeddings";

/// Whether a run trains a head on vectors.
pub fn is_wanted(settings: &TrainSettings) -> bool {
    let model = settings.source.model.as_deref();
    model.is_some_and(|model| model == INIT || EmbeddingModel::is_in(Path::new(model)))
}

pub struct Embedded {
    model: EmbeddingModel,
    objective: String,
    provenance: ProvenanceCard,
}

/// Draws a head as wide as the data's vectors, or loads one.
pub fn begin(
    settings: &TrainSettings,
    data: &[Comparison],
    data_digests: Vec<(PathBuf, String)>,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<(Embedded, RunInfo), TrainError> {
    refuse_reference(settings)?;
    let device = device::parse(&settings.source.device).map_err(|e| TrainError::Settings(e.to_string()))?;
    let spec = settings.source.model.as_deref().unwrap_or(INIT);
    let mut digests = BTreeMap::new();
    let model = if spec == INIT {
        let first = data.iter().flat_map(|comparison| comparison.responses()).find_map(|r| r.embedding.as_ref());
        let no_vectors = || TrainError::Begin(format!("`{INIT}` needs data with vectors, and these have none"));
        let width = first.ok_or_else(no_vectors)?.0.len() as i64;
        EmbeddingModel::init(width, &reward_options(settings), settings.head_init, settings.seed, device)
            .map_err(Box::new)?
    } else {
        digests = locate::digests(Path::new(spec))?;
        EmbeddingModel::load(Path::new(spec), device).map_err(Box::new)?
    };
    if let Some(why) = model.head().untrainable(settings.objective.n_attributes() > 0) {
        return Err(TrainError::Begin(why));
    }
    model.train_all();
    let n_params = model.params().values().map(Tensor::numel).sum::<usize>();
    progress.line(&format!("{spec}: vectors of {} numbers, a head of {n_params} parameters", model.width));
    let (run, provenance) = described(settings, data.len(), data_digests, digests, n_params, "embedding", out)?;
    let objective = settings.objective.name().to_owned();
    Ok((Embedded { model, objective, provenance }, run))
}

impl Trainable for Embedded {
    type Encoded = Features;

    fn encode(&self, comparisons: &[Comparison]) -> Result<Vec<Features>, RewardError> {
        let of = |comparison: &Comparison| {
            let vector = |response| self.model.vector(comparison, response).map(Arc::from);
            let rows: Vec<Arc<[f32]>> = comparison.responses().map(vector).collect::<Result<_, _>>()?;
            let same = matches!(&rows[..], [chosen, rejected] if chosen == rejected);
            let size = PairSize { computed: rows.len(), sequences: rows.len(), truncated: false, same };
            Ok(Features { rows, size })
        };
        comparisons.iter().map(of).collect()
    }

    fn size(&self, features: &Features) -> PairSize {
        features.size
    }

    fn params(&self) -> &Params {
        self.model.params()
    }

    fn is_head(&self, _name: &str) -> bool {
        true
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
        through(self.model.head(), self.model.states(&rows(pairs)), ask)
    }

    fn save(&self, dir: &Path) -> Result<(), RewardError> {
        let provenance = Some(self.provenance.clone());
        self.model.save(dir, Some(&self.objective), provenance).map_err(|e| RewardError::Model(e.to_string()))
    }
}
