//! Sets of languages: what `--langs` means.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::suggest::nearest;
use super::table::{LangInfo, rows};
use super::{Direction, Lang, LangError, Resource, SCRIPTS, Script};

/// The 23 configs of M-RewardBench (`tests/it/data.rs` holds them to the published list).
pub const MREWARDBENCH: [&str; 23] = [
    "arb_Arab", "ces_Latn", "deu_Latn", "ell_Grek", "fra_Latn", "heb_Hebr", "hin_Deva", "ind_Latn", "ita_Latn",
    "jpn_Jpan", "kor_Hang", "nld_Latn", "pes_Arab", "pol_Latn", "por_Latn", "ron_Latn", "rus_Cyrl", "spa_Latn",
    "tur_Latn", "ukr_Cyrl", "vie_Latn", "zho_Hans", "zho_Hant",
];

pub(super) const SET_NAMES: [&str; 5] = ["@mrewardbench", "@script:…", "@family:…", "@resource:…", "@direction:…"];
const BARE_NAMES: [&str; 5] = ["mrewardbench", "script", "family", "resource", "direction"];

/// A set of languages, possibly "every language but these".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LangSet {
    /// True: every language except `langs`, including languages that the table does not have.
    open: bool,
    langs: BTreeSet<Lang>,
}

impl LangSet {
    pub fn all() -> Self {
        Self { open: true, langs: BTreeSet::new() }
    }

    pub fn of(langs: impl IntoIterator<Item = Lang>) -> Self {
        Self { open: false, langs: langs.into_iter().collect() }
    }

    /// A comma-separated list, in any case, read from left to right: languages as [`Lang::parse`] takes
    /// them, `all`, sets (`@mrewardbench`, `@script:Arab`, `@script:Arabic`, `@family:Turkic`,
    /// `@resource:high`, `@direction:rtl`), each taken away instead with a leading minus
    /// (`all,-eng`, `@family:Turkic,-tur`). A list that begins with a minus begins from `all`.
    ///
    /// # Errors
    /// Unknown names, with suggestions; a list that leaves nothing.
    pub fn parse(spec: &str) -> Result<Self, LangError> {
        let mut set: Option<LangSet> = None;
        for part in spec.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (minus, name) = match part.strip_prefix('-') {
                Some(name) => (true, name.trim()),
                None => (false, part),
            };
            let named = named(name)?;
            let sum = set.unwrap_or(if minus { Self::all() } else { Self::of([]) });
            set = Some(if minus { sum.without(&named) } else { sum.with(&named) });
        }
        set.filter(|set| set.open || !set.langs.is_empty()).ok_or_else(|| LangError::Empty { spec: spec.to_owned() })
    }

    pub fn contains(&self, lang: Lang) -> bool {
        self.open != self.langs.contains(&lang)
    }

    /// True for the set that leaves no language out.
    pub fn is_all(&self) -> bool {
        self.open && self.langs.is_empty()
    }

    /// The members in order of code; of an open set, those that the table knows.
    pub fn iter(&self) -> impl Iterator<Item = Lang> + '_ {
        let known = if self.open { rows() } else { &[] };
        let listed = (!self.open).then_some(&self.langs);
        known
            .iter()
            .map(|info| info.lang)
            .filter(|&lang| self.contains(lang))
            .chain(listed.into_iter().flatten().copied())
    }

    fn with(self, other: &LangSet) -> LangSet {
        match (self.open, other.open) {
            (false, false) => Self { open: false, langs: &self.langs | &other.langs },
            (true, false) => Self { open: true, langs: &self.langs - &other.langs },
            (false, true) => Self { open: true, langs: &other.langs - &self.langs },
            (true, true) => Self { open: true, langs: &self.langs & &other.langs },
        }
    }

    fn without(self, other: &LangSet) -> LangSet {
        match (self.open, other.open) {
            (false, false) => Self { open: false, langs: &self.langs - &other.langs },
            (true, false) => Self { open: true, langs: &self.langs | &other.langs },
            (false, true) => Self { open: false, langs: &self.langs & &other.langs },
            (true, true) => Self { open: false, langs: &other.langs - &self.langs },
        }
    }
}

/// One element of the list.
fn named(name: &str) -> Result<LangSet, LangError> {
    if name.eq_ignore_ascii_case("all") {
        return Ok(LangSet::all());
    }
    let Some(set) = name.strip_prefix('@') else {
        return Lang::parse(name).map(|lang| LangSet::of([lang]));
    };
    let (key, value) = set.split_once(':').map_or((set, ""), |(key, value)| (key.trim(), value.trim()));
    match key.to_ascii_lowercase().as_str() {
        "mrewardbench" | "m-rewardbench" | "mrb" if value.is_empty() => {
            Ok(LangSet::of(MREWARDBENCH.into_iter().filter_map(Lang::from_code)))
        }
        "script" => by_value("script", value, script_values(), |info, value| {
            // A code means that script alone; "Han" means both Chinese scripts.
            match Script::by_code(value) {
                _ if ["han", "hani"].contains(&value.to_lowercase().as_str()) => {
                    ["Hans", "Hant"].contains(&info.script.code)
                }
                Some(script) => info.script.code == script.code,
                None => info.script.name.eq_ignore_ascii_case(value),
            }
        }),
        "family" => by_value("family", value, rows().iter().map(|info| info.family), |info, value| {
            info.family.eq_ignore_ascii_case(value)
        }),
        "resource" => by_value("resource", value, ["high", "mid", "low"], |info, value| {
            info.resource.is_some() && info.resource == Resource::parse(value)
        }),
        "direction" => by_value("direction", value, ["ltr", "rtl"], |info, value| {
            info.direction()
                == if value.eq_ignore_ascii_case("rtl") { Direction::RightToLeft } else { Direction::LeftToRight }
                && ["ltr", "rtl"].iter().any(|known| known.eq_ignore_ascii_case(value))
        }),
        other => Err(LangError::UnknownSet {
            name: set.to_owned(),
            suggestions: nearest(other, BARE_NAMES, 3).into_iter().map(|name| format!("@{name}")).collect(),
        }),
    }
}

