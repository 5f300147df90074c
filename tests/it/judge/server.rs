//! A chat server on loopback that knows which answer is good, and fails as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What goes wrong with one answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// An error status, with seconds to wait where the server says them.
    Status(u16, Option<f64>),
    /// A body that is no JSON.
    Garbage,
    /// JSON without choices.
    Empty,
    /// Half of the right body, then the connection closes.
    Half,
    /// Nothing for so long, then the connection closes.
    Silence(Duration),
    /// The connection closes at once.
    Close,
}

#[derive(Default)]
struct State {
    /// Faults of a request's attempts: a function of (its number among distinct requests, attempt).
    faults: Vec<Fault>,
    /// How many attempts of each request fail: number modulo this, minus 1 at most.
    cycle: usize,
    /// By body: its number and attempts so far.
    attempts: BTreeMap<String, (usize, usize)>,
    /// Whole answers given, by body.
    answered: BTreeMap<String, usize>,
    delay: Duration,
    busy: usize,
    busiest: usize,
    tokens: u64,
    authorizations: Vec<Option<String>>,
    /// Answers every request with this status and body.
    only: Option<(u16, Value)>,
    /// Requests whose text contains this are answered with this.
    special: Vec<(String, String)>,
    /// Leaves log-probabilities out, whoever asks for them.
    silent: bool,
}

/// Runs until the test's process ends.
#[derive(Clone)]
pub struct ChatServer {
    state: Arc<Mutex<State>>,
    pub url: String,
}

pub const MODEL: &str = "invented-judge";

impl ChatServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let server = Self { state: Arc::default(), url };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                // A client that goes away is no concern of the next one.
                std::thread::spawn(move || {
                    let _ended = server.serve(&stream);
                });
            }
        });
        server
    }

    pub fn spec(&self) -> String {
        format!("endpoint:{}#{MODEL}", self.url)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// From now on the n-th distinct request fails n modulo `cycle` times, in these ways in turn.
    pub fn fail(&self, faults: &[Fault], cycle: usize) {
        self.change(|state| (state.faults, state.cycle) = (faults.to_vec(), cycle));
    }

    pub fn delay(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    pub fn only(&self, only: Option<(u16, Value)>) {
        self.change(|state| state.only = only);
    }

    /// Gives no log-probabilities from now on.
    pub fn keep_log_probs(&self) {
        self.change(|state| state.silent = true);
    }

    /// Requests that contain a text are answered with this reply.
    pub fn say(&self, where_text: &str, reply: &str) {
        self.change(|state| state.special.push((where_text.to_owned(), reply.to_owned())));
    }

    /// Forgets what was asked so far; faults and delays stay.
    pub fn forget(&self) {
        self.change(|state| {
            state.attempts.clear();
            state.answered.clear();
            (state.busiest, state.tokens) = (0, 0);
            state.authorizations.clear();
        });
    }

    /// Whole answers given: to how many requests, and how many in all.
    pub fn answered(&self) -> (usize, usize) {
        self.change(|state| (state.answered.len(), state.answered.values().sum()))
    }

    /// Attempts of all requests.
    pub fn attempts(&self) -> usize {
        self.change(|state| state.attempts.values().map(|(_, n)| n).sum())
    }

    pub fn busiest(&self) -> usize {
        self.change(|state| state.busiest)
    }

    pub fn tokens(&self) -> u64 {
        self.change(|state| state.tokens)
    }

    pub fn authorizations(&self) -> Vec<Option<String>> {
        self.change(|state| state.authorizations.clone())
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some((target, authorization, body)) = read(&mut reader)? {
            let fault = self.change(|state| {
                state.authorizations.push(authorization);
                state.busy += 1;
                state.busiest = state.busiest.max(state.busy);
                let number = state.attempts.len();
                let (number, attempts) = state.attempts.entry(body.clone()).or_insert((number, 0));
                *attempts += 1;
                let fails = state.cycle > 0 && *attempts <= *number % state.cycle;
                fails.then(|| state.faults[(*number + *attempts) % state.faults.len()])
            });
            std::thread::sleep(self.change(|state| state.delay));
            let goes_on = self.answer(stream, &target, &body, fault);
            self.change(|state| state.busy -= 1);
            if !goes_on? {
                return stream.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    /// False where the connection is to close.
    fn answer(&self, mut stream: &TcpStream, target: &str, body: &str, fault: Option<Fault>) -> std::io::Result<bool> {
        if target.ends_with("/models") {
            let list = json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]});
            return write(stream, 200, &[], list.to_string().as_bytes());
        }
        if let Some((status, body)) = self.change(|state| state.only.clone()) {
            return write(stream, status, &[], body.to_string().as_bytes());
        }
        let request: Value = serde_json::from_str(body).unwrap();
        let special = self.change(|state| state.special.iter().find(|(text, _)| body.contains(text)).cloned());
        let silent = self.change(|state| state.silent);
        let right = answer(&request, special.map(|(_, reply)| reply), silent).to_string();
        match fault {
            Some(Fault::Status(status, wait)) => {
                let headers: Vec<String> = wait.iter().map(|wait| format!("Retry-After: {wait}")).collect();
                write(stream, status, &headers, b"{\"error\": {\"message\": \"invented trouble\"}}")
            }
            Some(Fault::Garbage) => write(stream, 200, &[], b"<html>Bad gateway</html>"),
            Some(Fault::Empty) => write(stream, 200, &[], b"{\"object\": \"chat.completion\"}"),
            Some(Fault::Half) => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", right.len())?;
                stream.write_all(&right.as_bytes()[..right.len() / 2])?;
                Ok(false)
            }
            Some(Fault::Silence(wait)) => {
                std::thread::sleep(wait);
                Ok(false)
            }
            Some(Fault::Close) => Ok(false),
            None => {
                let goes_on = write(stream, 200, &[], right.as_bytes())?;
                self.change(|state| {
                    *state.answered.entry(body.to_owned()).or_default() += 1;
                    let usage =
                        |key: &str| serde_json::from_str::<Value>(&right).unwrap()["usage"][key].as_u64().unwrap();
                    state.tokens += usage("prompt_tokens") + usage("completion_tokens");
                });
                Ok(goes_on)
            }
        }
    }
}

