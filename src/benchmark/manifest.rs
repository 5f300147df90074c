//! Benchmark manifests: what a benchmark consists of and how its numbers are made, as TOML.
//!
//! Facts only: subsets with their counts and weights, how subsets make categories and categories the
//! score, which averages over languages exist, what a tie is worth, where the data live. Every field
//! is described in `data-manifests/README.md`, which is generated from [`fields`].

pub mod error;
pub mod fields;
pub mod files;
mod validate;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::benchmark::columns::ColumnMap;
use crate::lang::Lang;

pub use error::ManifestError;
pub use files::{DataFile, DataFiles, MissingData};
pub use rmbench_contributions::rule::{Protocol, Rule, TiePolicy};

/// How the subsets of a category make its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// Mean of subset scores under the chosen weights; a plain mean where subsets have none.
    #[default]
    WeightedMean,
    /// Items of all subsets together.
    Pooled,
}

/// How the overall score is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overall {
    /// Mean of category scores, each with its category's `weight`.
    MeanOfCategories,
    /// All items together, whatever their category.
    Pooled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    pub name: String,
    pub title: String,
    pub version: String,
    pub about: String,
    #[serde(default)]
    pub papers: Vec<String>,
    #[serde(default)]
    pub notes: Vec<String>,
    pub rule: Rule,
    pub ties: TiePolicy,
    #[serde(default)]
    pub chance: Option<f64>,
    /// Empty: whatever languages the data have.
    #[serde(default)]
    pub langs: Vec<Lang>,
    #[serde(default)]
    pub items_per_language: Option<u64>,
    #[serde(default)]
    pub total_items: Option<u64>,
    pub overall: Overall,
    /// Named weightings of subsets: name → what it is.
    #[serde(default)]
    pub weights: BTreeMap<String, String>,
    #[serde(default)]
    pub default_weights: Option<String>,
    /// The benchmark that holds the English originals, joined by subset and source id.
    #[serde(default)]
    pub english: Option<String>,
    /// Subsets and categories are taken from the data; the manifest lists none.
    #[serde(default)]
    pub open: bool,
    pub data: Data,
    #[serde(default, rename = "category")]
    pub categories: Vec<Category>,
    #[serde(default, rename = "average")]
    pub averages: Vec<Average>,
    /// SHA-256 of the text it was read from, for provenance.
    #[serde(skip)]
    pub digest: String,
}

impl From<&Manifest> for Protocol {
    fn from(manifest: &Manifest) -> Self {
        Self { ties: manifest.ties }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Category {
    pub name: String,
    #[serde(default)]
    pub combine: Combine,
    /// Weight in the overall mean.
    #[serde(default = "one")]
    pub weight: f64,
    /// May be absent: then it is masked from the overall mean, and its own absent subsets from its mean.
    #[serde(default)]
    pub optional: bool,
    #[serde(default, rename = "subset")]
    pub subsets: Vec<Subset>,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Subset {
    pub name: String,
    /// Items per language; absent where it is not published.
    #[serde(default)]
    pub n: Option<u64>,
    /// Weight in its category by weighting; all subsets of a category have weights, or none.
    #[serde(default)]
    pub weights: BTreeMap<String, f64>,
    #[serde(default)]
    pub rule: Option<Rule>,
    #[serde(default)]
    pub chance: Option<f64>,
    /// The languages it exists in; empty: all of the benchmark's.
    #[serde(default)]
    pub langs: Vec<Lang>,
    #[serde(default)]
    pub note: Option<String>,
}

/// A named average over languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Average {
    pub name: String,
    pub about: String,
    /// Members with equal weight; empty: every language of the benchmark that the data have.
    #[serde(default)]
    pub langs: Vec<Member>,
    /// Items of all languages together instead of a mean over languages.
    #[serde(default)]
    pub pooled: bool,
}

/// One member of an average: a language, or several that count as one (their mean).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Member {
    One(Lang),
    Merged(Vec<Lang>),
}

impl Member {
    pub fn langs(&self) -> &[Lang] {
        match self {
            Member::One(lang) => std::slice::from_ref(lang),
            Member::Merged(langs) => langs,
        }
    }
}

/// Where the data live and how they are laid out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Data {
    /// Data set on the hub, `ORG/NAME`.
    #[serde(default)]
    pub hub: Option<String>,
    /// Its branch, tag or commit; absent: `main`.
    #[serde(default)]
    pub revision: Option<String>,
    /// Paths in it, tried in order, with `{name}`, `{lang}` and `*`; each arrives at the first of `files` that
    /// has the same ending and also one file per language, or one for all.
    #[serde(default)]
    pub hub_files: Vec<String>,
    /// As its card states it.
    #[serde(default)]
    pub licence: Option<String>,
    #[serde(default)]
    pub split: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    /// Paths below `--data`, tried in order; `{name}` and `{lang}` stand for the benchmark and a language.
    #[serde(default)]
    pub files: Vec<String>,
    /// The language of every row, where the data have no such column.
    #[serde(default)]
    pub language: Option<Lang>,
    #[serde(default)]
    pub columns: ColumnMap,
    /// Column maps of earlier releases, for files that lack a column of `columns`.
    #[serde(default)]
    pub older_columns: Vec<ColumnMap>,
}

