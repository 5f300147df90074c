//! Held-out figures while training: exact sums over pairs, per language, never means of batch means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::TrainError;
use super::prepare::{TrainPair, named};
use super::trainable::Trainable;
use super::values::to_f64;
use crate::lang::Lang;
use crate::objective::Label;
use crate::objective::bradley_terry::pair_loss;
use crate::text::batch::plan;

/// Which figure makes one evaluation better than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BestMetric {
    /// Over all pairs.
    #[default]
    Accuracy,
    /// The mean over languages.
    MacroAccuracy,
    /// The lowest accuracy of a language.
    WorstLanguage,
    /// −log σ(margin), over all pairs.
    Loss,
}

impl BestMetric {
    pub fn larger_is_better(self) -> bool {
        self != BestMetric::Loss
    }

    pub fn improves(self, new: f64, old: f64) -> bool {
        if self.larger_is_better() { new > old } else { new < old }
    }
}

/// Sums over pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    pub n: u64,
    /// Those of which one response is better than another; the rest are ties or single responses.
    pub compared: u64,
    /// Pairs whose chosen reward is strictly larger.
    pub correct: u64,
    /// Pairs with equal rewards: not correct, and counted.
    pub ties: u64,
    pub loss: f64,
    pub margin: f64,
}

impl Sums {
    pub fn add(&mut self, margin: f64, loss: f64) {
        self.add_loss(loss);
        self.compared += 1;
        self.correct += u64::from(margin > 0.0);
        self.ties += u64::from(margin == 0.0);
        self.margin += margin;
    }

    /// Of data that prefer no response.
    pub fn add_loss(&mut self, loss: f64) {
        self.n += 1;
        self.loss += loss;
    }

    pub fn accuracy(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.correct as f64 / self.compared as f64)
    }

    pub fn mean_loss(&self) -> Option<f64> {
        (self.n > 0).then(|| self.loss / self.n as f64)
    }

    pub fn mean_margin(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.margin / self.compared as f64)
    }

    pub fn to_json(self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("n".into(), self.n.into());
        out.insert("compared".into(), self.compared.into());
        out.insert("accuracy".into(), self.accuracy().into());
        out.insert("ties".into(), self.ties.into());
        out.insert("loss".into(), self.mean_loss().into());
        out.insert("margin".into(), self.mean_margin().into());
        out
    }
}

/// What one pass over the evaluation pairs gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluation {
    pub overall: Sums,
    pub languages: BTreeMap<Lang, Sums>,
}

impl Evaluation {
    pub fn add(&mut self, lang: Lang, margin: f64) {
        let loss = pair_loss(margin);
        self.overall.add(margin, loss);
        self.languages.entry(lang).or_default().add(margin, loss);
    }

    /// The mean of the languages' accuracies.
    pub fn macro_accuracy(&self) -> Option<f64> {
        let accuracies: Vec<f64> = self.languages.values().filter_map(Sums::accuracy).collect();
        (!accuracies.is_empty()).then(|| accuracies.iter().sum::<f64>() / accuracies.len() as f64)
    }

    /// The language with the lowest accuracy, the first by code among equals.
    pub fn worst_language(&self) -> Option<(Lang, f64)> {
        let accuracies = self.languages.iter().filter_map(|(lang, sums)| Some((*lang, sums.accuracy()?)));
        accuracies.reduce(|worst, next| if next.1 < worst.1 { next } else { worst })
    }

    pub fn metric(&self, metric: BestMetric) -> Option<f64> {
        match metric {
            BestMetric::Accuracy => self.overall.accuracy(),
            BestMetric::MacroAccuracy => self.macro_accuracy(),
            BestMetric::WorstLanguage => self.worst_language().map(|(_, accuracy)| accuracy),
            BestMetric::Loss => self.overall.mean_loss(),
        }
    }

    /// A line of `eval.jsonl`.
    pub fn to_json(&self, step: u64, epoch: f64) -> Value {
        let mut out = Map::new();
        out.insert("step".into(), step.into());
        out.insert("epoch".into(), epoch.into());
        out.extend(self.overall.to_json());
        out.insert("macro_accuracy".into(), self.macro_accuracy().into());
        let worst = self.worst_language().map(|(lang, accuracy)| json!({"lang": lang, "accuracy": accuracy}));
        out.insert("worst_language".into(), worst.into());
        let languages = self.languages.iter().map(|(lang, sums)| (lang.code().to_owned(), sums.to_json().into()));
        out.insert("languages".into(), Value::Object(languages.collect()));
        Value::Object(out)
    }

