//! `rmbench train`.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::args::TrainArgs;
use super::hint::CliError;
use super::message::Message;
use super::{Outcome, config, study};
use crate::benchmark::dataset;
use crate::benchmark::reader::{self, Layout, ReadOptions};
use crate::files;
use crate::lang::LangSet;
use crate::objective::{FITTED, Fitted, Objective, SPECS};
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::train::begin::begin;
use crate::train::begin_policy::begin_policy;
use crate::train::directory::{SETTINGS_FILE, claim, refuse_occupied};
use crate::train::embedded;
use crate::train::fraction::fraction;
use crate::train::frozen::FrozenTrunk;
use crate::train::grpo::begin::JudgeBeginning;
use crate::train::grpo::{self, JudgeJob, JudgeSummary, JudgeTraining};
use crate::train::overlap::without_overlap;
use crate::train::prepare::{Role, limited};
use crate::train::settings::{DEFAULT_TOML, FROM_SCRATCH_TOML};
use crate::train::{TrainJob, TrainOutcome, TrainSettings, TrainSummary};

pub fn run(args: &TrainArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.config.print_config {
        message.data(DEFAULT_TOML)?;
        return Ok(Outcome::Done);
    }
    if args.list_objectives {
        message.data(&objectives())?;
        return Ok(Outcome::Done);
    }
    if args.study.is_study() {
        return study::run(args, message);
    }
    let out = out(args)?;
    let settings = settings(args, out, &[])?;
    if !args.resume {
        refuse_occupied(out)?;
    }
    if let Some(judge) = &settings.judge {
        let summary = train_judge(&settings, judge, out, args.resume, message)?;
        message.line(&match summary {
            None => format!("`{}` is already complete", out.display()),
            Some(summary) => format!("trained {} steps; the judge is in `{}`", summary.steps, out.display()),
        });
        return Ok(Outcome::Done);
    }
    let summary = train(&settings, out, args.resume, message)?;
    tell(summary.as_deref(), out, message);
    Ok(Outcome::Done)
}

/// Trains as the settings say, but no judge; `None` where `resume` found the run finished.
pub fn train(
    settings: &TrainSettings,
    out: &Path,
    resume: bool,
    progress: &mut dyn Progress,
) -> anyhow::Result<Option<Box<TrainSummary>>> {
    settings.validate()?;
    if settings.judge.is_some() {
        let hint = "run `rmbench train` without studies' flags";
        return Err(CliError::new("a study has no judges that learn from their own judgments", hint).into());
    }
    let data = dataset::local(&settings.source.data, progress)?;
    let eval = dataset::local(&settings.source.eval, progress)?;
    let digests = digests(data.iter().chain(&eval))?;
    let (pairs, parts) = read(&data, Role::Training, settings, progress)?;
    let (pairs, parts) = fraction(pairs, &parts, settings.source.fraction, settings.seed);
    let (eval, _) = read(&eval, Role::Evaluation, settings, progress)?;
    let _mine = claim(out)?;
    let job = |run| TrainJob { settings, train: &pairs, parts: &parts, eval: &eval, out, resume, run };
    let outcome = if let Some(needs) = settings.objective.policy() {
        let beginning = begin_policy(settings, needs, pairs.len(), digests, out, progress)?;
        crate::train::run(&beginning.trainable, job(beginning.run), progress)?
    } else if embedded::is_wanted(settings) {
        let (model, run) = embedded::begin(settings, &pairs, digests, out, progress)?;
        crate::train::run(&model, job(run), progress)?
    } else {
        let beginning = begin(settings, &pairs, digests, out, progress)?;
        let job = job(beginning.run);
        match &settings.source.features {
            Some(dir) => {
                crate::train::run(&FrozenTrunk::new(beginning.trainable, dir, &settings.groups)?, job, progress)?
            }
            None => crate::train::run(&beginning.trainable, job, progress)?,
        }
    };
    match outcome {
        TrainOutcome::Trained(summary) => Ok(Some(summary)),
        TrainOutcome::AlreadyComplete => Ok(None),
    }
}

