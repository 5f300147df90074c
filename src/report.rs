//! Findings, sections, renderers, figures.

pub mod block;
pub mod figure;
pub mod findings;
pub mod language;
pub mod measure;
pub mod number;
mod section;
mod select;
