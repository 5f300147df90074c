//! The developers' data files, where `RMBENCH_TEST_DATA` says where they are. No row is ever printed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rmbench::benchmark::check::{self, LanguageReport, ProblemKind};
use rmbench::benchmark::reader::{self, ReadCounts, ReadOptions, Shape};
use rmbench::benchmark::{convert, stats};
use rmbench::lang::LangSet;
use rmbench::lang::identify::BuiltIn;
use rmbench::preference::Comparison;
use rmbench::progress::Silent;

fn data(name: &str) -> Option<PathBuf> {
    let Some(dir) = std::env::var_os("RMBENCH_TEST_DATA") else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return None;
    };
    Some(PathBuf::from(dir).join(name))
}

fn read(name: &str) -> Option<(Vec<Comparison>, ReadCounts)> {
    Some(reader::read_all(&data(name)?, &ReadOptions::default()).unwrap())
}

#[test]
fn every_file_of_pairs_is_read_whole() {
    // File, rows, languages.
    for (name, rows, languages) in [
        ("bench.parquet", 6623, 39),
        ("bench_tiny.parquet", 238, 39),
        ("train.parquet", 39925, 43),
        ("valid.parquet", 1754, 43),
        ("translation_wmt.parquet", 6641, 6),
        ("rmbench_3x3.parquet", 798, 1),
        ("judgebench.parquet", 620, 1),
    ] {
        let Some((comparisons, counts)) = read(name) else { return };
        assert_eq!((comparisons.len(), counts.rows, counts.comparisons), (rows, rows as u64, rows as u64), "{name}");
        assert_eq!((counts.n_skipped(), counts.ties, counts.filtered), (0, 0, 0), "{name}");
        assert!(counts.unlisted.is_empty(), "{name}: {:?}", counts.unlisted);
        let found: BTreeSet<_> = comparisons.iter().map(|c| c.lang).collect();
        assert_eq!(found.len(), languages, "{name}");
        let keys: BTreeSet<_> = comparisons.iter().map(|c| (&c.id, c.lang)).collect();
        assert_eq!(keys.len(), rows, "{name}: (id, language) is the key");
        assert!(comparisons.iter().enumerate().all(|(row, c)| c.row == row as u64));
    }
}

#[test]
fn style_lists_become_variants_and_domains_categories() {
    let Some((comparisons, _)) = read("rmbench_3x3.parquet") else { return };
    for item in &comparisons {
        for side in [&item.chosen, &item.rejected] {
            let names: Vec<_> = side.iter().filter_map(|response| response.variant.as_deref()).collect();
            assert_eq!(names, ["concise", "detailed", "markdown"]);
        }
    }
    let chat = comparisons.iter().filter(|c| c.category.as_deref() == Some("chat")).count();
    assert_eq!(chat, 129);
}

#[test]
fn verdicts_mapped_by_hand_give_the_pairs_of_the_same_file() {
    let Some(path) = data("judgebench.parquet") else { return };
    let mut options = ReadOptions::default();
    let (pairs, _) = reader::read_all(&path, &options).unwrap();
    options.columns.response_a = Some("response_A".to_owned());
    options.columns.response_b = Some("response_B".to_owned());
    assert_eq!(reader::layout(&path, &options).unwrap().shape, Shape::Verdicts);
    let (verdicts, _) = reader::read_all(&path, &options).unwrap();
    assert_eq!(pairs.len(), verdicts.len());
    for (a, b) in pairs.iter().zip(&verdicts) {
        assert_eq!(
            (&a.prompt, &a.chosen[0].text, &a.rejected[0].text),
            (&b.prompt, &b.chosen[0].text, &b.rejected[0].text)
        );
    }
}

#[test]
fn languages_and_limits_choose_rows() {
    let Some(path) = data("bench.parquet") else { return };
    let langs = LangSet::parse("@script:Arab,sr-Latn").unwrap();
    let options = ReadOptions { langs: Some(langs.clone()), ..ReadOptions::default() };
    let (comparisons, counts) = reader::read_all(&path, &options).unwrap();
    // 336 Arabic, 176 Persian, 13 Serbian in Latin script.
    assert_eq!(comparisons.len(), 525);
    assert_eq!(counts.filtered, 6623 - 525);
    assert!(comparisons.iter().all(|c| langs.contains(c.lang)));

    let options = ReadOptions { limit: Some(10), ..ReadOptions::default() };
    assert_eq!(reader::read_all(&path, &options).unwrap().0.len(), 10);
}

#[test]
fn checks_find_what_is_known_of_the_files() {
    let Some(bench) = data("bench.parquet") else { return };
    let files = [bench, data("translation_wmt.parquet").unwrap(), data("judgebench.parquet").unwrap()];
    let against = data("valid.parquet");
    let options = ReadOptions::default();
    let report = check::run(&files, &options, against.as_deref(), None, &mut Silent).unwrap();

    // The chosen response is longer in 52.3 % of bench and 55.2 % of translation_wmt, ties half.
    for (file, expected) in report.files.iter().zip([0.523, 0.552]) {
        let weighted = |r: &LanguageReport| r.chosen_longer.unwrap() * r.comparisons as f64;
        let share = file.languages.values().map(weighted).sum::<f64>() / file.counts.comparisons as f64;
        assert!((share - expected).abs() < 5e-4, "{}: {share}", file.path.display());
    }
    // (id, language) is unique, no pair occurs in both directions, nothing is shared with the validation
    // set; of JudgeBench one pair has equal responses.
    let found: Vec<_> = report.problems().into_iter().map(|p| (p.path, p.kind, p.count)).collect();
    assert_eq!(found, [(files[2].clone(), ProblemKind::IdenticalResponses, 1)]);
}

#[test]
fn a_file_leaks_into_itself_entirely() {
    let Some(tiny) = data("bench_tiny.parquet") else { return };
    let report =
        check::run(std::slice::from_ref(&tiny), &ReadOptions::default(), Some(&tiny), None, &mut Silent).unwrap();
    let leaked: u64 = report.files[0].languages.values().filter_map(|r| r.leaked_items).sum();
    assert_eq!(leaked, 238);
    assert!(report.to_text().contains("238 items that the other file has too"));
}

#[test]
fn counts_by_category_add_up() {
    let Some(bench) = data("bench.parquet") else { return };
    let stats = stats::run(&bench, &ReadOptions::default(), &BuiltIn, &mut Silent).unwrap();
    let of = |name: &str| {
        let cells = stats.cells.iter().filter(|cell| cell.category.as_deref() == Some(name));
        cells.map(|cell| cell.items).sum::<u64>()
    };
    let names = ["Chat", "Chat Hard", "Safety", "Reasoning", "Translation"];
    assert_eq!(names.map(of), [1605, 1112, 992, 1863, 1051]);
    assert_eq!(stats.languages.len(), 39);
}

#[test]
fn conversion_keeps_every_comparison() {
    let dir = tempfile::tempdir().unwrap();
    let options = ReadOptions::default();
    for name in ["bench_tiny.parquet", "rmbench_3x3.parquet"] {
        let Some(path) = data(name) else { return };
        let (before, _) = reader::read_all(&path, &options).unwrap();
        for ending in ["parquet", "arrow", "arrows", "jsonl", "json", "csv", "tsv"] {
            let out = dir.path().join(format!("{name}.{ending}"));
            convert::run(&path, &out, &options).unwrap();
            let (after, _) = reader::read_all(&out, &options).unwrap();
            assert!(before == after, "{name} as {ending}");
        }
    }
}
