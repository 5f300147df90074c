//! `rmbench report`.

mod texts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use super::args::{ReportArgs, ReportFormat};
use super::hint::CliError;
use super::message::Message;
use super::{Outcome, config};
use crate::benchmark::catalog;
use crate::benchmark::manifest::{Manifest, TiePolicy};
use crate::files;
use crate::lang::{Lang, fasttext};
use crate::metric::aggregate::Compat;
use crate::metric::interval::Reading;
use crate::progress::Progress;
use crate::report::findings::{FindingOptions, Findings, Scope};
use crate::report::items::{Items, Texts};
use crate::report::{self, Format, headline, training};
use crate::score::directory::{MANIFESTS, SETTINGS_FILE};
use crate::table::annotation::{self, AnnotationFile};
use crate::table::item::ItemTable;
use crate::table::judged;
use crate::table::votes::Unresolved;

pub const DEFAULTS: &str = include_str!("report.toml");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReportSettings {
    pub replicates: usize,
    pub seed: u64,
    pub level: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ties: Option<TiePolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<Compat>,
    pub intervals: Reading,
    /// What judgments without a verdict count as; `None`: as scored, which is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<Unresolved>,
    pub manifests: Vec<PathBuf>,
    /// Most items in the page's browser; 0 for none.
    pub items: usize,
    pub text_megabytes: f64,
    /// What tells the language of a line: `built-in`, `none`, or a file that fastText wrote.
    pub identifier: String,
    /// Whose languages are shown against each other; `None`: the best run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement_run: Option<String>,
    /// Whose temperature is tried on the other languages; `None`: English's, else that of the language with most items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_language: Option<Lang>,
}

/// What a report is made from.
pub struct Input<'a> {
    pub runs: &'a [PathBuf],
    /// Which of `runs`.
    pub baseline: Option<usize>,
    /// Where item texts come from; empty for what the runs name, `None` for no texts.
    pub items: Option<&'a [PathBuf]>,
    /// Files of votes, opinions and properties.
    pub annotations: &'a [PathBuf],
    /// Training runs.
    pub training: &'a [PathBuf],
}

pub fn run(args: &ReportArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.config.print_config {
        message.data(DEFAULTS)?;
        return Ok(Outcome::Done);
    }
    let out = out(args)?;
    let settings: ReportSettings =
        config::resolve(DEFAULTS, args.config.config.as_deref(), &args.config.set, Table::new())?;
    let bar = args.fail_under.map(bar).transpose()?;
    if args.runs.is_empty() && !args.training.is_empty() {
        of_training(&args.training, out, &formats(&args.format), &settings, message)?;
        return Ok(Outcome::Done);
    }
    let (runs, baseline) = runs(args)?;
    let input = Input {
        runs: &runs,
        baseline,
        items: args.items.as_deref(),
        annotations: &args.annotations,
        training: &args.training,
    };
    let findings = report(&input, out, &formats(&args.format), &settings, message)?;
    Ok(bar.map_or(Outcome::Done, |bar| hold_against(&findings, bar, message)))
}

/// Loads, computes, writes; used by the demonstration too.
pub fn report(
    input: &Input<'_>,
    out: &Path,
    formats: &[Format],
    settings: &ReportSettings,
    progress: &mut dyn Progress,
) -> anyhow::Result<Findings> {
    let mut table = table(input.runs, settings.unresolved)?;
    report::distances::attach(&mut table, input.runs)?;
    table.annotations = annotation::read::read(&table, input.annotations)?;
    table.annotations.files.iter().filter(|file| file.matched < file.rows).for_each(|file| {
        let AnnotationFile { name, rows, matched, .. } = file;
        progress.warn(&format!("{} of {rows} rows of `{name}` name no item of the runs", rows - matched));
    });
    let twice = table.annotations.n_totalled_opinions();
    if twice > 0 {
        progress
            .warn(&format!("of {twice} items with totals of votes and opinions, opinions are not added to the votes"));
    }
    let texts = texts(input, settings, &table, progress)?;
    if let Some(texts) = &texts {
        texts.annotate(&mut table);
    }
    let mut findings = of_table(&table, input.runs, input.baseline, settings, progress)?;
    for dir in input.training {
        findings.details.extend(training::details(dir, settings.level)?);
    }
    let items = Items::of(&table, settings.items).with_texts(texts);
    let written = report::write_with_items(&findings, Some(&items), out, formats, progress)?;
    let settings = toml::to_string(settings)?;
    files::write_bytes(&out.join(SETTINGS_FILE), settings.as_bytes())?;
    if let Some(first) = written.first() {
        progress.line(&format!("report: `{}` ({} files in `{}`)", first.display(), written.len(), out.display()));
    }
    Ok(findings)
}

