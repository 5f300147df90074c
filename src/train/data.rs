//! The pairs of a run: split from the training data, flipped where labels are to be noisy, checked against each
//! other, encoded.

use std::collections::{BTreeMap, BTreeSet};

use super::error::TrainError;
use super::goals;
use super::overlap::without_overlap;
use super::prepare::{Prepared, Role, TrainPair, limited, prepare};
use super::run::TrainJob;
use super::settings::Order;
use super::trainable::Trainable;
use crate::lang::Lang;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::random;

/// Training and evaluation pairs, encoded.
pub struct Data<E> {
    pub train: Prepared<E>,
    pub eval: Prepared<E>,
    /// The file of each training pair, by its place among the comparisons; empty: all of one.
    pub files: Vec<usize>,
}

pub fn data<M: Trainable>(
    model: &M,
    job: &TrainJob,
    progress: &mut dyn Progress,
) -> Result<Data<M::Encoded>, TrainError> {
    let (settings, sampling) = (job.settings, &job.settings.sampling);
    let files = files(job.train.len(), job.parts, &sampling.weights)?;
    let (train, held_out, files) = split(job, files)?;
    if !held_out.is_empty() {
        let sources = |pairs: &[Comparison]| pairs.iter().map(|pair| &pair.source).collect::<BTreeSet<_>>().len();
        let (n, all) = (sources(&held_out), sources(&held_out) + sources(&train));
        progress.line(&format!("{n} of {all} source items held out for evaluation: {} pairs", held_out.len()));
    }
    let eval = if job.eval.is_empty() { held_out } else { job.eval.to_vec() };
    let eval = without_overlap(&train, eval, settings.eval_overlap, progress)?;
    let eval = limited(&eval, settings.eval_limit, settings.seed);
    let mut train = train;
    if sampling.label_noise > 0.0 {
        let flipped = flip(&mut train, sampling.label_noise, settings.seed)?;
        progress.warn(&told(&flipped, train.len()));
    }
    if matches!(sampling.order, Order::EasyFirst | Order::HardFirst) {
        refuse_unsized(&train)?;
    }
    let mut files = files;
    if settings.auxiliary.goals {
        let (all, of) = goals::with_copies(&train);
        files = of.iter().filter_map(|&number| files.get(number).copied()).collect();
        train = all;
    }
    let mut train = prepare(model, &train, Role::Training, settings, progress)?;
    let mut eval = prepare(model, &eval, Role::Evaluation, settings, progress)?;
    model.complete(&mut train.pairs, job.out, progress)?;
    model.complete(&mut eval.pairs, job.out, progress)?;
    Ok(Data { train, eval, files })
}

/// The number of the file that each of `n` comparisons is from.
fn files(n: usize, parts: &[usize], weights: &[f64]) -> Result<Vec<usize>, TrainError> {
    let of: Vec<usize> = parts.iter().enumerate().flat_map(|(file, &n)| std::iter::repeat_n(file, n)).collect();
    if !weights.is_empty() {
        let files = parts.len().max(1);
        if weights.len() != files {
            let problem = format!("`sampling.weights` has {} numbers, the data are {files} files", weights.len());
            return Err(TrainError::Settings(problem));
        }
        let empty = parts.iter().zip(weights).position(|(&n, &weight)| n == 0 && weight > 0.0);
        if let Some(file) = empty {
            let problem = format!("`sampling.weights` asks for pairs of data file {}, which has none", file + 1);
            return Err(TrainError::Settings(problem));
        }
    }
    match of.is_empty() || of.len() == n {
        true => Ok(of),
        false => Err(TrainError::Settings(format!("files of {} pairs in all were named for {n} pairs", of.len()))),
    }
}

type Split = (Vec<Comparison>, Vec<Comparison>, Vec<usize>);

/// Training pairs, those held out, and the files of the former. A source goes to one side with all its languages.
fn split(job: &TrainJob, files: Vec<usize>) -> Result<Split, TrainError> {
    let (share, seed) = (job.settings.sampling.eval_share, job.settings.seed);
    if share == 0.0 {
        return Ok((job.train.to_vec(), Vec::new(), files));
    }
    if !job.eval.is_empty() {
        let problem = "`sampling.eval-share` holds out evaluation pairs, and there are others: set one of the two";
        return Err(TrainError::Settings(problem.into()));
    }
    let is_out = |pair: &Comparison| random::uniform(seed, "held-out", pair.source.as_str()) < share;
    let (out, kept): (Vec<usize>, Vec<usize>) = (0..job.train.len()).partition(|&index| is_out(&job.train[index]));
    let of = |indices: &[usize]| indices.iter().map(|&index| job.train[index].clone()).collect::<Vec<_>>();
    let files = kept.iter().filter_map(|&index| files.get(index).copied()).collect();
    Ok((of(&kept), of(&out), files))
}

