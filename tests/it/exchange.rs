//! Other tools' results in and out: every format as its tool writes it, known faults included.

mod export;
mod faults;
mod joins;
mod judgebench;
mod reward_bench;
mod tables;

use std::path::{Path, PathBuf};

use rmbench::benchmark::catalog;
use rmbench::progress::Silent;
use rmbench::report::findings::{Finding, FindingOptions, Findings, Languages, Scope};
use rmbench::table::import::{ImportFormat, ImportOptions, Imported, import};
use rmbench::table::item::ItemTable;
use rmbench::table::store::write_table;

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn imported(format: ImportFormat, paths: &[PathBuf], options: &ImportOptions) -> Vec<Imported> {
    import(format, paths, options).unwrap()
}

fn refusal(format: ImportFormat, path: &Path, options: &ImportOptions) -> (String, String) {
    let error = import(format, &[path.to_owned()], options).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default())
}

/// 18 real metrics on 3,910 real pairs, where the data are.
fn wmt23() -> Option<Vec<Imported>> {
    let Some(dir) = std::env::var_os("RMBENCH_TEST_DATA").map(PathBuf::from) else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return None;
    };
    let options = ImportOptions {
        benchmark: Some("wmt23".to_owned()),
        items: vec![dir.join("bench.parquet"), dir.join("translation_wmt.parquet")],
        ..ImportOptions::default()
    };
    Some(imported(ImportFormat::Table, &[dir.join("wmt23_qe_scores.parquet")], &options))
}

/// Through the score table on disk, as `rmbench report` reads it.
fn findings(dir: &Path, runs: &[Imported], options: &FindingOptions) -> Findings {
    let write = |(i, run): (usize, &Imported)| {
        let path = dir.join(format!("run-{i}.parquet"));
        write_table(&path, &run.info, &run.rows).unwrap();
        path
    };
    let paths: Vec<PathBuf> = runs.iter().enumerate().map(write).collect();
    let table = ItemTable::load(&paths).unwrap();
    Findings::compute(&table, &|name| catalog::find(name).ok(), options, &mut Silent).unwrap()
}

fn quick() -> FindingOptions {
    FindingOptions { replicates: 100, ..FindingOptions::default() }
}

fn find<'a>(findings: &'a Findings, run: usize, metric: &str, scope: &Scope, languages: &Languages) -> &'a Finding {
    let mut all = findings.findings.iter();
    let same = |f: &&Finding| f.run == run && f.metric == metric && f.scope == *scope && f.languages == *languages;
    all.find(same).unwrap_or_else(|| panic!("run {run}: no {metric} {scope:?} {languages:?}"))
}

fn english() -> Languages {
    Languages::One(rmbench::lang::Lang::ENGLISH)
}