fn script_values() -> impl Iterator<Item = &'static str> {
    SCRIPTS.iter().flat_map(|script| [script.code, script.name])
}

/// The languages whose row has the value; an unknown value is an error with its neighbours.
fn by_value<'a>(
    set: &'static str,
    value: &str,
    known: impl IntoIterator<Item = &'a str>,
    matches: impl Fn(&LangInfo, &str) -> bool,
) -> Result<LangSet, LangError> {
    let langs: BTreeSet<Lang> = rows().iter().filter(|info| matches(info, value)).map(|info| info.lang).collect();
    if !langs.is_empty() {
        return Ok(LangSet { open: false, langs });
    }
    let known: BTreeSet<&str> = known.into_iter().collect();
    // Short closed lists are shown whole.
    let near = if known.len() <= 3 { known.iter().copied().collect() } else { nearest(value, known, 3) };
    let suggestions = near.into_iter().map(|value| format!("@{set}:{value}")).collect();
    Err(LangError::UnknownValue { set, value: value.to_owned(), suggestions })
}

impl Default for LangSet {
    fn default() -> Self {
        Self::all()
    }
}

/// A list that [`LangSet::parse`] takes back: `all`, `all,-eng_Latn` or the codes.
impl fmt::Display for LangSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.open {
            f.write_str("all")?;
        }
        for (index, lang) in self.langs.iter().enumerate() {
            f.write_str(match (self.open, index) {
                (true, _) => ",-",
                (false, 0) => "",
                (false, _) => ",",
            })?;
            f.write_str(lang.code())?;
        }
        Ok(())
    }
}

impl FromStr for LangSet {
    type Err = LangError;

    fn from_str(spec: &str) -> Result<Self, LangError> {
        Self::parse(spec)
    }
}

impl Serialize for LangSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LangSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LangSet::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(spec: &str) -> Vec<String> {
        LangSet::parse(spec).unwrap_or_else(|e| panic!("{spec}: {e}")).iter().map(|lang| lang.to_string()).collect()
    }

    #[test]
    fn lists_sets_and_minus() {
        assert_eq!(codes("de, English,zh-TW"), ["deu_Latn", "eng_Latn", "zho_Hant"]);
        assert_eq!(codes("@script:Hebr"), ["heb_Hebr", "ydd_Hebr"]);
        assert_eq!(codes("@SCRIPT:hebrew,-yi"), ["heb_Hebr"]);
        assert_eq!(codes("@script:Hant"), ["yue_Hant", "zho_Hant"]);
        assert_eq!(codes("@script:han"), ["yue_Hant", "zho_Hans", "zho_Hant"]);
        assert!(codes("@family:turkic").contains(&"tur_Latn".to_owned()));
        assert_eq!(codes("@mrewardbench").len(), 23);
        assert_eq!(codes("@mrewardbench,-@resource:high").len(), 6);
        assert!(codes("@direction:rtl").contains(&"urd_Arab".to_owned()));
        assert_eq!(codes("en,-en,fr"), ["fra_Latn"], "read from left to right");
    }

    #[test]
    fn all_is_open_to_languages_outside_the_table() {
        let unlisted = Lang::from_code("gsw_Latn").unwrap();
        let everything = LangSet::parse("ALL").unwrap();
        assert!(everything.is_all() && everything.contains(unlisted));
        let others = LangSet::parse("-eng").unwrap();
        assert!(!others.is_all() && others.contains(unlisted) && !others.contains(Lang::ENGLISH));
        assert_eq!(others, LangSet::parse("all,-English").unwrap());
        assert_eq!(others.iter().count(), rows().len() - 1);
        assert!(!LangSet::parse("@resource:low").unwrap().contains(unlisted));
    }

    #[test]
    fn written_and_read_back() {
        for spec in ["all", "all,-eng_Latn", "deu_Latn,fra_Latn"] {
            assert_eq!(LangSet::parse(spec).unwrap().to_string(), spec);
        }
    }

    #[test]
    fn misses_have_hints() {
        let hint = |spec: &str| LangSet::parse(spec).unwrap_err().hint().unwrap_or_default();
        assert!(hint("@scrpt:Arab").contains("@script"));
        assert!(hint("@script:Arabc").contains("@script:Arabic"));
        assert!(hint("@family:Turkik").contains("@family:Turkic"));
        assert!(hint("@resource:huge").contains("@resource:mid"));
        assert!(hint("@zzzzz").contains("@mrewardbench"));
        assert!(hint("de,Frnch").contains("fra_Latn"));
        assert!(matches!(LangSet::parse(""), Err(LangError::Empty { .. })));
        assert!(matches!(LangSet::parse("en,-en"), Err(LangError::Empty { .. })));
    }
}