/// Exchanges the responses of a share of the pairs: a function of seed, item and language. What else the data say
/// of a pair (margin, votes) then speaks for the wrong response, as it does where annotators err. Returns how many
/// by language.
fn flip(pairs: &mut [Comparison], share: f64, seed: u64) -> Result<BTreeMap<Lang, usize>, TrainError> {
    let mut flipped = BTreeMap::new();
    for pair in pairs {
        if !pair.is_pair() {
            let (id, lang, row) = (&pair.id, pair.lang, pair.row);
            let problem = format!("`sampling.label-noise` is for pairs; item `{id}` ({lang}), row {row}, is none");
            return Err(TrainError::Settings(problem));
        }
        if random::uniform(seed, "label-noise", format!("{}\0{}", pair.id, pair.lang)) < share {
            std::mem::swap(&mut pair.chosen, &mut pair.rejected);
            *flipped.entry(pair.lang).or_default() += 1;
        }
    }
    Ok(flipped)
}

fn told(flipped: &BTreeMap<Lang, usize>, n: usize) -> String {
    let by_lang: Vec<String> = flipped.iter().map(|(lang, n)| format!("{lang} {n}")).collect();
    let all: usize = flipped.values().sum();
    format!("labels of {all} of {n} training pairs are flipped on purpose ({})", by_lang.join(", "))
}

/// The place of each pair among those of its subset by clarity, above 0 and below 1; equals share one. Margins of two subsets
/// have no unit in common, so that a curriculum takes the clearest of each first.
pub fn clarities<E>(pairs: &[TrainPair<E>]) -> Vec<f64> {
    let mut by_subset: BTreeMap<&str, Vec<(f64, usize)>> = BTreeMap::new();
    for (index, pair) in pairs.iter().enumerate() {
        let own = clarity(pair.label.margin, pair.label.soft()).unwrap_or(0.0);
        by_subset.entry(pair.subset.as_str()).or_default().push((own, index));
    }
    let mut places = vec![0.0; pairs.len()];
    for mut own in by_subset.into_values() {
        own.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (n, mut before) = (own.len(), 0);
        for equals in own.chunk_by(|a, b| a.0 == b.0) {
            let place = (before as f64 + equals.len() as f64 / 2.0) / n as f64;
            equals.iter().for_each(|(_, index)| places[*index] = place);
            before += equals.len();
        }
    }
    places
}

/// How clear a preference is: the margin, else 2p − 1 of the share of votes or of the probability.
fn clarity(margin: Option<f64>, probability: Option<f64>) -> Option<f64> {
    margin.map(f64::abs).or_else(|| probability.map(|p| (2.0 * p - 1.0).abs()))
}

fn refuse_unsized(pairs: &[Comparison]) -> Result<(), TrainError> {
    let is_sized = |pair: &&Comparison| {
        let label = crate::objective::Label::of(pair);
        clarity(label.margin, label.soft()).is_some()
    };
    match pairs.iter().find(|pair| !is_sized(pair)) {
        None => Ok(()),
        Some(pair) => {
            let (id, lang, row) = (&pair.id, pair.lang, pair.row);
            let problem =
                format!("`sampling.order` needs margins or votes; item `{id}` ({lang}), row {row}, has neither");
            Err(TrainError::Settings(problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::Label;
    use crate::train::PairSize;

    #[test]
    fn clarity_is_a_place_within_the_subset() {
        let pair = |(at, (subset, margin)): (usize, (&str, f64))| TrainPair {
            id: format!("i{at}").into(),
            source: format!("i{at}").into(),
            subset: subset.into(),
            lang: Lang::ENGLISH,
            row: at as u64,
            label: Label::pair(Some(margin)),
            weight: 1.0,
            size: PairSize::default(),
            encoded: (),
            at,
        };
        // Points of a hundred beside grades of five; a side does not matter.
        let all = [("wmt", 80.0), ("grades", 1.0), ("wmt", 2.0), ("grades", -3.0), ("wmt", 2.0), ("wmt", 30.0)];
        let pairs: Vec<TrainPair<()>> = all.into_iter().enumerate().map(pair).collect();
        assert_eq!(clarities(&pairs), [0.875, 0.25, 0.25, 0.75, 0.25, 0.625]);
    }
}
