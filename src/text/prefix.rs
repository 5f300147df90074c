//! The tokens that all sequences of a comparison share.

/// Length of the longest common token prefix, at least one token of every sequence left over, so that
/// each has a branch of its own. A single sequence shares nothing.
pub fn shared_prefix(sequences: &[Vec<u32>]) -> usize {
    let [first, others @ ..] = sequences else { return 0 };
    if others.is_empty() {
        return 0;
    }
    let shortest = sequences.iter().map(Vec::len).min().unwrap_or(0);
    let common = others.iter().fold(first.len(), |longest, other| longest.min(common_prefix(first, other)));
    common.min(shortest.saturating_sub(1))
}

/// Length of the longest common prefix of two sequences.
pub fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_common_prefix_that_leaves_a_branch_to_each() {
        assert_eq!(shared_prefix(&[vec![1, 2, 3, 4], vec![1, 2, 9], vec![1, 2, 3]]), 2);
        // The second is a prefix of the first: its last token is its branch.
        assert_eq!(shared_prefix(&[vec![1, 2, 3], vec![1, 2]]), 1);
        assert_eq!(shared_prefix(&[vec![1, 2, 3], vec![1, 2, 3]]), 2);
        assert_eq!(shared_prefix(&[vec![1], vec![1]]), 0);
        assert_eq!(shared_prefix(&[vec![5, 1], vec![6, 1]]), 0);
        assert_eq!(shared_prefix(&[vec![1, 2, 3]]), 0);
        assert_eq!(shared_prefix(&[]), 0);
    }
}
