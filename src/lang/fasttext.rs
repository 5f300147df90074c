//! fastText's classifiers as language identifiers: `lid.176.bin`, `lid.176.ftz` and their like, read from the file that
//! fastText writes (version 12; dense or quantised) and asked for the language of a line.
//!
//! A line's tokens, their character n-grams and the n-grams of tokens have a row each (n-grams by hash); the mean of the
//! rows times the labels' rows says how probable each label is: softmax, a binary tree of logistic decisions, or one
//! logistic decision per label (Joulin et al. 2017, arXiv 1607.01759 and 1612.03651). Probabilities equal fastText's,
//! with its habit of adding 10⁻⁵ under every logarithm.
//!
//! Labels are read as people write languages. A label that names no script (`zh`) means all of a language's scripts.

mod matrix;
mod output;
mod reading;
mod words;

use std::path::{Path, PathBuf};

use super::Lang;
use super::identify::{BuiltIn, Guess, Identify};
use crate::files::{self, FileError};
use matrix::Matrix;
use output::Output;
use reading::Bytes;
use words::Words;

#[derive(Debug, thiserror::Error)]
pub enum FastTextError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` is no classifier that fastText wrote: {problem}", path.display())]
    Malformed { path: PathBuf, problem: String },
}

impl FastTextError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            FastTextError::File(_) => None,
            FastTextError::Malformed { .. } => Some(
                "give fastText's lid.176.ftz, lid.176.bin or another supervised model whose labels are languages"
                    .to_owned(),
            ),
        }
    }
}

/// An identifier of languages that fastText trained.
#[derive(Debug)]
pub struct FastText {
    name: String,
    words: Words,
    input: Matrix,
    output: Output,
    /// By label; `None` for what is no language known here.
    langs: Vec<Option<Lang>>,
    /// Labels name scripts, so that a guess means one script only.
    scripts: bool,
}

/// The identifier of a file, or the one that is built in.
///
/// # Errors
/// A file that cannot be read as a classifier of languages.
pub fn identifier(file: Option<&Path>) -> Result<Box<dyn Identify>, FastTextError> {
    Ok(match file {
        Some(file) => Box::new(FastText::read(file)?),
        None => Box::new(BuiltIn),
    })
}

impl FastText {
    /// # Errors
    /// As [`identifier`].
    pub fn read(path: &Path) -> Result<FastText, FastTextError> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let bytes = files::read_bytes(path)?;
        Self::parse(&bytes, format!("fastText {name}"))
            .map_err(|problem| FastTextError::Malformed { path: path.to_owned(), problem })
    }

    fn parse(bytes: &[u8], name: String) -> Result<FastText, String> {
        let mut bytes = Bytes::new(bytes);
        let arguments = reading::arguments(&mut bytes)?;
        let words = Words::read(&mut bytes, &arguments)?;
        let quantised = bytes.flag()?;
        let input = Matrix::read(&mut bytes, quantised)?;
        let quantised_output = bytes.flag()?;
        let output = Matrix::read(&mut bytes, quantised && quantised_output)?;
        let rows = words.n_rows();
        if input.rows() < rows || input.width() != arguments.dim {
            return Err(format!("{} × {} numbers for {rows} words and n-grams", input.rows(), input.width()));
        }
        let labels = words.labels();
        if output.rows() != labels.len() || output.width() != arguments.dim {
            return Err(format!("{} × {} numbers for {} labels", output.rows(), output.width(), labels.len()));
        }
        let plain = |label: &str| label.trim_start_matches("__label__").to_owned();
        let named: Vec<String> = labels.iter().map(|(label, _)| plain(label)).collect();
        let langs: Vec<Option<Lang>> = named.iter().map(|label| Lang::parse(label).ok()).collect();
        if langs.iter().all(Option::is_none) {
            let first = named.first().map_or("none", String::as_str);
            return Err(format!("none of its labels is a language (the first is `{first}`)"));
        }
        let scripts = named.iter().any(|label| Lang::from_code(label).is_some());
        let counts = labels.iter().map(|(_, count)| *count).collect();
        let output = Output::new(arguments.loss, output, counts);
        Ok(FastText { name, words, input, output, langs, scripts })
    }

    /// Probability of every label, by label; empty where nothing of the line is known.
    pub fn probabilities(&self, line: &str) -> Vec<f32> {
        let rows = self.words.rows(line);
        if rows.is_empty() {
            return Vec::new();
        }
        let mut mean = vec![0.0f32; self.input.width()];
        rows.iter().for_each(|row| self.input.add_row(*row, &mut mean));
        let share = 1.0 / rows.len() as f32;
        mean.iter_mut().for_each(|value| *value *= share);
        self.output.probabilities(&mean)
    }

    /// Labels as the file has them.
    pub fn labels(&self) -> Vec<String> {
        self.words.labels().into_iter().map(|(label, _)| label).collect()
    }
}

impl Identify for FastText {
    fn name(&self) -> &str {
        &self.name
    }

    fn knows(&self, lang: Lang) -> bool {
        self.langs.iter().flatten().any(|known| self.same(*known, lang))
    }

    fn identify(&self, line: &str) -> Option<Guess> {
        let probabilities = self.probabilities(line);
        let (at, probability) = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
        // What fastText adds under logarithms may pass 1 by a hair.
        Some(Guess { lang: (*self.langs.get(at)?)?, probability: f64::from(probability.min(1.0)) })
    }

    fn same(&self, guess: Lang, wanted: Lang) -> bool {
        guess == wanted || (!self.scripts && guess.iso3() == wanted.iso3())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn fixtures() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fasttext")
    }

    #[derive(serde::Deserialize)]
    struct Expected {
        lines: Vec<String>,
        models: BTreeMap<String, Vec<BTreeMap<String, f32>>>,
    }

    /// Every loss, dense and quantised, with and without norms and pruning, against fastText itself.
    #[test]
    fn probabilities_equal_fasttext() {
        let expected = files::read_text(&fixtures().join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_str(&expected).unwrap();
        assert_eq!(expected.models.len(), 5);
        for (name, by_line) in &expected.models {
            let model = FastText::read(&fixtures().join(name)).unwrap();
            let labels = model.labels();
            for (line, wanted) in expected.lines.iter().zip(by_line) {
                let found = model.probabilities(line);
                assert_eq!(found.is_empty(), wanted.is_empty(), "{name}: `{line}`");
                for (label, probability) in labels.iter().zip(&found) {
                    // A tree's labels of less than 10⁻⁵ are not listed.
                    let near = match wanted.get(label) {
                        Some(wanted) => (probability - wanted).abs() < 2e-6,
                        None => *probability < 1.1e-5,
                    };
                    assert!(near, "{name}: `{line}`: {label} {probability}, not {:?}", wanted.get(label));
                }
            }
        }
    }

    #[test]
    fn a_label_without_a_script_is_all_scripts_of_its_language() {
        let model = FastText::read(&fixtures().join("softmax.bin")).unwrap();
        let lang = |code| Lang::from_code(code).unwrap();
        assert!(model.knows(lang("zho_Hans")) && model.knows(lang("zho_Hant")) && !model.knows(lang("jpn_Jpan")));
        assert!(model.same(lang("zho_Hans"), lang("zho_Hant")) && !model.same(lang("rus_Cyrl"), lang("ukr_Cyrl")));
        let guess = model.identify("der Regen fiel auf die alte Brücke").unwrap();
        assert_eq!(guess.lang, lang("deu_Latn"));
        assert!(guess.probability > 0.5 && guess.probability <= 1.0);
    }

    #[test]
    fn what_is_no_classifier_is_refused() {
        let whole = files::read_bytes(&fixtures().join("tree.bin")).unwrap();
        let refused = |bytes: &[u8]| FastText::parse(bytes, "it".to_owned()).unwrap_err();
        assert!(refused(b"PK\x03\x04 something else").contains("begins"));
        for cut in [0, 3, 40, 70, 200, whole.len() / 2, whole.len() - 1] {
            assert!(refused(&whole[..cut]).contains("ends"), "{cut}");
        }
        // An unsupervised model, a version to come, a matrix that claims more than there is.
        let with = |at: usize, value: i32| {
            let mut bytes = whole.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            refused(&bytes)
        };
        assert!(with(4, 99).contains("version 99"));
        assert!(with(8 + 7 * 4, 1).contains("supervised"));
        assert!(with(8, i32::MAX).contains("numbers"));
        assert!(with(8 + 14 * 4, i32::MAX).contains("entries"));
    }
}
