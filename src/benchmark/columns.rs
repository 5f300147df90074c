//! Which column of a data file holds what.

use serde::{Deserialize, Serialize};

/// Column names for the roles a reader needs; `None` means "recognise it by its usual names".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ColumnMap {
    pub id: Option<String>,
    pub source_id: Option<String>,
    pub language: Option<String>,
    pub prompt: Option<String>,
    pub chosen: Option<String>,
    pub rejected: Option<String>,
    pub subset: Option<String>,
    pub category: Option<String>,
    pub chosen_model: Option<String>,
    pub rejected_model: Option<String>,
    pub margin: Option<String>,
}