/// A reply in tokens: each with its alternatives and their probabilities, itself first.
type Spoken = Vec<(String, Vec<(&'static str, f64)>)>;

/// What a judge says that prefers answers with `good` in them: of two the first where both or none have it, with 7 : 2 for its
/// letter, or as many for either where it cannot tell; of one yes or no, with 8 : 1.
fn judged(last: &str) -> Spoken {
    if last.contains("Reply with one word") {
        let good = last.contains("Answer:\na good answer") || last.contains("Answer:\nanother good answer");
        let [one, other] = if good { ["Yes", "No"] } else { ["No", "Yes"] };
        return vec![(one.to_owned(), vec![(one, 0.8), (other, 0.1), ("Well", 0.1)])];
    }
    let part = |name: &str| {
        let begin = last.find(&format!("[Start of {name}'s answer]")).unwrap_or(0);
        let end = last[begin..].find("[End of").map_or(last.len(), |at| begin + at);
        last[begin..end].contains("good")
    };
    let (letter, top) = match (part("Assistant A"), part("Assistant B")) {
        (false, true) => ("B", vec![("B", 0.7), ("A", 0.2), ("C", 0.1)]),
        (true, false) => ("A", vec![("A", 0.7), ("B", 0.2), ("C", 0.1)]),
        _ => ("A", vec![("A", 0.4), ("B", 0.4), ("C", 0.2)]),
    };
    vec![(format!("{letter} is better. [["), Vec::new()), (letter.to_owned(), top), ("]]".to_owned(), Vec::new())]
}

/// An answer of either API, with log-probabilities where they are asked for.
fn answer(request: &Value, special: Option<String>, silent: bool) -> Value {
    let chat = request["messages"].as_array();
    let texts: Vec<&str> = match chat {
        Some(messages) => messages.iter().map(|message| message["content"].as_str().unwrap()).collect(),
        None => vec![request["prompt"].as_str().unwrap()],
    };
    let words: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    let spoken = match special {
        Some(reply) => vec![(reply, Vec::new())],
        None => judged(texts.last().unwrap()),
    };
    let reply: String = spoken.iter().map(|(token, _)| token.as_str()).collect();
    let most = match (&request["logprobs"], silent) {
        (_, true) => 0,
        (Value::Bool(true), _) => request["top_logprobs"].as_u64().unwrap_or(0),
        (n, _) => n.as_u64().unwrap_or(0),
    };
    let top = |(token, top): &(String, Vec<(&'static str, f64)>)| -> Vec<(String, f64)> {
        let all = top.iter().map(|(text, p)| ((*text).to_owned(), p.ln()));
        let all: Vec<_> = if top.is_empty() { vec![(token.clone(), 0.0)] } else { all.collect() };
        all.into_iter().take(most as usize).collect()
    };
    let n_reply = reply.split_whitespace().count();
    let usage = json!({"prompt_tokens": words, "completion_tokens": n_reply, "total_tokens": words + n_reply});
    let mut choice = match chat {
        Some(_) => json!({"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}),
        None => json!({"index": 0, "text": reply, "finish_reason": "stop"}),
    };
    if most > 0 && chat.is_some() {
        let token = |spoken: &(String, Vec<(&'static str, f64)>)| {
            let top = top(spoken);
            let all: Vec<Value> = top.iter().map(|(text, p)| json!({"token": text, "logprob": p})).collect();
            json!({"token": spoken.0, "logprob": top[0].1, "top_logprobs": all})
        };
        choice["logprobs"] = json!({"content": spoken.iter().map(token).collect::<Vec<Value>>()});
    } else if most > 0 {
        let tops: Vec<Value> = spoken.iter().map(|token| top(token).into_iter().collect::<Value>()).collect();
        let tokens: Vec<&str> = spoken.iter().map(|(token, _)| token.as_str()).collect();
        let own: Vec<f64> = spoken.iter().map(|token| top(token)[0].1).collect();
        choice["logprobs"] = json!({"tokens": tokens, "token_logprobs": own, "top_logprobs": tops});
    }
    let object = if chat.is_some() { "chat.completion" } else { "text_completion" };
    json!({"id": "x", "object": object, "model": MODEL, "choices": [choice], "usage": usage})
}

fn write(mut stream: &TcpStream, status: u16, headers: &[String], body: &[u8]) -> std::io::Result<bool> {
    let mut head =
        format!("HTTP/1.1 {status} Invented\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    Ok(true)
}

/// Target, authorization and body of the next request; `None` at the end of the connection.
fn read(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<(String, Option<String>, String)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((target, authorization, String::from_utf8(body).unwrap())))
}
