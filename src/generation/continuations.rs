//! log p of given texts after a prompt, over the keys that its pass left in the cache.

use tch::Tensor;

use super::decode::{Decoding, Pass};
use super::{GenerationError, numbers};
use rmbench_kernels::attention::Piece;

/// A continuation whose first token is known, or that is computed with its prompt.
struct Open {
    sequence: usize,
    continuation: usize,
    /// Its first tokens whose log p is known already.
    known: usize,
    /// Places in the feed of the states that predict the others.
    places: Vec<usize>,
}

impl Decoding<'_> {
    /// Scores the continuations of sequences whose prompt was just computed: first tokens from its last logits, the
    /// others by a pass of their own, whose keys are forgotten.
    pub(super) fn score_continuations(&mut self, logits_nv: &Tensor, totals: &[f64]) -> Result<(), GenerationError> {
        let tasks = self.tasks;
        let mut pass = Pass::default();
        let mut open = Vec::new();
        let mut taken = Vec::new();
        for at in 0..self.active.len() {
            let task = &tasks[self.active[at].task];
            if !self.active[at].tokens.is_empty() || task.continuations.is_empty() {
                continue;
            }
            let first: Vec<i64> =
                task.continuations.iter().map(|ids| ids.first().map_or(0, |id| i64::from(*id))).collect();
            let first_n = Tensor::from_slice(&first).to_device(logits_nv.device());
            let found = numbers(&logits_nv.get(at as i64).index_select(0, &first_n))?;
            let length = self.active[at].ids.len();
            let mut own: Option<(usize, Vec<usize>)> = None;
            for (number, ids) in task.continuations.iter().enumerate() {
                let log_prob = found[number] - totals[at];
                self.active[at].continuations.push(if ids.is_empty() { Vec::new() } else { vec![log_prob] });
                let Some((_, fed)) = ids.split_last() else { continue };
                let rows = if !self.keeps(length, length + ids.len()) {
                    // Positions turn otherwise at this length: the prompt is computed once more, with what follows.
                    let whole = [self.active[at].ids.as_slice(), ids].concat();
                    let rows = self.runs.take(whole.len());
                    let tree = pass.tree();
                    pass.put_alone(&whole, 0, rows.clone(), tree, Vec::new());
                    let mut places = pass.last_places(ids.len() + 1);
                    places.pop();
                    open.push(Open { sequence: at, continuation: number, known: 0, places });
                    rows
                } else if fed.is_empty() {
                    continue;
                } else {
                    let (tree, sees) = own.get_or_insert_with(|| self.prompt_in(at, &mut pass)).clone();
                    let rows = self.runs.take(fed.len());
                    pass.put_alone(fed, length, rows.clone(), tree, sees);
                    let places = pass.last_places(fed.len());
                    open.push(Open { sequence: at, continuation: number, known: 1, places });
                    rows
                };
                taken.push(rows);
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let places: Vec<usize> = open.iter().flat_map(|open| open.places.iter().copied()).collect();
        let states_nd = self.states(&pass, &places);
        let ids = open.iter().flat_map(|open| {
            let ids = &tasks[self.active[open.sequence].task].continuations[open.continuation];
            ids[open.known..].iter().map(|id| i64::from(*id))
        });
        let ids: Vec<i64> = ids.collect();
        let mut log_probs = numbers(&self.output.log_probs(&states_nd, &ids))?.into_iter();
        for open in open {
            let known = &mut self.active[open.sequence].continuations[open.continuation];
            known.truncate(open.known);
            known.extend(log_probs.by_ref().take(open.places.len()));
        }
        taken.into_iter().for_each(|rows| self.runs.give_back(rows));
        Ok(())
    }

    /// The prompt of a sequence, which is in the cache, as pieces of a pass.
    fn prompt_in(&mut self, at: usize, pass: &mut Pass) -> (usize, Vec<usize>) {
        let (tree, mut sees) = self.put_path(at, pass);
        sees.extend(self.active[at].pieces().into_iter().map(|piece| pass.piece(tree, piece)));
        (tree, sees)
    }
}

impl Pass {
    /// Adds tokens in rows of their own, which see these pieces and themselves.
    fn put_alone(
        &mut self,
        ids: &[u32],
        position: usize,
        rows: std::ops::Range<usize>,
        tree: usize,
        mut sees: Vec<usize>,
    ) {
        sees.push(self.piece(tree, Piece { keys: rows.clone(), position }));
        let rows: Vec<i64> = rows.map(|row| row as i64).collect();
        self.put(ids, position, &rows, tree, sees);
    }

    /// The places of the last `n` tokens.
    fn last_places(&self, n: usize) -> Vec<usize> {
        (self.feed.len() - n..self.feed.len()).collect()
    }
}
