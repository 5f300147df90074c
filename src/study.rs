//! Studies: the same training run many times, varied along a few axes.
//!
//! A study is a list of settings variations; each is an ordinary run in a directory of its own. What varied is
//! written into the model's `rmbench.toml` and from there into every score table, so that a report knows a study
//! by its runs, wherever and however they were scored.

use std::collections::{BTreeMap, BTreeSet};

/// Axes with a name of their own, and the setting behind it.
pub const SEED: (&str, &str) = ("seed", "seed");
pub const FRACTION: (&str, &str) = ("fraction", "source.fraction");
pub const NOISE: (&str, &str) = ("label noise", "sampling.label-noise");
pub const LANGUAGE: (&str, &str) = ("language", "source.langs");

/// What a score table says of a model beside its axes.
pub const PAIRS: &str = "pairs";
pub const PARAMETERS: &str = "parameters";

/// Facts, not axes.
pub const FACTS: [&str; 2] = [PAIRS, PARAMETERS];

/// One way in which runs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// As reports call it.
    pub name: String,
    /// The setting, as `--set` takes it.
    pub key: String,
    pub values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StudyError {
    #[error("`--sweep {given}` is not of the form KEY=A,B,…")]
    Sweep { given: String },
    #[error("`{key}` is varied twice")]
    Twice { key: String },
    #[error("`{name}` has the value `{value}` twice")]
    Repeated { name: String, value: String },
    #[error("`{name}` has no values")]
    Empty { name: String },
}

impl StudyError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            StudyError::Sweep { .. } => "for example --sweep lr=1e-5,1e-4,1e-3",
            StudyError::Twice { .. } => "name all of its values in one place",
            StudyError::Repeated { .. } => "runs of the same settings are the same; vary --seeds instead",
            StudyError::Empty { .. } => "name at least one value",
        }
    }
}

impl Axis {
    pub fn of((name, key): (&str, &str), values: Vec<String>) -> Self {
        Self { name: name.to_owned(), key: key.to_owned(), values }
    }

    /// `KEY=A,B,…`; commas within brackets and quotes belong to a value.
    pub fn parse(given: &str) -> Result<Self, StudyError> {
        let wrong = || StudyError::Sweep { given: given.to_owned() };
        let (key, values) = given.split_once('=').ok_or_else(wrong)?;
        let key = key.trim();
        let values: Vec<String> = split(values).into_iter().map(|value| value.trim().to_owned()).collect();
        if key.is_empty() || values.iter().any(String::is_empty) {
            return Err(wrong());
        }
        let name = [SEED, FRACTION, NOISE, LANGUAGE].into_iter().find(|(_, known)| *known == key);
        Ok(Self::of((name.map_or(key, |(name, _)| name), key), values))
    }
}

fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0usize, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// One run of a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variation {
    /// Axis and value.
    pub values: Vec<(Axis, String)>,
}

impl Variation {
    /// `lr 1e-4, seed 1`.
    pub fn name(&self) -> String {
        let parts = self.values.iter().map(|(axis, value)| format!("{} {value}", axis.name));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The settings, as `--set` takes them.
    pub fn sets(&self) -> Vec<String> {
        self.values.iter().map(|(axis, value)| format!("{}={value}", axis.key)).collect()
    }

    /// What its model says of it.
    pub fn card(&self) -> BTreeMap<String, String> {
        self.values.iter().map(|(axis, value)| (axis.name.clone(), value.clone())).collect()
    }
}

/// Every combination of the axes' values, the last axis fastest.
pub fn variations(axes: &[Axis]) -> Result<Vec<Variation>, StudyError> {
    let mut keys = BTreeSet::new();
    for axis in axes {
        if axis.values.is_empty() {
            return Err(StudyError::Empty { name: axis.name.clone() });
        }
        if !keys.insert(&axis.key) {
            return Err(StudyError::Twice { key: axis.key.clone() });
        }
        let mut seen = BTreeSet::new();
        if let Some(value) = axis.values.iter().find(|value| !seen.insert(*value)) {
            return Err(StudyError::Repeated { name: axis.name.clone(), value: value.clone() });
        }
    }
    let mut all = vec![Variation { values: Vec::new() }];
    for axis in axes {
        let longer = |variation: &Variation| {
            let values = axis.values.iter().map(|value| (axis.clone(), value.clone()));
            values.map(|value| Variation { values: [variation.values.clone(), vec![value]].concat() }).collect()
        };
        all = all.iter().flat_map(|variation| -> Vec<Variation> { longer(variation) }).collect();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_read_and_combined() {
        let lr = Axis::parse("lr=1e-5, 1e-4").unwrap();
        assert_eq!(lr.values, ["1e-5", "1e-4"]);
        let betas = Axis::parse("betas=[0.9, 0.99],[0.8,0.9]").unwrap();
        assert_eq!(betas.values, ["[0.9, 0.99]", "[0.8,0.9]"]);
        assert_eq!(Axis::parse("sampling.label-noise=0,0.3").unwrap().name, "label noise");
        let seeds = Axis::of(SEED, vec!["0".into(), "1".into()]);
        let all = variations(&[lr.clone(), seeds]).unwrap();
        let names: Vec<String> = all.iter().map(Variation::name).collect();
        assert_eq!(names, ["lr 1e-5, seed 0", "lr 1e-5, seed 1", "lr 1e-4, seed 0", "lr 1e-4, seed 1"]);
        assert_eq!(all[3].sets(), ["lr=1e-4", "seed=1"]);
        assert_eq!(all[3].card()["seed"], "1");
        for (axes, error) in [
            (vec![lr.clone(), lr.clone()], StudyError::Twice { key: "lr".into() }),
            (vec![Axis::parse("lr=1,1").unwrap()], StudyError::Repeated { name: "lr".into(), value: "1".into() }),
            (vec![Axis::of(SEED, Vec::new())], StudyError::Empty { name: "seed".into() }),
        ] {
            assert_eq!(variations(&axes).unwrap_err(), error);
        }
        assert!(Axis::parse("lr").is_err() && Axis::parse("lr=1,,2").is_err() && Axis::parse("=1").is_err());
    }
}
