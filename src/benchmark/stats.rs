//! `data stats`: how many items a file has per language, category and subset, and how long they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::benchmark::grid::grid;
use crate::benchmark::reader::{self, ReadCounts, ReadError, ReadOptions};
use crate::lang::Lang;
use crate::lang::confusion::{Confusion, judge, looks_english};
use crate::lang::identify::Identify;
use crate::preference::Comparison;
use crate::progress::Progress;

/// Lengths in characters at five ranks: each is the smallest length that at least this share of the
/// texts do not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    pub n: usize,
    pub p5: u32,
    pub p25: u32,
    pub p50: u32,
    pub p75: u32,
    pub p95: u32,
    pub max: u32,
}

impl Quantiles {
    /// `None` of nothing.
    fn of(mut lengths: Vec<u32>) -> Option<Self> {
        lengths.sort_unstable();
        let n = lengths.len();
        let at = |percent: usize| lengths.get((n * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { n, p5: at(5)?, p25: at(25)?, p50: at(50)?, p75: at(75)?, p95: at(95)?, max: at(100)? })
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    pub lang: Lang,
    pub category: Option<String>,
    pub subset: String,
    pub items: u64,
    pub chosen: u64,
    pub rejected: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LanguageStats {
    pub items: u64,
    pub prompt_chars: Option<Quantiles>,
    pub chosen_chars: Option<Quantiles>,
    pub rejected_chars: Option<Quantiles>,
    /// Absent for languages that the identifier does not know.
    pub chosen_language: Option<Rates>,
    pub rejected_language: Option<Rates>,
}

/// Whether responses are in the item's language; see [`crate::lang::confusion`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Responses with a line long enough to judge.
    pub n: usize,
    pub line_pass_rate: f64,
    pub line_accuracy: f64,
    pub word_pass_rate: Option<f64>,
}

impl Rates {
    fn of(confusion: &Confusion) -> Option<Self> {
        Some(Self {
            n: confusion.judged(),
            line_pass_rate: confusion.lpr()?,
            line_accuracy: confusion.line_accuracy()?,
            word_pass_rate: confusion.wpr(),
        })
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    pub path: PathBuf,
    pub counts: ReadCounts,
    /// In order of language, category, subset.
    pub cells: Vec<Cell>,
    pub languages: BTreeMap<Lang, LanguageStats>,
    /// What told the languages of lines.
    pub identifier: String,
}

#[derive(Default)]
struct Lengths {
    prompt: Vec<u32>,
    chosen: Vec<u32>,
    rejected: Vec<u32>,
    chosen_language: Confusion,
    rejected_language: Confusion,
}

/// Counts one file in one pass; memory holds lengths, never text.
///
/// # Errors
/// As the reader: the first bad row, unless the options skip bad rows.
pub fn run(
    path: &Path,
    options: &ReadOptions,
    identifier: &dyn Identify,
    progress: &mut dyn Progress,
) -> Result<Stats, ReadError> {
    let mut reader = reader::open(path, options)?;
    let mut cells: BTreeMap<(Lang, Option<String>, String), [u64; 3]> = BTreeMap::new();
    let mut lengths: BTreeMap<Lang, Lengths> = BTreeMap::new();
    progress.begin("counting", reader.total_rows().unwrap_or(0), "rows");
    for comparison in reader.by_ref() {
        let comparison = comparison?;
        progress.advance(1);
        let category = comparison.category.as_deref().map(str::to_owned);
        let key = (comparison.lang, category, comparison.subset.as_str().to_owned());
        let [items, chosen, rejected] = cells.entry(key).or_default();
        *items += 1;
        *chosen += comparison.chosen.len() as u64;
        *rejected += comparison.rejected.len() as u64;
        lengths.entry(comparison.lang).or_default().add(&comparison, identifier);
    }
    progress.finish();
    Ok(Stats {
        path: path.to_owned(),
        counts: reader.counts().clone(),
        cells: cells
            .into_iter()
            .map(|((lang, category, subset), [items, chosen, rejected])| Cell {
                lang,
                category,
                subset,
                items,
                chosen,
                rejected,
            })
            .collect(),
        languages: lengths.into_iter().map(|(lang, lengths)| (lang, lengths.finish())).collect(),
        identifier: identifier.name().to_owned(),
    })
}

impl Lengths {
    fn add(&mut self, comparison: &Comparison, identifier: &dyn Identify) {
        let chars = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.prompt.push(comparison.prompt.0.iter().map(|turn| chars(&turn.content)).fold(0, u32::saturating_add));
        self.chosen.extend(comparison.chosen.iter().map(|response| chars(&response.text)));
        self.rejected.extend(comparison.rejected.iter().map(|response| chars(&response.text)));
        if identifier.knows(comparison.lang) {
            let judged = |text: &str| judge(text, comparison.lang, identifier, &looks_english);
            comparison.chosen.iter().for_each(|response| self.chosen_language.add(judged(&response.text)));
            comparison.rejected.iter().for_each(|response| self.rejected_language.add(judged(&response.text)));
        }
    }

    fn finish(self) -> LanguageStats {
        LanguageStats {
            items: self.prompt.len() as u64,
            prompt_chars: Quantiles::of(self.prompt),
            chosen_chars: Quantiles::of(self.chosen),
            rejected_chars: Quantiles::of(self.rejected),
            chosen_language: Rates::of(&self.chosen_language),
            rejected_language: Rates::of(&self.rejected_language),
        }
    }
}

impl Stats {
    /// Four tables: lengths by language, responses in the wrong language, items by language and category, items by category and subset.
    pub fn to_text(&self) -> String {
        let counts = &self.counts;
        format!(
            "{}\n{} rows: {} items, {} ties, {} bad rows left out, {} rows in languages not asked for\n\n\
             Characters: median (5th to 95th percentile)\n{}\n\
             Lines in the item's language, % (responses judged), by the identifier {}\n{}\nItems by category\n{}\nItems by subset\n{}",
            self.path.display(),
            counts.rows,
            counts.comparisons,
            counts.ties,
            counts.n_skipped(),
            counts.filtered,
            self.lengths(),
            self.identifier,
            self.confusion(),
            self.categories(),
            self.subsets()
        )
    }

    fn lengths(&self) -> String {
        let range = |q: Option<Quantiles>| q.map_or("·".to_owned(), |q| format!("{} ({}–{})", q.p50, q.p5, q.p95));
        let row = |(lang, stats): (&Lang, &LanguageStats)| {
            let [prompt, chosen, rejected] = [stats.prompt_chars, stats.chosen_chars, stats.rejected_chars].map(range);
            vec![lang.to_string(), lang.name().to_owned(), stats.items.to_string(), prompt, chosen, rejected]
        };
        let rows: Vec<_> = self.languages.iter().map(row).collect();
        grid(&["<language", "<", "items", "prompt", "chosen", "rejected"], &rows)
    }

    /// Line pass rate, line accuracy and word pass rate of responses with lines of five words or more.
    fn confusion(&self) -> String {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let of = |rates: Option<Rates>| match rates {
            None => ["·", "·", "·"].map(str::to_owned),
            Some(r) => [
                format!("{} ({})", percent(r.line_pass_rate), r.n),
                percent(r.line_accuracy),
                r.word_pass_rate.map_or("·".to_owned(), percent),
            ],
        };
        let row = |(lang, stats): (&Lang, &LanguageStats)| {
            let rates = [stats.chosen_language, stats.rejected_language].into_iter().flat_map(of);
            std::iter::once(lang.to_string()).chain(rates).collect()
        };
        let rows: Vec<Vec<String>> = self.languages.iter().map(row).collect();
        grid(&["<language", "chosen LPR", "lines", "WPR", "rejected LPR", "lines", "WPR"], &rows)
    }

    fn categories(&self) -> String {
        let mut names: Vec<&str> = self.cells.iter().map(category).collect();
        names.sort_unstable();
        names.dedup();
        let row = |lang: &Lang| {
            let of = |name: &&str| {
                let cells = self.cells.iter().filter(|cell| cell.lang == *lang && category(cell) == *name);
                match cells.map(|cell| cell.items).sum::<u64>() {
                    0 => "·".to_owned(),
                    items => items.to_string(),
                }
            };
            std::iter::once(lang.to_string()).chain(names.iter().map(of)).collect()
        };
        let header: Vec<&str> = std::iter::once("<language").chain(names.iter().copied()).collect();
        grid(&header, &self.languages.keys().map(row).collect::<Vec<Vec<String>>>())
    }

    fn subsets(&self) -> String {
        // Category, subset → items, languages, chosen and rejected responses.
        let mut rows: BTreeMap<(&str, &str), [u64; 4]> = BTreeMap::new();
        for cell in &self.cells {
            let sums = rows.entry((category(cell), &cell.subset)).or_default();
            for (sum, value) in sums.iter_mut().zip([cell.items, 1, cell.chosen, cell.rejected]) {
                *sum += value;
            }
        }
        let row = |((category, subset), sums): ((&str, &str), [u64; 4])| {
            [category, subset].map(str::to_owned).into_iter().chain(sums.map(|sum| sum.to_string())).collect()
        };
        let header = ["<category", "<subset", "items", "languages", "chosen", "rejected"];
        grid(&header, &rows.into_iter().map(row).collect::<Vec<Vec<String>>>())
    }
}

fn category(cell: &Cell) -> &str {
    cell.category.as_deref().unwrap_or("(none)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_hand() {
        // Of 1..=20 the smallest length that 5 % do not exceed is the first, 25 % the fifth, and so on.
        let q = Quantiles::of((1..=20).rev().collect()).unwrap();
        assert_eq!((q.p5, q.p25, q.p50, q.p75, q.p95, q.max), (1, 5, 10, 15, 19, 20));
        let one = Quantiles::of(vec![7]).unwrap();
        assert_eq!((one.p5, one.max, one.n), (7, 7, 1));
        assert_eq!(Quantiles::of(Vec::new()), None);
    }
}
