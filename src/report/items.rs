//! The items behind the numbers, for the browser in the page: which run is right about which item, by how
//! much and, where the data are at hand, what the item says.
//!
//! The score table has no texts. [`Texts`] takes them from whoever reads the benchmark's data, up to a
//! budget, and keeps those of the items that runs disagree about most.

use std::collections::{BTreeMap, HashMap};

use crate::lang::Lang;
use crate::lang::confusion::{Confusion, judge, looks_english};
use crate::lang::identify::Identify;
use crate::metric::observe::{NO_LABEL, WIN, labels_of_items};
use crate::metric::style::{self, COUNT, PROPERTIES};
use crate::preference::{Comparison, Response};
use crate::random;
use crate::table::item::{ItemTable, Symbol};

/// What a page shows of a table's items.
#[derive(Debug)]
pub struct Items<'a> {
    pub table: &'a ItemTable,
    /// Indices into the table's items, in its order.
    pub kept: Vec<usize>,
    /// `None`: nobody asked for texts.
    pub texts: Option<Texts>,
}

impl<'a> Items<'a> {
    /// At most `limit` items: those that runs disagree about most.
    pub fn of(table: &'a ItemTable, limit: usize) -> Self {
        let mut kept = by_interest(table);
        kept.truncate(limit);
        kept.sort_unstable();
        Self { table, kept, texts: None }
    }

    pub fn with_texts(mut self, texts: Option<Texts>) -> Self {
        self.texts = texts;
        self
    }
}

/// All items, those first about which as many runs are right as are not. A single run is most interesting
/// where it is wrong. Equals come in an order that does not depend on language or subset.
fn by_interest(table: &ItemTable) -> Vec<usize> {
    let all: Vec<usize> = (0..table.items.len()).collect();
    let labels = labels_of_items(table, &all);
    let interest = |item: usize| {
        let (mut right, mut other) = (0, 0);
        for run in &labels {
            match run[item] {
                NO_LABEL => {}
                WIN => right += 1,
                _ => other += 1,
            }
        }
        if table.runs.len() == 1 { other } else { std::cmp::min(right, other) }
    };
    let draws = random::permutation(table.items.len(), 0, "items", "");
    let mut place = vec![0; draws.len()];
    for (at, item) in draws.into_iter().enumerate() {
        place[item] = at;
    }
    let mut order: Vec<(usize, usize)> = (0..table.items.len()).map(|item| (interest(item), item)).collect();
    order.sort_unstable_by_key(|(interest, item)| (std::cmp::Reverse(*interest), place[*item]));
    order.into_iter().map(|(_, item)| item).collect()
}

/// What an item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemText {
    /// Role and text of each turn.
    pub prompt: Vec<(&'static str, String)>,
    /// Chosen first, then rejected.
    pub responses: Vec<String>,
}

impl ItemText {
    fn of(comparison: &Comparison) -> Self {
        Self {
            prompt: comparison.prompt.0.iter().map(|turn| (turn.role.as_str(), turn.content.clone())).collect(),
            responses: comparison.responses().map(|response| response.text.clone()).collect(),
        }
    }

    fn bytes(&self) -> usize {
        self.prompt.iter().map(|(_, text)| text).chain(&self.responses).map(String::len).sum()
    }
}

/// Mean over the chosen responses less mean over the rejected ones, by property.
fn differences(comparison: &Comparison) -> [f64; COUNT] {
    let mean = |responses: &[Response]| {
        let mut sums = [0.0; COUNT];
        for response in responses {
            let own = style::of(&response.text, comparison.lang);
            sums.iter_mut().zip(own).for_each(|(sum, value)| *sum += value / responses.len() as f64);
        }
        sums
    };
    let (chosen, rejected) = (mean(&comparison.chosen), mean(&comparison.rejected));
    std::array::from_fn(|at| chosen[at] - rejected[at])
}

/// Whether the chosen and the rejected responses are in the item's language.
fn confusion(comparison: &Comparison, identifier: &dyn Identify) -> [Confusion; 2] {
    [&comparison.chosen, &comparison.rejected].map(|responses| {
        let mut all = Confusion::default();
        let judged = |response: &Response| judge(&response.text, comparison.lang, identifier, &looks_english);
        responses.iter().for_each(|response| all.add(judged(response)));
        all
    })
}

/// What became of an offered text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is an item of the table (kept, if the budget reaches so far).
    Known,
    /// No run scored such an item.
    Unknown,
    /// There is such an item, but its responses have other lengths: other data under the same name.
    Differs,
}

