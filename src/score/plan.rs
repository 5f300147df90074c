//! What will be scored, found out by reading the data once, and every check that needs no model run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::ScoreError;
use super::directory::RunDirectory;
use super::scorer::Scorer;
use super::settings::ScoreSettings;
use super::source::{Selection, Source, SourceFile, named_langs, sources};
use crate::lang::{Lang, LangSet};
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;

/// Everything a run needs to know beforehand.
#[derive(Debug, Clone)]
pub struct Plan {
    pub sources: Vec<Planned>,
    pub langs: LangSet,
    pub limit: Option<u64>,
    pub shard_size: usize,
    /// Provenance of the run to be.
    pub info: RunInfo,
    pub checks: Vec<Check>,
}

/// One benchmark with what was found of it.
#[derive(Debug, Clone)]
pub struct Planned {
    pub source: Source,
    pub cells: BTreeMap<Lang, Cell>,
    /// Bad rows left out, by reason; only where the settings allow it.
    pub skipped: BTreeMap<String, u64>,
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

impl Plan {
    /// Reads all data once. Errors only where nothing can be planned; what is wrong with the data or
    /// the output directory is in [`Plan::checks`].
    pub fn make(
        settings: &ScoreSettings,
        scorer: Result<&Scorer, &ScoreError>,
        out: &RunDirectory,
        resume: bool,
        progress: &mut dyn Progress,
    ) -> Result<Plan, ScoreError> {
        let langs = settings.langs()?;
        let (mut info, model) = match scorer {
            Ok(scorer) => (scorer.info().clone(), Check::fine("model", model_words(scorer.info()))),
            Err(error) => {
                let info = RunInfo::of_this_binary(&settings.run_name()?, settings.model()?, "unknown");
                (info, Check::failed("model", error))
            }
        };
        info.settings = settings.to_toml()?;
        let mut checks = vec![model];
        let mut planned = Vec::new();
        for source in sources(settings)? {
            info.digests.extend(digests(&source));
            let survey = Survey::of(&source, settings, &langs, scorer.ok(), progress);
            checks.extend(survey.checks(&source, &settings.langs));
            planned.push(Planned { cells: survey.cells, skipped: survey.skipped, source });
        }
        checks.push(Check::of("output", out_check(out, &info, resume)));
        let (limit, shard_size) = (settings.limit, settings.shard_size);
        Ok(Plan { sources: planned, langs, limit, shard_size, info, checks })
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

fn model_words(info: &RunInfo) -> String {
    format!("`{}` is ready ({}, {}, {})", info.model, info.kind, info.device, info.dtype)
}

fn digests(source: &Source) -> Vec<(String, String)> {
    let name = |file: &SourceFile| file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let data = source.files.iter().map(|file| (format!("data/{}/{}", source.name, name(file)), file.digest.clone()));
    let manifest = source.manifest_digest.iter().map(|digest| (format!("manifest/{}", source.name), digest.clone()));
    data.chain(manifest).collect()
}

fn out_check(out: &RunDirectory, info: &RunInfo, resume: bool) -> Result<String, ScoreError> {
    use super::directory::State;
    let state = out.examine(info, resume)?;
    out.check_writable()?;
    let root = out.root().display();
    Ok(match state {
        State::Fresh => format!("`{root}` is free and writable"),
        State::Begun => format!("`{root}` holds this run, begun and not finished"),
        State::Finished => format!("`{root}` holds this run, finished"),
    })
}

/// What must be unique within a benchmark's score table: subset, language, item id.
type Key = (Arc<str>, Lang, Arc<str>);

/// What reading one benchmark found.
#[derive(Default)]
struct Survey {
    cells: BTreeMap<Lang, Cell>,
    skipped: BTreeMap<String, u64>,
    n_items: u64,
    /// Rows that prefer neither response; there is nothing to score in them.
    ties: u64,
    duplicates: u64,
    first_duplicate: Option<String>,
    failures: Vec<Check>,
}

impl Survey {
    fn of(
        source: &Source,
        settings: &ScoreSettings,
        langs: &LangSet,
        scorer: Option<&Scorer>,
        progress: &mut dyn Progress,
    ) -> Self {
        let mut survey = Survey::default();
        let mut selection = Selection::new(langs, settings.limit);
        let mut seen = HashSet::new();
        for file in &source.files {
            if let Err(error) = survey.read(&source.name, file, &mut selection, &mut seen, scorer, progress) {
                survey.failures.push(Check::of(&format!("{}: data", source.name), Err(error)));
            }
        }
        for (lang, n) in &source.expected {
            if langs.contains(*lang) {
                survey.cells.entry(*lang).or_default().expected = Some(*n);
            }
        }
        survey
    }

    fn read(
        &mut self,
        name: &str,
        file: &SourceFile,
        selection: &mut Selection<'_>,
        seen: &mut HashSet<Key>,
        scorer: Option<&Scorer>,
        progress: &mut dyn Progress,
    ) -> Result<(), ScoreError> {
        let mut reader = file.open()?;
        progress.begin(&format!("reading {name}"), reader.total_rows().unwrap_or(0), "rows");
        for comparison in reader.by_ref() {
            let comparison = comparison?;
            let selected = selection.takes(comparison.lang);
            self.count(&comparison, selected);
            self.note_duplicate(&comparison, seen);
            if selected
                && let Some(scorer) = scorer
                && let Some(over_long) = scorer.is_over_long(&comparison)?
            {
                let cell = self.cells.entry(comparison.lang).or_default();
                *cell.over_long.get_or_insert(0) += u64::from(over_long);
            }
            progress.advance(1);
        }
        progress.finish();
        let counts = reader.counts();
        self.ties += counts.ties;
        for (reason, n) in &counts.skipped {
            *self.skipped.entry((*reason).to_owned()).or_default() += n;
        }
        Ok(())
    }

    fn count(&mut self, comparison: &Comparison, selected: bool) {
        self.n_items += 1;
        let cell = self.cells.entry(comparison.lang).or_default();
        cell.found += 1;
        if selected {
            cell.planned += 1;
            cell.responses += comparison.responses().count() as u64;
        }
    }

    /// The key of the score table must be unique.
    fn note_duplicate(&mut self, comparison: &Comparison, seen: &mut HashSet<Key>) {
        let key = (comparison.subset.0.clone(), comparison.lang, comparison.id.0.clone());
        if !seen.insert(key) {
            self.duplicates += 1;
            self.first_duplicate.get_or_insert_with(|| {
                format!("item `{}` ({}), row {}", comparison.id, comparison.lang, comparison.row)
            });
        }
    }

    /// One check per thing that could be wrong, also where it is fine.
    fn checks(&self, source: &Source, spec: &str) -> Vec<Check> {
        let name = |what: &str| format!("{}: {what}", source.name);
        let mut checks = self.failures.clone();
        for (lang, path) in &source.missing {
            checks.push(Check {
                name: name("files"),
                verdict: Verdict::Doubtful,
                finding: format!("{lang} is left out: `{}` is not there", path.display()),
                hint: None,
            });
        }
        if self.failures.is_empty() {
            let n_files = source.files.len();
            let skipped: u64 = self.skipped.values().sum();
            let reasons: Vec<String> = self.skipped.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
            let files = if n_files == 1 { "1 file".to_owned() } else { format!("{n_files} files") };
            let mut finding = format!("{} items in {files}", self.n_items);
            if self.ties > 0 {
                finding.push_str(&format!(", {} rows left out because they prefer neither response", self.ties));
            }
            if skipped > 0 {
                finding.push_str(&format!(", {skipped} bad rows skipped ({})", reasons.join(", ")));
            }
            let verdict = if skipped + self.ties == 0 { Verdict::Fine } else { Verdict::Doubtful };
            checks.push(Check { name: name("data"), verdict, finding, hint: None });
        }
        checks.push(self.language_check(source, spec));
        checks.push(match &self.first_duplicate {
            None => Check::fine(&name("keys"), "every (subset, id, language) occurs once".to_owned()),
            Some(first) => Check {
                name: name("keys"),
                verdict: Verdict::Wrong,
                finding: format!(
                    "{} of `{}` repeat an earlier key, the first is {first}",
                    self.duplicates, source.name
                ),
                hint: Some("`rmbench data check` lists them; (id, language) must be unique".to_owned()),
            },
        });
        checks.extend(self.count_check(source));
        checks.extend(self.length_check(source));
        checks
    }

    fn language_check(&self, source: &Source, spec: &str) -> Check {
        let found: BTreeSet<Lang> = self.cells.iter().filter(|(_, c)| c.found > 0).map(|(lang, _)| *lang).collect();
        let planned = self.cells.values().filter(|cell| cell.planned > 0).count();
        let absent: Vec<String> = named_langs(spec)
            .into_iter()
            .filter(|lang| !found.contains(lang))
            .map(|lang| format!("`{lang}`"))
            .collect();
        let available = || Some(format!("available: {}", list(found.iter().map(Lang::code))));
        let name = format!("{}: languages", source.name);
        if !absent.is_empty() {
            let finding = format!("benchmark `{}` has no language {}", source.name, absent.join(", "));
            return Check { name, verdict: Verdict::Wrong, finding, hint: available() };
        }
        if planned == 0 {
            let finding = format!("benchmark `{}` has no item in the languages `{spec}`", source.name);
            return Check { name, verdict: Verdict::Wrong, finding, hint: available() };
        }
        Check::fine(&name, format!("{planned} of {} are scored", found.len()))
    }

    fn count_check(&self, source: &Source) -> Option<Check> {
        if source.expected.is_empty() {
            return None;
        }
        let differs = |cell: &Cell| cell.expected.is_some_and(|expected| expected != cell.found);
        let wrong: Vec<String> = self
            .cells
            .iter()
            .filter(|(_, cell)| differs(cell))
            .map(|(lang, cell)| format!("{lang} {} of {}", cell.found, cell.expected.unwrap_or_default()))
            .collect();
        let name = format!("{}: counts", source.name);
        Some(if wrong.is_empty() {
            Check::fine(&name, "as the manifest says".to_owned())
        } else {
            let finding = format!("`{}` differs from its manifest: {}", source.name, list(wrong.iter()));
            let hint = Some("accuracies of an incomplete benchmark are not comparable with published ones".to_owned());
            Check { name, verdict: Verdict::Doubtful, finding, hint }
        })
    }

    fn length_check(&self, source: &Source) -> Option<Check> {
        let measured: Vec<(&Lang, u64)> =
            self.cells.iter().filter_map(|(lang, cell)| Some((lang, cell.over_long?))).collect();
        if measured.is_empty() {
            return None;
        }
        let long = measured.iter().filter(|(_, n)| *n > 0).map(|(lang, n)| format!("{lang} {n}"));
        let total: u64 = measured.iter().map(|(_, n)| n).sum();
        let name = format!("{}: lengths", source.name);
        Some(if total == 0 {
            Check::fine(&name, "every item fits the model whole".to_owned())
        } else {
            let finding = format!("{total} items of `{}` are cut to fit the model: {}", source.name, list(long));
            Check { name, verdict: Verdict::Doubtful, finding, hint: Some("raise text.max-length".to_owned()) }
        })
    }
}

/// The first dozen, and how many more.
fn list<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    let names: Vec<T> = names.collect();
    let shown = names.iter().take(12).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown} and {} more", names.len() - 12) } else { shown }
}

impl Check {
    fn fine(name: &str, finding: String) -> Self {
        Self { name: name.to_owned(), verdict: Verdict::Fine, finding, hint: None }
    }

    fn of(name: &str, result: Result<String, ScoreError>) -> Self {
        match result {
            Ok(finding) => Self::fine(name, finding),
            Err(error) => Self::failed(name, &error),
        }
    }

    /// An error and its causes as a finding.
    fn failed(name: &str, error: &ScoreError) -> Self {
        let mut finding = error.to_string();
        let mut cause = std::error::Error::source(error);
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
