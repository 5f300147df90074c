//! Many runs on the same items.
//!
//! Each file becomes a one-run [`ItemTable`] (in parallel), then the tables are joined on (benchmark,
//! subset, language, item id). What a run did not score is absent there; what two runs describe
//! differently (number of responses, their length, the source item that both name) is an error, since a paired
//! comparison of them would compare different data.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow::array::Array;
use rayon::prelude::*;
use rmbench_numbering::{Key, Keys};

use super::TableError;
use super::item::{ItemKey, ItemTable, RunColumn, Symbol};
use super::read::{Names, ScoreBatch, ScoreFile};
use super::score::Side;
use super::store::table_path;
use crate::provenance::RunInfo;

impl ItemTable {
    /// Reads runs (directories or score tables) and aligns them, in the given order.
    ///
    /// Errors name file and item where rows repeat, responses are missing from a sequence, or runs
    /// disagree about an item; and where a path is given twice.
    pub fn load(paths: &[PathBuf]) -> Result<ItemTable, TableError> {
        let paths = paths.iter().map(|path| table_path(path)).collect::<Result<Vec<_>, _>>()?;
        if let Some((_, path)) = paths.iter().enumerate().find(|(at, path)| paths[..*at].contains(path)) {
            return Err(TableError::GivenTwice { path: path.clone() });
        }
        let mut joined = Joined::default();
        // As many at once as there are threads: memory holds few unaligned runs.
        for some in paths.chunks(rayon::current_num_threads().max(1)) {
            let runs: Vec<_> = some.par_iter().map(|path| read_run(path)).collect();
            for (path, run) in some.iter().zip(runs) {
                joined.add(path, run?)?;
            }
        }
        if paths.is_empty() { Err(TableError::NoTables) } else { Ok(joined.finish()) }
    }
}

/// What names an item across runs.
fn join_key(key: &ItemKey) -> Key {
    let [a, b, c, d, e, f, g, h] = key.lang.bytes();
    let lang = [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes);
    [key.benchmark.0, key.subset.0, lang[0], lang[1], key.item.0]
}

/// One run, its items in order of first appearance.
fn read_run(path: &Path) -> Result<ItemTable, TableError> {
    let file = ScoreFile::open(path)?;
    // Positions of responses are 32-bit throughout.
    if file.n_rows() > u64::from(u32::MAX) {
        return Err(TableError::TooLarge { path: path.to_owned(), rows: file.n_rows() });
    }
    let mut run = RunReader::new(path, file.n_rows() as usize);
    let info = file.info().clone();
    for batch in file.batches()? {
        run.add(&batch?)?;
    }
    run.finish(info)
}

/// One response as read, before its place among the item's responses is known.
struct ReadRow {
    item: u32,
    side: Side,
    response_index: u16,
    truncated: bool,
    n_chars: u32,
    n_tokens: u32,
    reward: Option<f32>,
    grade: u8,
}

/// The gold grade that a variant names.
fn grade(variant: Option<&str>) -> u8 {
    variant.and_then(|name| name.strip_prefix("grade ")).and_then(|grade| grade.parse().ok()).unwrap_or(0)
}

struct RunReader<'a> {
    path: &'a Path,
    table: ItemTable,
    numbers: Keys,
    versions: HashMap<Symbol, Symbol>,
    rows: Vec<ReadRow>,
    /// Symbols of each text column's distinct values, kept while batches share them.
    seen: [Option<(Names, Vec<Symbol>)>; 6],
}

impl<'a> RunReader<'a> {
    fn new(path: &'a Path, n_rows: usize) -> Self {
        Self {
            path,
            table: ItemTable::default(),
            numbers: Keys::default(),
            versions: HashMap::new(),
            rows: Vec::with_capacity(n_rows),
            seen: Default::default(),
        }
    }

