//! Findings, sections, renderers, figures.

pub mod findings;
