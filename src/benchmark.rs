//! What is measured: manifests, the catalog, readers of preference data.

pub mod columns;
pub mod convert;
pub mod reader;