    /// One line for the person waiting.
    pub fn summary(&self) -> String {
        let mut text = match (self.overall.accuracy(), self.overall.mean_loss()) {
            (Some(accuracy), Some(loss)) => {
                format!("accuracy {:.1} %, loss {loss:.4} (n {}", 100.0 * accuracy, self.overall.n)
            }
            _ => return "no pairs".to_owned(),
        };
        if self.overall.ties > 0 {
            text += &format!(", {} ties", self.overall.ties);
        }
        text += ")";
        if let (Some(mean), Some((lang, worst)), true) =
            (self.macro_accuracy(), self.worst_language(), self.languages.len() > 1)
        {
            let n = self.languages.len();
            text += &format!("; {n} languages: mean {:.1} %, worst {lang} {:.1} %", 100.0 * mean, 100.0 * worst);
        }
        text
    }
}

/// How far the least chosen response is above the best rejected one; `None` where there is no such pair.
pub fn margin(label: &Label, rewards: &[f64]) -> Option<f64> {
    let (chosen, rest) = rewards.split_at_checked(label.n_chosen)?;
    let least = chosen.iter().copied().reduce(f64::min)?;
    let best = rest.get(..label.n_rejected)?.iter().copied().reduce(f64::max)?;
    // min and max pass over NaN.
    rewards.iter().all(|reward| reward.is_finite()).then_some(least - best)
}

/// Rewards of all pairs, without gradients. `step` is for error messages.
pub fn evaluate<M: Trainable>(
    model: &M,
    pairs: &[TrainPair<M::Encoded>],
    token_budget: usize,
    step: u64,
) -> Result<Evaluation, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let costs: Vec<usize> = pairs.iter().map(|pair| pair.size.computed).collect();
    let mut margins: Vec<Option<f64>> = vec![None; pairs.len()];
    for batch in plan(&costs, token_budget, usize::MAX) {
        let encoded: Vec<&M::Encoded> = batch.iter().map(|&index| &pairs[index].encoded).collect();
        let all = to_f64(&model.rewards(&encoded, None)?);
        let mut rest = all.as_slice();
        for &index in &batch {
            let (rewards, after) = rest.split_at(pairs[index].label.n_sequences().min(rest.len()));
            rest = after;
            let margin = margin(&pairs[index].label, rewards).filter(|margin| margin.is_finite());
            margins[index] = margin.map(|margin| if pairs[index].size.same { 0.0 } else { margin });
        }
    }
    // Summed in the order of the data, so that sums do not depend on how batches were cut.
    let mut evaluation = Evaluation::default();
    let mut broken = Vec::new();
    for (pair, margin) in pairs.iter().zip(margins) {
        match margin {
            Some(margin) => evaluation.add(pair.lang, margin),
            None => broken.push(pair),
        }
    }
    match broken.is_empty() {
        true => Ok(evaluation),
        false => Err(TrainError::NonFinite {
            step,
            what: format!("{} evaluation pairs have a reward that is not a finite number", broken.len()),
            pairs: named(broken.into_iter()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four English pairs (margins 1, 2, −1, 0) and one Arabic (3): 3 of 5 correct, one tie; by
    /// language 2/4 and 1/1, so the mean over languages is 0.75.
    fn worked() -> Evaluation {
        let mut evaluation = Evaluation::default();
        for margin in [1.0, 2.0, -1.0, 0.0] {
            evaluation.add(Lang::ENGLISH, margin);
        }
        evaluation.add(Lang::from_code("arb_Arab").unwrap(), 3.0);
        evaluation
    }

    #[test]
    fn figures_by_hand() {
        let evaluation = worked();
        assert_eq!(evaluation.metric(BestMetric::Accuracy), Some(0.6));
        assert_eq!(evaluation.metric(BestMetric::MacroAccuracy), Some(0.75));
        assert_eq!(evaluation.worst_language(), Some((Lang::ENGLISH, 0.5)));
        assert_eq!((evaluation.overall.ties, evaluation.overall.mean_margin()), (1, Some(1.0)));
        // log(1+e^-1) + log(1+e^-2) + (1 + log(1+e^-1)) + ln 2 + log(1+e^-3), by five.
        let loss: f64 =
            [0.313261687518, 0.126928011043, 1.313261687518, std::f64::consts::LN_2, 0.048587351574].iter().sum();
        assert!((evaluation.metric(BestMetric::Loss).unwrap() - loss / 5.0).abs() < 1e-11);
    }

    #[test]
    fn swapping_all_pairs_mirrors_the_figures() {
        let mut swapped = Evaluation::default();
        for margin in [1.0, 2.0, -1.0, 0.0] {
            swapped.add(Lang::ENGLISH, -margin);
        }
        swapped.add(Lang::from_code("arb_Arab").unwrap(), -3.0);
        let (a, b) = (worked().overall, swapped.overall);
        assert_eq!(a.correct + b.correct + a.ties, a.n);
        assert!((b.loss - a.loss - a.margin).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_evaluate_has_no_figures() {
        let empty = Evaluation::default();
        assert_eq!((empty.metric(BestMetric::Loss), empty.worst_language()), (None, None));
        assert!(empty.to_json(1, 0.5)["accuracy"].is_null());
    }
}
