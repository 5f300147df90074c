//! What is known of each language: the rows of `table.tsv`, read once.

use std::sync::LazyLock;

use super::script::{Direction, Script};
use super::{Lang, Resource};

/// One language in a script.
#[derive(Debug, PartialEq, Eq)]
pub struct LangInfo {
    pub lang: Lang,
    /// ISO 639-1, where there is one; several rows can share it (`zho_Hans`, `zho_Hant`).
    pub iso1: Option<&'static str>,
    /// English name.
    pub name: &'static str,
    /// Further English names.
    pub alternates: Vec<&'static str>,
    /// The language's own name.
    pub native: Option<&'static str>,
    pub script: &'static Script,
    /// Language family (WALS).
    pub family: &'static str,
    /// `None`: not known to us.
    pub resource: Option<Resource>,
    /// Class 0 (left behind) to 5 (winners) of Joshi et al. 2020; `None`: not known to us.
    pub class: Option<u8>,
    /// Further codes that mean this row.
    pub aliases: Vec<&'static str>,
}

impl LangInfo {
    /// ISO 639-3 code, the first half of the FLORES-200 code.
    pub fn iso3(&self) -> &str {
        self.lang.iso3()
    }

    pub fn direction(&self) -> Direction {
        self.script.direction
    }
}

const TSV: &str = include_str!("table.tsv");

static TABLE: LazyLock<Vec<LangInfo>> = LazyLock::new(|| lines().filter_map(row).collect());

/// All rows, in order of code.
pub fn rows() -> &'static [LangInfo] {
    &TABLE
}

/// The row of a language.
pub(super) fn find(lang: Lang) -> Option<&'static LangInfo> {
    let rows = rows();
    rows.binary_search_by_key(&lang, |info| info.lang).ok().map(|index| &rows[index])
}

/// The lines that should each give a row (a test holds the table to that).
fn lines() -> impl Iterator<Item = &'static str> {
    TSV.lines().filter(|line| !line.starts_with('#')).skip(1)
}

fn row(line: &'static str) -> Option<LangInfo> {
    let cells: Vec<&'static str> = line.split('\t').collect();
    let &[code, iso1, name, alternates, native, family, resource, class, aliases] = cells.as_slice() else {
        return None;
    };
    let given = |cell: &'static str| (cell != "-").then_some(cell);
    let list = |cell, separator: char| given(cell).map_or(Vec::new(), |text: &str| text.split(separator).collect());
    Some(LangInfo {
        lang: Lang::from_code(code)?,
        iso1: given(iso1),
        name,
        alternates: list(alternates, ';'),
        native: given(native),
        script: Script::by_code(code.get(4..)?)?,
        family,
        resource: match resource {
            "-" => None,
            known => Some(Resource::parse(known)?),
        },
        class: match class {
            "-" => None,
            digit => Some(digit.parse().ok()?),
        },
        aliases: list(aliases, ' '),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_row_and_rows_are_in_order_of_code() {
        for line in lines() {
            assert!(row(line).is_some(), "not a row: {line}");
        }
        assert!(rows().windows(2).all(|pair| pair[0].lang < pair[1].lang));
        assert!(rows().len() >= 204, "FLORES-200 has 204 languages");
    }

    #[test]
    fn resource_follows_the_class_outside_the_published_rows() {
        let published = crate::lang::set::MREWARDBENCH;
        for info in rows().iter().filter(|info| !published.contains(&info.lang.code())) {
            let expected = info.class.map(|class| match class {
                0..=2 => Resource::Low,
                3 => Resource::Mid,
                _ => Resource::High,
            });
            assert_eq!(info.resource, expected, "{}", info.lang);
        }
    }
}
