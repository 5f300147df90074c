//! From comparisons to encoded pairs: shape and margin checked, lengths counted per language.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use super::error::TrainError;
use super::settings::{OverLength, TrainSettings};
use super::trainable::{PairSize, Trainable};
use super::views;
use super::weighting::{Features, difference, weights};
use crate::lang::Lang;
use crate::objective::topic::topic;
use crate::objective::{Label, Lack};
use crate::preference::{Comparison, ItemId, Response, SourceId, SubsetId};
use crate::progress::Progress;
use crate::random;

/// A preference pair as the trainer holds it.
#[derive(Debug, Clone)]
pub struct TrainPair<E> {
    pub id: ItemId,
    pub source: SourceId,
    pub subset: SubsetId,
    pub lang: Lang,
    pub row: u64,
    pub label: Label,
    /// What the pair's loss is multiplied by; 1 on average.
    pub weight: f64,
    pub size: PairSize,
    pub encoded: E,
    /// Its place among the comparisons that were prepared.
    pub at: usize,
}

/// What pairs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Training,
    Evaluation,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Training => "training",
            Role::Evaluation => "evaluation",
        }
    }
}

/// What happened to the pairs of one language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LengthCounts {
    pub kept: u64,
    /// Kept, but cut to the length limit.
    pub truncated: u64,
    pub dropped: u64,
}

/// Encoded pairs of one role.
pub struct Prepared<E> {
    pub pairs: Vec<TrainPair<E>>,
    pub counts: BTreeMap<Lang, LengthCounts>,
}

/// Pairs encoded at a time, so that progress shows.
const CHUNK: usize = 512;

/// Encodes `comparisons`. Evaluation pairs are never dropped: a figure over the short ones would flatter.
pub fn prepare<M: Trainable>(
    model: &M,
    comparisons: &[Comparison],
    role: Role,
    settings: &TrainSettings,
    progress: &mut dyn Progress,
) -> Result<Prepared<M::Encoded>, TrainError> {
    if role == Role::Training && comparisons.is_empty() {
        return Err(TrainError::NoPairs(role.as_str()));
    }
    if comparisons.is_empty() {
        return Ok(Prepared { pairs: Vec::new(), counts: BTreeMap::new() });
    }
    for comparison in comparisons {
        check(comparison, role, settings)?;
    }
    let topical = role == Role::Training && settings.objective.compares_topics();
    let topic_of = |comparison: &Comparison| match topical {
        true => topic(&comparison.prompt.plain_text()),
        false => Vec::new(),
    };
    let further = match role {
        Role::Training => views::further(&settings.objective, comparisons),
        Role::Evaluation => vec![Vec::new(); comparisons.len()],
    };
    progress.begin(&format!("encoding {} pairs", role.as_str()), comparisons.len() as u64, "pairs");
    let mut pairs = Vec::with_capacity(comparisons.len());
    let mut texts = Vec::with_capacity(comparisons.len());
    let mut counts: BTreeMap<Lang, LengthCounts> = BTreeMap::new();
    let chunks = comparisons.chunks(CHUNK).zip(further.chunks(CHUNK));
    for (first, (chunk, further)) in (0..).step_by(CHUNK).zip(chunks) {
        let all = encode(model, settings, role, chunk, further)?;
        for (at, (comparison, encoded)) in (first..).zip(chunk.iter().zip(all)) {
            let count = counts.entry(comparison.lang).or_default();
            let Some((encoded, n_further)) = encoded else {
                count.dropped += 1;
                continue;
            };
            let size = model.size(&encoded);
            if size.truncated {
                match (settings.over_length, role) {
                    (OverLength::Refuse, _) => return Err(over_length(role, comparison)),
                    (OverLength::Drop, Role::Training) => {
                        count.dropped += 1;
                        continue;
                    }
                    _ => count.truncated += 1,
                }
            }
            count.kept += 1;
            texts.push((longer(comparison), differs(comparison)));
            pairs.push(TrainPair {
                id: comparison.id.clone(),
                source: comparison.source.clone(),
                subset: comparison.subset.clone(),
                lang: comparison.lang,
                row: comparison.row,
                label: Label { n_further, topic: topic_of(comparison), ..Label::of(comparison) },
                weight: 1.0,
                size,
                encoded,
                at,
            });
        }
        progress.advance(chunk.len() as u64);
    }
    progress.finish();
    progress.line(&summary(role, &counts));
    if pairs.is_empty() && role == Role::Training {
        return Err(TrainError::AllDropped(comparisons.len()));
    }
    if role == Role::Training {
        weigh(&mut pairs, &texts, settings);
    }
    Ok(Prepared { pairs, counts })
}

/// Token ids and how many further sequences are among them.
type WithFurther<E> = Option<(E, usize)>;

