//! The model of a run together with what its provenance says of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ScoreError;
use super::settings::ScoreSettings;
use crate::judge::local::Respond;
use crate::judge::{Extras, Judge, JudgeError, Judgment};
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::mock::{Mock, MockRule};
use crate::reward::{ResponseScore, RewardModel, States};
use crate::table::implicit::View;
use crate::text::encode::{Encoded, TextPipeline};

/// Microseconds that a mock takes per comparison, so that tests can interrupt a run.
pub const MOCK_DELAY_VARIABLE: &str = "RMBENCH_MOCK_DELAY_US";

/// What gives the evidence.
enum Model {
    Scores(RewardModel),
    Judges(Box<Judge>),
}

/// The two honest shapes of evidence, by comparison.
pub enum Evaluation {
    /// A reward of every response.
    Scored(Vec<Vec<ResponseScore>>),
    /// Also what the reward head read of it.
    WithStates(Vec<Vec<ResponseScore>>, States),
    Judged(Vec<Vec<Judgment>>),
}

/// A loaded model, ready to score.
pub struct Scorer {
    model: Model,
    /// Provenance without the data's digests and the settings.
    info: RunInfo,
    delay: Option<Duration>,
    /// Whether hidden states are wanted, too.
    features: bool,
}

impl Scorer {
    /// Loads the model that the settings name; one on the hub is brought first.
    pub fn load(settings: &ScoreSettings, progress: &mut dyn Progress) -> Result<Self, ScoreError> {
        let spec = settings.model()?;
        if settings.features && (spec.starts_with("mock") || !settings.judge.is_off()) {
            let problem = "only a reward model that is loaded here has hidden states".to_owned();
            return Err(ScoreError::Setting { key: "features", problem });
        }
        if !settings.judge.is_off() {
            return open_judge(spec, settings, progress);
        }
        let rule = match spec {
            "mock" | "mock:length" => MockRule::Length,
            "mock:random" => MockRule::Random { seed: settings.seed },
            _ => return load_model(spec, settings, progress),
        };
        let mut info = RunInfo::of_this_binary(&settings.run_name()?, spec, "mock");
        info.seed = settings.seed;
        Ok(Self { model: Model::Scores(RewardModel::Mock(Mock { rule })), info, delay: delay(), features: false })
    }

    /// Provenance of the model; data and settings are the plan's to add.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// How texts become tokens; `None` for models that see characters.
    pub fn pipeline(&self) -> Option<&TextPipeline> {
        match &self.model {
            #[cfg(feature = "torch")]
            Model::Scores(RewardModel::Scalar(model)) => Some(&model.text),
            #[cfg(feature = "torch")]
            Model::Scores(RewardModel::Implicit(model)) => Some(&model.policy.text),
            _ => None,
        }
    }

    /// How rewards are made of log-probabilities; `None` where they are not.
    pub fn view(&self) -> Option<View> {
        match &self.model {
            #[cfg(feature = "torch")]
            Model::Scores(RewardModel::Implicit(model)) => Some(model.view),
            _ => None,
        }
    }

    /// Whether a model on this machine computes the evidence.
    pub fn computes(&self) -> bool {
        self.pipeline().is_some() || self.judge().is_some_and(Judge::is_local)
    }

