//! Scores and the items of the data that they belong to.
//!
//! Every importer hands its file over as [`Loose`] scores. Without data (`--items`) they are items of their own.
//! With data each must find its item, the same way for every format (`formats.md`, "Traps common to all"): by id,
//! unless the file's texts say that it is another; by text, where they do, or where ids are missing or unknown; by
//! position only where ids and texts say nothing, the format is written in the order of the data, and there are
//! as many scores as items. What was done is counted in [`Joins`], and said in one note.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::entry::{Answer, Entry, Place};
use super::items::Known;
use super::{Found, ImportError, Source};
use crate::lang::Lang;

/// One item's scores before it is known which item of the data they belong to.
#[derive(Debug, Clone, Default)]
pub struct Loose {
    /// Where it stands in its file, from 0.
    pub row: u64,
    /// `None`: the file has none that could be used.
    pub id: Option<Arc<str>>,
    /// What it is called where there are no data and no id.
    pub own: Arc<str>,
    pub source: Option<Arc<str>>,
    pub lang: Option<Lang>,
    pub subset: Option<Arc<str>>,
    pub category: Option<Arc<str>>,
    pub chosen: Vec<Answer>,
    pub rejected: Vec<Answer>,
    /// Responses, chosen first, or conversations that end in them; empty where the file has none.
    pub texts: Vec<String>,
}

/// A file's scores and what its format says of all of them.
pub struct Scores<'a> {
    pub path: &'a Path,
    pub rows: Vec<Loose>,
    /// Where items without data belong.
    pub place: Place,
    /// The language of items without data and without a language.
    pub lang: Option<Lang>,
    /// The format is written in the order of the data.
    pub in_order: bool,
    /// The benchmark whose items these are, where the data are of several.
    pub among: Option<&'a str>,
}

/// How a score found its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    Id,
    Text,
    Position,
}

impl By {
    fn as_str(self) -> &'static str {
        match self {
            By::Id => "id",
            By::Text => "text",
            By::Position => "position",
        }
    }
}

/// How one model's scores found their items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joins {
    by: BTreeMap<By, usize>,
    /// Scores of no item of the data.
    extra: usize,
    first_extra: Option<String>,
    /// Items joined by id whose texts in the file are nobody's in the data.
    differing: usize,
}

impl Joins {
    /// The one note about joins; `None` where there were no data to join with.
    pub fn note(&self) -> Option<String> {
        let n: usize = self.by.values().sum();
        if n + self.extra == 0 {
            return None;
        }
        let ways = match self.by.len() {
            0 | 1 => self.by.keys().map(|by| format!(" by {}", by.as_str())).collect::<String>(),
            _ => {
                let each: Vec<String> = self.by.iter().map(|(by, n)| format!("{n} by {}", by.as_str())).collect();
                format!(": {}", each.join(", "))
            }
        };
        let mut note = format!("{n} items joined with --items{ways}");
        if let Some(first) = &self.first_extra {
            note.push_str(&format!("; {} name no item of the data (first: {first}) and were left out", self.extra));
        }
        if self.differing > 0 {
            note.push_str(&format!("; of {} the texts differ from the data's", self.differing));
        }
        Some(note)
    }
}

/// Adds a file's scores to a model's items.
///
/// # Errors
/// Scores without a language, without an id where one is needed, in the order of data that are not the same, with
/// another number of responses, or two of one item.
pub fn join(scores: Scores<'_>, source: &Source<'_>, own: &mut Found) -> Result<(), ImportError> {
    if source.items.is_empty() {
        for row in scores.rows {
            own.entries.push((scores.place.clone(), alone(row, scores.lang, scores.path)?));
        }
        return Ok(());
    }
    let mut cells: BTreeMap<CellName, Vec<usize>> = BTreeMap::new();
    for (number, row) in scores.rows.iter().enumerate() {
        let subset = row.subset.clone().filter(|subset| source.items.has_subset(subset));
        cells.entry((row.lang, subset)).or_default().push(number);
    }
    let mut found: Vec<Option<(&Known, By)>> = vec![None; scores.rows.len()];
    for ((lang, subset), numbers) in cells {
        let rows: Vec<&Loose> = numbers.iter().map(|number| &scores.rows[*number]).collect();
        let known = source.items.in_order(lang, subset.as_deref(), scores.among);
        let cell = Cell { known, rows, lang, subset };
        for (number, place) in numbers.into_iter().zip(cell.places(&scores, source, &mut own.joins)?) {
            found[number] = place;
        }
    }
    let mut taken: HashMap<*const Known, u64> = HashMap::new();
    for (row, place) in scores.rows.iter().zip(found) {
        let fault = |problem, hint: &str| ImportError::row(scores.path, row.row, problem, Some(hint));
        let Some((known, by)) = place else {
            let name = row.id.as_deref().unwrap_or(&row.own);
            let file = scores.path.file_name().unwrap_or_default().to_string_lossy();
            own.joins.first_extra.get_or_insert_with(|| format!("`{name}` of `{file}`"));
            own.joins.extra += 1;
            continue;
        };
        if let Some(earlier) = taken.insert(std::ptr::from_ref(known), row.row) {
            let problem = format!("it is item `{}` of the data, as row {earlier} is", known.id);
            return Err(fault(problem, "an item has one row per model: `--column model=NAME` tells models apart"));
        }
        let Some(entry) = known.entry(row) else {
            let problem = format!("item `{}` has another number of responses in --items", known.id);
            return Err(fault(problem, "--items must be the data that were scored"));
        };
        *own.joins.by.entry(by).or_default() += 1;
        own.entries.push((known.place.clone(), entry));
    }
    Ok(())
}