/// Token ids of comparisons with their further sequences, and how many of these there are: where they can be
/// done without, none that would be cut, since a pair is not too long because its composite is. `None`: a pair
/// for training that cannot be cut as the settings say.
fn encode<M: Trainable>(
    model: &M,
    settings: &TrainSettings,
    role: Role,
    comparisons: &[Comparison],
    further: &[Vec<Response>],
) -> Result<Vec<WithFurther<M::Encoded>>, TrainError> {
    if further.iter().all(Vec::is_empty) {
        let all = cut(model, settings, role, comparisons)?;
        return Ok(all.into_iter().map(|encoded| Some((encoded?, 0))).collect());
    }
    let whole: Vec<Comparison> = comparisons.iter().zip(further).map(|(c, further)| views::with(c, further)).collect();
    let mut all = Vec::with_capacity(comparisons.len());
    for ((encoded, comparison), further) in
        cut(model, settings, role, &whole)?.into_iter().zip(comparisons).zip(further)
    {
        let is_whole = encoded.as_ref().is_some_and(|encoded| !model.size(encoded).truncated);
        if further.is_empty() || !views::are_optional(&settings.objective) || is_whole {
            all.push(encoded.map(|encoded| (encoded, further.len())));
        } else {
            let alone = cut(model, settings, role, std::slice::from_ref(comparison))?;
            all.extend(alone.into_iter().map(|encoded| Some((encoded?, 0))));
        }
    }
    Ok(all)
}

/// Token ids, cut where the settings say by which rule; evaluation pairs that the rule cannot cut are cut as texts
/// are.
fn cut<M: Trainable>(
    model: &M,
    settings: &TrainSettings,
    role: Role,
    comparisons: &[Comparison],
) -> Result<Vec<Option<M::Encoded>>, TrainError> {
    let Some(part) = settings.over_length.part() else {
        return Ok(model.encode(comparisons)?.into_iter().map(Some).collect());
    };
    let mut all = model.encode_cut(comparisons, part)?;
    if role == Role::Evaluation {
        for (encoded, comparison) in all.iter_mut().zip(comparisons).filter(|(encoded, _)| encoded.is_none()) {
            *encoded = model.encode(std::slice::from_ref(comparison))?.pop();
        }
    }
    Ok(all)
}

/// Length of the chosen response against the rejected one's, in characters: the same for every tokenizer.
fn longer(comparison: &Comparison) -> Ordering {
    let longest = |responses: &[Response]| responses.iter().map(|r| r.text.chars().count()).max();
    if comparison.rejected.is_empty() {
        return Ordering::Equal;
    }
    longest(&comparison.chosen).cmp(&longest(&comparison.rejected))
}

fn differs(comparison: &Comparison) -> Option<String> {
    difference(&comparison.chosen.first()?.text, &comparison.rejected.first()?.text)
}

fn weigh<E>(pairs: &mut [TrainPair<E>], texts: &[(Ordering, Option<String>)], settings: &TrainSettings) {
    let features: Vec<Features> = pairs
        .iter()
        .zip(texts)
        .map(|(pair, (length, difference))| Features {
            subset: &pair.subset,
            source: &pair.source,
            length: *length,
            difference: difference.as_deref(),
        })
        .collect();
    let weights = weights(&features, settings.length_balance, settings.repeat_balance);
    pairs.iter_mut().zip(weights).for_each(|(pair, weight)| pair.weight = weight);
}

fn check(comparison: &Comparison, role: Role, settings: &TrainSettings) -> Result<(), TrainError> {
    let (item, lang, row) = (comparison.id.to_string(), comparison.lang, comparison.row);
    let objective = &settings.objective;
    let fits = match role {
        Role::Training => objective.takes_shape(comparison),
        // Accuracy needs something to compare.
        Role::Evaluation if objective.takes_pairs_only() => comparison.is_pair(),
        Role::Evaluation => !comparison.chosen.is_empty() && !comparison.rejected.is_empty(),
    };
    if !fits {
        let (chosen, rejected) = (comparison.chosen.len(), comparison.rejected.len());
        let objective = objective.name();
        return Err(TrainError::NotAPair { what: role.as_str(), objective, item, lang, row, chosen, rejected });
    }
    match objective.lack(comparison).filter(|_| role == Role::Training) {
        Some(Lack { what, part }) => {
            let (objective, part) = (objective.name(), part.as_str());
            Err(TrainError::Lacks { objective, what, part, item, lang, row })
        }
        None => Ok(()),
    }
}

fn over_length(role: Role, comparison: &Comparison) -> TrainError {
    let (item, lang, row) = (comparison.id.to_string(), comparison.lang, comparison.row);
    TrainError::OverLength { what: role.as_str(), item, lang, row }
}

