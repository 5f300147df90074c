//! Models and data sets of the Hugging Face hub, by way of the cache that all of the hub's clients share.
//!
//! [`name`] parses `hf:ORG/NAME[@REVISION]`, [`settings`] reads the usual variables (`HF_HOME`, `HF_TOKEN`,
//! `HF_ENDPOINT`, `HF_HUB_OFFLINE`, …), [`cache`] is the layout on disk, [`snapshot`] brings the files that
//! are asked for. A file appears in a snapshot whole and verified, or not at all.
//!
//! The layout is that of Python's huggingface_hub, so a cache written by one is read by the other.

pub mod cache;
mod checksum;
mod client;
mod download;
pub mod error;
mod lock;
pub mod model;
pub mod name;
mod patience;
pub mod pattern;
mod reply;
pub mod settings;
pub mod snapshot;

pub(crate) use client::trusting;
pub use error::HubError;
pub use name::{DataName, Kind, Repository};
pub use settings::HubSettings;
pub use snapshot::{Hub, Listing, View};
