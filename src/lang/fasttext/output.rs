//! From the mean of a line's rows to the probability of every label.

use super::matrix::Matrix;
use super::reading::Loss;

/// fastText's logarithm is log(x + 10⁻⁵).
const UNDER_LOGARITHMS: f32 = 1e-5;

#[derive(Debug)]
pub struct Output {
    kind: Kind,
    rows: Matrix,
}

#[derive(Debug)]
enum Kind {
    /// By inner node, from the first that was made to the root: what hangs left and right.
    Tree(Vec<[usize; 2]>),
    Softmax,
    Single,
}

impl Output {
    /// `counts`: how often each label was seen, which made the tree; falling.
    pub fn new(loss: Loss, rows: Matrix, counts: Vec<i64>) -> Self {
        let kind = match loss {
            Loss::Tree => Kind::Tree(tree(&counts)),
            Loss::Softmax => Kind::Softmax,
            Loss::Single => Kind::Single,
        };
        Self { kind, rows }
    }

    pub fn probabilities(&self, hidden: &[f32]) -> Vec<f32> {
        let n = self.rows.rows();
        match &self.kind {
            Kind::Tree(nodes) => {
                let mut found = vec![0.0; n];
                if let Some(root) = nodes.len().checked_sub(1) {
                    self.descend(nodes, root, 1.0, hidden, &mut found);
                }
                found
            }
            Kind::Softmax => {
                let scores: Vec<f32> = (0..n).map(|label| self.rows.dot(label, hidden)).collect();
                let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let raised: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
                let sum: f32 = raised.iter().sum();
                raised.into_iter().map(|value| value / sum + UNDER_LOGARITHMS).collect()
            }
            Kind::Single => {
                (0..n).map(|label| table_sigmoid(self.rows.dot(label, hidden)) + UNDER_LOGARITHMS).collect()
            }
        }
    }

    /// An inner node's row says how probable its right side is.
    fn descend(&self, nodes: &[[usize; 2]], node: usize, probability: f32, hidden: &[f32], found: &mut [f32]) {
        let right = 1.0 / (1.0 + (-self.rows.dot(node, hidden)).exp());
        for (side, share) in nodes[node].into_iter().zip([1.0 - right, right]) {
            let probability = probability * (share + UNDER_LOGARITHMS);
            match side.checked_sub(found.len()) {
                Some(inner) => self.descend(nodes, inner, probability, hidden, found),
                None => found[side] = probability,
            }
        }
    }
}

/// Huffman's tree over labels in falling order of counts: the two rarest are joined, and so on. Leaves are numbered like
/// labels, inner nodes after them.
fn tree(counts: &[i64]) -> Vec<[usize; 2]> {
    let n = counts.len();
    let mut weights = counts.to_vec();
    let mut nodes: Vec<[usize; 2]> = Vec::new();
    let (mut leaves, mut inner) = (n, n);
    for _ in 1..n {
        let mut next = || {
            // An inner node that does not exist yet weighs more than anything.
            let of_inner = weights.get(inner).copied().unwrap_or(i64::MAX);
            if leaves > 0 && weights[leaves - 1] < of_inner {
                leaves -= 1;
                leaves
            } else {
                inner += 1;
                inner - 1
            }
        };
        let pair = [next(), next()];
        weights.push(pair.iter().map(|node| weights[*node]).sum());
        nodes.push(pair);
    }
    nodes
}

/// fastText looks the logistic function up in a table of 512 steps between −8 and 8.
fn table_sigmoid(x: f32) -> f32 {
    const STEPS: f32 = 512.0;
    const MOST: f32 = 8.0;
    if x < -MOST {
        return 0.0;
    }
    if x > MOST {
        return 1.0;
    }
    let step = ((x + MOST) * STEPS / MOST / 2.0) as i64 as f32;
    let at = step * 2.0 * MOST / STEPS - MOST;
    1.0 / (1.0 + (-at).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts 5, 2, 1, 1: the last two are joined (node 4, weight 2); it is not lighter than label 1, but comes first where
    /// they are equal; the root joins label 0 and the rest.
    #[test]
    fn the_rarest_are_joined_first() {
        assert_eq!(tree(&[5, 2, 1, 1]), [[3, 2], [4, 1], [5, 0]]);
        assert_eq!(tree(&[3]), Vec::<[usize; 2]>::new());
    }
}
