//! Strings to token batches, without torch: chat templates, encoding, shared prefixes, token budgets.

pub mod batch;
