//! `data confusion`: how often models answer in the language that was asked for, from files of completions as the language
//! confusion benchmark writes them (Marchisio et al. 2024): `completion`, `language`, and where there are any `model`,
//! `task`, `source`, and `id`, the prompt's.
//!
//! Rates of a cell (task, model, source, language); per task and model the mean over languages of the mean over sources.
//! A language without a word pass rate drops out of that mean.

mod rates;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::benchmark::grid::grid;
use crate::benchmark::reader::ReadError;
use crate::benchmark::reader::records::Records;
use crate::lang::Lang;
use crate::lang::confusion::judge;
use crate::lang::identify::Identify;
use crate::progress::Progress;

pub use rates::Estimated;
use rates::{Seen, estimated, mean};

/// What a cell is called by, and its language.
type Key = (String, String, String, Lang);

#[derive(Debug, thiserror::Error)]
pub enum ConfusionError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("`{path}` has no column `{column}` (columns: {})", columns.join(", "))]
    Column { path: String, column: &'static str, columns: Vec<String> },
    #[error("`{path}` row {row} (counted from 0), column `{column}`: {problem}")]
    Row { path: String, row: u64, column: &'static str, problem: String },
}

impl ConfusionError {
    pub fn hint(&self) -> Option<String> {
        match self {
            ConfusionError::Read(error) => error.hint(),
            ConfusionError::Column { .. } => Some(
                "completions are in `completion`, the languages they should be in in `language`; `model`, `task` and `source` may \
                 be there, too"
                    .to_owned(),
            ),
            ConfusionError::Row { .. } => Some("correct the row, or leave it out".to_owned()),
        }
    }
}

/// Completions of one cell.
#[derive(Debug, Default)]
struct Cell {
    completions: usize,
    /// Those with a line long enough.
    seen: Vec<Seen>,
}

/// Completions by cell.
#[derive(Debug, Default)]
pub struct Completions {
    cells: BTreeMap<Key, Cell>,
    /// Numbers of prompts by their id; completions without one have a prompt of their own.
    prompts: HashMap<String, u32>,
    n_prompts: u32,
    /// Languages that the identifier cannot tell; their rows are counted, and nothing else.
    pub unknown: BTreeMap<Lang, usize>,
}

/// The three rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    pub line_pass: Option<Estimated>,
    pub line_accuracy: Option<Estimated>,
    pub word_pass: Option<Estimated>,
}

impl Rates {
    fn of(rate: impl Fn(usize) -> Option<Estimated>) -> Self {
        Self { line_pass: rate(0), line_accuracy: rate(1), word_pass: rate(2) }
    }
}

impl Completions {
    /// Adds a file. `is_english`: whether a word is one of English.
    ///
    /// # Errors
    /// A file without the columns, a language that means nothing.
    pub fn add(
        &mut self,
        path: &Path,
        identifier: &dyn Identify,
        is_english: &dyn Fn(&str) -> bool,
        progress: &mut dyn Progress,
    ) -> Result<(), ConfusionError> {
        let mut records = Records::open(path)?;
        let columns: Vec<String> = records.columns().iter().map(|name| name.trim().to_lowercase()).collect();
        let find = |names: &[&str]| columns.iter().position(|column| names.contains(&column.as_str()));
        let missing = |column| {
            let (path, columns) = (path.display().to_string(), records.columns().to_vec());
            ConfusionError::Column { path, column, columns }
        };
        let completion = find(&["completion", "response"]).ok_or_else(|| missing("completion"))?;
        let language = find(&["language", "lang"]).ok_or_else(|| missing("language"))?;
        let others = ["task", "model", "source", "id"].map(|name| find(&[name]));
        progress.begin("completions", 0, "rows");
        while records.advance()? {
            progress.advance(1);
            let fault = |records: &Records, column, problem: String| {
                let (path, row) = (path.display().to_string(), records.row());
                ConfusionError::Row { path, row, column, problem }
            };
            let text = records.name(language)?;
            let text = text.ok_or_else(|| fault(&records, "language", "there is none".to_owned()))?;
            let lang = Lang::parse(&text).map_err(|error| fault(&records, "language", error.to_string()))?;
            let completion = records.name(completion)?.unwrap_or_default();
            let mut name = |column: Option<usize>| -> Result<String, ReadError> {
                Ok(column.map(|column| records.name(column)).transpose()?.flatten().unwrap_or_default())
            };
            let [task, model, source] = [name(others[0])?, name(others[1])?, name(others[2])?];
            let id = name(others[3])?;
            if !identifier.knows(lang) {
                *self.unknown.entry(lang).or_default() += 1;
                continue;
            }
            let judged = judge(&completion, lang, identifier, is_english);
            let prompt = self.prompt(&task, id);
            let cell = self.cells.entry((task, model, source, lang)).or_default();
            cell.completions += 1;
            cell.seen.extend(judged.map(|judged| Seen { prompt, judged }));
        }
        progress.finish();
        Ok(())
    }

