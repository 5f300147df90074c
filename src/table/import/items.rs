//! The benchmark's own data beside another tool's scores: what items are called, which subset and language
//! they are in, how long their responses are.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{Answer, Entry, Place};
use super::join::Loose;
use super::sources::Sources;
use super::{ImportError, ImportOptions};
use crate::benchmark::columns::{ColumnMap, Part};
use crate::benchmark::manifest::Manifest;
use crate::benchmark::reader::{self, ReadOptions};
use crate::files;
use crate::lang::Lang;
use crate::preference::Response;

/// One item of the data.
#[derive(Debug, Clone)]
pub struct Known {
    pub place: Place,
    pub lang: Lang,
    pub subset: Arc<str>,
    pub category: Option<Arc<str>>,
    pub id: Arc<str>,
    /// The data have ids.
    pub named: bool,
    pub source: Arc<str>,
    pub chosen_chars: Vec<u32>,
    pub rejected_chars: Vec<u32>,
    /// Styles or grades, chosen first.
    pub variants: Vec<Option<Arc<str>>>,
    /// What was said before the responses; kept, as they are, where files of the format have texts.
    pub turns: Vec<String>,
    pub responses: Vec<String>,
}

/// The items of all data files, in their order.
#[derive(Debug, Default)]
pub struct Items {
    pub all: Vec<Known>,
    by_id: HashMap<(Arc<str>, Lang), Vec<usize>>,
    langs_of: HashMap<Arc<str>, Vec<Lang>>,
    subsets: HashSet<Arc<str>>,
    /// Role and digest of each file, for provenance.
    pub digests: Vec<(String, String)>,
    /// Benchmark and source id of translations whose sources are known by their prompts only.
    by_prompt: HashSet<(Arc<str>, Arc<str>)>,
}

