//! What language models in training, policies and judges, do without.

use super::{SamplingSettings, TrainSettings};
use crate::reward::options::RewardOptions;
use crate::train::schedule::Schedule;

/// Whether a setting is set, its key, and why it would have no effect.
type Useless = (bool, &'static str, &'static str);

const ALL_PARAMETERS: &str = "trains every parameter of a language model, with all layers kept for the backward pass";

impl TrainSettings {
    /// A setting that a policy, or a judge that learns from its own judgments, has no use for.
    pub(super) fn policy_problem(&self) -> Option<String> {
        let what = match (&self.judge, self.objective.policy()) {
            (Some(_), _) => "a judge that learns from its own judgments".to_owned(),
            (None, Some(_)) => format!("objective `{}`", self.objective.name()),
            (None, None) => return self.critique_problem(),
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

    fn useless_to_judges(&self) -> [Useless; 16] {
        let default = Self::default();
        let (as_data, alike) = ("asks about each pair as the data have it", "weighs every question alike");
        let whole = "is trained to its last step, and the model of that step is kept";
        let as_it_is = "samples replies from the model as it is, without dropout";
        [
            (self.adapter.dropout > 0.0, "adapter.dropout", as_it_is),
            (self.sampling != SamplingSettings::default(), "sampling", as_data),
            (self.auxiliary.goals, "auxiliary.goals", as_data),
            (self.source.reference.is_some(), "source.reference", "is held to the model that it begins with"),
            (self.objective != default.objective, "objective", "has GRPO for its objective"),
            (self.ema_decay.is_some(), "ema-decay", "is kept as it is, not as an average"),
            (self.patience.is_some(), "patience", whole),
            (self.best_metric != default.best_metric, "best-metric", whole),
            (self.final_model != default.final_model, "final-model", whole),
            (self.dropout != default.dropout, "dropout", as_it_is),
            (self.length_balance, "length-balance", alike),
            (self.repeat_balance, "repeat-balance", alike),
            (
                self.over_length != default.over_length,
                "over-length",
                "leaves out questions that are too long, and counts them",
            ),
            (self.lm_stride != default.lm_stride, "lm-stride", "learns from every token of its replies"),
            (self.init != default.init, "init", "begins with a language model"),
            (matches!(self.schedule, Schedule::ReduceOnPlateau { .. }), "schedule", "follows no held-out loss"),
        ]
    }

    /// A setting that a head that reads critiques has no use for.
    fn critique_problem(&self) -> Option<String> {
        if !self.objective.reads_critiques() {
            return None;
        }
        let auxiliary = &self.auxiliary;
        let stand_ins = auxiliary.mismatched_share > 0.0 || auxiliary.lm_weight > 0.0 || auxiliary.goals;
        let all = [
            (self.adapter.is_used(), "adapter.method", ALL_PARAMETERS),
            (self.checkpoint_layers > 0, "checkpoint-layers", ALL_PARAMETERS),
            (self.source.features.is_some(), "source.features", ALL_PARAMETERS),
            (self.reward.head.is_some(), "reward.head", "has a head of its own"),
            (self.lm_stride != TrainSettings::default().lm_stride, "lm-stride", "learns every token of its critiques"),
            (stand_ins, "auxiliary", "has a language-model loss of its own"),
            (self.pretraining.epochs > 0.0, "pretraining", "begins with a language model that writes critiques"),
        ];
        let (_, key, why) = all.into_iter().find(|(is_set, ..)| *is_set)?;
        Some(format!("objective `{}` {why}; do not set `{key}`", self.objective.name()))
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
        }
        for text in ["[adapter]\nmethod = 'lora'", "checkpoint-layers = 1"] {
            assert_eq!(problem(&format!("{text}\n[judge]\ngroup = 4")), None, "{text}");
        }
        for (key, text) in [
            ("adapter.dropout", "[adapter]\nmethod = 'lora'\ndropout = 0.1"),
            ("sampling", "[sampling]\ntemperature = 0.5"),
            ("auxiliary.goals", "[auxiliary]\ngoals = true"),
            ("objective", "[objective]\nname = 'dpo'"),
            ("ema-decay", "ema-decay = 0.9"),
            ("patience", "patience = 3"),
            ("best-metric", "best-metric = 'loss'"),
            ("final-model", "final-model = 'last'"),
            ("dropout", "[dropout]\nhidden = 0.1"),
            ("length-balance", "length-balance = true"),
            ("repeat-balance", "repeat-balance = true"),
            ("over-length", "over-length = 'refuse'"),
            ("head-lr-multiplier", "head-lr-multiplier = 2.0"),
            ("head-init", "head-init = 'zero'"),
            ("lm-stride", "lm-stride = 3"),
            ("init", "[init]\nlayers = 3"),
            ("schedule", "[schedule]\nname = 'reduce-on-plateau'"),
        ] {
            let found = problem(&format!("{text}\n[judge]\ngroup = 4")).unwrap();
            assert!(found.ends_with(&format!("do not set `{key}`")), "{key}: {found}");
        }
    }

    #[test]
    fn what_a_judge_that_writes_critiques_has_no_use_for() {
        let problem = |text: &str| {
            let objective = "[objective]\nname = 'cloud'";
            toml::from_str::<TrainSettings>(&format!("{text}\n{objective}")).unwrap().policy_problem()
        };
        assert_eq!(problem("lr = 0.01"), None);
        for (key, text) in [
            ("adapter.method", "[adapter]\nmethod = 'lora'"),
            ("checkpoint-layers", "checkpoint-layers = 1"),
            ("source.features", "[source]\nfeatures = 'f'"),
            ("reward.head", "[reward]\nhead = 'pooler'"),
            ("lm-stride", "lm-stride = 3"),
            ("auxiliary", "[auxiliary]\nlm-weight = 0.5"),
            ("pretraining", "[pretraining]\nepochs = 1.0"),
        ] {
            let found = problem(text).unwrap();
            assert!(found.ends_with(&format!("do not set `{key}`")), "{key}: {found}");
        }
    }
}
