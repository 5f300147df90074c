//! What is known of items beside the preference itself: votes, opinions of single people, properties of responses.
//!
//! It comes from files of its own ([`read`]) or from the items' texts, and lies beside the rewards of an
//! [`ItemTable`](super::item::ItemTable); rewards never depend on it.

pub mod read;

use std::collections::BTreeMap;

use crate::lang::confusion::Confusion;

/// How many people prefer the chosen response, the rejected one, neither.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Votes {
    pub chosen: f64,
    pub rejected: f64,
    pub neither: f64,
}

impl Votes {
    fn add(&mut self, more: Votes) {
        self.chosen += more.chosen;
        self.rejected += more.rejected;
        self.neither += more.neither;
    }

    /// The share that prefers the chosen response; who prefers neither counts half for each side. `None` without
    /// votes.
    pub fn share(&self) -> Option<f64> {
        let n = self.chosen + self.rejected + self.neither;
        (n > 0.0).then(|| (self.chosen + self.neither / 2.0) / n)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Chosen,
    Rejected,
    Neither,
}

/// What one person says of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opinion {
    /// Place in the item table.
    pub item: u32,
    /// Place in [`Annotations::annotators`].
    pub annotator: u32,
    /// Place in [`Annotations::groups`].
    pub group: Option<u32>,
    pub choice: Choice,
}

/// A file that was read: how many of its rows name an item of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationFile {
    pub name: String,
    pub digest: String,
    pub rows: usize,
    pub matched: usize,
}

/// Annotations of one item table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations {
    pub files: Vec<AnnotationFile>,
    /// As files total them.
    votes: BTreeMap<u32, Votes>,
    /// As opinions of single people add up.
    voices: BTreeMap<u32, Votes>,
    /// By item: how far apart people put its two sides; comparable within a subset.
    strengths: BTreeMap<u32, f64>,
    /// In order of files and rows.
    pub opinions: Vec<Opinion>,
    pub annotators: Vec<String>,
    /// Countries or the like.
    pub groups: Vec<String>,
    /// Names of properties of responses.
    pub properties: Vec<String>,
    /// Who wrote responses, and by item which of them the chosen and the rejected ones.
    pub authors: Vec<String>,
    written: BTreeMap<u32, [u32; 2]>,
    /// What told the languages of responses, where something did.
    pub identifier: Option<String>,
    /// By item: whether its chosen and its rejected responses are in its language.
    confusion: BTreeMap<u32, [Confusion; 2]>,
    /// By item and property: what the chosen response has more of it than the rejected one; NaN where not known.
    differences: BTreeMap<u32, Vec<f64>>,
}

impl Annotations {
    pub fn is_empty(&self) -> bool {
        let says_nothing = self.opinions.is_empty() && self.properties.is_empty() && self.written.is_empty();
        self.votes.is_empty() && self.strengths.is_empty() && says_nothing
    }

    /// Adds votes to those that the item has.
    pub fn add_votes(&mut self, item: u32, votes: Votes) {
        self.votes.entry(item).or_default().add(votes);
    }

    /// Adds one opinion, which is one vote, too, where no file totals the item's votes: totals are likely to hold it.
    pub fn add_opinion(&mut self, opinion: Opinion) {
        let mut vote = Votes::default();
        match opinion.choice {
            Choice::Chosen => vote.chosen = 1.0,
            Choice::Rejected => vote.rejected = 1.0,
            Choice::Neither => vote.neither = 1.0,
        }
        self.voices.entry(opinion.item).or_default().add(vote);
        self.opinions.push(opinion);
    }

    /// The place of a property, which is added where it is new.
    pub fn property(&mut self, name: &str) -> usize {
        if let Some(at) = self.properties.iter().position(|known| known == name) {
            return at;
        }
        self.properties.push(name.to_owned());
        self.properties.len() - 1
    }

    pub fn set_difference(&mut self, item: u32, property: usize, difference: f64) {
        let known = self.differences.entry(item).or_default();
        if known.len() <= property {
            known.resize(property + 1, f64::NAN);
        }
        known[property] = difference;
    }

    /// How far apart people put an item's sides.
    pub fn set_strength(&mut self, item: u32, strength: f64) {
        self.strengths.insert(item, strength);
    }

    pub fn strength(&self, item: usize) -> Option<f64> {
        self.strengths.get(&u32::try_from(item).ok()?).copied()
    }

    /// Whether an item's chosen and rejected responses are in its language.
    pub fn set_confusion(&mut self, item: u32, sides: [Confusion; 2]) {
        self.confusion.insert(item, sides);
    }

    /// `None` where nothing told the language.
    pub fn confusion(&self, item: usize) -> Option<[Confusion; 2]> {
        self.confusion.get(&u32::try_from(item).ok()?).copied()
    }

    /// Places in [`Annotations::authors`].
    pub fn set_authors(&mut self, item: u32, authors: [u32; 2]) {
        self.written.insert(item, authors);
    }

    /// Who wrote the chosen and the rejected responses; `None` where one of them is not known.
    pub fn written_by(&self, item: usize) -> Option<[u32; 2]> {
        self.written.get(&u32::try_from(item).ok()?).copied()
    }

    pub fn votes(&self, item: usize) -> Option<Votes> {
        let item = u32::try_from(item).ok()?;
        self.votes.get(&item).or_else(|| self.voices.get(&item)).copied()
    }

    /// Items with totals of votes and with opinions, which are not counted into them.
    pub fn n_totalled_opinions(&self) -> usize {
        self.voices.keys().filter(|item| self.votes.contains_key(item)).count()
    }

    /// By property; `None` where one of them is not known.
    pub fn differences(&self, item: usize) -> Option<&[f64]> {
        let known = self.differences.get(&u32::try_from(item).ok()?)?;
        (known.len() == self.properties.len() && known.iter().all(|d| d.is_finite())).then_some(known)
    }

    /// One property of one item.
    pub fn difference(&self, item: usize, property: usize) -> Option<f64> {
        let known = self.differences.get(&u32::try_from(item).ok()?)?;
        known.get(property).copied().filter(|d| d.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_add_up_and_opinions_are_votes_where_there_are_no_totals() {
        let mut all = Annotations::default();
        let opinion = |item, choice| Opinion { item, annotator: 0, group: None, choice };
        all.add_votes(3, Votes { chosen: 2.0, rejected: 1.0, neither: 0.0 });
        all.add_votes(3, Votes { chosen: 0.0, rejected: 0.0, neither: 1.0 });
        // The same people's opinions beside the totals are not counted twice, in whatever order files come.
        all.add_opinion(opinion(3, Choice::Rejected));
        all.add_opinion(opinion(4, Choice::Chosen));
        all.add_opinion(opinion(4, Choice::Neither));
        assert_eq!(all.votes(3).unwrap().share(), Some(2.5 / 4.0));
        assert_eq!(all.votes(4).unwrap().share(), Some(1.5 / 2.0));
        assert_eq!((all.n_totalled_opinions(), all.opinions.len()), (1, 3));
        assert_eq!((all.votes(2), Votes::default().share()), (None, None));
    }

    #[test]
    fn an_item_has_differences_where_all_properties_are_known() {
        let mut all = Annotations::default();
        let (a, b) = (all.property("a"), all.property("b"));
        all.set_difference(1, b, 2.0);
        assert_eq!((all.differences(1), all.difference(1, b), all.difference(1, a)), (None, Some(2.0), None));
        all.set_difference(1, a, -1.0);
        assert_eq!(all.differences(1), Some(&[-1.0, 2.0][..]));
        assert_eq!(all.property("a"), a);
    }
}
