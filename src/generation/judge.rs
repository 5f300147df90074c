//! A language model of this machine as a judge: it takes the requests that a server would.

use serde::Deserialize;
use serde_json::Value;
use tch::Device;

use super::{Finish, GenerationError, Sampling, Task, Writer, Written};
use crate::judge::JudgeError;
use crate::judge::local::{Respond, Take};
use crate::judge::wire::{self, Reply, Request};
use crate::preference::{Comparison, Conversation, Message};
use crate::reward::workers;
use crate::text::encode::Encoded;
use crate::text::question::Question;

/// A language model that judges.
pub struct LocalJudge {
    pub writer: Writer,
    pub name: String,
    /// Digests of the model's files, device and kind.
    pub identity: String,
}

/// What of a request decides the reply, by the names that servers know.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "model")]
    _model: Option<String>,
    messages: Option<Vec<Message>>,
    prompt: Option<String>,
    #[serde(default = "most")]
    max_tokens: usize,
    #[serde(default = "one")]
    temperature: f64,
    #[serde(default = "one")]
    top_p: f64,
    /// vLLM writes −1 for all.
    top_k: Option<i64>,
    #[serde(default = "one")]
    repetition_penalty: f64,
    stop: Option<Stop>,
    #[serde(default)]
    seed: u64,
    /// Whether probabilities are wanted, or (completions) of how many tokens.
    logprobs: Option<Value>,
    top_logprobs: Option<usize>,
    #[serde(rename = "stream", default)]
    _stream: bool,
    /// The reply goes on in the last turn.
    #[serde(default)]
    continue_final_message: bool,
    #[serde(rename = "add_generation_prompt")]
    _add_generation_prompt: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Several(Vec<String>),
}

/// What servers take where a request does not say.
fn most() -> usize {
    16
}

fn one() -> f64 {
    1.0
}

/// A task, or why the model cannot take it.
struct Asked {
    task: Result<Task, String>,
    n_prompt: usize,
    /// Words that the task's continuations are.
    words: Vec<String>,
    /// The question's turns, where it came as a chat.
    messages: Option<Vec<Message>>,
    /// The question, where the reply goes on in its last turn.
    open: Option<Question>,
}

impl Asked {
    fn refused(why: String, n_prompt: usize) -> Self {
        Self { task: Err(why), n_prompt, words: Vec::new(), messages: None, open: None }
    }
}

/// A model that several threads compute with.
struct ReadOnly<'a>(&'a LocalJudge);

// SAFETY: tch's tensors are not `Sync` because `&Tensor` allows changes in place. The one thing done here is forward
// passes without gradients, which read the weights and count references atomically; every thread has a cache of its own.
unsafe impl Sync for ReadOnly<'_> {}

impl ReadOnly<'_> {
    fn replies(&self, group: &[Request]) -> Result<Vec<Reply>, JudgeError> {
        self.0.replies(group)
    }
}

impl Respond for LocalJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn respond(&self, groups: &[&[Request]], take: Take<'_>) -> Result<(), JudgeError> {
        let model = ReadOnly(self);
        let mut failed = None;
        // On one thread each, also where one is left: more would add up in another order.
        let workers = match self.writer.model.network.device {
            Device::Cpu => workers::count(Device::Cpu, groups.len()).max(2),
            _ => 1,
        };
        workers::run(
            workers,
            groups.len(),
            |group| model.replies(groups[group]),
            |group, replies| {
                if failed.is_none() {
                    failed = take(group, replies).err();
                }
            },
        )?;
        failed.map_or(Ok(()), Err)
    }
}

impl LocalJudge {
    fn problem(&self, problem: impl ToString) -> JudgeError {
        JudgeError::Local { name: self.name.clone(), problem: problem.to_string() }
    }

