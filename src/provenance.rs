//! What a result was made from: enough to say whether two numbers may be compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The commit this binary was built from, with `-dirty` where the checkout had changes.
pub const COMMIT: &str = env!("RMBENCH_COMMIT");
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Saved with every run (`run.json`) and in the metadata of every score table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// What the run is called in reports; the model's name unless the user gave another.
    pub name: String,
    /// The model as the user named it: a path, `hf:ORG/NAME` or `mock`.
    pub model: String,
    /// `scalar`, `implicit`, `generative`, `endpoint` or `mock`.
    pub kind: String,
    pub version: String,
    pub commit: String,
    /// libtorch's version; absent for runs that used none.
    pub libtorch: Option<String>,
    pub device: String,
    pub dtype: String,
    pub threads: usize,
    pub seed: u64,
    /// SHA-256 by role: `model/…`, `data/…`, `manifest/…`, `template`; of a model from the hub also its commit,
    /// `model/commit`.
    pub digests: BTreeMap<String, String>,
    /// Languages that the model was trained on here, as its training named them; absent where all, or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<String>,
    /// What set the model's training apart within a study, by axis, and how much it was trained on (`pairs`) and
    /// how large it is (`parameters`). See [`study`](crate::study).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub study: BTreeMap<String, String>,
    /// Trainings before that one, oldest first, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
    /// The resolved settings, as TOML.
    pub settings: String,
}

impl RunInfo {
    /// A run of this binary, with nothing yet known of its model.
    pub fn of_this_binary(name: &str, model: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            model: model.to_owned(),
            kind: kind.to_owned(),
            version: VERSION.to_owned(),
            commit: COMMIT.to_owned(),
            libtorch: None,
            device: "cpu".to_owned(),
            dtype: "f32".to_owned(),
            threads: 1,
            seed: 0,
            digests: BTreeMap::new(),
            trained_on: None,
            study: BTreeMap::new(),
            stages: Vec::new(),
            settings: String::new(),
        }
    }

    /// Where two runs differ, in words (`seed: 0, now 7`); empty where they may be continued or mixed.
    pub fn differences(&self, now: &RunInfo) -> Vec<String> {
        let fields = |info: &RunInfo| {
            let mut found = BTreeMap::new();
            // Settings line by line, so that the one that changed is named.
            let settings = info.settings.parse::<toml::Table>().ok();
            let mut json = serde_json::to_value(info).unwrap_or_default();
            if let (Some(table), Some(object)) = (settings, json.as_object_mut()) {
                object.insert("settings".to_owned(), serde_json::to_value(table).unwrap_or_default());
            }
            flatten("", &json, &mut found);
            found
        };
        let (before, now) = (fields(self), fields(now));
        let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let value =
            |found: &BTreeMap<String, String>, name| found.get(name).map_or("absent", |v| v.as_str()).to_owned();
        names
            .into_iter()
            .filter(|name| before.get(*name) != now.get(*name))
            .map(|name| format!("{name}: {}, now {}", value(&before, name), value(&now, name)))
            .collect()
    }
}

/// Leaves of a JSON value by dotted path; null is absent.
fn flatten(prefix: &str, value: &serde_json::Value, found: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&path, field, found);
            }
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => {
            found.insert(prefix.to_owned(), text.clone());
        }
        other => {
            found.insert(prefix.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_field_or_setting() {
        let mut before = RunInfo::of_this_binary("m", "mock", "mock");
        before.settings = "limit = 3\n[text]\nmax-length = 5\n".to_owned();
        let mut now = before.clone();
        assert!(before.differences(&now).is_empty());
        now.settings = "limit = 4\n[text]\nmax-length = 5\n".to_owned();
        now.libtorch = Some("2.11.0".to_owned());
        assert_eq!(before.differences(&now), ["libtorch: absent, now 2.11.0", "settings.limit: 3, now 4"]);
    }
}
