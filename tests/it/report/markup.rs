//! Just enough of a tokenizer to check markup: tags, attributes, balance.

#[derive(Debug)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

const VOID: [&str; 4] = ["meta", "link", "input", "br"];

enum Token {
    Open(Tag, bool),
    Close(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.strip_prefix("<!DOCTYPE html>").unwrap_or(text);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let here = || rest.chars().take(60).collect::<String>();
        if let Some(closing) = rest.strip_prefix('/') {
            let end = closing.find('>').ok_or_else(|| format!("open end at {}", here()))?;
            found.push(Token::Close(closing[..end].to_owned()));
            rest = &closing[end + 1..];
            continue;
        }
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(format!("a bare < at {}", here()));
        }
        let name_end = rest.find(|c: char| c.is_whitespace() || c == '>' || c == '/').ok_or("no end")?;
        let name = rest[..name_end].to_owned();
        let start = here();
        rest = &rest[name_end..];
        let mut attributes = Vec::new();
        let closed = loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("/>") {
                rest = after;
                break true;
            }
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break false;
            }
            let end = rest.find(['=', ' ', '>']).ok_or_else(|| format!("unfinished tag at {start}"))?;
            let key = rest[..end].to_owned();
            rest = &rest[end..];
            let mut value = String::new();
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let end = quoted.find('"').ok_or_else(|| format!("open quote at {start}"))?;
                value = quoted[..end].to_owned();
                rest = &quoted[end + 1..];
                if !rest.starts_with([' ', '>', '/']) {
                    return Err(format!("attributes run together at {start}"));
                }
            } else if rest.starts_with('=') {
                return Err(format!("an unquoted value at {start}"));
            }
            if attributes.iter().any(|(k, _)| *k == key) {
                return Err(format!("{key} twice at {start}"));
            }
            attributes.push((key, value));
        };
        let raw = ["style", "script"].contains(&name.as_str());
        let closed = closed || VOID.contains(&name.as_str());
        found.push(Token::Open(Tag { name: name.clone(), attributes }, closed));
        if raw {
            let end = rest.find(&format!("</{name}>")).ok_or_else(|| format!("open <{name}>"))?;
            rest = &rest[end..];
        }
    }
    Ok(found)
}

/// Every tag that opens, in order.
pub fn tags(text: &str) -> Vec<Tag> {
    let tokens = tokens(text).unwrap();
    tokens.into_iter().filter_map(|t| if let Token::Open(tag, _) = t { Some(tag) } else { None }).collect()
}

/// Whether tags close in the order in which they opened.
pub fn balance(text: &str) -> Result<(), String> {
    let mut open: Vec<String> = Vec::new();
    for token in tokens(text)? {
        match token {
            Token::Open(tag, false) => open.push(tag.name),
            Token::Open(_, true) => {}
            Token::Close(name) => match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("</{name}> closes {last:?}")),
            },
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("never closed: {open:?}")) }
}

/// What the element with this id holds.
pub fn content<'a>(text: &'a str, id: &str) -> &'a str {
    let at = text.find(&format!(" id=\"{id}\"")).unwrap_or_else(|| panic!("no element `{id}`"));
    let start = at + text[at..].find('>').unwrap() + 1;
    &text[start..start + text[start..].find("</").unwrap()]
}

/// The text without the content of the named elements.
pub fn without(text: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&format!("<{name}")) {
        let start = at + rest[at..].find('>').unwrap() + 1;
        let end = start + rest[start..].find(&format!("</{name}>")).unwrap();
        out.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    out + rest
}

/// The content of the first element of that name.
pub fn inside<'a>(text: &'a str, name: &str) -> &'a str {
    let at = text.find(&format!("<{name}>")).unwrap() + name.len() + 2;
    &text[at..at + text[at..].find(&format!("</{name}>")).unwrap()]
}
