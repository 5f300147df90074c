//! Any table with a column for each thing, one row per item (and model).
//!
//! Columns are recognised by their usual names or named by the user. Scores stand in `score-chosen` and
//! `score-rejected` (numbers, or lists for best of N), or in `score-a`, `score-b` and a `label` that says which
//! is better; `result` alone (1, ½, 0) gives outcomes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::entry::{Answer, Entry, Place};
use super::{ByModel, Found, ImportError, Source, outcome};
use crate::benchmark::reader::records::{Preferred, Records};
use crate::lang::suggest::nearest;
use crate::lang::{Lang, LangError};

/// What a column of scores can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Id,
    SourceId,
    Language,
    Subset,
    Category,
    Model,
    ScoreChosen,
    ScoreRejected,
    ScoreA,
    ScoreB,
    Label,
    Result,
    /// Response texts, for their lengths.
    Chosen,
    Rejected,
    /// Gold grades: then `chosen` is merely the first response.
    ChosenGrade,
    RejectedGrade,
}

impl Part {
    pub const ALL: [Part; 16] = [
        Part::Id,
        Part::SourceId,
        Part::Language,
        Part::Subset,
        Part::Category,
        Part::Model,
        Part::ScoreChosen,
        Part::ScoreRejected,
        Part::ScoreA,
        Part::ScoreB,
        Part::Label,
        Part::Result,
        Part::Chosen,
        Part::Rejected,
        Part::ChosenGrade,
        Part::RejectedGrade,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Part::Id => "id",
            Part::SourceId => "source-id",
            Part::Language => "language",
            Part::Subset => "subset",
            Part::Category => "category",
            Part::Model => "model",
            Part::ScoreChosen => "score-chosen",
            Part::ScoreRejected => "score-rejected",
            Part::ScoreA => "score-a",
            Part::ScoreB => "score-b",
            Part::Label => "label",
            Part::Result => "result",
            Part::Chosen => "chosen",
            Part::Rejected => "rejected",
            Part::ChosenGrade => "chosen-grade",
            Part::RejectedGrade => "rejected-grade",
        }
    }

    /// Usual names, compared without case and with `-` as `_`.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Part::Id => &["id", "item_id", "pair_id", "example_id", "doc_id"],
            Part::SourceId => &["source_id"],
            Part::Language => &["language", "lang"],
            Part::Subset => &["subset", "domain", "task"],
            Part::Category => &["category", "section"],
            Part::Model => &["model", "metric", "scorer", "system"],
            Part::ScoreChosen => &["score_chosen", "scores_chosen", "reward_chosen", "chosen_score", "chosen_reward"],
            Part::ScoreRejected => {
                &["score_rejected", "scores_rejected", "reward_rejected", "rejected_score", "rejected_reward"]
            }
            Part::ScoreA => &["score_a", "reward_a"],
            Part::ScoreB => &["score_b", "reward_b"],
            Part::Label => &["label", "winner"],
            Part::Result => &["result", "results", "correct"],
            Part::Chosen => &["chosen", "response_chosen"],
            Part::Rejected => &["rejected", "response_rejected"],
            Part::ChosenGrade | Part::RejectedGrade => &[],
        }
    }
}

/// Which column plays which part, as the user says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ScoreColumns(pub BTreeMap<Part, String>);

impl ScoreColumns {
    /// From pairs of a part's name and a column's; `Err`: a part that there is not.
    pub fn parse<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<ScoreColumns, String> {
        let part = |name: &str| Part::ALL.into_iter().find(|part| part.as_str() == name).ok_or(name.to_owned());
        pairs.map(|(name, column)| Ok((part(name)?, column.to_owned()))).collect::<Result<_, _>>().map(ScoreColumns)
    }
}

/// The columns of one file.
pub(super) struct Layout {
    found: HashMap<Part, usize>,
}

