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

/// A pairwise protocol of one letter; `ask` is a line more on how it is asked.
fn one_letter(ask: &str) -> String {
    format!(
        r#"
name = "letter"
title = "Letter"
about = "Two short answers, one letter."
papers = ["ours"]
shows = 2

[ask]
max-tokens = 1
{ask}

[[message]]
role = "user"
text = "A: {{{{ responses[0] }}}} B: {{{{ responses[1] }}}} Better?"

[verdict]
place = "first-word"
meaning = {{ letter = {{}} }}
"#
    )
}