    /// What a user should know of the model before it scores.
    pub fn warnings(&self) -> Vec<String> {
        match &self.model {
            #[cfg(feature = "torch")]
            Model::Scores(RewardModel::Scalar(model)) => crate::reward::padding::warning(model).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether some response of an item will be cut to fit; `None` where that cannot be known.
    pub fn is_over_long(&self, comparison: &Comparison) -> Result<Option<bool>, ScoreError> {
        let Some(pipeline) = self.pipeline() else { return Ok(None) };
        Ok(Some(pipeline.encode(comparison)?.truncated.contains(&true)))
    }

    /// Whether the run writes hidden states.
    pub fn writes_features(&self) -> bool {
        self.features
    }

    /// The judge, where the evidence is judgments.
    pub fn judge(&self) -> Option<&Judge> {
        match &self.model {
            Model::Judges(judge) => Some(judge),
            Model::Scores(_) => None,
        }
    }

    /// Evidence about every comparison; `extras` holds what the data say beside prompt and responses,
    /// `encoded` the comparisons' tokens by [`Scorer::pipeline`]. See [`RewardModel::score`] and
    /// [`Judge::judge`].
    pub fn evaluate(
        &self,
        comparisons: &[Comparison],
        extras: &[Extras],
        encoded: Option<&[Encoded]>,
        done: &mut dyn FnMut(u64),
    ) -> Result<Evaluation, ScoreError> {
        let mut paced = |n: u64| {
            if let Some(delay) = self.delay {
                std::thread::sleep(delay.saturating_mul(n as u32));
            }
            done(n);
        };
        Ok(match (&self.model, encoded) {
            (Model::Scores(model), None) => Evaluation::Scored(model.score(comparisons, &mut paced)?),
            (Model::Scores(model), Some(encoded)) if self.features => {
                let (scores, states) = model.score_with_states(comparisons, encoded, &mut paced)?;
                Evaluation::WithStates(scores, states)
            }
            (Model::Scores(model), Some(encoded)) => {
                Evaluation::Scored(model.score_encoded(comparisons, encoded, &mut paced)?)
            }
            (Model::Judges(judge), _) => {
                let none = Extras::default();
                let items: Vec<(&Comparison, &Extras)> =
                    comparisons.iter().enumerate().map(|(i, c)| (c, extras.get(i).unwrap_or(&none))).collect();
                Evaluation::Judged(judge.judge(&items, &mut paced)?)
            }
        })
    }
}

fn open_judge(spec: &str, settings: &ScoreSettings, progress: &mut dyn Progress) -> Result<Scorer, ScoreError> {
    let panel = settings.judge.panel.iter().map(String::as_str);
    let specs: Vec<&str> = std::iter::once(spec).chain(panel).collect();
    let mut models = BTreeMap::new();
    let mut failed = None;
    let mut open = |spec: &str| {
        let opened = open_local(spec, settings, progress, &mut models);
        opened.map_err(|error| {
            let problem = error.to_string();
            failed = Some(error);
            JudgeError::Local { name: spec.to_owned(), problem }
        })
    };
    let judge = Judge::open_with(&specs, &settings.judge, &settings.endpoint, settings.seed, &mut open);
    let judge = judge.map_err(|error| failed.unwrap_or_else(|| ScoreError::from(error)))?;
    let kind = match (judge.is_remote(), judge.is_local()) {
        (true, _) => "endpoint",
        (false, true) => "generative",
        (false, false) => "mock",
    };
    let mut info = RunInfo::of_this_binary(&settings.run_name()?, &judge.names().collect::<Vec<_>>().join(" "), kind);
    info.seed = settings.seed;
    info.digests = judge.digests();
    info.digests.extend(models);
    #[cfg(feature = "torch")]
    if judge.is_local() {
        super::load_judge::describe(&mut info, settings)?;
    }
    Ok(Scorer { model: Model::Judges(Box::new(judge)), info, delay: delay(), features: false })
}

/// A judge on this machine, and the digests of its files.
fn open_local(
    spec: &str,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
    digests: &mut BTreeMap<String, String>,
) -> Result<Box<dyn Respond>, ScoreError> {
    if spec.starts_with("mock") {
        let hint = "scripted judges are mock:length and mock:random".to_owned();
        return Err(ScoreError::Model { spec: spec.to_owned(), hint });
    }
    #[cfg(feature = "torch")]
    {
        let (judge, of_model) = super::load_judge::open(spec, settings, progress)?;
        digests.extend(of_model.into_iter().map(|(name, digest)| (format!("{spec}/{name}"), digest)));
        Ok(Box::new(judge))
    }
    #[cfg(not(feature = "torch"))]
    {
        let _ = (settings, progress, digests);
        let hint = "this rmbench was built without libtorch; a judge is endpoint:URL or mock:length".to_owned();
        Err(ScoreError::Model { spec: spec.to_owned(), hint })
    }
}

/// The pause after every comparison of a mock.
fn delay() -> Option<Duration> {
    std::env::var(MOCK_DELAY_VARIABLE).ok().and_then(|us| us.parse().ok()).map(Duration::from_micros)
}

/// Models from disk.
fn load_model(spec: &str, settings: &ScoreSettings, progress: &mut dyn Progress) -> Result<Scorer, ScoreError> {
    if spec.starts_with("mock") {
        let hint = "scorers without a model are mock:length and mock:random".to_owned();
        return Err(ScoreError::Model { spec: spec.to_owned(), hint });
    }
    #[cfg(feature = "torch")]
    {
        let (model, info) = match super::load::embedding(spec, settings)? {
            Some((model, info)) => (RewardModel::Embedding(Box::new(model)), info),
            None => super::load::open(spec, settings, progress)?,
        };
        Ok(Scorer { model: Model::Scores(model), info, delay: None, features: settings.features })
    }
    #[cfg(not(feature = "torch"))]
    {
        let _ = (settings, progress);
        let hint = "this rmbench was built without libtorch; use mock:length or mock:random".to_owned();
        Err(ScoreError::Model { spec: spec.to_owned(), hint })
    }
}
