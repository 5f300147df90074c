//! `rmbench merge`.

use std::path::PathBuf;

use toml::{Table, Value};

use super::args::MergeArgs;
use super::hint::CliError;
use super::message::Message;
use super::{Outcome, config};
use crate::merge::settings::{DEFAULTS, MergeSettings};

pub fn run(args: &MergeArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.config.print_config {
        message.data(DEFAULTS)?;
        return Ok(Outcome::Done);
    }
    let hint = "give --out a directory for the merged model";
    let out = args.out.as_deref().ok_or_else(|| CliError::new("the output directory is missing", hint))?;
    let settings: MergeSettings =
        config::resolve(DEFAULTS, args.config.config.as_deref(), &args.config.set, flags(args)?)?;
    crate::merge::run(&settings, out, message)?;
    Ok(Outcome::Done)
}

fn flags(args: &MergeArgs) -> Result<Table, CliError> {
    let mut flags = Table::new();
    let strings = |values: &[String]| Value::Array(values.iter().cloned().map(Value::String).collect());
    let paths = |values: &[PathBuf]| {
        Value::Array(values.iter().map(|path| path.to_string_lossy().into_owned().into()).collect())
    };
    for (key, value) in [("method", &args.method), ("base", &args.base)] {
        if let Some(value) = value {
            flags.insert(key.to_owned(), value.clone().into());
        }
    }
    for (key, values) in [("models", &args.models), ("minus", &args.minus)] {
        if !values.is_empty() {
            flags.insert(key.to_owned(), strings(values));
        }
    }
    if !args.match_heads.is_empty() {
        flags.insert("match-heads".to_owned(), paths(&args.match_heads));
    }
    if !args.weights.is_empty() {
        let all = args.weights.iter().map(|given| weights(given)).collect::<Result<_, _>>()?;
        flags.insert("weights".to_owned(), Value::Array(all));
    }
    Ok(flags)
}

/// `1,0.5` as numbers.
fn weights(given: &str) -> Result<Value, CliError> {
    let number = |text: &str| text.trim().parse::<f64>().map(Value::Float);
    let all = given.split(',').map(number).collect::<Result<Vec<_>, _>>();
    all.map(Value::Array).map_err(|_| {
        CliError::new(format!("`--weights {given}` are no numbers"), "for example --weights 1,0.5 for two models")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_default_file_exists() {
        let every: MergeSettings = toml::from_str(&config::with_every_setting(DEFAULTS)).unwrap();
        let defaults: MergeSettings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!((every.normalise, defaults.normalise), (Some(true), None));
        assert!(every.base.is_some() && defaults.validate().is_err());
    }

    #[test]
    fn weights_are_numbers() {
        assert_eq!(weights("1, -0.5").unwrap(), Value::Array(vec![1.0.into(), (-0.5).into()]));
        assert!(weights("1,x").is_err());
    }
}
