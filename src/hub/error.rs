//! What can go wrong between here and the hub, and what to do about it. No text holds a token.

use std::path::PathBuf;
use std::sync::Arc;

use crate::files::FileError;

#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{given}`: {problem}")]
    Name { given: String, problem: &'static str },
    #[error("`{variable}`: {problem}")]
    Setting { variable: &'static str, problem: String },
    /// Not all of it is in the cache, and there was no asking the hub: `because` says why.
    #[error("`{spec}` is not {} the cache `{}`", if missing.is_empty() { "in" } else { "whole in" }, cache.display())]
    NotCached {
        spec: String,
        cache: PathBuf,
        missing: Vec<String>,
        #[source]
        because: Option<Arc<HubError>>,
    },
    #[error("the hub has no repository `{spec}`, or does not show it to everyone")]
    NoRepository { spec: String, has_token: bool },
    #[error("`{spec}` has no revision `{revision}`")]
    NoRevision { spec: String, revision: String },
    #[error("`{spec}` has no file `{file}`")]
    NoFile { spec: String, file: String },
    #[error("the hub does not give out `{spec}`{}", said(message))]
    Denied { spec: String, page: String, has_token: bool, message: String },
    #[error("the hub refuses the token{}", said(message))]
    BadToken { message: String },
    #[error("`{host}` asks to wait {seconds} s before the next request")]
    Busy { host: String, seconds: u64 },
    #[error("`{url}` answers {status}{}", said(message))]
    Status { url: String, status: u16, message: String },
    #[error("`{url}` is not reached: {problem}")]
    Unreachable { url: String, problem: String },
    #[error("`{url}` has no certificate that is trusted: {problem}")]
    Untrusted { url: String, problem: String },
    #[error("`{url}` gives an answer that is none of a hub: {problem}")]
    Answer { url: String, problem: String },
    #[error("`{file}` of `{spec}` breaks off after {got} of {size} bytes: {problem}")]
    Broken { spec: String, file: String, got: u64, size: u64, problem: String },
    #[error("`{file}` of `{spec}` should have {expected} bytes, the server sends {found}")]
    Length { spec: String, file: String, expected: u64, found: u64 },
    #[error("`{file}` of `{spec}` has checksum {found}, not {expected}")]
    Checksum { spec: String, file: String, expected: String, found: String },
    #[error("`{spec}` has no weights that rmbench reads: {}", listed(files))]
    NoWeights { spec: String, files: Vec<String> },
    #[error("`{spec}`: {problem}: {}", listed(files))]
    Choice { spec: String, problem: String, files: Vec<String> },
    /// Another download of the same repository failed first.
    #[error("stopped")]
    Stopped,
}

/// A server's own words, where it had any.
fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// The first dozen, and how many more.
fn listed(files: &[String]) -> String {
    const SHOWN: usize = 12;
    if files.is_empty() {
        return "there is none".to_owned();
    }
    let shown = files.iter().take(SHOWN).map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ");
    if files.len() > SHOWN { format!("{shown} and {} more", files.len() - SHOWN) } else { shown }
}

const NETWORK: &str = "check the connection, HTTPS_PROXY and HF_ENDPOINT; HF_HUB_OFFLINE=1 uses what the cache has";
const AGAIN: &str = "run the same command again: what has arrived is kept";

impl HubError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            HubError::File(_) => "check the path, its permissions and the free space; HF_HOME moves the cache".into(),
            HubError::Name { .. } => "for example hf:ORG/NAME, hf:ORG/NAME@REVISION or hf-data:ORG/NAME".into(),
            HubError::Setting { .. } => return None,
            HubError::NotCached { missing, because, .. } => match because {
                Some(error) => return error.hint(),
                None if missing.is_empty() => {
                    "HF_HUB_OFFLINE is set: unset it to download, or set HF_HUB_CACHE to the cache that has it".into()
                }
                None => format!("HF_HUB_OFFLINE is set: unset it to download {}", listed(missing)),
            },
            HubError::NoRepository { has_token: false, .. } => {
                "check the name; if the repository is private, set HF_TOKEN to a token that may read it".into()
            }
            HubError::NoRepository { .. } => {
                "check the name, and that the account of the token may read the repository".into()
            }
            HubError::NoRevision { .. } => "give a branch, tag or commit that it has, or leave @REVISION out".into(),
            HubError::NoFile { .. } => "check the path: it is the one shown under `Files` on the hub".into(),
            HubError::Denied { page, has_token: false, .. } => {
                format!("accept its terms at {page}, then set HF_TOKEN to a token of that account")
            }
            HubError::Denied { page, .. } => {
                format!(
                    "accept its terms at {page} with the account of the token; the token must be allowed to read it"
                )
            }
            HubError::BadToken { .. } => "make a new one on the hub (Settings, Access Tokens) and set HF_TOKEN".into(),
            HubError::Busy { .. } => "try again then; a token in HF_TOKEN has a higher limit than none".into(),
            HubError::Status { .. } => "the server has a problem; try again later".into(),
            HubError::Unreachable { .. } => NETWORK.into(),
            HubError::Untrusted { .. } => {
                "where a proxy has certificates of its own, set SSL_CERT_FILE to a file that holds them".into()
            }
            HubError::Answer { .. } => {
                "is HF_ENDPOINT the address of a hub, and does a proxy or a login page stand between?".into()
            }
            HubError::Broken { .. } => AGAIN.into(),
            HubError::Length { .. } | HubError::Checksum { .. } => {
                "the server or something on the way changes the file; nothing of it was kept".into()
            }
            HubError::NoWeights { .. } => {
                "rmbench reads safetensors: convert the weights with transformers' save_pretrained".into()
            }
            HubError::Choice { .. } => "name them, as in hf-data:ORG/NAME/data/test-*.parquet".into(),
            HubError::Stopped => return None,
        })
    }

    /// True where the cache may stand in: the hub cannot be asked, or does not answer as it once did.
    pub(super) fn leaves_the_cache(&self) -> bool {
        !matches!(self, HubError::File(_) | HubError::Name { .. } | HubError::Setting { .. } | HubError::Stopped)
    }
}
