//! `rmbench import`.

use std::path::{Path, PathBuf};

use super::Outcome;
use super::args::{ImportArgs, ImportKind};
use super::hint::CliError;
use super::message::{Message, count};
use crate::benchmark::columns::ColumnMap;
use crate::lang::Lang;
use crate::progress::Progress;
use crate::score::directory::RunDirectory;
use crate::table::import::{self, ImportFormat, ImportOptions, Imported, ScoreColumns};
use crate::table::store::write_table;

pub fn run(args: &ImportArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let options = options(args)?;
    let found = import::import(format(args.format), &args.files, &options)?;
    let several = found.len() > 1;
    let runs = found.iter().map(|one| directory(&args.out, &one.info.name, several)).collect::<Vec<_>>();
    refuse_same(&runs, &found)?;
    for (out, one) in runs.iter().zip(&found) {
        RunDirectory::new(out).examine(&one.info, false)?;
    }
    let mut said: Vec<&str> = Vec::new();
    for (out, one) in runs.iter().zip(&found) {
        write(out, one, message)?;
        for note in one.notes.iter().filter(|note| !several || !said.contains(&note.as_str())) {
            message.warn(&format!("{}: {note}", one.info.name));
        }
        said.extend(one.notes.iter().map(String::as_str));
    }
    if several {
        let out = args.out.display();
        message.line(&format!("{} runs; `rmbench report {out}/* --out report` compares them", found.len()));
    }
    Ok(Outcome::Done)
}

fn options(args: &ImportArgs) -> anyhow::Result<ImportOptions> {
    let columns = columns(&args.column)?;
    Ok(ImportOptions {
        benchmark: args.benchmark.clone(),
        items: args.items.clone(),
        model: args.model.clone(),
        lang: args.lang.as_deref().map(Lang::parse).transpose()?,
        columns: columns.0,
        item_columns: columns.1,
        decisions: args.decisions,
    })
}

fn format(kind: ImportKind) -> ImportFormat {
    match kind {
        ImportKind::Table => ImportFormat::Table,
        ImportKind::Rewardbench => ImportFormat::Rewardbench,
        ImportKind::MRewardbench => ImportFormat::MRewardbench,
        ImportKind::RmBench => ImportFormat::RmBench,
        ImportKind::Judgebench => ImportFormat::Judgebench,
        ImportKind::LmEval => ImportFormat::LmEval,
    }
}

/// `PART=NAME`, several times: of scores, and with `items.` before it of the data.
fn columns(given: &[String]) -> Result<(ScoreColumns, ColumnMap), CliError> {
    let hint = "for example `--column score-chosen=good`; parts are id, source-id, language, subset, category, model, \
                score-chosen, score-rejected, score-a, score-b, label, result, chosen, rejected, chosen-grade and \
                rejected-grade; columns of --items are `items.source-id=NAME` and so on";
    let pair = |pair: &String| match pair.split_once('=') {
        Some((part, name)) => Ok((part.trim().to_owned(), name.trim().to_owned())),
        None => Err(CliError::new(format!("`--column {pair}` is not of the form PART=NAME"), hint)),
    };
    let pairs = given.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    let of_items = pairs.iter().filter_map(|(part, name)| Some((part.strip_prefix(ITEMS)?, name.as_str())));
    let of_items = ColumnMap::of_pairs(of_items)
        .map_err(|error| CliError::new(format!("`--column items.…=…`: {}", error.message()), hint))?;
    let of_scores = pairs.iter().filter(|(part, _)| !part.starts_with(ITEMS));
    let of_scores = ScoreColumns::parse(of_scores.map(|(part, name)| (part.as_str(), name.as_str())))
        .map_err(|part| CliError::new(format!("`--column {part}=…` names a part that scores do not have"), hint))?;
    Ok((of_scores, of_items))
}

/// Before parts of the benchmark's own data.
const ITEMS: &str = "items.";

/// Bytes that a file's name can have on the file systems in use.
const LONGEST: usize = 255;

/// One model's run is --out itself; of several each has a directory that is called like the model.
fn directory(out: &Path, model: &str, several: bool) -> PathBuf {
    if several { out.join(super::file_name(model)) } else { out.to_owned() }
}

fn refuse_same(runs: &[PathBuf], found: &[Imported]) -> Result<(), CliError> {
    for (at, run) in runs.iter().enumerate() {
        let name = run.file_name().unwrap_or_default();
        if name.len() > LONGEST {
            let problem =
                format!("a model's name has {} bytes, more than a directory's can: `{}`", name.len(), name.display());
            return Err(CliError::new(problem, "shorten it in the file; nothing was written"));
        }
        if let Some(other) = runs[..at].iter().position(|earlier| earlier == run) {
            let (a, b) = (&found[other].info.name, &found[at].info.name);
            let problem = format!("models `{a}` and `{b}` would both be written into `{}`", run.display());
            return Err(CliError::new(problem, "import them one by one, each into a directory of its own"));
        }
    }
    Ok(())
}

fn write(out: &Path, one: &Imported, message: &mut Message) -> anyhow::Result<()> {
    let run = RunDirectory::new(out);
    run.begin(&one.info, &[], false)?;
    write_table(&run.table(), &one.info, &one.rows)?;
    run.remove_shards()?;
    let (items, responses) = (count(one.n_items as u64), count(one.n_responses as u64));
    message.line(&format!("{}: {items} items ({responses} responses): `{}`", one.info.name, run.table().display()));
    Ok(())
}
