//! Running the built binary, and what it said as one text for snapshots.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary in a directory of its own, without colours and without the caller's settings.
pub fn rmbench(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmbench"));
    command.args(args).current_dir(dir).env("NO_COLOR", "1").env_remove("RMBENCH_MOCK_DELAY_US").stdin(Stdio::null());
    command
}

pub fn run(dir: &Path, args: &[&str]) -> Output {
    rmbench(dir, args).output().unwrap()
}

/// Command line, exit code, stdout and stderr; temporary paths and the commit replaced.
pub fn transcript(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    let text = format!(
        "$ rmbench {}\nexit code {}\n--- stdout\n{}--- stderr\n{}",
        args.join(" "),
        output.status.code().map_or("none".to_owned(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let version = format!("{} ({})", rmbench::provenance::VERSION, rmbench::provenance::COMMIT);
    text.replace(&*dir.to_string_lossy(), "DIR").replace(&version, "VERSION (COMMIT)")
}
