//! Imported items on their way to score rows.

use std::collections::HashSet;
use std::sync::Arc;

use super::ImportError;
use crate::lang::Lang;
use crate::table::score::{ScoreRow, Side};

/// One response as another tool scored it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// `None`: the tool gave none.
    pub reward: Option<f64>,
    /// The order of a judgment, the style of a response.
    pub variant: Option<Arc<str>>,
    /// 0: not known.
    pub n_chars: u32,
}

impl Answer {
    pub fn of(reward: Option<f64>) -> Self {
        Self { reward, ..Self::default() }
    }

    /// One of a judge's two readings of a response.
    pub fn is_of_an_order(&self) -> bool {
        self.variant.as_deref().is_some_and(|variant| variant.starts_with(ORDER))
    }
}

/// What variants of judgments in two orders begin with.
pub const ORDER: &str = "order-";

/// One item as another tool scored it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub lang: Lang,
    pub subset: Arc<str>,
    pub category: Option<Arc<str>>,
    pub id: Arc<str>,
    pub source: Arc<str>,
    pub chosen: Vec<Answer>,
    pub rejected: Vec<Answer>,
}

/// The benchmark that entries belong to, as score tables name it.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub benchmark: Arc<str>,
    pub version: Arc<str>,
}

impl Entry {
    fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.chosen.iter().chain(&self.rejected)
    }

    pub fn n_responses(&self) -> usize {
        self.chosen.len() + self.rejected.len()
    }

    /// Every response has a reward.
    pub fn is_complete(&self) -> bool {
        self.answers().all(|answer| answer.reward.is_some())
    }

    /// Its responses were judged in one or both orders.
    pub fn in_orders(&self) -> bool {
        self.answers().any(Answer::is_of_an_order)
    }

    /// Its rows; `n_close` is raised where rewards that differ are the same 32-bit number. `Err`: a reward that is
    /// beyond these.
    pub fn rows(&self, place: &Place, n_close: &mut usize) -> Result<Vec<ScoreRow>, f64> {
        let all: Vec<Option<f64>> = self.answers().map(|answer| answer.reward).collect();
        if let Some(beyond) = all.iter().flatten().find(|reward| !(**reward as f32).is_finite()) {
            return Err(*beyond);
        }
        let (rewards, close) = narrowed(&all);
        *n_close += usize::from(close);
        let sides = [(Side::Chosen, &self.chosen), (Side::Rejected, &self.rejected)];
        let answers = sides.into_iter().flat_map(|(side, answers)| answers.iter().enumerate().map(move |a| (side, a)));
        let row = |((side, (index, answer)), reward): ((Side, (usize, &Answer)), Option<f32>)| ScoreRow {
            benchmark: place.benchmark.clone(),
            benchmark_version: place.version.clone(),
            subset: self.subset.clone(),
            category: self.category.clone(),
            lang: self.lang,
            item_id: self.id.clone(),
            source_id: self.source.clone(),
            side,
            response_index: u16::try_from(index).unwrap_or(u16::MAX),
            variant: answer.variant.clone(),
            n_chars: answer.n_chars,
            n_tokens: 0,
            truncated: false,
            reward,
            log_probs: None,
        };
        Ok(answers.zip(rewards).map(row).collect())
    }
}

/// Rewards as 32-bit numbers in the order of the 64-bit ones: of two that differ and round to the same,
/// the larger becomes the next number. The flag says whether that happened.
fn narrowed(rewards: &[Option<f64>]) -> (Vec<Option<f32>>, bool) {
    let mut distinct: Vec<f64> = rewards.iter().flatten().copied().filter(|r| !r.is_nan()).collect();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    let mut narrow: Vec<(f64, f32)> = Vec::with_capacity(distinct.len());
    let mut moved = false;
    for wide in distinct {
        let mut own = wide as f32;
        if let Some((_, before)) = narrow.last()
            && own <= *before
        {
            own = before.next_up();
            moved = true;
        }
        narrow.push((wide, own));
    }
    let find = |wide: f64| narrow.iter().find(|(w, _)| *w == wide).map(|(_, own)| *own);
    (rewards.iter().map(|reward| reward.and_then(find)).collect(), moved)
}

/// Refuses items that occur twice: their rows could not be told apart.
pub fn refuse_repeated(model: &str, entries: &[(Place, Entry)]) -> Result<(), ImportError> {
    let mut seen = HashSet::new();
    for (place, entry) in entries {
        if !seen.insert((&place.benchmark, &entry.subset, entry.lang, &entry.id)) {
            return Err(ImportError::Repeated {
                model: model.to_owned(),
                item: entry.id.to_string(),
                subset: entry.subset.to_string(),
                lang: entry.lang,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_beyond_32_bits_are_no_rewards() {
        let entry = |reward: f64| Entry {
            lang: Lang::ENGLISH,
            subset: "s".into(),
            category: None,
            id: "1".into(),
            source: "1".into(),
            chosen: vec![Answer::of(Some(reward))],
            rejected: vec![Answer::of(Some(-3e38))],
        };
        let place = Place { benchmark: "b".into(), version: "1".into() };
        assert_eq!(entry(3e38).rows(&place, &mut 0).unwrap()[0].reward, Some(3e38));
        for beyond in [1e39, -2e39, f64::NEG_INFINITY] {
            assert_eq!(entry(beyond).rows(&place, &mut 0).unwrap_err(), beyond);
        }
    }

    #[test]
    fn rewards_keep_their_order_in_32_bits() {
        let (a, b) = (1.0, 1.0 + 1e-12);
        let (narrow, moved) = narrowed(&[Some(b), Some(a), None, Some(b), Some(2.0)]);
        assert!(moved);
        assert!(narrow[0] > narrow[1] && narrow[0] == narrow[3] && narrow[2].is_none());
        assert_eq!(narrow[4], Some(2.0));
        assert_eq!(narrowed(&[Some(0.5), Some(0.5)]), (vec![Some(0.5), Some(0.5)], false));
    }
}
