//! HTTP as the hub speaks it: redirects followed by hand, so that the token stays on the hub's own host.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::error::HubError;
use super::name::Repository;
use super::patience::Failure;
use super::reply;
use super::settings::HubSettings;
use crate::files;

const USER_AGENT: &str = concat!("rmbench/", env!("CARGO_PKG_VERSION"));
/// Hops from the hub to where the bytes are; the hub itself needs two or three.
const MAX_REDIRECTS: usize = 8;
/// The longest answer in JSON; a listing of 100,000 files has some 30 MB.
const MAX_JSON: u64 = 256 << 20;
/// How long a server may think before it begins its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
}

/// What a request is about, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub repository: &'a Repository,
    pub file: Option<&'a str>,
}

/// A response that is no error: 200, 206 or 416; for HEAD also a redirect that leaves the hub's host.
pub(super) struct Reply {
    /// Who answered in the end, without the query: signatures are no one's business.
    pub url: String,
    pub status: u16,
    pub headers: HeaderMap,
    /// Headers of the hub's own answers, the last one first.
    pub on_hub: Vec<HeaderMap>,
    body: Body,
}

impl Reply {
    pub fn reader(self) -> impl Read {
        self.body.into_reader()
    }
}

pub(super) struct Client {
    agent: Agent,
    pub settings: HubSettings,
    hub: Origin,
}

impl Client {
    pub fn new(settings: HubSettings) -> Result<Self, HubError> {
        let unusable = || HubError::Setting { variable: "HF_ENDPOINT", problem: "it is no address".to_owned() };
        let hub = Origin::of(&settings.endpoint).ok_or_else(unusable)?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(USER_AGENT)
            .timeout_resolve(Some(settings.connect_timeout))
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(settings.idle_timeout))
            .max_idle_connections_per_host(settings.parallel);
        if !settings.proxies {
            config = config.proxy(None);
        }
        if let Some(path) = &settings.certificates {
            config = config.tls_config(trusting(path)?);
        }
        Ok(Self { agent: config.build().into(), settings, hub })
    }

    /// The hub's address of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.endpoint)
    }

    /// Follows redirects. `from`: only the bytes from there on.
    pub fn request(&self, method: Method, url: &str, from: Option<u64>, about: About) -> Result<Reply, Failure> {
        let mut url = url.to_owned();
        let mut on_hub = Vec::new();
        for _ in 0..=MAX_REDIRECTS {
            let is_hub = Origin::of(&url).as_ref() == Some(&self.hub);
            let response = self.send(method, &url, from, is_hub)?;
            let (parts, body) = response.into_parts();
            let status = parts.status.as_u16();
            if is_hub {
                on_hub.insert(0, parts.headers.clone());
            }
            let plain = || without_query(&url);
            if matches!(status, 301 | 302 | 303 | 307 | 308) {
                let next = self.next(&url, &parts.headers)?;
                // Where the bytes are is of no interest to those who only ask about them.
                if method == Method::Head && Origin::of(&next).as_ref() != Some(&self.hub) {
                    return Ok(Reply { url: plain(), status, headers: parts.headers, on_hub, body });
                }
                url = next;
                continue;
            }
            if matches!(status, 200 | 206 | 416) {
                return Ok(Reply { url: plain(), status, headers: parts.headers, on_hub, body });
            }
            return Err(reply::failure(&plain(), status, &parts.headers, is_hub, about, self.settings.token.as_ref()));
        }
        let problem = format!("more than {MAX_REDIRECTS} redirects");
        Err(HubError::Answer { url: without_query(&url), problem }.into())
    }

    fn send(
        &self,
        method: Method,
        url: &str,
        from: Option<u64>,
        is_hub: bool,
    ) -> Result<ureq::http::Response<Body>, Failure> {
        let mut request = match method {
            Method::Get => self.agent.get(url),
            Method::Head => self.agent.head(url),
        };
        // Lengths and ranges are those of the file itself.
        request = request.header("Accept-Encoding", "identity");
        if let Some(from) = from {
            request = request.header("Range", format!("bytes={from}-"));
        }
        if let Some(token) = self.settings.token.as_ref().filter(|_| is_hub) {
            request = request.header("Authorization", format!("Bearer {}", token.secret()));
        }
        request.call().map_err(|error| unreachable(url, &error))
    }

    /// Where a redirect leads.
    fn next(&self, url: &str, headers: &HeaderMap) -> Result<String, Failure> {
        let answer = |problem: &str| HubError::Answer { url: without_query(url), problem: problem.to_owned() };
        let location = headers.get("Location").and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| join(url, location));
        let next = next.ok_or_else(|| answer("a redirect to nowhere"))?;
        if url.starts_with("https:") && !next.starts_with("https:") {
            return Err(answer("a redirect from https to http").into());
        }
        Ok(next)
    }

    /// The answer to a GET as JSON.
    pub fn json(&self, path: &str, about: About) -> Result<serde_json::Value, Failure> {
        let reply = self.request(Method::Get, &self.url(path), None, about)?;
        let url = reply.url.clone();
        let mut text = Vec::new();
        let broken = |e: std::io::Error| {
            Failure::passing(HubError::Unreachable { url: url.clone(), problem: format!("the answer breaks off: {e}") })
        };
        reply.reader().take(MAX_JSON).read_to_end(&mut text).map_err(broken)?;
        let answer = |_| HubError::Answer { url: url.clone(), problem: "it is not JSON".to_owned() };
        Ok(serde_json::from_slice(&text).map_err(answer)?)
    }
}

