//! Everything that decides a training run besides data and model. `default.toml` beside this file is the
//! commented default that `--print-config` prints.

mod adapter;
mod choices;
mod defaults;
mod groups;
mod policies;
mod sampling;
mod tables;

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use super::evaluation::BestMetric;
use super::grpo::JudgeTraining;
use super::moments::Precision;
use super::optimizer::AdamWSettings;
use super::schedule::Schedule;
use crate::benchmark::columns::ColumnMap;
use crate::objective::Objective;
use crate::reward::head::HeadInit;
use crate::reward::options::RewardOptions;
use crate::text::settings::TextOverrides;

pub use adapter::{AdapterMethod, AdapterSettings, Targets};
pub use choices::{EvalOverlap, FinalModel, OverLength};
pub use groups::{Groups, ParameterGroup};
pub use sampling::{Order, SamplingSettings};
pub use tables::{AuxiliarySettings, DropoutSettings, InitSettings, PretrainingSettings, SourceSettings};

/// The commented default settings.
pub const DEFAULT_TOML: &str = include_str!("default.toml");
/// What a run from scratch changes of them.
pub const FROM_SCRATCH_TOML: &str = include_str!("from_scratch.toml");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainSettings {
    /// Where the run begins; flags of the command line set it too.
    pub source: SourceSettings,
    pub seed: u64,
    pub epochs: f64,
    /// In place of `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Pairs per optimiser step.
    pub batch_size: usize,
    /// Tokens computed at a time; larger batches are cut into micro-batches.
    pub token_budget: usize,
    /// Gradient checkpointing: layers that the backward pass keeps at a time; 0: all.
    pub checkpoint_layers: usize,
    pub length_window: usize,
    pub over_length: OverLength,
    /// See [`weights`](super::weighting::weights).
    pub length_balance: bool,
    pub repeat_balance: bool,
    pub lr: f64,
    pub warmup_ratio: f64,
    /// In place of `warmup-ratio`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u64>,
    pub weight_decay: f64,
    pub betas: [f64; 2],
    pub eps: f64,
    /// 0: gradients are not clipped.
    pub clip: f64,
    pub head_lr_multiplier: f64,
    pub moments: Precision,
    /// See [`moments`](super::moments).
    pub embedding_rows: bool,
    pub head_init: HeadInit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// In steps. Absent: at the end of every epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_every: Option<u64>,
    /// Absent: all evaluation pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_limit: Option<usize>,
    pub eval_overlap: EvalOverlap,
    pub best_metric: BestMetric,
    /// Evaluations without improvement before training stops. Absent: it does not stop early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    pub final_model: FinalModel,
    /// In steps. Absent: at the end of every epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_every: Option<u64>,
    pub keep_checkpoints: usize,
    /// An event file beside the logs.
    pub tensorboard: bool,
    pub objective: Objective,
    pub schedule: Schedule,
    /// Next-token losses predict at every so many-th position.
    pub lm_stride: u64,
    pub pretraining: PretrainingSettings,
    pub auxiliary: AuxiliarySettings,
    pub dropout: DropoutSettings,
    pub init: InitSettings,
    pub adapter: AdapterSettings,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ParameterGroup>,
    pub sampling: SamplingSettings,
    pub columns: ColumnMap,
    pub text: TextOverrides,
    /// Which reward head a new one is, and where it reads; what is not said is as the model has it.
    pub reward: RewardOptions,
    /// In place of the objective: a judge that learns from its own judgments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeTraining>,
}

