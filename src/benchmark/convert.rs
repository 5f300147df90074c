//! Any file the reader takes, rewritten in the canonical schema.
//!
//! Two passes: the first reads everything to learn which columns are needed (and to fail before anything
//! is written), the second writes. Memory does not grow with the file, and the output appears whole or
//! not at all.

mod encode;
mod text;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::benchmark::reader::{self, Format, Layout, ReadCounts, ReadError, ReadOptions};
use crate::files::{self, FileError};
use crate::preference::{Comparison, Conversation, Role};

#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the ending of `{}` names no format that can be written", path.display())]
    Output { path: PathBuf },
    #[error("cannot write `{}` as {format}", path.display())]
    Write {
        path: PathBuf,
        format: Format,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("row {row}: the prompts of the two sides differ, and one is more than a user's turn")]
    OwnPrompts { row: u64 },
    #[error("row {row}: {format} cannot hold a model name per response")]
    Models { row: u64, format: Format },
}

impl ConvertError {
    /// What to do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            ConvertError::Read(e) => e.hint(),
            ConvertError::Output { .. } => Some("use .parquet, .arrow, .jsonl, .json, .csv or .tsv".to_owned()),
            ConvertError::OwnPrompts { .. } => {
                Some("columns hold such prompts as text; write the turns into one".to_owned())
            }
            ConvertError::Models { .. } => Some("write Parquet, Arrow IPC or JSONL instead".to_owned()),
            ConvertError::File(_) | ConvertError::Write { .. } => None,
        }
    }

    fn write(path: &Path, format: Format, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ConvertError::Write { path: path.to_owned(), format, source: source.into() }
    }
}

/// What was converted. Ties, skipped and filtered rows are in `counts`; columns that were not carried
/// over are `layout.unused`.
#[derive(Debug)]
pub struct Converted {
    pub counts: ReadCounts,
    pub layout: Layout,
    pub format: Format,
}

/// Reads `input` and writes `output` in the format that its ending names.
///
/// Columns: `id, source_id, language, prompt, context, chosen, rejected, subset, category, chosen_model,
/// rejected_model, margin, styles`, those that hold nothing left out. `chosen` and `rejected` are text for
/// pairs and lists of text as soon as one item has several; CSV calls these `chosen_list` and
/// `rejected_list` and holds JSON in them and in `context`.
///
/// # Errors
/// What the reader refuses; an output name without a known ending; a failed write, which leaves an
/// existing output as it was.
pub fn run(input: &Path, output: &Path, options: &ReadOptions) -> Result<Converted, ConvertError> {
    let format = Format::by_name(output).ok_or_else(|| ConvertError::Output { path: output.to_owned() })?;
    let mut needed = Needed::default();
    for comparison in reader::open(input, options)? {
        needed.note(&comparison?);
    }
    let mut source = reader::open(input, options)?;
    files::write_with(output, |file| {
        let mut writer = writer(output, file, format, needed)?;
        for comparison in source.by_ref() {
            writer.write(&comparison?)?;
        }
        writer.finish()
    })?;
    Ok(Converted { counts: source.counts().clone(), layout: source.layout().clone(), format })
}

/// Writes comparisons in the canonical schema, in the format that the output's ending names.
///
/// # Errors
/// An output name without a known ending; a failed write, which leaves an existing output as it was.
pub fn write(output: &Path, comparisons: &[Comparison]) -> Result<(), ConvertError> {
    let format = Format::by_name(output).ok_or_else(|| ConvertError::Output { path: output.to_owned() })?;
    let mut needed = Needed::default();
    for comparison in comparisons {
        needed.note(comparison);
        if own_prompts(comparison) == Some(None) {
            return Err(ConvertError::OwnPrompts { row: comparison.row });
        }
    }
    files::write_with(output, |file| {
        let mut writer = writer(output, file, format, needed)?;
        comparisons.iter().try_for_each(|comparison| writer.write(comparison))?;
        writer.finish()
    })
}

/// Takes comparisons one by one.
trait Writer {
    fn write(&mut self, comparison: &Comparison) -> Result<(), ConvertError>;
    fn finish(self: Box<Self>) -> Result<(), ConvertError>;
}

fn writer<'a>(
    path: &Path,
    file: &'a mut File,
    format: Format,
    needed: Needed,
) -> Result<Box<dyn Writer + 'a>, ConvertError> {
    Ok(match format {
        Format::Parquet | Format::ArrowFile | Format::ArrowStream => {
            Box::new(encode::ColumnarWriter::new(path, file, format, needed)?)
        }
        Format::JsonLines | Format::JsonArray => Box::new(text::JsonWriter::new(path, file, format, needed)),
        Format::Csv | Format::Tsv => Box::new(text::DelimitedWriter::new(path, file, format, needed)?),
    })
}

/// Which columns the output needs.
#[derive(Debug, Clone, Copy, Default)]
struct Needed {
    source_ids: bool,
    /// Some prompt is one plain user turn.
    prompts: bool,
    /// Some prompt is more than that.
    contexts: bool,
    /// The two sides of some item answer different prompts: `prompt_chosen` and `prompt_rejected` in place of both.
    own_prompts: bool,
    /// Some item has more than one response on a side.
    lists: bool,
    categories: bool,
    chosen_models: bool,
    rejected_models: bool,
    margins: bool,
    styles: bool,
}

impl Needed {
    fn has_prompts(self) -> bool {
        !self.own_prompts && (self.prompts || !self.contexts)
    }

    fn has_contexts(self) -> bool {
        !self.own_prompts && self.contexts
    }

    fn note(&mut self, comparison: &Comparison) {
        self.source_ids |= comparison.source.as_str() != comparison.id.as_str();
        match plain_prompt(&comparison.prompt) {
            Some(_) => self.prompts = true,
            None => self.contexts = true,
        }
        self.own_prompts |= own_prompts(comparison).is_some();
        self.lists |= !comparison.is_pair();
        self.categories |= comparison.category.is_some();
        self.chosen_models |= comparison.chosen.iter().any(|response| response.model.is_some());
        self.rejected_models |= comparison.rejected.iter().any(|response| response.model.is_some());
        self.margins |= comparison.margin.is_some();
        self.styles |= styles(comparison).is_some();
    }
}

/// The text of a prompt that is one user turn.
fn plain_prompt(prompt: &Conversation) -> Option<&str> {
    match prompt.0.as_slice() {
        [turn] if turn.role == Role::User => Some(&turn.content),
        _ => None,
    }
}

/// The prompts of the chosen and of the rejected side as text; `Some(None)`: one of them is more than a user's turn; `None`:
/// both are the item's.
fn own_prompts(comparison: &Comparison) -> Option<Option<[&str; 2]>> {
    let own = comparison.rejected.first()?.prompt.as_deref()?;
    Some(plain_prompt(&comparison.prompt).zip(plain_prompt(own)).map(|(chosen, rejected)| [chosen, rejected]))
}

/// [`own_prompts`] where any item has such: of the others twice the same.
fn prompts_of_sides(comparison: &Comparison) -> [&str; 2] {
    let same = || plain_prompt(&comparison.prompt).map(|prompt| [prompt; 2]);
    own_prompts(comparison).flatten().or_else(same).unwrap_or_default()
}

/// The names of the response variants, where every response has one.
fn styles(comparison: &Comparison) -> Option<Vec<&str>> {
    comparison.chosen.iter().map(|response| response.variant.as_deref()).collect()
}
