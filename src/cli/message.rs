//! The only place that prints: data to stdout, talk to stderr.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Progress;

/// How often a long step says where it is when stderr is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// The unit whose amounts are shown as megabytes.
const BYTES: &str = "bytes";

/// Talks to the person at the terminal, or to a log file.
pub struct Message {
    /// Colours on stderr.
    color: bool,
    /// A bar that moves, instead of lines.
    live: bool,
    step: Option<Step>,
}

/// A long step under way.
struct Step {
    label: String,
    total: u64,
    unit: String,
    done: u64,
    note: String,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Message {
    /// Bars and colours where stderr is a terminal; no colours where `NO_COLOR` is set or `TERM=dumb`.
    pub fn new() -> Self {
        let live = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { color: live && !no_color, live, step: None }
    }

    /// Result of the command, to stdout; a newline is added unless the text ends with one.
    ///
    /// Fails where the reader has gone (`rmbench … | head`); the caller stops quietly then.
    pub fn data(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Help, version, or what is wrong with the command line; returns the exit code.
    pub fn usage(&mut self, error: &clap::Error) -> u8 {
        // A closed pipe is the reader's choice.
        let _ = error.print();
        error.exit_code() as u8
    }

    /// An error with its causes and what to do about it.
    pub fn error(&mut self, error: &anyhow::Error, hint: Option<&str>) {
        self.finish();
        let mut chain = error.chain().map(ToString::to_string);
        let mut text = format!("{} {}", self.paint("error:", "1;31"), chain.next().unwrap_or_default());
        let mut last = String::new();
        for cause in chain {
            // Transparent wrappers say the same thing again.
            if !text.contains(&cause) && cause != last {
                text.push_str(&format!("\n  caused by: {}", cause.trim_end().replace('\n', "\n    ")));
            }
            last = cause;
        }
        self.stderr(&text);
        if let Some(hint) = hint {
            let hint = format!("{} {hint}", self.paint("hint:", "1;36"));
            self.stderr(&hint);
        }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// One line of talk. A closed stderr must not stop hours of work.
    fn stderr(&self, text: &str) {
        let write = || {
            let _ = writeln!(io::stderr().lock(), "{text}");
        };
        match self.step.as_ref().and_then(|step| step.bar.as_ref()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// `12345` as `12,345`.
pub fn count(n: u64) -> String {
    HumanCount(n).to_string()
}

/// `12345678` bytes as `12.35 MB`.
pub fn size(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// A panic is our mistake, and says so.
pub fn explain_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        let _ = writeln!(io::stderr(), "hint: this is a bug in rmbench; please report it with the lines above");
    }));
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Message {
    fn begin(&mut self, label: &str, total: u64, unit: &str) {
        self.finish();
        let now = Instant::now();
        let bar = self.live.then(|| bar(label, total, unit));
        self.step = Some(Step {
            label: label.to_owned(),
            total,
            unit: unit.to_owned(),
            done: 0,
            note: String::new(),
            started: now,
            last_line: now,
            bar,
        });
    }

    fn advance(&mut self, n: u64) {
        let Some(step) = &mut self.step else { return };
        step.done += n;
        match &step.bar {
            Some(bar) => bar.inc(n),
            None if step.last_line.elapsed() >= PLAIN_INTERVAL => {
                step.last_line = Instant::now();
                let line = step.line();
                self.stderr(&line);
            }
            None => {}
        }
    }

    fn note(&mut self, text: &str) {
        if let Some(step) = &mut self.step {
            step.note = text.to_owned();
            if let Some(bar) = &step.bar {
                bar.set_message(text.to_owned());
            }
        }
    }

    fn finish(&mut self) {
        let Some(step) = self.step.take() else { return };
        match &step.bar {
            Some(bar) => bar.finish_and_clear(),
            // Short steps end without a word.
            None if step.started.elapsed() >= PLAIN_INTERVAL => self.stderr(&step.summary()),
            None => {}
        }
    }

    fn line(&mut self, text: &str) {
        self.stderr(text);
    }

    fn warn(&mut self, text: &str) {
        let text = format!("{} {text}", self.paint("warning:", "1;33"));
        self.stderr(&text);
    }
}

impl Step {
    /// `scoring: 1,024 of 6,623 pairs (15 %), 210.0 pairs/s, 27 seconds left, loss 0.641`
    fn line(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let rate = self.done as f64 / seconds;
        let mut line = match self.unit == BYTES {
            true => format!("{}: {} of {}", self.label, size(self.done), size(self.total)),
            false => format!("{}: {} of {} {}", self.label, count(self.done), count(self.total), self.unit),
        };
        if let Some(percent) = (100 * self.done).checked_div(self.total) {
            line.push_str(&format!(" ({percent} %)"));
        }
        line.push_str(&format!(", {}", self.per_second(rate)));
        if rate > 0.0 && self.total > self.done {
            let left = Duration::from_secs_f64((self.total - self.done) as f64 / rate);
            line.push_str(&format!(", {} left", HumanDuration(left)));
        }
        if !self.note.is_empty() {
            line.push_str(&format!(", {}", self.note));
        }
        line
    }

    fn summary(&self) -> String {
        let elapsed = self.started.elapsed();
        let rate = self.done as f64 / elapsed.as_secs_f64().max(1e-9);
        let done = match self.unit == BYTES {
            true => size(self.done),
            false => format!("{} {}", count(self.done), self.unit),
        };
        format!("{}: {done} in {}, {}", self.label, HumanDuration(elapsed), self.per_second(rate))
    }

    fn per_second(&self, rate: f64) -> String {
        if self.unit == BYTES { format!("{}/s", size(rate as u64)) } else { format!("{rate:.1} {}/s", self.unit) }
    }
}

fn bar(label: &str, total: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = match unit {
        BYTES => "{prefix} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left {msg}",
        _ => "{prefix} {wide_bar} {human_pos}/{human_len} {unit} {per_sec} {eta} left {msg}",
    };
    let style = ProgressStyle::with_template(&template.replace("{unit}", unit));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_has_count_share_rate_and_time_left() {
        let started = Instant::now() - Duration::from_secs(10);
        let mut step = Step {
            label: "scoring".into(),
            total: 4000,
            unit: "pairs".into(),
            done: 1000,
            note: "2 truncated".into(),
            started,
            last_line: started,
            bar: None,
        };
        let line = step.line();
        assert!(line.starts_with("scoring: 1,000 of 4,000 pairs (25 %), "), "{line}");
        assert!(line.ends_with("seconds left, 2 truncated"), "{line}");
        step.total = 0;
        assert!(step.line().starts_with("scoring: 1,000 of 0 pairs, "));
        (step.unit, step.total, step.done) = ("bytes".into(), 4_000_000_000, 1_000_000_000);
        let line = step.line();
        assert!(line.starts_with("scoring: 1.00 GB of 4.00 GB (25 %), ") && line.contains(" MB/s, "), "{line}");
    }
}