impl TrainSettings {
    /// The resolved settings as TOML, saved with the run.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string(self).map_err(|e| TrainError::Settings(e.to_string()))
    }

    /// Whether some step has a next-token loss.
    pub fn predicts_tokens(&self) -> bool {
        let pretrains = self.pretraining.epochs > 0.0 && self.pretraining.lm_weight > 0.0;
        pretrains || self.auxiliary.lm_weight > 0.0 || self.objective.lm_weight() > 0.0
    }

    pub fn optimizer(&self) -> AdamWSettings {
        AdamWSettings {
            betas: self.betas,
            eps: self.eps,
            weight_decay: self.weight_decay,
            moments: self.moments,
            embedding_rows: self.embedding_rows,
        }
    }

    /// How many layers autograd keeps at a time; `None`: all.
    pub fn segment(&self) -> Option<usize> {
        Some(self.checkpoint_layers).filter(|&layers| layers > 0)
    }

    /// Steps of preference learning.
    pub fn total_steps(&self, steps_per_epoch: u64) -> u64 {
        self.max_steps.unwrap_or((self.epochs * steps_per_epoch as f64).ceil() as u64)
    }

    /// Steps of the phase before.
    pub fn pretraining_steps(&self, steps_per_epoch: u64) -> u64 {
        (self.pretraining.epochs * steps_per_epoch as f64).ceil() as u64
    }

    pub fn warmup(&self, total_steps: u64) -> u64 {
        let by_ratio = || (self.warmup_ratio * total_steps as f64).ceil() as u64;
        if self.schedule.has_warmup() { self.warmup_steps.unwrap_or_else(by_ratio) } else { 0 }
    }

    /// What can be checked before data and model are known; the first problem found.
    pub fn validate(&self) -> Result<(), TrainError> {
        let share = |x: f64| (0.0..1.0).contains(&x);
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let at_least_0 = |x: f64| x >= 0.0 && x.is_finite();
        let checks: [(&str, bool, &str); 28] = [
            // TOML integers are signed.
            ("seed", i64::try_from(self.seed).is_ok(), "below 2^63"),
            ("epochs", positive(self.epochs), "above 0"),
            ("source.fraction", self.source.fraction > 0.0 && self.source.fraction <= 1.0, "above 0 and at most 1"),
            ("max-steps", self.max_steps != Some(0), "above 0"),
            ("batch-size", self.batch_size > 0, "above 0"),
            ("token-budget", self.token_budget > 0, "above 0"),
            ("length-window", self.length_window > 0, "above 0"),
            ("lr", positive(self.lr), "above 0"),
            ("warmup-ratio", share(self.warmup_ratio), "at least 0 and below 1"),
            ("weight-decay", at_least_0(self.weight_decay), "at least 0"),
            ("betas", self.betas.into_iter().all(share), "at least 0 and below 1"),
            ("eps", positive(self.eps), "above 0"),
            ("clip", at_least_0(self.clip), "at least 0"),
            ("head-lr-multiplier", positive(self.head_lr_multiplier), "above 0"),
            ("ema-decay", self.ema_decay.is_none_or(share), "at least 0 and below 1"),
            ("eval-every", self.eval_every != Some(0), "above 0"),
            ("eval-limit", self.eval_limit != Some(0), "above 0"),
            ("patience", self.patience != Some(0), "above 0"),
            ("save-every", self.save_every != Some(0), "above 0"),
            ("dropout.token", share(self.dropout.token), "at least 0 and below 1"),
            ("lm-stride", self.lm_stride > 0, "above 0"),
            ("pretraining.epochs", at_least_0(self.pretraining.epochs), "at least 0"),
            ("pretraining.lr", self.pretraining.lr.is_none_or(positive), "above 0"),
            ("pretraining.lm-weight", at_least_0(self.pretraining.lm_weight), "at least 0"),
            ("auxiliary.lm-weight", at_least_0(self.auxiliary.lm_weight), "at least 0"),
            (
                "auxiliary.mismatched-share",
                self.auxiliary.leaves_preferences(),
                "at least 0 and below 1 (or 1, beside)",
            ),
            ("dropout.embedding", share(self.dropout.embedding), "at least 0 and below 1"),
            ("dropout.hidden", share(self.dropout.hidden), "at least 0 and below 1"),
        ];
        if let Some((name, _, expected)) = checks.iter().find(|(_, holds, _)| !holds) {
            return Err(TrainError::Settings(format!("`{name}` should be {expected}")));
        }
        let init = &self.init;
        let sizes =
            [init.vocab_size, init.hidden_size, init.layers, init.heads, init.intermediate_size, init.max_length];
        if sizes.contains(&Some(0)) {
            return Err(TrainError::Settings("sizes in `init` should be above 0".into()));
        }
        self.objective.validate()?;
        let groups = self.groups.iter().find_map(ParameterGroup::problem);
        if let Some(problem) = self.adapter.problem().or(groups) {
            return Err(TrainError::Settings(problem));
        }
        if let Some(problem) = self.sampling.problem(self.length_window) {
            return Err(TrainError::Settings(problem.into()));
        }
        let auxiliary = &self.auxiliary;
        let stand_ins = self.pretraining.epochs > 0.0 || auxiliary.mismatched_share > 0.0;
        if self.objective.n_attributes() > 0 && stand_ins {
            let why = "stand-ins for rejected responses have no attributes; set pretraining.epochs and \
                       auxiliary.mismatched-share to 0";
            return Err(TrainError::Settings(why.into()));
        }
        if let Some(problem) = self.policy_problem() {
            return Err(TrainError::Settings(problem));
        }
        if self.objective.lm_text() > 0 && auxiliary.mismatched_share > 0.0 && !auxiliary.mismatched_beside {
            let why = "replaced rejected responses leave no place for rationales; set auxiliary.mismatched-beside";
            return Err(TrainError::Settings(why.into()));
        }
        Ok(())
    }

    /// What can be checked once the number of steps is known.
    pub fn validate_length(&self, total_steps: u64, evaluates: bool) -> Result<(), TrainError> {
        let needs_evaluation = match (&self.schedule, self.patience) {
            (Schedule::ReduceOnPlateau { .. }, _) => Some("the schedule `reduce-on-plateau`"),
            (_, Some(_)) => Some("`patience`"),
            _ => None,
        };
        if let (Some(what), false) = (needs_evaluation, evaluates) {
            return Err(TrainError::Settings(format!("{what} needs evaluation pairs")));
        }
        match self.schedule.problem(self.lr, self.warmup(total_steps), total_steps) {
            Some(problem) => Err(TrainError::Settings(problem)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `section.key` of a table.
    fn keys(table: &toml::Table) -> Vec<String> {
        let below = |(name, value): (&String, &toml::Value)| match value {
            toml::Value::Table(inner) => keys(inner).into_iter().map(|key| format!("{name}.{key}")).collect(),
            _ => vec![name.clone()],
        };
        table.iter().flat_map(below).collect()
    }

    /// The default text with its optional keys (`# key = value`) switched on.
    fn everything_on() -> String {
        let is_key = |line: &str| {
            line.strip_prefix("# ")
                .and_then(|rest| rest.split_once(" = "))
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        };
        DEFAULT_TOML.lines().map(|l| if is_key(l) { &l[2..] } else { l }).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_printed_default_is_the_default() {
        let parsed: TrainSettings = toml::from_str(DEFAULT_TOML).unwrap();
        assert_eq!(parsed, TrainSettings::default());
        parsed.validate().unwrap();
    }

    #[test]
    fn the_printed_default_names_every_key() {
        let settings: TrainSettings = toml::from_str(&everything_on()).unwrap();
        settings.validate().unwrap();
        // Without `..`: a new setting does not compile until it is named here.
        let TrainSettings {
            source: SourceSettings { model: Some(_), lang: Some(_), .. },
            seed: _,
            epochs: _,
            max_steps: Some(_),
            batch_size: _,
            token_budget: _,
            checkpoint_layers: _,
            length_window: _,
            over_length: _,
            length_balance: _,
            repeat_balance: _,
            lr: _,
            warmup_ratio: _,
            warmup_steps: Some(_),
            weight_decay: _,
            betas: _,
            eps: _,
            clip: _,
            head_lr_multiplier: _,
            moments: _,
            embedding_rows: _,
            head_init: _,
            ema_decay: Some(_),
            eval_every: Some(_),
            eval_limit: Some(_),
            eval_overlap: _,
            best_metric: _,
            patience: Some(_),
            final_model: _,
            save_every: Some(_),
            keep_checkpoints: _,
            tensorboard: _,
            objective: _,
            schedule: _,
            lm_stride: _,
            pretraining: PretrainingSettings { lr: Some(_), .. },
            auxiliary: _,
            dropout: _,
            init:
                InitSettings {
                    vocab_size: Some(_),
                    hidden_size: Some(_),
                    layers: Some(_),
                    heads: Some(_),
                    intermediate_size: Some(_),
                    max_length: Some(_),
                    initializer_range: Some(_),
                },
            adapter: _,
            groups: _,
            sampling: SamplingSettings { language_cap: Some(_), .. },
            columns: _,
            text: _,
            reward: RewardOptions { head: Some(_), pooling: Some(_), .. },
            // Explained in a table of its own, which is not there unless it is set.
            judge: None,
        } = &settings
        else {
            panic!("an optional key is not in default.toml: {settings:?}");
        };
        let named = keys(&everything_on().parse().unwrap());
        let all = keys(&toml::Table::try_from(&settings).unwrap());
        let missing: Vec<&String> = all.iter().filter(|key| !named.contains(key)).collect();
        assert!(missing.is_empty(), "not in default.toml: {missing:?}");
    }

    #[test]
    fn settings_survive_the_way_through_toml() {
        let settings: TrainSettings = toml::from_str(&everything_on()).unwrap();
        assert_eq!(toml::from_str::<TrainSettings>(&settings.to_toml().unwrap()).unwrap(), settings);
    }

    #[test]
    fn what_is_unknown_or_senseless_is_refused() {
        for text in ["epoch = 3", "[objective]\nname = 'bt'\nsmoothing = 0.1", "[dropout]\nattention = 0.1"] {
            assert!(toml::from_str::<TrainSettings>(text).is_err(), "{text}");
        }
        for text in ["batch-size = 0", "lr = nan", "betas = [0.9, 1.0]", "[objective]\nname='bt'\nlabel-smoothing=0.7"]
        {
            assert!(toml::from_str::<TrainSettings>(text).unwrap().validate().is_err(), "{text}");
        }
        let stops: TrainSettings = toml::from_str("patience = 2").unwrap();
        assert!(stops.validate_length(10, false).is_err() && stops.validate_length(10, true).is_ok());
    }

    #[test]
    fn lengths() {
        let settings = TrainSettings { epochs: 1.5, warmup_ratio: 0.1, ..TrainSettings::default() };
        assert_eq!((settings.total_steps(7), settings.warmup(11)), (11, 2));
        let settings = TrainSettings { max_steps: Some(4), warmup_steps: Some(3), ..settings };
        assert_eq!((settings.total_steps(7), settings.warmup(4)), (4, 3));
        let constant = TrainSettings { schedule: Schedule::Constant {}, ..settings };
        assert_eq!(constant.warmup(4), 0);
    }
}
