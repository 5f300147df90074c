//! What confidence is worth: accuracy on the share of items with the largest |margin| (Geifman and
//! El-Yaniv 2017). AURC = mean over k of the error among the k most confident; equals in confidence share
//! their mean.

/// Items by falling confidence, equals together.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// (cluster, credit) by item.
    items: Vec<(u32, f32)>,
    /// Where each run of equal confidence ends.
    ends: Vec<u32>,
}

impl Ordered {
    /// From (cluster, confidence, credit); credit is 1 for right, 0 for wrong, what a tie is worth between.
    pub fn new(mut items: Vec<(u32, f64, f64)>) -> Self {
        items.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut ends = Vec::with_capacity(items.len());
        let mut end = 0;
        for group in items.chunk_by(|a, b| a.1 == b.1) {
            end += group.len() as u32;
            ends.push(end);
        }
        Self { items: items.into_iter().map(|(cluster, _, credit)| (cluster, credit as f32)).collect(), ends }
    }

    /// AURC and the accuracy at each coverage, where cluster c counts `counts[c]` times.
    pub fn curve(&self, counts: &[f32], coverages: &[f64]) -> Option<(f64, Vec<f64>)> {
        let count = |cluster: u32| f64::from(counts.get(cluster as usize).copied().unwrap_or(0.0));
        let total: f64 = self.items.iter().map(|(cluster, _)| count(*cluster)).sum();
        if total <= 0.0 {
            return None;
        }
        let wanted: Vec<f64> = coverages.iter().map(|coverage| (coverage * total).max(1.0)).collect();
        let mut at = vec![f64::NAN; coverages.len()];
        let (mut area, mut seen, mut right, mut start) = (0.0, 0.0, 0.0, 0);
        for end in &self.ends {
            let (mut n, mut credit) = (0.0, 0.0);
            for (cluster, own) in &self.items[start..*end as usize] {
                let weight = count(*cluster);
                n += weight;
                credit += weight * f64::from(*own);
            }
            start = *end as usize;
            if n <= 0.0 {
                continue;
            }
            // Inside a group of equals, each next item is right with the group's share.
            let share = credit / n;
            let error = |k: f64| 1.0 - (right + share * k) / (seen + k);
            let mut k = 1.0;
            while k <= n {
                area += error(k);
                k += 1.0;
            }
            // Weights need not be whole numbers.
            area += (n + 1.0 - k) * error(n);
            for (value, wanted) in at.iter_mut().zip(&wanted) {
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
        let (area, at) = Ordered::new(items).curve(&[1.0; 4], &[0.25, 0.75, 1.0]).unwrap();
        assert!((area - (0.5 + 1.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
        assert!((at[0] - 1.0).abs() < 1e-15 && (at[1] - 2.0 / 3.0).abs() < 1e-15 && (at[2] - 0.5).abs() < 1e-15);
    }

    #[test]
    fn equals_share_their_mean_whatever_their_order() {
        let items = vec![(0, 1.0, 1.0), (1, 1.0, 0.0), (2, 1.0, 1.0)];
        let (area, at) = Ordered::new(items).curve(&[1.0; 3], &[0.5]).unwrap();
        assert!((area - 1.0 / 3.0).abs() < 1e-15 && (at[0] - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(Ordered::new(Vec::new()).curve(&[], &[0.5]), None);
    }
}