    fn add(&mut self, batch: &ScoreBatch) -> Result<(), TableError> {
        let columns = [
            &batch.benchmark,
            &batch.benchmark_version,
            &batch.subset,
            &batch.category,
            &batch.item_id,
            &batch.source_id,
        ];
        for (seen, names) in self.seen.iter_mut().zip(columns) {
            if !seen.as_ref().is_some_and(|(before, _)| before.shares_values(names)) {
                let symbols = names.values().iter().map(|name| self.table.symbols.intern(name.unwrap_or_default()));
                *seen = Some((names.clone(), symbols.collect()));
            }
        }
        let langs = batch.langs()?;
        let sides = batch.sides()?;
        let grades: Vec<u8> = batch.variant.values().iter().map(grade).collect();
        let mut last: Option<(Key, u32)> = None;
        for row in 0..batch.len() {
            let symbol = |column: usize| {
                let symbols = self.seen[column].as_ref().map_or(&[][..], |(_, symbols)| symbols);
                symbols[columns[column].keys.value(row) as usize]
            };
            let key = ItemKey {
                benchmark: symbol(0),
                subset: symbol(2),
                category: columns[3].get(row).is_some().then(|| symbol(3)),
                lang: langs[batch.lang.keys.value(row) as usize],
                item: symbol(4),
                source: symbol(5),
                n_chosen: 0,
                n_rejected: 0,
                offset: 0,
            };
            let version = symbol(1);
            let join = join_key(&key);
            // The rows of an item are nearly always neighbours.
            let item = match last {
                Some((before, item)) if before == join => item,
                _ => self.number(key, version)?,
            };
            last = Some((join, item));
            let known = &self.table.items[item as usize];
            if (known.source, known.category) != (key.source, key.category) {
                let problem = "its rows differ in source id or category".to_owned();
                return Err(self.table.conflict(self.path, known, problem));
            }
            self.rows.push(ReadRow {
                item,
                side: sides[batch.role.keys.value(row) as usize],
                response_index: batch.response_index.value(row),
                truncated: batch.truncated.value(row),
                n_chars: batch.n_chars.value(row),
                n_tokens: batch.n_tokens.value(row),
                grade: if batch.variant.keys.is_valid(row) {
                    grades[batch.variant.keys.value(row) as usize]
                } else {
                    0
                },
                reward: batch.reward.is_valid(row).then(|| batch.reward.value(row)),
            });
        }
        Ok(())
    }

    /// The item's number, a new one where it is new.
    fn number(&mut self, key: ItemKey, version: Symbol) -> Result<u32, TableError> {
        let first = *self.versions.entry(key.benchmark).or_insert(version);
        if first != version {
            let (a, b) = (self.table.symbols.name(first), self.table.symbols.name(version));
            let problem = format!("the table mixes versions {a} and {b} of its benchmark");
            return Err(self.table.conflict(self.path, &key, problem));
        }
        let next = self.table.items.len() as u32;
        let item = self.numbers.number(join_key(&key));
        if item == next {
            self.table.items.push(key);
        }
        Ok(item)
    }

    fn finish(mut self, info: RunInfo) -> Result<ItemTable, TableError> {
        for row in &self.rows {
            let key = &mut self.table.items[row.item as usize];
            let count = if row.side == Side::Chosen { &mut key.n_chosen } else { &mut key.n_rejected };
            *count = count.saturating_add(1);
        }
        let n_slots = place(&mut self.table.items);
        self.table.n_chars = vec![0; n_slots];
        self.table.grades = vec![0; n_slots];
        let mut run = RunColumn::absent(info, n_slots);
        for row in &self.rows {
            let key = &self.table.items[row.item as usize];
            let (begin, count) = match row.side {
                Side::Chosen => (0, key.n_chosen),
                Side::Rejected => (key.n_chosen, key.n_rejected),
            };
            let side = row.side.as_str();
            if row.response_index >= count {
                // n responses with distinct indices are 0..n, so an index beyond means a gap or a duplicate.
                let problem = format!("has {count} {side} responses, one of them with index {}", row.response_index);
                return Err(self.table.conflict(self.path, key, problem));
            }
            let slot = key.offset as usize + usize::from(begin) + usize::from(row.response_index);
            if std::mem::replace(&mut run.present[slot], true) {
                let problem = format!("{side} response {} occurs twice", row.response_index);
                return Err(self.table.conflict(self.path, key, problem));
            }
            run.rewards[slot] = row.reward;
            run.n_tokens[slot] = row.n_tokens;
            run.truncated[slot] = row.truncated;
            self.table.n_chars[slot] = row.n_chars;
            self.table.grades[slot] = row.grade;
        }
        self.table.runs.push(run);
        Ok(self.table)
    }
}

/// Gives each item its offset in order of the list; returns the number of response slots.
fn place(items: &mut [ItemKey]) -> usize {
    let mut next = 0;
    for key in items.iter_mut() {
        key.offset = next as u32;
        next += key.n_responses();
    }
    next
}

/// Items of the runs added so far, in order of first appearance.
#[derive(Default)]
struct Joined {
    table: ItemTable,
    numbers: Keys,
    /// The run (by position) each item was first seen in.
    first_run: Vec<u32>,
    paths: Vec<PathBuf>,
    /// Per run: its own items with the number of the joined item, and its columns in its own order.
    runs: Vec<(Vec<(u32, ItemKey)>, RunColumn)>,
}

