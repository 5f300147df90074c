//! A sheet of numbers, each a function of sums or of numbers above it.
//!
//! Everything a report shows is written into a sheet once; points come from evaluating it on the total
//! sums, replicates from evaluating it on resampled sums. A number that is undefined is NaN inside the
//! evaluation only and makes whatever depends on it undefined.

use std::collections::HashMap;

use crate::metric::columns::{ColumnId, Columns};
use crate::metric::{MAX_WIDTH, Metric};

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

    fn value(&self, sums: &[f64]) -> f64 {
        let value = match self {
            Finish::Metric(metric) => metric.finish(sums),
            Finish::Function { function, .. } => function(sums),
        };
        value.unwrap_or(f64::NAN)
    }
}

enum Node {
    Given(f64),
    /// Columns of the pooled cells, one after the other, each as wide as the function.
    Finish {
        finish: Finish,
        columns: Vec<ColumnId>,
    },
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
    Mean(Vec<(u64, NodeId)>),
    Difference(NodeId, NodeId),
    Variance(Vec<NodeId>),
    Root(NodeId),
    Scaled(u64, NodeId),
    Largest(Vec<NodeId>),
    Quotient(NodeId, NodeId),
}

impl Node {
    fn key(&self) -> Key {
        match self {
            Node::Given(value) => Key::Given(value.to_bits()),
            Node::Finish { finish, columns } => Key::Finish(finish.id(), columns.clone()),
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
        let id = *self.known.entry(node.key()).or_insert(next);
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
        let totals: Vec<[f64; 1]> = self.columns.totals().iter().map(|total| [*total]).collect();
        let mut values = Vec::new();
        self.evaluate(&totals, &mut values);
        values.into_iter().map(|[value]| (!value.is_nan()).then_some(value)).collect()
    }

    /// All numbers for some replicates at once, NaN where undefined; `sums` holds a row per column.
    pub(super) fn evaluate<const LANES: usize>(&self, sums: &[[f64; LANES]], values: &mut Vec<[f64; LANES]>) {
        values.clear();
        values.reserve(self.nodes.len());
        for node in &self.nodes {
            let value = match node {
                Node::Given(value) => [*value; LANES],
                Node::Finish { finish, columns } => finish_lanes(finish, columns, sums),
                Node::Mean(parts) => {
                    let mut sum = [0.0; LANES];
                    for (weight, part) in parts {
                        let part = &values[*part as usize];
                        for lane in 0..LANES {
                            sum[lane] += weight * part[lane];
                        }
                    }
                    if parts.is_empty() { [f64::NAN; LANES] } else { sum }
                }
                Node::Difference(a, b) => {
                    let (a, b) = (&values[*a as usize], &values[*b as usize]);
                    std::array::from_fn(|lane| a[lane] - b[lane])
                }
                Node::Variance(parts) => {
                    let n = parts.len() as f64;
                    std::array::from_fn(|lane| {
                        let part = |id: &NodeId| values[*id as usize][lane];
                        let mean = parts.iter().map(part).sum::<f64>() / n;
                        let squares: f64 = parts.iter().map(|id| (part(id) - mean).powi(2)).sum();
                        if parts.len() < 2 { f64::NAN } else { squares / (n - 1.0) }
                    })
                }
                Node::Root(node) => values[*node as usize].map(f64::sqrt),
                Node::Scaled(factor, node) => values[*node as usize].map(|value| factor * value),
                Node::Largest(parts) => std::array::from_fn(|lane| {
                    let all = parts.iter().map(|id| values[*id as usize][lane]);
                    all.fold(f64::NEG_INFINITY, |a, b| if b.is_nan() || a.is_nan() { f64::NAN } else { a.max(b) })
                }),
                Node::Quotient(a, b) => {
                    let (a, b) = (&values[*a as usize], &values[*b as usize]);
                    std::array::from_fn(|lane| if b[lane] > 0.0 { a[lane] / b[lane] } else { f64::NAN })
                }
            };
            values.push(value);
        }
    }
}

fn finish_lanes<const LANES: usize>(finish: &Finish, columns: &[ColumnId], sums: &[[f64; LANES]]) -> [f64; LANES] {
    let width = finish.width();
    let read = |sums: &dyn Fn(usize, usize) -> f64| {
        std::array::from_fn(|lane| {
            let mut own = [0.0; MAX_WIDTH];
            for (place, value) in own.iter_mut().take(width).enumerate() {
                *value = sums(place, lane);
            }
            finish.value(&own[..width])
        })
    };
    // One cell is by far the most frequent case: nothing to pool.
    if columns.len() == width {
        return read(&|place, lane| sums[columns[place] as usize][lane]);
    }
    let mut pooled = [[0.0; LANES]; MAX_WIDTH];
    for cell in columns.chunks_exact(width.max(1)) {
        for (total, column) in pooled.iter_mut().zip(cell) {
            let column = &sums[*column as usize];
            for lane in 0..LANES {
                total[lane] += column[lane];
            }
        }
    }
    read(&|place, lane| pooled[place][lane])
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
