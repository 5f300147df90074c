//! Module names and the patterns PEFT matches them with: Python's `re`, on names such as
//! `model.layers.0.self_attn.q_proj`.

use fancy_regex::Regex;
use serde_json::Value;

/// A regular expression of an adapter's configuration.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    text: String,
}

impl Pattern {
    /// The whole name matches (`re.fullmatch`).
    pub fn whole(pattern: &str) -> Result<Self, String> {
        Self::new(pattern, format!(r"\A(?:{pattern})\z"))
    }

    /// The name, or what follows one of its dots, matches: how `rank_pattern` and `alpha_pattern` are read.
    pub fn suffix(pattern: &str) -> Result<Self, String> {
        Self::new(pattern, format!(r"\A(?:.*\.)?(?:{pattern})\z"))
    }

    /// The number that follows `pattern.` in the name, the first there is: the layer's.
    pub fn layer(pattern: Option<&str>) -> Result<Self, String> {
        let text = pattern.unwrap_or("");
        Self::new(
            text,
            match pattern {
                None => r"\A.*?\.[^.]*\.(\d+)\.".to_owned(),
                Some(pattern) => format!(r"\A(?:|.*?\.)(?:{pattern})\.(\d+)\."),
            },
        )
    }

    fn new(text: &str, regex: String) -> Result<Self, String> {
        let regex = Regex::new(&regex).map_err(|e| format!("`{text}` is not a pattern: {e}"))?;
        Ok(Self { regex, text: text.to_owned() })
    }

    pub fn matches(&self, name: &str) -> Result<bool, String> {
        self.regex.is_match(name).map_err(|e| self.failed(name, &e))
    }

    /// The last group of the match, as a number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, String> {
        let captures = self.regex.captures(name).map_err(|e| self.failed(name, &e))?;
        let last = captures.and_then(|c| c.get(c.len() - 1).and_then(|group| group.as_str().parse().ok()));
        Ok(last)
    }

    fn failed(&self, name: &str, error: &fancy_regex::Error) -> String {
        format!("`{}` cannot be matched with `{name}`: {error}", self.text)
    }
}

/// Which modules a configuration means: `target_modules`, `exclude_modules`.
#[derive(Debug, Clone)]
pub enum Modules {
    /// Every linear layer but the head's last.
    AllLinear,
    /// The whole name matches.
    Pattern(Pattern),
    /// The name is one of these, or ends in a dot and one of these.
    Names(Vec<String>),
}

impl Modules {
    /// `None` for null and an empty list.
    pub fn parse(value: &Value) -> Result<Option<Self>, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) if text.eq_ignore_ascii_case("all-linear") => Ok(Some(Modules::AllLinear)),
            Value::String(text) => Ok(Some(Modules::Pattern(Pattern::whole(text)?))),
            list => Ok(Some(names(list)?).filter(|names| !names.is_empty()).map(Modules::Names)),
        }
    }

    /// `linear`: whether the module is a linear layer, and not the head's last.
    pub fn contains(&self, name: &str, linear: bool) -> Result<bool, String> {
        match self {
            Modules::AllLinear => Ok(linear),
            Modules::Pattern(pattern) => pattern.matches(name),
            Modules::Names(names) => Ok(names.iter().any(|known| is_suffix(name, known))),
        }
    }
}

/// `name` is `suffix`, or ends in a dot and `suffix`.
pub fn is_suffix(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A list of strings; null is an empty one.
pub fn names(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || format!("should be a list of names, found {value}");
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAME: &str = "model.layers.11.self_attn.q_proj";

    #[test]
    fn patterns_read_as_in_python() {
        assert!(Pattern::whole(r".*\.q_proj").unwrap().matches(NAME).unwrap());
        assert!(!Pattern::whole("q_proj").unwrap().matches(NAME).unwrap());
        assert!(Pattern::whole(r".*layers\.(?!10).*q_proj|x").unwrap().matches(NAME).unwrap());
        assert!(Pattern::suffix("q_proj").unwrap().matches(NAME).unwrap());
        assert!(Pattern::suffix(r"layers\.11\.self_attn\.[qk]_proj").unwrap().matches(NAME).unwrap());
        assert!(!Pattern::suffix("proj").unwrap().matches(NAME).unwrap());
        assert!(!Pattern::suffix(r"1\.self_attn\.q_proj").unwrap().matches(NAME).unwrap());
        assert_eq!(Pattern::layer(None).unwrap().number(NAME).unwrap(), Some(11));
        assert_eq!(Pattern::layer(Some("layers")).unwrap().number(NAME).unwrap(), Some(11));
        assert_eq!(Pattern::layer(Some("(h|layers)")).unwrap().number("layers.3.experts.7.w").unwrap(), Some(3));
        assert_eq!(Pattern::layer(Some("h")).unwrap().number(NAME).unwrap(), None);
        assert!(Pattern::whole("(").unwrap_err().contains("`(`"));
    }

    #[test]
    fn modules_by_name_are_suffixes_at_a_dot() {
        let modules = Modules::parse(&json!(["q_proj", "self_attn.k_proj"])).unwrap().unwrap();
        assert!(modules.contains(NAME, true).unwrap());
        assert!(!modules.contains("model.layers.1.xself_attn.k_proj", true).unwrap());
        assert!(Modules::parse(&json!([])).unwrap().is_none());
        assert!(Modules::parse(&json!([1])).is_err());
        let all = Modules::parse(&json!("all-linear")).unwrap().unwrap();
        assert!(all.contains(NAME, true).unwrap() && !all.contains("score", false).unwrap());
    }
}
