//! Writing systems: ISO 15924 code, name, direction, and which characters belong to them.

/// Which way a script runs; what a report needs to set text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    LeftToRight,
    RightToLeft,
}

impl Direction {
    /// The value of HTML's `dir` attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::LeftToRight => "ltr",
            Direction::RightToLeft => "rtl",
        }
    }
}

/// One writing system. Compare by `code`.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// ISO 15924 code.
    pub code: &'static str,
    /// Name as M-RewardBench publishes it: "Han" for simplified Chinese, "Hant" for traditional.
    pub name: &'static str,
    pub direction: Direction,
    /// Unicode blocks that hold the script's letters, first and last code point.
    ranges: &'static [(u32, u32)],
}

use Direction::{LeftToRight, RightToLeft};

const HAN: (u32, u32) = (0x4e00, 0x9fff);
const HAN_A: (u32, u32) = (0x3400, 0x4dbf);
const HAN_COMPATIBILITY: (u32, u32) = (0xf900, 0xfaff);
const HAN_SUPPLEMENTS: (u32, u32) = (0x2_0000, 0x3_23af);
const HAN_ITERATION: (u32, u32) = (0x3005, 0x3007);

const fn script(code: &'static str, name: &'static str, direction: Direction, ranges: &'static [(u32, u32)]) -> Script {
    Script { code, name, direction, ranges }
}

/// Every script that the language table uses, by code.
pub static SCRIPTS: &[Script] = &[
    script(
        "Arab",
        "Arabic",
        RightToLeft,
        &[(0x600, 0x6ff), (0x750, 0x77f), (0x870, 0x8ff), (0xfb50, 0xfdff), (0xfe70, 0xfeff)],
    ),
    script("Armn", "Armenian", LeftToRight, &[(0x530, 0x58f), (0xfb13, 0xfb17)]),
    script("Beng", "Bengali", LeftToRight, &[(0x980, 0x9ff)]),
    script("Cyrl", "Cyrillic", LeftToRight, &[(0x400, 0x52f), (0x1c80, 0x1c8f), (0x2de0, 0x2dff), (0xa640, 0xa69f)]),
    script("Deva", "Devanagari", LeftToRight, &[(0x900, 0x97f), (0xa8e0, 0xa8ff)]),
    script("Ethi", "Ethiopic", LeftToRight, &[(0x1200, 0x139f), (0x2d80, 0x2ddf), (0xab00, 0xab2f)]),
    script("Geor", "Georgian", LeftToRight, &[(0x10a0, 0x10ff), (0x1c90, 0x1cbf), (0x2d00, 0x2d2f)]),
    script("Grek", "Greek", LeftToRight, &[(0x370, 0x3ff), (0x1f00, 0x1fff)]),
    script("Gujr", "Gujarati", LeftToRight, &[(0xa80, 0xaff)]),
    script("Guru", "Gurmukhi", LeftToRight, &[(0xa00, 0xa7f)]),
    script("Hang", "Hangul", LeftToRight, &[(0x1100, 0x11ff), (0x3130, 0x318f), (0xa960, 0xa97f), (0xac00, 0xd7ff)]),
    script("Hans", "Han", LeftToRight, &[HAN, HAN_A, HAN_COMPATIBILITY, HAN_SUPPLEMENTS, HAN_ITERATION]),
    script("Hant", "Hant", LeftToRight, &[HAN, HAN_A, HAN_COMPATIBILITY, HAN_SUPPLEMENTS, HAN_ITERATION]),
    script("Hebr", "Hebrew", RightToLeft, &[(0x590, 0x5ff), (0xfb1d, 0xfb4f)]),
    script(
        "Jpan",
        "Japanese",
        LeftToRight,
        &[
            (0x3040, 0x30ff),
            (0x31f0, 0x31ff),
            (0xff66, 0xff9f),
            HAN,
            HAN_A,
            HAN_COMPATIBILITY,
            HAN_SUPPLEMENTS,
            HAN_ITERATION,
        ],
    ),
    script("Khmr", "Khmer", LeftToRight, &[(0x1780, 0x17ff)]),
    script("Knda", "Kannada", LeftToRight, &[(0xc80, 0xcff)]),
    script("Laoo", "Lao", LeftToRight, &[(0xe80, 0xeff)]),
    script(
        "Latn",
        "Latin",
        LeftToRight,
        &[
            (0x41, 0x5a),
            (0x61, 0x7a),
            (0xaa, 0xaa),
            (0xba, 0xba),
            (0xc0, 0x24f),
            (0x250, 0x2ff),
            (0x1d00, 0x1dbf),
            (0x1e00, 0x1eff),
            (0x2c60, 0x2c7f),
            (0xa720, 0xa7ff),
            (0xab30, 0xab6f),
            (0xfb00, 0xfb06),
            (0xff21, 0xff5a),
        ],
    ),
    script("Mlym", "Malayalam", LeftToRight, &[(0xd00, 0xd7f)]),
    script("Mymr", "Burmese", LeftToRight, &[(0x1000, 0x109f), (0xa9e0, 0xa9ff), (0xaa60, 0xaa7f)]),
    script("Olck", "Ol Chiki", LeftToRight, &[(0x1c50, 0x1c7f)]),
    script("Orya", "Odia", LeftToRight, &[(0xb00, 0xb7f)]),
    script("Sinh", "Sinhala", LeftToRight, &[(0xd80, 0xdff)]),
    script("Taml", "Tamil", LeftToRight, &[(0xb80, 0xbff)]),
    script("Telu", "Telugu", LeftToRight, &[(0xc00, 0xc7f)]),
    script("Tfng", "Tifinagh", LeftToRight, &[(0x2d30, 0x2d7f)]),
    script("Thai", "Thai", LeftToRight, &[(0xe00, 0xe7f)]),
    script("Tibt", "Tibetan", LeftToRight, &[(0xf00, 0xfff)]),
];

impl Script {
    /// The script with an ISO 15924 code in any case. Codes that name a part or a superset of a
    /// language's script (`Kore`, `Hira`, `Kana`, `Hani`) stand for the one the table uses.
    pub fn by_code(code: &str) -> Option<&'static Script> {
        let wanted = match code.to_ascii_lowercase().as_str() {
            "kore" => "hang".to_owned(),
            "hira" | "kana" | "hrkt" => "jpan".to_owned(),
            "hani" => "hans".to_owned(),
            other => other.to_owned(),
        };
        SCRIPTS.iter().find(|script| script.code.eq_ignore_ascii_case(&wanted))
    }

    /// Whether a character belongs to the script.
    pub fn covers(&self, character: char) -> bool {
        let point = u32::from(character);
        self.ranges.iter().any(|&(first, last)| (first..=last).contains(&point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_in_order_and_their_ranges_run_forward() {
        assert!(SCRIPTS.windows(2).all(|pair| pair[0].code < pair[1].code));
        for script in SCRIPTS {
            assert!(script.ranges.iter().all(|(first, last)| first <= last), "{}", script.code);
        }
    }

    #[test]
    fn characters_belong_to_their_scripts() {
        let covers = |code: &str, text: &str| {
            let script = Script::by_code(code).unwrap();
            text.chars().all(|c| script.covers(c))
        };
        assert!(covers("Latn", "Türkçe") && covers("Latn", "Việt"));
        assert!(covers("Arab", "فارسی") && covers("Hebr", "עברית") && covers("Deva", "हिन्दी"));
        assert!(covers("Jpan", "日本語のテスト") && covers("kore", "한국어"));
        assert!(!covers("Hans", "テスト") && !covers("Cyrl", "abc"));
    }
}
