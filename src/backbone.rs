//! Transformers on libtorch, configured by a checkpoint's own config.json.
