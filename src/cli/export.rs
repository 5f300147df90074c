//! `rmbench export`.

use std::path::{Path, PathBuf};

use toml::Table;

use super::Outcome;
use super::args::{ExportArgs, ExportFormat};
use super::config;
use super::hint::CliError;
use super::message::Message;
use super::report::{self as report_verb, Manifests, ReportSettings};
use crate::files;
use crate::progress::Progress;
use crate::report::rewardbench::rewardbench;
use crate::report::{self, TableFormat};
use crate::table::export;
use crate::table::item::ItemTable;
use crate::table::order::ItemOrder;
use crate::table::read::ScoreFile;
use crate::table::store::table_path;

pub fn run(args: &ExportArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.config.print_config {
        message.data(report_verb::DEFAULTS)?;
        return Ok(Outcome::Done);
    }
    let settings: ReportSettings =
        config::resolve(report_verb::DEFAULTS, args.config.config.as_deref(), &args.config.set, Table::new())?;
    match args.format {
        ExportFormat::Rewardbench => for_rewardbench(&args.runs, &args.out, &settings, message),
        ExportFormat::Csv => as_csv(&args.runs, &args.out, message),
        ExportFormat::Latex => tables(args, &settings, TableFormat::Latex, "tables.tex", message),
        ExportFormat::Markdown => tables(args, &settings, TableFormat::Markdown, "tables.md", message),
    }
}

fn for_rewardbench(
    runs: &[PathBuf],
    out: &Path,
    settings: &ReportSettings,
    message: &mut Message,
) -> anyhow::Result<Outcome> {
    let mut written = 0;
    for run in runs {
        let one = std::slice::from_ref(run);
        let table = ItemTable::load(one)?;
        let manifests = Manifests::of(one, &settings.manifests, &table, message)?;
        let pairs = crate::benchmark::catalog::find(crate::benchmark::catalog::PAIRS)?;
        let order = ItemOrder::read(ScoreFile::open(&table_path(run)?)?)?;
        let found = rewardbench(&table, 0, &order, &|name| manifests.find(name).unwrap_or_else(|| pairs.clone()));
        let alone = found.len() == 1;
        let model = super::file_name(&table.runs[0].info.name);
        for files in &found {
            let root = if alone { out.to_owned() } else { out.join(super::file_name(&files.benchmark)) };
            let name = if alone { format!("{model}.json") } else { format!("{model}-{}.json", files.lang) };
            for (kind, value) in [("eval-set", &files.summary), ("eval-set-scores", &files.items)] {
                let path = root.join(kind).join(&name);
                files::write_bytes(&path, format!("{value}\n").as_bytes())?;
                message.line(&format!("{}: `{}`", table.runs[0].info.name, path.display()));
                written += 1;
            }
        }
    }
    if written == 0 {
        let hint = "RewardBench's files hold pairs and best-of-N; --format csv takes everything";
        return Err(CliError::new("no run has a benchmark that RewardBench's files can hold", hint).into());
    }
    Ok(Outcome::Done)
}

fn as_csv(runs: &[PathBuf], out: &Path, message: &mut Message) -> anyhow::Result<Outcome> {
    let mut taken: Vec<PathBuf> = Vec::new();
    for run in runs {
        let file = ScoreFile::open(&table_path(run)?)?;
        let name = file.info().name.clone();
        let path = out.join(format!("{}.csv", super::file_name(&name)));
        if taken.contains(&path) {
            let problem = format!("two runs would both be written to `{}`", path.display());
            return Err(CliError::new(problem, "export them one by one, each into a directory of its own").into());
        }
        files::write_bytes(&path, &export::csv(file)?)?;
        message.line(&format!("{name}: `{}`", path.display()));
        taken.push(path);
    }
    Ok(Outcome::Done)
}

fn tables(
    args: &ExportArgs,
    settings: &ReportSettings,
    format: TableFormat,
    name: &str,
    message: &mut Message,
) -> anyhow::Result<Outcome> {
    let findings = report_verb::findings(&args.runs, None, settings, message)?;
    let path = args.out.join(name);
    files::write_bytes(&path, report::tables(&findings, format)?.as_bytes())?;
    message.line(&format!("tables of {} runs: `{}`", findings.runs.len(), path.display()));
    Ok(Outcome::Done)
}
