//! Score tables: bytes, order, alignment of runs, and what is refused.

use std::path::{Path, PathBuf};

use rmbench::benchmark::catalog;
use rmbench::lang::Lang;
use rmbench::provenance::RunInfo;
use rmbench::random;
use rmbench::table::TableError;
use rmbench::table::item::ItemTable;
use rmbench::table::read::ScoreFile;
use rmbench::table::score::{ScoreRow, Side};
use rmbench::table::store::{ScoreWriter, write_table};

fn run_info(name: &str) -> RunInfo {
    RunInfo::of_this_binary(name, "mock", "mock")
}

/// The chosen and the rejected row of one item.
fn pair(item: &str, lang: &str, chosen: Option<f32>, rejected: Option<f32>) -> [ScoreRow; 2] {
    let row = |side, reward, n_chars| ScoreRow {
        benchmark: "invented".into(),
        benchmark_version: "1".into(),
        subset: "easy".into(),
        category: Some("Chat".into()),
        lang: Lang::from_code(lang).unwrap(),
        item_id: item.into(),
        source_id: item.into(),
        side,
        response_index: 0,
        variant: None,
        n_chars,
        n_tokens: n_chars / 4,
        truncated: false,
        reward,
        log_probs: None,
    };
    [row(Side::Chosen, chosen, 40), row(Side::Rejected, rejected, 24)]
}

fn write(dir: &Path, name: &str, rows: &[ScoreRow]) -> PathBuf {
    let path = dir.join(format!("{name}.parquet"));
    write_table(&path, &run_info(name), rows).unwrap();
    path
}

#[test]
fn runs_are_aligned_whatever_the_order_of_their_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows: Vec<ScoreRow> = Vec::new();
    for (item, lang, chosen, rejected) in
        [("b", "eng_Latn", 2.0, 1.0), ("a", "eng_Latn", 0.5, 0.75), ("a", "arb_Arab", -1.0, -2.0)]
    {
        rows.extend(pair(item, lang, Some(chosen), Some(rejected)));
    }
    let first = write(dir.path(), "first", &rows);
    // The second run has the rows backwards, lacks item b, and gave no reward to one response.
    let mut some = rows[2..].to_vec();
    some.reverse();
    some[0].reward = None;
    let second = write(dir.path(), "second", &some);
    let table = ItemTable::load(&[first, second]).unwrap();
    let ids: Vec<String> =
        table.items.iter().map(|key| format!("{} {}", key.lang, table.symbols.name(key.item))).collect();
    assert_eq!(ids, ["arb_Arab a", "eng_Latn a", "eng_Latn b"]);
    let rewards = |run: usize| -> Vec<_> {
        (0..table.items.len()).map(|i| table.item(run, i)).map(|item| (item.chosen[0], item.rejected[0])).collect()
    };
    assert_eq!(rewards(0), [(Some(-1.0), Some(-2.0)), (Some(0.5), Some(0.75)), (Some(2.0), Some(1.0))]);
    assert_eq!(rewards(1), [(Some(-1.0), None), (Some(0.5), Some(0.75)), (None, None)]);
    assert_eq!(table.runs[1].present, [true, true, true, true, false, false]);
    assert_eq!(table.runs[1].n_tokens, [10, 6, 10, 6, 0, 0]);
    assert_eq!(table.n_chars, [40, 24, 40, 24, 40, 24]);
    assert_eq!(table.runs[1].info.name, "second");
}

