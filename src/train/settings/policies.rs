//! What language models in training, policies and judges, do without.

use super::{SamplingSettings, TrainSettings};
use crate::reward::options::RewardOptions;

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
        let all = of_policies.into_iter().chain(of_judges.into_iter().filter(|_| self.judge.is_some()));
        let (_, key, why) = all.into_iter().find(|(is_set, ..)| *is_set)?;
        Some(format!("{what} {why}; do not set `{key}`"))
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
    }
}
