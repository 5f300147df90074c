//! What is scored: benchmarks as lists of files, whether they come from a manifest or are pair files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ScoreError;
use super::settings::ScoreSettings;
use crate::benchmark::catalog;
use crate::benchmark::columns::{ColumnMap, Part};
use crate::benchmark::dataset;
use crate::benchmark::manifest::{DataFile, Manifest, MissingData};
use crate::benchmark::reader::{self, PairReader, ReadCounts, ReadError, ReadOptions};
use crate::files;
use crate::hub::{DataName, Hub, HubError};
use crate::lang::{Lang, LangSet};
use crate::preference::Comparison;
use crate::progress::Progress;

/// One benchmark on disk.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: Arc<str>,
    /// The manifest's version; of a pair file the beginning of its SHA-256.
    pub version: Arc<str>,
    /// `None`: a pair file, of which nothing is known beforehand.
    pub manifest: Option<Arc<Manifest>>,
    /// The manifest's own text where it is the user's: a run keeps a copy of it for the report.
    pub manifest_text: Option<String>,
    pub files: Vec<SourceFile>,
    /// Languages of the manifest that the data directory lacks.
    pub missing: Vec<MissingData>,
}

#[derive(Debug, Clone)]
pub struct SourceFile {
    pub path: PathBuf,
    pub digest: String,
    pub options: ReadOptions,
    /// Rows without a language of their own have the one that the manifest gives their subset.
    pub by_subset: Option<Arc<Manifest>>,
}

/// The benchmarks that the settings ask for, in their order: what each is called, and what it is.
pub fn sources(
    settings: &ScoreSettings,
    langs: &LangSet,
    progress: &mut dyn Progress,
) -> Vec<(String, Result<Source, ScoreError>)> {
    let built_in = settings.benchmarks.iter().map(|name| {
        let source = catalog::find(name).map_err(ScoreError::from);
        (name.clone(), source.and_then(|manifest| of_manifest(manifest, None, settings, langs)))
    });
    let own = settings.manifests.iter().map(|path| (stem(path), of_manifest_file(path, settings, langs)));
    let pairs = settings.pairs.iter().map(|path| match dataset::name_of(path) {
        Some(name) => (path.display().to_string(), of_data_set(name, settings, progress)),
        None => (stem(path), of_pairs(&stem(path), std::slice::from_ref(path), settings)),
    });
    let mut found: Vec<(String, Result<Source, ScoreError>)> = Vec::new();
    for (name, source) in built_in.chain(own).chain(pairs) {
        let known = found.iter().filter_map(|(_, earlier)| earlier.as_ref().ok());
        found.push((name, source.and_then(|source| refuse_same_name(source, known))));
    }
    found
}

