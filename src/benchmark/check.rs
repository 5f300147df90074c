//! `data check`: what is wrong, or worth knowing, in files of preference pairs, language by language.
//!
//! Each file is read once. Memory holds hashes of the rows, never their text.

mod fingerprint;
mod language;
mod render;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::benchmark::reader::{self, ReadCounts, ReadError, ReadOptions, ReadRow};
use crate::lang::Lang;
use crate::preference::Comparison;
use crate::progress::Progress;

use fingerprint::{Content, Fingerprint, of_parts};
use language::{English, Tally};

pub use language::LanguageReport;

/// Tokens of a comparison's longest sequence, and how many the model takes.
pub type Lengths<'a> = &'a dyn Fn(&Comparison) -> (usize, usize);

/// Bad rows quoted (by place and problem, never by content) per file.
const QUOTED: usize = 10;

#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    pub files: Vec<FileReport>,
    /// The file that leakage was looked for in.
    pub against: Option<AgainstReport>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    pub path: PathBuf,
    /// What the reader took the columns for.
    pub layout: String,
    pub counts: ReadCounts,
    pub languages: BTreeMap<Lang, LanguageReport>,
    /// Bad rows whose language could not be read, by reason.
    pub without_language: BTreeMap<&'static str, u64>,
    /// The first bad rows: place and problem.
    pub bad_rows: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct AgainstReport {
    pub path: PathBuf,
    pub counts: ReadCounts,
}

/// What can be found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    BadRows,
    DuplicateKeys,
    IdenticalResponses,
    ContradictoryPairs,
    LeakedItems,
    LeakedPrompts,
    RepeatedPreferences,
    UntranslatedPrompts,
    UntranslatedResponses,
    OtherScriptPrompts,
    OtherScriptResponses,
    OverLong,
    Ties,
    UnlistedLanguage,
}

impl ProblemKind {
    /// True for what makes data unfit for use; the rest may be intended.
    pub fn is_defect(self) -> bool {
        self <= ProblemKind::LeakedItems
    }

    pub fn as_str(self) -> &'static str {
        match self {
            ProblemKind::BadRows => "bad rows",
            ProblemKind::DuplicateKeys => "rows whose (id, language) an earlier row has",
            ProblemKind::IdenticalResponses => "items whose chosen and rejected responses are the same",
            ProblemKind::ContradictoryPairs => "pairs of responses that are preferred both ways",
            ProblemKind::LeakedItems => "items that the other file has too",
            ProblemKind::LeakedPrompts => "items whose prompt alone the other file has too",
            ProblemKind::RepeatedPreferences => "preferences stated more than once",
            ProblemKind::UntranslatedPrompts => "prompts equal to the English version",
            ProblemKind::UntranslatedResponses => "items with a response equal to one of the English version",
            ProblemKind::OtherScriptPrompts => "prompts in another script than the language's",
            ProblemKind::OtherScriptResponses => "items with a response in another script than the language's",
            ProblemKind::OverLong => "items longer than the model takes",
            ProblemKind::Ties => "rows that prefer neither response",
            ProblemKind::UnlistedLanguage => "items in a language that the language table lacks",
        }
    }
}

/// One kind of finding in one language of one file. No language: rows whose language could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub path: PathBuf,
    pub lang: Option<Lang>,
    pub kind: ProblemKind,
    pub count: u64,
}

/// Checks files one by one.
///
/// `against` is a file whose items must not occur in the others, typically the training set of an
/// evaluation set: equal content is found by hash (case and white space aside) whatever the ids say.
/// `lengths` gives the token counts that over-long items are found by. Bad rows are counted whether or
/// not the options skip them.
///
/// # Errors
/// Files that cannot be read at all.
pub fn run(
    paths: &[PathBuf],
    options: &ReadOptions,
    against: Option<&Path>,
    lengths: Option<Lengths<'_>>,
    progress: &mut dyn Progress,
) -> Result<CheckReport, ReadError> {
    let other = against.map(|path| Seen::read(path, options, progress)).transpose()?;
    let files = paths
        .iter()
        .map(|path| check_file(path, options, other.as_ref(), lengths, progress))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(CheckReport { files, against: other.map(|other| other.report) })
}

/// What another file holds.
struct Seen {
    report: AgainstReport,
    prompts: HashSet<Fingerprint>,
    items: HashSet<Fingerprint>,
}

impl Seen {
    fn read(path: &Path, options: &ReadOptions, progress: &mut dyn Progress) -> Result<Self, ReadError> {
        // All languages and rows: a leak from a language that is not being checked is a leak.
        let options = ReadOptions { langs: None, limit: None, ..options.clone() };
        let mut reader = reader::open(path, &options)?;
        let (mut prompts, mut items) = (HashSet::new(), HashSet::new());
        progress.begin("reading the other file", reader.total_rows().unwrap_or(0), "rows");
        while let Some(row) = reader.next_row() {
            progress.advance(1);
            if let ReadRow::Comparison(comparison) = row? {
                let content = Content::of(&comparison);
                prompts.insert(content.prompt);
                items.insert(content.whole());
            }
        }
        progress.finish();
        let report = AgainstReport { path: path.to_owned(), counts: reader.counts().clone() };
        Ok(Self { report, prompts, items })
    }
}

