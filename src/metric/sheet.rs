//! A sheet of numbers, each a function of sums or of numbers above it.
//!
//! Everything a report shows is written into a sheet once; points come from evaluating it on the total
//! sums, replicates from evaluating it on resampled sums. A number that is undefined is NaN inside the
//! evaluation only and makes whatever depends on it undefined.

use std::collections::HashMap;
use std::sync::Arc;

use rmbench_resampling::program::{Function, Op, Program};

use crate::metric::Metric;
use rmbench_resampling::columns::{ColumnId, Columns};

pub type NodeId = u32;

/// A pure function of sums.
#[derive(Clone, Copy)]
pub enum Finish {
    Metric(&'static dyn Metric),
    /// `id` tells it from every other function and metric.
    Function {
        id: &'static str,
        width: usize,
        function: fn(&[f64]) -> Option<f64>,
    },
}

impl Finish {
    fn id(&self) -> &'static str {
        match self {
            Finish::Metric(metric) => metric.id(),
            Finish::Function { id, .. } => id,
        }
    }

    fn width(&self) -> usize {
        match self {
            Finish::Metric(metric) => metric.width(),
            Finish::Function { width, .. } => *width,
        }
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        match self {
            Finish::Metric(metric) => metric.ratio(),
            Finish::Function { .. } => None,
        }
    }

    /// The operation, its columns renumbered.
    fn op(&self, columns: Vec<u32>) -> Op {
        let width = self.width();
        if let Some((above, below)) = self.ratio() {
            return Op::Ratio(columns.chunks_exact(width).map(|cell| [cell[above], cell[below]]).collect());
        }
        match *self {
            Finish::Metric(metric) => {
                let function = Arc::new(|sums: &[f64]| metric.finish(sums).unwrap_or(f64::NAN));
                Op::Function { function, width, columns }
            }
            Finish::Function { function, .. } => {
                let function = Arc::new(move |sums: &[f64]| function(sums).unwrap_or(f64::NAN));
                Op::Function { function, width, columns }
            }
        }
    }
}

enum Node {
    Given(f64),
    /// Columns of the pooled cells, one after the other, each as wide as the function.
    Finish {
        finish: Finish,
        columns: Vec<ColumnId>,
    },
    /// A function of its own, which no other node shares; as wide as there are columns.
    Own {
        function: Function,
        columns: Vec<ColumnId>,
    },
    /// Sum of the first columns over sum of the second.
    Ratio(ColumnId, ColumnId),
    /// Weights and nodes; the weights sum to 1.
    Mean(Vec<(f64, NodeId)>),
    Difference(NodeId, NodeId),
    /// Sample variance (n − 1).
    Variance(Vec<NodeId>),
    Root(NodeId),
    Scaled(f64, NodeId),
    Largest(Vec<NodeId>),
    Quotient(NodeId, NodeId),
}

/// What a node is, comparable: equal keys are equal numbers.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Given(u64),
    Finish(&'static str, Vec<ColumnId>),
    /// By its place.
    Own(usize),
    Ratio(ColumnId, ColumnId),
    Mean(Vec<(u64, NodeId)>),
    Difference(NodeId, NodeId),
    Variance(Vec<NodeId>),
    Root(NodeId),
    Scaled(u64, NodeId),
    Largest(Vec<NodeId>),
    Quotient(NodeId, NodeId),
}

impl Node {
    fn operands(&self, each: &mut dyn FnMut(NodeId)) {
        match self {
            Node::Given(_) | Node::Finish { .. } | Node::Own { .. } | Node::Ratio(..) => {}
            Node::Mean(parts) => parts.iter().for_each(|(_, part)| each(*part)),
            Node::Difference(a, b) | Node::Quotient(a, b) => [*a, *b].into_iter().for_each(each),
            Node::Variance(parts) | Node::Largest(parts) => parts.iter().copied().for_each(each),
            Node::Root(node) | Node::Scaled(_, node) => each(*node),
        }
    }

    /// `place` is where the node would stand.
    fn key(&self, place: usize) -> Key {
        match self {
            Node::Given(value) => Key::Given(value.to_bits()),
            Node::Finish { finish, columns } => Key::Finish(finish.id(), columns.clone()),
            Node::Own { .. } => Key::Own(place),
            Node::Ratio(above, below) => Key::Ratio(*above, *below),
            Node::Mean(parts) => Key::Mean(parts.iter().map(|(weight, node)| (weight.to_bits(), *node)).collect()),
            Node::Difference(a, b) => Key::Difference(*a, *b),
            Node::Variance(nodes) => Key::Variance(nodes.clone()),
            Node::Root(node) => Key::Root(*node),
            Node::Scaled(factor, node) => Key::Scaled(factor.to_bits(), *node),
            Node::Largest(nodes) => Key::Largest(nodes.clone()),
            Node::Quotient(a, b) => Key::Quotient(*a, *b),
        }
    }
}

