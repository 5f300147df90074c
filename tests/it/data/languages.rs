//! The language table as a whole, and against the published list.

use std::collections::{BTreeMap, BTreeSet};

use rmbench::lang::table::rows;
use rmbench::lang::{Lang, MREWARDBENCH, Resource};

fn published() -> Vec<Vec<String>> {
    let text = include_str!("../../fixtures/published/mrewardbench_languages.csv");
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn the_23_rows_equal_the_published_ones() {
    let published = published();
    assert_eq!(published.len(), 23);
    for (row, code) in published.iter().zip(MREWARDBENCH) {
        let [config, iso, printed, name, script, family, resource, class] = row.as_slice() else {
            panic!("unexpected columns: {row:?}")
        };
        assert_eq!(config, code);
        let lang = Lang::parse(config).unwrap();
        let info = lang.info().unwrap();
        assert_eq!(info.name, name);
        assert_eq!(info.script.name, script, "{lang}");
        assert_eq!(info.family, family, "{lang}");
        assert_eq!(info.resource, Resource::parse(resource), "{lang}");
        assert_eq!(info.class.map(|class| class.to_string()).as_ref(), Some(class), "{lang}");
        assert_eq!(Lang::parse(iso), Ok(lang));
        // Printed as `zh` for both Chinese configs; a bare `zh` is the simplified one.
        let traditional = lang.code() == "zho_Hant";
        assert_eq!(Lang::parse(printed).unwrap() == lang, !traditional, "{printed}");
    }
}

/// Codes that several rows carry, and the row that each means.
const SHARED: [(&str, &str); 13] = [
    ("ace", "ace_Latn"),
    ("arb", "arb_Arab"),
    ("bjn", "bjn_Latn"),
    ("kas", "kas_Arab"),
    ("knc", "knc_Latn"),
    ("ks", "kas_Arab"),
    ("min", "min_Latn"),
    ("sr", "srp_Cyrl"),
    ("srp", "srp_Cyrl"),
    ("taq", "taq_Latn"),
    ("zh", "zho_Hans"),
    ("zho", "zho_Hans"),
    // ISO 639-1 gives `kr` to Kanuri; M-RewardBench prints it for Korean, and the table follows that.
    ("kr", "kor_Hang"),
];

#[test]
fn every_spelling_means_one_row_but_for_the_documented_ones() {
    let mut meant: BTreeMap<String, BTreeSet<Lang>> = BTreeMap::new();
    for info in rows() {
        let names = info.alternates.iter().chain(&info.aliases).copied();
        let own = [Some(info.lang.code()), Some(info.iso3()), info.iso1, Some(info.name), info.native];
        for spelling in own.into_iter().flatten().chain(names) {
            meant.entry(spelling.to_lowercase()).or_default().insert(info.lang);
        }
    }
    for (spelling, langs) in meant {
        match SHARED.iter().find(|(shared, _)| *shared == spelling) {
            Some((_, code)) => assert_eq!(Lang::parse(&spelling).unwrap().code(), *code),
            None => {
                assert_eq!(langs.len(), 1, "`{spelling}` means {langs:?}");
                assert_eq!(Lang::parse(&spelling).as_ref(), Ok(langs.first().unwrap()), "{spelling}");
            }
        }
    }
}

#[test]
fn facts_of_a_row_fit_each_other() {
    for info in rows() {
        assert!(info.lang.code().ends_with(info.script.code));
        assert!(info.iso1.is_none_or(|code| code.len() == 2), "{}", info.lang);
        assert!(info.class.is_none_or(|class| class <= 5), "{}", info.lang);
        for code in &info.aliases {
            assert!(matches!(code.split('-').next().unwrap().len(), 2 | 3), "{}: {code}", info.lang);
        }
        // Most letters of a native name are in the row's script.
        let letters: Vec<char> = info.native.unwrap_or("").chars().filter(|c| c.is_alphabetic()).collect();
        assert!(letters.iter().all(|&c| info.script.covers(c)), "{}: {:?}", info.lang, info.native);
    }
    let families: BTreeSet<&str> = rows().iter().map(|info| info.family).collect();
    assert!(families.len() < 30, "a misspelt family shows up as one more: {families:?}");
}
