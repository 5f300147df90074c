//! Any table with a column for each thing, one row per item (and model).
//!
//! Columns are recognised by their usual names or named by the user ([`Layout`]). Scores stand in `score-chosen` and
//! `score-rejected` (numbers, or lists for best of N), or in `score-a`, `score-b` and a `label` that says which
//! is better; `result` alone (1, ½, 0, or whether it is right) gives outcomes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::Answer;
use super::join::{Loose, Scores, join};
use super::layout::{Layout, Part};
use super::{ByModel, ImportError, Source, outcome};
use crate::benchmark::reader::records::{Preferred, Records};
use crate::lang::{Lang, LangError};

/// Strings that repeat, stored once.
#[derive(Default)]
struct Shared(HashMap<String, Arc<str>>);

impl Shared {
    fn get(&mut self, text: String) -> Arc<str> {
        self.0.entry(text).or_insert_with_key(|text| text.as_str().into()).clone()
    }
}

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    for path in paths {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let whole = Whole { model: &stem, benchmark: &stem, lang: source.options.lang, in_order: false };
        read_file(path, source, &whole, &mut found)?;
    }
    Ok(found)
}

/// What is true of all rows of a file.
pub(super) struct Whole<'a> {
    /// Where no column names it.
    pub model: &'a str,
    pub benchmark: &'a str,
    pub lang: Option<Lang>,
    pub in_order: bool,
}

pub(super) fn read_file(
    path: &Path,
    source: &Source<'_>,
    whole: &Whole<'_>,
    found: &mut ByModel,
) -> Result<(), ImportError> {
    let mut records = Records::open(path)?;
    if records.columns().is_empty() {
        // Records that are all broken have no columns: the first says what is wrong.
        records.advance()?;
    }
    let layout = Layout::of(path, &records, &source.options.columns)?;
    let used: Vec<usize> = layout.found.values().copied().collect();
    records.select(&used)?;
    let with_texts = !source.items.is_empty();
    let languages = HashMap::new();
    let mut file = File { path, layout: &layout, records, languages, shared: Shared::default(), with_texts };
    let mut models: BTreeMap<String, Vec<Loose>> = BTreeMap::new();
    while file.records.advance()? {
        let model = file.name(Part::Model)?.unwrap_or_else(|| whole.model.to_owned());
        let mut row = file.row()?;
        // With data, rows without a language are in that of their item.
        if !with_texts || source.options.lang.is_some() {
            row.lang = row.lang.or(whole.lang);
        }
        models.entry(model).or_default().push(row);
    }
    for (model, rows) in models {
        let place = source.place(whole.benchmark);
        let scores = Scores { path, rows, place, lang: whole.lang, in_order: whole.in_order, among: None };
        join(scores, source, found.entry(model).or_default())?;
    }
    Ok(())
}

struct File<'a> {
    path: &'a Path,
    layout: &'a Layout,
    records: Records,
    languages: HashMap<String, Lang>,
    shared: Shared,
    /// Texts are kept, not only their lengths.
    with_texts: bool,
}

/// Of the chosen and of the rejected responses.
pub(super) type Rewards = (Vec<Option<f64>>, Vec<Option<f64>>);

