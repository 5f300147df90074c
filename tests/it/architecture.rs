//! The laws of the house that a compiler does not check: which module may name which, where certain
//! crates may be named, where something may be printed, how large a room may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules in dependency order; a module may use those of earlier ranks and its own.
const RANKS: &[&[&str]] = &[
    &["files", "random", "progress", "retry"],
    &["lang", "preference", "provenance", "study", "hub"],
    &["benchmark", "judge", "text", "device"],
    &["table", "backbone"],
    &["objective", "reward", "metric"],
    &["generation"],
    &["train", "merge", "score", "selfcheck", "report", "demo"],
    &["cli"],
];

/// Uses that ranks alone would allow, or that need a reason to be allowed.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("metric", "backbone", "analysis needs no model"),
    ("metric", "device", "analysis needs no model"),
    ("metric", "reward", "analysis needs no model"),
    ("metric", "objective", "analysis needs no model"),
    ("report", "backbone", "a report needs no model"),
    ("report", "device", "a report needs no model"),
    ("report", "reward", "a report needs no model"),
    ("report", "train", "a report needs no model"),
    ("report", "generation", "a report needs no model"),
    ("selfcheck", "generation", "a check compares rewards"),
    ("report", "score", "a report reads tables, it does not make them"),
    ("score", "metric", "scores are raw; metrics come after the table"),
    ("score", "report", "scores are raw; reports come after the table"),
    ("metric", "hub", "analysis needs no network"),
    ("report", "hub", "a report needs no network"),
    ("table", "hub", "the table is read without a network"),
    ("judge", "benchmark", "a judge knows comparisons, not benchmarks"),
    ("judge", "text", "a judge's server has the template and the tokenizer"),
    ("judge", "device", "judges need no libtorch"),
    ("report", "judge", "a report needs no judge"),
    ("text", "hub", "text is prepared from files"),
    ("hub", "preference", "the hub moves files, whatever is in them"),
    ("hub", "lang", "the hub moves files, whatever is in them"),
    ("table", "backbone", "the table is read without libtorch"),
    ("table", "device", "the table is read without libtorch"),
    ("text", "benchmark", "text knows conversations, not benchmarks"),
    ("benchmark", "text", "readers know nothing of tokens"),
    ("benchmark", "device", "data are read without libtorch"),
    ("text", "device", "text is prepared without libtorch"),
    ("selfcheck", "metric", "a check compares rewards, it measures nothing"),
    ("selfcheck", "train", "a check needs a model, not its making"),
    ("demo", "train", "the demo's data know nothing of training"),
    ("demo", "report", "the demo's data know nothing of reports"),
];

/// Crates that may be named in certain places only.
const CRATES: &[(&str, &[&str])] = &[
    // `score` stands in the torch half for its loader (`score/load`), which puts models on a device.
    ("tch", &["backbone", "device", "generation", "merge", "objective", "reward", "score", "selfcheck", "train"]),
    ("polars", &["benchmark/reader", "table", "report/findings"]),
    ("plotters", &["report/figure"]),
    ("flate2", &["benchmark/reader", "report/html"]),
    ("ureq", &["hub", "judge/endpoint"]),
    ("indicatif", &["cli/message"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli", "main"]),
];

const MAX_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: path below `src` without extension, and its text without comments and tests.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap().with_extension("").to_string_lossy().into_owned();
                found.push((name, code_of(&std::fs::read_to_string(&path).unwrap())));
            }
        }
    }
    found.sort();
    assert!(found.len() > 30, "only {} source files found", found.len());
    found
}

/// Everything before the test module, comments removed.
fn code_of(text: &str) -> String {
    let body = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text);
    body.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// Top-level modules named as `crate::x`, also inside `use crate::{x, y::…}`.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut fresh = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => fresh = true,
                    c if c.is_alphanumeric() || c == '_' => {
                        if depth == 0 && fresh {
                            word.push(c);
                        }
                        continue;
                    }
                    _ => {}
                }
                if !word.is_empty() {
                    found.insert(std::mem::take(&mut word));
                    fresh = c == ',';
                }
            }
            if !word.is_empty() {
                found.insert(word);
            }
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// `krate::` as a path of its own (not the end of a longer name).
fn names(code: &str, krate: &str) -> bool {
    code.match_indices(&format!("{krate}::"))
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|rank| rank.contains(&module))
}

#[test]
fn every_module_has_a_rank() {
    let modules: BTreeSet<String> = sources().iter().map(|(name, _)| top(name).to_owned()).collect();
    let without: Vec<&String> =
        modules.iter().filter(|m| !["lib", "main"].contains(&m.as_str()) && rank(m).is_none()).collect();
    assert!(without.is_empty(), "give these a rank here and a line in ARCHITECTURE.md: {without:?}");
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        let Some(own) = rank(top(&name)) else { continue };
        for used in uses(&code) {
            let Some(other) = rank(&used) else { continue };
            if used == top(&name) {
                continue;
            }
            if other > own {
                wrong.push(format!("{name} uses {used}, which stands above it"));
            }
            if let Some((_, _, why)) = FORBIDDEN.iter().find(|(a, b, _)| *a == top(&name) && *b == used) {
                wrong.push(format!("{name} uses {used}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        for (krate, rooms) in CRATES {
            let named = names(&code, krate);
            let allowed = rooms.iter().any(|room| {
                name == *room || name.starts_with(&format!("{room}/")) || name.starts_with(&format!("{room}_"))
            });
            if named && !allowed {
                wrong.push(format!("{name} names {krate}; it belongs in {rooms:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_message_room_prints() {
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        let prints = ["println!", "eprintln!", "print!(", "eprint!(", "dbg!"].iter().find(|p| code.contains(**p));
        if let (Some(what), false) = (prints, ["main", "cli/message"].contains(&name.as_str())) {
            wrong.push(format!("{name} has {what}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_from_outside_can_panic() {
    let mut wrong = Vec::new();
    for (name, code) in sources() {
        for what in [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("] {
            if code.contains(what) {
                wrong.push(format!("{name} has {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rooms_are_small() {
    let mut lengths = Vec::new();
    let mut open = vec![root()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                lengths.push((std::fs::read_to_string(&path).unwrap().lines().count(), path));
            }
        }
    }
    let large: Vec<String> = lengths
        .iter()
        .filter(|(n, _)| *n > MAX_LINES)
        .map(|(n, path)| format!("{n} lines: {}", path.display()))
        .collect();
    assert!(large.is_empty(), "over {MAX_LINES} lines:\n{}", large.join("\n"));
    let words = ["utils", "util", "helpers", "helper", "common", "manager", "misc"];
    let vague: Vec<&PathBuf> = lengths
        .iter()
        .map(|(_, path)| path)
        .filter(|path| path.file_stem().is_some_and(|stem| words.contains(&stem.to_string_lossy().as_ref())))
        .collect();
    assert!(vague.is_empty(), "names that say nothing: {vague:?}");
}

#[test]
fn the_scanner_reads_grouped_imports() {
    let found = uses("use crate::{files, text::batch::{A, B}, lang::Lang};\nlet x = crate::random::stream(1);");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["files", "lang", "random", "text"]);
}