/// The message of loading tables that must not load.
fn refusal(tables: &[PathBuf]) -> String {
    match ItemTable::load(tables) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_runs_disagree_about_names_file_and_item() {
    let dir = tempfile::tempdir().unwrap();
    let rows = pair("a", "eng_Latn", Some(1.0), Some(0.0));
    let first = write(dir.path(), "first", &rows);

    let mut longer = rows.clone();
    longer[1].n_chars += 1;
    let text = refusal(&[first.clone(), write(dir.path(), "longer", &longer)]);
    assert!(text.contains("longer.parquet") && text.contains("item `a` (eng_Latn)"), "{text}");
    assert!(text.contains("response 1 has 25 characters here but 24 in"), "{text}");

    let mut more = rows.to_vec();
    more.push(ScoreRow { response_index: 1, ..rows[1].clone() });
    let text = refusal(&[first.clone(), write(dir.path(), "more", &more)]);
    assert!(text.contains("has 1 chosen and 2 rejected responses here but 1 chosen and 1 rejected"), "{text}");

    // An item that is its own source has none that its data named: two that are named must be the same.
    let sources = ["y", "z"]
        .map(|source| write(dir.path(), source, &rows.clone().map(|row| ScoreRow { source_id: source.into(), ..row })));
    let text = refusal(&sources);
    assert!(text.contains("has source id `z` here but `y`"), "{text}");

    let twice = [rows.clone(), rows.clone()].concat();
    let text = refusal(&[write(dir.path(), "twice", &twice)]);
    assert!(text.contains("chosen response 0 occurs twice"), "{text}");

    let gap = [rows[0].clone(), ScoreRow { response_index: 3, ..rows[1].clone() }];
    let text = refusal(&[write(dir.path(), "gap", &gap)]);
    assert!(text.contains("has 1 rejected responses, one of them with index 3"), "{text}");

    let mut versions = [rows.clone(), pair("b", "eng_Latn", None, None)].concat();
    versions[2].benchmark_version = "2".into();
    let text = refusal(&[write(dir.path(), "versions", &versions)]);
    assert!(text.contains("mixes versions 1 and 2"), "{text}");

    assert!(matches!(ItemTable::load(&[first.clone(), first]), Err(TableError::GivenTwice { .. })));
    assert!(matches!(ItemTable::load(&[]), Err(TableError::NoTables)));
    assert!(matches!(ItemTable::load(&[dir.path().to_owned()]), Err(TableError::Missing { .. })));
}

#[test]
fn other_parquet_files_are_refused_and_plain_string_columns_are_read() {
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;

    let dir = tempfile::tempdir().unwrap();
    let rows = pair("a", "eng_Latn", Some(1.0), None);
    let ours = write(dir.path(), "ours", &rows);
    // What pandas or polars would write back: strings instead of dictionaries, no optional column.
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&ours).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        if field.name() == "variant" || field.name().starts_with("logp") {
            continue;
        }
        let plain = match field.data_type() {
            arrow::datatypes::DataType::Dictionary(..) => arrow::datatypes::DataType::LargeUtf8,
            arrow::datatypes::DataType::UInt32 => arrow::datatypes::DataType::Int64,
            other => other.clone(),
        };
        arrays.push(arrow::compute::cast(array, &plain).unwrap());
        fields.push(arrow::datatypes::Field::new(field.name(), plain, true));
    }
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(fields));
    let foreign = arrow::array::RecordBatch::try_new(schema.clone(), arrays).unwrap();
    let save = |name: &str, metadata: Option<Vec<KeyValue>>| {
        let path = dir.path().join(name);
        let properties = WriterProperties::builder().set_key_value_metadata(metadata).build();
        let mut writer =
            ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), schema.clone(), Some(properties)).unwrap();
        writer.write(&foreign).unwrap();
        writer.close().unwrap();
        path
    };
    let plain = save("plain.parquet", Some(metadata.into_iter().filter(|kv| kv.key.starts_with("rmbench")).collect()));
    assert_eq!(ScoreFile::open(&plain).unwrap().rows().unwrap(), rows);
    assert_eq!(ItemTable::load(&[plain]).unwrap().items.len(), 1);
    let without = save("without.parquet", None);
    assert!(refusal(&[without]).contains("its metadata has no `rmbench.score_table`"));
    let version = vec![KeyValue::new("rmbench.score_table".to_owned(), "9".to_owned())];
    assert!(refusal(&[save("version.parquet", Some(version))]).contains("version 9; this rmbench reads version 1"));
    let text = dir.path().join("text.parquet");
    std::fs::write(&text, "no table").unwrap();
    assert!(refusal(&[text]).contains("is not a readable Parquet file"));
}