    /// Its number: the same for completions of one prompt, by all models and in all languages.
    fn prompt(&mut self, task: &str, id: String) -> u32 {
        let next = self.n_prompts;
        let number = match id.is_empty() {
            true => next,
            false => *self.prompts.entry(format!("{task}\t{id}")).or_insert(next),
        };
        self.n_prompts += u32::from(number == next);
        number
    }

    /// Per task and model: the mean over languages, each the mean over its sources.
    pub fn means(&self) -> Vec<(String, String, Rates)> {
        let models: BTreeSet<(&str, &str)> = self.cells.keys().map(|(task, model, ..)| (&**task, &**model)).collect();
        let of_model = |(task, model): (&str, &str)| {
            let own = self.cells.iter().filter(|((t, m, ..), _)| t == task && m == model);
            let own: Vec<(Lang, &[Seen])> = own.map(|((.., lang), cell)| (*lang, cell.seen.as_slice())).collect();
            (task.to_owned(), model.to_owned(), Rates::of(|which| mean(which, &own)))
        };
        models.into_iter().map(of_model).collect()
    }

    /// A row per cell, then one per task and model.
    pub fn to_text(&self, identifier: &str) -> String {
        let percent = |rate: Option<Estimated>| {
            let Some(Estimated { rate, bounds }) = rate else { return "·".to_owned() };
            let bounds = bounds.map(|(low, high)| format!(" [{:.1}, {:.1}]", 100.0 * low, 100.0 * high));
            format!("{:.1}{}", 100.0 * rate, bounds.unwrap_or_default())
        };
        let rates = |r: Rates| [percent(r.line_pass), percent(r.line_accuracy), percent(r.word_pass)];
        let mut rows: Vec<Vec<String>> = Vec::new();
        for ((task, model, source, lang), cell) in &self.cells {
            let counts = [cell.completions, cell.seen.len()].map(|n| n.to_string());
            let names = [task.clone(), model.clone(), source.clone(), lang.to_string()];
            rows.push(
                names
                    .into_iter()
                    .chain(counts)
                    .chain(rates(Rates::of(|which| estimated(which, &[(1.0, cell.seen.as_slice())]))))
                    .collect(),
            );
        }
        for (task, model, mean) in self.means() {
            let names = [task, model, String::new(), "mean over languages".to_owned(), String::new(), String::new()];
            rows.push(names.into_iter().chain(rates(mean)).collect());
        }
        let header = ["<task", "<model", "<source", "<language", "completions", "judged", "LPR", "lines", "WPR"];
        let mut text =
            format!("Completions in the language asked for, % with 95 % intervals, by the identifier {identifier}\n");
        text.push_str(&grid(&header, &rows));
        if !self.unknown.is_empty() {
            let langs: Vec<String> = self.unknown.iter().map(|(lang, n)| format!("{lang} ({n})")).collect();
            text.push_str(&format!("Not judged, since the identifier does not know them: {}\n", langs.join(", ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::confusion::looks_english;
    use crate::lang::identify::BuiltIn;
    use crate::progress::Silent;

    const HINDI: &str = "मुझे नहीं पता कि इस सवाल का जवाब क्या है";
    const ENGLISH: &str = "This is the answer to the question that you have";

    fn read(rows: &str) -> Result<Completions, ConfusionError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("completions.csv");
        std::fs::write(&path, rows).unwrap();
        let mut all = Completions::default();
        all.add(&path, &BuiltIn, &looks_english, &mut Silent).map(|()| all)
    }

    /// Hindi: two sources with LPR 1/2 and 1, so 3/4; English 0, so the mean is 3/8. WPR is Hindi's alone: of its right
    /// completions those of the first source have none wrong, those of the second half.
    #[test]
    fn means_are_taken_over_sources_then_languages() {
        let found = read(&format!(
            "model,completion,task,source,language\n\
             m,{HINDI},mono,a,hi\nm,{ENGLISH},mono,a,hi\nm,{HINDI},mono,b,hi\nm,{HINDI} answer,mono,b,hi\n\
             m,{HINDI},mono,a,en\nm,no,mono,a,en\n"
        ))
        .unwrap();
        let [(task, model, rates)] = found.means().try_into().unwrap();
        assert_eq!((task.as_str(), model.as_str()), ("mono", "m"));
        let points = [rates.line_pass, rates.line_accuracy, rates.word_pass].map(|rate| rate.map(|rate| rate.rate));
        assert_eq!(points, [Some(3.0 / 8.0), Some(3.0 / 8.0), Some(0.75)]);
        let bounds = rates.line_pass.unwrap().bounds.unwrap();
        assert!(bounds.0 < 3.0 / 8.0 && 3.0 / 8.0 < bounds.1);
        let text = found.to_text("built-in");
        assert!(text.contains("mono  m      b       hin_Deva"), "{text}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let problem = |rows: &str| read(rows).unwrap_err().to_string();
        assert!(problem("text,language\na,de\n").contains("no column `completion` (columns: text, language)"));
        assert!(problem("completion,language\na,klingon\n").contains("row 0 (counted from 0), column `language`"));
    }
}