impl File<'_> {
    fn fault(&self, problem: impl Into<String>, hint: Option<&str>) -> ImportError {
        ImportError::row(self.path, self.records.row(), problem, hint)
    }

    fn name(&mut self, part: Part) -> Result<Option<String>, ImportError> {
        Ok(match self.layout.get(part) {
            Some(column) => self.records.name(column)?,
            None => None,
        })
    }

    fn shared(&mut self, part: Part) -> Result<Option<Arc<str>>, ImportError> {
        Ok(self.name(part)?.map(|name| self.shared.get(name)))
    }

    fn lang(&mut self) -> Result<Option<Lang>, ImportError> {
        let Some(text) = self.name(Part::Language)? else { return Ok(None) };
        if let Some(lang) = self.languages.get(&text) {
            return Ok(Some(*lang));
        }
        let lang = Lang::parse(&text).or_else(|error: LangError| Lang::from_code(&text).ok_or(error));
        let lang = lang.map_err(|error| self.fault(error.to_string(), error.hint().as_deref()))?;
        self.languages.insert(text, lang);
        Ok(Some(lang))
    }

    fn row(&mut self) -> Result<Loose, ImportError> {
        let (chosen, rejected) = self.scores()?;
        let number = self.records.row();
        let (first, first_chars) = self.texts(Part::Chosen);
        let (second, second_chars) = self.texts(Part::Rejected);
        let grades = [self.grade(Part::ChosenGrade)?, self.grade(Part::RejectedGrade)?];
        Ok(Loose {
            row: number,
            id: self.shared(Part::Id)?,
            own: format!("row-{number}").into(),
            source: self.shared(Part::SourceId)?,
            lang: self.lang()?,
            subset: self.shared(Part::Subset)?,
            category: self.shared(Part::Category)?,
            chosen: answers(&chosen, &first_chars, grades[0]),
            rejected: answers(&rejected, &second_chars, grades[1]),
            texts: first.into_iter().chain(second).collect(),
        })
    }

    /// A side's responses and their lengths, as far as the file has them.
    fn texts(&mut self, part: Part) -> (Vec<String>, Vec<u32>) {
        match self.layout.get(part) {
            None => (Vec::new(), Vec::new()),
            Some(column) if self.with_texts => {
                let texts = self.records.texts(column);
                let chars = texts.iter().map(|text| text.chars().count() as u32).collect();
                (texts, chars)
            }
            Some(column) => (Vec::new(), self.records.lengths(column)),
        }
    }

    fn grade(&mut self, part: Part) -> Result<Option<f64>, ImportError> {
        Ok(match self.layout.get(part) {
            Some(column) => self.records.number(column)?,
            None => None,
        })
    }

    fn scores(&mut self) -> Result<Rewards, ImportError> {
        if let (Some(chosen), Some(rejected)) =
            (self.layout.get(Part::ScoreChosen), self.layout.get(Part::ScoreRejected))
        {
            let of = |list: Vec<Option<f64>>| if list.is_empty() { vec![None] } else { list };
            return Ok((of(self.records.numbers(chosen)?), of(self.records.numbers(rejected)?)));
        }
        let parts = [Part::ScoreA, Part::ScoreB, Part::Label].map(|part| self.layout.get(part));
        if let [Some(a), Some(b), Some(label)] = parts {
            let (a, b) = (self.records.number(a)?, self.records.number(b)?);
            return match self.records.verdict(label)? {
                Some(Preferred::First) => Ok((vec![a], vec![b])),
                Some(Preferred::Second) => Ok((vec![b], vec![a])),
                Some(Preferred::Neither) | None => {
                    Err(self.fault("the label prefers neither response", Some("leave such rows out")))
                }
            };
        }
        let result = match self.layout.get(Part::Result) {
            Some(column) => self.records.amounts(column)?.first().copied().flatten(),
            None => None,
        };
        match result.map(outcome::pair) {
            None => Ok((vec![None], vec![None])),
            Some(Some((chosen, rejected))) => Ok((vec![Some(chosen)], vec![Some(rejected)])),
            Some(None) => Err(self.fault("the result is neither 1, 0 nor 0.5", None)),
        }
    }
}

fn answers(rewards: &[Option<f64>], chars: &[u32], grade: Option<f64>) -> Vec<Answer> {
    let length = |i: usize| if chars.len() == rewards.len() { chars[i] } else { 0 };
    let variant: Option<Arc<str>> = grade.map(|grade| format!("grade {grade}").into());
    let all = rewards.iter().enumerate();
    all.map(|(i, reward)| Answer { reward: *reward, variant: variant.clone(), n_chars: length(i) }).collect()
}
