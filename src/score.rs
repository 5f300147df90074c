//! From a model and benchmarks to a score table.
