//! One OpenAI-compatible server: its address, its key, one exchange with it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Uri;

use super::JudgeError;
use super::settings::EndpointSettings;
use super::wire::{Reply, Request, message_of};
use crate::hub;
use crate::retry::asked_wait;

const USER_AGENT: &str = concat!("rmbench/", env!("CARGO_PKG_VERSION"));
/// What `--model` begins with.
pub const PREFIX: &str = "endpoint:";
/// Longer answers are none.
const MAX_ANSWER: u64 = 64 << 20;
const CONNECT: Duration = Duration::from_secs(20);
/// The variable with the key for whatever server is named.
const KEY_VARIABLE: &str = "RMBENCH_ENDPOINT_KEY";
/// The variable that is meant for one server only, and that server.
const OPENAI: (&str, &str) = ("OPENAI_API_KEY", "api.openai.com");

/// `endpoint:URL` or `endpoint:URL#MODEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Up to and without the slash before `chat/completions`.
    pub url: String,
    pub model: Option<String>,
}

impl Address {
    pub fn parse(spec: &str) -> Result<Self, JudgeError> {
        let wrong = |problem: &str| JudgeError::Address { given: spec.to_owned(), problem: problem.to_owned() };
        let rest = spec.strip_prefix(PREFIX).ok_or_else(|| wrong("it does not begin with `endpoint:`"))?;
        let (url, model) = match rest.split_once('#') {
            Some((url, model)) => (url, Some(model.to_owned())),
            None => (rest, None),
        };
        let url = url.trim_end_matches('/');
        let uri: Uri = url.parse().map_err(|_| wrong("it is no address"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(wrong("its address begins with neither http:// nor https://"));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("a key in the address would show up in messages; put it into RMBENCH_ENDPOINT_KEY"));
        }
        if uri.query().is_some() {
            return Err(wrong("an address with a query cannot be extended"));
        }
        if model.as_deref() == Some("") {
            return Err(wrong("no model follows the `#`"));
        }
        Ok(Self { url: url.to_owned(), model })
    }
}

/// A secret. Shown nowhere, and taken out of what servers say.
#[derive(Clone)]
struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    /// The key for a server, from the environment.
    fn find(url: &str, variable: Option<&str>) -> Result<Option<Key>, JudgeError> {
        let of = |name: &str| {
            std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let found = match variable {
            Some(name) => Some(of(name).ok_or_else(|| JudgeError::Setting {
                key: "endpoint.key-variable",
                problem: format!("the variable `{name}` is not set"),
            })?),
            None => of(KEY_VARIABLE).or_else(|| {
                let is_openai = url.parse::<Uri>().is_ok_and(|uri| uri.host() == Some(OPENAI.1));
                of(OPENAI.0).filter(|_| is_openai && url.starts_with("https:"))
            }),
        };
        match found {
            Some(text) if !text.chars().all(|c| c.is_ascii_graphic()) => Err(JudgeError::Setting {
                key: "endpoint.key-variable",
                problem: "the key has blanks or characters beyond ASCII".to_owned(),
            }),
            found => Ok(found.map(Key)),
        }
    }
}

/// Why an exchange gave no reply.
#[derive(Debug)]
pub enum Failure {
    /// May go better next time. `wait`: the server said when. `sent`: the server may have answered and charged.
    Passing { problem: String, wait: Option<Duration>, sent: bool },
    /// This request is not acceptable, and never will be.
    Rejected(String),
    /// No request will succeed.
    Final(JudgeError),
}

/// A server, ready to be asked.
#[derive(Debug)]
pub struct Endpoint {
    pub url: String,
    agent: Agent,
    key: Option<Key>,
}

