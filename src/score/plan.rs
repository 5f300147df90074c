//! What will be scored, found out by reading the data once, and every check that needs no model run.

use std::collections::BTreeMap;
use std::error::Error;

use super::ScoreError;
use super::directory::{RunDirectory, State};
use super::scorer::Scorer;
use super::settings::ScoreSettings;
use super::source::{Selection, Source, SourceFile, sources};
use super::survey::Survey;
use crate::judge::Judge;
use crate::judge::settings::Verdicts;
use crate::lang::{Lang, LangSet};
use crate::progress::Progress;
use crate::provenance::RunInfo;

/// Everything a run needs to know beforehand.
#[derive(Debug, Clone)]
pub struct Plan {
    pub sources: Vec<Planned>,
    pub langs: LangSet,
    pub limit: Option<u64>,
    pub shard_size: usize,
    /// Columns of the data that a judge reads beside prompt and responses.
    pub judge_columns: [Option<String>; 3],
    /// Whether a judge's rewards are probabilities.
    pub verdicts: Verdicts,
    /// Provenance of the run to be.
    pub info: RunInfo,
    pub checks: Vec<Check>,
}

/// One benchmark with what was found of it.
#[derive(Debug, Clone)]
pub struct Planned {
    pub source: Source,
    pub cells: BTreeMap<Lang, Cell>,
}

/// One benchmark in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    /// Items in the data, wanted or not.
    pub found: u64,
    /// Items that will be scored.
    pub planned: u64,
    /// Responses of those.
    pub responses: u64,
    /// Items the manifest promises.
    pub expected: Option<u64>,
    /// Judgments that they take, where a judge makes them.
    pub judgments: u64,
    /// Of the planned items, those that do not fit the model whole; `None` where it cannot be known.
    pub over_long: Option<u64>,
}

/// How one check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Fine,
    /// The run can go on, and its result will be incomplete or needs a caveat.
    Doubtful,
    /// The run cannot go on.
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub verdict: Verdict,
    pub finding: String,
    pub hint: Option<String>,
}

/// How thoroughly a plan looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// For a run, which counts what is cut while it scores.
    Run,
    /// For a dry run: every item is also tokenised, to say beforehand what would be cut.
    DryRun,
}

impl Plan {
    /// Reads all data once. Errors only where nothing can be planned; what is wrong with model, data or
    /// output directory is in [`Plan::checks`].
    pub fn make(
        settings: &ScoreSettings,
        scorer: Result<&Scorer, &ScoreError>,
        out: &RunDirectory,
        resume: bool,
        depth: Depth,
        progress: &mut dyn Progress,
    ) -> Result<Plan, ScoreError> {
        let langs = settings.langs()?;
        let (mut info, model) = model_check(settings, scorer)?;
        info.settings = match scorer.ok().and_then(Scorer::view) {
            Some(view) => {
                let implicit = settings.implicit.resolved(&view);
                ScoreSettings { implicit, ..settings.clone() }.to_toml()?
            }
            None => settings.to_toml()?,
        };
        let mut checks = vec![model];
        let mut planned = Vec::new();
        let measuring = scorer.ok().filter(|_| depth == Depth::DryRun);
        let judge = scorer.ok().and_then(Scorer::judge);
        for found in survey(settings, &langs, measuring, judge, progress) {
            match found {
                Ok((source, of_source)) => {
                    info.digests.extend(digests(&source.source));
                    planned.push(source);
                    checks.extend(of_source);
                }
                Err(check) => checks.push(check),
            }
        }
        checks.push(out_check(out, &info, resume));
        let (limit, shard_size) = (settings.limit, settings.shard_size);
        let judge_columns = settings.judge.columns().map(|column| column.map(str::to_owned));
        let verdicts = settings.judge.verdicts;
        Ok(Plan { sources: planned, langs, limit, shard_size, judge_columns, verdicts, info, checks })
    }

