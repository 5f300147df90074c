//! Where questions are handed in and replies come out: many at a time, in order, each paid for once.
//!
//! Replies come from the cache where it has them. Others are asked for by a fixed number of threads, which wait
//! together where the server asks for it, try again where it may help, and stop together where nothing does. A reply is in
//! the cache before anything else is done with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use super::JudgeError;
use super::budget::{Budget, Cost};
use super::cache::{Cache, as_kept};
use super::endpoint::{Endpoint, Failure};
use super::settings::{EndpointSettings, OnFailure};
use super::wire::{Reply, Request};
use crate::retry::{backoff, jitter};

/// Rejections in a row, with nothing else before, that mean that no request is acceptable.
const ALL_REJECTED: u64 = 8;

/// What a command asked for, and how it went. Only tokens of the replies count towards results.
#[derive(Debug, Default)]
pub struct Tally {
    pub replayed: AtomicU64,
    pub answered: AtomicU64,
    pub rejected: AtomicU64,
    /// Attempts beyond the first of a request.
    pub retries: AtomicU64,
    /// Questions without a reply after all attempts.
    pub failed: AtomicU64,
}

/// Questions for one judge.
pub struct Desk {
    pub model: String,
    endpoint: Endpoint,
    settings: EndpointSettings,
    cache: Option<Cache>,
    prices: Option<[f64; 2]>,
    pub tally: Tally,
    gate: Gate,
    stopped: AtomicBool,
}

/// What became of a question.
#[derive(Debug, Clone)]
pub enum Obtained {
    Reply(Reply),
    /// No attempt succeeded, and the run goes on without.
    Failed(String),
}

impl Desk {
    pub fn new(
        endpoint: Endpoint,
        model: String,
        settings: &EndpointSettings,
        prices: Option<[f64; 2]>,
    ) -> Result<Self, JudgeError> {
        let cache = settings.cache_directory().map(|dir| Cache::open(&dir, &endpoint.url, &model)).transpose()?;
        Ok(Self {
            model,
            endpoint,
            settings: settings.clone(),
            cache,
            prices,
            tally: Tally::default(),
            gate: Gate::new(settings.requests_per_minute),
            stopped: AtomicBool::new(false),
        })
    }

    pub fn prices(&self) -> Option<[f64; 2]> {
        self.prices
    }

