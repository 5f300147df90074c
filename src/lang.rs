//! Languages: the canonical id is the FLORES-200 code, ISO 639-3 plus ISO 15924 script (`arb_Arab`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A language in a script. Eight bytes, `xxx_Xxxx`; ordered by code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lang([u8; 8]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LangError {
    #[error("`{name}` is not a language rmbench knows")]
    Unknown { name: String, suggestions: Vec<String> },
}

impl Lang {
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

    pub fn code(&self) -> &str {
        // The constructor admits ASCII only.
        std::str::from_utf8(&self.0).unwrap_or("und_Zyyy")
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
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
        Lang::from_code(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a FLORES-200 code")))
    }
}
