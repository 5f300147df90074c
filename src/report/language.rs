//! How languages are written in a report. The only room of the report that asks the language table.

use crate::lang::{Direction, Lang};

/// English name, or the code for a language without an entry.
pub fn name(lang: Lang) -> String {
    lang.info().map_or_else(|| lang.code().to_owned(), |info| info.name.to_owned())
}

/// The language's name in itself.
pub fn native(lang: Lang) -> Option<&'static str> {
    lang.info().and_then(|info| info.native)
}

/// `rtl` or `ltr`, for the `dir` attribute.
pub fn direction(lang: Lang) -> &'static str {
    match lang.script().map(|script| script.direction) {
        Some(Direction::RightToLeft) => "rtl",
        _ => "ltr",
    }
}

/// ISO 15924 script code.
pub fn script(lang: &Lang) -> &str {
    lang.code().get(4..).unwrap_or("Zyyy")
}

/// A named way to group languages; `None`: not known of a language.
pub type Dimension = (&'static str, fn(Lang) -> Option<String>);

/// Joshi et al. 2020 give the class, WALS the family (`lang/table.tsv`).
pub const DIMENSIONS: [Dimension; 3] = [
    ("script", |lang| lang.script().map(|script| script.name.to_owned())),
    ("family", |lang| lang.info().map(|info| info.family.to_owned())),
    ("resource class", |lang| lang.info().and_then(|info| info.class).map(|class| format!("class {class}"))),
];

/// BCP-47 tag for the `lang` attribute. Browsers pick Han glyphs by it and know Japanese and Korean
/// without a script.
pub fn tag(lang: Lang) -> String {
    let base = lang.info().and_then(|info| info.iso1).unwrap_or(lang.iso3());
    match script(&lang) {
        "Jpan" | "Kore" => base.to_owned(),
        script => format!("{base}-{script}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_directions() {
        let of = |code: &str| {
            let lang = Lang::from_code(code).unwrap();
            (tag(lang), direction(lang))
        };
        assert_eq!(of("arb_Arab"), ("ar-Arab".to_owned(), "rtl"));
        assert_eq!(of("zho_Hant"), ("zh-Hant".to_owned(), "ltr"));
        assert_eq!(of("jpn_Jpan"), ("ja".to_owned(), "ltr"));
        // No entry in the table.
        assert_eq!(of("xyz_Hebr"), ("xyz-Hebr".to_owned(), "rtl"));
    }
}
