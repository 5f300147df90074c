//! Items as one run scored them.

use crate::judged::{JudgeCounts, Judged};

/// Where an item's responses lie among the slots of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Place in the item table.
    pub item: u32,
    /// The first response's slot: chosen first, then rejected.
    pub offset: u32,
    pub n_chosen: u16,
    pub n_rejected: u16,
}

/// One item as one run scored it: what a metric sees.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
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

/// All that one run says, by response slot.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub rewards: &'a [Option<f32>],
    pub n_tokens: &'a [u32],
    pub truncated: &'a [bool],
    pub present: &'a [bool],
    pub n_chars: &'a [u32],
    /// Empty where nothing is graded.
    pub grades: &'a [u8],
    pub judged: Option<&'a Judged>,
}

impl<'a> View<'a> {
    /// The slots of an item.
    pub fn slots(&self, place: Place) -> std::ops::Range<usize> {
        let begin = place.offset as usize;
        begin..begin + usize::from(place.n_chosen) + usize::from(place.n_rejected)
    }

    /// Whether a response was truncated.
    pub fn is_truncated(&self, place: Place) -> bool {
        self.truncated[self.slots(place)].contains(&true)
    }

    pub fn item(&self, place: Place) -> Item<'a> {
        let (begin, end) = (place.offset as usize, self.slots(place).end);
        let middle = begin + usize::from(place.n_chosen);
        let pairs = self.judged.and_then(|judged| judged.pairs.get(&place.item));
        Item {
            chosen: &self.rewards[begin..middle],
            rejected: &self.rewards[middle..end],
            chosen_chars: &self.n_chars[begin..middle],
            rejected_chars: &self.n_chars[middle..end],
            chosen_tokens: &self.n_tokens[begin..middle],
            rejected_tokens: &self.n_tokens[middle..end],
            chosen_grades: self.grades.get(begin..middle).unwrap_or_default(),
            rejected_grades: self.grades.get(middle..end).unwrap_or_default(),
            pairs: pairs.map(|pairs| pairs.scored.as_slice()),
            seen: self.present[begin..end].contains(&true),
            judged: self.judged.map(|judged| JudgedItem {
                counts: &judged.counts[place.item as usize],
                worst: &judged.worst[begin..end],
                best: &judged.best[begin..end],
                worst_pairs: pairs.map(|pairs| pairs.worst.as_slice()),
                best_pairs: pairs.map(|pairs| pairs.best.as_slice()),
            }),
        }
    }
}