/// A report on training runs alone.
fn of_training(
    dirs: &[PathBuf],
    out: &Path,
    formats: &[Format],
    settings: &ReportSettings,
    progress: &mut dyn Progress,
) -> anyhow::Result<()> {
    let mut findings = Findings { level: settings.level, ..Findings::default() };
    for dir in dirs {
        findings.details.extend(training::details(dir, settings.level)?);
    }
    let written = report::write(&findings, out, formats, progress)?;
    if let Some(first) = written.first() {
        progress.line(&format!("report: `{}` ({} files in `{}`)", first.display(), written.len(), out.display()));
    }
    Ok(())
}

/// What the items say, where that was asked for.
fn texts(
    input: &Input<'_>,
    settings: &ReportSettings,
    table: &ItemTable,
    progress: &mut dyn Progress,
) -> anyhow::Result<Option<Texts>> {
    let megabytes = settings.text_megabytes;
    if !(0.0..=1000.0).contains(&megabytes) {
        return Err(CliError::new(format!("text-megabytes = {megabytes}"), "give a number from 0 to 1000").into());
    }
    // Between 0 and 10^9: a whole number of bytes.
    let budget = (megabytes * 1e6) as usize;
    let Some(given) = input.items else { return Ok(None) };
    let identifier = match settings.identifier.as_str() {
        "none" => None,
        "built-in" => Some(fasttext::identifier(None)?),
        file => Some(fasttext::identifier(Some(Path::new(file)))?),
    };
    let texts = Texts::new(table, budget).with_identifier(identifier);
    Ok(Some(texts::read(table, given, texts, progress)?))
}

/// Loads and computes; what a reader must know is said.
pub(super) fn findings(
    runs: &[PathBuf],
    baseline: Option<usize>,
    settings: &ReportSettings,
    progress: &mut dyn Progress,
) -> anyhow::Result<Findings> {
    of_table(&table(runs, settings.unresolved)?, runs, baseline, settings, progress)
}

fn table(runs: &[PathBuf], unresolved: Option<Unresolved>) -> anyhow::Result<ItemTable> {
    let mut table = ItemTable::load(runs)?;
    judged::attach(&mut table, runs, unresolved)?;
    name_apart(&mut table, runs);
    Ok(table)
}

fn of_table(
    table: &ItemTable,
    runs: &[PathBuf],
    baseline: Option<usize>,
    settings: &ReportSettings,
    progress: &mut dyn Progress,
) -> anyhow::Result<Findings> {
    let manifests = Manifests::of(runs, &settings.manifests, table, progress)?;
    let options = options(settings, baseline.map(|run| table.runs[run].info.name.clone()));
    let findings = Findings::compute(table, &|name| manifests.find(name), &options, progress)?;
    findings.warnings.iter().for_each(|warning| progress.warn(warning));
    Ok(findings)
}

fn out(args: &ReportArgs) -> Result<&Path, CliError> {
    let hint = "give --out a directory for the report";
    args.out.as_deref().ok_or_else(|| CliError::new("the output directory is missing", hint))
}

/// The runs to load and which of them is the baseline; a baseline that was not listed comes first.
fn runs(args: &ReportArgs) -> Result<(Vec<PathBuf>, Option<usize>), CliError> {
    if args.runs.is_empty() {
        let hint = "give run directories or score tables, as in `rmbench report runs/a runs/b --out report`";
        return Err(CliError::new("there is nothing to report", hint));
    }
    let mut runs = args.runs.clone();
    let Some(baseline) = &args.baseline else { return Ok((runs, None)) };
    let same = |run: &PathBuf| run.components().eq(baseline.components());
    let at = match runs.iter().position(same) {
        Some(at) => at,
        None => {
            runs.insert(0, baseline.clone());
            0
        }
    };
    Ok((runs, Some(at)))
}

fn formats(asked: &[ReportFormat]) -> Vec<Format> {
    let format = |asked: &ReportFormat| match asked {
        ReportFormat::Html => Format::Html,
        ReportFormat::Png => Format::Png,
        ReportFormat::Svg => Format::Svg,
        ReportFormat::Md => Format::Md,
        ReportFormat::Latex => Format::Latex,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Json => Format::Json,
    };
    asked.iter().map(format).collect()
}

