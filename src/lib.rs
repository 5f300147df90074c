//! rmbench: train reward models and evaluate them per language.
//!
//! Three verbs and three seams on disk: `train` turns preference data into a **model directory**
//! (a Hugging Face checkpoint plus `rmbench.toml`), `score` turns a model and benchmarks into a
//! **score table** (Parquet), `report` turns score tables into **findings** (estimates with
//! intervals) and renders them. The modules below stand in dependency order: a module may use those
//! above it, never those below (checked by `tests/it/architecture.rs`).
//!
//! Pure half, builds without libtorch:
//! - [`files`], [`random`], [`progress`], [`retry`]: atomic writes, counter-based randomness, progress reports, waiting.
//! - [`preference`], [`lang`], [`provenance`], [`study`]: the words everything else is written in.
//! - [`hub`]: models and data sets of the Hugging Face hub, through its cache.
//! - [`benchmark`]: what is measured: manifests, catalog, readers of preference data.
//! - [`judge`]: protocols, verdict grammars, endpoints: models that judge in words.
//! - [`text`]: strings to token batches: chat templates, encoding, shared prefixes, token budgets.
//! - [`table`]: the seam between scoring and analysis: score tables, items.
//! - [`metric`]: pure functions over items; weights and averages; intervals.
//! - [`report`]: findings, sections, renderers, figures.
//!
//! Torch half (feature `torch`):
//! - [`device`], [`backbone`], [`objective`], [`reward`], [`generation`], [`train`], [`merge`],
//!   [`selfcheck`]; [`score`] also builds
//!   without torch for the mock scorer.
//!
//! [`demo`] makes synthetic data in 24 languages. On top: [`cli`], one file per verb.

pub mod files;
pub mod progress;
pub mod random;
pub mod retry;

pub mod lang;
pub mod preference;
pub mod provenance;
pub mod study;

pub mod hub;

pub mod benchmark;
pub mod judge;
pub mod text;

pub mod table;

pub mod metric;

pub mod report;

#[cfg(feature = "torch")]
pub mod backbone;
#[cfg(feature = "torch")]
pub mod device;
#[cfg(feature = "torch")]
pub mod generation;
#[cfg(feature = "torch")]
pub mod merge;
#[cfg(feature = "torch")]
pub mod objective;
pub mod reward;
pub mod score;
#[cfg(feature = "torch")]
pub mod selfcheck;
#[cfg(feature = "torch")]
pub mod train;

pub mod demo;

pub mod cli;
