//! The description of every manifest field, from which `data-manifests/README.md` is generated.

use std::fmt::Write;

/// A table of the manifest and its fields: (name, type, what it is).
pub struct Section {
    /// As it is opened in TOML; empty for the top level.
    pub table: &'static str,
    pub about: &'static str,
    pub fields: &'static [(&'static str, &'static str, &'static str)],
}

pub static SECTIONS: &[Section] = &[
    Section {
        table: "",
        about: "The benchmark as a whole.",
        fields: &[
            ("name", "text", "what `--benchmarks` takes; characters a-z, 0-9, `-`, `_`"),
            ("title", "text", "what reports call it"),
            ("version", "text", "which release of the benchmark these facts describe"),
            ("about", "text", "one sentence"),
            ("papers", "list of text, optional", "where it is defined"),
            ("notes", "list of text, optional", "sentences every report of it must carry"),
            (
                "rule",
                "`accuracy`, `style-matrix`, `ties`, `two-orders` or `graded`",
                "how items become a subset's score",
            ),
            (
                "ties",
                "`loss`, `half`, `one-over-k` or `exclude`",
                "what equal rewards are worth; `one-over-k` is best-of-N's 1/k; `exclude` leaves them out and counts them",
            ),
            ("chance", "number, optional", "score of a random scorer"),
            ("langs", "list of FLORES-200 codes", "its languages; left out: those of the data"),
            ("items-per-language", "integer, optional", "checked against the sum of subset counts"),
            ("total-items", "integer, optional", "checked against subset counts over languages"),
            (
                "overall",
                "`mean-of-categories` or `pooled`",
                "the overall score: categories by their `weight` (of an open manifest: those of the data alike, or its subsets where it has none), or all items alike",
            ),
            ("weights", "table", "name = description of each weighting of subsets"),
            ("default-weights", "text", "the weighting used unless another is asked for"),
            ("english", "text, optional", "the benchmark with the English originals, joined by subset and source id"),
            ("open", "true or false", "subsets and categories come from the data; the manifest lists none"),
            ("data", "table", "see below"),
            ("category", "tables", "see below"),
            ("average", "tables", "see below"),
        ],
    },
    Section {
        table: "[data]",
        about: "Where the data live and how they are laid out.",
        fields: &[
            ("hub", "text, optional", "data set on the Hugging Face hub, `ORG/NAME`"),
            ("revision", "text, optional", "its branch, tag or commit; left out: `main`"),
            (
                "hub-files",
                "list of text, optional",
                "paths in the data set, tried in order by `rmbench data fetch`; with `{name}`, `{lang}`, and `*` for any part of a name; a file arrives at the first path of `files` with its ending that is for one language, or for all, as it is",
            ),
            ("licence", "text, optional", "as the data set's card states it"),
            ("split", "text, optional", "its split"),
            ("url", "text, optional", "another place to get it"),
            (
                "files",
                "list of text",
                "paths below `--data`, tried in order; `{name}` is the benchmark, `{lang}` a language's code; a path without `{lang}` holds all languages",
            ),
            ("language", "FLORES-200 code, optional", "language of every row where the data have no such column"),
            (
                "columns",
                "table, optional",
                "column names: `id`, `source-id`, `language`, `prompt`, `chosen`, `rejected`, `subset`, `category`, `chosen-model`, `rejected-model`, `margin`, or `response-a`, `response-b` and `label`; `chosen-grade` and `rejected-grade` for the rule `graded`, where `chosen` is merely the first response; what is left out is recognised by its usual names",
            ),
            (
                "older-columns",
                "tables, optional",
                "column maps of earlier releases, tried in order where a file lacks a column of `columns`",
            ),
        ],
    },
    Section {
        table: "[[category]]",
        about: "A published group of subsets, in the order reports show them.",
        fields: &[
            ("name", "text", ""),
            (
                "combine",
                "`weighted-mean` (default) or `pooled`",
                "mean of subset scores, by weight or plain where they have none; or all items of its subsets alike",
            ),
            ("weight", "number, default 1", "its weight in the overall mean"),
            (
                "optional",
                "true or false",
                "may be absent: absent subsets are then left out of its mean, and the category out of the overall mean; any other category with an absent subset has no score",
            ),
            ("subset", "tables", "see below"),
        ],
    },
    Section {
        table: "[[category.subset]]",
        about: "The smallest published group.",
        fields: &[
            ("name", "text", "as in the data"),
            ("n", "integer, optional", "items per language"),
            ("weights", "table", "weight by weighting; all subsets of a category have every weighting, or none"),
            ("rule", "as above, optional", "where it differs from the benchmark's"),
            ("chance", "number, optional", "where it differs from the benchmark's"),
            ("langs", "list of codes, optional", "the languages it exists in; left out: all"),
            ("note", "text, optional", ""),
        ],
    },
    Section {
        table: "[[average]]",
        about: "A named average over languages; the first is the headline number.",
        fields: &[
            ("name", "text", ""),
            ("about", "text", "one sentence"),
            (
                "langs",
                "list of codes, or of lists of codes",
                "members with equal weight; a list within the list counts once, as the mean of its languages; left out: every language scored",
            ),
            ("pooled", "true or false", "items of all languages together instead of a mean over languages"),
        ],
    },
];

/// `data-manifests/README.md`.
pub fn readme() -> String {
    let mut out = String::from(INTRODUCTION);
    for section in SECTIONS {
        let title = if section.table.is_empty() { "Top level".to_owned() } else { format!("`{}`", section.table) };
        let _ = writeln!(out, "\n## {title}\n\n{}\n\n| field | type | meaning |\n|---|---|---|", section.about);
        for (name, kind, meaning) in section.fields {
            let _ = writeln!(out, "| `{name}` | {kind} | {meaning} |");
        }
    }
    out.push_str(CHECKS);
    out
}

