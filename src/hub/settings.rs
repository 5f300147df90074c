//! Where the hub is, where its cache is, and who asks: the variables that all of the hub's clients read.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::HubError;
use crate::files;

/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// A secret that says who asks. Shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// How to reach the hub and where to keep what it gives.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// `HF_ENDPOINT`: the hub or a mirror of it, without a slash at its end.
    pub endpoint: String,
    /// `HF_TOKEN`, or the file that `hf auth login` writes.
    pub token: Option<Token>,
    /// `HF_HUB_CACHE`, `HF_HOME/hub` or `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// `HF_HUB_OFFLINE`: the cache is all there is.
    pub offline: bool,
    /// `SSL_CERT_FILE`: certificates to trust in place of the usual ones.
    pub certificates: Option<PathBuf>,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count.
    pub proxies: bool,
    /// Files downloaded at a time.
    pub parallel: usize,
    /// Times that a request is made before it counts as failed.
    pub attempts: u32,
    /// Wait before the second attempt; it doubles with every further one.
    pub first_wait: Duration,
    /// The longest that a server may ask to wait.
    pub longest_wait: Duration,
    /// For making a connection.
    pub connect_timeout: Duration,
    /// `HF_HUB_DOWNLOAD_TIMEOUT`, in seconds: a transfer without a byte for so long has broken off.
    pub idle_timeout: Duration,
}

impl HubSettings {
    /// The settings of this process's environment.
    ///
    /// # Errors
    /// An endpoint that is no address, a token that cannot be one, a token file that cannot be read.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_variables(&|name| std::env::var_os(name))
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, HubError> {
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().trim().to_owned());
        let given = |name: &str| text(name).filter(|value| !value.is_empty());
        let seconds = |name: &'static str, usual: u64| match given(name).map(|value| value.parse()) {
            None => Ok(usual),
            Some(Ok(seconds)) if seconds > 0 => Ok(seconds),
            Some(_) => Err(HubError::Setting { variable: name, problem: "it is a number of seconds".to_owned() }),
        };
        let home = home(variable);
        let cache = path(variable, "HF_HUB_CACHE").or_else(|| path(variable, "HUGGINGFACE_HUB_CACHE"));
        let offline = given("HF_HUB_OFFLINE").or_else(|| given("TRANSFORMERS_OFFLINE"));
        Ok(Self {
            endpoint: endpoint(given("HF_ENDPOINT"))?,
            token: token(variable, &home)?,
            cache: cache.unwrap_or_else(|| home.join("hub")),
            offline: offline.is_some_and(|value| is_true(&value)),
            certificates: path(variable, "SSL_CERT_FILE"),
            proxies: true,
            parallel: 8,
            attempts: 6,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(seconds("HF_HUB_DOWNLOAD_TIMEOUT", 30)?),
        })
    }
}

/// `1`, `ON`, `YES` or `TRUE`, as the hub's clients have it.
fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_ascii_uppercase().as_str())
}

/// A path from a variable; empty ones count as unset, `~` is the user's directory.
fn path(variable: &dyn Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    let given = PathBuf::from(variable(name).filter(|value| !value.is_empty())?);
    match (given.strip_prefix("~"), variable("HOME")) {
        (Ok(rest), Some(home)) => Some(Path::new(&home).join(rest)),
        _ => Some(given),
    }
}

/// `HF_HOME`, or `huggingface` in the user's cache directory.
fn home(variable: &dyn Fn(&str) -> Option<OsString>) -> PathBuf {
    path(variable, "HF_HOME").unwrap_or_else(|| {
        let cache = path(variable, "XDG_CACHE_HOME").or_else(|| Some(path(variable, "HOME")?.join(".cache")));
        cache.unwrap_or_else(|| PathBuf::from(".cache")).join("huggingface")
    })
}

fn endpoint(given: Option<String>) -> Result<String, HubError> {
    let wrong = |problem: &str| Err(HubError::Setting { variable: "HF_ENDPOINT", problem: problem.to_owned() });
    let endpoint = given.unwrap_or_else(|| ENDPOINT.to_owned());
    let endpoint = endpoint.trim_end_matches('/');
    let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    match rest {
        Some(rest) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
            wrong("an address with a name and password would show up in messages; put the token into HF_TOKEN")
        }
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#', ' ']) => Ok(endpoint.to_owned()),
        _ => wrong("it is an address that begins with https:// or http://"),
    }
}