/// Trains a judge on its own judgments of the pairs.
fn train_judge(
    settings: &TrainSettings,
    judge: &JudgeTraining,
    out: &Path,
    resume: bool,
    progress: &mut dyn Progress,
) -> anyhow::Result<Option<JudgeSummary>> {
    settings.validate()?;
    let data = dataset::local(&settings.source.data, progress)?;
    let eval = dataset::local(&settings.source.eval, progress)?;
    let digests = digests(data.iter().chain(&eval))?;
    let (pairs, parts) = read(&data, Role::Training, settings, progress)?;
    let (pairs, _) = fraction(pairs, &parts, settings.source.fraction, settings.seed);
    let (eval, _) = read(&eval, Role::Evaluation, settings, progress)?;
    let eval = without_overlap(&pairs, eval, settings.eval_overlap, progress)?;
    let eval = limited(&eval, settings.eval_limit, settings.seed);
    let _mine = claim(out)?;
    let JudgeBeginning { model, run } = grpo::begin::begin(settings, judge, pairs.len(), digests, out, progress)?;
    let mut asked = |comparisons: &[Comparison], what: &str| {
        let found = grpo::questions::questions(&model, comparisons, judge, settings.seed)?;
        if found.dropped > 0 {
            progress.warn(&format!("{} {what} questions are too long for the model and its replies", found.dropped));
        }
        progress.line(&format!("{} {what} questions", found.asked.len()));
        anyhow::Ok(found.asked)
    };
    let (train, eval) = (asked(&pairs, "training")?, asked(&eval, "evaluation")?);
    if train.is_empty() {
        let hint = "see `rmbench data stats`, and `judge.max-tokens`";
        return Err(CliError::new("no training questions are left", hint).into());
    }
    let job = JudgeJob { settings, judge, train: &train, eval: &eval, out, resume, run };
    Ok(grpo::run(&model, job, progress)?)
}

pub(super) fn out(args: &TrainArgs) -> Result<&Path, CliError> {
    let hint = "give --out a directory for the model";
    args.out.as_deref().ok_or_else(|| CliError::new("the output directory is missing", hint))
}

/// Defaults, file, `--set`, flags, `varied`; a run that is continued brings its own settings in the file's place.
pub(super) fn settings(args: &TrainArgs, out: &Path, varied: &[String]) -> anyhow::Result<TrainSettings> {
    let saved = out.join(SETTINGS_FILE);
    let saved = (args.resume && saved.is_file()).then_some(saved);
    let file = args.config.config.clone().or(saved);
    let sets = [args.config.set.as_slice(), varied].concat();
    // A flag would win over what is varied.
    let mut flags = flags(args)?;
    varied.iter().filter_map(|set| set.split_once('=')).for_each(|(key, _)| forget(&mut flags, key));
    let settings: TrainSettings = config::resolve_with(DEFAULT_TOML, adapted, file.as_deref(), &sets, flags)?;
    if settings.source.data.is_empty() {
        return Err(CliError::new("the training data are missing", "give --data one or more files of pairs").into());
    }
    if settings.source.model.is_none() {
        let hint = "give --model a model directory, hf:ORG/NAME, init:tiny, init:small or init:base";
        return Err(CliError::new("the model is missing", hint).into());
    }
    Ok(settings)
}

/// Takes `a.b` out of nested tables.
fn forget(table: &mut Table, key: &str) {
    match key.split_once('.') {
        None => _ = table.remove(key),
        Some((first, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(first) {
                forget(inner, rest);
            }
        }
    }
}

/// Training from scratch has defaults of its own.
pub fn adapted(given: &Table) -> Option<&'static str> {
    let model = given.get("source")?.get("model")?.as_str()?;
    (model.starts_with("init:") && model != embedded::INIT).then_some(FROM_SCRATCH_TOML)
}

fn flags(args: &TrainArgs) -> Result<Table, CliError> {
    let text = |path: &PathBuf| Value::String(path.to_string_lossy().into_owned());
    let mut source = Table::new();
    let strings = [
        ("model", &args.model),
        ("base", &args.base),
        ("reference", &args.reference),
        ("device", &args.device),
        ("dtype", &args.dtype),
        ("langs", &args.langs),
    ];
    for (key, value) in strings {
        if let Some(value) = value {
            source.insert(key.to_owned(), value.clone().into());
        }
    }
    for (key, paths) in [("data", &args.data), ("eval", &args.eval)] {
        if !paths.is_empty() {
            source.insert(key.to_owned(), Value::Array(paths.iter().map(text).collect()));
        }
    }
    if let Some(features) = &args.features {
        source.insert("features".to_owned(), text(features));
    }
    let mut flags = Table::new();
    if !source.is_empty() {
        flags.insert("source".to_owned(), source.into());
    }
    if let Some(objective) = &args.objective {
        flags.insert("objective".to_owned(), named(objective).into());
    }
    if let Some(seed) = args.seed {
        let seed = i64::try_from(seed).map_err(|_| CliError::new("--seed is too large", "use a seed below 2^63"))?;
        flags.insert("seed".to_owned(), seed.into());
    }
    Ok(flags)
}

/// An objective by its name, or by the names and weights of a composite's terms.
fn named(objective: &str) -> Table {
    let mut table = Table::new();
    if objective.contains(':') {
        table.insert("name".to_owned(), COMPOSITE.into());
        table.insert("terms".to_owned(), objective.into());
    } else {
        table.insert("name".to_owned(), objective.into());
    }
    table
}

