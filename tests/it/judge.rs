//! Judges: grammars against the corpus, endpoints against a server that fails in every way, runs from data to report.

mod corpus;
mod faults;
mod runs;
mod served;
mod server;