/// Texts by item, as many as a budget of bytes allows, the most interesting first.
#[derive(Debug)]
pub struct Texts {
    budget: usize,
    used: usize,
    /// By place in the order of interest.
    kept: BTreeMap<usize, (usize, ItemText)>,
    keys: HashMap<(Symbol, Symbol, Lang, Symbol), usize>,
    /// By item: its place in the order of interest.
    places: Vec<usize>,
    /// Items of the table whose text was offered.
    pub n_known: usize,
    /// By item: what the chosen responses have more of than the rejected ones, property by property.
    differences: BTreeMap<usize, [f64; COUNT]>,
    /// What tells the language of a line; without, nobody asks.
    identifier: Option<Box<dyn Identify>>,
    confusion: BTreeMap<usize, [Confusion; 2]>,
    /// How far apart the data put the two sides, where they say so.
    margins: BTreeMap<usize, f64>,
}

impl Texts {
    /// Room for `budget` bytes of UTF-8.
    pub fn new(table: &ItemTable, budget: usize) -> Self {
        let mut places = vec![0; table.items.len()];
        for (place, item) in by_interest(table).into_iter().enumerate() {
            places[item] = place;
        }
        let key =
            |(i, key): (usize, &crate::table::item::ItemKey)| ((key.benchmark, key.subset, key.lang, key.item), i);
        let keys = table.items.iter().enumerate().map(key).collect();
        Self {
            budget,
            used: 0,
            kept: BTreeMap::new(),
            keys,
            places,
            n_known: 0,
            differences: BTreeMap::new(),
            identifier: None,
            confusion: BTreeMap::new(),
            margins: BTreeMap::new(),
        }
    }

    /// Also asks which responses are in their item's language.
    pub fn with_identifier(self, identifier: Option<Box<dyn Identify>>) -> Self {
        Self { identifier, ..self }
    }

    /// Takes what `comparison` of `benchmark` says, where the table has that very item: the number of
    /// responses and their lengths in characters must be those that were scored.
    pub fn offer(&mut self, table: &ItemTable, benchmark: &str, comparison: &Comparison) -> Offer {
        let symbol = |name: &str| table.symbols.get(name);
        let key = (symbol(benchmark), symbol(comparison.subset.as_str()), symbol(comparison.id.as_str()));
        let (Some(benchmark), Some(subset), Some(id)) = key else { return Offer::Unknown };
        let Some(&item) = self.keys.get(&(benchmark, subset, comparison.lang, id)) else { return Offer::Unknown };
        let key = &table.items[item];
        let sides = (comparison.chosen.len(), comparison.rejected.len());
        let scored = &table.n_chars[key.offset as usize..][..key.n_responses()];
        let lengths = comparison.responses().map(|response| response.text.chars().count() as u64);
        if sides != (usize::from(key.n_chosen), usize::from(key.n_rejected))
            // 0: a length that is not known.
            || !lengths.zip(scored).all(|(found, n)| *n == 0 || found == u64::from(*n))
        {
            return Offer::Differs;
        }
        self.differences.insert(item, differences(comparison));
        if let Some(margin) = comparison.margin.filter(|margin| margin.is_finite()) {
            self.margins.insert(item, margin);
        }
        if let Some(identifier) = self.identifier.as_deref().filter(|identifier| identifier.knows(comparison.lang)) {
            self.confusion.insert(item, confusion(comparison, identifier));
        }
        let text = ItemText::of(comparison);
        let bytes = text.bytes();
        if let Some((_, before)) = self.kept.insert(self.places[item], (item, text)) {
            self.used -= before.bytes();
        } else {
            self.n_known += 1;
        }
        self.used += bytes;
        while self.used > self.budget
            && let Some((_, (_, least))) = self.kept.pop_last()
        {
            self.used -= least.bytes();
        }
        Offer::Known
    }

    /// Hands what was counted in the texts to the table's annotations; the budget does not limit it.
    pub fn annotate(&self, table: &mut ItemTable) {
        let annotations = &mut table.annotations;
        // What a file says of a property of the same name wins.
        let known = annotations.properties.clone();
        let new = PROPERTIES.iter().enumerate().filter(|(_, (name, _))| !known.iter().any(|known| known == name));
        let places: Vec<(usize, usize)> = new.map(|(own, (name, _))| (own, annotations.property(name))).collect();
        for (item, differences) in &self.differences {
            for (own, property) in &places {
                annotations.set_difference(*item as u32, *property, differences[*own]);
            }
        }
        for (item, margin) in &self.margins {
            if annotations.strength(*item).is_none() {
                annotations.set_strength(*item as u32, *margin);
            }
        }
        annotations.identifier = self.identifier.as_ref().map(|identifier| identifier.name().to_owned());
        for (item, sides) in &self.confusion {
            annotations.set_confusion(*item as u32, *sides);
        }
    }

