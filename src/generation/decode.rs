//! Many replies at a time: passes of new tokens over one cache, until every task has its reply.
//!
//! A pass holds the next token of every sequence that is being written, and the prompts of those that join. Sequences
//! join in the order of their prompts, so that what these share is in the cache while it is needed and no longer.

use std::collections::HashMap;
use std::ops::Range;

use rmbench_kernels::attention::{Piece, Span, Tree};
use tch::{Kind, Tensor};

use super::prefixes::Prefixes;
use super::text::{Growing, stopped};
use super::{Finish, GenerationError, Task, Token, Writer, Written, numbers};
use crate::backbone::Backbone;
use crate::backbone::cache::{Cache, Feed, Runs};
use crate::backbone::decoder::Decoder;
use crate::backbone::vocabulary::OutputLayer;

/// Rows of a sequence beyond what it needs now.
const AHEAD: usize = 64;

pub struct Decoding<'a> {
    pub(super) writer: &'a Writer,
    decoder: &'a Decoder,
    pub(super) output: &'a OutputLayer,
    pub(super) tasks: &'a [Task],
    prefixes: Prefixes,
    /// The rows of each node, while it has some.
    node_rows: Vec<Option<Range<usize>>>,
    /// How many prompts still need each node.
    needed: Vec<usize>,
    pub(super) runs: Runs,
    cache: Cache,
    pub(super) active: Vec<Sequence>,
    /// Place in the prefixes' order of the next task to join.
    next: usize,
    written: Vec<Option<Written>>,
}

/// A prompt and what was written after it.
pub(super) struct Sequence {
    pub(super) task: usize,
    pub(super) ids: Vec<u32>,
    /// Nodes that hold its first tokens, and how many these are.
    path: Vec<usize>,
    shared: usize,
    /// Rows of its other tokens, in order.
    own: Vec<Range<usize>>,
    /// Tokens whose keys and values are in the cache.
    cached: usize,
    pub(super) tokens: Vec<Token>,
    text: Growing,
    pub(super) continuations: Vec<Vec<f64>>,
}

/// A feed that is being put together.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) feed: Feed,
    /// The tree of each root.
    trees: HashMap<usize, usize>,
    /// The piece of each node, in its tree.
    pieces: HashMap<usize, usize>,
    /// The place in the feed of the last token of each sequence.
    last: Vec<usize>,
}

impl<'a> Decoding<'a> {
    pub fn new(writer: &'a Writer, tasks: &'a [Task]) -> Result<Self, GenerationError> {
        let network = &writer.model.network;
        let (Backbone::Decoder(decoder), Some(output)) = (network.backbone(), network.head().output()) else {
            return Err(GenerationError::NoLanguageModel);
        };
        for (number, task) in tasks.iter().enumerate() {
            let problem = |problem: String| GenerationError::Task { task: number, problem };
            if task.prompt.is_empty() {
                return Err(problem("nothing can follow an empty prompt: it has no tokens".into()));
            }
            task.sampling.problem().map_or(Ok(()), |text| Err(problem(text)))?;
            let mut ids = task.prompt.iter().chain(&task.first).chain(task.continuations.iter().flatten());
            if let Some(id) = ids.find(|id| i64::from(**id) >= output.vocab()) {
                return Err(problem(format!(
                    "token id {id} is outside the model's vocabulary of {} (`vocab_size` in config.json): the tokenizer \
                     does not belong to this model",
                    output.vocab()
                )));
            }
        }
        let prompts: Vec<&[u32]> = tasks.iter().map(|task| task.prompt.as_slice()).collect();
        let further = |task: &Task| task.continuations.iter().map(Vec::len).max().unwrap_or(0).max(task.most);
        let longest = tasks.iter().map(|task| task.prompt.len() + further(task)).max().unwrap_or(0);
        // Keys that depend on the length of their sequence serve that sequence alone.
        let prefixes = match decoder.keeps(1, longest) {
            true => Prefixes::of(&prompts),
            false => Prefixes::none(tasks.len()),
        };
        Ok(Self {
            writer,
            decoder,
            output,
            tasks,
            node_rows: vec![None; prefixes.nodes.len()],
            needed: prefixes.nodes.iter().map(|node| node.prompts).collect(),
            prefixes,
            runs: Runs::default(),
            cache: Cache::new(decoder.config(), network.compute, network.device),
            active: Vec::new(),
            next: 0,
            written: tasks.iter().map(|_| None).collect(),
        })
    }

