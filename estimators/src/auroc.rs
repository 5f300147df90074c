//! Area under the ROC curve: the probability that a value of one kind is above a value of the other, ties half.

/// Values of two kinds in order, so that other weights need one pass.
pub struct Auroc {
    /// Places of equal values, from the lowest, and whether each is of the positive kind.
    groups: Vec<Vec<(usize, bool)>>,
}

impl Auroc {
    pub fn new(values: &[(f64, bool)]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].0.total_cmp(&values[*b].0));
        let groups = order.chunk_by(|a, b| values[*a].0 == values[*b].0);
        Self { groups: groups.map(|group| group.iter().map(|at| (*at, values[*at].1)).collect()).collect() }
    }

    /// The area where each value counts `weights` times; `None` where a kind has no weight.
    pub fn area(&self, weights: &[f64]) -> Option<f64> {
        let (mut area, mut positive, mut negative) = (0.0, 0.0, 0.0);
        for group in &self.groups {
            let of = |kind: bool| group.iter().filter(|(_, own)| *own == kind).map(|(at, _)| weights[*at]).sum::<f64>();
            let (here, others) = (of(true), of(false));
            area += here * (negative + others / 2.0);
            positive += here;
            negative += others;
        }
        (positive > 0.0 && negative > 0.0).then(|| area / (positive * negative))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positive 3 2 1, negative 2 0: of six pairs, 3 > 2, 3 > 0, 2 > 0, 1 > 0 and 2 = 2.
    #[test]
    fn by_hand() {
        let all = Auroc::new(&[(3.0, true), (2.0, true), (1.0, true), (2.0, false), (0.0, false)]);
        assert!((all.area(&[1.0; 5]).unwrap() - 4.5 / 6.0).abs() < 1e-15);
        // Without the 1, three and a half of four.
        assert!((all.area(&[1.0, 1.0, 0.0, 1.0, 1.0]).unwrap() - 3.5 / 4.0).abs() < 1e-15);
        assert_eq!(all.area(&[0.0, 0.0, 0.0, 1.0, 1.0]), None);
    }
}