#[derive(Default)]
pub struct Sheet {
    pub columns: Columns,
    nodes: Vec<Node>,
    /// A number that is written twice is one node: what several scopes, runs or comparisons share is
    /// resampled once.
    known: HashMap<Key, NodeId>,
}

impl Sheet {
    fn push(&mut self, node: Node) -> NodeId {
        let next = self.nodes.len() as NodeId;
        let id = *self.known.entry(node.key(self.nodes.len())).or_insert(next);
        if id == next {
            self.nodes.push(node);
        }
        id
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A number that does not depend on items: a published one.
    pub fn given(&mut self, value: f64) -> NodeId {
        self.push(Node::Given(value))
    }

    /// A function of sums; `columns` holds the columns of all cells that are pooled.
    pub fn finish(&mut self, finish: Finish, columns: Vec<ColumnId>) -> NodeId {
        self.push(Node::Finish { finish, columns })
    }

    /// A function of the sums of `columns` that is written here only; NaN where it is undefined.
    pub fn own(&mut self, columns: Vec<ColumnId>, function: Function) -> NodeId {
        self.push(Node::Own { function, columns })
    }

    /// Σ above / Σ below; undefined where the second sum is 0.
    pub fn ratio(&mut self, above: ColumnId, below: ColumnId) -> NodeId {
        self.push(Node::Ratio(above, below))
    }

    /// Σ w x / Σ w. Weights are positive (manifests are checked).
    pub fn mean(&mut self, parts: &[(f64, NodeId)]) -> NodeId {
        let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
        self.push(Node::Mean(parts.iter().map(|(weight, node)| (weight / total, *node)).collect()))
    }

    /// The plain mean.
    pub fn plain_mean(&mut self, nodes: &[NodeId]) -> NodeId {
        let parts: Vec<(f64, NodeId)> = nodes.iter().map(|node| (1.0, *node)).collect();
        self.mean(&parts)
    }

    /// a − b.
    pub fn difference(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.push(Node::Difference(a, b))
    }

    /// Sample variance (n − 1); undefined for fewer than two.
    pub fn variance(&mut self, nodes: Vec<NodeId>) -> NodeId {
        self.push(Node::Variance(nodes))
    }

    /// Square root, for a deviation from a variance.
    pub fn root(&mut self, node: NodeId) -> NodeId {
        self.push(Node::Root(node))
    }

    /// In another unit.
    pub fn scaled(&mut self, factor: f64, node: NodeId) -> NodeId {
        self.push(Node::Scaled(factor, node))
    }

    /// The largest; undefined where one of them is.
    pub fn largest(&mut self, nodes: Vec<NodeId>) -> NodeId {
        self.push(Node::Largest(nodes))
    }

    /// a / b; undefined unless b is positive.
    pub fn quotient(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.push(Node::Quotient(a, b))
    }

    /// All numbers on the total sums; `None` where undefined.
    pub fn points(&self) -> Vec<Option<f64>> {
        let all: Vec<NodeId> = (0..self.len() as NodeId).collect();
        let (columns, ops, wanted) = self.compiled(&all);
        let points = Program::of_totals(&self.columns, &columns, ops, wanted).points();
        points.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect()
    }

    /// What `wanted` numbers need, ready to be evaluated many times.
    pub fn program(&self, wanted: &[NodeId]) -> Program {
        let (columns, ops, wanted) = self.compiled(wanted);
        Program::new(&self.columns, &columns, ops, wanted)
    }

    /// Columns, operations on them by their places, and the places of wanted numbers among the operations.
    fn compiled(&self, wanted: &[NodeId]) -> (Vec<ColumnId>, Vec<Op>, Vec<u32>) {
        const NOT: u32 = u32::MAX;
        let mut place = vec![NOT; self.nodes.len()];
        for node in wanted {
            place[*node as usize] = 0;
        }
        // Operands stand before what is made of them.
        for at in (0..self.nodes.len()).rev() {
            if place[at] != NOT {
                self.nodes[at].operands(&mut |operand| place[operand as usize] = 0);
            }
        }
        let mut column_place = vec![NOT; self.columns.len()];
        let mut columns: Vec<ColumnId> = Vec::new();
        let mut ops = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if place[at] == NOT {
                continue;
            }
            let mut column = |id: &ColumnId| {
                let found = &mut column_place[*id as usize];
                if *found == NOT {
                    *found = columns.len() as u32;
                    columns.push(*id);
                }
                *found
            };
            let earlier = |node: &NodeId| place[*node as usize];
            let op = match node {
                Node::Given(value) => Op::Given(*value),
                Node::Finish { finish, columns } => finish.op(columns.iter().map(&mut column).collect()),
                Node::Own { function, columns } => Op::Function {
                    function: function.clone(),
                    width: columns.len(),
                    columns: columns.iter().map(&mut column).collect(),
                },
                Node::Ratio(above, below) => Op::Ratio(vec![[column(above), column(below)]]),
                Node::Mean(parts) => Op::Mean(parts.iter().map(|(weight, part)| (*weight, earlier(part))).collect()),
                Node::Difference(a, b) => Op::Difference(earlier(a), earlier(b)),
                Node::Variance(parts) => Op::Variance(parts.iter().map(earlier).collect()),
                Node::Root(node) => Op::Root(earlier(node)),
                Node::Scaled(factor, node) => Op::Scaled(*factor, earlier(node)),
                Node::Largest(parts) => Op::Largest(parts.iter().map(earlier).collect()),
                Node::Quotient(a, b) => Op::Quotient(earlier(a), earlier(b)),
            };
            place[at] = ops.len() as u32;
            ops.push(op);
        }
        (columns, ops, wanted.iter().map(|node| place[*node as usize]).collect())
    }

