//! Judge protocols as data: what a judge is shown and asked, and how its reply is read.
//!
//! One TOML file per protocol in `src/judge/protocols`, or one of the user's. Texts are templates (minijinja) with the
//! variables of [`Variables`](super::prompt::Variables).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::JudgeError;
use super::grammar::rewardbench::Parser;
use super::grammar::{Grammar, Meaning, Place, Reading};
use super::order::Orders;
use crate::files;
use crate::lang::Lang;
use crate::lang::suggest::{did_you_mean, nearest};
use crate::preference::Role;

/// The most responses that one question can show.
pub const MOST_SHOWN: usize = 6;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Protocol {
    pub name: String,
    pub title: String,
    /// One sentence.
    pub about: String,
    /// Where it was defined.
    pub papers: Vec<String>,
    /// How it differs from what was published.
    #[serde(default)]
    pub differs: Vec<String>,
    /// Responses per question: 1, 2, or all of a list.
    pub shows: usize,
    #[serde(default)]
    pub orders: Orders,
    pub ask: Ask,
    pub message: Vec<Template>,
    pub verdict: VerdictForm,
    /// Sentences by name and language, for prompts in the item's language; English must be among them.
    #[serde(default)]
    pub phrases: BTreeMap<String, BTreeMap<String, String>>,
    /// SHA-256 of the file.
    #[serde(skip)]
    pub digest: String,
}

/// What the request says besides the messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ask {
    pub max_tokens: u32,
    #[serde(default)]
    pub temperature: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Not every server knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Of tokens that question or reply have already. Not every server knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The verdict is read from probabilities, so they are asked for.
    #[serde(default)]
    pub log_probs: bool,
    /// The reply's first token is that of one of these words, whatever else the model would rather write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<String>,
    /// The reply goes on in the last message instead of answering it (CLoud).
    #[serde(default, skip_serializing_if = "is_false")]
    pub goes_on: bool,
}

fn is_false(given: &bool) -> bool {
    !given
}

/// One message of the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Template {
    pub role: Role,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VerdictForm {
    pub place: Place,
    pub meaning: Meaning,
    /// RewardBench's parser for this protocol, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewardbench: Option<Parser>,
    /// Asked once more where a reply has no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<String>,
    /// Where the ratings of both responses stand beside a verdict that is none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grades: Option<GradesForm>,
    /// Follows the last message where a judge is told which verdict (`{{ hint }}`) to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Two ratings beside a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GradesForm {
    pub place: Place,
    /// [`Meaning::Grades`].
    pub meaning: Meaning,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("protocols/", $name, ".toml")))),*]
    };
}

/// The protocols that come with rmbench.
const BUILT_IN: &[(&str, &str)] = built_in![
    "answer-tag",
    "atla",
    "checklist",
    "cloud",
    "con-j",
    "critique",
    "genrm",
    "genrm-critique",
    "helpsteer3",
    "judgebench",
    "m-rewardbench",
    "menlo",
    "mr3",
    "mrb-original",
    "offset-bias",
    "pairwise",
    "pairwise-tie",
    "preference",
    "prometheus-absolute",
    "prometheus-relative",
    "ratings",
    "reference",
    "rewardbench-2-ranking",
    "rewardbench-2-ties",
    "rm-bench",
    "yes-no",
];

/// The names of [`Protocol::find`].
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

