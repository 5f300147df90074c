//! The command line: one file per verb, [`message`] prints, [`config`] resolves settings.
//!
//! Exit codes: 0 done; 1 finished but incomplete, or a bar missed; 2 the input or the environment is
//! wrong; 101 a panic, which is always a bug of rmbench.

pub mod args;
pub mod completions;
pub mod config;
pub mod data;
#[cfg(feature = "torch")]
pub mod demo;
pub mod doctor;
pub mod export;
pub mod fetch;
#[cfg(feature = "torch")]
mod heads;
pub mod hint;
pub mod import;
pub mod judgments;
#[cfg(feature = "torch")]
pub mod merge;
pub mod message;
#[cfg(feature = "torch")]
pub mod model;
pub mod report;
pub mod score;
#[cfg(feature = "torch")]
pub mod selfcheck;
pub mod show;
#[cfg(feature = "torch")]
mod study;
#[cfg(feature = "torch")]
pub mod train;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Verb};
use message::Message;

/// How a verb ended that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Something is missing from the result, or a bar was missed; the verb has said what.
    Incomplete,
}

/// Parses the command line, runs the verb, prints what went wrong.
pub fn main() -> ExitCode {
    message::explain_panics();
    let mut message = Message::new();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return ExitCode::from(message.usage(&error)),
    };
    match run(args.verb, &mut message) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => ExitCode::from(1),
        // Whoever read stdout has seen enough.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            message.error(&error, hint::of(&error).as_deref());
            ExitCode::from(2)
        }
    }
}

fn run(verb: Verb, message: &mut Message) -> anyhow::Result<Outcome> {
    match verb {
        #[cfg(feature = "torch")]
        Verb::Train(args) => train::run(&args, message),
        Verb::Score(args) => score::run(&args, message),
        Verb::Report(args) => report::run(&args, message),
        Verb::Import(args) => import::run(&args, message),
        Verb::Export(args) => export::run(&args, message),
        Verb::Data(verb) => data::run(&verb, message),
        #[cfg(feature = "torch")]
        Verb::Merge(args) => merge::run(&args, message),
        #[cfg(feature = "torch")]
        Verb::Model(verb) => model::run(&verb, message),
        #[cfg(feature = "torch")]
        Verb::Demo(args) => demo::run(&args, message),
        #[cfg(feature = "torch")]
        Verb::Selfcheck(args) => selfcheck::run(&args, message),
        Verb::Doctor => doctor::run(message),
        Verb::Completions { shell } => completions::run(shell, message),
        #[cfg(not(feature = "torch"))]
        Verb::Train(_) | Verb::Merge(_) | Verb::Model(_) | Verb::Demo(_) | Verb::Selfcheck(_) => {
            Err(without_torch().into())
        }
    }
}

#[cfg(not(feature = "torch"))]
fn without_torch() -> hint::CliError {
    let hint = "build with the feature `torch`; scoring with mock:length or mock:random and reports work without";
    hint::CliError::new("this rmbench was built without libtorch", hint)
}

/// True where writing the result failed because its reader has gone (`rmbench … | head`).
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// A model's name as the name of a file or directory: `org/model` is one.
fn file_name(model: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.+ ".contains(c) { c } else { '_' };
    let name: String = model.chars().map(plain).collect();
    match name.trim_start_matches('.') {
        "" => "model".to_owned(),
        rest => rest.to_owned(),
    }
}
