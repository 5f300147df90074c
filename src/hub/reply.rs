//! What the hub's answers say: headers of a file, and what an error is about.

use ureq::http::HeaderMap;

use super::client::{About, Reply};
use super::error::HubError;
use super::patience::Failure;
use super::settings::Token;
use crate::retry::asked_wait;

/// What identifies a file's content, from the hub's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileFacts {
    /// Without quotes; the name of its blob.
    pub etag: String,
    pub size: u64,
}

/// From the answer to HEAD. The hub's `X-Linked-…` describe the file, where `ETag` and `Content-Length` may
/// be those of a redirect.
pub(super) fn facts(reply: &Reply) -> Result<FileFacts, HubError> {
    let answer = |problem: &str| HubError::Answer { url: reply.url.clone(), problem: problem.to_owned() };
    let of = |name: &str| reply.on_hub.iter().find_map(|headers| header(headers, name));
    let is_file = reply.status == 200;
    let last = |name: &str| reply.on_hub.first().filter(|_| is_file).and_then(|headers| header(headers, name));
    let etag = of("X-Linked-Etag").or_else(|| last("ETag")).ok_or_else(|| answer("it has no ETag"))?;
    let size = of("X-Linked-Size").or_else(|| last("Content-Length")).and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| answer("it does not say how long the file is"))?;
    let etag = plain_etag(etag).ok_or_else(|| answer("its ETag cannot be the name of a file"))?;
    Ok(FileFacts { etag, size })
}

/// `W/"abc"` as `abc`; `None` where it could not name a blob.
pub(super) fn plain_etag(etag: &str) -> Option<String> {
    let plain = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
    let is_name = plain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    ((1..=128).contains(&plain.len()) && is_name && !plain.starts_with('.')).then(|| plain.to_owned())
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// An answer that is an error, and whether asking again could help.
pub(super) fn failure(
    url: &str,
    status: u16,
    headers: &HeaderMap,
    is_hub: bool,
    about: About,
    token: Option<&Token>,
) -> Failure {
    let message = words(header(headers, "X-Error-Message").unwrap_or_default(), token);
    let error = |message| HubError::Status { url: url.to_owned(), status, message };
    match status {
        429 | 503 => {
            let wait = asked_wait(header(headers, "Retry-After"), header(headers, "RateLimit"));
            let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
            let busy = wait.map(|wait| HubError::Busy { host, seconds: wait.as_secs() });
            Failure::Passing { error: busy.unwrap_or_else(|| error(message)), wait }
        }
        408 | 500..=599 => Failure::passing(error(message)),
        // A signed address that has run out: the hub gives a new one.
        _ if !is_hub => Failure::passing(error(message)),
        _ => Failure::Final(refusal(status, header(headers, "X-Error-Code"), about, token.is_some(), message, &error)),
    }
}

fn refusal(
    status: u16,
    code: Option<&str>,
    about: About,
    has_token: bool,
    message: String,
    other: &dyn Fn(String) -> HubError,
) -> HubError {
    let repository = about.repository;
    let spec = repository.at(super::name::DEFAULT_REVISION).to_string();
    match (status, code, about.file) {
        (_, Some("RevisionNotFound"), _) => HubError::NoRevision { spec, revision: repository.revision.clone() },
        (_, Some("EntryNotFound"), file) => HubError::NoFile { spec, file: file.unwrap_or_default().to_owned() },
        (_, Some("RepoNotFound"), _) | (404, None, None) => HubError::NoRepository { spec, has_token },
        (404, None, Some(file)) => HubError::NoFile { spec, file: file.to_owned() },
        (401, None, _) if has_token && (message.is_empty() || message.starts_with("Invalid")) => {
            HubError::BadToken { message }
        }
        // So it answers those without a token who ask for what is private, or not there.
        (401, None, _) => HubError::NoRepository { spec, has_token },
        (403, None, _) if message.contains("disabled") => other(message),
        (401 | 403, Some("GatedRepo"), _) | (403, None, _) => {
            // The terms are shown on the hub itself, not on a mirror.
            let page = format!("https://huggingface.co/{}{}", repository.kind.resolve(), repository.name);
            HubError::Denied { spec, page, has_token, message }
        }
        _ => other(message),
    }
}

/// A server's words for a message of ours: one line, not too long, and without the token, should it repeat it.
fn words(text: &str, token: Option<&Token>) -> String {
    const LONGEST: usize = 300;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = token.map_or(line.clone(), |token| line.replace(token.secret(), "[the token]"));
    let plain: String = line.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    plain.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Repository;

    #[test]
    fn etags_become_names_of_blobs() {
        assert_eq!(plain_etag("\"ab12\"").as_deref(), Some("ab12"));
        assert_eq!(plain_etag("W/\"ab-1.2\"").as_deref(), Some("ab-1.2"));
        for wrong in ["", "\"\"", "\"../x\"", "\".x\"", "\"a/b\"", "\"a b\""] {
            assert_eq!(plain_etag(wrong), None, "{wrong}");
        }
    }

    fn error(
        status: u16,
        headers: &[(&'static str, &str)],
        file: Option<&str>,
        token: Option<&Token>,
    ) -> (HubError, bool) {
        let repository = Repository::model("org/name@v9").unwrap();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let about = About { repository: &repository, file };
        match failure("https://hub.test/api/models/org/name", status, &headers, true, about, token) {
            Failure::Final(error) => (error, false),
            other => (other.into_error(), true),
        }
    }

    #[test]
    fn errors_say_what_they_are_about() {
        let token = Token::new("hf_secret");
        let text = |status, headers: &[(&'static str, &str)], file, token| {
            let (error, passing) = error(status, headers, file, token);
            format!("{error} | {} | {passing}", error.hint().unwrap_or_default())
        };
        let code = |code: &'static str| [("X-Error-Code", code)];
        let missing = text(401, &code("RepoNotFound"), None, None);
        assert!(missing.starts_with("the hub has no repository `hf:org/name`,") && missing.contains("HF_TOKEN"));
        assert!(text(404, &[], None, Some(&token)).contains("the account of the token may read"));
        assert!(text(404, &code("RevisionNotFound"), None, None).starts_with("`hf:org/name` has no revision `v9`"));
        assert!(text(404, &code("EntryNotFound"), Some("a.json"), None).contains("no file `a.json`"));
        let gated = text(403, &code("GatedRepo"), None, None);
        assert!(gated.contains("accept its terms at https://huggingface.co/org/name, then set HF_TOKEN"), "{gated}");
        let echoed = text(401, &[("X-Error-Message", "Invalid token hf_secret.")], None, Some(&token));
        assert!(echoed.starts_with("the hub refuses the token: Invalid token [the token] |"), "{echoed}");
        assert!(text(500, &[], None, None).ends_with("true") && text(400, &[], None, None).ends_with("false"));
        let busy = text(429, &[("Retry-After", "9")], None, None);
        assert!(busy.starts_with("`https://hub.test` asks to wait 9 s"), "{busy}");
    }
}