    /// The replies to some questions, in their order. `done` is called once for each.
    ///
    /// # Errors
    /// The first thing that no request gets past; replies that came before are in the cache.
    pub fn obtain(
        &self,
        requests: &[Request],
        budget: &Budget,
        done: &mut dyn FnMut(),
    ) -> Result<Vec<Obtained>, JudgeError> {
        let keys: Vec<String> = requests.iter().map(|request| request.key(&self.endpoint.url)).collect();
        let mut replies: Vec<Option<Obtained>> = vec![None; requests.len()];
        let mut first_of: HashMap<&str, usize> = HashMap::new();
        let mut open = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if let Some(reply) = self.cache.as_ref().map(|cache| cache.get(key)).transpose()?.flatten() {
                self.tally.replayed.fetch_add(1, Ordering::Relaxed);
                replies[index] = Some(Obtained::Reply(reply));
                done();
            } else if *first_of.entry(key).or_insert(index) == index {
                open.push(index);
            }
        }
        let asked = self.ask_all(requests, &keys, &open, budget, done);
        if let Some(cache) = &self.cache {
            cache.sync()?;
        }
        for (index, obtained) in asked? {
            replies[index] = Some(obtained);
        }
        for (index, key) in keys.iter().enumerate() {
            if replies[index].is_none() {
                replies[index] = first_of.get(key.as_str()).and_then(|first| replies[*first].clone());
                done();
            }
        }
        replies.into_iter().map(|reply| reply.ok_or(JudgeError::Stopped)).collect()
    }

    /// Asks what has to be asked, on threads that take the next question as they come free.
    fn ask_all(
        &self,
        requests: &[Request],
        keys: &[String],
        open: &[usize],
        budget: &Budget,
        done: &mut dyn FnMut(),
    ) -> Result<Vec<(usize, Obtained)>, JudgeError> {
        self.stopped.store(false, Ordering::SeqCst);
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel::<(usize, Result<Obtained, JudgeError>)>();
        std::thread::scope(|scope| {
            for _ in 0..self.settings.concurrency.min(open.len()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while !self.stopped.load(Ordering::SeqCst)
                        && let Some(&index) = open.get(next.fetch_add(1, Ordering::SeqCst))
                    {
                        let obtained = self.one(&requests[index], &keys[index], budget);
                        if obtained.is_err() {
                            self.stopped.store(true, Ordering::SeqCst);
                        }
                        // The receiver outlives the threads.
                        let _ = sender.send((index, obtained));
                    }
                });
            }
            drop(sender);
            let mut found = Vec::with_capacity(open.len());
            let mut failure: Option<JudgeError> = None;
            for (index, obtained) in receiver {
                match obtained {
                    Ok(obtained) => {
                        found.push((index, obtained));
                        done();
                    }
                    // The first one is the reason; others were told to stop.
                    Err(error) if failure.as_ref().is_none_or(|known| matches!(known, JudgeError::Stopped)) => {
                        failure = Some(error);
                    }
                    Err(_) => {}
                }
            }
            failure.map_or(Ok(found), Err)
        })
    }

    /// One question, as often as it takes.
    fn one(&self, request: &Request, key: &str, budget: &Budget) -> Result<Obtained, JudgeError> {
        let most = Cost::at_most(request, self.prices);
        let mut failed = 0;
        loop {
            self.gate.pass(&self.stopped)?;
            budget.reserve(most)?;
            let outcome = self.endpoint.ask(request);
            let cost = match &outcome {
                // A server that does not say what a reply cost may have charged the most.
                Ok(reply) => Cost::of_reply(reply, self.prices).unwrap_or(most),
                Err(Failure::Passing { sent: true, .. }) => most,
                Err(_) => Cost::default(),
            };
            budget.settle(most, cost);
            let (problem, wait) = match outcome {
                Ok(reply) => {
                    self.tally.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(Obtained::Reply(self.keep(key, &reply)?));
                }
                Err(Failure::Rejected(message)) => {
                    let rejected = self.tally.rejected.fetch_add(1, Ordering::SeqCst) + 1;
                    let none_else =
                        self.tally.answered.load(Ordering::SeqCst) + self.tally.replayed.load(Ordering::SeqCst) == 0;
                    if none_else && rejected >= ALL_REJECTED {
                        return Err(JudgeError::AllRejected { url: self.endpoint.url.clone(), n: rejected, message });
                    }
                    return Ok(Obtained::Reply(Reply { rejected: Some(message), ..Reply::default() }));
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { problem, wait, .. }) => (problem, wait),
            };
            failed += 1;
            let too_long = wait.is_some_and(|wait| wait.as_secs_f64() > self.settings.longest_wait);
            if failed >= self.settings.attempts || too_long {
                self.tally.failed.fetch_add(1, Ordering::Relaxed);
                return match self.settings.on_failure {
                    OnFailure::Record => Ok(Obtained::Failed(problem)),
                    OnFailure::Stop => {
                        let problem = format!("{problem} ({failed} attempts)");
                        Err(JudgeError::Unreachable { url: self.endpoint.url.clone(), problem })
                    }
                };
            }
            self.tally.retries.fetch_add(1, Ordering::Relaxed);
            match wait {
                // All questions wait: the server counts them together.
                Some(wait) => self.gate.close_for(wait.mul_f64(1.0 + 0.1 * jitter())),
                None => {
                    rest(backoff(Duration::from_secs_f64(self.settings.first_wait), failed, jitter()), &self.stopped)?
                }
            }
        }
    }

    fn keep(&self, key: &str, reply: &Reply) -> Result<Reply, JudgeError> {
        match &self.cache {
            Some(cache) => cache.put(key, reply),
            None => as_kept(reply),
        }
    }
}

/// When the next request may go out: a pause that the server asked for, and a pace.
struct Gate {
    interval: Option<Duration>,
    /// The next request may go at this moment.
    next: Mutex<Instant>,
}

impl Gate {
    fn new(per_minute: Option<f64>) -> Self {
        Self { interval: per_minute.map(|rate| Duration::from_secs_f64(60.0 / rate)), next: Mutex::new(Instant::now()) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_for(&self, wait: Duration) {
        let mut next = self.lock();
        *next = (*next).max(Instant::now() + wait);
    }

    /// Waits for one's turn.
    fn pass(&self, stopped: &AtomicBool) -> Result<(), JudgeError> {
        loop {
            let turn = {
                let mut next = self.lock();
                let now = Instant::now();
                if *next <= now {
                    if let Some(interval) = self.interval {
                        *next = now + interval;
                    }
                    return if stopped.load(Ordering::SeqCst) { Err(JudgeError::Stopped) } else { Ok(()) };
                }
                *next
            };
            rest(turn.saturating_duration_since(Instant::now()), stopped)?;
        }
    }
}

/// Waits, unless all is stopped meanwhile.
fn rest(wait: Duration, stopped: &AtomicBool) -> Result<(), JudgeError> {
    const SLICE: Duration = Duration::from_millis(50);
    let until = Instant::now() + wait;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if stopped.load(Ordering::SeqCst) {
            return Err(JudgeError::Stopped);
        }
        std::thread::sleep(left.min(SLICE));
    }
    Ok(())
}
