//! What language models in training, policies and judges, do without.

use super::{SamplingSettings, TrainSettings};
use crate::reward::options::RewardOptions;
use crate::train::schedule::Schedule;

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
        let auxiliary = &self.auxiliary;
        let for_heads = self.pretraining.epochs > 0.0 || auxiliary.mismatched_share > 0.0 || auxiliary.lm_weight > 0.0;
        if for_heads && !from_scratch {
            let why = "stand-ins and next-token losses ([pretraining], [auxiliary]) are of reward heads; for a policy add \
                       sft to the objective, as in dpo:1,sft:0.1";
            return Some(why.into());
        }
        let full = "trains every parameter of a language model, with all layers kept for the backward pass";
        let of_policies = [
            (self.adapter.is_used(), "adapter.method", full),
            (self.checkpoint_layers > 0, "checkpoint-layers", full),
            (self.source.features.is_some(), "source.features", full),
            (self.reward != RewardOptions::default(), "reward", "has no reward head"),
        ];
        let of_judges = [
            (self.sampling != SamplingSettings::default(), "sampling", "asks about each pair as the data have it"),
            (self.source.reference.is_some(), "source.reference", "is held to the model that it begins with"),
        ];
        let plain = TrainSettings::default();
        let whole = "is trained to its last step, and the model of that step is kept";
        let plainly = "samples replies from the model as it is, without dropout";
        let as_given = "weighs every question alike";
        let unused_by_judges = [
            (self.objective != plain.objective, "objective", "has GRPO for its objective"),
            (self.ema_decay.is_some(), "ema-decay", "is kept as it is, not as an average"),
            (self.patience.is_some(), "patience", whole),
            (self.best_metric != plain.best_metric, "best-metric", whole),
            (self.final_model != plain.final_model, "final-model", whole),
            (self.dropout != plain.dropout, "dropout", plainly),
            (self.length_balance, "length-balance", as_given),
            (self.repeat_balance, "repeat-balance", as_given),
            (
                self.over_length != plain.over_length,
                "over-length",
                "leaves out questions that are too long, and counts them",
            ),
            (self.head_lr_multiplier != plain.head_lr_multiplier, "head-lr-multiplier", "has no reward head"),
            (self.head_init != plain.head_init, "head-init", "has no reward head"),
            (self.lm_stride != plain.lm_stride, "lm-stride", "learns from every token of its replies"),
            (self.init != plain.init, "init", "begins with a language model"),
            (matches!(self.schedule, Schedule::ReduceOnPlateau { .. }), "schedule", "follows no held-out loss"),
        ];
        let of_judges = of_judges.into_iter().chain(unused_by_judges.into_iter().filter(|_| !from_scratch));
        let all = of_policies.into_iter().chain(of_judges.into_iter().filter(|_| self.judge.is_some()));
        let (_, key, why) = all.into_iter().find(|(is_set, ..)| *is_set)?;
        Some(format!("{what} {why}; do not set `{key}`"))
    }

    /// A setting that a head that reads critiques has no use for.
    fn critique_problem(&self) -> Option<String> {
        if !self.objective.reads_critiques() {
            return None;
        }
        let full = "trains every parameter of a language model, with all layers kept for the backward pass";
        let auxiliary = &self.auxiliary;
        let stand_ins = auxiliary.mismatched_share > 0.0 || auxiliary.lm_weight > 0.0 || auxiliary.goals;
        let all = [
            (self.adapter.is_used(), "adapter.method", full),
            (self.checkpoint_layers > 0, "checkpoint-layers", full),
            (self.source.features.is_some(), "source.features", full),
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
            ("adapter.method", "[adapter]\nmethod = 'lora'"),
            ("checkpoint-layers", "checkpoint-layers = 1"),
            ("source.features", "[source]\nfeatures = 'f'"),
            ("reward", "[reward]\npooling = 'cls'"),
        ] {
            assert_eq!(problem(text), None);
            for of in ["[objective]\nname = 'dpo'", "[judge]\ngroup = 4"] {
                let found = problem(&format!("{text}\n{of}")).unwrap();
                assert!(found.contains(&format!("do not set `{key}`")), "{found}");
            }
        }
        assert_eq!(problem("[sampling]\ntemperature = 0.5\n[objective]\nname = 'dpo'"), None);
        assert!(problem("[sampling]\ntemperature = 0.5\n[judge]\ngroup = 4").unwrap().contains("`sampling`"));
        for (key, text) in [
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
