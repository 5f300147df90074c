//! What confidence is worth: accuracy on the share of items with the largest |margin| (Geifman and
//! El-Yaniv 2017). AURC = mean over k of the error among the k most confident; equals in confidence share
//! their mean.

/// Items by falling confidence, equals together.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// (cluster, credit) in runs of equal confidence.
    groups: Vec<Vec<(u32, f64)>>,
}

impl Ordered {
    /// From (cluster, confidence, credit); credit is 1 for right, 0 for wrong, what a tie is worth between.
    pub fn new(mut items: Vec<(u32, f64, f64)>) -> Self {
        items.sort_by(|a, b| b.1.total_cmp(&a.1));
        let equal = |a: &(u32, f64, f64), b: &(u32, f64, f64)| a.1 == b.1;
        let groups = items.chunk_by(equal).map(|group| group.iter().map(|(c, _, credit)| (*c, *credit)).collect());
        Self { groups: groups.collect() }
    }

    /// AURC and the accuracy at each coverage, where cluster c counts `counts(c)` times.
    pub fn curve(&self, counts: &dyn Fn(u32) -> f64, coverages: &[f64]) -> Option<(f64, Vec<f64>)> {
        let summed: Vec<(f64, f64)> = self
            .groups
            .iter()
            .map(|group| {
                group
                    .iter()
                    .fold((0.0, 0.0), |(n, c), (cluster, credit)| (n + counts(*cluster), c + counts(*cluster) * credit))
            })
            .filter(|(n, _)| *n > 0.0)
            .collect();
        let total: f64 = summed.iter().map(|(n, _)| n).sum();
        if total <= 0.0 {
            return None;
        }
        let (mut area, mut seen, mut right) = (0.0, 0.0, 0.0);
        let mut at = vec![f64::NAN; coverages.len()];
        for (n, credit) in summed {
            // Inside a group of equals, each next item is right with the group's share.
            let share = credit / n;
            let mut k = 1.0;
            while k <= n {
                area += 1.0 - (right + share * k) / (seen + k);
                k += 1.0;
            }
            for (value, coverage) in at.iter_mut().zip(coverages) {
                let wanted = (coverage * total).max(1.0);
                if value.is_nan() && seen + n >= wanted - 1e-9 {
                    *value = (right + share * (wanted - seen)) / wanted;
                }
            }
            seen += n;
            right += credit;
        }
        Some((area / total, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Right, wrong, right, wrong by falling confidence: errors among the first k are 0, ½, ⅓, ½.
    #[test]
    fn by_hand() {
        let items = vec![(0, 4.0, 1.0), (1, 3.0, 0.0), (2, 2.0, 1.0), (3, 1.0, 0.0)];
        let (area, at) = Ordered::new(items).curve(&|_| 1.0, &[0.25, 0.75, 1.0]).unwrap();
        assert!((area - (0.5 + 1.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
        assert!((at[0] - 1.0).abs() < 1e-15 && (at[1] - 2.0 / 3.0).abs() < 1e-15 && (at[2] - 0.5).abs() < 1e-15);
    }

    #[test]
    fn equals_share_their_mean_whatever_their_order() {
        let items = vec![(0, 1.0, 1.0), (1, 1.0, 0.0), (2, 1.0, 1.0)];
        let (area, at) = Ordered::new(items).curve(&|_| 1.0, &[0.5]).unwrap();
        assert!((area - 1.0 / 3.0).abs() < 1e-15 && (at[0] - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(Ordered::new(Vec::new()).curve(&|_| 1.0, &[0.5]), None);
    }
}
