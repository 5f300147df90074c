//! `rmbench train` with something varied: many runs, scored and reported.
//!
//! `OUT/runs/NAME` are ordinary training runs, `OUT/scores/NAME` ordinary score tables, `OUT/report` the report. The
//! command can be repeated: finished runs are left alone, an interrupted one goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Table;

use super::args::StudyArgs;
use super::args::TrainArgs;
use super::hint::CliError;
use super::message::Message;
use super::report::{self, Input, ReportSettings};
use super::score::score_into;
use super::{Outcome, config, file_name, train};
use crate::benchmark::dataset;
use crate::lang::Lang;
use crate::progress::Progress;
use crate::report::Format;
use crate::score::settings::{DEFAULTS, ScoreSettings};
use crate::study::{Axis, FRACTION, LANGUAGE, NOISE, SEED, Variation, variations};
use crate::train::TrainSettings;
use crate::train::prepare::Role;

const FORMATS: [Format; 5] = [Format::Html, Format::Svg, Format::Md, Format::Csv, Format::Json];

pub fn run(args: &TrainArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let out = train::out(args)?;
    if args.study.test.is_empty() {
        let hint = "give --test pairs that no run was trained or chosen on";
        return Err(CliError::new("a study has nothing to score its runs on", hint).into());
    }
    let all = variations(&axes(args, message)?)?;
    let runs = named(&all)?;
    let mut scored = Vec::with_capacity(runs.len());
    let mut outcome = Outcome::Done;
    for (number, (variation, name)) in all.iter().zip(&runs).enumerate() {
        message.line(&format!("run {} of {}: {}", number + 1, all.len(), variation.name()));
        let (dir, scores) = (out.join("runs").join(name), out.join("scores").join(name));
        let settings = settings(args, &dir, variation)?;
        train::tell(train::train(&settings, &dir, dir.exists(), message)?.as_deref(), &dir, message);
        let wanted = scoring(&settings, args, &dir, variation)?;
        if score_into(&wanted, &scores, scores.exists(), message)? == Outcome::Incomplete {
            outcome = Outcome::Incomplete;
        }
        scored.push(scores);
    }
    let settings: ReportSettings = config::resolve(report::DEFAULTS, None, &[], Table::new())?;
    let input = Input { runs: &scored, baseline: None, items: None, annotations: &[], training: &[] };
    report::report(&input, &out.join("report"), &FORMATS, &settings, message)?;
    Ok(outcome)
}

/// What is varied, in the order of names: settings, data, seeds.
fn axes(args: &TrainArgs, progress: &mut dyn Progress) -> anyhow::Result<Vec<Axis>> {
    let StudyArgs { sweep, seeds, fractions, transfer, noise, test: _ } = &args.study;
    let mut axes = sweep.iter().map(|given| Axis::parse(given)).collect::<Result<Vec<_>, _>>()?;
    if !transfer.is_empty() {
        axes.push(Axis::of(LANGUAGE, languages(args, transfer, progress)?));
    }
    for (axis, values) in [(NOISE, noise), (FRACTION, fractions)] {
        if !values.is_empty() {
            axes.push(Axis::of(axis, values.clone()));
        }
    }
    if let Some(n) = *seeds {
        let first = args.seed.unwrap_or_default();
        axes.push(Axis::of(SEED, (first..first.saturating_add(n)).map(|seed| seed.to_string()).collect()));
    }
    Ok(axes)
}

/// Codes of the languages to train on one at a time.
fn languages(args: &TrainArgs, given: &[String], progress: &mut dyn Progress) -> anyhow::Result<Vec<String>> {
    if given.iter().any(|lang| lang.trim() == "all") {
        let out = train::out(args)?;
        let settings = train::settings(args, out, &[])?;
        let data = dataset::local(&settings.source.data, progress)?;
        let (pairs, _) = train::read(&data, Role::Training, &settings, progress)?;
        let langs: BTreeSet<Lang> = pairs.iter().map(|pair| pair.lang).collect();
        return Ok(langs.into_iter().map(|lang| lang.code().to_owned()).collect());
    }
    Ok(given
        .iter()
        .map(|lang| Lang::parse(lang.trim()).map(|lang| lang.code().to_owned()))
        .collect::<Result<_, _>>()?)
}

/// Directory names of the runs, all different.
fn named(all: &[Variation]) -> Result<Vec<String>, CliError> {
    let name = |variation: &Variation| {
        let parts = variation.values.iter().map(|(axis, value)| format!("{}={value}", axis.name.replace(' ', "-")));
        file_name(&parts.collect::<Vec<_>>().join("+"))
    };
    let names: Vec<String> = all.iter().map(name).collect();
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        None => Ok(names),
        Some(name) => {
            let hint = "values that differ in special characters alone need a study each";
            Err(CliError::new(format!("two runs would be called `{name}`"), hint))
        }
    }
}

/// The settings of one run.
fn settings(args: &TrainArgs, dir: &Path, variation: &Variation) -> anyhow::Result<TrainSettings> {
    let mut settings = train::settings(args, dir, &variation.sets())?;
    settings.source.study = variation.card();
    Ok(settings)
}

/// How its model is scored: on the same device, data read in the same way.
fn scoring(
    settings: &TrainSettings,
    args: &TrainArgs,
    dir: &Path,
    variation: &Variation,
) -> anyhow::Result<ScoreSettings> {
    let defaults: ScoreSettings = config::resolve(DEFAULTS, None, &[], Table::new())?;
    let source = &settings.source;
    let wanted = ScoreSettings {
        model: Some(dir.to_string_lossy().into_owned()),
        name: Some(variation.name()),
        pairs: args.study.test.iter().map(PathBuf::clone).collect(),
        lang: source.lang,
        skip_bad_rows: source.skip_bad_rows,
        device: source.device.clone(),
        dtype: source.dtype.clone(),
        columns: settings.columns.clone(),
        ..defaults
    };
    wanted.check()?;
    Ok(wanted)
}
