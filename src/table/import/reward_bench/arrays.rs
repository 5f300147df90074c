//! RewardBench's parallel arrays: what each item says, and what it is called.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::super::columns::Rewards;
use super::super::object::{self, Object};
use super::super::{ImportError, outcome};
use super::TIES;

pub struct Arrays<'a> {
    pub ids: Option<&'a [Value]>,
    pub subsets: Vec<String>,
    scores: Option<&'a [Value]>,
    chosen: Option<&'a [Value]>,
    rejected: Option<&'a [Value]>,
    results: Option<&'a [Value]>,
    right: Option<&'a [Value]>,
    /// Of v2 a list per item, of v1 one per side.
    texts: [Option<&'a [Value]>; 3],
}

/// What one item says.
pub enum Reading {
    /// Of which some may be missing.
    Scores(Rewards),
    Outcome(Rewards),
    /// An item of Ties without the number of right responses.
    Uncounted,
    Nothing,
}

impl<'a> Arrays<'a> {
    pub fn of(object: &'a Object, path: &Path) -> Result<Arrays<'a>, ImportError> {
        let subsets = object.get("subset").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let column = |key: &str| object::column(object, key, subsets.len(), path);
        let file = Arrays {
            ids: column("id")?,
            subsets: subsets.iter().map(|s| s.as_str().unwrap_or("all").to_owned()).collect(),
            scores: column("scores")?,
            chosen: column("scores_chosen")?,
            rejected: column("scores_rejected")?,
            results: column("results")?,
            right: column("num_correct")?,
            texts: [column("text")?, column("text_chosen")?, column("text_rejected")?],
        };
        if !file.has_scores() && file.results.is_none() {
            return Err(ImportError::not_this(path, "has neither scores nor results", "its arrays stand side by side"));
        }
        Ok(file)
    }

    pub fn has_scores(&self) -> bool {
        self.scores.is_some() || self.chosen.is_some()
    }

    /// The item's conversations, as far as they are texts.
    pub fn texts(&self, i: usize) -> Vec<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let found: Option<Vec<String>> = match self.texts.map(|texts| texts.map(|texts| &texts[i])) {
            [Some(Value::Array(all)), _, _] => all.iter().map(text).collect(),
            [_, Some(chosen), Some(rejected)] => [chosen, rejected].into_iter().map(text).collect(),
            _ => None,
        };
        found.unwrap_or_default()
    }

    /// What item `i` says; `Err`: a score that is none.
    pub fn read(&self, i: usize) -> Result<Reading, String> {
        let right = self.right.and_then(|right| object::number(&right[i]));
        let all = |scores: &[Value]| scores.iter().map(object::score).collect::<Result<Vec<_>, _>>();
        let rewards: Rewards = match (self.scores.map(|scores| &scores[i]), self.chosen, self.rejected) {
            (Some(Value::Array(_)), _, _) if right.is_none() && self.subsets[i] == TIES => {
                return Ok(Reading::Uncounted);
            }
            (Some(Value::Array(scores)), _, _) => {
                let right = right.map_or(1, |n| n.max(0.0) as usize);
                if right == 0 || right >= scores.len() {
                    return Ok(Reading::Nothing);
                }
                let (chosen, rejected) = scores.split_at(right);
                (all(chosen)?, all(rejected)?)
            }
            (_, Some(chosen), Some(rejected)) => (all(&chosen[i..=i])?, all(&rejected[i..=i])?),
            _ => return Ok(self.outcome(i, 3).map_or(Reading::Nothing, Reading::Outcome)),
        };
        if rewards.0.iter().chain(&rewards.1).all(Option::is_some) {
            return Ok(Reading::Scores(rewards));
        }
        let rejected = rewards.1.len();
        Ok(self.outcome(i, rejected).map_or(Reading::Scores(rewards), Reading::Outcome))
    }

    /// An item's result, where it says something.
    fn outcome(&self, i: usize, rejected: usize) -> Option<Rewards> {
        let result = self.results.and_then(|results| object::amount(&results[i]))?;
        if self.right.is_none() && self.scores.is_none() {
            return outcome::pair(result).map(|(chosen, rejected)| (vec![Some(chosen)], vec![Some(rejected)]));
        }
        // The results of Ties are those of best-of-N, which means nothing there.
        if self.subsets[i] == TIES {
            return None;
        }
        let (chosen, others) = outcome::best_of(result, rejected)?;
        Some((vec![Some(chosen)], others.into_iter().map(Some).collect()))
    }
}

/// What an item is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Id {
    pub name: String,
    /// By the file, and not by its position.
    pub usable: bool,
}

/// Ids as text; those that repeat within a subset are mended or replaced by positions, with a note.
pub fn ids_of(ids: Option<&[Value]>, subsets: &[String]) -> (Vec<Id>, Vec<String>) {
    let mut notes = Vec::new();
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, subset) in subsets.iter().enumerate() {
        places.entry(subset).or_default().push(i);
    }
    let given = |i: usize| ids.and_then(|ids| object::name(&ids[i]));
    let named = |i: usize| Id { name: given(i).unwrap_or_default(), usable: true };
    let mut out: Vec<Id> = (0..subsets.len()).map(named).collect();
    if ids.is_none() {
        notes.push("without ids: items are named by subset and position".to_owned());
    }
    for (subset, own) in places {
        let distinct = |out: &[Id]| {
            let mut names: Vec<&str> = own.iter().map(|i| out[*i].name.as_str()).collect();
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1]) && names.iter().all(|name| !name.is_empty())
        };
        if distinct(&out) {
            continue;
        }
        let first: Vec<&str> = own.iter().take(10).map(|i| out[*i].name.as_str()).collect();
        let expected: Vec<String> = (30..40).map(|n| n.to_string()).collect();
        if first == expected {
            let mut mended = out.clone();
            for (number, i) in own.iter().take(10).enumerate() {
                mended[*i].name = number.to_string();
            }
            if distinct(&mended) {
                out = mended;
                notes.push(format!("the first ten ids of {subset} read 30-39; they are 0-9"));
                continue;
            }
        }
        for (number, i) in own.iter().enumerate() {
            out[*i] = Id { name: format!("{subset}-{number}"), usable: false };
        }
        if ids.is_some() {
            notes.push(format!("ids of {subset} repeat: its items are named by position"));
        }
    }
    (out, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ids: Option<&[Value]>, subsets: &[String]) -> (Vec<String>, Vec<String>) {
        let (ids, notes) = ids_of(ids, subsets);
        (ids.into_iter().map(|id| id.name).collect(), notes)
    }

    #[test]
    fn the_known_fault_of_ids_is_mended_and_others_are_replaced() {
        let subsets = vec!["Factuality".to_owned(); 45];
        let faulty: Vec<Value> = (30..40).chain(10..45).map(|n: i32| Value::from(n.to_string())).collect();
        let (ids, notes) = names(Some(&faulty), &subsets);
        assert_eq!(ids, (0..45).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(notes, ["the first ten ids of Factuality read 30-39; they are 0-9"]);
        let same: Vec<Value> = vec![Value::from(7); 2];
        let (ids, notes) = names(Some(&same), &["a".to_owned(), "a".to_owned()]);
        assert_eq!((ids, notes.len()), (vec!["a-0".to_owned(), "a-1".to_owned()], 1));
        let (ids, notes) = names(Some(&same), &["a".to_owned(), "b".to_owned()]);
        assert_eq!((ids, notes.len()), (vec!["7".to_owned(), "7".to_owned()], 0));
    }
}
