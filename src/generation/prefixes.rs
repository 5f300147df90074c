//! What prompts have in common, as a tree: a judge's instructions, the question of one item in both orders, one prompt
//! that is answered several times.
//!
//! Every node is a run of tokens that two or more prompts share after the same beginning. The last token of a prompt
//! is never shared: its state gives the first new token.

use std::ops::Range;

/// Tokens that several prompts share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub parent: Option<usize>,
    /// Positions of its tokens.
    pub tokens: Range<usize>,
    /// A prompt that has them.
    pub of: usize,
    /// How many prompts do.
    pub prompts: usize,
}

/// Prompts in an order in which what they share is side by side, and what they share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefixes {
    pub nodes: Vec<Node>,
    pub order: Vec<usize>,
    /// The node that each prompt goes on from, by prompt.
    pub node: Vec<Option<usize>>,
}

/// Fewer tokens are computed anew: a node costs more than they do.
const WORTH: usize = 8;

impl Prefixes {
    /// Nothing shared, in the order given.
    pub fn none(n: usize) -> Self {
        Self { nodes: Vec::new(), order: (0..n).collect(), node: vec![None; n] }
    }

    pub fn of(prompts: &[&[u32]]) -> Self {
        let mut found = Self::none(prompts.len());
        found.order.sort_by(|a, b| prompts[*a].cmp(prompts[*b]).then(a.cmp(b)));
        let common = |pair: &[usize]| {
            let [a, b] = [pair[0], pair[1]].map(|at| prompts[at]);
            let shorter = a.len().min(b.len()).saturating_sub(1);
            a.iter().zip(b).take(shorter).take_while(|(a, b)| a == b).count()
        };
        let common: Vec<usize> = found.order.windows(2).map(common).collect();
        // Places in the order, where their nodes begin, and what they go on from.
        let mut open = vec![(0..prompts.len(), 0, None)];
        while let Some((places, begins, parent)) = open.pop() {
            let inner = &common[places.start..places.end.saturating_sub(1).max(places.start)];
            let Some(shared) = inner.iter().copied().min() else { continue };
            let (mut begins, mut parent) = (begins, parent);
            if shared >= begins + WORTH {
                let node =
                    Node { parent, tokens: begins..shared, of: found.order[places.start], prompts: places.len() };
                found.nodes.push(node);
                (begins, parent) = (shared, Some(found.nodes.len() - 1));
                for &prompt in &found.order[places.clone()] {
                    found.node[prompt] = parent;
                }
            }
            // Cut where no more is shared than here.
            let mut start = places.start;
            for end in places.start + 1..=places.end {
                if end == places.end || common[end - 1] <= shared {
                    if end - start > 1 {
                        open.push((start..end, begins, parent));
                    }
                    start = end;
                }
            }
        }
        found
    }

    /// Nodes from the root to where a prompt goes on.
    pub fn path(&self, prompt: usize) -> Vec<usize> {
        let mut path: Vec<usize> = std::iter::successors(self.node[prompt], |node| self.nodes[*node].parent).collect();
        path.reverse();
        path
    }

    /// How many tokens of a prompt are shared.
    pub fn shared(&self, prompt: usize) -> usize {
        self.node[prompt].map_or(0, |node| self.nodes[node].tokens.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(parts: &[(u32, usize)]) -> Vec<u32> {
        parts.iter().flat_map(|(id, n)| std::iter::repeat_n(*id, *n)).collect()
    }

    #[test]
    fn instructions_questions_and_repetitions_nest() {
        let prompts = [
            prompt(&[(1, 20), (2, 10), (5, 3)]),
            prompt(&[(1, 20), (3, 9), (5, 3)]),
            prompt(&[(1, 20), (2, 10), (6, 3)]),
            prompt(&[(1, 20), (2, 10), (6, 3)]),
            prompt(&[(9, 4)]),
        ];
        let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let found = Prefixes::of(&prompts);
        assert_eq!(found.order, [0, 2, 3, 1, 4]);
        let shared: Vec<usize> = (0..5).map(|i| found.shared(i)).collect();
        // The two equal ones share 32 of 33 tokens, but 2 more than the question are not worth a node.
        assert_eq!(shared, [30, 20, 30, 30, 0]);
        assert_eq!(found.nodes.len(), 2);
        assert_eq!(found.path(3).iter().map(|n| found.nodes[*n].tokens.clone()).collect::<Vec<_>>(), [0..20, 20..30]);
        assert_eq!(found.nodes.iter().map(|node| node.prompts).collect::<Vec<_>>(), [4, 3]);
    }

    #[test]
    fn a_prompt_keeps_its_last_token() {
        let prompts = [prompt(&[(1, 20)]), prompt(&[(1, 30)]), prompt(&[(1, 20)])];
        let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let found = Prefixes::of(&prompts);
        assert_eq!((found.nodes.len(), found.shared(0), found.shared(1)), (1, 19, 19));
        assert_eq!(Prefixes::of(&[]).order.len(), 0);
        assert_eq!(Prefixes::of(&[&[1, 2]]).node, [None]);
    }
}
