//! Judges: grammars against the corpus, endpoints against a server that fails in every way, runs from data to report, models of this machine.

mod authors;
mod corpus;
#[cfg(feature = "torch")]
mod critics;
mod faults;
#[cfg(feature = "torch")]
mod lifts;
#[cfg(feature = "torch")]
mod local;
mod runs;
mod served;
mod server;
mod soft;
#[cfg(feature = "torch")]
mod wrapped;
