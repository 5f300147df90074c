//! Files of annotations: any table (Parquet, Arrow, JSONL, JSON, CSV) whose rows name an item by `id` and, where
//! several items share it, by `language`, `subset` or `benchmark`; a row counts for every item that it names.
//!
//! | columns | what a row says |
//! |---|---|
//! | `votes-chosen`, `votes-rejected`, `votes-tie` (may be absent) | how many people preferred which |
//! | `annotator`, `prefers`, `group` (may be absent) | one person's opinion: `chosen`, `rejected`, `tie`, or a number that is above 0, below 0 or 0 |
//! | `margin` | how far apart people put the two sides, in the unit of its subset |
//! | `chosen-model`, `rejected-model` | who wrote the responses of each side |
//! | `chosen.NAME`, `rejected.NAME` | a property of both responses: a number or truth value, or a list with one per response (then their mean) |
//!
//! Several kinds may stand in one file. Names are compared without case, `_` is `-`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{AnnotationFile, Annotations, Choice, Opinion, Votes};
use crate::benchmark::reader::ReadError;
use crate::benchmark::reader::records::{Preferred, Records, preferred};
use crate::files::{self, FileError};
use crate::lang::{Lang, LangError};
use crate::table::item::{ItemTable, Symbol};

#[derive(Debug, thiserror::Error)]
pub enum AnnotationError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` is no file of annotations: it {problem} (columns: {})", path.display(), columns.join(", "))]
    Columns { path: PathBuf, problem: String, columns: Vec<String> },
    #[error("`{}` row {row} (counted from 0), column `{column}`: {problem}", path.display())]
    Row { path: PathBuf, row: u64, column: String, problem: String },
    #[error("none of the {rows} rows of `{}` names an item of the runs", path.display())]
    NoItem { path: PathBuf, rows: usize },
}

impl AnnotationError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            AnnotationError::Read(error) => error.hint(),
            AnnotationError::File(_) => None,
            AnnotationError::Columns { .. } => Some(
                "columns are id, language, subset, benchmark; votes-chosen and votes-rejected; annotator and prefers; \
                 margin; chosen-model and rejected-model; chosen.NAME and rejected.NAME"
                    .to_owned(),
            ),
            AnnotationError::Row { .. } => Some("correct the row, or leave it out".to_owned()),
            AnnotationError::NoItem { .. } => {
                Some("ids, languages and subsets must be those of the data that were scored".to_owned())
            }
        }
    }
}

/// Which column holds what.
struct Columns {
    id: usize,
    benchmark: Option<usize>,
    subset: Option<usize>,
    lang: Option<usize>,
    votes: Option<(usize, usize, Option<usize>)>,
    opinion: Option<(usize, usize, Option<usize>)>,
    margin: Option<usize>,
    authors: Option<(usize, usize)>,
    /// Name, column of the chosen and of the rejected response.
    properties: Vec<(String, usize, usize)>,
}

impl Columns {
    fn of(path: &Path, names: &[String]) -> Result<Self, AnnotationError> {
        let normal: Vec<String> = names.iter().map(|name| name.trim().to_lowercase().replace('_', "-")).collect();
        let wrong = |problem: String| {
            let (path, columns) = (path.to_owned(), names.to_vec());
            AnnotationError::Columns { path, problem, columns }
        };
        let find = |wanted: &[&str]| wanted.iter().find_map(|name| normal.iter().position(|n| n == name));
        let id = find(&["id", "item-id"]).ok_or_else(|| wrong("has no column `id`".to_owned()))?;
        let together = |first: &str, second: &str| match (find(&[first]), find(&[second])) {
            (Some(a), Some(b)) => Ok(Some((a, b))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(wrong(format!("has `{first}` but not `{second}`"))),
            (None, Some(_)) => Err(wrong(format!("has `{second}` but not `{first}`"))),
        };
        let votes = together("votes-chosen", "votes-rejected")?.map(|(a, b)| (a, b, find(&["votes-tie"])));
        let opinion = together("annotator", "prefers")?.map(|(a, b)| (a, b, find(&["group"])));
        let authors = together("chosen-model", "rejected-model")?;
        let mut properties = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let Some(property) = name.strip_prefix("chosen.") else { continue };
            let other = format!("rejected.{property}");
            let Some(rejected) = names.iter().position(|name| *name == other) else {
                return Err(wrong(format!("has `{name}` but not `{other}`")));
            };
            properties.push((property.to_owned(), at, rejected));
        }
        let margin = find(&["margin"]);
        if votes.is_none() && opinion.is_none() && margin.is_none() && authors.is_none() && properties.is_empty() {
            return Err(wrong("says nothing of the items".to_owned()));
        }
        let (benchmark, subset, lang) = (find(&["benchmark"]), find(&["subset"]), find(&["language", "lang"]));
        Ok(Columns { id, benchmark, subset, lang, votes, opinion, margin, authors, properties })
    }
}

/// Items by id, and names that repeat.
struct Reader<'a> {
    table: &'a ItemTable,
    by_id: HashMap<Symbol, Vec<u32>>,
    annotators: HashMap<String, u32>,
    groups: HashMap<String, u32>,
    authors: HashMap<String, u32>,
    found: Annotations,
}

/// Reads files of annotations for the items of `table`.
///
/// # Errors
/// A file that says nothing of items, a value that means nothing, a file of which no row names an item.
pub fn read(table: &ItemTable, paths: &[PathBuf]) -> Result<Annotations, AnnotationError> {
    let mut by_id: HashMap<Symbol, Vec<u32>> = HashMap::new();
    for (at, key) in table.items.iter().enumerate() {
        by_id.entry(key.item).or_default().push(at as u32);
    }
    let (annotators, groups, authors) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut reader = Reader { table, by_id, annotators, groups, authors, found: Annotations::default() };
    for path in paths {
        reader.file(path)?;
    }
    Ok(reader.found)
}

impl Reader<'_> {
    fn file(&mut self, path: &Path) -> Result<(), AnnotationError> {
        let mut records = Records::open(path)?;
        let columns = Columns::of(path, records.columns())?;
        let (mut rows, mut matched) = (0, 0);
        while records.advance()? {
            rows += 1;
            let items = self.items(path, &mut records, &columns)?;
            matched += usize::from(!items.is_empty());
            self.row(path, &mut records, &columns, &items)?;
        }
        if matched == 0 {
            return Err(AnnotationError::NoItem { path: path.to_owned(), rows });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.found.files.push(AnnotationFile { name, digest: files::sha256_file(path)?, rows, matched });
        Ok(())
    }

    /// The items that the row names.
    fn items(&self, path: &Path, records: &mut Records, columns: &Columns) -> Result<Vec<u32>, AnnotationError> {
        let mut name = |column: Option<usize>| column.map(|column| records.name(column)).transpose();
        let (benchmark, subset) = (name(columns.benchmark)?.flatten(), name(columns.subset)?.flatten());
        let (lang, id) = (name(columns.lang)?.flatten(), name(Some(columns.id))?.flatten());
        let fault = |column: &str, problem: String| {
            let (path, column, row) = (path.to_owned(), column.to_owned(), records.row());
            AnnotationError::Row { path, row, column, problem }
        };
        let id = id.ok_or_else(|| fault("id", "there is no id".to_owned()))?;
        let lang = match lang {
            Some(text) => Some(
                Lang::parse(&text)
                    .or_else(|error: LangError| Lang::from_code(&text).ok_or(error))
                    .map_err(|error| fault("language", error.to_string()))?,
            ),
            None => None,
        };
        let symbols = &self.table.symbols;
        let Some(all) = symbols.get(&id).and_then(|id| self.by_id.get(&id)) else { return Ok(Vec::new()) };
        let is = |wanted: &Option<String>, symbol: Symbol| wanted.as_deref().is_none_or(|w| w == symbols.name(symbol));
        let named = all.iter().copied().filter(|item| {
            let key = &self.table.items[*item as usize];
            is(&benchmark, key.benchmark) && is(&subset, key.subset) && lang.is_none_or(|lang| lang == key.lang)
        });
        Ok(named.collect())
    }

    fn row(
        &mut self,
        path: &Path,
        records: &mut Records,
        columns: &Columns,
        items: &[u32],
    ) -> Result<(), AnnotationError> {
        let row = records.row();
        let fault = |column: &str, problem: String| {
            let (path, column) = (path.to_owned(), column.to_owned());
            AnnotationError::Row { path, row, column, problem }
        };
        if let Some(column) = columns.margin
            && let Some(margin) = records.number(column)?.filter(|margin| margin.is_finite())
        {
            items.iter().for_each(|item| self.found.set_strength(*item, margin));
        }
        if let Some((chosen, rejected, neither)) = columns.votes {
            let mut count = |column: Option<usize>| -> Result<f64, AnnotationError> {
                let Some(column) = column else { return Ok(0.0) };
                let value = records.number(column)?.unwrap_or(0.0);
                if value < 0.0 {
                    return Err(fault(&records.columns()[column], format!("{value} votes")));
                }
                Ok(value)
            };
            let votes =
                Votes { chosen: count(Some(chosen))?, rejected: count(Some(rejected))?, neither: count(neither)? };
            if votes.share().is_some() {
                items.iter().for_each(|item| self.found.add_votes(*item, votes));
            }
        }
        if let Some((annotator, prefers, group)) = columns.opinion {
            let (who, what) = (records.name(annotator)?, records.name(prefers)?);
            let group = group.map(|column| records.name(column)).transpose()?.flatten();
            if let (Some(who), Some(what)) = (who, what) {
                let choice =
                    choice(&what).ok_or_else(|| fault("prefers", format!("`{what}` names neither response")))?;
                let annotator = number(&mut self.annotators, &mut self.found.annotators, who);
                let group = group.map(|group| number(&mut self.groups, &mut self.found.groups, group));
                for item in items {
                    self.found.add_opinion(Opinion { item: *item, annotator, group, choice });
                }
            }
        }
        if let Some((chosen, rejected)) = columns.authors
            && let (Some(chosen), Some(rejected)) = (records.common_name(chosen)?, records.common_name(rejected)?)
        {
            let mut of = |name| number(&mut self.authors, &mut self.found.authors, name);
            let authors = [of(chosen), of(rejected)];
            items.iter().for_each(|item| self.found.set_authors(*item, authors));
        }
        for (name, chosen, rejected) in &columns.properties {
            let sides = [*chosen, *rejected].map(|column| records.amounts(column));
            let [chosen, rejected] = sides;
            if let (Some(chosen), Some(rejected)) = (mean(&chosen?), mean(&rejected?)) {
                let property = self.found.property(name);
                items.iter().for_each(|item| self.found.set_difference(*item, property, chosen - rejected));
            }
        }
        Ok(())
    }
}

/// A name's number, a new one where it is new.
fn number(known: &mut HashMap<String, u32>, names: &mut Vec<String>, name: String) -> u32 {
    *known.entry(name).or_insert_with_key(|name| {
        names.push(name.clone());
        names.len() as u32 - 1
    })
}

/// The mean of values that are all there.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let all: Vec<f64> = values.iter().copied().collect::<Option<_>>()?;
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn choice(text: &str) -> Option<Choice> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return match number.partial_cmp(&0.0)? {
            std::cmp::Ordering::Greater => Some(Choice::Chosen),
            std::cmp::Ordering::Less => Some(Choice::Rejected),
            std::cmp::Ordering::Equal => Some(Choice::Neither),
        };
    }
    match text.to_lowercase().as_str() {
        "chosen" => Some(Choice::Chosen),
        "rejected" => Some(Choice::Rejected),
        "neither" | "both" => Some(Choice::Neither),
        _ => preferred(text).map(|preferred| match preferred {
            Preferred::First => Choice::Chosen,
            Preferred::Second => Choice::Rejected,
            Preferred::Neither => Choice::Neither,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_of_a_choice() {
        for (text, expected) in [
            ("chosen", Some(Choice::Chosen)),
            (" Rejected ", Some(Choice::Rejected)),
            ("tie", Some(Choice::Neither)),
            ("-3", Some(Choice::Rejected)),
            ("2", Some(Choice::Chosen)),
            ("0", Some(Choice::Neither)),
            ("perhaps", None),
        ] {
            assert_eq!(choice(text), expected, "{text}");
        }
    }
}
