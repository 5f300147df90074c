//! How much groups differ beyond what small numbers make of equal ones.

/// One group: how often it was right of how many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    pub right: f64,
    pub n: f64,
}

impl Share {
    pub fn point(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.right / self.n)
    }
}

/// Standard deviation of the groups' true shares: √max(0, s² − mean p(1 − p)/(n − 1)), s² the variance of their
/// shares with n − 1 (the method of moments). `None` for fewer than two groups of two or more.
pub fn net_of_noise(groups: impl Iterator<Item = Share>) -> Option<f64> {
    let (mut k, mut sum, mut squares, mut noise) = (0.0, 0.0, 0.0, 0.0);
    for group in groups.filter(|group| group.n >= 2.0) {
        let p = group.right / group.n;
        k += 1.0;
        sum += p;
        squares += p * p;
        noise += p * (1.0 - p) / (group.n - 1.0);
    }
    (k >= 2.0).then(|| ((squares - sum * sum / k) / (k - 1.0) - noise / k).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares ½ and 1 of ten each: s² = ⅛, noise (¼/9 + 0)/2 = 1/72, so √(⅛ − 1/72) = ⅓.
    #[test]
    fn two_groups_by_hand() {
        let groups = [Share { right: 5.0, n: 10.0 }, Share { right: 10.0, n: 10.0 }];
        assert!((net_of_noise(groups.into_iter()).unwrap() - 1.0 / 3.0).abs() < 1e-15);
        // Equal shares differ by less than chance would have it.
        assert_eq!(net_of_noise([groups[0]; 3].into_iter()), Some(0.0));
        assert_eq!(net_of_noise([groups[0]].into_iter()), None);
    }
}
