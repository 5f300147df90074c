//! One pass over a benchmark's data before the model runs: what there is, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::ScoreError;
use super::plan::{Cell, Check, Verdict};
use super::scorer::Scorer;
use super::source::{Selection, Source, SourceFile, named_langs};
use crate::benchmark::manifest::Manifest;
use crate::judge::Judge;
use crate::lang::Lang;
use crate::preference::Comparison;
use crate::progress::Progress;

/// What must be unique within a benchmark's score table: subset, language, item id. Of all of them the first
/// 128 bits of a SHA-256 are kept, so that a hundred thousand items are a few megabytes.
type Key = [u8; 16];

fn key(subset: &str, lang: Lang, id: &str) -> Key {
    let mut hasher = Sha256::new();
    for part in [subset, lang.code(), id] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut key = Key::default();
    key.copy_from_slice(&hasher.finalize()[..16]);
    key
}

/// What reading one benchmark found.
#[derive(Default)]
pub(super) struct Survey {
    pub cells: BTreeMap<Lang, Cell>,
    /// Bad rows left out, by reason.
    skipped: BTreeMap<&'static str, u64>,
    n_items: u64,
    /// Rows that prefer neither response; there is nothing to score in them.
    ties: u64,
    by_subset: BTreeMap<(Arc<str>, Lang), u64>,
    duplicates: u64,
    first_duplicate: Option<String>,
    failures: Vec<Check>,
    /// Items that the judge's protocol does not fit.
    unfit: u64,
    first_unfit: Option<String>,
}

