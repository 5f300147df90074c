//! Reward heads on one scale.
//!
//! The zero and the unit of a reward are arbitrary: a model trained twice as long may have rewards twice as
//! large, and would count twice in an average of heads. With mean μ and deviation σ of a model's rewards on a
//! shared pool of responses, the head's last layer W·h + b becomes W/σ·h + (b − μ)/σ, so that every model's
//! rewards there have mean 0 and deviation 1 (z-scoring; Mix Data or Merge Models, spec/papers.md row 3). A
//! head without bias keeps its zero: differences of rewards do not depend on it.

use tch::{Device, Kind};

use super::MergeError;
use super::settings::MergeSettings;
use super::sources::Source;
use crate::backbone::params::Params;
use crate::benchmark::dataset;
use crate::benchmark::reader::{self, ReadOptions};
use crate::device;
use crate::files;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::reward::RewardModel;
use crate::reward::artifact::{self, Rewards};
use crate::reward::embedding::EmbeddingModel;
use crate::reward::head::Head;
use crate::reward::options::{HeadKind, RewardOptions};
use crate::text::settings::TextOverrides;

/// What brings a head to mean 0 and deviation 1.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadScale {
    /// The last layer's name.
    layer: String,
    pub rewards: Rewards,
}

impl HeadScale {
    /// Scale and shift of a tensor's values.
    pub fn of(&self, name: &str) -> (f64, f64) {
        let Rewards { mean, deviation, .. } = self.rewards;
        match name.strip_prefix(&self.layer) {
            Some(".weight") => (1.0 / deviation, 0.0),
            Some(".bias") => (1.0 / deviation, -mean / deviation),
            _ => (1.0, 0.0),
        }
    }
}

/// The pairs that heads are matched on.
pub struct Pool {
    pairs: Vec<Comparison>,
    pub digests: Vec<String>,
    device: Device,
}

impl Pool {
    /// `None` where no matching was asked for.
    pub fn read(settings: &MergeSettings, progress: &mut dyn Progress) -> Result<Option<Self>, MergeError> {
        if settings.match_heads.is_empty() {
            return Ok(None);
        }
        let device = device::parse(&settings.device).map_err(|e| MergeError::Settings(e.to_string()))?;
        let options = ReadOptions {
            columns: settings.columns.clone(),
            lang: Some(settings.lang),
            embeddings: settings.models.iter().any(|model| EmbeddingModel::is_in(model.as_ref())),
            ..ReadOptions::default()
        };
        let (mut pairs, mut digests) = (Vec::new(), Vec::new());
        for path in dataset::local(&settings.match_heads, progress)? {
            digests.push(files::sha256_file(&path)?);
            let left = settings.match_limit.saturating_sub(pairs.len());
            pairs.extend(reader::open(&path, &options)?.take(left).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Some(Self { pairs, digests, device }))
    }

    /// Scores the pool with a model, and says how its head is to be changed.
    pub fn measure(&self, source: &Source, progress: &mut dyn Progress) -> Result<HeadScale, MergeError> {
        let head_error = |problem: String| MergeError::Head { model: source.name.clone(), problem };
        let dir = &source.parts.checkpoint;
        let (model, layer) = if EmbeddingModel::is_in(dir) {
            let model = EmbeddingModel::load(dir, self.device).map_err(Box::new)?;
            let layer = last_layer(model.head(), model.params());
            (RewardModel::Embedding(Box::new(model)), layer)
        } else {
            let (text, reward) = (TextOverrides::default(), RewardOptions::default());
            let model = artifact::load_to_score(&source.parts, self.device, Kind::Float, &text, &reward);
            let model = model.map_err(Box::new)?;
            let layer = last_layer(model.network.head(), model.network.params());
            (RewardModel::Scalar(Box::new(model)), layer)
        };
        let layer = layer.map_err(head_error)?;
        progress.begin("matching heads", self.pairs.len() as u64, "pairs");
        progress.note(&source.name);
        let scores = model.score(&self.pairs, &mut |n| progress.advance(n));
        progress.finish();
        let scores = scores.map_err(|e| MergeError::Reward { model: source.name.clone(), source: e })?;
        let rewards: Vec<f64> = scores.iter().flatten().filter_map(|score| score.reward.map(f64::from)).collect();
        let rewards = describe(&rewards).map_err(head_error)?;
        let Rewards { n, mean, deviation } = rewards;
        progress
            .line(&format!("{}: rewards of mean {mean:.4} and deviation {deviation:.4} on {n} responses", source.name));
        Ok(HeadScale { layer, rewards })
    }
}

/// Mean and deviation (ddof 0).
fn describe(rewards: &[f64]) -> Result<Rewards, String> {
    let n = rewards.len();
    if n < 2 {
        return Err(format!("the pairs have {n} rewards; a deviation needs two"));
    }
    let mean = rewards.iter().sum::<f64>() / n as f64;
    let deviation = (rewards.iter().map(|reward| (reward - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    match deviation > 0.0 {
        true => Ok(Rewards { n, mean, deviation }),
        false => Err("all rewards are the same, so they have no unit".into()),
    }
}

/// The layer whose output is the reward.
fn last_layer(head: &Head, params: &Params) -> Result<String, String> {
    if let Some(why) = head.untrainable(false) {
        return Err(why);
    }
    Ok(match head.kind() {
        HeadKind::Linear { name } => name.clone(),
        HeadKind::Pooler | HeadKind::Prediction => "classifier".to_owned(),
        HeadKind::Classification => "classifier.out_proj".to_owned(),
        HeadKind::Mlp { name } => {
            let index = |tensor: &String| {
                tensor.strip_prefix(name)?.strip_prefix('.')?.split('.').next()?.parse::<usize>().ok()
            };
            let last = params.keys().filter_map(index).max();
            last.map(|last| format!("{name}.{last}")).ok_or_else(|| format!("it has no layers `{name}.0`, …"))?
        }
        other => return Err(format!("the head {other} has no last layer of its own")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matched_head_gives_mean_0_and_deviation_1() {
        let rewards = describe(&[1.0, 3.0, 5.0, 7.0]).unwrap();
        assert_eq!((rewards.n, rewards.mean, rewards.deviation), (4, 4.0, 5.0f64.sqrt()));
        let scale = HeadScale { layer: "classifier".into(), rewards };
        // A layer with weight 2 and bias 1 on h = 0, 1, 2, 3.
        let ((w, _), (b, shift)) = (scale.of("classifier.weight"), scale.of("classifier.bias"));
        let matched = [0.0, 1.0, 2.0, 3.0].map(|h| 2.0 * w * h + 1.0 * b + shift);
        let again = describe(&matched).unwrap();
        assert!(again.mean.abs() < 1e-12 && (again.deviation - 1.0).abs() < 1e-12);
        assert_eq!(scale.of("model.norm.weight"), (1.0, 0.0));
        assert!(describe(&[2.0, 2.0]).is_err() && describe(&[2.0]).is_err());
    }
}
