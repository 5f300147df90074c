//! Telling by content whether evaluation pairs were trained on, and whether data are the same data.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::error::TrainError;
use super::settings::EvalOverlap;
use crate::preference::{Comparison, Embedding, Evidence, Response};
use crate::progress::Progress;

type Hash = [u8; 32];

/// Pieces with their lengths, so that no two lists of pieces run together into the same bytes.
fn hash<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update((piece.len() as u64).to_le_bytes());
        hasher.update(piece);
    }
    hasher.finalize().into()
}

fn prompt_hash(comparison: &Comparison) -> Hash {
    hash(comparison.prompt.0.iter().flat_map(|m| [m.role.as_str().as_bytes(), m.content.as_bytes()]))
}

/// Prompt and responses, whichever of them is chosen: a pair with swapped labels is the same pair.
fn pair_hash(comparison: &Comparison) -> Hash {
    let mut responses: Vec<Hash> = comparison.responses().map(response_hash).collect();
    responses.sort_unstable();
    let prompt = prompt_hash(comparison);
    hash(std::iter::once(prompt.as_slice()).chain(responses.iter().map(|response| response.as_slice())))
}

/// The text, and the response's own prompt where it has one.
fn response_hash(response: &Response) -> Hash {
    let own = response.prompt.iter().flat_map(|prompt| &prompt.0);
    let own = own.flat_map(|m| [m.role.as_str().as_bytes(), m.content.as_bytes()]);
    let vector = response.embedding.iter().map(Embedding::bytes);
    hash(std::iter::once(response.text.as_bytes()).chain(own).chain(vector))
}

/// SHA-256 over ids, texts, labels and what else the data say, in order: equal only if training would see the same.
pub fn digest(comparisons: &[Comparison]) -> String {
    let mut all = Sha256::new();
    for comparison in comparisons {
        let n_chosen = (comparison.chosen.len() as u64).to_le_bytes();
        let margin = comparison.margin.map(f64::to_le_bytes);
        let prompt = prompt_hash(comparison);
        let own: Vec<Hash> =
            comparison.responses().filter(|r| r.prompt.is_some() || r.embedding.is_some()).map(response_hash).collect();
        let evidence = match comparison.evidence == Evidence::default() {
            true => String::new(),
            false => format!("{:?}", comparison.evidence),
        };
        let fixed = [
            comparison.id.as_str().as_bytes(),
            comparison.lang.code().as_bytes(),
            &prompt,
            &n_chosen,
            margin.as_ref().map_or(&[], |bytes| bytes.as_slice()),
        ];
        let texts = comparison.responses().map(|r| r.text.as_bytes());
        all.update(hash(fixed.into_iter().chain(texts)));
        if !own.is_empty() || !evidence.is_empty() {
            all.update(hash(own.iter().map(|own| own.as_slice()).chain([evidence.as_bytes()])));
        }
    }
    all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The evaluation pairs that may be used, by what the settings say of pairs that are trained on too.
pub fn without_overlap(
    train: &[Comparison],
    mut eval: Vec<Comparison>,
    policy: EvalOverlap,
    progress: &mut dyn Progress,
) -> Result<Vec<Comparison>, TrainError> {
    if eval.is_empty() {
        return Ok(eval);
    }
    let pairs: HashSet<Hash> = train.iter().map(pair_hash).collect();
    let prompts: HashSet<Hash> = train.iter().map(prompt_hash).collect();
    let leaked: Vec<bool> = eval.iter().map(|comparison| pairs.contains(&pair_hash(comparison))).collect();
    let n_leaked = leaked.iter().filter(|l| **l).count();
    let first = eval.iter().zip(&leaked).find(|(_, leaked)| **leaked).map(|(comparison, _)| comparison);
    if let Some(first) = first {
        let n = eval.len();
        match policy {
            EvalOverlap::Refuse => {
                let (item, lang) = (first.id.to_string(), first.lang);
                return Err(TrainError::Overlap { pairs: n_leaked, n, item, lang });
            }
            EvalOverlap::Keep => {
                progress.warn(&format!("{n_leaked} of {n} evaluation pairs are also training pairs and are kept"));
            }
            EvalOverlap::Drop => {
                progress.warn(&format!("{n_leaked} of {n} evaluation pairs are also training pairs and are left out"));
                let mut leaked = leaked.into_iter();
                eval.retain(|_| !leaked.next().unwrap_or(false));
            }
        }
    }
    let shared = eval.iter().filter(|comparison| prompts.contains(&prompt_hash(comparison))).count();
    if shared > 0 && policy != EvalOverlap::Keep {
        let n = eval.len();
        progress.warn(&format!("{shared} of {n} evaluation pairs share their prompt with a training pair"));
    }
    Ok(eval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::preference::{Conversation, Response};
    use crate::progress::Silent;

    fn pair(id: &str, prompt: &str, chosen: &str, rejected: &str) -> Comparison {
        Comparison {
            id: id.into(),
            source: id.into(),
            lang: Lang::ENGLISH,
            subset: "s".into(),
            category: None,
            prompt: Conversation::from_prompt(prompt),
            chosen: vec![Response::new(chosen)],
            rejected: vec![Response::new(rejected)],
            margin: None,
            evidence: Default::default(),
            row: 0,
        }
    }

    #[test]
    fn overlap_is_found_by_content_even_swapped_and_renamed() {
        let train = [pair("a", "p", "x", "y"), pair("b", "q", "x", "y")];
        let eval = || vec![pair("z", "p", "y", "x"), pair("a", "p", "x", "other")];
        let error = without_overlap(&train, eval(), EvalOverlap::Refuse, &mut Silent).unwrap_err();
        assert!(matches!(error, TrainError::Overlap { pairs: 1, n: 2, ref item, .. } if item == "z"));
        assert_eq!(without_overlap(&train, eval(), EvalOverlap::Drop, &mut Silent).unwrap()[0].id.as_str(), "a");
        assert_eq!(without_overlap(&train, eval(), EvalOverlap::Keep, &mut Silent).unwrap().len(), 2);
        let clean = vec![pair("c", "p", "x", "other")];
        assert_eq!(without_overlap(&train, clean, EvalOverlap::Refuse, &mut Silent).unwrap().len(), 1);
    }

    #[test]
    fn the_digest_sees_order_labels_and_margins() {
        let (a, b) = (pair("a", "p", "x", "y"), pair("b", "q", "x", "y"));
        let swapped = pair("a", "p", "y", "x");
        let with_margin = Comparison { margin: Some(1.0), ..a.clone() };
        let mut digests: Vec<String> =
            [vec![a.clone(), b.clone()], vec![b.clone(), a], vec![swapped, b.clone()], vec![with_margin, b]]
                .iter()
                .map(|data| digest(data))
                .collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 4);
        // Text cannot move from one field to the next unseen.
        assert_ne!(digest(&[pair("a", "p", "xy", "")]), digest(&[pair("a", "p", "x", "y")]));
    }
}
