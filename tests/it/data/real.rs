//! The developers' data files, where `RMBENCH_TEST_DATA` says where they are. No row is ever printed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rmbench::benchmark::reader::{self, ReadCounts, ReadOptions, Shape};
use rmbench::lang::LangSet;
use rmbench::preference::Comparison;

fn data(name: &str) -> Option<PathBuf> {
    let Some(dir) = std::env::var_os("RMBENCH_TEST_DATA") else {
        println!("skipped: RMBENCH_TEST_DATA is not set");
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