    fn replies(&self, group: &[Request]) -> Result<Vec<Reply>, JudgeError> {
        let asked = group.iter().map(|request| self.asked(request)).collect::<Result<Vec<_>, _>>()?;
        let tasks: Vec<Task> = asked.iter().filter_map(|asked| asked.task.clone().ok()).collect();
        let mut written = self.writer.write(&tasks).map_err(|e: GenerationError| self.problem(e))?.into_iter();
        let reply = |asked: &Asked| match &asked.task {
            Err(message) => Ok(Reply { rejected: Some(message.clone()), ..Reply::default() }),
            Ok(task) => {
                let written = written.next().ok_or_else(|| self.problem("a reply is missing"))?;
                Ok(self.reply(asked, task, &written))
            }
        };
        let mut replies = asked.iter().map(reply).collect::<Result<Vec<Reply>, JudgeError>>()?;
        if self.writer.model.reads_critiques() {
            self.read_critiques(group, &asked, &mut replies)?;
        }
        Ok(replies)
    }

    /// Adds what the model's reward head reads at the end of its replies, where that is wanted.
    fn read_critiques(&self, group: &[Request], asked: &[Asked], replies: &mut [Reply]) -> Result<(), JudgeError> {
        let wants = |at: &usize| group[*at].reward && replies[*at].rejected.is_none();
        let wanted: Vec<usize> = (0..replies.len()).filter(wants).collect();
        let text = &self.writer.model.text;
        // Rendered anew as a finished turn, as in training: a reply's own tokens may end without closing it.
        let encoded = |at: &usize| -> Result<Encoded, JudgeError> {
            let reply = &replies[*at].text;
            if let Some(question) = &asked[*at].open {
                let ids = text.closed_ids(question, reply).map_err(|e| self.problem(e))?;
                let is_cut = text.settings().max_length.is_some_and(|limit| ids.len() > limit);
                return Ok(Encoded { sequences: vec![ids], truncated: vec![is_cut], ..Encoded::default() });
            }
            let messages = asked[*at].messages.clone().ok_or_else(|| JudgeError::Setting {
                key: "judge.api",
                problem: "a reward head reads the turns of a chat; set it to chat".to_owned(),
            })?;
            text.encode(&Comparison::of_reply(Conversation(messages), reply.clone())).map_err(|e| self.problem(e))
        };
        let encoded = wanted.iter().map(encoded).collect::<Result<Vec<_>, JudgeError>>()?;
        // What is cut has no reward, and may be longer than the model takes.
        let (whole, wanted): (Vec<Encoded>, Vec<usize>) =
            encoded.into_iter().zip(wanted).filter(|(encoded, _)| !encoded.truncated.contains(&true)).unzip();
        let rewards = self.writer.model.rewards_of_replies(&whole).map_err(|e| self.problem(e))?;
        for (at, reward) in wanted.into_iter().zip(rewards) {
            replies[at].reward = reward.map(f64::from);
        }
        Ok(())
    }

    fn asked(&self, request: &Request) -> Result<Asked, JudgeError> {
        let body: Body = serde_json::from_value(request.body.clone()).map_err(|e| JudgeError::Setting {
            key: "judge.extra",
            problem: format!("a model on this machine takes no such request: {e}"),
        })?;
        let pipeline = &self.writer.model.text;
        let is_open = body.continue_final_message && body.messages.is_some();
        let question = match (&body.messages, &body.prompt) {
            (Some(messages), _) if is_open => pipeline.open_question(&Conversation(messages.clone())),
            (Some(messages), _) => pipeline.question(&Conversation(messages.clone())),
            (None, Some(prompt)) => pipeline.plain_question(prompt.clone()),
            (None, None) => return Err(self.problem("the request has neither messages nor a prompt")),
        };
        Ok(match question {
            Err(message) => Asked::refused(message, 0),
            Ok(question) => {
                let asked = self.task(&question, &body, request);
                Asked { messages: body.messages, open: is_open.then_some(question), ..asked }
            }
        })
    }

