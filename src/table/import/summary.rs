//! Summaries: accuracies per subset, without items.
//!
//! A share of n items is that many right items, so intervals come out as they should. The items are the run's
//! own (their ids begin with the model's name): nothing can be paired with them, in this run or another. A share
//! that no counts give, and a subset whose size is not known, are left out with a note.

use serde_json::Value;

use super::entry::{Answer, Entry};
use super::object::Object;
use super::outcome;
use crate::benchmark::manifest::{Manifest, Rule};
use crate::lang::Lang;

/// Shares are printed by double-precision divisions; n is at most some thousands.
const TOLERANCE: f64 = 1e-6;

/// Items with the accuracies that `object` gives to the manifest's subsets.
pub fn entries(model: &str, object: &Object, manifest: &Manifest, lang: Lang) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut notes) = (Vec::new(), Vec::new());
    for (category, subset) in manifest.subsets() {
        let Some(share) = object.get(&subset.name).and_then(Value::as_f64) else { continue };
        let name = &subset.name;
        if subset.rule.unwrap_or(manifest.rule) != Rule::Accuracy {
            notes.push(format!("`{name}` was left out: its score cannot be taken apart into items"));
            continue;
        }
        let Some(n) = manifest.expected(name, lang).filter(|n| *n > 0) else {
            notes.push(format!("`{name}` was left out: its number of items is not known"));
            continue;
        };
        let rejected = match manifest.chance {
            Some(chance) if chance > 0.0 => (1.0 / chance).round() as usize - 1,
            _ => 1,
        };
        let Some(credits) = credits(share, n as usize, rejected) else {
            notes.push(format!("`{name}` was left out: {share} is no share of {n} items"));
            continue;
        };
        let halves = credits.iter().filter(|credit| **credit > 0.0 && **credit < 1.0).count();
        if halves > 0 {
            notes.push(format!("`{name}`: {halves} items have part of a credit and are written as ties"));
        }
        for (number, credit) in credits.into_iter().enumerate() {
            let Some((chosen, others)) = outcome::best_of(credit, rejected) else { continue };
            let id: std::sync::Arc<str> = format!("{model} {name} {number}").into();
            entries.push(Entry {
                lang,
                subset: name.as_str().into(),
                category: Some(category.name.as_str().into()).filter(|_| manifest.open),
                source: id.clone(),
                id,
                chosen: vec![Answer::of(Some(chosen))],
                rejected: others.into_iter().map(|reward| Answer::of(Some(reward))).collect(),
            });
        }
    }
    (entries, notes)
}

/// The credits of n items whose mean is `share`: ones, as few parts as there can be, zeros.
fn credits(share: f64, n: usize, rejected: usize) -> Option<Vec<f64>> {
    let sum = share * n as f64;
    if !(-TOLERANCE..=n as f64 + TOLERANCE).contains(&sum) {
        return None;
    }
    let mut best: Option<Vec<f64>> = None;
    let most = if rejected == 1 { [1, 0, 0] } else { [3, 3, 3] };
    for halves in 0..=most[0] {
        for thirds in 0..=most[1] {
            for quarters in 0..=most[2] {
                let parts = [vec![0.5; halves], vec![1.0 / 3.0; thirds], vec![0.25; quarters]].concat();
                let rest = sum - parts.iter().sum::<f64>();
                let whole = rest.round();
                let fits = (rest - whole).abs() <= TOLERANCE && whole >= 0.0 && whole as usize + parts.len() <= n;
                if fits && best.as_ref().is_none_or(|found| parts.len() < found.len()) {
                    best = Some(parts);
                }
            }
        }
    }
    let parts = best?;
    let whole = (sum - parts.iter().sum::<f64>()).round() as usize;
    let mut all = vec![1.0; whole];
    all.extend(parts);
    all.resize(n, 0.0);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_counts() {
        assert_eq!(credits(0.75, 4, 1), Some(vec![1.0, 1.0, 1.0, 0.0]));
        assert_eq!(credits(0.625, 4, 1), Some(vec![1.0, 1.0, 0.5, 0.0]), "an unparsed verdict");
        assert_eq!(credits(0.3, 4, 1), None);
        assert_eq!(credits(1.0, 3, 1), Some(vec![1.0; 3]));
        let thirds = credits((5.0 + 1.0 / 3.0 + 0.25) / 10.0, 10, 3).unwrap();
        assert!((thirds.iter().sum::<f64>() - 5.0 - 1.0 / 3.0 - 0.25).abs() < 1e-12 && thirds.len() == 10);
        assert_eq!(credits(1.2, 4, 1), None);
    }
}