impl Items {
    /// Reads the data files. The items of a file belong to the benchmark of `manifest`, or to one that is called
    /// like the file.
    pub fn read(
        options: &ImportOptions,
        manifest: &dyn Fn(&Path) -> Option<Manifest>,
        with_texts: bool,
    ) -> Result<Items, ImportError> {
        let mut items = Items::default();
        let mut sources = Sources::default();
        for (number, path) in options.items.iter().enumerate() {
            let manifest = manifest(path);
            let digest = files::sha256_file(path)?;
            let place = place(path, &digest, options, manifest.as_ref());
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            items.digests.push((format!("data/{}/{number}/{name}", place.benchmark), digest));
            items.add(path, &place, options, manifest.as_ref(), with_texts, &mut sources)?;
        }
        items.by_prompt = sources.name(&mut items.all);
        Ok(items)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn has_subset(&self, name: &str) -> bool {
        self.subsets.contains(name)
    }

    fn add(
        &mut self,
        path: &Path,
        place: &Place,
        options: &ImportOptions,
        manifest: Option<&Manifest>,
        with_texts: bool,
        sources: &mut Sources,
    ) -> Result<(), ImportError> {
        let reader = reader::open(path, &read_options(path, options, manifest)?)?;
        let has = |part: Part| reader.layout().column(part).is_some();
        let (named, with_sources) = (has(Part::Id), has(Part::SourceId));
        for comparison in reader {
            let comparison = comparison?;
            let chars = |responses: &[Response]| -> Vec<u32> {
                responses.iter().map(|r| r.text.chars().count() as u32).collect()
            };
            let number = self.all.len();
            if !with_sources {
                sources.add(number, place, &comparison);
            }
            let mut known = Known {
                place: place.clone(),
                lang: of_subset(manifest, &comparison.subset.0).unwrap_or(comparison.lang),
                subset: comparison.subset.0.clone(),
                category: comparison.category.clone(),
                id: comparison.id.0.clone(),
                named,
                source: comparison.source.0.clone(),
                chosen_chars: chars(&comparison.chosen),
                rejected_chars: chars(&comparison.rejected),
                variants: comparison.responses().map(|response| response.variant.clone()).collect(),
                turns: Vec::new(),
                responses: Vec::new(),
            };
            if with_texts {
                known.responses = comparison.responses().map(|response| response.text.clone()).collect();
                known.turns = comparison.prompt.0.into_iter().map(|message| message.content).collect();
            }
            self.by_id.entry((known.id.clone(), known.lang)).or_default().push(number);
            let langs = self.langs_of.entry(known.id.clone()).or_default();
            if !langs.contains(&known.lang) {
                langs.push(known.lang);
            }
            self.subsets.insert(known.subset.clone());
            self.all.push(known);
        }
        Ok(())
    }

    /// Says it where these entries have source ids that the data do not name.
    pub fn note(&self, entries: &[(Place, Entry)]) -> Option<String> {
        let found = |(place, entry): &&(Place, Entry)| {
            !self.by_prompt.is_empty() && self.by_prompt.contains(&(place.benchmark.clone(), entry.source.clone()))
        };
        let n = entries.iter().filter(found).count();
        let sources: HashSet<_> = entries.iter().filter(found).map(|(_, entry)| &entry.source).collect();
        (n > sources.len()).then(|| {
            format!(
                "the data name no source texts: {n} translations are of {}, found by their prompts (`--column items.source-id=NAME` names a column instead)",
                sources.len()
            )
        })
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

    /// The items of a language, a subset, a benchmark, in the order of the data.
    pub fn in_order(&self, lang: Option<Lang>, subset: Option<&str>, benchmark: Option<&str>) -> Vec<&Known> {
        let here = |known: &&Known| {
            lang.is_none_or(|lang| lang == known.lang)
                && subset.is_none_or(|subset| subset == &*known.subset)
                && benchmark.is_none_or(|benchmark| benchmark == &*known.place.benchmark)
        };
        self.all.iter().filter(here).collect()
    }
}

impl Known {
    /// The item with these scores; `None` where it has another number of responses.
    pub fn entry(&self, scores: &Loose) -> Option<Entry> {
        let (first, second) = self.variants.split_at_checked(self.chosen_chars.len()).unwrap_or_default();
        let side = |answers: &[Answer], chars: &[u32], variants: &[Option<Arc<str>>]| -> Option<Vec<Answer>> {
            // Judgments in two orders are of the same response.
            let repeated = chars.len() == 1 && answers.iter().all(Answer::is_of_an_order);
            let of = |(i, answer): (usize, &Answer)| Answer {
                reward: answer.reward,
                variant: answer.variant.clone().or_else(|| variants.get(i).cloned().flatten()),
                n_chars: chars[if repeated { 0 } else { i }],
            };
            (repeated || answers.len() == chars.len()).then(|| answers.iter().enumerate().map(of).collect())
        };
        Some(Entry {
            chosen: side(&scores.chosen, &self.chosen_chars, first)?,
            rejected: side(&scores.rejected, &self.rejected_chars, second)?,
            ..self.unscored()
        })
    }

    /// The item without rewards.
    pub fn unscored(&self) -> Entry {
        let side = |range: std::ops::Range<usize>, chars: &[u32]| -> Vec<Answer> {
            let variants = self.variants.get(range).unwrap_or_default();
            let of = |(n_chars, variant): (&u32, &Option<Arc<str>>)| Answer {
                reward: None,
                variant: variant.clone(),
                n_chars: *n_chars,
            };
            chars.iter().zip(variants).map(of).collect()
        };
        let n = self.chosen_chars.len();
        Entry {
            lang: self.lang,
            subset: self.subset.clone(),
            category: self.category.clone(),
            id: self.id.clone(),
            source: self.source.clone(),
            chosen: side(0..n, &self.chosen_chars),
            rejected: side(n..self.variants.len(), &self.rejected_chars),
        }
    }

    /// Each of these texts holds the response that stands at its place.
    pub fn answered_in(&self, texts: &[String]) -> bool {
        let each = || self.responses.iter().zip(texts);
        self.responses.len() == texts.len() && each().all(|(response, text)| text.contains(response.trim()))
    }

    /// Each of these texts is the item's conversation through some template: its turns in order, then the response.
    pub fn spoken_in(&self, texts: &[String]) -> bool {
        let follows = |text: &str, response: &str| {
            let said = self.turns.iter().map(String::as_str).chain([response]).map(str::trim);
            let after = |rest: &mut &str, part: &str| match rest.find(part) {
                Some(at) => {
                    *rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            };
            let mut rest = text;
            said.into_iter().all(|part| after(&mut rest, part))
        };
        let each = || self.responses.iter().zip(texts);
        !texts.is_empty()
            && self.responses.len() == texts.len()
            && each().all(|(response, text)| follows(text, response))
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

/// How a data file is read: the manifest's newest column map that fits it, and the user's columns before it; a
/// language that a file or its directory is called by is the file's.
fn read_options(path: &Path, options: &ImportOptions, manifest: Option<&Manifest>) -> Result<ReadOptions, ImportError> {
    let parts = [path.file_stem(), path.parent().and_then(Path::file_name)];
    let named = parts.into_iter().flatten().find_map(|part| Lang::from_code(&part.to_string_lossy()));
    // Where each subset has its language, what the file says is not asked.
    let single = manifest.filter(|m| m.subsets().all(|(_, subset)| subset.langs.len() == 1));
    let of_subsets = single.and_then(|m| m.subsets().find_map(|(_, subset)| subset.langs.first().copied()));
    let lang = options.lang.or(named).or(manifest.and_then(|m| m.data.language)).or(of_subsets);
    let read = |columns: &ColumnMap| {
        let columns = options.item_columns.over(columns).map_err(ImportError::settings)?;
        Ok(ReadOptions { columns, lang, ..ReadOptions::default() })
    };
    for columns in manifest.into_iter().flat_map(|m| std::iter::once(&m.data.columns).chain(&m.data.older_columns)) {
        let candidate = read(columns)?;
        if reader::layout(path, &candidate).is_ok() {
            return Ok(candidate);
        }
    }
    read(&ColumnMap::default())
}

/// The language of a subset that exists in one only.
fn of_subset(manifest: Option<&Manifest>, name: &str) -> Option<Lang> {
    let (_, subset) = manifest?.subsets().find(|(_, subset)| subset.name == name)?;
    match subset.langs.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// Paths for a message, shortened.
pub fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().take(3).map(|path| format!("`{}`", path.display())).collect();
    match paths.len() {
        0..=3 => names.join(", "),
        n => format!("{} and {} more", names.join(", "), n - 3),
    }
}
