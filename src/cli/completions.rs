//! `rmbench completions SHELL`.

use clap::CommandFactory;

use super::Outcome;
use super::args::{Args, Shell};
use super::message::Message;

pub fn run(shell: Shell, message: &mut Message) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "rmbench", &mut script);
    message.data(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
