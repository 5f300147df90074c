//! Strings to token batches, without torch: chat templates, encoding, shared prefixes, token budgets.

mod added_tokens;
pub mod batch;
pub mod chat;
pub mod cut;
pub mod date;
pub mod encode;
pub mod model_settings;
pub mod pooling;
pub mod prefix;
mod python;
pub mod question;
pub mod response_tokens;
pub mod settings;
pub mod show;
pub mod template_files;
pub mod tokenizer_files;
mod tokens;
pub mod train_tokenizer;
