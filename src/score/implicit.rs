//! What a run says of implicit models: `[implicit]` of the settings.

use serde::{Deserialize, Serialize};

use super::ScoreError;
use crate::table::implicit::{Curve, Normalisation, View};

/// The word for no reference; `base` is an adapter's base.
pub const NO_REFERENCE: &str = "none";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImplicitSettings {
    /// A model, or one of these two words; absent: what `rmbench.toml` names, else an adapter's base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_power: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<Compat>,
}

/// Whose arithmetic is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// `scripts/run_dpo.py`: see [`TextPipeline::as_rewardbench`](crate::text::encode::TextPipeline::as_rewardbench); sums
    /// without β against a reference, means without one.
    RewardBench,
}

impl ImplicitSettings {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses values that no run can have.
    pub fn check(&self) -> Result<(), ScoreError> {
        let wrong = |key, problem: &str| Err(ScoreError::Setting { key, problem: problem.to_owned() });
        if self.beta.is_some_and(|beta| !(beta > 0.0 && beta.is_finite())) {
            return wrong("implicit.beta", "must be above 0");
        }
        if self.length_power.is_some_and(|power| !(0.0..=2.0).contains(&power)) {
            return wrong("implicit.length-power", "must be from 0 to 2");
        }
        if self.compat.is_some() && self.beta.is_some_and(|beta| beta != 1.0) {
            return wrong("implicit.beta", "RewardBench's scores have none; leave it out with --compat");
        }
        Ok(())
    }

    /// How rewards are made, in this order: as this run says, as the other tool does, as the model says.
    pub fn view(&self, of_model: View, with_reference: bool) -> Result<View, ScoreError> {
        let of_model = match self.compat {
            Some(Compat::RewardBench) => View {
                normalisation: if with_reference { Normalisation::Sum } else { Normalisation::Mean },
                beta: 1.0,
                curve: Curve::Straight,
                ..of_model
            },
            None => of_model,
        };
        let normalisation = self.normalisation.unwrap_or(of_model.normalisation);
        // A curve was learnt for what it bends, and for nothing else.
        let of_curve = if normalisation == of_model.normalisation { of_model.curve } else { Curve::Straight };
        if with_reference && normalisation == Normalisation::L2Norm {
            let problem = "`l2-norm` is of the policy's log-probabilities alone; add --reference none".to_owned();
            return Err(ScoreError::Setting { key: "implicit.normalisation", problem });
        }
        Ok(View {
            normalisation,
            beta: self.beta.unwrap_or(of_model.beta),
            power: self.length_power.unwrap_or(of_model.power),
            curve: self.curve.unwrap_or(of_curve),
            with_reference,
        })
    }

    /// The same settings with everything that the view says.
    pub fn resolved(&self, view: &View) -> Self {
        Self {
            normalisation: Some(view.normalisation),
            beta: Some(view.beta),
            length_power: Some(view.power),
            curve: Some(view.curve),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_says_more_than_the_tool_and_the_tool_more_than_the_model() {
        let of_model = View { normalisation: Normalisation::Mean, beta: 0.1, ..View::default() };
        let view = |toml: &str, with_reference| {
            let settings: ImplicitSettings = toml::from_str(toml).unwrap();
            settings.check().unwrap();
            settings.view(of_model, with_reference).map(|view| (view.normalisation, view.beta))
        };
        assert_eq!(view("", true).unwrap(), (Normalisation::Mean, 0.1));
        assert_eq!(view("compat = 'rewardbench'", true).unwrap(), (Normalisation::Sum, 1.0));
        assert_eq!(view("compat = 'rewardbench'", false).unwrap(), (Normalisation::Mean, 1.0));
        let bent = View { curve: Curve::Exponential(-0.25), ..of_model };
        let curve = |toml: &str| toml::from_str::<ImplicitSettings>(toml).unwrap().view(bent, false).unwrap().curve;
        assert_eq!(curve("beta = 3.0"), bent.curve);
        assert_eq!(curve("curve = { exponential = -1.0 }"), Curve::Exponential(-1.0));
        assert_eq!(
            (curve("normalisation = 'sum'"), curve("compat = 'rewardbench'")),
            (Curve::Straight, Curve::Straight)
        );
        // What is saved with a run is read as the same view.
        let whole = ImplicitSettings::default().view(bent, true).unwrap();
        let saved = toml::to_string(&ImplicitSettings::default().resolved(&whole)).unwrap();
        assert_eq!(toml::from_str::<ImplicitSettings>(&saved).unwrap().view(View::default(), true).unwrap(), whole);
        let both = "compat = 'rewardbench'\nnormalisation = 'l2-norm'";
        assert_eq!(view(both, false).unwrap(), (Normalisation::L2Norm, 1.0));
        assert!(view(both, true).unwrap_err().to_string().contains("--reference none"));
        for wrong in ["beta = 0.0", "length-power = 3.0", "compat = 'rewardbench'\nbeta = 0.5"] {
            assert!(toml::from_str::<ImplicitSettings>(wrong).unwrap().check().is_err(), "{wrong}");
        }
    }
}
