//! Questions and replies as OpenAI-compatible servers speak them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::protocol::Protocol;
use super::settings::{Api, JudgeSettings};
use crate::files;
use crate::preference::Message;

/// One request: all that decides the reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub path: &'static str,
    pub body: Value,
    /// Bytes of its messages: more than their tokens.
    pub n_bytes: usize,
    pub max_tokens: u32,
    /// Words whose probabilities as an answer are wanted. No field of the protocol that servers speak: a model on
    /// this machine gives them whole, a server gives the most probable tokens.
    pub words: Vec<String>,
    /// Words that the reply begins with one of. For a server they are a field of the body.
    pub first: Vec<String>,
    /// Whether what the model's own reward head says of the reply is wanted: of a model on this machine.
    pub reward: bool,
}

impl Request {
    /// `seed` is the request's own.
    pub fn new(model: &str, messages: &[Message], protocol: &Protocol, settings: &JudgeSettings, seed: u32) -> Self {
        let ask = &protocol.ask;
        let max_tokens = settings.max_tokens.unwrap_or(ask.max_tokens);
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
        put("model", json!(model));
        let path = match settings.api {
            Api::Chat => {
                put("messages", json!(messages));
                "/chat/completions"
            }
            Api::Completions => {
                let texts: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
                put("prompt", json!(format!("{}\n\n", texts.join("\n\n"))));
                "/completions"
            }
        };
        put("max_tokens", json!(max_tokens));
        put("temperature", json!(settings.temperature.unwrap_or(ask.temperature)));
        if let Some(top_p) = settings.top_p.or(ask.top_p) {
            put("top_p", json!(top_p));
        }
        if let Some(top_k) = ask.top_k {
            put("top_k", json!(top_k));
        }
        if let Some(penalty) = ask.repetition_penalty {
            put("repetition_penalty", json!(penalty));
        }
        if !ask.stop.is_empty() {
            put("stop", json!(ask.stop));
        }
        put("seed", json!(seed));
        if settings.wants_log_probs(ask.log_probs) {
            match settings.api {
                Api::Chat => {
                    put("logprobs", json!(true));
                    put("top_logprobs", json!(settings.top_log_probs));
                }
                Api::Completions => {
                    put("logprobs", json!(settings.top_log_probs));
                }
            }
        }
        if ask.goes_on {
            // As vLLM and SGLang call it; others refuse what they do not know.
            put("continue_final_message", json!(true));
            put("add_generation_prompt", json!(false));
        }
        // Only a reply of one token is constrained by a bias, which holds for all of them.
        let bias: Map<String, Value> = ask
            .first
            .iter()
            .flat_map(|word| settings.first_tokens.get(word))
            .flatten()
            .map(|id| (id.to_string(), json!(100)))
            .collect();
        if !bias.is_empty() && max_tokens == 1 {
            put("logit_bias", Value::Object(bias));
        }
        put("stream", json!(false));
        for (key, value) in &settings.extra {
            put(key, serde_json::to_value(value).unwrap_or_default());
        }
        for key in &settings.omit {
            body.shift_remove(key);
        }
        let n_bytes = messages.iter().map(|message| message.content.len() + 64).sum();
        Self {
            path,
            body: Value::Object(body),
            n_bytes,
            max_tokens,
            words: Vec::new(),
            first: Vec::new(),
            reward: false,
        }
    }

    /// The same for a model of this machine: what servers have no or other fields for.
    pub fn of_this_machine(mut self, protocol: &Protocol, words: Vec<String>) -> Self {
        if let (false, Some(body)) = (protocol.ask.first.is_empty(), self.body.as_object_mut()) {
            body.shift_remove("logit_bias");
        }
        Self { words, first: protocol.ask.first.clone(), reward: protocol.reads_head(), ..self }
    }

    /// SHA-256 of address and body: requests that differ in anything have different keys.
    pub fn key(&self, url: &str) -> String {
        files::sha256(format!("{url}{}\n{}", self.path, self.body).as_bytes())
    }
}

/// A token of a reply with its alternatives and their log-probabilities, itself included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    pub text: String,
    /// What it really is, where its text is not: a part of a character has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Vec<u8>>,
    pub top: Vec<(String, f64)>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reply {
    pub text: String,
    /// Thoughts that the server keeps apart from the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The server or the model declined, and says so outside the text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declined: bool,
    /// The server rejected the request: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Token>,
    /// What the model's own reward head says of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
}