impl Joined {
    fn add(&mut self, path: &Path, mut run: ItemTable) -> Result<(), TableError> {
        let symbols = self.table.symbols.intern_all(&run.symbols);
        let map = |symbol: Symbol| symbols[symbol.0 as usize];
        self.paths.push(path.to_owned());
        let mut items = Vec::with_capacity(run.items.len());
        for own in &run.items {
            let key = ItemKey {
                benchmark: map(own.benchmark),
                subset: map(own.subset),
                category: own.category.map(map),
                item: map(own.item),
                source: map(own.source),
                offset: self.table.n_chars.len() as u32,
                ..*own
            };
            let chars = &run.n_chars[own.offset as usize..][..own.n_responses()];
            let grades = &run.grades[own.offset as usize..][..own.n_responses()];
            let next = self.table.items.len() as u32;
            let number = self.numbers.number(join_key(&key));
            if number == next {
                self.table.items.push(key);
                self.table.n_chars.extend_from_slice(chars);
                self.table.grades.extend_from_slice(grades);
                self.first_run.push(self.paths.len() as u32 - 1);
            } else if let Some(problem) = self.disagreement(number as usize, &key, chars) {
                return Err(self.table.conflict(path, &key, problem));
            } else {
                // What an imported run does not know of lengths, another may; an item that is its own source has
                // none that its data named.
                let known = &mut self.table.items[number as usize];
                if known.source == known.item {
                    known.source = key.source;
                }
                let begin = known.offset as usize;
                for (known, own) in self.table.n_chars[begin..].iter_mut().zip(chars) {
                    *known = (*known).max(*own);
                }
            }
            items.push((number, *own));
        }
        if let Some(column) = run.runs.pop() {
            self.runs.push((items, column));
        }
        Ok(())
    }

    /// How an item differs from what an earlier run says of it.
    fn disagreement(&self, number: usize, key: &ItemKey, chars: &[u32]) -> Option<String> {
        let known = &self.table.items[number];
        let first = self.paths[self.first_run[number] as usize].display();
        let name = |symbol: Symbol| self.table.symbols.name(symbol);
        let counts = |key: &ItemKey| format!("{} chosen and {} rejected", key.n_chosen, key.n_rejected);
        if (known.n_chosen, known.n_rejected) != (key.n_chosen, key.n_rejected) {
            return Some(format!("has {} responses here but {} in `{first}`", counts(key), counts(known)));
        }
        if known.source != key.source && known.source != known.item && key.source != key.item {
            return Some(format!(
                "has source id `{}` here but `{}` in `{first}`",
                name(key.source),
                name(known.source)
            ));
        }
        if known.category != key.category {
            let category = |key: &ItemKey| key.category.map_or("none".to_owned(), |c| format!("`{}`", name(c)));
            return Some(format!("has category {} here but {} in `{first}`", category(key), category(known)));
        }
        let known_chars = &self.table.n_chars[known.offset as usize..][..known.n_responses()];
        let at = known_chars.iter().zip(chars).position(|(a, b)| a != b && *a > 0 && *b > 0)?;
        Some(format!("response {at} has {} characters here but {} in `{first}`", chars[at], known_chars[at]))
    }

    /// Sorts the items and lays every run's columns out in their order.
    fn finish(mut self) -> ItemTable {
        let ranks = self.table.symbols.ranks();
        let rank = |symbol: Symbol| ranks[symbol.0 as usize];
        let old = std::mem::take(&mut self.table.items);
        let mut order: Vec<u32> = (0..old.len() as u32).collect();
        order.par_sort_unstable_by_key(|&i| {
            let key = &old[i as usize];
            (rank(key.benchmark), rank(key.subset), key.lang, rank(key.item))
        });
        let mut items: Vec<ItemKey> = order.iter().map(|&i| old[i as usize]).collect();
        let n_slots = place(&mut items);
        let mut offsets = vec![0u32; old.len()];
        let mut n_chars = vec![0u32; n_slots];
        let mut grades = vec![0u8; n_slots];
        for (&i, key) in order.iter().zip(&items) {
            let before = &old[i as usize];
            offsets[i as usize] = key.offset;
            let n = key.n_responses();
            let (to, from) = (key.offset as usize, before.offset as usize);
            n_chars[to..][..n].copy_from_slice(&self.table.n_chars[from..][..n]);
            grades[to..][..n].copy_from_slice(&self.table.grades[from..][..n]);
        }
        let lay_out = |(own_items, own): (Vec<(u32, ItemKey)>, RunColumn)| {
            let mut run = RunColumn::absent(own.info, n_slots);
            for (number, key) in own_items {
                let (from, to) = (key.offset as usize, offsets[number as usize] as usize);
                let n = key.n_responses();
                run.rewards[to..to + n].copy_from_slice(&own.rewards[from..from + n]);
                run.n_tokens[to..to + n].copy_from_slice(&own.n_tokens[from..from + n]);
                run.truncated[to..to + n].copy_from_slice(&own.truncated[from..from + n]);
                run.present[to..to + n].copy_from_slice(&own.present[from..from + n]);
            }
            run
        };
        let runs = self.runs.into_par_iter().map(lay_out).collect();
        ItemTable { symbols: self.table.symbols, items, runs, n_chars, grades, ..ItemTable::default() }
    }
}
