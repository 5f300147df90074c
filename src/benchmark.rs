//! What is measured: manifests, the catalog, readers of preference data.

pub mod catalog;
pub mod check;
pub mod columns;
pub mod confusion;
pub mod convert;
pub mod dataset;
pub mod fetch;
pub mod grid;
pub mod manifest;
pub mod reader;
pub mod stats;
