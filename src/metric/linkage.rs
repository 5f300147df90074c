//! Hierarchical clustering by average linkage (UPGMA, Sokal and Michener 1958): the two clusters with the
//! smallest mean distance between their members are joined, until one is left.
//!
//! Merges come in the form of SciPy's `linkage(…, "average")`: cluster n + i is the one that merge i made.

/// Two clusters joined; a < b.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    pub a: usize,
    pub b: usize,
    /// Mean distance between the members of the two.
    pub distance: f64,
    /// Members of both.
    pub size: usize,
}

/// Merges of `n` items from their symmetric distances (`n` × `n`), nearest first.
pub fn average_linkage(distances: &[f64], n: usize) -> Vec<Merge> {
    let mut between = distances.to_vec();
    // By place: the cluster that stands there, and its size; `None` once it was joined to another place.
    let mut here: Vec<Option<(usize, usize)>> = (0..n).map(|item| Some((item, 1))).collect();
    let mut merges: Vec<Merge> = Vec::with_capacity(n.saturating_sub(1));
    while merges.len() + 1 < n {
        let mut nearest: Option<(usize, usize, f64)> = None;
        for i in (0..n).filter(|i| here[*i].is_some()) {
            for j in (i + 1..n).filter(|j| here[*j].is_some()) {
                if nearest.is_none_or(|(.., distance)| between[i * n + j] < distance) {
                    nearest = Some((i, j, between[i * n + j]));
                }
            }
        }
        let Some((i, j, distance)) = nearest else { break };
        let (Some((left, left_size)), Some((right, right_size))) = (here[i], here[j]) else { break };
        let size = left_size + right_size;
        for other in (0..n).filter(|other| *other != i && *other != j && here[*other].is_some()) {
            let joined =
                (left_size as f64 * between[i * n + other] + right_size as f64 * between[j * n + other]) / size as f64;
            between[j * n + other] = joined;
            between[other * n + j] = joined;
        }
        here[i] = None;
        here[j] = Some((n + merges.len(), size));
        merges.push(Merge { a: left.min(right), b: left.max(right), distance, size });
    }
    merges
}

/// Items from left to right as the tree of merges shows them: a merge's first cluster, then its second.
pub fn leaves(merges: &[Merge], n: usize) -> Vec<usize> {
    let mut order = Vec::with_capacity(n);
    let mut open = vec![if merges.is_empty() { 0 } else { n + merges.len() - 1 }];
    while let Some(cluster) = open.pop() {
        match cluster.checked_sub(n).and_then(|i| merges.get(i)) {
            Some(merge) => open.extend([merge.b, merge.a]),
            None if cluster < n => order.push(cluster),
            None => {}
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points 0, 1, 4, 10 on a line: {0, 1} at 1, then 4 at (4 + 3)/2, then 10 at (10 + 9 + 6)/3.
    #[test]
    fn by_hand() {
        let points = [0.0f64, 1.0, 4.0, 10.0];
        let distances: Vec<f64> = points.iter().flat_map(|a| points.map(|b| (a - b).abs())).collect();
        let merges = average_linkage(&distances, 4);
        let found: Vec<(usize, usize, f64, usize)> = merges.iter().map(|m| (m.a, m.b, m.distance, m.size)).collect();
        assert_eq!(found, [(0, 1, 1.0, 2), (2, 4, 3.5, 3), (3, 5, 25.0 / 3.0, 4)]);
        assert_eq!(leaves(&merges, 4), [3, 2, 0, 1]);
        assert_eq!(leaves(&average_linkage(&[0.0], 1), 1), [0]);
    }
}