const INTRODUCTION: &str = "\
# Benchmark manifests

One TOML file per benchmark says what it consists of and how its numbers are made. The files here are built into the
binary; `--manifest FILE.toml` reads one of your own. Adding a language to a benchmark is a line in `langs` (and in the
averages it belongs to); adding a benchmark is a file here and a line in `src/benchmark/catalog.rs`.

This page is generated from `src/benchmark/manifest/fields.rs` and checked by a test: run
`UPDATE_DOCS=1 cargo test --lib manifest::fields` after changing fields.
";

const CHECKS: &str = "
## What is checked

Unknown fields are refused. Names are unique; weights are positive and complete; language codes are known; subset counts
sum to the stated totals; averages name languages of the benchmark; pooled subsets share one rule; a style matrix takes
ties as `loss` or `half`; file patterns stay below the data directory, and those of `hub-files` have one to arrive at.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::catalog;
    use crate::benchmark::manifest::{Manifest, ManifestError};

    #[test]
    fn the_readme_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data-manifests/README.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, readme()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap();
        assert!(
            found == readme(),
            "data-manifests/README.md is stale: UPDATE_DOCS=1 cargo test --lib manifest::fields"
        );
    }

    /// serde's own message for an unknown field lists those it takes: the description must list the same.
    #[test]
    fn every_field_is_described_and_every_described_field_exists() {
        let base = "name = 'x'\ntitle = 'X'\nversion = '1'\nabout = 'x'\nrule = 'accuracy'\nties = 'loss'\noverall = 'pooled'\nopen = true\n";
        for section in SECTIONS {
            let text = match section.table {
                "" => format!("bogus = 1\n{base}[data]\n"),
                "[data]" => format!("{base}[data]\nbogus = 1\n"),
                table => format!(
                    "{base}[data]\n{}{table}\nbogus = 1\n",
                    if table.contains('.') { "[[category]]\nname = 'c'\n" } else { "" }
                ),
            };
            let Err(ManifestError::Syntax { source, .. }) = Manifest::parse(&text, "test") else {
                panic!("{} takes a bogus field", section.table)
            };
            let message = source.message().to_owned();
            let (_, listed) = message.split_once("expected one of ").unwrap_or_else(|| panic!("{message}"));
            let listed: std::collections::BTreeSet<&str> = listed.split(", ").map(|f| f.trim_matches('`')).collect();
            let described: std::collections::BTreeSet<&str> = section.fields.iter().map(|(name, ..)| *name).collect();
            assert_eq!(listed, described, "{}", section.table);
        }
    }

    fn with(text: &str, from: &str, to: &str) -> String {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    }

    #[test]
    fn what_the_readme_says_is_checked_is_checked() {
        let good = include_str!("../../../data-manifests/m-rewardbench.toml");
        let cases = [
            ("n = 79", "n = 78", "`items-per-language`: 2869 is stated, the subsets sum to 2868"),
            ("total-items = 65987", "total-items = 66787", "`total-items`: 66787 is stated"),
            ("mrb = 79,", "mrb = 0,", "weight `mrb` is 0, not positive"),
            ("mrb = 79,", "", "it has no weight for weighting `mrb`"),
            ("mrb = 79,", "mrb = 79, mine = 1,", "weighting `mine` is not described"),
            ("default-weights = \"mrb\"", "default-weights = \"mbr\"", "`mbr` is not described"),
            ("\"arb_Arab\", \"ces", "\"arb_Arba\", \"ces", "`arb_Arba` is not a language rmbench knows"),
            ("\"arb_Arab\", \"ces", "\"arb_Arab\", \"arb_Arab\", \"ces", "`arb_Arab` occurs twice"),
            ("name = \"alpacaeval-hard\"", "name = \"alpacaeval-easy\"", "`alpacaeval-easy` occurs twice"),
            ("name = \"m-rewardbench\"", "name = \"M RewardBench\"", "characters other than"),
            ("chance = 0.5", "chance = 50", "50 is not between 0 and 1"),
            ("\"{name}/{lang}.parquet\"", "\"../{lang}.parquet\"", "below the data directory"),
            ("\"{name}/{lang}.parquet\"", "\"{nmae}.parquet\"", "placeholders are {name} and {lang}"),
            ("hub-files = [\"{lang}/test-*.parquet\"]", "hub-files = [\"../x.parquet\"]", "below the data directory"),
            ("hub-files = [\"{lang}/test-*.parquet\"]", "hub-files = [\"{lang}/test-*.csv\"]", "no path of `files`"),
            (
                "rule = \"accuracy\"\nties = \"loss\"",
                "rule = \"style-matrix\"\nties = \"exclude\"",
                "ties are `loss` or `half`",
            ),
        ];
        for (from, to, expected) in cases {
            let error = Manifest::parse(&with(good, from, to), "test").unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
        assert!(Manifest::parse(&with(good, "about = ", "abuot = "), "test").is_err());
    }

    #[test]
    fn stated_totals_of_the_built_in_manifests() {
        let total = |name| catalog::find(name).unwrap().total_items.unwrap();
        assert_eq!(total("m-rewardbench") + total("m-rewardbench-translation"), 66_787);
        assert_eq!(catalog::find("m-rewardbench").unwrap().items_per_language, Some(2_869));
        assert_eq!([total("rewardbench"), total("rewardbench-2"), total("rm-bench")], [2_985, 1_865, 1_327]);
    }
}