    /// By number: the last of all columns it is computed from (0 where there is none). Columns are written run by run.
    pub fn latest_columns(&self) -> Vec<ColumnId> {
        let mut latest: Vec<ColumnId> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let mut last = match node {
                Node::Finish { columns, .. } | Node::Own { columns, .. } => columns.iter().copied().max().unwrap_or(0),
                Node::Ratio(above, below) => *above.max(below),
                _ => 0,
            };
            node.operands(&mut |operand| last = last.max(latest[operand as usize]));
            latest.push(last);
        }
        latest
    }

    /// The two numbers whose difference a number is.
    pub fn operands(&self, node: NodeId) -> Option<(NodeId, NodeId)> {
        match self.nodes.get(node as usize) {
            Some(Node::Difference(a, b)) => Some((*a, *b)),
            _ => None,
        }
    }

    /// The functions `id` that a number is a weighted mean of, of whatever depth: weights, and columns cell after cell.
    /// `None` for numbers of another form.
    pub fn leaves(&self, node: NodeId, id: &str) -> Option<Vec<(f64, Vec<ColumnId>)>> {
        match self.nodes.get(node as usize)? {
            Node::Finish { finish, columns } => (finish.id() == id).then(|| vec![(1.0, columns.clone())]),
            Node::Mean(parts) => {
                let mut all = Vec::new();
                for (weight, part) in parts {
                    all.extend(self.leaves(*part, id)?.into_iter().map(|(own, columns)| (weight * own, columns)));
                }
                Some(all)
            }
            _ => None,
        }
    }

    /// The numbers whose variance or standard deviation a number is, in whatever unit, or by the largest of which it is divided.
    pub fn members(&self, node: NodeId) -> Option<&[NodeId]> {
        match self.nodes.get(node as usize)? {
            Node::Variance(members) | Node::Largest(members) => Some(members),
            Node::Root(inner) | Node::Scaled(_, inner) | Node::Quotient(_, inner) => self.members(*inner),
            _ => None,
        }
    }

    /// Variance of a weighted mean of shares if every item were independent of every other: Σ w² σ²/n, σ² over
    /// the items of a share. `None` for numbers of another form.
    pub fn independent_variance(&self, node: NodeId) -> Option<f64> {
        match self.nodes.get(node as usize)? {
            Node::Finish { finish, columns } => {
                let (above, below) = finish.ratio()?;
                let sum = |of: &[f64], at: usize| {
                    columns.iter().skip(at).step_by(finish.width()).map(|c| of[*c as usize]).sum::<f64>()
                };
                let (credit, n) = (sum(self.columns.totals(), above), sum(self.columns.totals(), below));
                let mean = credit / n;
                let spread = sum(self.columns.squares(), above) / n - mean * mean;
                (n > 1.0).then(|| spread.max(0.0) / (n - 1.0))
            }
            Node::Mean(parts) => {
                parts.iter().map(|(weight, part)| Some(weight * weight * self.independent_variance(*part)?)).sum()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_differences_and_spread() {
        let mut sheet = Sheet::default();
        let nodes: Vec<NodeId> = [1.0, 2.0, 6.0].map(|x| sheet.given(x)).to_vec();
        let plain = sheet.plain_mean(&nodes);
        let weighted = sheet.mean(&[(3.0, nodes[0]), (1.0, nodes[2])]);
        let difference = sheet.difference(weighted, plain);
        let variance = sheet.variance(nodes.clone());
        let deviation = sheet.root(variance);
        assert_eq!(sheet.root(variance), deviation, "written twice, kept once");
        let alone = sheet.variance(nodes[..1].to_vec());
        let depends = sheet.difference(alone, plain);
        let points = sheet.points();
        let at = |node: NodeId| points[node as usize];
        assert_eq!([at(plain), at(weighted), at(difference)], [Some(3.0), Some(2.25), Some(-0.75)]);
        assert_eq!([at(variance), at(deviation)], [Some(7.0), Some(7f64.sqrt())]);
        assert_eq!([at(alone), at(depends)], [None, None]);
    }
}
