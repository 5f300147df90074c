//! Other tools' results as score tables.
//!
//! Every format comes down to [`entry::Entry`]s: items with a reward per response. Outcomes without rewards
//! (verdicts, 0/½/1 results) become rewards that have the same outcome; a file without items (a summary) gives
//! items of its own that can be paired with nothing. What a format leaves open, and the faults that published
//! files are known to have, are handled by rule, counted, and kept in the run's settings.
//!
//! Formats: `spec` section of each submodule; the joins used are named in [`Imported::notes`].

mod columns;
pub mod entry;
mod error;
mod items;
mod join;
mod judge_bench;
mod layout;
mod lm_eval;
mod m_reward_bench;
mod object;
mod outcome;
mod reward_bench;
mod rm_bench;
mod sources;
mod summary;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::benchmark::catalog;
use crate::benchmark::columns::ColumnMap;
use crate::benchmark::manifest::Manifest;
use crate::files;
use crate::lang::Lang;
use crate::provenance::RunInfo;
use crate::table::score::ScoreRow;
use entry::{Entry, Place};
use items::Items;
use join::Joins;

pub use error::ImportError;
pub use layout::{Part, ScoreColumns};
pub use told::Told;

/// Version of a benchmark that no manifest and no data file describe.
const IMPORTED: &str = "imported";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportFormat {
    /// JSONL, JSON, CSV, TSV, Parquet or Arrow with a column for each thing.
    Table,
    /// RewardBench v1 and v2: per-item files, summaries, outputs of the `rewardbench` command.
    Rewardbench,
    /// M-RewardBench: both layouts, one file per language.
    MRewardbench,
    /// RM-Bench: its data with three scores per side.
    RmBench,
    /// JudgeBench: judgments in both orders.
    Judgebench,
    /// Samples of lm-evaluation-harness.
    LmEval,
}

impl ImportFormat {
    /// The benchmark its files belong to, where the format says.
    fn benchmark(self) -> Option<&'static str> {
        match self {
            ImportFormat::MRewardbench => Some("m-rewardbench"),
            ImportFormat::RmBench => Some("rm-bench"),
            ImportFormat::Judgebench => Some("judgebench"),
            // v1 or v2 is found out per file.
            ImportFormat::Rewardbench | ImportFormat::Table | ImportFormat::LmEval => None,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The benchmark's name, in place of what the format or the data say.
    pub benchmark: Option<String>,
    /// The benchmark's own data: joins, subsets, languages, lengths.
    pub items: Vec<PathBuf>,
    /// The model's name, where files do not say or say otherwise.
    pub model: Option<String>,
    /// The language of files without one.
    pub lang: Option<Lang>,
    pub columns: ScoreColumns,
    /// Which columns of the benchmark's data play which part.
    pub item_columns: ColumnMap,
    /// Of judges that give scores: take the decisions that the tool made of them.
    pub decisions: bool,
}

/// One model's results.
#[derive(Debug, Clone)]
pub struct Imported {
    pub info: RunInfo,
    pub rows: Vec<ScoreRow>,
    /// Items that the files have scores of, and their responses.
    pub n_items: usize,
    pub n_responses: usize,
    /// What was joined how, which faults were met, what could not be imported.
    pub notes: Vec<String>,
}

/// One model's results before they are rows.
#[derive(Debug, Default)]
struct Found {
    kind: Option<&'static str>,
    told: Told,
    entries: Vec<(Place, Entry)>,
    joins: Joins,
    notes: Vec<String>,
}

/// What importers read with.
struct Source<'a> {
    options: &'a ImportOptions,
    items: Items,
}

/// The manifest of a benchmark that has one.
fn described(name: &str) -> Option<Manifest> {
    catalog::find(name).ok().filter(|manifest| manifest.name != catalog::PAIRS)
}

impl Source<'_> {
    /// Where an entry belongs that no item of the data describes: the benchmark that the user names, else
    /// this one.
    fn place(&self, fallback: &str) -> Place {
        Source::in_catalog(self.options.benchmark.as_deref().unwrap_or(fallback))
    }

    fn in_catalog(name: &str) -> Place {
        let version = described(name).map_or_else(|| IMPORTED.to_owned(), |manifest| manifest.version);
        Place { benchmark: name.into(), version: version.into() }
    }
}

/// Results by model, in order of the models' names.
type ByModel = BTreeMap<String, Found>;

