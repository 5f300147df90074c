//! A part of the training data, for curves over its size.

use crate::preference::Comparison;
use crate::random;

/// The pairs of a share of the source items, drawn item by item, with all their languages, and how many of them
/// are from each file (`parts`, the same before). A smaller share is part of a larger one with the same seed.
pub fn fraction(pairs: Vec<Comparison>, parts: &[usize], share: f64, seed: u64) -> (Vec<Comparison>, Vec<usize>) {
    if share >= 1.0 {
        return (pairs, parts.to_vec());
    }
    let stays = |pair: &Comparison| random::uniform(seed, "fraction", pair.source.as_str()) < share;
    let mut left = pairs.into_iter();
    let (mut kept, mut counts) = (Vec::new(), Vec::with_capacity(parts.len()));
    for &n in parts {
        let before = kept.len();
        kept.extend(left.by_ref().take(n).filter(stays));
        counts.push(kept.len() - before);
    }
    (kept, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;
    use crate::preference::{Conversation, Response};

    #[test]
    fn shares_are_nested_and_keep_translations_together() {
        let pair = |i: usize, lang: &str| Comparison {
            id: format!("{i}").into(),
            source: format!("s{i}").into(),
            lang: Lang::from_code(lang).unwrap(),
            subset: "s".into(),
            category: None,
            prompt: Conversation::from_prompt("p"),
            chosen: vec![Response::new("a")],
            rejected: vec![Response::new("b")],
            margin: None,
            evidence: Default::default(),
            row: i as u64,
        };
        let all: Vec<Comparison> = (0..2000).flat_map(|i| [pair(i, "eng_Latn"), pair(i, "deu_Latn")]).collect();
        let of = |share| fraction(all.clone(), &[1000, 3000], share, 3).0;
        let (tenth, third) = (of(0.1), of(0.3));
        assert!(tenth.iter().all(|pair| third.contains(pair)));
        assert!((third.len() as f64 / all.len() as f64 - 0.3).abs() < 0.04);
        assert!(third.chunks(2).all(|two| two[0].source == two[1].source));
        assert_eq!(of(1.0).len(), all.len());
        assert_ne!(fraction(all.clone(), &[4000], 0.3, 4).0, third);
        let (kept, parts) = fraction(all, &[1000, 3000], 0.3, 3);
        assert_eq!((kept.len(), parts.len()), (parts[0] + parts[1], 2));
    }
}