    pub fn run(mut self) -> Result<Vec<Written>, GenerationError> {
        loop {
            let pass = self.pass();
            if self.active.is_empty() {
                break;
            }
            let states_nd = self.states(&pass, &pass.last);
            self.take(&states_nd)?;
        }
        Ok(self.written.into_iter().flatten().collect())
    }

    /// States of the tokens at these places of a pass.
    pub(super) fn states(&mut self, pass: &Pass, places: &[usize]) -> Tensor {
        self.decoder.extend(&pass.feed, &mut self.cache, places, self.writer.model.network.compute)
    }

    /// Whether keys of a sequence of one length serve it at another.
    pub(super) fn keeps(&self, from: usize, to: usize) -> bool {
        self.decoder.keeps(from, to)
    }

    /// The next tokens of all sequences, and those that join.
    fn pass(&mut self) -> Pass {
        let mut pass = Pass::default();
        for at in 0..self.active.len() {
            self.put_sequence(at, &mut pass);
        }
        let before = pass.feed.len();
        while self.active.len() < self.writer.capacity.sequences.max(1) {
            let Some(&task) = self.prefixes.order.get(self.next) else { break };
            let path = self.prefixes.path(task);
            let is_new = |node: &&usize| self.node_rows[**node].is_none();
            let shared = self.prefixes.shared(task);
            let new: usize = path.iter().filter(is_new).map(|&node| self.prefixes.nodes[node].tokens.len()).sum();
            let new = new + self.tasks[task].prompt.len() - shared;
            if pass.feed.len() > before && pass.feed.len() + new > self.writer.capacity.tokens {
                break;
            }
            self.next += 1;
            self.active.push(Sequence {
                task,
                ids: self.tasks[task].prompt.clone(),
                path,
                shared,
                own: Vec::new(),
                cached: shared,
                tokens: Vec::new(),
                text: Growing::default(),
                continuations: Vec::new(),
            });
            self.put_sequence(self.active.len() - 1, &mut pass);
        }
        pass
    }

    /// Puts what of a sequence is not in the cache into the pass, and what of its prefixes is not.
    fn put_sequence(&mut self, at: usize, pass: &mut Pass) {
        let Sequence { cached, shared, .. } = self.active[at];
        let length = self.active[at].ids.len();
        if cached > shared && !self.keeps(cached, length) {
            // Its positions turn otherwise from this length on: all of it is computed again.
            let own = std::mem::take(&mut self.active[at].own);
            own.into_iter().for_each(|run| self.runs.give_back(run));
            self.active[at].cached = shared;
        }
        let (tree, mut sees) = self.put_path(at, pass);
        let sequence = &mut self.active[at];
        let task = &self.tasks[sequence.task];
        let have: usize = sequence.own.iter().map(Range::len).sum();
        let needs = length - sequence.shared;
        if needs > have {
            // The rest of the reply at most.
            let most = (task.prompt.len() + task.most - sequence.shared).max(needs) - have;
            sequence.own.push(self.runs.take((needs - have + AHEAD).min(most)));
        }
        let mut rows = Vec::with_capacity(length - sequence.cached);
        for piece in sequence.pieces() {
            let new = sequence.cached.clamp(piece.position, piece.position + piece.keys.len()) - piece.position;
            rows.extend((piece.keys.start + new..piece.keys.end).map(|row| row as i64));
            sees.push(pass.piece(tree, piece));
        }
        pass.put(&sequence.ids[sequence.cached..], sequence.cached, &rows, tree, sees);
        sequence.cached = length;
        pass.last.push(pass.feed.len() - 1);
    }