impl Layout {
    pub fn of(path: &Path, records: &Records, map: &ScoreColumns) -> Result<Layout, ImportError> {
        let columns = records.columns();
        let normal: Vec<String> = columns.iter().map(|c| c.trim().to_lowercase().replace(['-', ' '], "_")).collect();
        let mut found = HashMap::new();
        for part in Part::ALL {
            let index = match map.0.get(&part) {
                None => part.usual().iter().find_map(|usual| normal.iter().position(|name| name == usual)),
                Some(wanted) => match columns.iter().position(|name| name == wanted) {
                    Some(index) => Some(index),
                    None => {
                        let near = nearest(wanted, columns.iter().map(String::as_str), 3);
                        return Err(ImportError::NoColumn {
                            path: path.to_owned(),
                            part: part.as_str(),
                            column: wanted.clone(),
                            columns: columns.to_vec(),
                            suggestions: near.into_iter().map(str::to_owned).collect(),
                        });
                    }
                },
            };
            if let Some(index) = index {
                found.insert(part, index);
            }
        }
        // Nothing but `chosen` and `rejected`: the scores themselves (RewardBench's `_all.jsonl`).
        if columns.len() == 2
            && let (Some(chosen), Some(rejected)) = (found.remove(&Part::Chosen), found.remove(&Part::Rejected))
        {
            found.extend([(Part::ScoreChosen, chosen), (Part::ScoreRejected, rejected)]);
        }
        let layout = Layout { found };
        let has = |parts: &[Part]| parts.iter().all(|part| layout.found.contains_key(part));
        let scores = has(&[Part::ScoreChosen, Part::ScoreRejected])
            || has(&[Part::ScoreA, Part::ScoreB, Part::Label])
            || has(&[Part::Result]);
        if scores {
            return Ok(layout);
        }
        let problem = format!("has no columns with scores (columns: {})", columns.join(", "));
        let hint = "name them: `--column score-chosen=NAME --column score-rejected=NAME`, or score-a, score-b and label, or result";
        Err(ImportError::not_this(path, problem, hint))
    }

    fn get(&self, part: Part) -> Option<usize> {
        self.found.get(&part).copied()
    }
}

/// Strings that repeat, stored once.
#[derive(Default)]
pub(super) struct Shared(HashMap<String, Arc<str>>);

impl Shared {
    pub fn get(&mut self, text: String) -> Arc<str> {
        self.0.entry(text).or_insert_with_key(|text| text.as_str().into()).clone()
    }
}

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    for path in paths {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        read_file(path, source, &stem, &stem, source.options.lang, &mut found)?;
    }
    Ok(found)
}

/// Rows of one model as the `rewardbench` command writes them: the data's columns and the scores.
pub(super) fn read_pairs(path: &Path, source: &Source<'_>, benchmark: &str) -> Result<Found, ImportError> {
    let mut found = ByModel::new();
    let lang = source.options.lang.or(Some(Lang::ENGLISH));
    read_file(path, source, "", benchmark, lang, &mut found)?;
    Ok(found.pop_first().map(|(_, found)| found).unwrap_or_default())
}