/// Reads files of one format; one run per model.
///
/// # Errors
/// Files that are not of the format, rows that cannot be read or joined, items that occur twice.
pub fn import(format: ImportFormat, paths: &[PathBuf], options: &ImportOptions) -> Result<Vec<Imported>, ImportError> {
    if format == ImportFormat::LmEval && !options.items.is_empty() {
        return Err(ImportError::NoItems);
    }
    let mut name = options.benchmark.as_deref().or(format.benchmark()).map(str::to_owned);
    if format == ImportFormat::Rewardbench && name.is_none() {
        name = reward_bench::edition(paths)?.map(str::to_owned);
    }
    let manifest = |path: &Path| match (format, &options.benchmark) {
        (ImportFormat::MRewardbench, None) => described(m_reward_bench::data_of(path)),
        _ => name.as_deref().and_then(described),
    };
    // M-RewardBench's results have no texts, and its data are large.
    let items = Items::read(options, &manifest, format != ImportFormat::MRewardbench)?;
    let source = Source { options, items };
    let mut found = match format {
        ImportFormat::Table => columns::read(paths, &source)?,
        ImportFormat::Rewardbench => reward_bench::read(paths, &source)?,
        ImportFormat::MRewardbench => m_reward_bench::read(paths, &source)?,
        ImportFormat::RmBench => rm_bench::read(paths, &source)?,
        ImportFormat::Judgebench => judge_bench::read(paths, &source)?,
        ImportFormat::LmEval => lm_eval::read(paths, &source)?,
    };
    if let Some(wanted) = &options.model {
        let names: Vec<String> = found.keys().cloned().collect();
        match (names.as_slice(), found.pop_first()) {
            ([_], Some((_, only))) => found = ByModel::from([(wanted.clone(), only)]),
            _ => return Err(ImportError::OneName { wanted: wanted.clone(), models: names }),
        }
    }
    found.retain(|_, found| !found.entries.is_empty() || !found.notes.is_empty() || found.joins.note().is_some());
    if found.values().all(|found| found.entries.is_empty()) {
        let joined = !source.items.is_empty();
        let of_model = |found: Found| found.joins.note().into_iter().chain(found.notes);
        let notes = found.into_values().flat_map(of_model).collect();
        return Err(ImportError::Nothing { files: items::listed(paths), notes, joined });
    }
    let digests = digests(paths)?;
    found.into_iter().map(|(model, found)| finished(format, &model, found, &source, &digests)).collect()
}

fn digests(paths: &[PathBuf]) -> Result<Vec<(String, String)>, ImportError> {
    let digest = |(number, path): (usize, &PathBuf)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok((format!("scores/{number}/{name}"), files::sha256_file(path)?))
    };
    paths.iter().enumerate().map(digest).collect()
}

/// What a run that was imported says of itself.
#[derive(Serialize)]
struct Settings<'a> {
    import: ImportSettings<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ImportSettings<'a> {
    format: ImportFormat,
    decisions: bool,
    notes: &'a [String],
    columns: &'a ScoreColumns,
    items: &'a ColumnMap,
    told: &'a Told,
}

fn finished(
    format: ImportFormat,
    model: &str,
    found: Found,
    source: &Source<'_>,
    digests: &[(String, String)],
) -> Result<Imported, ImportError> {
    let Found { kind, told, mut entries, joins, notes: own } = found;
    entry::refuse_repeated(model, &entries)?;
    let (n_items, n_responses) = (entries.len(), entries.iter().map(|(_, entry)| entry.n_responses()).sum());
    let mut notes: Vec<String> = joins.note().into_iter().chain(own).chain(source.items.note(&entries)).collect();
    let unscored = entries.iter().filter(|(_, entry)| !entry.is_complete()).count();
    if unscored > 0 && format != ImportFormat::Judgebench {
        notes.push(format!("{unscored} of {n_items} items lack a score: they are missing"));
    }
    let lacking = join::lacking(&entries, source);
    if lacking.n > 0 {
        notes.push(format!(
            "{} of the data's {} items in the subsets and languages that were scored have no scores: they are missing",
            lacking.n, lacking.of
        ));
    }
    entries.extend(lacking.entries);
    let mut n_close = 0;
    let mut rows = Vec::with_capacity(2 * entries.len());
    for (place, entry) in &entries {
        let beyond = |reward: f64| ImportError::Range { model: model.to_owned(), item: entry.id.to_string(), reward };
        rows.extend(entry.rows(place, &mut n_close).map_err(beyond)?);
    }
    if n_close > 0 {
        notes.push(format!(
            "{n_close} items have different rewards that are equal in 32 bits; they were kept apart by one step"
        ));
    }
    if rows.iter().all(|row| row.n_chars == 0) {
        notes.push("lengths of responses are not known: --items gives the benchmark's data".to_owned());
    }
    let kind = kind.or(told.kind()).unwrap_or("imported");
    let mut info = RunInfo::of_this_binary(model, model, kind);
    info.device = "unknown".to_owned();
    info.dtype = "unknown".to_owned();
    info.digests.extend(digests.iter().chain(&source.items.digests).cloned());
    let benchmarks: BTreeSet<&str> = entries.iter().map(|(place, _)| &*place.benchmark).collect();
    for manifest in benchmarks.into_iter().filter_map(described) {
        info.digests.insert(format!("manifest/{}", manifest.name), manifest.digest);
    }
    let ImportOptions { decisions, columns, item_columns, .. } = source.options;
    let import =
        ImportSettings { format, decisions: *decisions, notes: &notes, columns, items: item_columns, told: &told };
    let settings = Settings { import };
    info.settings = toml::to_string(&settings).map_err(ImportError::settings)?;
    Ok(Imported { info, rows, n_items, n_responses, notes })
}