/// The name under which weighted sums stand in the table of objectives.
const COMPOSITE: &str = "mpo";

/// The table of objectives, as text.
fn objectives() -> String {
    let mut text = "r is the reward of a response, c a chosen one, r a rejected one; z = r_c - r_r; \
                    L(z) = -log sigmoid(z).\nOf policies, lp is the log-probability of a response, n its tokens, m = lp/n, \
                    lr = lp - lp_ref, NLL = -lp/n; x = beta*(lr_w - lr_l), w the chosen response, l the rejected one.\n\
                    Choose one with --objective NAME (NAME:WEIGHT,NAME:WEIGHT for sums), its settings with --set \
                    objective.KEY=VALUE.\nPre-training on noisy preferences (PMP, arXiv 2112.00861) is a run of its own, \
                    whose --out is the --model of the next.\n"
        .to_owned();
    for spec in SPECS {
        text += &format!("\n{}\n  {}\n  needs: {}\n", spec.name, spec.formula, spec.needs);
        let settings = spec.settings();
        if !settings.is_empty() {
            text += &format!("  settings: {}\n", settings.join(", "));
        }
        text += &format!("  from: {}\n", spec.paper);
    }
    text += "\nFitted at once, by commands of their own, to vectors (the data's, or a trunk's: `rmbench model features`) or \
             to the scores of other models. f is the vector of a response, u a user's ideal point.\n";
    for Fitted { name, formula, needs, paper, command } in FITTED {
        text += &format!("\n{name}\n  {formula}\n  needs: {needs}\n  run: {command}\n  from: {paper}\n");
    }
    text
}

/// All pairs of the files and how many each has, with what was left out said. Of training data everything that the objective needs
/// is checked here, where the file is known.
pub(super) fn read(
    paths: &[PathBuf],
    role: Role,
    settings: &TrainSettings,
    progress: &mut dyn Progress,
) -> anyhow::Result<(Vec<Comparison>, Vec<usize>)> {
    let objective = &settings.objective;
    let source = &settings.source;
    let langs = LangSet::parse(&source.langs)?;
    let options = ReadOptions {
        columns: settings.columns.clone(),
        skip_bad_rows: source.skip_bad_rows,
        lang: source.lang,
        langs: (!langs.is_all()).then_some(langs),
        evidence: true,
        embeddings: embedded::is_wanted(settings),
        keep_ties: role == Role::Training && objective.takes_ties(),
        ..ReadOptions::default()
    };
    let (mut all, mut parts) = (Vec::new(), Vec::new());
    for path in paths {
        let mut reader = reader::open(path, &options)?;
        let pairs = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
        if role == Role::Training {
            check(objective, path, &pairs, reader.layout())?;
        }
        let counts = reader.counts();
        if counts.ties > 0 {
            let name = objective.name();
            progress.line(&format!(
                "`{}`: {} ties left out; `{name}` has no use for them",
                path.display(),
                counts.ties
            ));
        }
        if counts.n_skipped() > 0 {
            progress.warn(&format!("`{}`: {} rows skipped", path.display(), counts.n_skipped()));
        }
        parts.push(pairs.len());
        all.extend(pairs);
    }
    Ok((all, parts))
}

/// The first row that lacks what the objective needs, as an error.
fn check(objective: &Objective, path: &Path, pairs: &[Comparison], layout: &Layout) -> Result<(), CliError> {
    let lacking = |pair: &Comparison| objective.lack(pair).filter(|_| objective.takes_shape(pair));
    let Some((pair, lack)) = pairs.iter().find_map(|pair| Some((pair, lacking(pair)?))) else { return Ok(()) };
    let column = match layout.column(lack.part) {
        Some(column) => format!("column `{column}`"),
        None => format!("no column for {}", lack.part.as_str()),
    };
    let problem = format!(
        "`{}` row {} (counted from 0), {column}: objective `{}` cannot use the row: it has no {}",
        path.display(),
        pair.row,
        objective.name(),
        lack.what
    );
    let hint = "`rmbench train --list-objectives` says what each objective needs; --set columns.PART=NAME names the \
                column of a part";
    Err(CliError::new(problem, hint))
}

fn digests<'a>(all: impl Iterator<Item = &'a PathBuf>) -> anyhow::Result<Vec<(PathBuf, String)>> {
    all.map(|path| Ok((path.clone(), files::sha256_file(path)?))).collect()
}

pub(super) fn tell(summary: Option<&TrainSummary>, out: &Path, message: &mut Message) {
    let Some(summary) = summary else {
        return message.line(&format!("`{}` is already complete", out.display()));
    };
    let of = match summary.best {
        Some(_) if summary.final_step != summary.steps => format!(" of step {}", summary.final_step),
        _ => String::new(),
    };
    message.line(&format!("trained {} steps; the model{of} is in `{}`", summary.steps, out.display()));
}
