//! `rmbench demo`: the whole way on invented data with known ground truth.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::args::DemoArgs;
use super::hint::CliError;
use super::message::Message;
use super::{Outcome, config, report, score, train};
use crate::demo::{self, DemoSettings};
use crate::files::{self, FileError};
use crate::progress::Progress;
use crate::report::Format;
use crate::score::settings::{DEFAULTS as SCORE_DEFAULTS, ScoreSettings};
use crate::train::settings::DEFAULT_TOML as TRAIN_DEFAULTS;

/// Says that a directory is a demonstration's own, and what is in it.
const NOTE: &str = "README.txt";
/// What a demonstration makes; only these are removed when it is repeated.
const PARTS: [&str; 4] = ["data", "model", "runs", "report"];
const TRAINING: &str = include_str!("demo.toml");

pub fn run(args: &DemoArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let out = &args.out;
    clear(out)?;
    let (pairs, bench) = data(out, args.seed, message)?;
    let model = trained(&pairs, out, args.seed, message)?;
    let runs = [
        scored("tiny", &model, &bench, out, message)?,
        scored("longer wins", "mock:length", &bench, out, message)?,
        scored("random", "mock:random", &bench, out, message)?,
    ];
    let settings = config::resolve(report::DEFAULTS, None, &[], Table::new())?;
    let input = report::Input { runs: &runs, baseline: Some(2), items: Some(&[]), annotations: &[], training: &[] };
    report::report(&input, &out.join("report"), &Format::ALL, &settings, message)?;
    message.data(&format!("{}", out.join("report/report.html").display()))?;
    Ok(Outcome::Done)
}

/// Makes room: an earlier demonstration goes, anything else is left alone.
fn clear(out: &Path) -> anyhow::Result<()> {
    let is_free = !out.exists() || std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if !is_free && !out.join(NOTE).is_file() {
        let problem = format!("`{}` holds something else than a demonstration", out.display());
        return Err(CliError::new(problem, "give --out another directory").into());
    }
    for part in PARTS {
        let path = out.join(part);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).map_err(|e| FileError::new("remove", &path, e))?;
        }
    }
    files::write_bytes(&out.join(NOTE), format!("{}\n", demo::ORIGIN).as_bytes())?;
    Ok(())
}

fn data(out: &Path, seed: u64, message: &mut Message) -> anyhow::Result<(PathBuf, PathBuf)> {
    let demo = demo::generate(&DemoSettings { seed, ..DemoSettings::default() })?;
    let (n_train, n_bench) = (demo.train.len(), demo.bench.len());
    message.line(&format!("invented {n_train} training pairs and {n_bench} benchmark items in 24 languages"));
    Ok(demo::write(&out.join("data"), &demo)?)
}

/// Trains a tiny model from scratch; returns its directory.
fn trained(pairs: &Path, out: &Path, seed: u64, message: &mut Message) -> anyhow::Result<String> {
    let dir = out.join("model");
    let mut source = Table::new();
    source.insert("data".to_owned(), Value::Array(vec![text(pairs)]));
    source.insert("model".to_owned(), "init:tiny".into());
    let mut settings: Table = TRAINING.parse()?;
    settings.insert("source".to_owned(), source.into());
    settings.insert("seed".to_owned(), i64::try_from(seed).unwrap_or(0).into());
    let settings = config::resolve(TRAIN_DEFAULTS, None, &[], settings)?;
    train::train(&settings, &dir, false, message)?;
    Ok(dir.to_string_lossy().into_owned())
}

/// Scores the benchmark; returns the run's directory.
fn scored(name: &str, model: &str, bench: &Path, out: &Path, message: &mut Message) -> anyhow::Result<PathBuf> {
    let dir = out.join("runs").join(name.replace(' ', "-"));
    let mut flags = Table::new();
    flags.insert("name".to_owned(), name.into());
    flags.insert("model".to_owned(), model.into());
    flags.insert("pairs".to_owned(), Value::Array(vec![text(bench)]));
    let settings: ScoreSettings = config::resolve(SCORE_DEFAULTS, None, &[], flags)?;
    score::score_into(&settings, &dir, false, message)?;
    Ok(dir)
}

fn text(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}
