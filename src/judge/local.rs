//! Judges on this machine: the same questions and replies as those of a server, without one.
//!
//! A reply depends on what is computed beside it in its last bits, and so may a number that enters a table. Questions
//! are therefore cut into groups by their order alone, and a group is answered whole or not at all: what a resumed run
//! finds in the cache is what it would compute.

use std::sync::atomic::Ordering;

use super::JudgeError;
use super::cache::{Cache, as_kept};
use super::desk::{Obtained, Tally};
use super::settings::EndpointSettings;
use super::wire::{Reply, Request};

/// Questions that are answered together.
const GROUP: usize = 128;

/// What takes the replies to a group.
pub type Take<'a> = &'a mut dyn FnMut(usize, Vec<Reply>) -> Result<(), JudgeError>;

/// A model that answers requests as a server would.
pub trait Respond {
    /// What tables call it.
    fn name(&self) -> &str;

    /// All that decides a reply beside its request and its group.
    fn identity(&self) -> &str;

    /// Replies to each group's requests, in their order; groups in any order.
    fn respond(&self, groups: &[&[Request]], take: Take<'_>) -> Result<(), JudgeError>;
}

/// Opens the model that a spec names.
pub type Open<'a> = &'a mut dyn FnMut(&str) -> Result<Box<dyn Respond>, JudgeError>;

/// Questions for one model.
pub struct LocalDesk {
    model: Box<dyn Respond>,
    cache: Option<Cache>,
    pub tally: Tally,
}

impl LocalDesk {
    pub fn new(model: Box<dyn Respond>, settings: &EndpointSettings) -> Result<Self, JudgeError> {
        let open = |dir: std::path::PathBuf| Cache::open(&dir, model.identity(), model.name());
        let cache = settings.cache_directory().map(open).transpose()?;
        Ok(Self { model, cache, tally: Tally::default() })
    }

    pub fn name(&self) -> &str {
        self.model.name()
    }

    /// The replies to some questions, in their order. `done` is called once for each.
    pub fn obtain(&self, requests: &[Request], done: &mut dyn FnMut()) -> Result<Vec<Obtained>, JudgeError> {
        let groups: Vec<&[Request]> = requests.chunks(GROUP).collect();
        let mut replies: Vec<Option<Vec<Reply>>> = Vec::with_capacity(groups.len());
        for group in &groups {
            replies.push(self.known(group)?);
        }
        for group in replies.iter().flatten() {
            self.tally.replayed.fetch_add(group.len() as u64, Ordering::Relaxed);
            group.iter().for_each(|_| done());
        }
        let open: Vec<usize> = (0..groups.len()).filter(|group| replies[*group].is_none()).collect();
        let asked: Vec<&[Request]> = open.iter().map(|group| groups[*group]).collect();
        let mut take = |at: usize, found: Vec<Reply>| {
            let Some(&group) = open.get(at) else { return Ok(()) };
            self.refuse_hopeless(&found)?;
            let mut kept = Vec::with_capacity(found.len());
            for (request, reply) in groups[group].iter().zip(&found) {
                kept.push(match &self.cache {
                    Some(cache) => cache.put(&self.key(request), reply)?,
                    None => as_kept(reply)?,
                });
                done();
            }
            self.tally.answered.fetch_add(kept.len() as u64, Ordering::Relaxed);
            replies[group] = Some(kept);
            Ok(())
        };
        if !asked.is_empty() {
            self.model.respond(&asked, &mut take)?;
        }
        if let Some(cache) = &self.cache {
            cache.sync()?;
        }
        let all = replies.into_iter().map(|group| group.ok_or(JudgeError::Stopped));
        Ok(all.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().map(Obtained::Reply).collect())
    }

    /// The replies to a group, where all were given before.
    fn known(&self, group: &[Request]) -> Result<Option<Vec<Reply>>, JudgeError> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let replies = group.iter().map(|request| cache.get(&self.key(request)));
        replies.collect::<Result<Option<Vec<_>>, _>>()
    }

    fn key(&self, request: &Request) -> String {
        let reward = if request.reward { "reward\n" } else { "" };
        let first = if request.first.is_empty() { String::new() } else { format!("first {:?}\n", request.first) };
        request.key(&format!("{}\n{:?}\n{reward}{first}", self.model.identity(), request.words))
    }

    /// Where a model takes no question at all, the questions are at fault, and so is every further one.
    fn refuse_hopeless(&self, found: &[Reply]) -> Result<(), JudgeError> {
        let rejected = found.iter().filter(|reply| reply.rejected.is_some()).count() as u64;
        self.tally.rejected.fetch_add(rejected, Ordering::Relaxed);
        let none_else = self.tally.answered.load(Ordering::Relaxed) + self.tally.replayed.load(Ordering::Relaxed) == 0;
        match found.iter().find_map(|reply| reply.rejected.clone()) {
            Some(message) if none_else && rejected as usize == found.len() => Err(JudgeError::Local {
                name: self.name().to_owned(),
                problem: format!("it takes no question: {message}"),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Answers with the number of groups that it has answered.
    struct Counting(Cell<usize>);

    impl Respond for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn identity(&self) -> &str {
            "local:counting"
        }

        fn respond(&self, groups: &[&[Request]], take: Take<'_>) -> Result<(), JudgeError> {
            for (number, group) in groups.iter().enumerate() {
                self.0.set(self.0.get() + 1);
                let reply = Reply { text: format!("group {}", self.0.get()), ..Reply::default() };
                take(number, vec![reply; group.len()])?;
            }
            Ok(())
        }
    }

    fn request(number: usize) -> Request {
        let body = serde_json::json!({"messages": [number]});
        Request {
            path: "/chat/completions",
            body,
            n_bytes: 1,
            max_tokens: 1,
            words: Vec::new(),
            first: Vec::new(),
            reward: false,
        }
    }

    #[test]
    fn groups_are_answered_whole_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let settings = EndpointSettings {
            cache: Some(dir.path().to_owned()),
            ..toml::from_str(
                "concurrency = 1\nattempts = 1\nfirst-wait = 1.0\nlongest-wait = 1.0\ntimeout = 1.0\non-failure = 'stop'",
            )
            .unwrap()
        };
        let desk = || LocalDesk::new(Box::new(Counting(Cell::new(0))), &settings).unwrap();
        let requests: Vec<Request> = (0..GROUP + 3).map(request).collect();
        let texts = |found: Vec<Obtained>| -> Vec<String> {
            let text = |obtained| match obtained {
                Obtained::Reply(reply) => reply.text,
                Obtained::Failed(problem) => panic!("{problem}"),
            };
            found.into_iter().map(text).collect()
        };
        // A run that was stopped within the second group.
        let first = desk();
        let mut n = 0;
        first.obtain(&requests[..GROUP], &mut || n += 1).unwrap();
        assert_eq!(n, GROUP);
        first
            .cache
            .as_ref()
            .unwrap()
            .put(&first.key(&requests[GROUP]), &Reply { text: "kept".into(), ..Reply::default() })
            .unwrap();
        let second = desk();
        let found = texts(second.obtain(&requests, &mut || ()).unwrap());
        assert!(found[..GROUP].iter().all(|text| text == "group 1"));
        assert_eq!(found[GROUP..], ["kept", "group 1", "group 1"], "what a reply was before stays");
        assert_eq!(second.tally.replayed.load(Ordering::Relaxed), GROUP as u64);
        let third = desk();
        assert_eq!(texts(third.obtain(&requests, &mut || ()).unwrap()), found);
        assert_eq!(third.tally.answered.load(Ordering::Relaxed), 0);
    }
}
