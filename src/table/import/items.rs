//! The benchmark's own data beside another tool's scores: what items are called, which subset and language
//! they are in, how long their responses are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{Entry, Place};
use super::{ImportError, ImportOptions};
use crate::benchmark::columns::ColumnMap;
use crate::benchmark::manifest::Manifest;
use crate::benchmark::reader::{self, ReadOptions};
use crate::files;
use crate::lang::Lang;

/// One item of the data.
#[derive(Debug, Clone)]
pub struct Known {
    pub place: Place,
    pub lang: Lang,
    pub subset: Arc<str>,
    pub category: Option<Arc<str>>,
    pub id: Arc<str>,
    pub source: Arc<str>,
    pub chosen_chars: Vec<u32>,
    pub rejected_chars: Vec<u32>,
    /// Styles or grades, chosen first.
    pub variants: Vec<Option<Arc<str>>>,
}

/// The items of all data files, in their order.
#[derive(Debug, Default)]
pub struct Items {
    pub all: Vec<Known>,
    by_id: HashMap<(Arc<str>, Lang), Vec<usize>>,
    langs_of: HashMap<Arc<str>, Vec<Lang>>,
    /// Role and digest of each file, for provenance.
    pub digests: Vec<(String, String)>,
}

impl Items {
    /// Reads the data files. Items belong to `manifest`'s benchmark, or to one that is called like the file.
    pub fn read(options: &ImportOptions, manifest: Option<&Manifest>) -> Result<Items, ImportError> {
        let mut items = Items::default();
        for (number, path) in options.items.iter().enumerate() {
            let digest = files::sha256_file(path)?;
            let place = place(path, &digest, options, manifest);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            items.digests.push((format!("data/{}/{number}/{name}", place.benchmark), digest));
            items.add(path, &place, options, manifest)?;
        }
        Ok(items)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn add(
        &mut self,
        path: &Path,
        place: &Place,
        options: &ImportOptions,
        manifest: Option<&Manifest>,
    ) -> Result<(), ImportError> {
        let read = read_options(path, options, manifest);
        for comparison in reader::open(path, &read)? {
            let comparison = comparison?;
            let chars = |responses: &[crate::preference::Response]| -> Vec<u32> {
                responses.iter().map(|r| r.text.chars().count() as u32).collect()
            };
            let known = Known {
                place: place.clone(),
                lang: comparison.lang,
                subset: comparison.subset.0.clone(),
                category: comparison.category.clone(),
                id: comparison.id.0.clone(),
                source: comparison.source.0.clone(),
                chosen_chars: chars(&comparison.chosen),
                rejected_chars: chars(&comparison.rejected),
                variants: comparison.responses().map(|response| response.variant.clone()).collect(),
            };
            let number = self.all.len();
            self.by_id.entry((known.id.clone(), known.lang)).or_default().push(number);
            let langs = self.langs_of.entry(known.id.clone()).or_default();
            if !langs.contains(&known.lang) {
                langs.push(known.lang);
            }
            self.all.push(known);
        }
        Ok(())
    }

    /// The item with an id; the language may be left out where it has one only, the subset where the id
    /// names one item.
    pub fn by_id(&self, id: &str, lang: Option<Lang>, subset: Option<&str>) -> Option<&Known> {
        let id: Arc<str> = id.into();
        let lang = match (lang, self.langs_of.get(&id)?.as_slice()) {
            (Some(lang), _) => lang,
            (None, [only]) => *only,
            (None, _) => return None,
        };
        let numbers = self.by_id.get(&(id, lang))?;
        let mut found = numbers.iter().map(|n| &self.all[*n]).filter(|k| subset.is_none_or(|s| s == &*k.subset));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// The items of a language, or of a subset, in the order of the data.
    pub fn in_order(&self, lang: Option<Lang>, subset: Option<&str>) -> Vec<&Known> {
        let here = |known: &&Known| lang.is_none_or(|l| l == known.lang) && subset.is_none_or(|s| s == &*known.subset);
        self.all.iter().filter(here).collect()
    }
}

impl Known {
    /// The item with these rewards; `None` where it has another number of responses.
    pub fn entry(&self, chosen: &[Option<f64>], rejected: &[Option<f64>]) -> Option<Entry> {
        let fits = (chosen.len(), rejected.len()) == (self.chosen_chars.len(), self.rejected_chars.len());
        let (first, second) = self.variants.split_at_checked(self.chosen_chars.len()).unwrap_or_default();
        let answers = |rewards: &[Option<f64>], chars: &[u32], variants: &[Option<Arc<str>>]| {
            let of = |((reward, n), variant): ((&Option<f64>, &u32), &Option<Arc<str>>)| super::entry::Answer {
                reward: *reward,
                variant: variant.clone(),
                n_chars: *n,
            };
            rewards.iter().zip(chars).zip(variants).map(of).collect()
        };
        fits.then(|| Entry {
            lang: self.lang,
            subset: self.subset.clone(),
            category: self.category.clone(),
            id: self.id.clone(),
            source: self.source.clone(),
            chosen: answers(chosen, &self.chosen_chars, first),
            rejected: answers(rejected, &self.rejected_chars, second),
        })
    }
}

fn place(path: &Path, digest: &str, options: &ImportOptions, manifest: Option<&Manifest>) -> Place {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match (manifest, &options.benchmark) {
        (Some(manifest), _) => {
            Place { benchmark: manifest.name.as_str().into(), version: manifest.version.as_str().into() }
        }
        (None, Some(name)) => Place { benchmark: name.as_str().into(), version: super::IMPORTED.into() },
        // As `score --pairs` names it, so that imported runs stand beside scored ones.
        (None, None) => {
            Place { benchmark: stem.into(), version: format!("sha256:{}", digest.get(..12).unwrap_or(digest)).into() }
        }
    }
}

/// How a data file is read: the manifest's newest column map that fits it; a language that a file or its
/// directory is called by is the file's.
fn read_options(path: &Path, options: &ImportOptions, manifest: Option<&Manifest>) -> ReadOptions {
    let parts = [path.file_stem(), path.parent().and_then(Path::file_name)];
    let named = parts.into_iter().flatten().find_map(|part| Lang::from_code(&part.to_string_lossy()));
    let lang = options.lang.or(named).or(manifest.and_then(|m| m.data.language));
    let read = |columns: &ColumnMap| ReadOptions { columns: columns.clone(), lang, ..ReadOptions::default() };
    let maps = manifest.into_iter().flat_map(|m| std::iter::once(&m.data.columns).chain(&m.data.older_columns));
    let fitting = maps.map(read).find(|candidate| reader::layout(path, candidate).is_ok());
    fitting.unwrap_or_else(|| read(&ColumnMap::default()))
}

/// Paths for a message, shortened.
pub fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().take(3).map(|path| format!("`{}`", path.display())).collect();
    match paths.len() {
        0..=3 => names.join(", "),
        n => format!("{} and {} more", names.join(", "), n - 3),
    }
}
