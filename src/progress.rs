//! How long steps tell the person waiting where they are. Only `cli::message` draws anything.

/// Receives the progress of one long step at a time.
pub trait Progress {
    /// A step of `total` units begins, for example `("scoring", 6623, "pairs")`.
    fn begin(&mut self, label: &str, total: u64, unit: &str);
    /// `n` more units are done.
    fn advance(&mut self, n: u64);
    /// A short figure to show beside the bar, for example `loss 0.641`.
    fn note(&mut self, text: &str);
    /// The step is over.
    fn finish(&mut self);
    /// A line that stays: what was found, skipped, truncated, written.
    fn line(&mut self, text: &str);
    /// A line that stays and asks for attention.
    fn warn(&mut self, text: &str);
}

/// Says nothing; for tests and for callers that want silence.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str, _: u64, _: &str) {}
    fn advance(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
    fn finish(&mut self) {}
    fn line(&mut self, _: &str) {}
    fn warn(&mut self, _: &str) {}
}
