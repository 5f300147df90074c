//! Languages: the canonical id is the FLORES-200 code, ISO 639-3 plus ISO 15924 script (`arb_Arab`).
//!
//! [`table`] says what is known of each (names, script, family, resource class), [`Lang::parse`] takes
//! whatever people write, [`LangSet`] is what `--langs` means.

pub mod confusion;
pub mod fasttext;
pub mod identify;
mod names;
mod script;
mod set;
pub mod suggest;
pub mod table;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use script::{Direction, SCRIPTS, Script};
pub use set::{LangSet, MREWARDBENCH};
pub use table::LangInfo;

/// A language in a script. Eight bytes, `xxx_Xxxx`; ordered by code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lang([u8; 8]);

/// A language, or a set of languages, that cannot be made sense of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LangError {
    #[error("`{name}` is not a language rmbench knows")]
    Unknown { name: String, suggestions: Vec<String> },
    #[error("`@{name}` is not a set of languages rmbench knows")]
    UnknownSet { name: String, suggestions: Vec<String> },
    #[error("no language has {set} `{value}`")]
    UnknownValue { set: &'static str, value: String, suggestions: Vec<String> },
    #[error("`{spec}` leaves no language")]
    Empty { spec: String },
}

impl LangError {
    /// What to do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            LangError::Unknown { suggestions, .. } => suggest::did_you_mean(suggestions).or_else(|| {
                Some("use a FLORES-200 code (`swh_Latn`), an ISO 639 code (`sw`, `swa`) or an English name".to_owned())
            }),
            LangError::UnknownSet { suggestions, .. } => {
                let known = format!("sets are {}", set::SET_NAMES.join(", "));
                Some(suggest::did_you_mean(suggestions).unwrap_or(known))
            }
            LangError::UnknownValue { suggestions, .. } => suggest::did_you_mean(suggestions),
            LangError::Empty { .. } => Some("leave the option out, or write `all`, for every language".to_owned()),
        }
    }
}

/// How much data a language has, in the three steps that multilingual work reports by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    High,
    Mid,
    Low,
}

impl Resource {
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::High => "high",
            Resource::Mid => "mid",
            Resource::Low => "low",
        }
    }

    pub fn parse(text: &str) -> Option<Resource> {
        Some(match text.to_ascii_lowercase().as_str() {
            "high" => Resource::High,
            "mid" | "medium" => Resource::Mid,
            "low" => Resource::Low,
            _ => return None,
        })
    }
}

impl Lang {
    /// The eight bytes of its code.
    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0
    }

    pub const ENGLISH: Lang = Lang(*b"eng_Latn");

    /// A well-formed code (`xxx_Xxxx`), whether or not the table has an entry for it.
    pub fn from_code(code: &str) -> Option<Lang> {
        let bytes: [u8; 8] = code.as_bytes().try_into().ok()?;
        let shape = bytes[..3].iter().all(u8::is_ascii_lowercase)
            && bytes[3] == b'_'
            && bytes[4].is_ascii_uppercase()
            && bytes[5..].iter().all(u8::is_ascii_lowercase);
        shape.then_some(Lang(bytes))
    }

    /// A language as people write it, in any case: FLORES-200 code, ISO 639-1, 639-2 or 639-3 code,
    /// macrolanguage code, BCP 47 tag (`zh-TW`, `sr-Latn`, `pt_BR`), English or native name.
    ///
    /// Where a code or tag leaves the script open, the usual one is meant (`zh` is `zho_Hans`, `sr` is
    /// `srp_Cyrl`). `jp` and `kr` are Japanese and Korean, as M-RewardBench prints them. A known language
    /// in another known script (`hin_Latn`) is accepted and has no [`info`](Lang::info).
    ///
    /// # Errors
    /// [`LangError::Unknown`] with the nearest known languages.
    pub fn parse(text: &str) -> Result<Lang, LangError> {
        names::parse(text)
    }

    /// What the table knows of the language.
    pub fn info(&self) -> Option<&'static LangInfo> {
        table::find(*self)
    }

    pub fn code(&self) -> &str {
        // The constructor admits ASCII only.
        std::str::from_utf8(&self.0).unwrap_or("und_Zyyy")
    }

    /// The language without its script.
    pub fn iso3(&self) -> &str {
        self.code().get(..3).unwrap_or("und")
    }

    /// The script, also of languages that the table has no entry for.
    pub fn script(&self) -> Option<&'static Script> {
        self.code().get(4..).and_then(Script::by_code)
    }

    /// English name; the code where the table has no entry.
    pub fn name(&self) -> &str {
        self.info().map_or_else(|| self.code(), |info| info.name)
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Lang {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Lang {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Lang::from_code(&text).ok_or_else(|| {
            let meant = Lang::parse(&text).map(|lang| format!("; it would be `{lang}`")).unwrap_or_default();
            serde::de::Error::custom(format!("`{text}` is not a FLORES-200 code{meant}"))
        })
    }
}
