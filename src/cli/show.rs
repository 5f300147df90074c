//! `rmbench data show`.

use std::path::Path;

use super::Outcome;
use super::args::ShowArgs;
use super::data::columns;
use super::hint::CliError;
use super::message::Message;
use crate::benchmark::dataset;
use crate::benchmark::reader::{self, ReadOptions, ReadRow};
use crate::lang::Lang;
use crate::preference::Comparison;
use crate::reward::locate;
use crate::text::encode::TextPipeline;
use crate::text::model_settings::ModelSettings;
use crate::text::pooling::Pooling;
use crate::text::show::Shown;

pub fn run(args: &ShowArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let dir = locate::directory(&args.model, message)?;
    let model = completed(&dir, ModelSettings::read(&dir)?)?;
    let pipeline = TextPipeline::from_dir(&dir, &model.text)?.marking_prompts();
    let pipeline = match model.pooling {
        Some(Pooling::AppendedToken { id }) => pipeline.ending_with(id),
        _ => pipeline,
    };
    let comparison = comparison(args, message)?;
    let pad_id = model.pad_id.or_else(|| pipeline.pad_id());
    let shown = Shown::of(&pipeline, &comparison, model.pooling, pad_id)?;
    message.data(&if args.json { serde_json::to_string_pretty(&shown)? } else { shown.to_text() })?;
    Ok(Outcome::Done)
}

/// With the longest sequence that the architecture allows, as scoring has it.
#[cfg(feature = "torch")]
fn completed(dir: &Path, model: ModelSettings) -> anyhow::Result<ModelSettings> {
    if !dir.join("config.json").is_file() {
        return Ok(model);
    }
    Ok(ModelSettings { text: crate::reward::artifact::text_settings(dir)?, ..model })
}

#[cfg(not(feature = "torch"))]
fn completed(_: &Path, model: ModelSettings) -> anyhow::Result<ModelSettings> {
    Ok(model)
}

/// The row asked for. Bad rows before it are passed over.
fn comparison(args: &ShowArgs, message: &mut Message) -> anyhow::Result<Comparison> {
    let options = ReadOptions {
        columns: columns(&args.column)?,
        lang: args.lang.as_deref().map(Lang::parse).transpose()?,
        ..ReadOptions::default()
    };
    let [path] = <[_; 1]>::try_from(dataset::local(std::slice::from_ref(&args.pairs), message)?)
        .map_err(|_| CliError::new("--pairs stands for several files", "name one of them"))?;
    find(&path, args.row, &options)
}

fn find(path: &Path, wanted: u64, options: &ReadOptions) -> anyhow::Result<Comparison> {
    let mut reader = reader::open(path, options)?;
    let mut rows = 0;
    while let Some(row) = reader.next_row() {
        match row? {
            ReadRow::Comparison(comparison) if rows == wanted => return Ok(*comparison),
            ReadRow::Bad { error, .. } if rows == wanted => return Err(error.into()),
            _ if rows == wanted => {
                let problem = format!("row {wanted} of `{}` is no comparison", path.display());
                return Err(CliError::new(problem, "ties are left out; choose another row").into());
            }
            _ => rows += 1,
        }
    }
    let problem = format!("`{}` has no row {wanted}: it has {rows} rows", path.display());
    Err(CliError::new(problem, "rows are counted from 0").into())
}
