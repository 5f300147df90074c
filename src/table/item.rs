//! Items: score rows grouped by (benchmark, subset, language, item), for all runs at once.
//!
//! This is the only grouping code. Runs are aligned on the same items so that every comparison of
//! runs or languages can be paired; what a run did not score is absent, never zero.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::TableError;
use super::annotation::Annotations;
use super::judged::{JudgeCounts, Judged};
use crate::lang::Lang;
use crate::provenance::RunInfo;

/// A string by number; equal strings have equal numbers within one [`ItemTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub u32);

/// Two-way map between strings and [`Symbol`]s.
#[derive(Debug, Default, Clone)]
pub struct Symbols {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Symbols {
    pub fn intern(&mut self, name: &str) -> Symbol {
        if let Some(&number) = self.numbers.get(name) {
            return Symbol(number);
        }
        let shared: Arc<str> = name.into();
        let number = self.names.len() as u32;
        self.names.push(shared.clone());
        self.numbers.insert(shared, number);
        Symbol(number)
    }

    pub fn get(&self, name: &str) -> Option<Symbol> {
        self.numbers.get(name).map(|&n| Symbol(n))
    }

    pub fn name(&self, symbol: Symbol) -> &str {
        &self.names[symbol.0 as usize]
    }

    /// All names, by symbol number.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| name.as_ref())
    }

    /// The place of each symbol when names are sorted by their bytes.
    pub fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.names.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.names[a as usize].cmp(&self.names[b as usize]));
        let mut ranks = vec![0; order.len()];
        for (rank, symbol) in order.into_iter().enumerate() {
            ranks[symbol as usize] = rank as u32;
        }
        ranks
    }
}

/// What identifies an item and how many responses it has; shared by all runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ItemKey {
    pub benchmark: Symbol,
    pub subset: Symbol,
    /// The data file's own grouping, where it has one. Manifests may group subsets otherwise.
    pub category: Option<Symbol>,
    pub lang: Lang,
    pub item: Symbol,
    pub source: Symbol,
    pub n_chosen: u16,
    pub n_rejected: u16,
    /// Where this item's responses begin in every [`RunColumn`]: chosen first, then rejected.
    pub offset: u32,
}

impl ItemKey {
    pub fn n_responses(&self) -> usize {
        usize::from(self.n_chosen) + usize::from(self.n_rejected)
    }
}

/// One run's scores, aligned with the item table's response slots.
#[derive(Debug, Clone)]
pub struct RunColumn {
    pub info: RunInfo,
    /// Reward per response slot; `None` where this run has no reward.
    pub rewards: Vec<Option<f32>>,
    /// Tokens per response slot as this run's model saw it; 0 where the run has no row.
    pub n_tokens: Vec<u32>,
    pub truncated: Vec<bool>,
    /// Whether the run has a row for the slot at all.
    pub present: Vec<bool>,
    /// The judgments behind the rewards, where a judge made them and they were attached.
    pub judged: Option<Judged>,
}

impl RunColumn {
    /// A run that scored none of `n_slots` responses.
    pub fn absent(info: RunInfo, n_slots: usize) -> Self {
        Self {
            info,
            rewards: vec![None; n_slots],
            n_tokens: vec![0; n_slots],
            truncated: vec![false; n_slots],
            present: vec![false; n_slots],
            judged: None,
        }
    }
}

/// Items × runs.
#[derive(Debug, Clone, Default)]
pub struct ItemTable {
    pub symbols: Symbols,
    /// Sorted by (benchmark name, subset name, language, item id).
    pub items: Vec<ItemKey>,
    pub runs: Vec<RunColumn>,
    /// Characters per response slot (the text is the same for every run); 0: not known.
    pub n_chars: Vec<u32>,
    /// Gold grade per response slot, 0 where there is none; empty where nothing is graded.
    pub grades: Vec<u8>,
    /// What else is known of the items.
    pub annotations: Annotations,
    /// By run, where runs kept their hidden states.
    pub distances: BTreeMap<usize, RunDistances>,
}

/// How far items lie from a reference language in a model's hidden states.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDistances {
    pub reference: Lang,
    /// States that the reference was fitted to.
    pub n_fitted: usize,
    /// Of items that it was not fitted to: mean squared distance of the responses.
    pub by_item: BTreeMap<u32, f64>,
}

/// One item as one run scored it: what a metric sees.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub key: &'a ItemKey,
    pub chosen: &'a [Option<f32>],
    pub rejected: &'a [Option<f32>],
    pub chosen_chars: &'a [u32],
    pub rejected_chars: &'a [u32],
    /// Tokens as this run's model saw them, prompt included; 0: not known.
    pub chosen_tokens: &'a [u32],
    pub rejected_tokens: &'a [u32],
    /// Gold grades (0: none); empty where nothing is graded.
    pub chosen_grades: &'a [u8],
    pub rejected_grades: &'a [u8],
    /// In place of rewards, where a judge compared every chosen with every rejected response (k > 1): the mean vote of
    /// each pair, row by row of the chosen ones.
    pub pairs: Option<&'a [f32]>,
    /// The run has rows for it, with rewards or without.
    pub seen: bool,
    pub judged: Option<JudgedItem<'a>>,
}

/// What judgments say of one item.
#[derive(Debug, Clone, Copy)]
pub struct JudgedItem<'a> {
    pub counts: &'a JudgeCounts,
    /// Rewards of all responses, chosen first, at both bounds.
    pub worst: &'a [Option<f32>],
    pub best: &'a [Option<f32>],
    /// The same of pairs, where there are pairs.
    pub worst_pairs: Option<&'a [f32]>,
    pub best_pairs: Option<&'a [f32]>,
}

impl ItemTable {
    /// Item `index` as run `run` scored it.
    pub fn item(&self, run: usize, index: usize) -> Item<'_> {
        let key = &self.items[index];
        let begin = key.offset as usize;
        let middle = begin + usize::from(key.n_chosen);
        let end = begin + key.n_responses();
        let RunColumn { rewards, present, n_tokens, .. } = &self.runs[run];
        let judged = self.runs[run].judged.as_ref();
        let pairs = judged.and_then(|judged| judged.pairs.get(&(index as u32)));
        Item {
            key,
            chosen: &rewards[begin..middle],
            rejected: &rewards[middle..end],
            chosen_chars: &self.n_chars[begin..middle],
            rejected_chars: &self.n_chars[middle..end],
            chosen_tokens: &n_tokens[begin..middle],
            rejected_tokens: &n_tokens[middle..end],
            chosen_grades: self.grades.get(begin..middle).unwrap_or_default(),
            rejected_grades: self.grades.get(middle..end).unwrap_or_default(),
            pairs: pairs.map(|pairs| pairs.scored.as_slice()),
            seen: present[begin..end].contains(&true),
            judged: judged.map(|judged| JudgedItem {
                counts: &judged.counts[index],
                worst: &judged.worst[begin..end],
                best: &judged.best[begin..end],
                worst_pairs: pairs.map(|pairs| pairs.worst.as_slice()),
                best_pairs: pairs.map(|pairs| pairs.best.as_slice()),
            }),
        }
    }

    /// The error for an item that file `path` gets wrong.
    pub(super) fn conflict(&self, path: &Path, key: &ItemKey, problem: String) -> TableError {
        let name = |symbol: Symbol| self.symbols.name(symbol);
        let (benchmark, subset, id) = (name(key.benchmark), name(key.subset), name(key.item));
        let item = format!("item `{id}` ({}) of `{benchmark}`, subset `{subset}`", key.lang);
        TableError::Conflict { path: path.to_owned(), item, problem }
    }
}
