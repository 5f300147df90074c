//! The check report as text for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{CheckReport, FileReport, LanguageReport, Problem, ProblemKind};
use crate::benchmark::grid::grid;
use crate::lang::Lang;

impl CheckReport {
    /// Per file: what it was read as, one line per language, then what is wrong and what is remarkable.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for file in &self.files {
            file.write(&mut out, self.against.is_some());
        }
        if let Some(against) = &self.against {
            let counts = &against.counts;
            let _ = writeln!(
                out,
                "compared with {}: {} items ({} bad rows and {} ties left out)",
                against.path.display(),
                counts.comparisons,
                counts.n_skipped(),
                counts.ties
            );
        }
        out
    }
}

/// A column of the table: header and cell. A column in which every language has nothing is left out.
type Column = (&'static str, fn(&LanguageReport) -> Option<String>);

const COLUMNS: &[Column] = &[
    ("ties", |r| some(r.ties)),
    ("null", |r| some(r.bad.get("null").copied().unwrap_or(0))),
    ("empty", |r| some(r.bad.get("empty").copied().unwrap_or(0))),
    ("other bad", |r| some(r.bad.iter().filter(|(why, _)| !["null", "empty"].contains(why)).map(|(_, n)| n).sum())),
    ("identical", |r| some(r.identical)),
    ("dup. keys", |r| some(r.duplicate_keys)),
    ("repeated", |r| some(r.repeated)),
    ("contradict.", |r| some(r.contradictory)),
    ("untransl. P", |r| some(r.untranslated_prompts)),
    ("untransl. R", |r| some(r.untranslated_responses)),
    ("script P", |r| some(r.other_script_prompts)),
    ("script R", |r| some(r.other_script_responses)),
    ("over-long", |r| r.over_long.and_then(some)),
    ("max tokens", |r| r.longest_tokens.map(|n| n.to_string())),
    ("leaked", |r| r.leaked_items.and_then(some)),
    ("leaked P", |r| r.leaked_prompts.and_then(some)),
    ("len. ratio", |r| r.median_log_length_ratio.map(|ratio| format!("{:.2}", ratio.exp()))),
    ("longer %", |r| r.chosen_longer.map(|share| format!("{:.1}", share * 100.0))),
];

fn some(count: u64) -> Option<String> {
    (count > 0).then(|| count.to_string())
}

impl FileReport {
    fn write(&self, out: &mut String, compared: bool) {
        let _ = writeln!(out, "{}", self.path.display());
        let _ = writeln!(out, "{}", self.layout);
        let counts = &self.counts;
        let _ = writeln!(
            out,
            "{} rows: {} items in {} languages, {} ties, {} bad rows, {} rows in languages not asked for",
            counts.rows,
            counts.comparisons,
            self.languages.len(),
            counts.ties,
            counts.n_skipped(),
            counts.filtered
        );
        out.push('\n');
        out.push_str(&self.table());
        out.push_str(
            "\nP prompts, R responses; len. ratio: median characters of chosen / rejected; longer %: chosen has more \
             characters, equal lengths half\n",
        );
        if compared && self.languages.values().all(|r| r.leaked_items.unwrap_or(0) + r.leaked_prompts.unwrap_or(0) == 0)
        {
            out.push_str("no item and no prompt in common with the other file\n");
        }
        let found: Vec<Problem> = self.found().collect();
        for (title, defects) in [("problems", true), ("remarks", false)] {
            let lines = by_kind(found.iter().filter(|problem| problem.kind.is_defect() == defects));
            if !lines.is_empty() {
                let _ = writeln!(out, "\n{title}:");
            }
            for (kind, (count, langs)) in lines {
                let _ = writeln!(out, "  {count} {}: {}", kind.as_str(), langs.join(", "));
            }
        }
        for line in &self.bad_rows {
            let _ = writeln!(out, "  {line}");
        }
        let quoted = self.bad_rows.len() as u64;
        if counts.n_skipped() > quoted {
            let _ = writeln!(out, "  … and {} more bad rows", counts.n_skipped() - quoted);
        }
        out.push('\n');
    }

    fn table(&self) -> String {
        let shown: Vec<&Column> =
            COLUMNS.iter().filter(|(_, cell)| self.languages.values().any(|report| cell(report).is_some())).collect();
        let header: Vec<&str> =
            ["<language", "<", "rows"].into_iter().chain(shown.iter().map(|(name, _)| *name)).collect();
        let row = |(lang, report): (&Lang, &LanguageReport)| {
            let cells = shown.iter().map(|(_, cell)| cell(report).unwrap_or_else(|| "·".to_owned()));
            let name = lang.info().map_or(String::new(), |info| info.name.to_owned());
            [lang.to_string(), name, report.rows.to_string()].into_iter().chain(cells).collect()
        };
        grid(&header, &self.languages.iter().map(row).collect::<Vec<Vec<String>>>())
    }
}

/// Totals by kind, with the languages that have it, the most affected first, at most six named.
fn by_kind<'a>(problems: impl Iterator<Item = &'a Problem>) -> BTreeMap<ProblemKind, (u64, Vec<String>)> {
    const NAMED: usize = 6;
    let mut kinds: BTreeMap<ProblemKind, Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        kinds.entry(problem.kind).or_default().push(problem);
    }
    let summed = kinds.into_iter().map(|(kind, mut problems)| {
        problems.sort_by_key(|problem| (std::cmp::Reverse(problem.count), problem.lang));
        let name = |problem: &&Problem| {
            let lang = problem.lang.map_or("language unreadable".to_owned(), |lang| lang.to_string());
            format!("{lang} {}", problem.count)
        };
        let mut names: Vec<String> = problems.iter().take(NAMED).map(name).collect();
        if problems.len() > NAMED {
            names.push(format!("{} more languages", problems.len() - NAMED));
        }
        (kind, (problems.iter().map(|problem| problem.count).sum(), names))
    });
    summed.collect()
}