impl Protocol {
    /// A built-in protocol by name, or a file that ends with `.toml`.
    pub fn find(name: &str) -> Result<Protocol, JudgeError> {
        if name.ends_with(".toml") {
            let text = files::read_text(Path::new(name))?;
            return Protocol::parse(&text, name);
        }
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Protocol::parse(text, &format!("built-in protocol {name}")),
            None => {
                let near: Vec<String> = nearest(name, names(), 3).into_iter().map(str::to_owned).collect();
                let all =
                    || format!("protocols are {}, or a TOML file of yours", names().collect::<Vec<_>>().join(", "));
                let hint = did_you_mean(&near).unwrap_or_else(all);
                Err(JudgeError::UnknownProtocol { name: name.to_owned(), hint })
            }
        }
    }

    pub fn parse(text: &str, origin: &str) -> Result<Protocol, JudgeError> {
        let wrong = |problem: String| JudgeError::Protocol { origin: origin.to_owned(), problem };
        let mut protocol: Protocol =
            toml::from_str(text).map_err(|e| wrong(e.to_string().trim().replace('\n', ", ")))?;
        protocol.digest = files::sha256(text.as_bytes());
        protocol.check().map_err(wrong)?;
        Ok(protocol)
    }

    fn check(&self) -> Result<(), String> {
        if self.shows == 0 || self.shows > MOST_SHOWN {
            return Err(format!("`shows` is the number of responses per question, from 1 to {MOST_SHOWN}"));
        }
        let is_rating = matches!(self.verdict.meaning, Meaning::Rating { .. } | Meaning::YesNo | Meaning::Reward);
        if is_rating != (self.shows == 1) {
            let why = "ratings, yes/no and rewards are for `shows = 1`, other meanings for more than one response";
            return Err(why.to_owned());
        }
        let of_two =
            matches!(self.verdict.meaning, Meaning::Preference | Meaning::Scale { .. } | Meaning::Grades { .. });
        if of_two && self.shows != 2 {
            return Err("this meaning compares two responses: `shows = 2`".to_owned());
        }
        if matches!(self.verdict.place, Place::End) && !matches!(self.verdict.meaning, Meaning::Rating { .. }) {
            return Err("only ratings are read at the end".to_owned());
        }
        if matches!(self.verdict.place, Place::Head) != matches!(self.verdict.meaning, Meaning::Reward) {
            return Err(
                "a reward head gives a reward: `place = \"head\"` and `meaning = \"reward\"` go together".to_owned()
            );
        }
        if let Some(grades) = &self.verdict.grades
            && (self.shows != 2 || !matches!(grades.meaning, Meaning::Grades { .. }))
        {
            return Err("`verdict.grades` are two ratings: `meaning = { grades = { min = 1, max = 5 } }`".to_owned());
        }
        if self.message.last().is_none_or(|message| message.role != Role::User) {
            return Err("the last message must be the user's".to_owned());
        }
        if self.ask.first.iter().any(|word| word.trim().is_empty()) {
            return Err("`ask.first` holds an empty word".to_owned());
        }
        if !self.phrases.is_empty() {
            let english = self.phrases.get(Lang::ENGLISH.code()).ok_or("`phrases` lacks eng_Latn")?;
            for (code, phrases) in &self.phrases {
                if Lang::from_code(code).is_none() {
                    return Err(format!("`phrases`: `{code}` is no FLORES-200 code"));
                }
                if let Some(name) = english.keys().find(|name| !phrases.contains_key(*name)) {
                    return Err(format!("`phrases.{code}` lacks `{name}`"));
                }
            }
        }
        super::prompt::check(self)
    }

    pub fn grammar(&self, lang: Lang) -> Grammar<'_> {
        Grammar { place: &self.verdict.place, meaning: &self.verdict.meaning, n_shown: self.shows, lang }
    }

    /// The ratings that a reply gives the two responses, where the protocol asks for them. `reading`: of its verdict.
    pub fn grades(&self, lang: Lang, reply: &str, reading: &Reading) -> Option<[f64; 2]> {
        match &self.verdict.grades {
            Some(GradesForm { place, meaning }) => {
                let beside = Grammar { place, meaning, n_shown: self.shows, lang };
                beside.grades(reply, &beside.read(reply))
            }
            None => self.grammar(lang).grades(reply, reading),
        }
    }

    /// Whether it asks for them.
    pub fn asks_for_grades(&self) -> bool {
        self.verdict.grades.is_some() || matches!(self.verdict.meaning, Meaning::Grades { .. })
    }

    /// Whether the verdict is what the judge's own reward head says of its reply.
    pub fn reads_head(&self) -> bool {
        matches!(self.verdict.place, Place::Head)
    }

    /// Refuses to teach a protocol whose replies are no turns of their own.
    pub fn must_answer(&self) -> Result<(), JudgeError> {
        let problem = "replies go on in the last message, and what is trained answers it; take a protocol whose replies are \
                       turns of their own, such as critique";
        match self.ask.goes_on {
            true => Err(JudgeError::Protocol { origin: self.name.clone(), problem: problem.to_owned() }),
            false => Ok(()),
        }
    }

    /// Whether each response is judged on its own.
    pub fn is_pointwise(&self) -> bool {
        self.shows == 1
    }

    /// The phrases of a language; `None` where the protocol has none in it.
    pub fn phrases(&self, lang: Lang) -> Option<&BTreeMap<String, String>> {
        self.phrases.get(lang.code())
    }

    /// Whether a text of it uses a variable.
    pub fn uses(&self, variable: &str) -> bool {
        super::prompt::uses(self, variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_protocol_parses_under_its_own_name() {
        for name in names() {
            let protocol = Protocol::find(name).unwrap();
            assert_eq!(protocol.name, name);
            assert!(protocol.about.ends_with('.') && !protocol.papers.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let error = Protocol::find("pairwsie").unwrap_err();
        assert!(error.hint().unwrap().contains("`pairwise`"), "{error:?}");
    }
}
