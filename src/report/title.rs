//! What a report is called, and its extent in a line.

use std::collections::BTreeSet;

use crate::lang::Lang;
use crate::report::block::visible;
use crate::report::findings::Findings;
use crate::report::number;

/// What the page is called: the benchmark, and what was measured on it.
pub fn title(findings: &Findings) -> String {
    match findings.benchmarks.as_slice() {
        [] => "Reward model report".to_owned(),
        [only] => visible(&only.title),
        [first, second] => format!("{} and {}", visible(&first.title), visible(&second.title)),
        [first, rest @ ..] => format!("{} and {} other benchmarks", visible(&first.title), rest.len()),
    }
}

/// All languages of all benchmarks.
pub fn langs(findings: &Findings) -> BTreeSet<Lang> {
    findings.benchmarks.iter().flat_map(|b| b.langs.iter().copied()).collect()
}

/// The extent of the report in one line.
pub fn lede(findings: &Findings) -> String {
    let plural = |n: usize, one: &str, many: &str| format!("{} {}", number::count(n), if n == 1 { one } else { many });
    let mut parts =
        vec![plural(findings.runs.len(), "run", "runs"), plural(langs(findings).len(), "language", "languages")];
    if findings.replicates > 0 {
        let percent = number::level(findings.level);
        parts.push(format!("{percent} % intervals from {} bootstrap replicates", number::count(findings.replicates)));
    }
    parts.join(" · ")
}