fn check_file(
    path: &Path,
    options: &ReadOptions,
    other: Option<&Seen>,
    lengths: Option<Lengths<'_>>,
    progress: &mut dyn Progress,
) -> Result<FileReport, ReadError> {
    let mut reader = reader::open(path, options)?;
    let mut tallies: BTreeMap<Lang, Tally> = BTreeMap::new();
    let mut english = English::default();
    let mut keys: HashSet<Fingerprint> = HashSet::new();
    let mut without_language = BTreeMap::new();
    let mut bad_rows = Vec::new();
    progress.begin("checking", reader.total_rows().unwrap_or(0), "rows");
    while let Some(row) = reader.next_row() {
        progress.advance(1);
        let comparison = match row? {
            ReadRow::Filtered => continue,
            ReadRow::Tie { lang, .. } => {
                let report = &mut tallies.entry(lang).or_default().report;
                report.rows += 1;
                report.ties += 1;
                continue;
            }
            ReadRow::Bad { lang, error, reason } => {
                if bad_rows.len() < QUOTED {
                    bad_rows.push(error.to_string());
                }
                let reasons = match lang {
                    None => &mut without_language,
                    Some(lang) => {
                        let report = &mut tallies.entry(lang).or_default().report;
                        report.rows += 1;
                        &mut report.bad
                    }
                };
                *reasons.entry(reason).or_default() += 1;
                continue;
            }
            ReadRow::Comparison(comparison) => comparison,
        };
        let content = Content::of(&comparison);
        let tally = tallies.entry(comparison.lang).or_default();
        tally.add(&comparison, &content, &mut english);
        let key = of_parts([comparison.id.as_str().as_bytes(), comparison.lang.code().as_bytes()]);
        tally.report.duplicate_keys += u64::from(!keys.insert(key));
        if let Some(lengths) = lengths {
            let (longest, limit) = lengths(&comparison);
            tally.add_lengths(longest, limit);
        }
        if let Some(other) = other {
            let whole = other.items.contains(&content.whole());
            let prompt = other.prompts.contains(&content.prompt);
            *tally.report.leaked_items.get_or_insert(0) += u64::from(whole);
            *tally.report.leaked_prompts.get_or_insert(0) += u64::from(prompt && !whole);
        }
    }
    progress.finish();
    Ok(FileReport {
        path: path.to_owned(),
        layout: reader.layout().to_string(),
        counts: reader.counts().clone(),
        languages: tallies.into_iter().map(|(lang, tally)| (lang, tally.finish(&english))).collect(),
        without_language,
        bad_rows,
    })
}

impl CheckReport {
    /// What makes the data unfit for use: bad rows, duplicate keys, identical responses, contradictory
    /// pairs, leaked items. Not empty: the check has failed.
    pub fn problems(&self) -> Vec<Problem> {
        self.found().filter(|problem| problem.kind.is_defect()).collect()
    }

    /// What may be intended but should be known.
    pub fn remarks(&self) -> Vec<Problem> {
        self.found().filter(|problem| !problem.kind.is_defect()).collect()
    }

    fn found(&self) -> impl Iterator<Item = Problem> + '_ {
        self.files.iter().flat_map(FileReport::found)
    }
}

impl FileReport {
    fn found(&self) -> impl Iterator<Item = Problem> + '_ {
        let nameless = (None, ProblemKind::BadRows, self.without_language.values().sum());
        let named = self.languages.iter().flat_map(|(&lang, report)| {
            let unlisted = self.counts.unlisted.get(&lang).copied().unwrap_or(0);
            report.found(unlisted).into_iter().map(move |(kind, count)| (Some(lang), kind, count))
        });
        std::iter::once(nameless).chain(named).filter(|&(_, _, count)| count > 0).map(|(lang, kind, count)| Problem {
            path: self.path.clone(),
            lang,
            kind,
            count,
        })
    }
}

impl LanguageReport {
    fn found(&self, unlisted: u64) -> [(ProblemKind, u64); 14] {
        [
            (ProblemKind::BadRows, self.bad.values().sum()),
            (ProblemKind::DuplicateKeys, self.duplicate_keys),
            (ProblemKind::IdenticalResponses, self.identical),
            (ProblemKind::ContradictoryPairs, self.contradictory),
            (ProblemKind::LeakedItems, self.leaked_items.unwrap_or(0)),
            (ProblemKind::LeakedPrompts, self.leaked_prompts.unwrap_or(0)),
            (ProblemKind::RepeatedPreferences, self.repeated),
            (ProblemKind::UntranslatedPrompts, self.untranslated_prompts),
            (ProblemKind::UntranslatedResponses, self.untranslated_responses),
            (ProblemKind::OtherScriptPrompts, self.other_script_prompts),
            (ProblemKind::OtherScriptResponses, self.other_script_responses),
            (ProblemKind::OverLong, self.over_long.unwrap_or(0)),
            (ProblemKind::Ties, self.ties),
            (ProblemKind::UnlistedLanguage, unlisted),
        ]
    }
}