impl Reply {
    /// A server's answer, of either API.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Reply, String> {
        let body: Value = serde_json::from_slice(bytes).map_err(|_| "it is no JSON".to_owned())?;
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Err(format!("it holds an error: {}", message_of(error)));
        }
        let choice = body.pointer("/choices/0").ok_or("it has no `choices`")?;
        let text_of = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let message = choice.get("message");
        let text = match message {
            Some(message) => match message.get("content") {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Array(parts)) => {
                    parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
                }
                Some(Value::Null) | None => String::new(),
                Some(_) => return Err("`content` is no text".to_owned()),
            },
            None => text_of(choice.get("text")).ok_or("it has neither `message` nor `text`")?,
        };
        let of_message = |key: &str| text_of(message.and_then(|message| message.get(key)));
        let reasoning = of_message("reasoning_content").or_else(|| of_message("reasoning"));
        let finish = text_of(choice.get("finish_reason"));
        let refusal = of_message("refusal").filter(|text| !text.is_empty());
        let declined = refusal.is_some() || finish.as_deref() == Some("content_filter");
        let count = |key: &str| body.pointer(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        Ok(Reply {
            text: if text.is_empty() { refusal.unwrap_or_default() } else { text },
            reasoning: reasoning.filter(|text| !text.is_empty()),
            declined,
            rejected: None,
            finish,
            prompt_tokens: count("/usage/prompt_tokens"),
            reply_tokens: count("/usage/completion_tokens"),
            tokens: tokens(choice),
            reward: None,
        })
    }
}

fn tokens(choice: &Value) -> Vec<Token> {
    let pair = |value: &Value| Some((value.get("token")?.as_str()?.to_owned(), value.get("logprob")?.as_f64()?));
    if let Some(list) = choice.pointer("/logprobs/content").and_then(Value::as_array) {
        let token = |value: &Value| {
            let own = pair(value)?;
            let mut top: Vec<_> =
                value.get("top_logprobs").and_then(Value::as_array).into_iter().flatten().filter_map(pair).collect();
            if !top.iter().any(|(text, _)| *text == own.0) {
                top.push(own.clone());
            }
            let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
            let bytes = value.get("bytes").and_then(Value::as_array);
            let bytes: Option<Vec<u8>> = bytes.and_then(|bytes| bytes.iter().map(byte).collect());
            Some(Token { bytes: bytes.filter(|bytes| *bytes != own.0.as_bytes()), text: own.0, top })
        };
        return list.iter().map(token).collect::<Option<Vec<_>>>().unwrap_or_default();
    }
    let Some(texts) = choice.pointer("/logprobs/tokens").and_then(Value::as_array) else { return Vec::new() };
    let own = choice.pointer("/logprobs/token_logprobs").and_then(Value::as_array);
    let tops = choice.pointer("/logprobs/top_logprobs").and_then(Value::as_array);
    let token = |(i, text): (usize, &Value)| {
        let text = text.as_str()?.to_owned();
        let top = tops.and_then(|tops| tops.get(i)).and_then(Value::as_object);
        let mut top: Vec<(String, f64)> =
            top.into_iter().flatten().filter_map(|(text, p)| Some((text.clone(), p.as_f64()?))).collect();
        if let (false, Some(p)) =
            (top.iter().any(|(other, _)| *other == text), own.and_then(|own| own.get(i)).and_then(Value::as_f64))
        {
            top.push((text.clone(), p));
        }
        Some(Token { text, bytes: None, top })
    };
    texts.iter().enumerate().map(token).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// The message in a server's error, at most a few lines of it.
pub fn message_of(error: &Value) -> String {
    let text = error.get("message").or_else(|| error.get("detail")).unwrap_or(error);
    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
    let short: String = text.chars().take(400).collect();
    short.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_both_apis() {
        let chat = json!({"choices": [{"message": {"content": "[[A]]", "reasoning_content": "hm"}, "finish_reason": "stop",
            "logprobs": {"content": [{"token": "[[A", "logprob": -0.5, "top_logprobs": [{"token": "[[B", "logprob": -1.0}]}]}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3}});
        let reply = Reply::parse(chat.to_string().as_bytes()).unwrap();
        assert_eq!((reply.text.as_str(), reply.reasoning.as_deref()), ("[[A]]", Some("hm")));
        assert_eq!((reply.prompt_tokens, reply.reply_tokens, reply.declined), (Some(7), Some(3), false));
        assert_eq!(reply.tokens[0].top, [("[[B".to_owned(), -1.0), ("[[A".to_owned(), -0.5)]);
        let plain = json!({"choices": [{"text": "Yes", "logprobs": {"tokens": ["Yes"], "token_logprobs": [-0.1],
            "top_logprobs": [{"Yes": -0.1, "No": -2.5}]}}]});
        let reply = Reply::parse(plain.to_string().as_bytes()).unwrap();
        assert_eq!((reply.text.as_str(), reply.tokens[0].top.len(), reply.prompt_tokens), ("Yes", 2, None));
        let refused = json!({"choices": [{"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}]});
        assert!(Reply::parse(refused.to_string().as_bytes()).unwrap().declined);
    }

    #[test]
    fn what_is_no_reply() {
        for (body, problem) in [
            ("<html>", "it is no JSON"),
            ("{\"choices\": [", "it is no JSON"),
            ("{}", "it has no `choices`"),
            ("{\"choices\": [{}]}", "it has neither `message` nor `text`"),
            ("{\"error\": {\"message\": \"overloaded\"}}", "it holds an error: overloaded"),
        ] {
            assert_eq!(Reply::parse(body.as_bytes()).unwrap_err(), problem, "{body}");
        }
    }
}