/// `HF_TOKEN`, then the file at `HF_TOKEN_PATH` or `HF_HOME/token`.
fn token(variable: &dyn Fn(&str) -> Option<OsString>, home: &Path) -> Result<Option<Token>, HubError> {
    let flag = |name: &str| variable(name).is_some_and(|value| is_true(&value.to_string_lossy()));
    if flag("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
        return Ok(None);
    }
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
        if let Some(token) = clean(&variable(name).unwrap_or_default().to_string_lossy(), name)? {
            return Ok(Some(token));
        }
    }
    let file = path(variable, "HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
    if !file.is_file() {
        return Ok(None);
    }
    clean(&files::read_text(&file)?, "the token file")
}

/// A token without the blanks and line ends around it; what cannot be sent is refused, unseen.
fn clean(text: &str, variable: &'static str) -> Result<Option<Token>, HubError> {
    let text = text.trim();
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        let problem = "a token has no blanks and no characters beyond ASCII".to_owned();
        return Err(HubError::Setting { variable, problem });
    }
    Ok((!text.is_empty()).then(|| Token::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<HubSettings, HubError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        HubSettings::from_variables(&find)
    }

    #[test]
    fn caches_are_where_the_other_clients_put_them() {
        let cache = |variables: &[(&str, &str)]| settings(variables).unwrap().cache;
        assert_eq!(cache(&[("HOME", "/u")]), Path::new("/u/.cache/huggingface/hub"));
        assert_eq!(cache(&[("HOME", "/u"), ("XDG_CACHE_HOME", "/c")]), Path::new("/c/huggingface/hub"));
        assert_eq!(cache(&[("HOME", "/u"), ("HF_HOME", "~/hf")]), Path::new("/u/hf/hub"));
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/other")]), Path::new("/other"));
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "")]), Path::new("/hf/hub"));
    }

    #[test]
    fn endpoints_and_switches() {
        let endpoint = |value: &str| settings(&[("HF_ENDPOINT", value)]).map(|s| s.endpoint);
        assert_eq!(endpoint("").unwrap(), ENDPOINT);
        assert_eq!(endpoint("http://localhost:80/mirror/").unwrap(), "http://localhost:80/mirror");
        for wrong in ["localhost", "ftp://a", "https://", "https://user:secret@host"] {
            let error = endpoint(wrong).unwrap_err().to_string();
            assert!(error.starts_with("`HF_ENDPOINT`") && !error.contains("secret"), "{error}");
        }
        assert_eq!(settings(&[("HF_HUB_DOWNLOAD_TIMEOUT", "90")]).unwrap().idle_timeout, Duration::from_secs(90));
        assert!(settings(&[("HF_HUB_DOWNLOAD_TIMEOUT", "soon")]).is_err());
        for (value, offline) in [("1", true), ("true", true), ("0", false), ("no", false), ("", false)] {
            assert_eq!(settings(&[("HF_HUB_OFFLINE", value)]).unwrap().offline, offline, "{value}");
        }
    }

    #[test]
    fn tokens_come_from_a_variable_or_a_file_and_are_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap();
        std::fs::write(dir.path().join("token"), "hf_from_file\n").unwrap();
        let token = |more: &[(&str, &str)]| {
            let settings = settings(&[&[("HF_HOME", home)], more].concat()).unwrap();
            assert!(!format!("{settings:?}").contains("hf_"));
            settings.token.map(|token| token.secret().to_owned())
        };
        assert_eq!(token(&[]).as_deref(), Some("hf_from_file"));
        assert_eq!(token(&[("HF_TOKEN", " hf_set ")]).as_deref(), Some("hf_set"));
        assert_eq!(token(&[("HF_TOKEN_PATH", "/nowhere/token")]), None);
        assert_eq!(token(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        let error = settings(&[("HF_TOKEN", "hf_a\nb")]).unwrap_err().to_string();
        assert!(error.starts_with("`HF_TOKEN`") && !error.contains("hf_a"), "{error}");
    }
}
