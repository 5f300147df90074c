//! The hub's client against a server on this machine that behaves like the hub.

mod access;
mod fetch;
mod model;
mod peer;
pub mod server;
mod transfer;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rmbench::hub::settings::Token;
use rmbench::hub::{Hub, HubError, HubSettings, Repository};
use rmbench::progress::Progress;

use server::FakeHub;

/// Keeps what is said.
#[derive(Default)]
pub struct Said {
    pub lines: Vec<String>,
    /// Bytes of the last step: expected and counted.
    pub step: (u64, u64),
}

impl Progress for Said {
    fn begin(&mut self, _: &str, total: u64, _: &str) {
        self.step = (total, 0);
    }
    fn advance(&mut self, n: u64) {
        self.step.1 += n;
    }
    fn note(&mut self, _: &str) {}
    fn finish(&mut self) {}
    fn line(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }
    fn warn(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }
}

/// Settings for a server on this machine: short waits, a cache of the test's own.
pub fn settings(endpoint: &str, cache: &Path) -> HubSettings {
    HubSettings {
        endpoint: endpoint.to_owned(),
        token: None,
        cache: cache.to_owned(),
        offline: false,
        certificates: None,
        proxies: false,
        parallel: 4,
        attempts: 4,
        first_wait: Duration::from_millis(2),
        longest_wait: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
    }
}

pub fn with_token(settings: HubSettings, token: &str) -> HubSettings {
    HubSettings { token: Some(Token::new(token)), ..settings }
}

/// `hf:org/name` through a hub; what was said along the way.
pub fn model(settings: HubSettings, name: &str) -> (Result<std::path::PathBuf, HubError>, Said) {
    let mut said = Said::default();
    let hub = Hub::new(settings).unwrap();
    let found = hub.model(&Repository::model(name).unwrap(), &mut said);
    (found, said)
}

/// The binary with this hub, this cache and no other settings of the caller's.
pub fn rmbench(hub: &FakeHub, dir: &Path, args: &[&str]) -> Command {
    let mut command = crate::command::rmbench(dir, args);
    let unset = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"];
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    for name in unset.iter().chain(&proxies).chain(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "SSL_CERT_FILE"]) {
        command.env_remove(name);
    }
    command.env("HF_ENDPOINT", hub.endpoint()).env("HF_HOME", dir.join("hf"));
    command
}

/// The smallest repository that counts as a model, its weights as large as a test wants.
pub fn weights(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 31 % 251) as u8).collect()
}