    /// The texts that are kept, by item.
    pub fn by_item(&self) -> BTreeMap<usize, &ItemText> {
        self.kept.values().map(|(item, text)| (*item, text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::Conversation;
    use crate::provenance::RunInfo;
    use crate::table::item::{ItemKey, RunColumn};

    /// Items of one chosen and one rejected response of 4 characters, and what each run gives them.
    fn table(rewards: &[&[(f32, f32)]]) -> ItemTable {
        let mut table = ItemTable::default();
        let [benchmark, subset] = ["bench", "all"].map(|name| table.symbols.intern(name));
        for i in 0..rewards[0].len() {
            let item = table.symbols.intern(&format!("item {i}"));
            let (source, offset) = (item, 2 * i as u32);
            let (lang, category) = (Lang::ENGLISH, None);
            table.items.push(ItemKey {
                benchmark,
                subset,
                category,
                lang,
                item,
                source,
                n_chosen: 1,
                n_rejected: 1,
                offset,
            });
        }
        table.n_chars = vec![4; 2 * rewards[0].len()];
        for run in rewards {
            let mut column = RunColumn::absent(RunInfo::of_this_binary("run", "mock", "mock"), table.n_chars.len());
            column.rewards = run.iter().flat_map(|(chosen, rejected)| [Some(*chosen), Some(*rejected)]).collect();
            table.runs.push(column);
        }
        table
    }

    fn comparison(id: &str, chosen: &str) -> Comparison {
        Comparison {
            id: id.into(),
            source: id.into(),
            lang: Lang::ENGLISH,
            subset: "all".into(),
            category: None,
            prompt: Conversation::from_prompt("why"),
            chosen: vec![Response::new(chosen)],
            rejected: vec![Response::new("nope")],
            margin: None,
            evidence: Default::default(),
            row: 0,
        }
    }

    #[test]
    fn disagreement_comes_first_and_a_single_runs_mistakes() {
        let agreed_disputed_agreed = [&[(1.0, 0.0), (1.0, 0.0), (0.0, 1.0)][..], &[(1.0, 0.0), (0.0, 1.0), (0.0, 1.0)]];
        let two = table(&agreed_disputed_agreed);
        assert_eq!(by_interest(&two)[0], 1);
        assert_eq!(Items::of(&two, 1).kept, [1]);
        let one = table(&[&[(1.0, 0.0), (0.0, 0.0), (1.0, 0.0)]]);
        assert_eq!(Items::of(&one, 1).kept, [1], "a tie is not right");
    }

    #[test]
    fn texts_are_taken_where_the_item_is_the_scored_one() {
        let table = table(&[&[(1.0, 0.0), (0.0, 1.0)]]);
        let mut texts = Texts::new(&table, 1000);
        assert_eq!(texts.offer(&table, "bench", &comparison("item 0", "good")), Offer::Known);
        assert_eq!(texts.offer(&table, "bench", &comparison("item 0", "good")), Offer::Known);
        assert_eq!(texts.offer(&table, "bench", &comparison("item 1", "longer")), Offer::Differs);
        assert_eq!(texts.offer(&table, "other", &comparison("item 1", "good")), Offer::Unknown);
        assert_eq!(texts.offer(&table, "bench", &comparison("item 7", "good")), Offer::Unknown);
        let kept = texts.by_item();
        assert_eq!(
            (texts.n_known, kept.len(), kept[&0].responses.as_slice()),
            (1, 1, &["good".into(), "nope".into()][..])
        );
    }

    #[test]
    fn a_small_budget_keeps_the_interesting() {
        let table = table(&[&[(1.0, 0.0), (0.0, 1.0), (1.0, 0.0)]]);
        // Each text has 11 bytes.
        let mut texts = Texts::new(&table, 15);
        for id in ["item 0", "item 1", "item 2"] {
            texts.offer(&table, "bench", &comparison(id, "good"));
        }
        assert_eq!((texts.n_known, texts.by_item().keys().copied().collect::<Vec<_>>()), (3, vec![1]));
    }
}
