//! The seam between scoring and analysis: score tables on disk, items in memory.

pub mod item;
pub mod score;
