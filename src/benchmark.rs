//! What is measured: manifests, the catalog, readers of preference data.

pub mod catalog;
pub mod columns;
pub mod manifest;
