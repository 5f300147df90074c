//! `rmbench export`.

use super::Outcome;
use super::args::ExportArgs;
use super::message::Message;

pub fn run(_: &ExportArgs, _: &mut Message) -> anyhow::Result<Outcome> {
    anyhow::bail!("not yet")
}