    fn task(&self, question: &Question, body: &Body, request: &Request) -> Asked {
        let n_prompt = question.ids.len();
        let refused = |message: String| Asked::refused(message, n_prompt);
        let limit = self.writer.model.network.config.max_length.map_or(usize::MAX, |limit| limit.max(0) as usize);
        if n_prompt == 0 || n_prompt >= limit {
            return refused(format!("the question has {n_prompt} tokens, the model takes from 1 to {}", limit - 1));
        }
        let (mut kept, mut continuations): (Vec<String>, Vec<Vec<u32>>) = (Vec::new(), Vec::new());
        for word in &request.words {
            match self.writer.model.text.answer_ids(question, word) {
                Ok(ids) if !ids.is_empty() && n_prompt + ids.len() <= limit => {
                    kept.push(word.clone());
                    continuations.push(ids);
                }
                Ok(_) => {}
                Err(message) => return refused(message),
            }
        }
        // Whatever begins with a word is that word: counted once.
        let begins = |at: &usize| {
            let is_begun = |other: usize| {
                let (own, other_ids) = (&continuations[*at], &continuations[other]);
                own.starts_with(other_ids) && (own.len() > other_ids.len() || other < *at)
            };
            !(0..continuations.len()).any(|other| other != *at && is_begun(other))
        };
        let first: Vec<usize> = (0..continuations.len()).filter(begins).collect();
        let mut allowed = Vec::with_capacity(request.first.len());
        for word in &request.first {
            match self.writer.model.text.answer_ids(question, word) {
                Ok(ids) if ids.is_empty() => return refused(format!("the tokenizer has no token for `{word}`")),
                Ok(ids) => allowed.extend(ids.first()),
                Err(message) => return refused(message),
            }
        }
        let alternatives = match &body.logprobs {
            Some(Value::Bool(true)) => body.top_logprobs.unwrap_or(0).max(1),
            Some(Value::Number(n)) => n.as_u64().unwrap_or(0) as usize,
            _ => 0,
        };
        let stop = match &body.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![stop.clone()],
            Some(Stop::Several(stop)) => stop.clone(),
        };
        let sampling = Sampling {
            temperature: body.temperature,
            top_k: body.top_k.and_then(|k| usize::try_from(k).ok()).filter(|k| *k > 0),
            top_p: body.top_p,
            repetition_penalty: body.repetition_penalty,
            seed: body.seed,
            key: String::new(),
        };
        let task = Task {
            prompt: question.ids.clone(),
            most: body.max_tokens.min(limit - n_prompt),
            sampling,
            first: allowed,
            stop,
            ends: self.writer.model.text.closing_ids(question),
            alternatives,
            continuations: first.iter().map(|at| continuations[*at].clone()).collect(),
        };
        let words = first.iter().map(|at| kept[*at].clone()).collect();
        Asked { task: Ok(task), n_prompt, words, messages: None, open: None }
    }

    fn reply(&self, asked: &Asked, task: &Task, written: &Written) -> Reply {
        let finish = match written.finish {
            Finish::End | Finish::Stop => "stop",
            Finish::Length => "length",
        };
        let tokens = match asked.words.is_empty() {
            false => word_token(&asked.words, written),
            true if task.alternatives > 0 => written.tokens.iter().map(|token| self.token(token)).collect(),
            true => Vec::new(),
        };
        Reply {
            text: written.text.clone(),
            finish: Some(finish.to_owned()),
            prompt_tokens: u32::try_from(asked.n_prompt).ok(),
            reply_tokens: u32::try_from(written.tokens.len()).ok(),
            tokens,
            ..Reply::default()
        }
    }

    fn token(&self, token: &super::Token) -> wire::Token {
        let text_of = |id: u32| self.writer.model.text.text_of(&[id]);
        let mut top: Vec<(String, f64)> = token.alternatives.iter().map(|(id, p)| (text_of(*id), *p)).collect();
        if !token.alternatives.iter().any(|(id, _)| *id == token.id) {
            top.push((text_of(token.id), token.log_prob));
        }
        wire::Token { text: token.text.clone(), bytes: None, top }
    }
}

/// One token in the place of a reply whose verdict is which of some words it is.
fn word_token(words: &[String], written: &Written) -> Vec<wire::Token> {
    let top: Vec<(String, f64)> =
        words.iter().cloned().zip(written.continuations.iter().map(|log_probs| log_probs.iter().sum())).collect();
    let best = top.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(word, _)| word.as_str());
    let text = if written.text.trim().is_empty() { best } else { &written.text };
    vec![wire::Token { text: text.to_owned(), bytes: None, top }]
}
