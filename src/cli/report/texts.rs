//! `rmbench report --items`: what the items say, from the data that the runs were scored on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli::config;
use crate::cli::hint::CliError;
use crate::lang::LangSet;
use crate::progress::Progress;
use crate::report::items::{Offer, Texts};
use crate::score::settings::{DEFAULTS, ScoreSettings};
use crate::score::source::{Source, sources};
use crate::table::item::ItemTable;

/// Fills `texts` with what a table's items say. `given`: pair files, or directories of benchmark
/// data, in place of those that the runs name; empty for the runs' own.
pub fn read(
    table: &ItemTable,
    given: &[PathBuf],
    mut texts: Texts,
    progress: &mut dyn Progress,
) -> anyhow::Result<Texts> {
    let benchmarks: BTreeSet<&str> = table.items.iter().map(|key| table.symbols.name(key.benchmark)).collect();
    let mut done: BTreeSet<String> = BTreeSet::new();
    let (mut n_differing, mut n_unknown) = (0u64, 0u64);
    for run in &table.runs {
        let Some(settings) = settings(&run.info.settings, given)? else {
            let hint = "name the data with --items=FILE or --items=DIRECTORY";
            let problem = format!("run `{}` does not say which data it was scored on", run.info.name);
            return Err(CliError::new(problem, hint).into());
        };
        for (name, source) in sources(&settings, &LangSet::parse("all")?, progress) {
            if done.contains(&name) {
                continue;
            }
            let source: Source = source.map_err(|error| {
                let problem = format!("the data of run `{}` cannot be read: {error}", run.info.name);
                CliError::new(problem, "name the data with --items=FILE or --items=DIRECTORY")
            })?;
            let Some(benchmark) = called(&source.name, &benchmarks) else { continue };
            let digests: BTreeSet<&String> = table.runs.iter().flat_map(|run| run.info.digests.values()).collect();
            for file in &source.files {
                if !digests.contains(&file.digest) {
                    let path = file.path.display();
                    progress.warn(&format!("`{path}` is not the file that was scored (its SHA-256 is another)"));
                }
                let mut items = file.open()?;
                progress.begin(&format!("texts of {name}"), items.total_rows().unwrap_or(0), "rows");
                for comparison in items.by_ref() {
                    match texts.offer(table, benchmark, &comparison?) {
                        Offer::Known => {}
                        Offer::Unknown => n_unknown += 1,
                        Offer::Differs => n_differing += 1,
                    }
                    progress.advance(1);
                }
                progress.finish();
            }
            done.insert(name);
        }
    }
    if n_differing > 0 {
        progress.warn(&format!(
            "{n_differing} items have other responses in the data than were scored; their texts are left out"
        ));
    }
    if texts.n_known == 0 {
        let problem = format!("the data have none of the runs' items ({n_unknown} others)");
        return Err(CliError::new(problem, "name the data with --items=FILE or --items=DIRECTORY").into());
    }
    Ok(texts)
}

/// How a run's data are read, and which. `None`: the run is another tool's, and no data are given.
fn settings(saved: &str, given: &[PathBuf]) -> anyhow::Result<Option<ScoreSettings>> {
    // Over the defaults: a setting may be newer than the run.
    let saved = saved.parse::<toml::Table>().ok().filter(|table| !table.is_empty());
    let own = saved.and_then(|table| config::resolve::<ScoreSettings>(DEFAULTS, None, &[], table).ok());
    let mut settings = match (own, given.is_empty()) {
        (Some(own), _) => own,
        (None, true) => return Ok(None),
        (None, false) => config::resolve(DEFAULTS, None, &[], toml::Table::new())?,
    };
    // Items are looked up, so that rows which could not be scored do no harm.
    settings.skip_bad_rows = true;
    let (directories, files): (Vec<PathBuf>, Vec<PathBuf>) = given.iter().cloned().partition(|path| path.is_dir());
    if let Some(directory) = directories.into_iter().next() {
        settings.data = Some(directory);
    }
    if !files.is_empty() {
        settings.pairs = files;
        settings.benchmarks.clear();
        settings.manifests.clear();
    }
    Ok(Some(settings))
}

/// What the tables call a source: the same, or the only benchmark there is.
fn called<'a>(name: &'a str, benchmarks: &BTreeSet<&'a str>) -> Option<&'a str> {
    match benchmarks.first() {
        _ if benchmarks.contains(name) => Some(name),
        Some(only) if benchmarks.len() == 1 => Some(only),
        _ => None,
    }
}