/// A request that got no answer. Certificates and addresses do not get better by trying again.
fn unreachable(url: &str, error: &ureq::Error) -> Failure {
    use ureq::Error;
    let url = without_query(url);
    // ureq's own text of a wrong address repeats it, signature and all.
    let problem = match error {
        Error::HostNotFound => "the host is not found".to_owned(),
        Error::Timeout(_) => "no answer in time".to_owned(),
        Error::BadUri(_) => "the address is wrong".to_owned(),
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    match error {
        // How TLS says that it does not trust the other side.
        Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
            Failure::Final(HubError::Untrusted { url, problem })
        }
        Error::Rustls(_) | Error::Tls(_) => Failure::Final(HubError::Untrusted { url, problem }),
        Error::BadUri(_) | Error::InvalidProxyUrl => Failure::Final(HubError::Unreachable { url, problem }),
        _ => Failure::NoConnection(HubError::Unreachable { url, problem }),
    }
}

/// Trust in the certificates of a file, in place of the usual ones.
pub(crate) fn trusting(path: &Path) -> Result<TlsConfig, HubError> {
    let roots = RootCerts::Specific(Arc::new(certificates(&files::read_bytes(path)?)?));
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, HubError> {
    let wrong = |problem: &str| HubError::Setting { variable: "SSL_CERT_FILE", problem: problem.to_owned() };
    let items: Result<Vec<PemItem>, _> = parse_pem(pem).collect();
    let items = items.map_err(|_| wrong("it is no PEM file"))?;
    let found: Vec<Certificate> = items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(wrong("it holds no certificate")) } else { Ok(found) }
}

/// Scheme, host and port: those who may see a token.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some(Self { host: uri.host()?.to_ascii_lowercase(), scheme, port })
    }
}

/// A redirect's target: absolute, or relative to where it came from.
fn join(base: &str, location: &str) -> Option<String> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return Some(location.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    if let Some(other) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{other}"));
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if location.starts_with('/') {
        return Some(format!("{scheme}://{host}{location}"));
    }
    let path = path.split('?').next().unwrap_or_default();
    let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    Some(format!("{scheme}://{host}/{folder}{location}"))
}

fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// A path's text as part of an address; slashes stay where `keep_slashes`.
pub(super) fn quoted(text: &str, keep_slashes: bool) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => quoted.push(char::from(byte)),
            b'/' if keep_slashes => quoted.push('/'),
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved() {
        let base = "https://hub.test/a/b?x=1";
        for (location, expected) in [
            ("https://cdn.test/f?s=1", "https://cdn.test/f?s=1"),
            ("//cdn.test/f", "https://cdn.test/f"),
            ("/api/f?y=2", "https://hub.test/api/f?y=2"),
            ("c", "https://hub.test/a/c"),
        ] {
            assert_eq!(join(base, location).as_deref(), Some(expected));
        }
        assert_eq!(without_query("https://cdn.test/f?Signature=abc#d"), "https://cdn.test/f");
    }

    #[test]
    fn who_may_see_a_token() {
        let same = |a: &str, b: &str| Origin::of(a).unwrap() == Origin::of(b).unwrap();
        assert!(same("https://hub.test/a", "https://HUB.test:443/b"));
        for other in
            ["http://hub.test/a", "https://hub.test:8443/a", "https://cdn.hub.test/a", "https://hub.test.evil/"]
        {
            assert!(!same("https://hub.test/a", other), "{other}");
        }
    }

    #[test]
    fn paths_in_addresses() {
        assert_eq!(quoted("refs/pr/1", false), "refs%2Fpr%2F1");
        assert_eq!(quoted("a b/ü#?.json", true), "a%20b/%C3%BC%23%3F.json");
    }
}
