//! `[[groups]]`: parameters with a rate or decay of their own, or none.

use fancy_regex::Regex;
use serde::{Deserialize, Serialize};

use crate::train::optimizer::Group;

/// Parameters whose names a pattern is found in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ParameterGroup {
    pub pattern: String,
    /// Multiplies the rate.
    #[serde(default = "one")]
    pub lr_multiplier: f64,
    /// In place of the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Not trained at all.
    #[serde(default)]
    pub frozen: bool,
}

fn one() -> f64 {
    1.0
}

impl ParameterGroup {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        let at = format!("`groups` with pattern {:?}", self.pattern);
        if let Err(error) = Regex::new(&self.pattern) {
            return Some(format!("{at}: {error}"));
        }
        let numbers = [Some(self.lr_multiplier), self.weight_decay];
        let holds = numbers.into_iter().flatten().all(|x| x >= 0.0 && x.is_finite());
        (!holds).then(|| format!("{at}: lr-multiplier and weight-decay should be at least 0"))
    }
}

/// The groups of a run, their patterns read.
pub struct Groups<'a>(Vec<(Regex, &'a ParameterGroup)>);

impl<'a> Groups<'a> {
    pub fn of(groups: &'a [ParameterGroup]) -> Self {
        Self(groups.iter().filter_map(|group| Some((Regex::new(&group.pattern).ok()?, group))).collect())
    }

    /// The first group that a parameter is in.
    fn find(&self, name: &str) -> Option<&'a ParameterGroup> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(name).unwrap_or(false)).map(|(_, group)| *group)
    }

    pub fn is_frozen(&self, name: &str) -> bool {
        self.find(name).is_some_and(|group| group.frozen)
    }

    /// How a parameter is updated; `head` multiplies the rate of the reward head.
    pub fn group(&self, name: &str, head: Option<f64>) -> Group {
        let own = self.find(name);
        Group {
            lr_multiplier: own.map_or(1.0, |group| group.lr_multiplier) * head.unwrap_or(1.0),
            weight_decay: own.and_then(|group| group.weight_decay),
        }
    }

    /// Patterns that none of these names has.
    pub fn unused<'n>(&self, names: impl Iterator<Item = &'n str> + Clone) -> Vec<&'a str> {
        let is_unused = |pattern: &Regex| !names.clone().any(|name| pattern.is_match(name).unwrap_or(false));
        self.0.iter().filter(|(pattern, _)| is_unused(pattern)).map(|(_, group)| group.pattern.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_is_found_counts() {
        let text = "[[g]]\npattern = 'layers\\.[01]\\.'\nlr-multiplier = 0.5\nweight-decay = 0.0\n\
                    [[g]]\npattern = 'embed'\nfrozen = true\n[[g]]\npattern = 'layers'\nlr-multiplier = 2.0";
        let table: std::collections::BTreeMap<String, Vec<ParameterGroup>> = toml::from_str(text).unwrap();
        let groups = Groups::of(&table["g"]);
        assert!(table["g"].iter().all(|group| group.problem().is_none()));
        let first = groups.group("model.layers.1.mlp.up_proj.weight", None);
        assert_eq!(first, Group { lr_multiplier: 0.5, weight_decay: Some(0.0) });
        assert_eq!(groups.group("model.layers.11.x", Some(3.0)), Group { lr_multiplier: 6.0, weight_decay: None });
        assert!(groups.is_frozen("model.embed_tokens.weight") && !groups.is_frozen("score.weight"));
        assert_eq!(groups.unused(["score.weight", "a.embed"].into_iter()), ["layers\\.[01]\\.", "layers"]);
        let broken = ParameterGroup { pattern: "(".into(), ..table["g"][0].clone() };
        assert!(broken.problem().unwrap().contains("\"(\""));
    }
}
