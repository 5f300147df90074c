//! From whatever people write to a language: codes, BCP 47 tags, names.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::script::Script;
use super::table::{LangInfo, rows};
use super::{Lang, LangError, suggest};

/// Every accepted spelling in normal form.
static INDEX: LazyLock<HashMap<String, Lang>> = LazyLock::new(|| {
    let mut index = HashMap::new();
    // Aliases first: where several rows share an ISO code, the row that lists it is the one meant.
    for info in rows() {
        for alias in &info.aliases {
            index.entry(normal(alias)).or_insert(info.lang);
        }
    }
    for info in rows() {
        for spelling in spellings(info) {
            index.entry(normal(spelling)).or_insert(info.lang);
        }
    }
    index
});

/// The spellings of a row besides its aliases.
pub(super) fn spellings(info: &'static LangInfo) -> impl Iterator<Item = &'static str> {
    let code = info.lang.code();
    [Some(code), code.get(..3), info.iso1, Some(info.name), info.native]
        .into_iter()
        .flatten()
        .chain(info.alternates.iter().copied())
}

/// Lower case; everything between letters and digits is one space: `zh-Hant`, `ZH_hant` → `zh hant`.
///
/// Combining marks are kept, so that native names in Indic and Hebrew scripts stay apart.
pub(super) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() || c.is_whitespace() {
            gap = !out.is_empty() && c != '\'';
        } else {
            if std::mem::take(&mut gap) {
                out.push(' ');
            }
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// A language by any of its spellings; see [`Lang::parse`].
pub(super) fn parse(text: &str) -> Result<Lang, LangError> {
    let name = normal(text);
    INDEX
        .get(&name)
        .copied()
        .or_else(|| subtags(&name))
        .ok_or_else(|| LangError::Unknown { name: text.trim().to_owned(), suggestions: suggestions(&name) })
}

/// A BCP 47 tag or FLORES-like code in normal form: `pt br`, `sr latn rs`, `hin latn`.
fn subtags(name: &str) -> Option<Lang> {
    let mut parts = name.split(' ');
    let language = parts.next().filter(|part| matches!(part.len(), 2 | 3))?;
    let base = *INDEX.get(language)?;
    let mut script = None;
    for part in parts {
        let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
        match part.len() {
            4 if letters && script.is_none() => script = Some(Script::by_code(part)?),
            // Regions matter for Chinese only: elsewhere they do not change the written language here.
            2 if letters && base.iso3() == "zho" && script.is_none() => match part {
                "tw" | "hk" | "mo" => script = Script::by_code("Hant"),
                _ => {}
            },
            2 if letters => {}
            3 if part.bytes().all(|b| b.is_ascii_digit()) => {}
            // Variants and extensions (`valencia`, `1996`, `x-…`) name finer things than the table has.
            5..=8 => {}
            _ => return None,
        }
    }
    match script {
        None => Some(base),
        // `jpn_Hira` and the like stand for the script the table uses.
        Some(script) if base.code().ends_with(script.code) => Some(base),
        Some(script) => Lang::from_code(&format!("{}_{}", base.iso3(), script.code)),
    }
}

/// Up to three languages with a spelling near `name`, as `code (English name)`.
fn suggestions(name: &str) -> Vec<String> {
    let mut spellings: Vec<&str> = INDEX.keys().map(String::as_str).collect();
    spellings.sort_unstable();
    let mut found: Vec<String> = Vec::new();
    for spelling in suggest::nearest(name, spellings, 12) {
        let Some(info) = INDEX.get(spelling).and_then(|lang| lang.info()) else { continue };
        let line = format!("{} ({})", info.lang, info.name);
        if !found.contains(&line) {
            found.push(line);
        }
    }
    found.truncate(3);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        parse(text).map_or_else(|e| panic!("{text}: {e}"), |lang| lang.to_string())
    }

    #[test]
    fn codes_tags_and_names() {
        for (text, expected) in [
            ("arb_Arab", "arb_Arab"),
            ("ARB-arab", "arb_Arab"),
            ("ar", "arb_Arab"),
            ("ara", "arb_Arab"),
            ("zh", "zho_Hans"),
            ("zho", "zho_Hans"),
            ("zh-Hant", "zho_Hant"),
            ("zh-TW", "zho_Hant"),
            ("zh_HK", "zho_Hant"),
            ("zh-CN", "zho_Hans"),
            ("zh-Hans-TW", "zho_Hans"),
            ("zh-yue", "yue_Hant"),
            ("pt-BR", "por_Latn"),
            ("sr", "srp_Cyrl"),
            ("sr-Latn", "srp_Latn"),
            ("sr-Latn-RS", "srp_Latn"),
            ("es-419", "spa_Latn"),
            ("ca-ES-valencia", "cat_Latn"),
            ("ja-Hira", "jpn_Jpan"),
            ("ko-Kore", "kor_Hang"),
            ("jp", "jpn_Jpan"),
            ("kr", "kor_Hang"),
            ("fas", "pes_Arab"),
            ("msa", "zsm_Latn"),
            ("swa", "swh_Latn"),
            ("sqi", "als_Latn"),
            ("nor", "nob_Latn"),
            ("lav", "lvs_Latn"),
            ("ekk", "est_Latn"),
            ("uzb", "uzn_Latn"),
            ("aze", "azj_Latn"),
            ("FARSI", "pes_Arab"),
            ("simplified chinese", "zho_Hans"),
            ("Chinese (Traditional)", "zho_Hant"),
            ("haitian  creole", "hat_Latn"),
            ("Deutsch", "deu_Latn"),
            ("हिन्दी", "hin_Deva"),
            // Known language, known script, though not a row of its own.
            ("hin_Latn", "hin_Latn"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn misses_say_what_is_near() {
        let near = |text: &str| match parse(text) {
            Err(LangError::Unknown { suggestions, .. }) => suggestions,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(near("Swahlii")[0], "swh_Latn (Swahili)");
        assert_eq!(near("deu_Lant")[0], "deu_Latn (German)");
        assert!(near("qqqqqqqq").is_empty());
        for text in ["", "  ", "eng_Xxxx", "python", "e"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
