//! Settings from defaults, a file, `--set` and flags, in that order.
//!
//! The settings type decides which keys there are (`deny_unknown_fields`). Where it refuses one, the
//! verb's commented default file explains: it names every key, also in comments (`# max-length = 2048`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::files::{self, FileError};
use crate::lang::suggest;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` is not TOML", path.display())]
    Syntax {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("`{key}` in {origin} is no setting")]
    UnknownKey { origin: String, key: String, suggestions: Vec<String> },
    #[error("`--set {given}` is not of the form KEY=VALUE")]
    NoValue { given: String },
    #[error("{0}")]
    Value(String),
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ConfigError::UnknownKey { suggestions, .. } => {
                let all = "`--print-config` prints every setting with an explanation".to_owned();
                Some(suggest::did_you_mean(suggestions).unwrap_or(all))
            }
            ConfigError::NoValue { .. } => Some("for example `--set text.max-length=512`".to_owned()),
            ConfigError::Value(_) => Some("`--print-config` prints every setting with an explanation".to_owned()),
            _ => None,
        }
    }
}

/// Resolves the settings of one verb.
///
/// `defaults` is the commented default file; `flags` holds what was given on the command line, by key.
pub fn resolve<S: DeserializeOwned>(
    defaults: &str,
    config: Option<&Path>,
    sets: &[String],
    flags: Table,
) -> Result<S, ConfigError> {
    resolve_with(defaults, |_| None, config, sets, flags)
}

/// As [`resolve`], with defaults that depend on what was given: `adapt` sees file, `--set` and flags
/// together and may return a TOML text of changes to the defaults.
pub fn resolve_with<S: DeserializeOwned>(
    defaults: &str,
    adapt: impl FnOnce(&Table) -> Option<&'static str>,
    config: Option<&Path>,
    sets: &[String],
    flags: Table,
) -> Result<S, ConfigError> {
    let mut sources = Vec::new();
    if let Some(path) = config {
        sources.push((format!("`{}`", path.display()), parse(path, &files::read_text(path)?)?));
    }
    for set in sets {
        sources.push(("--set".to_owned(), parse_set(set)?));
    }
    let mut given = Table::new();
    for (_, source) in &sources {
        merge(&mut given, source.clone());
    }
    merge(&mut given, flags);
    let mut settings = parse(Path::new("defaults"), defaults)?;
    if let Some(adapted) = adapt(&given) {
        merge(&mut settings, parse(Path::new("defaults"), adapted)?);
    }
    merge(&mut settings, given);
    Value::Table(settings).try_into().map_err(|error: toml::de::Error| {
        let schema = Schema::of(defaults);
        let unknown = sources.iter().find_map(|(origin, source)| schema.unknown(source, origin));
        let is_key = error.message().starts_with("unknown field");
        unknown.filter(|_| is_key).unwrap_or_else(|| ConfigError::Value(one_line(&error.to_string())))
    })
}

fn parse(path: &Path, text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })
}

/// `a.b=3` as `{a = {b = 3}}`. A value that is no TOML is a string, so quotes are not needed.
fn parse_set(set: &str) -> Result<Table, ConfigError> {
    let no_value = || ConfigError::NoValue { given: set.to_owned() };
    let (key, text) = set.split_once('=').ok_or_else(no_value)?;
    let (key, text) = (key.trim(), text.trim());
    if key.split('.').any(str::is_empty) {
        return Err(no_value());
    }
    let value = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let mut value = value.unwrap_or_else(|| Value::String(text.to_owned()));
    let mut parts: Vec<&str> = key.split('.').collect();
    let first = parts.remove(0).to_owned();
    for part in parts.into_iter().rev() {
        value = Value::Table(Table::from_iter([(part.to_owned(), value)]));
    }
    Ok(Table::from_iter([(first, value)]))
}

/// Tables are joined key by key; anything else is replaced.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// serde's message (`unknown variant …`, then `in …` on a line of its own) as one sentence.
fn one_line(message: &str) -> String {
    message.trim().replace("\n", ", ")
}

/// Which keys a commented default file knows.
struct Schema {
    keys: BTreeSet<String>,
    /// Tables whose keys are the user's own (`# [text.template-variables]`: a commented header).
    free: BTreeSet<String>,
}

