//! Cohen's κ = (p_o − p_e) / (1 − p_e): agreement beyond what the two raters' own shares give by chance
//! (Cohen 1960).

/// κ from a k × k table of counts, row by row: first rater's label by second rater's. `None` where it is
/// undefined: no items, or both raters always say the same one thing.
pub fn kappa(table: &[f64], labels: usize) -> Option<f64> {
    let n: f64 = table.iter().sum();
    if table.len() != labels * labels || n.is_nan() || n <= 0.0 {
        return None;
    }
    let observed = (0..labels).map(|i| table[i * labels + i]).sum::<f64>() / n;
    let expected = (0..labels)
        .map(|i| {
            let row: f64 = table[i * labels..][..labels].iter().sum();
            let column: f64 = (0..labels).map(|j| table[j * labels + i]).sum();
            row / n * (column / n)
        })
        .sum::<f64>();
    (1.0 - expected > 1e-12).then(|| (observed - expected) / (1.0 - expected))
}

/// κ of labels loss, win, tie: the function of nine sums that M-RewardBench's agreement with English is.
pub fn kappa_of_outcomes(sums: &[f64]) -> Option<f64> {
    kappa(sums, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: p_o = 35/50, p_e = (25·30 + 25·20)/2500 = ½, κ = 0.4.
    #[test]
    fn by_hand() {
        assert!((kappa(&[20.0, 5.0, 10.0, 15.0], 2).unwrap() - 0.4).abs() < 1e-15);
    }

    #[test]
    fn undefined_where_nothing_can_vary() {
        assert_eq!(kappa(&[7.0, 0.0, 0.0, 0.0], 2), None);
        assert_eq!(kappa(&[0.0; 4], 2), None);
    }
}
