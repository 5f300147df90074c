//! Tokens that the files around `tokenizer.json` add to it, as transformers does when it loads them.
//!
//! `added_tokens_decoder` of `tokenizer_config.json` (or the older `added_tokens.json`), the named special
//! tokens and the lists of further special tokens: what `tokenizer.json` does not have among its added
//! tokens, or has with other properties, is added. A token that the vocabulary knows keeps its id; another
//! gets the next one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

/// Names of special tokens in the order in which transformers adds them; a model's own names follow.
pub const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What the files say about special tokens.
#[derive(Debug, Clone, Default)]
pub struct TokenSettings {
    /// `tokenizer_config.json`, with `special_tokens_map.json` in it where that counts.
    config: Map<String, Value>,
    /// `added_tokens.json`: texts and ids.
    added: Map<String, Value>,
}

impl TokenSettings {
    /// `special_tokens_map.json` and `added_tokens.json` are older than `added_tokens_decoder`: where the
    /// config has it, they are not looked at; where not, the map wins over the config.
    pub fn new(mut config: Map<String, Value>, map: Map<String, Value>, added: Map<String, Value>) -> Self {
        if config.contains_key("added_tokens_decoder") {
            return Self { config, added: Map::new() };
        }
        config.extend(map.into_iter().filter(|(_, value)| !value.is_null()));
        Self { config, added }
    }

    /// Named special tokens and their texts, those under a model's own names too.
    pub fn named(&self) -> BTreeMap<String, String> {
        self.in_order().into_iter().filter_map(|(name, token)| Some((name.to_owned(), content(token)?))).collect()
    }

    fn in_order(&self) -> Vec<(&str, &Value)> {
        let mut found: Vec<(&str, &Value)> =
            NAMES.iter().filter_map(|name| Some((*name, self.config.get(*name)?))).collect();
        // A model's own names: keys that end so, and objects of name → token.
        let own = self.config.iter().filter(|(key, _)| key.ends_with("_token") && !NAMES.contains(&key.as_str()));
        let listed = ["extra_special_tokens", "model_specific_special_tokens"].iter();
        let listed = listed.filter_map(|key| self.config.get(*key)?.as_object()).flatten();
        for (name, token) in own.chain(listed) {
            if !found.iter().any(|(known, _)| known == name) {
                found.push((name, token));
            }
        }
        found
    }

    /// Adds what `tokenizer.json` lacks.
    pub fn complete(&self, tokenizer: &mut Tokenizer) -> Result<(), String> {
        let known: Vec<AddedToken> = tokenizer.get_added_tokens_decoder().into_values().collect();
        let mut texts: BTreeSet<String> = known.iter().map(|token| token.content.clone()).collect();
        let mut missing: Vec<AddedToken> =
            self.declared()?.into_iter().filter(|token| !known.contains(token)).collect();
        texts.extend(missing.iter().map(|token| token.content.clone()));
        let named = self.in_order().into_iter().map(|(_, token)| token);
        let lists = ["additional_special_tokens", "extra_special_tokens"].into_iter();
        let further = lists.filter_map(|key| self.config.get(key)?.as_array()).flatten();
        for token in named.chain(further) {
            let Some(token) = special(token) else { continue };
            if texts.insert(token.content.clone()) {
                missing.push(token);
            }
        }
        tokenizer.add_tokens(missing).map(|_| ()).map_err(|e| e.to_string())
    }

    /// `added_tokens_decoder`, or `added_tokens.json` in its place, in the order of their ids.
    fn declared(&self) -> Result<Vec<AddedToken>, String> {
        let names: BTreeSet<String> = self.named().into_values().collect();
        let mut by_id = BTreeMap::new();
        for (id, token) in self.config.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
            let wrong = || format!("`added_tokens_decoder` has the entry {id}: {token}, which is no token");
            let mut read = added_token(token).ok_or_else(wrong)?;
            read.special |= names.contains(&read.content);
            by_id.insert(id.parse::<u64>().map_err(|_| wrong())?, read);
        }
        for (text, id) in &self.added {
            let id = id.as_u64().ok_or_else(|| format!("`added_tokens.json` gives {text} the id {id}"))?;
            by_id.insert(id, AddedToken::from(text.clone(), names.contains(text)));
        }
        Ok(by_id.into_values().collect())
    }

    /// True if special tokens in a text are to be taken apart like any other text.
    pub fn splits_special_tokens(&self) -> bool {
        self.config.get("split_special_tokens").and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.config.get(key)
    }
}

/// The text of a token: a string, or an object with `content`.
fn content(token: &Value) -> Option<String> {
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}

/// A token with its properties; what is not said is as in `tokenizers`.
fn added_token(token: &Value) -> Option<AddedToken> {
    let flag = |name: &str| token.get(name).and_then(Value::as_bool);
    let mut read = AddedToken::from(content(token)?, flag("special").unwrap_or(false));
    read.single_word = flag("single_word").unwrap_or(false);
    read.lstrip = flag("lstrip").unwrap_or(false);
    read.rstrip = flag("rstrip").unwrap_or(false);
    read.normalized = flag("normalized").unwrap_or(read.normalized);
    Some(read)
}

/// A named special token. As an object it may say that it is normalised; it is special in any case.
fn special(token: &Value) -> Option<AddedToken> {
    let mut read = match token {
        Value::String(text) => AddedToken::from(text.clone(), true),
        object => added_token(object)?,
    };
    read.special = true;
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn special_tokens_are_texts_or_objects_under_known_and_own_names() {
        let config = object(json!({
            "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null, "pad_token": "<pad>",
            "extra_special_tokens": {"image_token": "<image>"}, "boi_token": "<boi>", "add_bos_token": true
        }));
        let map = object(json!({"eos_token": {"content": "</s>"}, "pad_token": "other", "unk_token": null}));
        let named = |settings: TokenSettings| settings.named().into_iter().collect::<Vec<_>>();
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        // Without `added_tokens_decoder` the older map wins, with it the map is not looked at.
        let common = [("boi_token", "<boi>"), ("bos_token", "<s>")];
        let old = TokenSettings::new(config.clone(), map.clone(), Map::new());
        let expected = [("eos_token", "</s>"), ("image_token", "<image>"), ("pad_token", "other")];
        assert_eq!(named(old), pairs(&[&common[..], &expected].concat()));
        let mut config = config;
        config.insert("added_tokens_decoder".to_owned(), json!({}));
        let new = TokenSettings::new(config, map, Map::new());
        assert_eq!(named(new), pairs(&[&common[..], &[("image_token", "<image>"), ("pad_token", "<pad>")]].concat()));
    }

    #[test]
    fn declared_tokens_come_in_the_order_of_their_ids() {
        let config = json!({"eos_token": "</s>", "added_tokens_decoder": {
            "10": {"content": "b", "normalized": false}, "9": {"content": "</s>", "lstrip": true}}});
        let declared = TokenSettings::new(object(config), Map::new(), Map::new()).declared().unwrap();
        let texts: Vec<(&str, bool, bool)> =
            declared.iter().map(|token| (token.content.as_str(), token.special, token.lstrip)).collect();
        assert_eq!(texts, [("</s>", true, true), ("b", false, false)]);
        let wrong = json!({"added_tokens_decoder": {"x": {"content": "b"}}});
        let error = TokenSettings::new(object(wrong), Map::new(), Map::new()).declared().unwrap_err();
        assert!(error.contains("entry x"), "{error}");
    }
}