impl Schema {
    fn of(defaults: &str) -> Self {
        let mut schema = Self { keys: BTreeSet::new(), free: BTreeSet::new() };
        let mut table = String::new();
        for line in defaults.lines() {
            let live = line.trim();
            let text = live.strip_prefix("# ").unwrap_or(live);
            if let Some(header) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                if live.starts_with('#') {
                    schema.free.insert(header.to_owned());
                } else {
                    table = header.to_owned();
                }
            } else if let Some((key, _)) = text.split_once(" = ")
                && !key.is_empty()
                && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            {
                schema.keys.insert(if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") });
            }
        }
        schema
    }

    /// The first key of a source that the file does not name.
    fn unknown(&self, given: &Table, origin: &str) -> Option<ConfigError> {
        self.unknown_below("", given, origin)
    }

    fn unknown_below(&self, prefix: &str, given: &Table, origin: &str) -> Option<ConfigError> {
        given.iter().find_map(|(key, value)| {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let below = format!("{path}.");
            let is_table = self.keys.iter().chain(&self.free).any(|known| known.starts_with(&below));
            match value {
                _ if self.free.contains(&path) || self.keys.contains(&path) => None,
                Value::Table(inner) if is_table => self.unknown_below(&path, inner, origin),
                _ => {
                    let suggestions = self.near(&path, key);
                    Some(ConfigError::UnknownKey { origin: origin.to_owned(), key: path, suggestions })
                }
            }
        })
    }

    fn near(&self, path: &str, key: &str) -> Vec<String> {
        let near = suggest::nearest(path, self.keys.iter().map(String::as_str), 3);
        if near.is_empty() {
            // The right key in the wrong table.
            let elsewhere = |known: &&String| known.rsplit('.').next() == Some(key);
            return self.keys.iter().filter(elsewhere).cloned().collect();
        }
        near.into_iter().map(str::to_owned).collect()
    }
}

/// The default file with every commented setting switched on: what the schema test of a verb parses.
#[cfg(test)]
pub(crate) fn with_every_setting(defaults: &str) -> String {
    let switch_on = |line: &str| {
        let text = line.strip_prefix("# ").unwrap_or(line);
        let named = text.split_once(" = ").is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        });
        if named { text.to_owned() } else { line.to_owned() }
    };
    defaults.lines().map(switch_on).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = "\
# A sentence = not a setting, since it has blanks.
rate = 0.5
# limit = 3
[text]
# max-length = 100
side = \"left\"
# [text.variables]
";

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Settings {
        rate: f64,
        limit: Option<u64>,
        text: Text,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Text {
        max_length: Option<usize>,
        side: String,
        variables: Option<Table>,
    }

    fn settings(file: &str, sets: &[&str], flags: &str) -> Result<Settings, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, file).unwrap();
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        resolve(DEFAULTS, Some(&path), &sets, flags.parse().unwrap())
    }

    #[test]
    fn later_sources_win() {
        let got =
            settings("rate = 1.0\nlimit = 1\n[text]\nside = \"right\"", &["limit=2", "text.side=up"], "limit = 3");
        let got = got.unwrap();
        assert_eq!((got.rate, got.limit, got.text.side.as_str(), got.text.max_length), (1.0, Some(3), "up", None));
        let got = settings("", &["text.variables.think=false"], "").unwrap();
        assert_eq!(got.text.variables.unwrap()["think"], Value::Boolean(false));
    }

    #[test]
    fn unknown_keys_are_refused_with_path_and_suggestion() {
        let error = settings("[text]\nmax-lenght = 3", &[], "").unwrap_err();
        assert!(
            error.to_string().ends_with("c.toml` is no setting")
                && error.to_string().starts_with("`text.max-lenght` in"),
            "{error}"
        );
        assert_eq!(error.hint().unwrap(), "did you mean `text.max-length`?");
        let error = settings("", &["side=left"], "").unwrap_err();
        assert_eq!(error.hint().unwrap(), "did you mean `text.side`?");
        assert!(matches!(settings("", &["rate"], ""), Err(ConfigError::NoValue { .. })));
        let error = settings("", &["rate=fast"], "").unwrap_err().to_string();
        assert!(error.contains("invalid type: string \"fast\"") && error.contains("rate"), "{error}");
    }

    #[test]
    fn every_commented_setting_can_be_switched_on() {
        let all: Table = with_every_setting(DEFAULTS).parse().unwrap();
        assert_eq!(all["limit"], Value::Integer(3));
        assert_eq!(all["text"]["max-length"], Value::Integer(100));
    }
}
