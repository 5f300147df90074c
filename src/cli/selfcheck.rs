//! `rmbench selfcheck`.

use std::path::Path;

use toml::{Table, Value};

use super::args::SelfcheckArgs;
use super::hint::CliError;
use super::message::Message;
use super::{Outcome, config};
use crate::files;
use crate::selfcheck::certificate::Certificate;
use crate::selfcheck::settings::{DEFAULTS, SelfcheckSettings};

pub fn run(args: &SelfcheckArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.config.print_config {
        message.data(DEFAULTS)?;
        return Ok(Outcome::Done);
    }
    let settings: SelfcheckSettings =
        config::resolve(DEFAULTS, args.config.config.as_deref(), &args.config.set, flags(args)?)?;
    let certificate = crate::selfcheck::run(&settings, message)?;
    if let Some(out) = &args.out {
        write(out, &settings, &certificate)?;
    }
    message.data(&certificate.to_text())?;
    Ok(if certificate.fails() { Outcome::Incomplete } else { Outcome::Done })
}

fn flags(args: &SelfcheckArgs) -> Result<Table, CliError> {
    let mut flags = Table::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            flags.insert(key.to_owned(), value);
        }
    };
    set("model", args.model.clone().map(Value::String));
    set("pairs", args.pairs.as_ref().map(|path| Value::String(path.to_string_lossy().into_owned())));
    set("device", args.device.clone().map(Value::String));
    set("dtype", args.dtype.clone().map(Value::String));
    let limit = args.limit.map(i64::try_from).transpose();
    let limit = limit.map_err(|_| CliError::new("--limit is too large", "use a number below 2^63"))?;
    set("limit", limit.map(Value::Integer));
    Ok(flags)
}

fn write(out: &Path, settings: &SelfcheckSettings, certificate: &Certificate) -> anyhow::Result<()> {
    files::create_dir(out)?;
    let json = serde_json::to_string_pretty(certificate)?;
    files::write_bytes(&out.join("selfcheck.json"), (json + "\n").as_bytes())?;
    files::write_bytes(&out.join("selfcheck.txt"), certificate.to_text().as_bytes())?;
    files::write_bytes(&out.join("settings.toml"), toml::to_string(settings)?.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_default_file_exists() {
        let every: SelfcheckSettings = toml::from_str(&config::with_every_setting(DEFAULTS)).unwrap();
        let defaults: SelfcheckSettings = toml::from_str(DEFAULTS).unwrap();
        assert_eq!((every.text.max_length, defaults.text.max_length), (Some(2048), None));
        assert!(every.check().is_ok() && defaults.check().is_err());
    }
}