/// An item that no data describe.
fn alone(row: Loose, lang: Option<Lang>, path: &Path) -> Result<Entry, ImportError> {
    let Some(lang) = row.lang.or(lang) else {
        let hint = "give --lang, `--column language=NAME`, or the benchmark's data with --items";
        return Err(ImportError::row(path, row.row, "there is no language", Some(hint)));
    };
    let id = row.id.unwrap_or(row.own);
    Ok(Entry {
        lang,
        subset: row.subset.unwrap_or_else(|| "all".into()),
        category: row.category,
        source: row.source.unwrap_or_else(|| id.clone()),
        id,
        chosen: row.chosen,
        rejected: row.rejected,
    })
}

/// A language and a subset, as far as a file says them and the data have them.
type CellName = (Option<Lang>, Option<Arc<str>>);

/// Scores of one subset in one language, as far as the file says, and the data's items there.
struct Cell<'a> {
    rows: Vec<&'a Loose>,
    known: Vec<&'a Known>,
    lang: Option<Lang>,
    subset: Option<Arc<str>>,
}

impl<'a> Cell<'a> {
    fn places(
        &self,
        scores: &Scores<'_>,
        source: &'a Source<'_>,
        joins: &mut Joins,
    ) -> Result<Vec<Option<(&'a Known, By)>>, ImportError> {
        let texts = Texts::of(&self.known, &self.rows);
        // Ids may count anew in every subset: another subset's item is another item.
        let by_id = |row: &Loose| {
            let known = source.items.by_id(row.id.as_deref()?, row.lang, self.subset.as_deref())?;
            scores.among.is_none_or(|among| among == &*known.place.benchmark).then_some(known)
        };
        // Of data without ids the ids are numbers of rows.
        let numbered = self.known.iter().any(|known| !known.named);
        let nameless = self.rows.iter().find(|row| row.id.is_none());
        let nameless =
            nameless.or(self.rows.first().filter(|_| numbered && self.rows.iter().all(|r| by_id(r).is_none())));
        if let Some(nameless) = nameless {
            let by_text: Vec<_> = self.rows.iter().map(|row| texts.find(row)).collect();
            if by_text.iter().all(Option::is_some) {
                return Ok(by_text.into_iter().map(|known| Some((known?, By::Text))).collect());
            }
            // Positions that a text contradicts say nothing.
            let contradicted = |(place, text): (usize, &Option<&Known>)| {
                text.is_some_and(|text| self.known.get(place).is_none_or(|known| !std::ptr::eq(*known, text)))
            };
            if by_text.iter().enumerate().any(contradicted) {
                return Ok(by_text.into_iter().map(|known| Some((known?, By::Text))).collect());
            }
            if !scores.in_order {
                let hint = "name the column: `--column id=NAME`";
                let problem = "there is no id to join with --items, and no text that is one item's";
                return Err(ImportError::row(scores.path, nameless.row, problem, Some(hint)));
            }
            if self.rows.len() != self.known.len() {
                return Err(self.unequal(scores.path));
            }
            let differ = |(row, known): (&&Loose, &&Known)| !texts.agree(row, known);
            joins.differing += self.rows.iter().zip(&self.known).filter(|(row, known)| differ((row, known))).count();
            return Ok(self.known.iter().map(|known| Some((*known, By::Position))).collect());
        }
        let place = |row: &&Loose| match by_id(row) {
            Some(known) if texts.agree(row, known) => Some((known, By::Id)),
            other => texts.find(row).map(|known| (known, By::Text)).or_else(|| {
                joins.differing += usize::from(other.is_some());
                Some((other?, By::Id))
            }),
        };
        Ok(self.rows.iter().map(place).collect())
    }