/// Items of one table are told apart by their benchmark's name.
fn refuse_same_name<'a>(source: Source, mut known: impl Iterator<Item = &'a Source>) -> Result<Source, ScoreError> {
    let path = |source: &Source| source.files.first().map(|file| file.path.clone()).unwrap_or_default();
    match known.find(|other| other.name == source.name) {
        None => Ok(source),
        Some(other) => {
            Err(ScoreError::SameName { name: source.name.to_string(), first: path(other), second: path(&source) })
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read_options(settings: &ScoreSettings, columns: ColumnMap, lang: Option<Lang>) -> ReadOptions {
    let embeddings = settings.reads_embeddings();
    ReadOptions { columns, lang, skip_bad_rows: settings.skip_bad_rows, embeddings, ..ReadOptions::default() }
}

/// A pair file is a benchmark called like the file.
fn of_pairs(name: &str, paths: &[PathBuf], settings: &ScoreSettings) -> Result<Source, ScoreError> {
    let options = read_options(settings, settings.columns.clone(), settings.lang);
    let file = |path: &PathBuf| {
        let digest = files::sha256_file(path)?;
        Ok(SourceFile { path: path.clone(), digest, options: options.clone(), by_subset: None })
    };
    let found: Vec<SourceFile> = paths.iter().map(file).collect::<Result<_, ScoreError>>()?;
    let digest = match found.as_slice() {
        [one] => one.digest.clone(),
        several => {
            files::sha256(several.iter().map(|file| file.digest.as_str()).collect::<Vec<_>>().join("\n").as_bytes())
        }
    };
    Ok(Source {
        name: name.into(),
        version: format!("sha256:{}", digest.get(..12).unwrap_or(&digest)).into(),
        manifest: None,
        manifest_text: None,
        files: found,
        missing: Vec::new(),
    })
}

/// Pairs on the hub: all files of one benchmark, called like the data set.
fn of_data_set(
    name: Result<DataName, HubError>,
    settings: &ScoreSettings,
    progress: &mut dyn Progress,
) -> Result<Source, ScoreError> {
    let found = dataset::bring(&Hub::from_env()?, &name?, progress)?;
    of_pairs(&found.name, &found.paths, settings)
}

fn of_manifest_file(path: &Path, settings: &ScoreSettings, langs: &LangSet) -> Result<Source, ScoreError> {
    let text = files::read_text(path)?;
    let manifest = Manifest::parse(&text, &format!("`{}`", path.display()))?;
    of_manifest(manifest, Some(text), settings, langs)
}

/// A manifest's data, of the wanted languages only. Languages that are named one by one must be there.
fn of_manifest(
    manifest: Manifest,
    text: Option<String>,
    settings: &ScoreSettings,
    langs: &LangSet,
) -> Result<Source, ScoreError> {
    let manifest = Arc::new(manifest);
    let data = settings.data.as_deref().unwrap_or(Path::new("."));
    let named: Vec<Lang> = named_langs(&settings.langs).into_iter().collect();
    manifest.check_langs(&named)?;
    let wanted: Vec<Lang> = manifest.langs.iter().copied().filter(|lang| langs.contains(*lang)).collect();
    if wanted.is_empty() && !manifest.langs.is_empty() {
        let available = manifest.langs.iter().map(|lang| lang.code().to_owned()).collect();
        let (name, spec) = (manifest.name.clone(), settings.langs.clone());
        return Err(ScoreError::NoLanguage { name, spec, available });
    }
    let mut found = manifest.files(data, &wanted);
    let is_named = |missing: &MissingData| missing.lang.is_some_and(|lang| named.contains(&lang));
    if found.found.is_empty() || found.missing.iter().any(is_named) {
        found.found = manifest.complete_files(data, &wanted)?;
    }
    let files = found.found.iter().map(|file| source_file(&manifest, file, settings)).collect::<Result<_, _>>()?;
    Ok(Source {
        name: manifest.name.as_str().into(),
        version: manifest.version.as_str().into(),
        manifest_text: text,
        files,
        missing: found.missing,
        manifest: Some(manifest),
    })
}

/// One data file with the column map that fits it: the user's, else the manifest's newest that does.
fn source_file(manifest: &Arc<Manifest>, file: &DataFile, settings: &ScoreSettings) -> Result<SourceFile, ScoreError> {
    let own = (settings.columns != ColumnMap::default()).then_some(&settings.columns);
    let maps: Vec<&ColumnMap> = match own {
        Some(own) => vec![own],
        None => std::iter::once(&manifest.data.columns).chain(&manifest.data.older_columns).collect(),
    };
    let fallback = manifest.data.language.or(manifest.langs.first().copied());
    let options = |columns: &ColumnMap| read_options(settings, columns.clone(), file.lang.or(fallback));
    let tried = |columns: &&&ColumnMap| reader::layout(&file.path, &options(columns)).is_ok();
    // Where none fits, the newest gives the error.
    let columns = maps.iter().find(tried).or(maps.first()).copied().unwrap_or(&settings.columns);
    let options = options(columns);
    let has_language = reader::layout(&file.path, &options)?.column(Part::Language).is_some();
    let by_subset = (!has_language && file.lang.is_none()).then(|| manifest.clone());
    Ok(SourceFile { path: file.path.clone(), digest: files::sha256_file(&file.path)?, options, by_subset })
}

impl SourceFile {
    /// The file's items in its order, wanted or not.
    pub fn open(&self) -> Result<Items<'_>, ReadError> {
        Ok(Items { reader: reader::open(&self.path, &self.options)?, by_subset: self.by_subset.as_deref() })
    }
}

/// Stream of a source file's items.
pub struct Items<'a> {
    reader: PairReader,
    by_subset: Option<&'a Manifest>,
}

impl Items<'_> {
    pub fn counts(&self) -> &ReadCounts {
        self.reader.counts()
    }

    pub fn total_rows(&self) -> Option<u64> {
        self.reader.total_rows()
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Comparison, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut item = self.reader.next()?;
        if let (Ok(comparison), Some(manifest)) = (&mut item, self.by_subset)
            && let Some(lang) = manifest.row_language(comparison.subset.as_str())
        {
            comparison.lang = lang;
        }
        Some(item)
    }
}

/// Which items of a benchmark are wanted; the same for planning and scoring.
#[derive(Debug)]
pub struct Selection<'a> {
    langs: &'a LangSet,
    limit: Option<u64>,
    taken: BTreeMap<Lang, u64>,
}

impl<'a> Selection<'a> {
    /// `limit`: at most so many items of each language, the first ones.
    pub fn new(langs: &'a LangSet, limit: Option<u64>) -> Self {
        Self { langs, limit, taken: BTreeMap::new() }
    }

    pub fn wants(&self, lang: Lang) -> bool {
        self.langs.contains(lang)
    }

    /// True where the next item of a language is wanted.
    pub fn takes(&mut self, lang: Lang) -> bool {
        if !self.wants(lang) {
            return false;
        }
        let taken = self.taken.entry(lang).or_default();
        *taken += 1;
        self.limit.is_none_or(|limit| *taken <= limit)
    }
}

/// The languages that `--langs` names one by one; members of sets need not all be in a benchmark.
pub fn named_langs(spec: &str) -> BTreeSet<Lang> {
    let parts = spec.split(',').map(str::trim).filter(|part| !part.starts_with(['@', '-']) && *part != "all");
    parts.filter_map(|part| Lang::parse(part).ok()).collect()
}
