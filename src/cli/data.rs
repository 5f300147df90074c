//! `rmbench data check|stats|convert`; `show`, `fetch` and `judgments` have files of their own.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Outcome;
use super::args::{ConfusionArgs, DataArgs, DataVerb};
use super::hint::CliError;
use super::message::{Message, count};
use crate::benchmark::columns::ColumnMap;
use crate::benchmark::confusion::Completions;
use crate::benchmark::reader::{Format, ReadOptions};
use crate::benchmark::{check, convert, dataset, stats};
use crate::files;
use crate::lang::confusion::looks_english;
use crate::lang::fasttext::identifier;
use crate::lang::{Lang, LangSet};
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::text::encode::{TextError, TextPipeline};
use crate::text::model_settings::ModelSettings;

pub fn run(verb: &DataVerb, message: &mut Message) -> anyhow::Result<Outcome> {
    match verb {
        DataVerb::Check { data, against, model, max_length } => {
            let lengths = model.as_deref().map(|dir| Lengths::of(dir, *max_length)).transpose()?;
            check_files(data, against.as_deref(), lengths.as_ref(), message)
        }
        DataVerb::Stats { data, identifier } => count_files(data, identifier.as_deref(), message),
        DataVerb::Confusion(args) => count_completions(args, message),
        DataVerb::Convert { data, out } => convert_files(data, out, message),
        DataVerb::Judgments(args) => super::judgments::run(args, message),
        DataVerb::Show(args) => super::show::run(args, message),
        DataVerb::Fetch(args) => super::fetch::run(args, message),
    }
}

fn check_files(
    args: &DataArgs,
    against: Option<&Path>,
    lengths: Option<&Lengths>,
    message: &mut Message,
) -> anyhow::Result<Outcome> {
    let measure = |comparison: &Comparison| lengths.map_or((0, usize::MAX), |lengths| lengths.measure(comparison));
    let measure: Option<check::Lengths<'_>> = lengths.is_some().then_some(&measure);
    let files = dataset::local(&args.files, message)?;
    let report = check::run(&files, &options(args)?, against, measure, message)?;
    if let Some(error) = lengths.and_then(|lengths| lengths.failure.take()) {
        return Err(error.into());
    }
    message.data(&report.to_text())?;
    Ok(if report.problems().is_empty() { Outcome::Done } else { Outcome::Incomplete })
}

fn count_files(args: &DataArgs, model: Option<&Path>, message: &mut Message) -> anyhow::Result<Outcome> {
    let options = options(args)?;
    let identifier = identifier(model)?;
    for path in dataset::local(&args.files, message)? {
        let found = stats::run(&path, &options, identifier.as_ref(), message)?;
        message.data(&found.to_text())?;
    }
    Ok(Outcome::Done)
}

fn count_completions(args: &ConfusionArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let identifier = identifier(args.identifier.as_deref())?;
    let words = args.words.as_deref().map(files::read_text).transpose()?;
    // As the benchmark has it: entries all in small letters, longer than three.
    let is_entry = |word: &&str| word.chars().count() > 3 && word.chars().all(char::is_lowercase);
    let words: Option<HashSet<&str>> =
        words.as_ref().map(|text| text.lines().map(str::trim).filter(is_entry).collect());
    let is_english = |word: &str| words.as_ref().map_or_else(|| looks_english(word), |words| words.contains(word));
    let mut all = Completions::default();
    for path in &args.files {
        all.add(path, identifier.as_ref(), &is_english, message)?;
    }
    message.data(&all.to_text(identifier.name()))?;
    Ok(Outcome::Done)
}

fn convert_files(args: &DataArgs, out: &Path, message: &mut Message) -> anyhow::Result<Outcome> {
    let options = options(args)?;
    for (input, output) in outputs(&dataset::local(&args.files, message)?, out)? {
        let done = convert::run(&input, &output, &options)?;
        let counts = &done.counts;
        let left_out = counts.ties + counts.n_skipped() + counts.filtered;
        message.line(&format!("`{}`: {} items", output.display(), count(counts.comparisons)));
        if left_out > 0 {
            let (ties, bad, other) = (count(counts.ties), count(counts.n_skipped()), count(counts.filtered));
            message.warn(&format!("left out: {ties} ties, {bad} bad rows, {other} rows in other languages"));
        }
        if !done.layout.unused.is_empty() {
            message.line(&format!("columns not carried over: {}", done.layout.unused.join(", ")));
        }
    }
    Ok(Outcome::Done)
}

/// Which file becomes which.
fn outputs(files: &[PathBuf], out: &Path) -> Result<Vec<(PathBuf, PathBuf)>, CliError> {
    if Format::by_name(out).is_some() {
        return match files {
            [one] => Ok(vec![(one.clone(), out.to_owned())]),
            _ => Err(CliError::new("several files cannot become one", "give --out a directory")),
        };
    }
    let target = |file: &PathBuf| out.join(file.file_stem().unwrap_or_default()).with_extension("parquet");
    Ok(files.iter().map(|file| (file.clone(), target(file))).collect())
}

pub(super) fn options(args: &DataArgs) -> anyhow::Result<ReadOptions> {
    Ok(ReadOptions {
        columns: columns(&args.column)?,
        skip_bad_rows: args.skip_bad_rows,
        lang: args.lang.as_deref().map(Lang::parse).transpose()?,
        langs: Some(LangSet::parse(&args.langs)?).filter(|langs| !langs.is_all()),
        ..ReadOptions::default()
    })
}

/// `PART=NAME`, several times.
pub(super) fn columns(given: &[String]) -> Result<ColumnMap, CliError> {
    let hint = "for example `--column chosen=better_answer`; parts are id, source-id, language, prompt, chosen, \
                rejected, subset, category, chosen-model, rejected-model, margin, response-a, response-b and label";
    let mut map = Table::new();
    for pair in given {
        let (part, name) = pair
            .split_once('=')
            .ok_or_else(|| CliError::new(format!("`--column {pair}` is not of the form PART=NAME"), hint))?;
        map.insert(part.trim().to_owned(), Value::String(name.trim().to_owned()));
    }
    Value::Table(map).try_into().map_err(|_| CliError::new("--column names a part that data do not have", hint))
}

/// Token counts by a model directory's tokenizer.
struct Lengths {
    pipeline: TextPipeline,
    limit: usize,
    /// The first item that could not be encoded; the check itself has no place for it.
    failure: RefCell<Option<TextError>>,
}

impl Lengths {
    fn of(dir: &Path, max_length: Option<usize>) -> anyhow::Result<Self> {
        let mut settings = ModelSettings::read(dir)?.text;
        // What is too long is measured whole, not cut.
        let own = settings.max_length.take();
        let pipeline = TextPipeline::from_dir(dir, &settings)?;
        let limit = max_length.or(own).or(pipeline.model_max_length()).ok_or_else(|| {
            let problem = format!("`{}` does not say how long a sequence may be", dir.display());
            CliError::new(problem, "give --max-length")
        })?;
        Ok(Self { pipeline, limit, failure: RefCell::new(None) })
    }

    fn measure(&self, comparison: &Comparison) -> (usize, usize) {
        match self.pipeline.encode(comparison) {
            Ok(encoded) => (encoded.sequences.iter().map(Vec::len).max().unwrap_or(0), self.limit),
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                (0, self.limit)
            }
        }
    }
}
