//! What is measured: manifests, the catalog, readers of preference data.

pub mod check;
pub mod columns;
pub mod convert;
mod grid;
pub mod reader;
pub mod stats;