    /// The tree of a sequence in the pass, and the pieces there that hold its shared tokens.
    pub(super) fn put_path(&mut self, at: usize, pass: &mut Pass) -> (usize, Vec<usize>) {
        let path = self.active[at].path.clone();
        let known = path.first().and_then(|root| pass.trees.get(root).copied());
        let tree = known.unwrap_or_else(|| pass.tree());
        if let Some(root) = path.first() {
            pass.trees.insert(*root, tree);
        }
        let mut sees = Vec::new();
        for node in path {
            self.put_node(node, tree, &mut sees, pass);
        }
        (tree, sees)
    }

    /// Adds a node to its tree, once, and to what is seen; computes it where it is not in the cache.
    fn put_node(&mut self, node: usize, tree: usize, sees: &mut Vec<usize>, pass: &mut Pass) {
        if let Some(piece) = pass.pieces.get(&node) {
            sees.push(*piece);
            return;
        }
        let tokens = self.prefixes.nodes[node].tokens.clone();
        let known = self.node_rows[node].clone();
        let is_new = known.is_none();
        let rows = known.unwrap_or_else(|| self.runs.take(tokens.len()));
        self.node_rows[node] = Some(rows.clone());
        let piece = pass.piece(tree, Piece { keys: rows.clone(), position: tokens.start });
        pass.pieces.insert(node, piece);
        sees.push(piece);
        if is_new {
            let prompt = &self.tasks[self.prefixes.nodes[node].of].prompt;
            let rows: Vec<i64> = rows.map(|row| row as i64).collect();
            pass.put(&prompt[tokens.clone()], tokens.start, &rows, tree, sees.clone());
        }
    }

    /// Chooses the next token of every sequence from its state, and takes out those that are finished.
    fn take(&mut self, states_nd: &Tensor) -> Result<(), GenerationError> {
        let logits_nv = self.output.all(states_nd);
        let totals = numbers(&logits_nv.logsumexp([1], false))?;
        self.score_continuations(&logits_nv, &totals)?;
        let best = numbers(&logits_nv.argmax(1, false))?;
        let most = self.active.iter().map(|sequence| self.tasks[sequence.task].alternatives).max().unwrap_or(0);
        let top = (most > 0).then(|| {
            let (values, ids) = logits_nv.topk(most.min(self.output.vocab() as usize) as i64, 1, true, true);
            (values, ids)
        });
        let mut ids_of_places = Vec::with_capacity(self.active.len());
        for (at, sequence) in self.active.iter().enumerate() {
            let task = &self.tasks[sequence.task];
            let problem = |text: &str| GenerationError::Task { task: sequence.task, problem: text.to_owned() };
            if !totals[at].is_finite() {
                return Err(problem("the model's logits are not finite"));
            }
            let place = sequence.tokens.len();
            if task.most == 0 {
                ids_of_places.push(0);
                continue;
            }
            let allowed = if place == 0 { task.first.as_slice() } else { &[] };
            let id = if task.sampling.is_greedy() && allowed.is_empty() && !task.sampling.penalises() {
                best[at] as u32
            } else {
                let mut row = floats(&logits_nv.get(at as i64))?;
                if task.sampling.penalises() {
                    task.sampling.penalise(&mut row, &sequence.ids);
                }
                task.sampling.choose(&row, allowed, place).ok_or_else(|| problem("no token is allowed"))?
            };
            ids_of_places.push(id);
        }
        let chosen: Vec<i64> = ids_of_places.iter().map(|id| i64::from(*id)).collect();
        let chosen_n1 = Tensor::from_slice(&chosen).to_device(logits_nv.device()).unsqueeze(1);
        let chosen_logits = numbers(&logits_nv.gather(1, &chosen_n1, false))?;
        let tops =
            top.map(|(values, ids)| Ok::<_, GenerationError>((numbers(&values)?, numbers(&ids)?))).transpose()?;
        let width = most.min(self.output.vocab() as usize);
        let active = std::mem::take(&mut self.active);
        for (at, mut sequence) in active.into_iter().enumerate() {
            if self.tasks[sequence.task].most == 0 {
                self.finish(sequence, Finish::Length);
                continue;
            }
            let kept = self.tasks[sequence.task].alternatives.min(width);
            let alternatives = tops.iter().flat_map(|(values, ids)| {
                (at * width..at * width + kept).map(|i| (ids[i] as u32, values[i] - totals[at]))
            });
            let id = ids_of_places[at];
            let log_prob = chosen_logits[at] - totals[at];
            sequence.tokens.push(Token { id, log_prob, text: String::new(), alternatives: alternatives.collect() });
            match self.finish_of(&mut sequence, id) {
                None => {
                    sequence.ids.push(id);
                    self.active.push(sequence);
                }
                Some(finish) => self.finish(sequence, finish),
            }
        }
        Ok(())
    }

