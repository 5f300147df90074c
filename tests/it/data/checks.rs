//! The check on a file whose faults are planted, one of each kind.

use rmbench::benchmark::check::{self, ProblemKind};
use rmbench::benchmark::reader::ReadOptions;
use rmbench::benchmark::stats;
use rmbench::lang::Lang;
use rmbench::lang::identify::BuiltIn;
use rmbench::progress::Silent;
use serde_json::{Value, json};

use super::layouts::{Written, jsonl};

const LONG: &str = "This sentence has more than twenty letters in it.";
const HINDI: &str = "यह वाक्य हिंदी में लिखा गया है और काफी लंबा है";

fn row(id: &str, language: &str, prompt: &str, chosen: &str, rejected: &str) -> Value {
    json!({"id": id, "language": language, "prompt": prompt, "chosen": chosen, "rejected": rejected})
}

fn planted() -> Written {
    jsonl(&[
        row("1", "eng_Latn", LONG, "a long answer", "short"),
        row("2", "eng_Latn", "Two?", "same", " same "),
        row("3", "eng_Latn", "Three?", "x", "yy"),
        // The third row turned round: contradictory. Case and white space do not hide it.
        row("4", "eng_Latn", "three? ", "YY", "x"),
        // The first again under another id, and under its own.
        row("5", "eng_Latn", LONG, "a long answer", "short"),
        row("1", "eng_Latn", "Other?", "u", "v"),
        // Not translated: the prompt equals the English one of the same id, and is not in Devanagari.
        row("1", "hin_Deva", LONG, "कख", "ग"),
        // Same words under an id that has no English version: only the script tells.
        row("9", "hin_Deva", HINDI, LONG, "ख"),
        row("8", "hin_Deva", HINDI, "क", ""),
        row("7", "Klingon", "P", "C", "R"),
    ])
}

#[test]
fn planted_faults_are_found() {
    let file = planted();
    // The other file has row 1's item with the sides swapped, and row 2's prompt with other responses.
    let other = jsonl(&[
        row("x", "deu_Latn", LONG, "short", "a long answer"),
        row("y", "eng_Latn", "TWO?", "something", "else"),
    ]);
    let lengths = |c: &rmbench::preference::Comparison| (c.chosen[0].text.chars().count(), 10);
    let report = check::run(
        std::slice::from_ref(&file.path),
        &ReadOptions::default(),
        Some(&other.path),
        Some(&lengths),
        &mut Silent,
    )
    .unwrap();
    let [checked] = report.files.as_slice() else { panic!() };

    let english = &checked.languages[&Lang::ENGLISH];
    assert_eq!((english.rows, english.comparisons), (6, 6));
    assert_eq!((english.identical, english.duplicate_keys), (1, 1));
    assert_eq!((english.contradictory, english.repeated), (1, 1));
    // Rows 1 and 5 are in the other file; of row 2 the prompt alone.
    assert_eq!((english.leaked_items, english.leaked_prompts), (Some(2), Some(1)));
    // Characters of chosen and rejected: 13:5, 4:6, 1:2, 2:1, 13:5, 1:1. Longer: 3 of 6, one equal.
    // The white space around the text counts as written.
    assert_eq!(english.chosen_longer, Some(3.5 / 6.0));
    // ln of 2.6, 2/3, 1/2, 2, 2.6, 1; in the middle 1 and 2.
    assert!((english.median_log_length_ratio.unwrap() - 2f64.ln() / 2.0).abs() < 1e-6);
    assert_eq!((english.over_long, english.longest_tokens), (Some(2), Some(13)));

    let hindi = &checked.languages[&Lang::parse("hi").unwrap()];
    assert_eq!((hindi.rows, hindi.comparisons), (3, 2));
    assert_eq!(hindi.bad.get("empty"), Some(&1));
    assert_eq!((hindi.untranslated_prompts, hindi.untranslated_responses), (1, 0));
    assert_eq!((hindi.other_script_prompts, hindi.other_script_responses), (1, 1));
    assert_eq!(checked.without_language.get("unknown language"), Some(&1));
    assert_eq!(checked.bad_rows.len(), 2);

    let kinds: Vec<_> = report.problems().iter().map(|p| (p.lang.map(|l| l.to_string()), p.kind, p.count)).collect();
    let code = |code: &str| Some(code.to_owned());
    assert_eq!(
        kinds,
        [
            (None, ProblemKind::BadRows, 1),
            (code("eng_Latn"), ProblemKind::DuplicateKeys, 1),
            (code("eng_Latn"), ProblemKind::IdenticalResponses, 1),
            (code("eng_Latn"), ProblemKind::ContradictoryPairs, 1),
            (code("eng_Latn"), ProblemKind::LeakedItems, 2),
            (code("hin_Deva"), ProblemKind::BadRows, 1),
            // Row "1" in Hindi has the English prompt, which the other file has: a prompt, no item.
        ]
    );
    assert!(report.remarks().iter().any(|p| p.kind == ProblemKind::LeakedPrompts));

    let text = report.to_text();
    assert!(text.contains("2 bad rows: language unreadable 1, hin_Deva 1"), "{text}");
    assert!(!text.contains("a long answer"), "a report of checks quotes no content");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["files"][0]["languages"]["eng_Latn"]["contradictory"], 1);
}

#[test]
fn sound_data_have_no_problems() {
    let file = jsonl(&[row("1", "eng_Latn", LONG, "yes", "no!"), row("1", "hin_Deva", HINDI, "हाँ", "नहीं")]);
    let report =
        check::run(std::slice::from_ref(&file.path), &ReadOptions::default(), None, None, &mut Silent).unwrap();
    assert_eq!((report.problems(), report.remarks()), (vec![], vec![]));
    assert_eq!(report.files[0].languages[&Lang::ENGLISH].leaked_items, None, "not asked is not zero");
}

#[test]
fn stats_count_by_language_category_and_subset() {
    let with = |mut row: Value, category: &str| {
        row["category"] = json!(category);
        row["subset"] = json!("s");
        row
    };
    let file = jsonl(&[
        with(row("1", "de", "Pp", "abc", "d"), "A"),
        with(row("2", "de", "Pppp", "a", "d"), "B"),
        with(row("1", "fr", "P", "a", "d"), "A"),
    ]);
    let stats = stats::run(&file.path, &ReadOptions::default(), &BuiltIn, &mut Silent).unwrap();
    let cells: Vec<_> = stats
        .cells
        .iter()
        .map(|c| (c.lang.to_string(), c.category.as_deref().unwrap_or("").to_owned(), c.items))
        .collect();
    let cell = |lang: &str, category: &str| (lang.to_owned(), category.to_owned(), 1);
    assert_eq!(cells, [cell("deu_Latn", "A"), cell("deu_Latn", "B"), cell("fra_Latn", "A")]);
    let german = &stats.languages[&Lang::parse("de").unwrap()];
    assert_eq!(german.prompt_chars.map(|q| (q.p50, q.max)), Some((2, 4)));
    assert_eq!(german.chosen_chars.map(|q| (q.p50, q.max)), Some((1, 3)));
    assert!(stats.to_text().contains("A         s"), "{}", stats.to_text());
}