#[test]
fn bytes_do_not_depend_on_how_rows_arrive() {
    // 150,000 rows cross a row group and many batches.
    let rows: Vec<ScoreRow> =
        (0..75_000).flat_map(|i| pair(&format!("item-{i}"), "eng_Latn", Some(i as f32), None)).collect();
    let info = run_info("m");
    let bytes = |rows: &mut dyn Iterator<Item = &ScoreRow>| {
        let mut sink = Vec::new();
        let mut writer = ScoreWriter::new(&mut sink, Path::new("memory"), &info).unwrap();
        rows.for_each(|row| writer.push(row).unwrap());
        assert_eq!(writer.finish().unwrap(), 150_000);
        sink
    };
    let whole = bytes(&mut rows.iter());
    let mut in_shards = rows.chunks(1_000).flatten();
    assert_eq!(whole, bytes(&mut in_shards));
}

/// 23 languages × 2,869 items, and 800 translations.
const SYNTHETIC: [&str; 2] = ["m-rewardbench", "m-rewardbench-translation"];

/// Writes N runs of 66,787 items as M-RewardBench has them into `$RMBENCH_SYNTHETIC_DIR`, N = `$RMBENCH_SYNTHETIC_RUNS` or 25, for measurements of
/// `rmbench report` at scale: `cargo test --test it write_synthetic_runs -- --ignored`.
#[test]
#[ignore = "writes files for measurements"]
fn write_synthetic_runs() {
    let Ok(dir) = std::env::var("RMBENCH_SYNTHETIC_DIR") else {
        crate::say_skipped("RMBENCH_SYNTHETIC_DIR");
        return;
    };
    let n_runs = std::env::var("RMBENCH_SYNTHETIC_RUNS").map_or(25, |n| n.parse().unwrap());
    for run in 0..n_runs {
        let name = format!("model-{run:02}");
        let path = Path::new(&dir).join(&name).join("scores.parquet");
        let rows = synthetic_rows(run);
        let mut info = run_info(&name);
        for name in SYNTHETIC {
            info.digests.insert(format!("manifest/{name}"), catalog::find(name).unwrap().digest);
        }
        let written = write_table(&path, &info, &rows).unwrap();
        assert_eq!(written, 2 * 66_787);
    }
}

/// Measures the loading of what [`write_synthetic_runs`] wrote.
#[test]
#[ignore = "a measurement"]
fn load_synthetic_runs() {
    let Ok(dir) = std::env::var("RMBENCH_SYNTHETIC_DIR") else {
        crate::say_skipped("RMBENCH_SYNTHETIC_DIR");
        return;
    };
    let mut runs: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    let start = std::time::Instant::now();
    let table = ItemTable::load(&runs).unwrap();
    println!("{} runs × {} items in {:.2} s", table.runs.len(), table.items.len(), start.elapsed().as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("memory unknown"));
}

/// One synthetic run: a pair is won with a probability that rises with the run's number from 50 to 85 % and is lower in some
/// languages; outcomes of one source item are correlated over languages.
fn synthetic_rows(run: u64) -> Vec<ScoreRow> {
    let mut rows = Vec::with_capacity(2 * 66_787);
    for name in SYNTHETIC {
        let manifest = catalog::find(name).unwrap();
        for lang in &manifest.langs {
            let mut id = 0;
            for (_, subset) in manifest.subsets() {
                for _ in 0..manifest.expected(&subset.name, *lang).unwrap() {
                    let item = format!("{}-{id}", subset.name);
                    id += 1;
                    let key = format!("{item} {lang}");
                    let ease = random::uniform(1, "ease", &item);
                    let luck = random::uniform(run, "luck", &key);
                    let hard = random::uniform(3, "language", lang.code()) * (1.0 - 0.03 * run as f64);
                    let margin = 0.08 + 0.014 * run as f64 - 0.2 * hard + (ease - 0.5) + (luck - 0.5);
                    let mut both = pair(&item, lang.code(), Some(margin as f32), Some(0.0));
                    for (row, side) in both.iter_mut().zip(["chosen", "rejected"]) {
                        row.benchmark = name.into();
                        row.benchmark_version = manifest.version.as_str().into();
                        row.subset = subset.name.as_str().into();
                        row.category = None;
                        row.n_chars = 40 + (2000.0 * random::uniform(2, side, &key)) as u32;
                        row.n_tokens = row.n_chars / 3;
                    }
                    rows.extend(both);
                }
            }
        }
    }
    rows
}