fn read_file(
    path: &Path,
    source: &Source<'_>,
    model: &str,
    benchmark: &str,
    lang: Option<Lang>,
    found: &mut ByModel,
) -> Result<(), ImportError> {
    let mut records = Records::open(path)?;
    let layout = Layout::of(path, &records, &source.options.columns)?;
    let used: Vec<usize> = layout.found.values().copied().collect();
    records.select(&used)?;
    let place = source.place(benchmark);
    let (shared, languages) = (Shared::default(), HashMap::new());
    let mut file = File { path, layout: &layout, source, records, lang, languages, shared };
    let (mut unknown, mut rows) = (0usize, 0usize);
    let mut models: BTreeSet<String> = BTreeSet::new();
    while file.records.advance()? {
        rows += 1;
        let (named, row) = file.row()?;
        let model = named.unwrap_or_else(|| model.to_owned());
        match file.entry(row, &place)? {
            Some(entry) => found.entry(model.clone()).or_default().entries.push(entry),
            None => unknown += 1,
        }
        if !models.contains(&model) {
            models.insert(model);
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for model in models {
        let notes = &mut found.entry(model).or_default().notes;
        if !source.items.is_empty() {
            notes.push(format!("`{name}` was joined with --items by id"));
        }
        if unknown > 0 {
            notes.push(format!("{unknown} of {rows} rows of `{name}` name no item of --items and were left out"));
        }
    }
    Ok(())
}

struct File<'a> {
    path: &'a Path,
    layout: &'a Layout,
    source: &'a Source<'a>,
    records: Records,
    /// Of rows without one.
    lang: Option<Lang>,
    languages: HashMap<String, Lang>,
    shared: Shared,
}

/// Of the chosen and of the rejected responses.
pub(super) type Rewards = (Vec<Option<f64>>, Vec<Option<f64>>);

/// One row as it stands.
struct Row {
    id: Option<String>,
    source_id: Option<String>,
    subset: Option<String>,
    category: Option<String>,
    lang: Option<Lang>,
    chosen: Vec<Option<f64>>,
    rejected: Vec<Option<f64>>,
    chosen_chars: Vec<u32>,
    rejected_chars: Vec<u32>,
    grades: [Option<f64>; 2],
}

impl File<'_> {
    fn fault(&self, problem: impl Into<String>, hint: Option<&'static str>) -> ImportError {
        ImportError::Row { path: self.path.to_owned(), row: self.records.row(), problem: problem.into(), hint }
    }

    fn name(&mut self, part: Part) -> Result<Option<String>, ImportError> {
        Ok(match self.layout.get(part) {
            Some(column) => self.records.name(column)?,
            None => None,
        })
    }

    fn lang(&mut self) -> Result<Option<Lang>, ImportError> {
        let Some(text) = self.name(Part::Language)? else { return Ok(self.lang) };
        if let Some(lang) = self.languages.get(&text) {
            return Ok(Some(*lang));
        }
        let lang = Lang::parse(&text).or_else(|error: LangError| Lang::from_code(&text).ok_or(error))?;
        self.languages.insert(text, lang);
        Ok(Some(lang))
    }

    fn row(&mut self) -> Result<(Option<String>, Row), ImportError> {
        let model = self.name(Part::Model)?;
        let (chosen, rejected) = self.scores()?;
        let lengths =
            |file: &mut Self, part| file.layout.get(part).map(|c| file.records.lengths(c)).unwrap_or_default();
        let row = Row {
            id: self.name(Part::Id)?,
            source_id: self.name(Part::SourceId)?,
            subset: self.name(Part::Subset)?,
            category: self.name(Part::Category)?,
            lang: self.lang()?,
            chosen,
            rejected,
            chosen_chars: lengths(self, Part::Chosen),
            rejected_chars: lengths(self, Part::Rejected),
            grades: [self.grade(Part::ChosenGrade)?, self.grade(Part::RejectedGrade)?],
        };
        Ok((model, row))
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
            Some(column) => self.records.number(column)?,
            None => None,
        };
        match result.map(outcome::pair) {
            None => Ok((vec![None], vec![None])),
            Some(Some((chosen, rejected))) => Ok((vec![Some(chosen)], vec![Some(rejected)])),
            Some(None) => Err(self.fault("the result is neither 1, 0 nor 0.5", None)),
        }
    }

    /// `None`: the row names no item of the data.
    fn entry(&mut self, row: Row, place: &Place) -> Result<Option<(Place, Entry)>, ImportError> {
        let items = &self.source.items;
        if !items.is_empty() {
            let Some(id) = &row.id else {
                let hint = "name the column: `--column id=NAME`";
                return Err(self.fault("there is no id to join with --items", Some(hint)));
            };
            let Some(known) =
                items.by_id(id, row.lang, row.subset.as_deref()).or_else(|| items.by_id(id, row.lang, None))
            else {
                return Ok(None);
            };
            return match known.entry(&row.chosen, &row.rejected) {
                Some(entry) => Ok(Some((known.place.clone(), entry))),
                None => Err(self.fault(format!("item `{id}` has another number of responses in --items"), None)),
            };
        }
        let Some(lang) = row.lang else {
            let hint = "give --lang, `--column language=NAME`, or the benchmark's data with --items";
            return Err(self.fault("there is no language", Some(hint)));
        };
        let id = row.id.unwrap_or_else(|| format!("row-{}", self.records.row()));
        let answers = |rewards: &[Option<f64>], chars: &[u32], grade: Option<f64>| -> Vec<Answer> {
            let length = |i: usize| if chars.len() == rewards.len() { chars[i] } else { 0 };
            let variant: Option<Arc<str>> = grade.map(|grade| format!("grade {grade}").into());
            let all = rewards.iter().enumerate();
            all.map(|(i, reward)| Answer { reward: *reward, variant: variant.clone(), n_chars: length(i) }).collect()
        };
        let [first, second] = row.grades;
        let entry = Entry {
            lang,
            subset: self.shared.get(row.subset.unwrap_or_else(|| "all".to_owned())),
            category: row.category.map(|category| self.shared.get(category)),
            source: self.shared.get(row.source_id.unwrap_or_else(|| id.clone())),
            id: self.shared.get(id),
            chosen: answers(&row.chosen, &row.chosen_chars, first),
            rejected: answers(&row.rejected, &row.rejected_chars, second),
        };
        Ok(Some((place.clone(), entry)))
    }
}
