//! How languages are written in a report: names, direction, tags. The only room of the report that
//! asks the language table.

use crate::lang::Lang;

/// English name, or the code for a language without an entry.
pub fn name(lang: Lang) -> String {
    lang.code().to_owned()
}

/// The language's name in itself.
pub fn native(_lang: Lang) -> Option<&'static str> {
    None
}

/// `rtl` or `ltr`, for the `dir` attribute.
pub fn direction(lang: Lang) -> &'static str {
    match script(&lang) {
        "Arab" | "Hebr" | "Thaa" | "Syrc" | "Nkoo" | "Adlm" => "rtl",
        _ => "ltr",
    }
}

/// ISO 15924 script code.
pub fn script(lang: &Lang) -> &str {
    lang.code().get(4..).unwrap_or("Zyyy")
}

/// ISO 639-3 code.
pub fn base(lang: &Lang) -> &str {
    lang.code().get(..3).unwrap_or("und")
}

/// BCP-47 tag for the `lang` attribute. Browsers pick Han glyphs by two-letter tags only.
pub fn tag(lang: Lang) -> String {
    match (base(&lang), script(&lang)) {
        ("zho", script) => format!("zh-{script}"),
        ("jpn", _) => "ja".to_owned(),
        ("kor", _) => "ko".to_owned(),
        ("eng", _) => "en".to_owned(),
        (base, script) => format!("{base}-{script}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_directions() {
        let arabic = Lang::from_code("arb_Arab").unwrap();
        assert_eq!((tag(arabic).as_str(), direction(arabic)), ("arb-Arab", "rtl"));
        let chinese = Lang::from_code("zho_Hant").unwrap();
        assert_eq!((tag(chinese).as_str(), direction(chinese)), ("zh-Hant", "ltr"));
    }
}