/// `1,200 training pairs in 3 languages; 40 dropped as too long (tha_Thai 31, eng_Latn 9)`.
fn summary(role: Role, counts: &BTreeMap<Lang, LengthCounts>) -> String {
    let kept: u64 = counts.values().map(|c| c.kept).sum();
    let mut text = format!("{kept} {} pairs in {} languages", role.as_str(), counts.len());
    for what in ["dropped", "cut"] {
        let count = |c: &LengthCounts| if what == "dropped" { c.dropped } else { c.truncated };
        let mut by_lang: Vec<(u64, Lang)> = counts.iter().map(|(lang, c)| (count(c), *lang)).collect();
        by_lang.retain(|(n, _)| *n > 0);
        by_lang.sort_by_key(|(n, lang)| (std::cmp::Reverse(*n), *lang));
        if !by_lang.is_empty() {
            let all: u64 = by_lang.iter().map(|(n, _)| n).sum();
            let list: Vec<String> = by_lang.iter().map(|(n, lang)| format!("{lang} {n}")).collect();
            text += &format!("; {all} {what} as too long ({})", list.join(", "));
        }
    }
    text
}

/// At most `limit` comparisons, one per language in turn, chosen by draws that depend on nothing else.
pub fn limited(comparisons: &[Comparison], limit: Option<usize>, seed: u64) -> Vec<Comparison> {
    let Some(limit) = limit.filter(|&limit| limit < comparisons.len()) else { return comparisons.to_vec() };
    let mut by_lang: BTreeMap<Lang, Vec<(f64, usize)>> = BTreeMap::new();
    for (index, comparison) in comparisons.iter().enumerate() {
        let draw = random::uniform(seed, "eval-limit", format!("{}\0{}", comparison.id, comparison.lang));
        by_lang.entry(comparison.lang).or_default().push((draw, index));
    }
    let mut ranked: Vec<(usize, Lang, usize)> = Vec::with_capacity(comparisons.len());
    for (lang, mut draws) in by_lang {
        draws.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        ranked.extend(draws.into_iter().enumerate().map(|(rank, (_, index))| (rank, lang, index)));
    }
    ranked.sort_unstable();
    let mut picked: Vec<usize> = ranked.into_iter().take(limit).map(|(_, _, index)| index).collect();
    picked.sort_unstable();
    picked.into_iter().map(|index| comparisons[index].clone()).collect()
}

/// A few pairs by name, for error messages.
pub fn named<'a, E: 'a>(pairs: impl ExactSizeIterator<Item = &'a TrainPair<E>>) -> String {
    const SHOWN: usize = 8;
    let n = pairs.len();
    let mut names: Vec<String> =
        pairs.take(SHOWN).map(|pair| format!("`{}` ({}, row {})", pair.id, pair.lang, pair.row)).collect();
    if n > SHOWN {
        names.push(format!("and {} more", n - SHOWN));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::Conversation;

    fn comparison(id: usize, lang: &str) -> Comparison {
        Comparison {
            id: format!("i{id}").into(),
            source: format!("i{id}").into(),
            lang: Lang::from_code(lang).unwrap(),
            subset: "s".into(),
            category: None,
            prompt: Conversation::from_prompt("p"),
            chosen: vec![Response::new("a")],
            rejected: vec![Response::new("b")],
            margin: None,
            evidence: Default::default(),
            row: id as u64,
        }
    }

    #[test]
    fn a_limit_is_spread_over_languages_and_keeps_the_order() {
        let mut all: Vec<Comparison> = (0..90).map(|i| comparison(i, "eng_Latn")).collect();
        all.extend((90..100).map(|i| comparison(i, "deu_Latn")));
        all.push(comparison(100, "swh_Latn"));
        let some = limited(&all, Some(21), 1);
        let count = |lang: &str| some.iter().filter(|c| c.lang.code() == lang).count();
        assert_eq!((count("eng_Latn"), count("deu_Latn"), count("swh_Latn")), (10, 10, 1));
        assert!(some.is_sorted_by_key(|c| c.row));
        // What else is in the list does not decide which of a language are picked first.
        let alone = limited(&all[..90], Some(10), 1);
        assert!(alone.iter().all(|c| some.contains(c)));
        assert_eq!(limited(&all, Some(500), 1).len(), 101);
    }

    #[test]
    fn the_summary_names_languages_by_loss() {
        let count = |kept, truncated, dropped| LengthCounts { kept, truncated, dropped };
        let counts = BTreeMap::from([
            (Lang::from_code("deu_Latn").unwrap(), count(5, 0, 2)),
            (Lang::from_code("tha_Thai").unwrap(), count(1, 1, 9)),
        ]);
        assert_eq!(
            summary(Role::Training, &counts),
            "6 training pairs in 2 languages; 11 dropped as too long (tha_Thai 9, deu_Latn 2); 1 cut as too long \
             (tha_Thai 1)"
        );
    }
}