    /// The worst verdict of all checks.
    pub fn verdict(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Fine)
    }

    /// Refuses a plan with a failed check.
    pub fn refuse_wrong(&self) -> Result<(), ScoreError> {
        let wrong: Vec<&Check> = self.checks.iter().filter(|check| check.verdict == Verdict::Wrong).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(ScoreError::Checks {
            problems: wrong.iter().map(|check| check.finding.clone()).collect(),
            hints: wrong.iter().filter_map(|check| check.hint.clone()).collect(),
        })
    }

    pub fn n_items(&self) -> u64 {
        self.sources.iter().flat_map(|planned| planned.cells.values()).map(|cell| cell.planned).sum()
    }
}

/// Reads every benchmark of the settings once: what there is of it, and how the checks came out. What cannot
/// be read at all is a failed check.
pub fn survey(
    settings: &ScoreSettings,
    langs: &LangSet,
    measuring: Option<&Scorer>,
    judge: Option<&Judge>,
    progress: &mut dyn Progress,
) -> Vec<Result<(Planned, Vec<Check>), Check>> {
    let mut found = Vec::new();
    for (name, source) in sources(settings, langs, progress) {
        found.push(match source {
            Ok(source) => {
                let mut selection = Selection::new(langs, settings.limit);
                let survey = Survey::of(&source, &mut selection, measuring, judge, progress);
                let checks = survey.checks(&source, &settings.langs);
                Ok((Planned { cells: survey.cells, source }, checks))
            }
            Err(error) => Err(Check::failed(&format!("{name}: data"), &error)),
        });
    }
    found
}

fn model_check(settings: &ScoreSettings, scorer: Result<&Scorer, &ScoreError>) -> Result<(RunInfo, Check), ScoreError> {
    match scorer {
        Ok(scorer) => {
            let info = scorer.info().clone();
            let finding = format!("`{}` is ready ({}, {}, {})", info.model, info.kind, info.device, info.dtype);
            Ok((info, Check::fine("model", finding)))
        }
        Err(error) => {
            let info = RunInfo::of_this_binary(&settings.run_name()?, settings.model()?, "unknown");
            Ok((info, Check::failed("model", error)))
        }
    }
}

fn digests(source: &Source) -> Vec<(String, String)> {
    let name = |file: &SourceFile| file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // The place in the list keeps `ar/test.parquet` and `de/test.parquet` apart.
    let key = |(i, file): (usize, &SourceFile)| format!("data/{}/{i}/{}", source.name, name(file));
    let data = source.files.iter().enumerate().map(|entry| (key(entry), entry.1.digest.clone()));
    let manifest = source.manifest.iter().map(|m| (format!("manifest/{}", source.name), m.digest.clone()));
    data.chain(manifest).collect()
}

fn out_check(out: &RunDirectory, info: &RunInfo, resume: bool) -> Check {
    let root = out.root().display();
    match out.examine(info, resume).and_then(|state| out.check_writable().map(|()| state)) {
        Ok(State::Fresh) => Check::fine("output", format!("`{root}` is free and writable")),
        Ok(State::Begun) => Check::fine("output", format!("`{root}` holds this run, begun and not finished")),
        Ok(State::Finished) => Check::fine("output", format!("`{root}` holds this run, finished")),
        Err(error) => Check::failed("output", &error),
    }
}

impl Check {
    pub(super) fn new(source: &Source, what: &str, verdict: Verdict, finding: String, hint: Option<String>) -> Self {
        Self { name: format!("{}: {what}", source.name), verdict, finding, hint }
    }

    fn fine(name: &str, finding: String) -> Self {
        Self { name: name.to_owned(), verdict: Verdict::Fine, finding, hint: None }
    }

    /// An error and its causes as a finding.
    pub(super) fn failed(name: &str, error: &ScoreError) -> Self {
        let mut finding = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !finding.contains(&text) {
                finding.push_str(&format!(": {text}"));
            }
            cause = inner.source();
        }
        Self { name: name.to_owned(), verdict: Verdict::Wrong, finding, hint: error.hint() }
    }
}
