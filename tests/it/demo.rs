//! The demonstration data have the properties that `demo`'s documentation promises.

use std::collections::{BTreeMap, BTreeSet};

use rmbench::benchmark::reader::{ReadOptions, read_all};
use rmbench::demo::{self, Demo, DemoError, DemoSettings};
use rmbench::lang::Lang;
use rmbench::preference::Comparison;

fn settings() -> DemoSettings {
    DemoSettings::default()
}

fn generated(settings: &DemoSettings) -> Demo {
    demo::generate(settings).unwrap()
}

fn n_chars(pair: &Comparison) -> (usize, usize) {
    (pair.chosen[0].text.chars().count(), pair.rejected[0].text.chars().count())
}

fn by_key(pairs: &[Comparison]) -> BTreeMap<(String, Lang), &Comparison> {
    pairs.iter().map(|pair| ((pair.id.to_string(), pair.lang), pair)).collect()
}

#[test]
fn every_language_has_its_share() {
    let demo = generated(&settings());
    let mut counts: BTreeMap<Lang, (usize, usize)> = BTreeMap::new();
    demo.train.iter().for_each(|pair| counts.entry(pair.lang).or_default().0 += 1);
    demo.bench.iter().for_each(|pair| counts.entry(pair.lang).or_default().1 += 1);
    assert_eq!(counts.len(), 24);
    assert!(counts.values().all(|(_, bench)| *bench == 60));
    let with = |n: usize| counts.values().filter(|(train, _)| *train == n).count();
    // A fifth of 64 per category is 12.8, rounded up to 13.
    assert_eq!([with(320), with(160), with(65)], [12, 6, 6]);
    for pairs in [&demo.train, &demo.bench] {
        assert_eq!(by_key(pairs).len(), pairs.len());
        assert!(pairs.iter().enumerate().all(|(row, pair)| pair.row == row as u64 && pair.is_pair()));
    }
}

#[test]
fn length_says_nothing_in_any_subset_of_any_language() {
    let mut counts: BTreeMap<(Lang, String), (usize, usize)> = BTreeMap::new();
    for pair in &generated(&settings()).bench {
        let (chosen, rejected) = n_chars(pair);
        assert_ne!(chosen, rejected, "{} {}", pair.id, pair.lang);
        let count = counts.entry((pair.lang, pair.subset.to_string())).or_default();
        count.0 += usize::from(chosen > rejected);
        count.1 += 1;
    }
    assert_eq!(counts.len(), 24 * 6);
    assert!(counts.values().all(|(longer, all)| longer * 2 == *all));
}

#[test]
fn the_benchmark_is_parallel_and_apart_from_the_training_data() {
    let demo = generated(&settings());
    let prompts = |pairs: &[Comparison]| -> BTreeSet<(Lang, String)> {
        pairs.iter().map(|pair| (pair.lang, pair.prompt.plain_text())).collect()
    };
    let sources = |pairs: &[Comparison]| -> BTreeSet<String> { pairs.iter().map(|p| p.source.to_string()).collect() };
    assert!(prompts(&demo.train).is_disjoint(&prompts(&demo.bench)));
    assert!(sources(&demo.train).is_disjoint(&sources(&demo.bench)));
    assert_eq!(sources(&demo.bench).len(), 60);
}

#[test]
fn an_item_depends_on_the_seed_and_its_own_name_only() {
    let clean = DemoSettings { label_noise: 0.0, ..settings() };
    let all = generated(&clean);
    assert_eq!(all, generated(&clean));
    let fewer = generated(&DemoSettings { pairs_per_language: 100, bench_per_language: 25, ..clean.clone() });
    let (train, bench) = (by_key(&all.train), by_key(&all.bench));
    for (few, all) in [(&fewer.train, &train), (&fewer.bench, &bench)] {
        for pair in few {
            let same = all[&(pair.id.to_string(), pair.lang)];
            assert_eq!((&pair.prompt, &pair.chosen, &pair.rejected), (&same.prompt, &same.chosen, &same.rejected));
        }
    }
    let other = generated(&DemoSettings { seed: 8, ..clean });
    assert_ne!(other.bench, all.bench);
}

#[test]
fn label_noise_swaps_its_share_of_training_pairs_only() {
    let noisy = generated(&settings());
    let clean = generated(&DemoSettings { label_noise: 0.0, ..settings() });
    assert_eq!(noisy.bench, clean.bench);
    let mut swapped = 0;
    for (a, b) in noisy.train.iter().zip(&clean.train) {
        if a != b {
            assert_eq!((&a.chosen, &a.rejected), (&b.rejected, &b.chosen));
            swapped += 1;
        }
    }
    // 5 % of 5,190 pairs: 260, standard deviation 16.
    assert!((210..310).contains(&swapped), "{swapped} of {}", clean.train.len());
    let wrong = demo::generate(&DemoSettings { label_noise: 0.7, ..settings() });
    assert!(matches!(wrong, Err(DemoError::LabelNoise(_))));
}

#[test]
fn what_is_planted_is_there() {
    let digit = |text: &str| text.chars().find_map(|c| c.to_digit(10));
    let mut english = BTreeMap::new();
    for pair in &generated(&settings()).bench {
        let (chosen, rejected) = (&pair.chosen[0].text, &pair.rejected[0].text);
        if pair.subset.as_str() == "accuracy" {
            assert!(digit(chosen) > digit(rejected), "{chosen} / {rejected}");
        }
        if pair.subset.as_str() == "language" {
            let latin_words = |text: &str| text.contains("the word") || text.contains("The word");
            assert_eq!(
                (latin_words(chosen), latin_words(rejected)),
                (pair.lang == Lang::ENGLISH, pair.lang != Lang::ENGLISH)
            );
        }
        if pair.lang == Lang::ENGLISH {
            english.entry(pair.subset.to_string()).or_insert((
                pair.prompt.plain_text(),
                chosen.clone(),
                rejected.clone(),
            ));
        }
    }
    // For Relevance the noun of the prompt comes back on the chosen side only.
    let (prompt, chosen, rejected) = &english["relevance"];
    let noun = prompt.split(['“', '”']).nth(1).unwrap();
    assert!(chosen.contains(noun) && !rejected.contains(noun), "{prompt} / {chosen} / {rejected}");
    let refuses = |text: &str| text.starts_with("Sorry") || text.starts_with("No,");
    assert!(refuses(&english["safety-refuse"].1) && !refuses(&english["safety-refuse"].2));
    assert!(!refuses(&english["safety-comply"].1) && refuses(&english["safety-comply"].2));
}

#[test]
fn the_files_hold_the_pairs_and_say_what_they_are() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let few = DemoSettings { pairs_per_language: 10, bench_per_language: 5, ..settings() };
    let demo = generated(&few);
    let dir = tempfile::tempdir().unwrap();
    let (_, bench) = demo::write(dir.path(), &demo).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&bench).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let origin = metadata.iter().find(|entry| entry.key == "rmbench.origin").unwrap();
    assert!(origin.value.as_deref().unwrap().starts_with("synthetic"));
    let (read, counts) = read_all(&bench, &ReadOptions::default()).unwrap();
    assert_eq!((read, counts.n_skipped()), (demo.bench.clone(), 0));
    // The same settings give the same bytes.
    let again = tempfile::tempdir().unwrap();
    demo::write(again.path(), &generated(&few)).unwrap();
    for name in ["train.parquet", "bench.parquet"] {
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), std::fs::read(again.path().join(name)).unwrap());
    }
}
