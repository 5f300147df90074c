//! The model of a run together with what its provenance says of it.

use std::time::Duration;

use super::ScoreError;
use super::settings::ScoreSettings;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::mock::{Mock, MockRule};
use crate::reward::{ResponseScore, RewardModel};
use crate::text::encode::{Encoded, TextPipeline};

/// Microseconds that a mock takes per comparison, so that tests can interrupt a run.
pub const MOCK_DELAY_VARIABLE: &str = "RMBENCH_MOCK_DELAY_US";

/// A loaded model, ready to score.
pub struct Scorer {
    model: RewardModel,
    /// Provenance without the data's digests and the settings.
    info: RunInfo,
    delay: Option<Duration>,
}

impl Scorer {
    /// Loads the model that the settings name; one on the hub is brought first.
    pub fn load(settings: &ScoreSettings, progress: &mut dyn Progress) -> Result<Self, ScoreError> {
        let spec = settings.model()?;
        let rule = match spec {
            "mock" | "mock:length" => MockRule::Length,
            "mock:random" => MockRule::Random { seed: settings.seed },
            _ => return load_model(spec, settings, progress),
        };
        let mut info = RunInfo::of_this_binary(&settings.run_name()?, spec, "mock");
        info.seed = settings.seed;
        let delay = std::env::var(MOCK_DELAY_VARIABLE).ok().and_then(|us| us.parse().ok()).map(Duration::from_micros);
        Ok(Self { model: RewardModel::Mock(Mock { rule }), info, delay })
    }

    /// Provenance of the model; data and settings are the plan's to add.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// How texts become tokens; `None` for models that see characters.
    pub fn pipeline(&self) -> Option<&TextPipeline> {
        match &self.model {
            #[cfg(feature = "torch")]
            RewardModel::Scalar(model) => Some(&model.text),
            _ => None,
        }
    }

    /// What a user should know of the model before it scores.
    pub fn warnings(&self) -> Vec<String> {
        match &self.model {
            #[cfg(feature = "torch")]
            RewardModel::Scalar(model) => crate::reward::padding::warning(model).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether some response of an item will be cut to fit; `None` where that cannot be known.
    pub fn is_over_long(&self, comparison: &Comparison) -> Result<Option<bool>, ScoreError> {
        let Some(pipeline) = self.pipeline() else { return Ok(None) };
        Ok(Some(pipeline.encode(comparison)?.truncated.contains(&true)))
    }

    /// See [`RewardModel::score`]; `encoded` are the comparisons' tokens by [`Scorer::pipeline`].
    pub fn score(
        &self,
        comparisons: &[Comparison],
        encoded: Option<&[Encoded]>,
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<ResponseScore>>, ScoreError> {
        let mut paced = |n: u64| {
            if let Some(delay) = self.delay {
                std::thread::sleep(delay.saturating_mul(n as u32));
            }
            done(n);
        };
        Ok(match encoded {
            Some(encoded) => self.model.score_encoded(comparisons, encoded, &mut paced)?,
            None => self.model.score(comparisons, &mut paced)?,
        })
    }
}

/// Models from disk.
fn load_model(spec: &str, settings: &ScoreSettings, progress: &mut dyn Progress) -> Result<Scorer, ScoreError> {
    if spec.starts_with("mock") {
        let hint = "scorers without a model are mock:length and mock:random".to_owned();
        return Err(ScoreError::Model { spec: spec.to_owned(), hint });
    }
    #[cfg(feature = "torch")]
    {
        let (model, info) = super::load::scalar(spec, settings, progress)?;
        Ok(Scorer { model: RewardModel::Scalar(Box::new(model)), info, delay: None })
    }
    #[cfg(not(feature = "torch"))]
    {
        let _ = (settings, progress);
        let hint = "this rmbench was built without libtorch; use mock:length or mock:random".to_owned();
        Err(ScoreError::Model { spec: spec.to_owned(), hint })
    }
}
