//! What is scored: benchmarks as lists of files, whether they come from a manifest or are pair files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ScoreError;
use super::settings::ScoreSettings;
use crate::benchmark::reader::{self, PairReader, ReadError, ReadOptions};
use crate::files;
use crate::lang::{Lang, LangSet};

/// One benchmark on disk.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: Arc<str>,
    /// The manifest's version; of a pair file the beginning of its SHA-256.
    pub version: Arc<str>,
    pub files: Vec<SourceFile>,
    /// Items per language, where a manifest says how many there are.
    pub expected: BTreeMap<Lang, u64>,
    /// Files that a manifest names and the data directory lacks.
    pub missing: Vec<(Lang, PathBuf)>,
    /// The manifest's own digest.
    pub manifest_digest: Option<String>,
}

#[derive(Debug, Clone)]
pub struct SourceFile {
    pub path: PathBuf,
    pub digest: String,
    pub options: ReadOptions,
}

/// The benchmarks that the settings ask for, in their order.
pub fn sources(settings: &ScoreSettings) -> Result<Vec<Source>, ScoreError> {
    let mut sources: Vec<Source> = Vec::new();
    for path in &settings.pairs {
        sources.push(of_pairs(path, settings)?);
    }
    for (i, source) in sources.iter().enumerate() {
        if let Some(first) = sources[..i].iter().find(|other| other.name == source.name) {
            let path = |source: &Source| source.files.first().map(|file| file.path.clone()).unwrap_or_default();
            let name = source.name.to_string();
            return Err(ScoreError::SameName { name, first: path(first), second: path(source) });
        }
    }
    Ok(sources)
}

/// A pair file is a benchmark called like the file.
fn of_pairs(path: &Path, settings: &ScoreSettings) -> Result<Source, ScoreError> {
    let digest = files::sha256_file(path)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let options = ReadOptions {
        columns: settings.columns.clone(),
        skip_bad_rows: settings.skip_bad_rows,
        lang: settings.lang,
        ..ReadOptions::default()
    };
    Ok(Source {
        name: name.into(),
        version: format!("sha256:{}", digest.get(..12).unwrap_or(&digest)).into(),
        files: vec![SourceFile { path: path.to_owned(), digest, options }],
        expected: BTreeMap::new(),
        missing: Vec::new(),
        manifest_digest: None,
    })
}

/// Which items of a benchmark are wanted; the same for planning and scoring.
#[derive(Debug)]
pub struct Selection<'a> {
    pub langs: &'a LangSet,
    pub limit: Option<u64>,
    taken: BTreeMap<Lang, u64>,
}

impl<'a> Selection<'a> {
    pub fn new(langs: &'a LangSet, limit: Option<u64>) -> Self {
        Self { langs, limit, taken: BTreeMap::new() }
    }

    /// True where the next item of a language is wanted.
    pub fn takes(&mut self, lang: Lang) -> bool {
        if !self.langs.contains(lang) {
            return false;
        }
        let taken = self.taken.entry(lang).or_default();
        *taken += 1;
        self.limit.is_none_or(|limit| *taken <= limit)
    }
}

impl SourceFile {
    /// The file's items in its order, wanted or not.
    pub fn open(&self) -> Result<PairReader, ReadError> {
        reader::open(&self.path, &self.options)
    }
}

/// The languages that `--langs` names one by one; members of sets need not all be in a benchmark.
pub fn named_langs(spec: &str) -> BTreeSet<Lang> {
    let parts = spec.split(',').map(str::trim).filter(|part| !part.starts_with(['@', '-']) && *part != "all");
    parts.filter_map(|part| Lang::parse(part).ok()).collect()
}
