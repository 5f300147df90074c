//! What a scoring run is asked to do; `default.toml` beside this file explains every setting.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ScoreError;
use super::implicit::ImplicitSettings;
use crate::benchmark::columns::ColumnMap;
use crate::judge::endpoint::PREFIX;
use crate::judge::settings::{EndpointSettings, JudgeSettings};
use crate::lang::{Lang, LangSet};
use crate::reward::options::{RewardKind, RewardOptions};
use crate::text::settings::TextOverrides;

/// The commented defaults; also the list of settings there are.
pub const DEFAULTS: &str = include_str!("default.toml");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScoreSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of an adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub benchmarks: Vec<String>,
    pub pairs: Vec<PathBuf>,
    pub manifests: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    pub langs: String,
    /// Items per benchmark and language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Of pair files without a language column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<Lang>,
    pub skip_bad_rows: bool,
    pub device: String,
    pub dtype: String,
    pub seed: u64,
    pub batch_tokens: usize,
    pub shard_size: usize,
    /// Also what the reward head read of every response.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub features: bool,
    pub columns: ColumnMap,
    pub text: TextOverrides,
    pub reward: RewardOptions,
    /// Absent: as `[implicit]` or `rmbench.toml` says, else scalar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<RewardKind>,
    #[serde(skip_serializing_if = "ImplicitSettings::is_default")]
    pub implicit: ImplicitSettings,
    /// A run of an implicit model that is read in another way; then there is no model and nothing is computed.
    #[serde(skip)]
    pub table: Option<PathBuf>,
    #[serde(skip_serializing_if = "JudgeSettings::is_off")]
    pub judge: JudgeSettings,
    /// How fast and at what cost replies come decides no result: not part of a run's provenance.
    #[serde(skip_serializing)]
    pub endpoint: EndpointSettings,
}

impl ScoreSettings {
    /// The model asked for.
    pub fn model(&self) -> Result<&str, ScoreError> {
        let hint = "give --model a model directory, hf:ORG/NAME, endpoint:URL, mock:length or mock:random";
        self.model.as_deref().ok_or(ScoreError::Absent { what: "the model", hint })
    }

    /// What reports call the run: the name given, else the last part of the model's.
    pub fn run_name(&self) -> Result<String, ScoreError> {
        let model = self.model()?;
        let last = || Path::new(model).file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let short = match (model.strip_prefix("hf:"), model.strip_prefix(PREFIX)) {
            (Some(hub), _) => hub.to_owned(),
            // Of a server the model's name, or where it is.
            (_, Some(address)) => {
                address.rsplit(['#', '/']).find(|part| !part.is_empty()).unwrap_or(address).to_owned()
            }
            _ => last().unwrap_or_else(|| model.to_owned()),
        };
        Ok(match &self.judge.protocol {
            Some(protocol) => format!("{short}, {}", protocol.trim_end_matches(".toml")),
            None => short,
        })
    }

    /// Whether the model is a head on vectors that come with the data.
    pub fn reads_embeddings(&self) -> bool {
        #[cfg(feature = "torch")]
        let reads = self.model.as_deref().is_some_and(|m| crate::reward::embedding::EmbeddingModel::is_in(m.as_ref()));
        #[cfg(not(feature = "torch"))]
        let reads = false;
        reads
    }

    /// The kind of model, which may say so itself.
    pub fn kind(&self, of_model: Option<RewardKind>) -> RewardKind {
        let implied = (!self.implicit.is_default()).then_some(RewardKind::Implicit);
        self.kind.or(implied).or(of_model).unwrap_or_default()
    }

    pub fn langs(&self) -> Result<LangSet, ScoreError> {
        Ok(LangSet::parse(&self.langs)?)
    }

    /// Refuses values that no run can have.
    pub fn check(&self) -> Result<(), ScoreError> {
        self.implicit.check()?;
        if self.kind == Some(RewardKind::Scalar) && !self.implicit.is_default() {
            let problem = "is `scalar`, and [implicit], --reference and --compat are of implicit models".to_owned();
            return Err(ScoreError::Setting { key: "kind", problem });
        }
        if self.table.is_some() {
            return Ok(());
        }
        if self.benchmarks.is_empty() && self.pairs.is_empty() && self.manifests.is_empty() {
            let hint = "give --benchmarks NAME,..., --pairs FILE or --manifest FILE.toml";
            return Err(ScoreError::Absent { what: "what to score", hint });
        }
        self.run_name()?;
        self.langs()?;
        if let (Ok(model), true) = (self.model(), self.judge.is_off())
            && model.starts_with(PREFIX)
        {
            let hint = "give --judge a protocol, such as pairwise or ratings";
            return Err(ScoreError::Absent { what: "the judge protocol for the endpoint", hint });
        }
        self.judge.check()?;
        self.endpoint.check()?;
        let positive = [("shard-size", self.shard_size), ("batch-tokens", self.batch_tokens)];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(ScoreError::Setting { key, problem: "must be at least 1".to_owned() }),
            None => Ok(()),
        }
    }

    /// The settings as saved with the run.
    pub fn to_toml(&self) -> Result<String, ScoreError> {
        toml::to_string(self).map_err(|e| ScoreError::Setting { key: "(all)", problem: e.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs() {
        let mut settings: ScoreSettings = toml::from_str(DEFAULTS).unwrap();
        assert!(settings.run_name().is_err());
        for (model, name) in
            [("models/first/", "first"), ("hf:org/rm", "org/rm"), ("mock:length", "mock:length"), ("..", "..")]
        {
            settings.model = Some(model.to_owned());
            assert_eq!(settings.run_name().unwrap(), name);
        }
        settings.judge.protocol = Some("pairwise".to_owned());
        for (model, name) in
            [("endpoint:http://h:1/v1#org/judge", "judge, pairwise"), ("mock:length", "mock:length, pairwise")]
        {
            settings.model = Some(model.to_owned());
            assert_eq!(settings.run_name().unwrap(), name);
        }
        settings.name = Some("mine".to_owned());
        assert_eq!(settings.run_name().unwrap(), "mine");
    }
}