    fn unequal(&self, path: &Path) -> ImportError {
        let subset = self.subset.as_ref().map(|subset| format!("subset `{subset}`"));
        let place = [self.lang.map(|lang| lang.to_string()), subset];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let of = if place.is_empty() { String::new() } else { format!(" of {place}") };
        let problem =
            format!("has {} scores{of} without usable ids, the data{of} {} items", self.rows.len(), self.known.len());
        ImportError::not_this(path, problem, "they are joined by position: it must be the same data")
    }
}

/// Which of a cell's items have which texts.
struct Texts<'a, 'c> {
    known: &'c [&'a Known],
    /// By their responses; `None` where several items have the same.
    by_responses: HashMap<Vec<&'a str>, Option<&'a Known>>,
    /// The file's texts are the responses alone; otherwise conversations through some template.
    exact: bool,
}

/// Items that are looked through for every text where texts are conversations.
const SEARCHED: usize = 4_000;

fn trimmed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(|text| text.trim()).collect()
}

impl<'a, 'c> Texts<'a, 'c> {
    fn of(known: &'c [&'a Known], rows: &[&Loose]) -> Texts<'a, 'c> {
        let mut by_responses: HashMap<Vec<&str>, Option<&'a Known>> = HashMap::new();
        if rows.iter().any(|row| !row.texts.is_empty()) {
            for one in known.iter().filter(|one| !one.responses.is_empty()) {
                by_responses.entry(trimmed(&one.responses)).and_modify(|known| *known = None).or_insert(Some(one));
            }
        }
        let exact = rows.iter().any(|row| by_responses.contains_key(&trimmed(&row.texts)));
        Texts { known, by_responses, exact }
    }

    /// The one item whose texts a row has.
    fn find(&self, row: &Loose) -> Option<&'a Known> {
        if row.texts.is_empty() {
            return None;
        }
        if self.exact {
            return self.by_responses.get(&trimmed(&row.texts)).copied().flatten();
        }
        if self.known.len() > SEARCHED {
            return None;
        }
        let mut fits = self.known.iter().filter(|known| known.spoken_in(&row.texts));
        let first = fits.next()?;
        fits.next().is_none().then_some(*first)
    }

    /// A row's texts do not say that it is another item.
    fn agree(&self, row: &Loose, known: &Known) -> bool {
        let unknown = row.texts.is_empty() || known.responses.is_empty();
        let same = || match self.exact {
            true => trimmed(&row.texts) == trimmed(&known.responses),
            false => known.answered_in(&row.texts),
        };
        unknown || same()
    }
}

/// Items of the data that were not scored.
#[derive(Debug, Default)]
pub struct Lacking {
    /// The same as items without rewards. Judgments in two orders have another shape: they are counted only.
    pub entries: Vec<(Place, Entry)>,
    pub n: usize,
    /// Of how many.
    pub of: usize,
}

/// What a model's scores lack in the subsets and languages of which they have some item of the data.
pub fn lacking(entries: &[(Place, Entry)], source: &Source<'_>) -> Lacking {
    let scored: HashSet<_> = entries.iter().map(|(place, e)| (&*place.benchmark, &*e.subset, e.lang, &*e.id)).collect();
    let is_scored =
        |known: &&Known| scored.contains(&(&*known.place.benchmark, &*known.subset, known.lang, &*known.id));
    let cell = |known: &&Known| (known.place.benchmark.clone(), known.subset.clone(), known.lang);
    // Summaries give items of their own to these subsets, which are none of the data.
    let cells: HashSet<_> = source.items.all.iter().filter(is_scored).map(|known| cell(&known)).collect();
    let here = || source.items.all.iter().filter(|known| cells.contains(&cell(known)));
    let without: Vec<&Known> = here().filter(|known| !is_scored(known)).collect();
    let in_orders = entries.iter().any(|(_, entry)| entry.in_orders());
    let rows = without.iter().filter(|_| !in_orders).map(|known| (known.place.clone(), known.unscored()));
    Lacking { entries: rows.collect(), n: without.len(), of: here().count() }
}