    /// Takes the newest token into the text; why the reply ends with it, if it does.
    fn finish_of(&self, sequence: &mut Sequence, id: u32) -> Option<Finish> {
        let task = &self.tasks[sequence.task];
        let pipeline = &self.writer.model.text;
        let is_end = self.writer.ends.holds(id) || task.ends.contains(&id);
        let is_last = is_end || sequence.tokens.len() >= task.most;
        let mut added = if is_end { String::new() } else { sequence.text.push(id, pipeline) };
        if is_last {
            added += &sequence.text.finish(pipeline);
        }
        let stop = stopped(&sequence.text.text, added.len(), &task.stop);
        if let Some(token) = sequence.tokens.last_mut() {
            token.text = added;
        }
        if let Some(at) = stop {
            sequence.text.text.truncate(at);
            return Some(Finish::Stop);
        }
        match (is_end, is_last) {
            (true, _) => Some(Finish::End),
            (false, true) => Some(Finish::Length),
            _ => None,
        }
    }

    fn finish(&mut self, sequence: Sequence, finish: Finish) {
        let Sequence { task, path, own, tokens, text, continuations, .. } = sequence;
        own.into_iter().for_each(|run| self.runs.give_back(run));
        self.release_nodes(&path);
        self.written[task] = Some(Written { tokens, text: text.text, finish, continuations });
    }

    fn release_nodes(&mut self, path: &[usize]) {
        for &node in path {
            self.needed[node] -= 1;
            if self.needed[node] == 0
                && let Some(rows) = self.node_rows[node].take()
            {
                self.runs.give_back(rows);
            }
        }
    }
}

impl Sequence {
    /// Where its tokens that are not shared lie.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let mut position = self.shared;
        let mut pieces = Vec::with_capacity(self.own.len());
        for run in &self.own {
            let used = run.len().min(self.ids.len() - position);
            if used > 0 {
                pieces.push(Piece { keys: run.start..run.start + used, position });
            }
            position += used;
        }
        pieces
    }
}

impl Pass {
    /// A new tree.
    pub(super) fn tree(&mut self) -> usize {
        self.feed.trees.push(Tree { pieces: Vec::new(), spans: Vec::new() });
        self.feed.trees.len() - 1
    }

    pub(super) fn piece(&mut self, tree: usize, piece: Piece) -> usize {
        let pieces = &mut self.feed.trees[tree].pieces;
        pieces.push(piece);
        pieces.len() - 1
    }

    /// Adds tokens that see these pieces, up to themselves.
    pub(super) fn put(&mut self, ids: &[u32], position: usize, rows: &[i64], tree: usize, sees: Vec<usize>) {
        let first = self.feed.len();
        self.feed.ids.extend(ids.iter().map(|id| i64::from(*id)));
        self.feed.positions.extend((position..position + ids.len()).map(|position| position as i64));
        self.feed.rows.extend(rows);
        let queries = first..first + ids.len();
        self.feed.trees[tree].spans.push(Span { queries, position, sees });
    }
}

fn floats(row_v: &Tensor) -> Result<Vec<f32>, GenerationError> {
    let row_v = row_v.to_kind(Kind::Float).to_device(tch::Device::Cpu).contiguous();
    Ok(Vec::<f32>::try_from(&row_v)?)
}
