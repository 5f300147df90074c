//! Source ids of translation data that name none.
//!
//! Of one source text there are several pairs of translations (A over B, B over C), each with an id of its own; taken
//! as independent, they would make intervals too narrow. A prompt holds the source text, so pairs with one prompt
//! are of one source, and so are pairs that share an id: source ids are the connected components of both.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::entry::Place;
use super::items::Known;
use crate::preference::Comparison;

/// Translation items whose data name no source.
#[derive(Debug, Default)]
pub struct Sources {
    /// Each item with the item that it is joined to: itself, or an earlier one.
    joined: Vec<(usize, usize)>,
    /// The first item of a prompt, and of an id, within a benchmark.
    first: HashMap<(Arc<str>, Names), usize>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Names {
    Prompt(String),
    Source(Arc<str>),
}

impl Sources {
    /// Takes item `number` if it is a translation.
    pub fn add(&mut self, number: usize, place: &Place, item: &Comparison) {
        let category = item.category.as_deref().unwrap_or(&place.benchmark);
        if !category.to_lowercase().contains("translation") {
            return;
        }
        let own = self.joined.len();
        self.joined.push((number, own));
        for name in [Names::Prompt(item.prompt.plain_text()), Names::Source(item.source.0.clone())] {
            let first = *self.first.entry((place.benchmark.clone(), name)).or_insert(own);
            let (a, b) = (self.root(first), self.root(own));
            // The earliest stands for all.
            self.joined[a.max(b)].1 = a.min(b);
        }
    }

    fn root(&self, mut at: usize) -> usize {
        while self.joined[at].1 != at {
            at = self.joined[at].1;
        }
        at
    }

    /// Gives each its source id, the id of the first item of its source; returns benchmark and source id of all.
    pub fn name(self, items: &mut [Known]) -> HashSet<(Arc<str>, Arc<str>)> {
        let mut all = HashSet::new();
        for (at, (number, _)) in self.joined.iter().enumerate() {
            let source = items[self.joined[self.root(at)].0].id.clone();
            all.insert((items[*number].place.benchmark.clone(), source.clone()));
            items[*number].source = source;
        }
        all
    }
}
