//! What M-RewardBench's files are about, by their names: `<org>/<model>-<lang>.json`, or, as its aggregation reads
//! them, one folder per language (`<lang>/<model>.json`); `translation` stands in the place of a language.

use std::fmt;
use std::path::Path;

use super::super::ImportError;
use crate::lang::Lang;

/// One of its configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    Lang(Lang),
    Translation,
}

impl About {
    fn of(name: &str) -> Option<About> {
        if name == "translation" { Some(About::Translation) } else { Lang::from_code(name).map(About::Lang) }
    }

    /// The benchmark whose items these are; English is RewardBench's own.
    pub fn benchmark(self) -> &'static str {
        match self {
            About::Lang(Lang::ENGLISH) => "rewardbench",
            About::Lang(_) => "m-rewardbench",
            About::Translation => "m-rewardbench-translation",
        }
    }

    /// The language of all its items.
    pub fn lang(self) -> Option<Lang> {
        match self {
            About::Lang(lang) => Some(lang),
            About::Translation => None,
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Lang(lang) => lang.fmt(f),
            About::Translation => f.write_str("translation"),
        }
    }
}

/// What a result's path says.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    pub model: String,
    /// The model's organisation is in it.
    pub has_org: bool,
    /// `None`: it does not say.
    pub about: Option<About>,
    /// Scores line by line, without ids.
    pub lines: bool,
}

impl Name {
    /// `lang`: of files that do not name their language.
    pub fn of(path: &Path, lang: Option<Lang>) -> Name {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let lines = path.extension().is_some_and(|e| e == "jsonl");
        let base = stem.strip_suffix("-all").unwrap_or(&stem);
        let folder = |up: usize| {
            let name = path.ancestors().nth(up).and_then(Path::file_name);
            name.map(|name| name.to_string_lossy().into_owned()).filter(|name| !name.is_empty() && name != ".")
        };
        let suffixed = base.rsplit_once('-').and_then(|(model, name)| Some((model, About::of(name)?)));
        let of_folder = |up: usize| folder(up).and_then(|name| About::of(&name));
        let (model, about, org) = match suffixed {
            Some((model, about)) => (model, Some(about), folder(1)),
            None => match (of_folder(1), of_folder(2)) {
                (Some(about), _) => (base, Some(about), None),
                (None, Some(about)) => (base, Some(about), folder(1)),
                (None, None) => (base, lang.map(About::Lang), folder(1)),
            },
        };
        let (model, has_org) = match (model.split_once("___"), org) {
            (Some((org, model)), _) => (format!("{org}/{model}"), true),
            (None, Some(org)) => (format!("{org}/{model}"), about.is_some()),
            (None, None) => (model.to_owned(), false),
        };
        Name { model, has_org, about, lines }
    }

    /// # Errors
    /// The path names neither a language nor `translation`.
    pub fn about(&self, path: &Path) -> Result<About, ImportError> {
        let hint = "M-RewardBench's tools write `<model>-<language>.json`, as in `rm-7b-arb_Arab.json`, or a folder per language; --lang says it for all files";
        self.about.ok_or_else(|| ImportError::not_this(path, "does not name its language", hint))
    }
}

/// The benchmark that a file of data belongs to.
pub fn data_of(path: &Path) -> &'static str {
    let name =
        |part: Option<&std::ffi::OsStr>| part.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (stem, folder) = (name(path.file_stem()), name(path.parent().and_then(Path::file_name)));
    match About::of(&stem).or_else(|| About::of(&folder)) {
        Some(about) => about.benchmark(),
        None if stem.contains("translation") => About::Translation.benchmark(),
        None if stem.starts_with("rewardbench") || stem.starts_with("filtered-") => "rewardbench",
        None => "m-rewardbench",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_model_and_language() {
        let of = |path: &str| {
            let name = Name::of(Path::new(path), None);
            (name.model, name.about.map(|about| about.to_string()), name.lines, name.has_org)
        };
        let named = |model: &str, about: &str, lines| (model.to_owned(), Some(about.to_owned()), lines, true);
        assert_eq!(of("out/org/rm-7b-arb_Arab.json"), named("org/rm-7b", "arb_Arab", false));
        assert_eq!(of("out/org/rm-7b-arb_Arab-all.jsonl"), named("org/rm-7b", "arb_Arab", true));
        assert_eq!(of("openai___gpt-4-zho_Hans.json"), named("openai/gpt-4", "zho_Hans", false));
        assert_eq!(of("out/org/rm-translation-all.jsonl"), named("org/rm", "translation", true));
        assert_eq!(of("arb_Arab/org/rm-7b.json"), named("org/rm-7b", "arb_Arab", false));
        assert_eq!(of("arb_Arab/org___rm-7b.json"), named("org/rm-7b", "arb_Arab", false));
        assert_eq!(of("arb_Arab/rm-7b.json"), ("rm-7b".to_owned(), Some("arb_Arab".to_owned()), false, false));
        assert_eq!(of("rm.json"), ("rm".to_owned(), None, false, false));
        assert_eq!(Name::of(Path::new("rm.json"), Some(Lang::ENGLISH)).about, Some(About::Lang(Lang::ENGLISH)));
    }

    #[test]
    fn data_are_of_three_benchmarks() {
        let of = |path: &str| data_of(Path::new(path));
        assert_eq!(of("deu_Latn/test-00000-of-00001.parquet"), "m-rewardbench");
        assert_eq!(of("m-rewardbench.parquet"), "m-rewardbench");
        assert_eq!(of("translation/test-00000-of-00001.parquet"), "m-rewardbench-translation");
        assert_eq!(of("data/rewardbench.parquet"), "rewardbench");
        assert_eq!(of("eng_Latn/filtered.json"), "rewardbench");
    }
}