impl Endpoint {
    pub fn new(url: &str, settings: &EndpointSettings) -> Result<Self, JudgeError> {
        let timeout = Duration::from_secs_f64(settings.timeout);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A key goes to the server that was named and nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(timeout))
            .max_idle_connections_per_host(settings.concurrency)
            .max_idle_connections(settings.concurrency);
        if let Some(path) = std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
            config = config.tls_config(hub::trusting(Path::new(&path))?);
        }
        // No proxy leads to this machine itself.
        if url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_local)) {
            config = config.proxy(None);
        }
        let key = Key::find(url, settings.key_variable.as_deref())?;
        Ok(Self { url: url.to_owned(), agent: config.build().into(), key })
    }

    /// The one model that the server serves.
    pub fn only_model(&self) -> Result<String, JudgeError> {
        let url = format!("{}/models", self.url);
        let answer = |problem: &str| JudgeError::Answer { url: url.clone(), problem: problem.to_owned() };
        let mut request = self.agent.get(&url);
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {}", key.0));
        }
        let unreachable =
            |e: ureq::Error| JudgeError::Unreachable { url: url.clone(), problem: self.clean(&e.to_string()) };
        let mut response = request.call().map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(unreachable)?;
        if status != 200 {
            return Err(JudgeError::Refused { url, status, message: self.said(&body) });
        }
        let body: Value = serde_json::from_slice(&body).map_err(|_| answer("its list of models is no JSON"))?;
        let list =
            body.get("data").and_then(Value::as_array).ok_or_else(|| answer("its list of models has no `data`"))?;
        let models: Vec<String> =
            list.iter().filter_map(|model| model.get("id").and_then(Value::as_str).map(str::to_owned)).collect();
        match models.as_slice() {
            [] => Err(answer("it serves no model; name one, as in endpoint:URL#MODEL")),
            [only] => Ok(only.clone()),
            _ => Err(JudgeError::ManyModels { url: self.url.clone(), models }),
        }
    }

    /// One question and its reply.
    pub fn ask(&self, request: &Request) -> Result<Reply, Failure> {
        let url = format!("{}{}", self.url, request.path);
        let mut post =
            self.agent.post(&url).header("Content-Type", "application/json").header("Accept", "application/json");
        if let Some(key) = &self.key {
            post = post.header("Authorization", format!("Bearer {}", key.0));
        }
        let mut response = post.send(request.body.to_string()).map_err(|e| self.no_answer(&url, &e))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let wait = asked_wait(header("retry-after").as_deref(), None)
            .or_else(|| Some(Duration::from_millis(header("retry-after-ms")?.trim().parse().ok()?)));
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        if status == 200 {
            let lost = |problem: String| Failure::Passing { problem, wait, sent: true };
            let body = body.map_err(|e| lost(format!("the reply breaks off: {}", self.clean(&e.to_string()))))?;
            return Reply::parse(&body)
                .map_err(|problem| lost(format!("the reply cannot be used: {}", self.clean(&problem))));
        }
        let body = body.unwrap_or_default();
        let message = self.said(&body);
        let refused = |message: String| JudgeError::Refused { url: url.clone(), status, message };
        Err(match status {
            // A quota that is used up does not come back by waiting.
            429 if message.contains("insufficient_quota") => Failure::Final(refused(message)),
            400 if is_filter(&body) => return Ok(Reply { declined: true, text: message, ..Reply::default() }),
            400 | 413 | 422 => Failure::Rejected(format!("{status}: {message}")),
            408 | 409 | 425 | 429 | 500..=599 => {
                Failure::Passing { problem: format!("{status}: {message}"), wait, sent: false }
            }
            _ => Failure::Final(refused(message)),
        })
    }

    fn no_answer(&self, url: &str, error: &ureq::Error) -> Failure {
        use ureq::Error;
        let url = url.to_owned();
        match error {
            Error::BadUri(_) | Error::InvalidProxyUrl | Error::Rustls(_) | Error::Tls(_) => {
                Failure::Final(JudgeError::Unreachable { url, problem: self.clean(&error.to_string()) })
            }
            Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
                Failure::Final(JudgeError::Unreachable { url, problem: self.clean(&error.to_string()) })
            }
            Error::HostNotFound | Error::ConnectionFailed => {
                Failure::Passing { problem: self.clean(&error.to_string()), wait: None, sent: false }
            }
            Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                Failure::Passing { problem: "the connection is refused".to_owned(), wait: None, sent: false }
            }
            Error::Timeout(_) => Failure::Passing { problem: "no reply in time".to_owned(), wait: None, sent: true },
            other => Failure::Passing { problem: self.clean(&other.to_string()), wait: None, sent: true },
        }
    }

    /// A server's words about an error.
    fn said(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let said = match serde_json::from_str::<Value>(&text) {
            Ok(value) => {
                let code = value.pointer("/error/code").and_then(Value::as_str).map(|code| format!(" ({code})"));
                format!("{}{}", message_of(value.get("error").unwrap_or(&value)), code.unwrap_or_default())
            }
            Err(_) => text.trim().chars().take(200).collect::<String>().replace('\n', " "),
        };
        self.clean(if said.is_empty() { "no explanation" } else { &said })
    }

    /// A text without the key.
    fn clean(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(&key.0, "[key]"),
            None => text.to_owned(),
        }
    }
}

/// Whether a host is this machine.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Whether a server rejects a request because of what it says (Azure).
fn is_filter(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    value.pointer("/error/code").and_then(Value::as_str) == Some("content_filter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |spec: &str| Address::parse(spec).map(|address| (address.url, address.model));
        assert_eq!(parse("endpoint:http://127.0.0.1:8000/v1/").unwrap(), ("http://127.0.0.1:8000/v1".to_owned(), None));
        let (url, model) = parse("endpoint:https://a.test/v1#org/judge-7b").unwrap();
        assert_eq!((url.as_str(), model.as_deref()), ("https://a.test/v1", Some("org/judge-7b")));
        for wrong in [
            "http://a",
            "endpoint:a.test",
            "endpoint:ftp://a",
            "endpoint:http://u:secret@a/v1",
            "endpoint:http://a#",
            "endpoint:http://a?x=1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_shown_nowhere() {
        let endpoint =
            Endpoint { url: "u".to_owned(), agent: Agent::new_with_defaults(), key: Some(Key("sk-12345".to_owned())) };
        assert!(!format!("{endpoint:?}").contains("12345"));
        assert_eq!(endpoint.said(b"{\"error\": {\"message\": \"wrong key sk-12345\"}}"), "wrong key [key]");
    }
}
