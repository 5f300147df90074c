//! Another view of an implicit model's scores, from the sums in its table: no model is read.

use std::path::Path;

use toml::{Table, Value};

use super::ScoreError;
use super::directory::{MANIFESTS, RunDirectory};
use super::implicit::{ImplicitSettings, NO_REFERENCE};
use super::run::{Summary, summary};
use super::settings::ScoreSettings;
use crate::files;
use crate::provenance::RunInfo;
use crate::table::TableError;
use crate::table::implicit::View;
use crate::table::read::ScoreFile;
use crate::table::score::ScoreRow;
use crate::table::store::{table_path, write_table};

/// Writes the run in `run` once more, with rewards as `[implicit]` says.
pub fn rescore(run: &Path, settings: &ScoreSettings, out: &RunDirectory) -> Result<Summary, ScoreError> {
    let table = table_path(run)?;
    let file = ScoreFile::open(&table)?;
    let mut info = file.info().clone();
    let mut rows = file.rows()?;
    let log_probs = || rows.iter().filter_map(|row| row.log_probs);
    if log_probs().next().is_none() {
        let problem = "it has no log-probabilities: only runs of implicit models can be read in another way".to_owned();
        return Err(TableError::Conflict { path: table, item: "column `logp_policy`".to_owned(), problem }.into());
    }
    let given = &settings.implicit;
    let with_reference =
        given.reference.as_deref() != Some(NO_REFERENCE) && log_probs().any(|of| of.reference.is_some());
    let of_run: Table = info.settings.parse().map_err(|e: toml::de::Error| wrong_settings(e.to_string()))?;
    let view = given.view(taken(&of_run, with_reference)?, with_reference)?;
    for row in &mut rows {
        row.reward = row.log_probs.and_then(|log_probs| view.reward(&log_probs)).map(|reward| reward as f32);
    }
    describe(&mut info, settings, of_run, &view)?;
    out.begin(&info, &manifests(run)?.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect::<Vec<_>>(), false)?;
    write_table(&out.table(), &info, &rows)?;
    out.remove_shards()?;
    summary(out.table(), n_items(&rows), 0)
}

fn wrong_settings(problem: String) -> ScoreError {
    ScoreError::Setting { key: "(of the table)", problem }
}

/// How the run made its rewards.
fn taken(settings: &Table, with_reference: bool) -> Result<View, ScoreError> {
    match settings.get("implicit") {
        None => Ok(View::default()),
        Some(implicit) => {
            let own: ImplicitSettings = implicit.clone().try_into().map_err(|e| wrong_settings(e.to_string()))?;
            own.view(View::default(), with_reference && own.reference.as_deref() != Some(NO_REFERENCE))
        }
    }
}

/// Name and settings of the new run: those of the old one, with the view that was taken.
fn describe(info: &mut RunInfo, settings: &ScoreSettings, mut of_run: Table, view: &View) -> Result<(), ScoreError> {
    let how = view.normalisation.as_str();
    info.name = settings.name.clone().unwrap_or_else(|| format!("{}, {how}", info.name));
    let old = of_run.get("implicit").cloned().unwrap_or_else(|| Value::Table(Table::new()));
    let old: ImplicitSettings = old.try_into().map_err(|e| wrong_settings(e.to_string()))?;
    let mut implicit = old.resolved(view);
    if !view.with_reference {
        implicit.reference = Some(NO_REFERENCE.to_owned());
    }
    let implicit = Value::try_from(implicit).map_err(|e| wrong_settings(e.to_string()))?;
    of_run.insert("implicit".to_owned(), implicit);
    info.settings = toml::to_string(&of_run).map_err(|e| wrong_settings(e.to_string()))?;
    Ok(())
}

/// The user's own manifests that lie with a run.
fn manifests(run: &Path) -> Result<Vec<(String, String)>, ScoreError> {
    let dir = run.join(MANIFESTS);
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(|e| files::FileError::new("list", &dir, e))? {
        let path = entry.map_err(|e| files::FileError::new("list", &dir, e))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.push((name, files::read_text(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// Rows of an item lie together.
fn n_items(rows: &[ScoreRow]) -> u64 {
    let key = |row: &ScoreRow| (row.benchmark.clone(), row.subset.clone(), row.lang, row.item_id.clone());
    let changes = rows.windows(2).filter(|pair| key(&pair[0]) != key(&pair[1])).count() as u64;
    changes + u64::from(!rows.is_empty())
}
