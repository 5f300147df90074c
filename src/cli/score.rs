//! `rmbench score`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use toml::{Table, Value};

use super::Outcome;
use super::args::ScoreArgs;
use super::config;
use super::hint::CliError;
use super::message::{Message, count};
use crate::benchmark::grid::grid;
use crate::judge::Judge;
use crate::progress::Progress;
use crate::score::directory::{RunDirectory, SETTINGS_FILE};
use crate::score::plan::{Check, Depth, Plan, Verdict};
use crate::score::rescore::rescore;
use crate::score::run::{Summary, run as score};
use crate::score::scorer::Scorer;
use crate::score::settings::{DEFAULTS, ScoreSettings};

pub fn run(args: &ScoreArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.config.print_config {
        message.data(DEFAULTS)?;
        return Ok(Outcome::Done);
    }
    let out = RunDirectory::new(out(args)?);
    let settings = settings(args, out.root())?;
    if let Some(table) = &settings.table {
        tell(&rescore(table, &settings, &out)?, message);
        return Ok(Outcome::Done);
    }
    if args.dry_run {
        return dry_run(&settings, &out, args.resume, message);
    }
    score_into(&settings, out.root(), args.resume, message)
}

/// Scores as the settings say; used by the demonstration too.
pub fn score_into(
    settings: &ScoreSettings,
    out: &Path,
    resume: bool,
    progress: &mut dyn Progress,
) -> anyhow::Result<Outcome> {
    let out = RunDirectory::new(out);
    let scorer = Scorer::load(settings, progress)?;
    scorer.warnings().iter().for_each(|warning| progress.warn(warning));
    let plan = Plan::make(settings, Ok(&scorer), &out, resume, Depth::Run, progress)?;
    plan.refuse_wrong()?;
    warn(&plan, progress);
    let summary = score(&plan, &scorer, &out, resume, progress)?;
    tell(&summary, progress);
    if let Some(judge) = scorer.judge() {
        tell_of_judge(judge, progress);
    }
    Ok(if plan.verdict() == Verdict::Fine && summary.n_without_reward == 0 {
        Outcome::Done
    } else {
        Outcome::Incomplete
    })
}

/// Every check there is, with the model loaded but not used.
fn dry_run(
    settings: &ScoreSettings,
    out: &RunDirectory,
    resume: bool,
    message: &mut Message,
) -> anyhow::Result<Outcome> {
    let scorer = Scorer::load(settings, message);
    scorer.iter().flat_map(Scorer::warnings).for_each(|warning| message.warn(&warning));
    let plan = Plan::make(settings, scorer.as_ref(), out, resume, Depth::DryRun, message)?;
    message.data(&plan_text(&plan))?;
    match plan.verdict() {
        Verdict::Fine => Ok(Outcome::Done),
        Verdict::Doubtful => Ok(Outcome::Incomplete),
        Verdict::Wrong => Err(CliError::new("this plan cannot be carried out", "see the checks marked WRONG").into()),
    }
}

fn out(args: &ScoreArgs) -> Result<&Path, CliError> {
    let hint = "give --out a directory for the score table";
    args.out.as_deref().ok_or_else(|| CliError::new("the output directory is missing", hint))
}

/// Defaults, file, `--set`, flags; a run that is continued brings its own settings in the file's place.
fn settings(args: &ScoreArgs, out: &Path) -> anyhow::Result<ScoreSettings> {
    let saved = out.join(SETTINGS_FILE);
    let saved = (args.resume && saved.is_file()).then_some(saved);
    let file = args.config.config.clone().or(saved);
    let mut settings: ScoreSettings = config::resolve(DEFAULTS, file.as_deref(), &args.config.set, flags(args)?)?;
    settings.table = args.table.clone();
    settings.check()?;
    Ok(settings)
}

fn flags(args: &ScoreArgs) -> Result<Table, CliError> {
    let paths = |paths: &[PathBuf]| Value::Array(paths.iter().map(|path| text(path)).collect());
    let mut flags = Table::new();
    let mut set = |key: &str, value: Value| flags.insert(key.to_owned(), value);
    if let Some(model) = &args.model {
        set("model", model.clone().into());
    }
    if let Some(judge) = &args.judge {
        set("judge", Value::Table(Table::from_iter([("protocol".to_owned(), judge.clone().into())])));
    }
    for (key, given) in [("base", &args.base), ("kind", &args.kind)] {
        if let Some(given) = given {
            set(key, given.clone().into());
        }
    }
    let implicit = [("reference", &args.reference), ("compat", &args.compat)];
    let implicit = implicit.into_iter().filter_map(|(key, given)| Some((key.to_owned(), given.clone()?.into())));
    let implicit = Table::from_iter(implicit);
    if !implicit.is_empty() {
        set("implicit", Value::Table(implicit));
    }
    // What to score is one choice: a flag replaces whatever a file chose.
    if !(args.benchmarks.is_empty() && args.pairs.is_empty() && args.manifest.is_empty()) {
        set("benchmarks", args.benchmarks.clone().into());
        set("pairs", paths(&args.pairs));
        set("manifests", paths(&args.manifest));
    }
    if let Some(langs) = &args.langs {
        set("langs", langs.clone().into());
    }
    if let Some(data) = &args.data {
        set("data", text(data));
    }
    if args.features {
        set("features", true.into());
    }
    if let Some(limit) = args.limit {
        let limit = i64::try_from(limit).map_err(|_| CliError::new("--limit is too large", "leave it out for all"))?;
        set("limit", limit.into());
    }
    Ok(flags)
}

