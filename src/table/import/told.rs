//! What RewardBench's files say of the model that they are about, kept so that an export can say it again.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// Of models trained by DPO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ref_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}

impl Told {
    /// The run's kind; a reference model makes it implicit where nothing else is said (M-RewardBench).
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self.model_type.as_deref() {
            Some(t) if t.contains("DPO") => "implicit",
            Some(t) if t.contains("Generative") => "generative",
            _ if self.ref_model.is_some() => "implicit",
            Some(t) if t.contains("Classifier") => "scalar",
            _ => return None,
        })
    }

    /// What an imported run was told; nothing of a run that was scored here.
    pub fn of_settings(settings: &str) -> Told {
        let settings: Option<toml::Table> = settings.parse().ok();
        let told = settings.and_then(|settings| settings.get("import")?.get("told").cloned());
        told.and_then(|told| told.try_into().ok()).unwrap_or_default()
    }

    /// What the earlier file said, and this one where it said nothing.
    pub fn or(self, other: Told) -> Told {
        Told {
            model_type: self.model_type.or(other.model_type),
            ref_model: self.ref_model.or(other.ref_model),
            chat_template: self.chat_template.or(other.chat_template),
        }
    }
}
