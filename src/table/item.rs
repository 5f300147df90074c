//! Items: score rows grouped by (benchmark, subset, language, item), for all runs at once.
//!
//! This is the only grouping code. Runs are aligned on the same items so that every comparison of
//! runs or languages can be paired; what a run did not score is absent, never zero.

use std::collections::BTreeMap;
use std::path::Path;

use super::TableError;
use super::annotation::Annotations;
use super::judged::Judged;
use crate::lang::Lang;
use crate::provenance::RunInfo;

pub use rmbench_contributions::item::{Item, JudgedItem, Place, View};
pub use rmbench_numbering::{Symbol, Symbols};

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

impl ItemTable {
    /// All that run `run` says.
    pub fn view(&self, run: usize) -> View<'_> {
        let RunColumn { rewards, n_tokens, truncated, present, judged, .. } = &self.runs[run];
        let (n_chars, grades, judged) = (self.n_chars.as_slice(), self.grades.as_slice(), judged.as_ref());
        View { rewards, n_tokens, truncated, present, n_chars, grades, judged }
    }

    pub fn place(&self, index: usize) -> Place {
        let ItemKey { n_chosen, n_rejected, offset, .. } = self.items[index];
        Place { item: index as u32, offset, n_chosen, n_rejected }
    }

    /// Item `index` as run `run` scored it.
    pub fn item(&self, run: usize, index: usize) -> Item<'_> {
        self.view(run).item(self.place(index))
    }

    /// The error for an item that file `path` gets wrong.
    pub(super) fn conflict(&self, path: &Path, key: &ItemKey, problem: String) -> TableError {
        let name = |symbol: Symbol| self.symbols.name(symbol);
        let (benchmark, subset, id) = (name(key.benchmark), name(key.subset), name(key.item));
        let item = format!("item `{id}` ({}) of `{benchmark}`, subset `{subset}`", key.lang);
        TableError::Conflict { path: path.to_owned(), item, problem }
    }
}