fn text(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

/// The plan by benchmark and language, and what was checked.
fn plan_text(plan: &Plan) -> String {
    let mut rows = Vec::new();
    for planned in &plan.sources {
        for (lang, cell) in planned.cells.iter().filter(|(_, cell)| cell.planned > 0 || cell.expected.is_some()) {
            let known = |n: Option<u64>| n.map_or("-".to_owned(), count);
            rows.push(vec![
                planned.source.name.to_string(),
                lang.to_string(),
                count(cell.planned),
                count(cell.responses),
                count(cell.found),
                known(cell.expected),
                known(cell.over_long),
            ]);
        }
    }
    let header = ["<benchmark", "<language", "items", "responses", "in data", "in manifest", "over-long"];
    let mut text = grid(&header, &rows);
    text.push_str(&format!("\n{} items to score\n\nchecks\n", count(plan.n_items())));
    for check in &plan.checks {
        text.push_str(&check_line(check));
    }
    text
}

fn check_line(check: &Check) -> String {
    let mark = match check.verdict {
        Verdict::Fine => "ok   ",
        Verdict::Doubtful => "note ",
        Verdict::Wrong => "WRONG",
    };
    let mut line = format!("  {mark}  {}: {}\n", check.name, check.finding);
    if let Some(hint) = check.hint.as_ref().filter(|_| check.verdict != Verdict::Fine) {
        line.push_str(&format!("         hint: {hint}\n"));
    }
    line
}

fn warn(plan: &Plan, progress: &mut dyn Progress) {
    for check in plan.checks.iter().filter(|check| check.verdict == Verdict::Doubtful) {
        progress.warn(&format!("{}: {}", check.name, check.finding));
    }
    if let Some(limit) = plan.limit {
        progress.line(&format!("at most {} items of each benchmark and language", count(limit)));
    }
}

fn tell(summary: &Summary, progress: &mut dyn Progress) {
    if summary.n_resumed > 0 {
        progress.line(&format!("{} items had been scored before", count(summary.n_resumed)));
    }
    if summary.n_truncated > 0 {
        progress.warn(&format!("{} responses were cut to fit the model", count(summary.n_truncated)));
    }
    if summary.n_without_reward > 0 {
        let n = count(summary.n_without_reward);
        progress.warn(&format!("{n} responses have no reward: what the model gives is not a finite number"));
    }
    let (items, responses) = (count(summary.n_items), count(summary.n_responses));
    if let Some(took) = summary.took {
        let seconds = took.as_secs_f64().max(1e-9);
        let rate = (summary.n_items - summary.n_resumed) as f64 / seconds;
        progress.line(&format!("scoring took {seconds:.2} s, {rate:.2} items/s"));
    }
    progress.line(&format!("scored {items} items ({responses} responses): `{}`", summary.table.display()));
}

/// What this command asked of servers, and what it cost.
fn tell_of_judge(judge: &Judge, progress: &mut dyn Progress) {
    for (name, tally) in judge.tallies() {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let mut line = format!(
            "`{name}`: {} replies, {} more from the cache",
            count(of(&tally.answered)),
            count(of(&tally.replayed))
        );
        for (n, what) in
            [(&tally.retries, "tried again"), (&tally.rejected, "rejected"), (&tally.failed, "without a reply")]
        {
            if of(n) > 0 {
                line.push_str(&format!(", {} {what}", count(of(n))));
            }
        }
        progress.line(&line);
    }
    if judge.without_probabilities() > 0 {
        let n = count(judge.without_probabilities());
        progress.warn(&format!("{n} verdicts came without the probabilities that were asked for, and count whole"));
    }
    let spent = judge.spent();
    if spent.tokens > 0 {
        let money = if spent.money > 0.0 { format!(", {:.4} of money", spent.money) } else { String::new() };
        progress.line(&format!("spent {} tokens{money}", count(spent.tokens)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_default_file_exists() {
        let every: ScoreSettings = toml::from_str(&config::with_every_setting(DEFAULTS)).unwrap();
        let defaults: ScoreSettings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!((every.limit, defaults.limit), (Some(100), None));
        every.check().unwrap_err();
        assert_eq!(every.text.max_length, Some(2048));
        assert_eq!(every.judge.protocol.as_deref(), Some("pairwise"));
        assert!(defaults.judge.is_off() && every.endpoint.budget_tokens.is_some());
    }
}