impl Survey {
    /// Reads all files of a benchmark. What cannot be read is a failed check, so that one pass finds
    /// everything that is wrong. With a scorer, items that will not fit it whole are counted.
    pub fn of(
        source: &Source,
        selection: &mut Selection<'_>,
        scorer: Option<&Scorer>,
        judge: Option<&Judge>,
        progress: &mut dyn Progress,
    ) -> Self {
        let mut survey = Survey::default();
        let mut seen = HashSet::new();
        for file in &source.files {
            if let Err(error) = survey.read(&source.name, file, selection, &mut seen, (scorer, judge), progress) {
                survey.failures.push(Check::failed(&format!("{}: data", source.name), &error));
            }
            progress.finish();
        }
        if let Some(manifest) = &source.manifest {
            for lang in manifest.langs.iter().filter(|lang| selection.wants(**lang)) {
                survey.cells.entry(*lang).or_default().expected = expected(manifest, *lang);
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
        (scorer, judge): (Option<&Scorer>, Option<&Judge>),
        progress: &mut dyn Progress,
    ) -> Result<(), ScoreError> {
        let mut items = file.open()?;
        progress.begin(&format!("reading {name}"), items.total_rows().unwrap_or(0), "rows");
        for comparison in items.by_ref() {
            let comparison = comparison?;
            let selected = selection.takes(comparison.lang);
            self.count(&comparison, selected, seen);
            if let Some(judge) = judge.filter(|_| selected) {
                let cell = self.cells.entry(comparison.lang).or_default();
                match judge.n_judgments(&comparison) {
                    Ok(n) => cell.judgments += n as u64,
                    Err(error) => {
                        self.unfit += 1;
                        self.first_unfit.get_or_insert_with(|| error.to_string());
                    }
                }
            }
            if selected
                && let Some(scorer) = scorer
                && let Some(over_long) = scorer.is_over_long(&comparison)?
            {
                let cell = self.cells.entry(comparison.lang).or_default();
                *cell.over_long.get_or_insert(0) += u64::from(over_long);
            }
            progress.advance(1);
        }
        let counts = items.counts();
        self.ties += counts.ties;
        for (reason, n) in &counts.skipped {
            *self.skipped.entry(reason).or_default() += n;
        }
        Ok(())
    }

    fn count(&mut self, comparison: &Comparison, selected: bool, seen: &mut HashSet<Key>) {
        let (subset, lang) = (&comparison.subset.0, comparison.lang);
        self.n_items += 1;
        *self.by_subset.entry((subset.clone(), lang)).or_default() += 1;
        let cell = self.cells.entry(lang).or_default();
        cell.found += 1;
        if selected {
            cell.planned += 1;
            cell.responses += comparison.responses().count() as u64;
        }
        if !seen.insert(key(subset, lang, &comparison.id.0)) {
            self.duplicates += 1;
            self.first_duplicate
                .get_or_insert_with(|| format!("item `{}` ({lang}), row {}", comparison.id, comparison.row));
        }
    }

    /// One check per thing that could be wrong, also where it is fine.
    pub fn checks(&self, source: &Source, spec: &str) -> Vec<Check> {
        let mut checks = self.failures.clone();
        for missing in &source.missing {
            let lang = missing.lang.map_or("the whole benchmark".to_owned(), |lang| lang.to_string());
            let looked: Vec<String> = missing.looked_for.iter().map(|path| format!("`{}`", path.display())).collect();
            let finding = format!("{lang} is left out: its data are not there");
            let hint = Some(format!("looked for {}", looked.join(", ")));
            checks.push(Check::new(source, "files", Verdict::Doubtful, finding, hint));
        }
        if self.failures.is_empty() {
            checks.push(self.rows(source));
        }
        checks.extend(self.protocol(source));
        checks.push(self.languages(source, spec));
        checks.push(self.keys(source));
        if let Some(manifest) = source.manifest.as_deref().filter(|manifest| !manifest.open) {
            checks.extend(self.subsets(source, manifest));
            checks.push(self.counts(source, manifest));
        }
        checks.extend(self.lengths(source));
        checks
    }

    fn rows(&self, source: &Source) -> Check {
        let n_files = source.files.len();
        let skipped: u64 = self.skipped.values().sum();
        let files = if n_files == 1 { "1 file".to_owned() } else { format!("{n_files} files") };
        let mut finding = format!("{} items in {files}", self.n_items);
        if self.ties > 0 {
            finding.push_str(&format!(", {} rows left out because they prefer neither response", self.ties));
        }
        if skipped > 0 {
            let reasons: Vec<String> = self.skipped.iter().map(|(reason, n)| format!("{reason}: {n}")).collect();
            finding.push_str(&format!(", {skipped} bad rows skipped ({})", reasons.join(", ")));
        }
        let verdict = if skipped + self.ties == 0 { Verdict::Fine } else { Verdict::Doubtful };
        Check::new(source, "data", verdict, finding, None)
    }

    /// Whether a judge's protocol fits the items; nothing where there is no judge.
    fn protocol(&self, source: &Source) -> Option<Check> {
        let judgments: u64 = self.cells.values().map(|cell| cell.judgments).sum();
        if let Some(first) = &self.first_unfit {
            let finding = format!("{} items cannot be judged by this protocol, the first is {first}", self.unfit);
            let hint = "`--judge ratings` rates each response; `--set judge.subsets.NAME=PROTOCOL` judges a subset another way";
            return Some(Check::new(source, "protocol", Verdict::Wrong, finding, Some(hint.to_owned())));
        }
        (judgments > 0)
            .then(|| Check::new(source, "protocol", Verdict::Fine, format!("{judgments} judgments to make"), None))
    }

    fn languages(&self, source: &Source, spec: &str) -> Check {
        let found: BTreeSet<Lang> = self.cells.iter().filter(|(_, c)| c.found > 0).map(|(lang, _)| *lang).collect();
        let planned = self.cells.values().filter(|cell| cell.planned > 0).count();
        let named = named_langs(spec).into_iter();
        let absent: Vec<String> = named.filter(|lang| !found.contains(lang)).map(|lang| format!("`{lang}`")).collect();
        let available = Some(format!("available: {}", list(found.iter().map(Lang::code))));
        if !absent.is_empty() {
            let finding = format!("benchmark `{}` has no language {}", source.name, absent.join(", "));
            return Check::new(source, "languages", Verdict::Wrong, finding, available);
        }
        if planned == 0 {
            let finding = format!("benchmark `{}` has no item in the languages `{spec}`", source.name);
            return Check::new(source, "languages", Verdict::Wrong, finding, available);
        }
        Check::new(source, "languages", Verdict::Fine, format!("{planned} of {} are scored", found.len()), None)
    }

    fn keys(&self, source: &Source) -> Check {
        let Some(first) = &self.first_duplicate else {
            let finding = "every (subset, id, language) occurs once".to_owned();
            return Check::new(source, "keys", Verdict::Fine, finding, None);
        };
        let finding =
            format!("{} items of `{}` repeat an earlier key, the first is {first}", self.duplicates, source.name);
        let hint = Some("`rmbench data check` counts them by language; (id, language) must be unique".to_owned());
        Check::new(source, "keys", Verdict::Wrong, finding, hint)
    }

    /// Subsets the manifest does not know would enter no score.
    fn subsets(&self, source: &Source, manifest: &Manifest) -> Option<Check> {
        let found: BTreeSet<&str> = self.by_subset.keys().map(|(subset, _)| &**subset).collect();
        let known: BTreeSet<&str> = manifest.subsets().map(|(_, subset)| subset.name.as_str()).collect();
        let unknown: Vec<&&str> = found.difference(&known).collect();
        if unknown.is_empty() {
            return None;
        }
        let finding = format!("`{}` has subsets that its manifest does not: {}", source.name, list(unknown.iter()));
        let hint = Some("they are scored and enter no average; is the column of subsets the right one?".to_owned());
        Some(Check::new(source, "subsets", Verdict::Doubtful, finding, hint))
    }

    /// Items per subset and language against the manifest.
    fn counts(&self, source: &Source, manifest: &Manifest) -> Check {
        let mut wrong = Vec::new();
        let is_missing = |lang: &Lang| source.missing.iter().any(|missing| missing.lang == Some(*lang));
        let cells = self.cells.iter().filter(|(lang, cell)| cell.expected.is_some() && !is_missing(lang));
        let langs: Vec<&Lang> = cells.map(|(lang, _)| lang).collect();
        for (_, subset) in manifest.subsets() {
            for lang in &langs {
                let found = self.by_subset.get(&(subset.name.as_str().into(), **lang)).copied().unwrap_or(0);
                if let Some(expected) = manifest.expected(&subset.name, **lang).filter(|expected| *expected != found) {
                    wrong.push(format!("{lang} {} {found} of {expected}", subset.name));
                }
            }
        }
        if wrong.is_empty() {
            return Check::new(source, "counts", Verdict::Fine, "as the manifest says".to_owned(), None);
        }
        let finding = format!("`{}` differs from its manifest: {}", source.name, list(wrong.iter()));
        let hint = Some("accuracies of other items are not comparable with published ones".to_owned());
        Check::new(source, "counts", Verdict::Doubtful, finding, hint)
    }

    fn lengths(&self, source: &Source) -> Option<Check> {
        let measured: Vec<(&Lang, u64)> =
            self.cells.iter().filter_map(|(lang, cell)| Some((lang, cell.over_long?))).collect();
        if measured.is_empty() {
            return None;
        }
        let total: u64 = measured.iter().map(|(_, n)| n).sum();
        if total == 0 {
            let finding = "every item fits the model whole".to_owned();
            return Some(Check::new(source, "lengths", Verdict::Fine, finding, None));
        }
        let long = measured.iter().filter(|(_, n)| *n > 0).map(|(lang, n)| format!("{lang} {n}"));
        let finding = format!("{total} items of `{}` are cut to fit the model: {}", source.name, list(long));
        let hint = Some("`--set text.max-length=N` changes where they are cut".to_owned());
        Some(Check::new(source, "lengths", Verdict::Doubtful, finding, hint))
    }
}

/// Items the manifest promises in one language; `None` where it does not say.
fn expected(manifest: &Manifest, lang: Lang) -> Option<u64> {
    let mut subsets = manifest.subsets().peekable();
    subsets.peek()?;
    subsets.map(|(_, subset)| manifest.expected(&subset.name, lang)).sum()
}

/// The first dozen, and how many more.
fn list<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    let names: Vec<T> = names.collect();
    let shown = names.iter().take(12).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown} and {} more", names.len() - 12) } else { shown }
}
