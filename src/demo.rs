//! Synthetic preference data in 24 languages with known ground truth, for `rmbench demo` and for tests.
//!
//! The texts come from a lexicon that ships with the program; nothing was written by people as a
//! preference, and no number measured on it says anything about real data. The languages are those of
//! M-RewardBench and English.
//!
//! # What is planted
//!
//! | category | subset | the chosen response | the rejected response |
//! |---|---|---|---|
//! | Politeness | politeness | opens politely | opens rudely |
//! | Language | language | is in the prompt's language | is in English (for English prompts: in another language) |
//! | Relevance | relevance | names the noun that was asked about | names another noun |
//! | Safety | safety-refuse | refuses a harmful request | complies |
//! | Safety | safety-comply | complies with a harmless request | refuses |
//! | Accuracy | accuracy | names the larger of two digits | names the smaller |
//!
//! Politeness, Language and Accuracy can be told from the words of the response alone (but for English
//! prompts, where the wrong language is not English). In Safety the same response is right for one prompt
//! and wrong for another. Relevance asks whether a word of the prompt comes back in the response: a tiny
//! model trained for a minute stays near chance there, and reports should show that.
//!
//! - **Length says nothing**: within every language and subset the chosen response is the longer one (in
//!   characters) in every second pair, and neutral closing sentences make it so. Ties do not occur.
//! - **Training data differ by language** (`train_share` in the lexicon): twelve languages have all
//!   pairs, six half of them, six a fifth. Which ones is arbitrary.
//! - **Label noise**: a documented share of the training pairs has its labels swapped; the benchmark has
//!   none, so a perfect scorer reaches 100 %.
//! - **Parallel items**: all languages have the same items, by source id. Training and benchmark share no
//!   source id and no prompt.

mod lexicon;
mod parquet;
mod task;

use std::path::{Path, PathBuf};

use crate::files::FileError;
use crate::preference::{Comparison, Conversation, Response};
use crate::random;
use lexicon::Lexicon;
use task::{CATEGORIES, Category, Item};

/// What is written into the files, so that nobody takes them for something else.
pub const ORIGIN: &str = "synthetic demonstration data written by `rmbench demo`; not human preferences";

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the demonstration data cannot be encoded: {0}")]
    Encode(String),
    #[error("the lexicon of the demonstration does not parse: {0}")]
    Lexicon(String),
    #[error("label noise is a share between 0 and 0.5, found {0}")]
    LabelNoise(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct DemoSettings {
    pub seed: u64,
    /// Training pairs of a language with `train_share` 1; the others get their share of it.
    pub pairs_per_language: usize,
    pub bench_per_language: usize,
    /// Share of training pairs whose labels are swapped.
    pub label_noise: f64,
}

impl Default for DemoSettings {
    fn default() -> Self {
        Self { seed: 7, pairs_per_language: 320, bench_per_language: 60, label_noise: 0.05 }
    }
}

/// Training pairs and benchmark items, each ordered by category, source and language.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    pub train: Vec<Comparison>,
    pub bench: Vec<Comparison>,
}

/// Which of the two files an item is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Train,
    Bench,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Bench => "bench",
        }
    }
}

/// The data: a function of the settings alone, and each pair of (seed, its id, its language) alone.
pub fn generate(settings: &DemoSettings) -> Result<Demo, DemoError> {
    if !(0.0..=0.5).contains(&settings.label_noise) {
        return Err(DemoError::LabelNoise(settings.label_noise));
    }
    let lexicon = Lexicon::embedded()?;
    let split = |split: Split, per_language: usize| {
        let mut pairs = Vec::new();
        for (index, category) in CATEGORIES.iter().enumerate() {
            let n = per_language / CATEGORIES.len() + usize::from(index < per_language % CATEGORIES.len());
            for k in 0..n {
                source_in_all_languages(&lexicon, settings, split, category, (k, n), &mut pairs);
            }
        }
        for (row, pair) in pairs.iter_mut().enumerate() {
            pair.row = row as u64;
        }
        pairs
    };
    Ok(Demo {
        train: split(Split::Train, settings.pairs_per_language),
        bench: split(Split::Bench, settings.bench_per_language),
    })
}

/// Writes `train.parquet` and `bench.parquet` in the pair schema; returns their paths.
pub fn write(dir: &Path, demo: &Demo) -> Result<(PathBuf, PathBuf), DemoError> {
    let (train, bench) = (dir.join("train.parquet"), dir.join("bench.parquet"));
    parquet::write(&train, &demo.train)?;
    parquet::write(&bench, &demo.bench)?;
    Ok((train, bench))
}

/// The k-th source item of `n` of a category, in every language that has it.
fn source_in_all_languages(
    lexicon: &Lexicon,
    settings: &DemoSettings,
    split: Split,
    category: &Category,
    (k, n): (usize, usize),
    pairs: &mut Vec<Comparison>,
) {
    let task = category.tasks[k % category.tasks.len()];
    let within_task = k / category.tasks.len();
    let id = format!("demo-{}-{}-{k:04}", split.name(), category.name.to_ascii_lowercase());
    let item = Item::draw(task, lexicon, settings.seed, split == Split::Bench, within_task, &id);
    for (number, language) in lexicon.languages.iter().enumerate() {
        if split == Split::Train && k as f64 >= (language.train_share * n as f64).ceil() {
            continue;
        }
        let key = format!("{id}\0{}", language.code);
        // Every second pair of a subset in a language: length carries no information by construction.
        let chosen_is_longer = (within_task + number).is_multiple_of(2);
        let (prompt, chosen, rejected) = item.texts(lexicon, language, settings.seed, &key, chosen_is_longer);
        let swapped =
            split == Split::Train && random::uniform(settings.seed, "demo-label-noise", &key) < settings.label_noise;
        let (chosen, rejected) = if swapped { (rejected, chosen) } else { (chosen, rejected) };
        pairs.push(Comparison {
            id: id.as_str().into(),
            source: id.as_str().into(),
            lang: language.code,
            subset: task.subset().into(),
            category: Some(category.name.into()),
            prompt: Conversation::from_prompt(prompt),
            chosen: vec![Response::new(chosen)],
            rejected: vec![Response::new(rejected)],
            margin: None,
            evidence: Default::default(),
            row: 0,
        });
    }
}
