//! What language models in training, policies and judges, do without.

use super::{SamplingSettings, TrainSettings};
use crate::reward::options::RewardOptions;
use crate::train::schedule::Schedule;

/// Whether a setting is set, its key, and why it would have no effect.
type Useless = (bool, &'static str, &'static str);

impl TrainSettings {
    /// A setting that a policy, or a judge that learns from its own judgments, has no use for.
    pub(super) fn policy_problem(&self) -> Option<String> {
        let what = match (&self.judge, self.objective.policy()) {
            (Some(_), _) => "a judge that learns from its own judgments".to_owned(),
            (None, Some(_)) => format!("objective `{}`", self.objective.name()),
            (None, None) => return None,
        };
        // Presets that begin from scratch set these, and are refused for what they are: they know no language.
        let from_scratch = self.source.model.as_deref().is_some_and(|model| model.starts_with("init:"));
        if from_scratch {
            return None;
        }
        let auxiliary = &self.auxiliary;
        let for_heads = self.pretraining.epochs > 0.0 || auxiliary.mismatched_share > 0.0 || auxiliary.lm_weight > 0.0;
        if for_heads {
            let why = "stand-ins and next-token losses ([pretraining], [auxiliary]) are of reward heads; for a policy add \
                       sft to the objective, as in dpo:1,sft:0.1";
            return Some(why.into());
        }
        let of_judge = if self.judge.is_some() { self.useless_to_judges().to_vec() } else { Vec::new() };
        let all = self.useless_to_policies().into_iter().chain(of_judge);
        let (_, key, why) = all.into_iter().find(|(is_set, ..)| *is_set)?;
        Some(format!("{what} {why}; do not set `{key}`"))
    }

    fn useless_to_policies(&self) -> [Useless; 5] {
        let default = Self::default();
        let no_head = "has no reward head";
        [
            (
                self.source.features.is_some(),
                "source.features",
                "trains a language model, not a head on frozen features",
            ),
            (self.reward != RewardOptions::default(), "reward", no_head),
            (self.head_lr_multiplier != default.head_lr_multiplier, "head-lr-multiplier", no_head),
            (self.head_init != default.head_init, "head-init", no_head),
            (self.lm_stride != default.lm_stride, "lm-stride", "predicts every token of its responses"),
        ]
    }

    fn useless_to_judges(&self) -> [Useless; 14] {
        let default = Self::default();
        let full = "trains every parameter of a language model, with all layers kept for the backward pass";
        let (as_data, in_the_end) =
            ("asks about each pair as the data have it", "is finished as its last step leaves it");
        let drops = "computes what it wrote itself, so nothing is dropped or cut";
        [
            (self.adapter.is_used(), "adapter.method", full),
            (self.checkpoint_layers > 0, "checkpoint-layers", full),
            (self.sampling != SamplingSettings::default(), "sampling", as_data),
            (self.auxiliary.goals, "auxiliary.goals", as_data),
            (self.length_balance, "length-balance", as_data),
            (self.repeat_balance, "repeat-balance", as_data),
            (self.source.reference.is_some(), "source.reference", "is held to the model that it begins with"),
            (self.ema_decay.is_some(), "ema-decay", in_the_end),
            (self.patience.is_some(), "patience", in_the_end),
            (self.best_metric != default.best_metric, "best-metric", in_the_end),
            (matches!(self.schedule, Schedule::ReduceOnPlateau { .. }), "schedule", in_the_end),
            (self.dropout != default.dropout, "dropout", drops),
            (self.over_length != default.over_length, "over-length", drops),
            (self.objective != default.objective, "objective", "has an objective of its own, below [judge.loss]"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_policies_have_no_use_for_is_refused_by_name() {
        let problem = |text: &str| toml::from_str::<TrainSettings>(text).unwrap().policy_problem();
        for (key, text) in [
            ("source.features", "[source]\nfeatures = 'f'"),
            ("reward", "[reward]\npooling = 'cls'"),
            ("head-lr-multiplier", "head-lr-multiplier = 2.0"),
            ("head-init", "head-init = 'zero'"),
            ("lm-stride", "lm-stride = 1"),
        ] {
            assert_eq!(problem(text), None);
            for of in ["[objective]\nname = 'dpo'", "[judge]\ngroup = 4"] {
                let found = problem(&format!("{text}\n{of}")).unwrap();
                assert!(found.contains(&format!("do not set `{key}`")), "{found}");
            }
        }
        for (key, text) in [
            ("adapter.method", "[adapter]\nmethod = 'lora'"),
            ("checkpoint-layers", "checkpoint-layers = 1"),
            ("sampling", "[sampling]\ntemperature = 0.5"),
            ("auxiliary.goals", "[auxiliary]\ngoals = true"),
            ("length-balance", "length-balance = true"),
            ("ema-decay", "ema-decay = 0.9"),
            ("dropout", "[dropout]\nhidden = 0.1"),
        ] {
            assert_eq!(problem(&format!("{text}\n[objective]\nname = 'dpo'")), None, "{key}");
            let found = problem(&format!("{text}\n[judge]\ngroup = 4")).unwrap();
            assert!(found.contains(&format!("do not set `{key}`")), "{found}");
        }
    }
}
