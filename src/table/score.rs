//! The score table, schema v1: one row per scored response.
//!
//! | column | type | |
//! |---|---|---|
//! | benchmark, benchmark_version, subset, lang, item_id, source_id | dictionary\<utf8\> | keys |
//! | category | dictionary\<utf8\>, nullable | the data file's own grouping |
//! | role | dictionary\<utf8\> | `chosen` or `rejected` |
//! | response_index | u16 | position within its role |
//! | variant | dictionary\<utf8\>, nullable | named style of the response, order of the judgment, or gold grade (`grade 4`) |
//! | n_chars, n_tokens | u32 | of the response; of the whole sequence as the model saw it; 0: not known |
//! | truncated | bool | something was cut to fit the model |
//! | reward | f32, nullable | null: the model gave none |
//! | logp_policy, logp_reference | f64, nullable | sums over response tokens, implicit models only, as all that follow |
//! | logp_squares | f64, nullable | sum of the policy's squared log-probabilities |
//! | n_scored, n_bytes | u32, nullable | tokens that were summed over; bytes of the response |
//!
//! Run provenance ([`RunInfo`](crate::provenance::RunInfo)) is JSON in the Parquet key-value metadata
//! under [`METADATA_KEY`]; the schema version is under [`VERSION_KEY`].

use std::sync::Arc;

use super::implicit::LogProbs;
use crate::lang::Lang;

pub const METADATA_KEY: &str = "rmbench.run";
pub const VERSION_KEY: &str = "rmbench.score_table";
pub const SCHEMA_VERSION: &str = "1";
/// The table's file name in a run directory.
pub const FILE_NAME: &str = "scores.parquet";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Chosen,
    Rejected,
}

impl Side {
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Chosen => "chosen",
            Side::Rejected => "rejected",
        }
    }
}

/// One scored response. Strings are shared: a table repeats few of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRow {
    pub benchmark: Arc<str>,
    pub benchmark_version: Arc<str>,
    pub subset: Arc<str>,
    pub category: Option<Arc<str>>,
    pub lang: Lang,
    pub item_id: Arc<str>,
    pub source_id: Arc<str>,
    pub side: Side,
    pub response_index: u16,
    pub variant: Option<Arc<str>>,
    pub n_chars: u32,
    pub n_tokens: u32,
    pub truncated: bool,
    pub reward: Option<f32>,
    pub log_probs: Option<LogProbs>,
}