impl Manifest {
    /// Reads and checks a manifest. `origin` names the text in errors: a path, or `built-in NAME`.
    ///
    /// # Errors
    /// TOML that does not parse, unknown or missing fields, and everything `data-manifests/README.md`
    /// lists as checked; each error names origin and place.
    pub fn parse(text: &str, origin: &str) -> Result<Manifest, ManifestError> {
        let mut manifest: Manifest = toml::from_str(text)
            .map_err(|source| ManifestError::Syntax { origin: origin.to_owned(), source: Box::new(source) })?;
        manifest.digest = crate::files::sha256(text.as_bytes());
        validate::check(&manifest).map_err(|fault| ManifestError::Invalid {
            origin: origin.to_owned(),
            at: fault.at,
            problem: fault.problem,
            hint: fault.hint,
        })?;
        Ok(manifest)
    }

    /// [`Manifest::parse`] on a file.
    pub fn from_file(path: &Path) -> Result<Manifest, ManifestError> {
        Manifest::parse(&crate::files::read_text(path)?, &path.display().to_string())
    }

    /// All subsets in manifest order, each with its category.
    pub fn subsets(&self) -> impl Iterator<Item = (&Category, &Subset)> {
        self.categories.iter().flat_map(|category| category.subsets.iter().map(move |subset| (category, subset)))
    }

    /// Items expected of a subset in a language: `None` where the manifest does not say, 0 where the
    /// subset does not exist in that language.
    pub fn expected(&self, subset: &str, lang: Lang) -> Option<u64> {
        let (_, subset) = self.subsets().find(|(_, s)| s.name == subset)?;
        if subset.exists_in(lang) { subset.n } else { Some(0) }
    }

    /// The names of its weightings, the default first.
    pub fn weightings(&self) -> Vec<&str> {
        let default = self.default_weights.as_deref();
        let others = self.weights.keys().map(String::as_str).filter(|name| Some(*name) != default);
        default.into_iter().chain(others).collect()
    }

    /// The language of a row whose data have no language column: the subset's only one, or the benchmark's.
    pub fn row_language(&self, subset: &str) -> Option<Lang> {
        let own = self.subsets().find(|(_, s)| s.name == subset).map(|(_, s)| s.langs.as_slice());
        match own {
            Some([only]) => Some(*only),
            _ => self.data.language,
        }
    }
}

impl Subset {
    pub fn exists_in(&self, lang: Lang) -> bool {
        self.langs.is_empty() || self.langs.contains(&lang)
    }
}