fn options(settings: &ReportSettings, baseline: Option<String>) -> FindingOptions {
    let ReportSettings {
        replicates,
        seed,
        level,
        weights,
        ties,
        compat,
        intervals,
        unresolved: _,
        manifests: _,
        items: _,
        text_megabytes: _,
        identifier: _,
        agreement_run,
        temperature_language,
    } = settings.clone();
    let reading = intervals;
    FindingOptions {
        replicates,
        seed,
        level,
        baseline,
        weights,
        ties,
        compat,
        reading,
        agreement_run,
        temperature_language,
    }
}

/// Runs of one name also get their directory, so that a reader can tell them apart.
fn name_apart(table: &mut ItemTable, runs: &[PathBuf]) {
    let names: Vec<String> = table.runs.iter().map(|run| run.info.name.clone()).collect();
    for (i, run) in table.runs.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == names[i]).count() > 1 {
            run.info.name = format!("{} ({})", names[i], runs[i].display());
        }
    }
}

/// Which manifest describes which benchmark of the tables.
pub(super) struct Manifests {
    known: BTreeMap<String, Manifest>,
}

impl Manifests {
    /// Copies in run directories, then the files named, then built-in ones. Built-in manifests count only
    /// where a run was scored by one: a pair file may be called like a benchmark.
    pub(super) fn of(
        runs: &[PathBuf],
        files: &[PathBuf],
        table: &ItemTable,
        progress: &mut dyn Progress,
    ) -> anyhow::Result<Self> {
        let mut known = BTreeMap::new();
        for run in &table.runs {
            for (name, digest) in run.info.digests.iter().filter_map(|(k, d)| Some((k.strip_prefix("manifest/")?, d))) {
                let Ok(manifest) = catalog::find(name) else { continue };
                if manifest.digest != *digest {
                    let run = &run.info.name;
                    progress.warn(&format!("`{run}` was scored by another edition of the manifest `{name}`"));
                }
                known.insert(name.to_owned(), manifest);
            }
        }
        let copies = runs.iter().map(|run| copies(run)).collect::<Result<Vec<_>, _>>()?.concat();
        for path in files.iter().chain(&copies) {
            let manifest = Manifest::from_file(path)?;
            known.insert(manifest.name.clone(), manifest);
        }
        Ok(Self { known })
    }

    pub(super) fn find(&self, benchmark: &str) -> Option<Manifest> {
        self.known.get(benchmark).cloned()
    }
}

/// The user's own manifests that a run directory keeps.
fn copies(run: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let dir = run.join(MANIFESTS);
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&dir).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut paths: Vec<PathBuf> =
        entries.map_err(|e| files::FileError::new("list", &dir, e))?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn bar(percent: f64) -> Result<f64, CliError> {
    if (0.0..=100.0).contains(&percent) {
        Ok(percent / 100.0)
    } else {
        Err(CliError::new(format!("--fail-under {percent} is not a percentage"), "give a number from 0 to 100"))
    }
}

/// Whether every run reaches the bar on every benchmark's headline number; one without a number does not.
fn hold_against(findings: &Findings, bar: f64, message: &mut Message) -> Outcome {
    let mut outcome = Outcome::Done;
    for benchmark in &findings.benchmarks {
        let Some(languages) = headline(benchmark) else { continue };
        for (run, info) in findings.runs.iter().enumerate() {
            let accuracy = findings.findings.iter().find(|f| {
                (f.run, f.metric.as_str(), &f.scope) == (run, report::measure::ACCURACY, &Scope::Overall)
                    && f.benchmark == benchmark.name
                    && f.languages == languages
            });
            let (name, on) = (&info.name, &benchmark.name);
            match accuracy.and_then(|f| f.estimate) {
                Some(estimate) if estimate.point >= bar => {}
                Some(estimate) => {
                    let percent = 100.0 * estimate.point;
                    message.warn(&format!("`{name}` reaches {percent:.1} % on `{on}`, below {:.1} %", 100.0 * bar));
                    outcome = Outcome::Incomplete;
                }
                None => {
                    message.warn(&format!("`{name}` has no accuracy on `{on}` to hold against {:.1} %", 100.0 * bar));
                    outcome = Outcome::Incomplete;
                }
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_analysis_and_every_setting_exists() {
        let defaults: ReportSettings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(options(&defaults, None), FindingOptions::default());
        let every: ReportSettings = toml::from_str(&config::with_every_setting(DEFAULTS)).unwrap();
        assert!(every.weights.is_some() && every.ties.is_some() && every.compat.is_some());
        assert!(every.agreement_run.is_some() && every.temperature_language == Lang::from_code("deu_Latn"));
        assert_eq!(every.unresolved, Some(Unresolved::Tie));
    }
}
