//! p-values adjusted for how many there are.
//!
//! Holm keeps the chance of any false finding in the family (1979); Benjamini and Hochberg the expected
//! share of false ones among the findings (1995). Romano and Wolf's step-down, which needs replicates, is
//! [`rmbench_resampling::stepdown`].

/// Places of p in ascending order.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Holm: max over smaller ones of (m − rank) p, rank from 0.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut so_far = 0.0f64;
    for (rank, place) in ascending(p).into_iter().enumerate() {
        so_far = so_far.max(((p.len() - rank) as f64 * p[place]).min(1.0));
        adjusted[place] = so_far;
    }
    adjusted
}

/// Benjamini and Hochberg: min over larger ones of m p / rank, rank from 1.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut so_far = 1.0f64;
    for (rank, place) in ascending(p).into_iter().enumerate().rev() {
        so_far = so_far.min(p.len() as f64 / (rank + 1) as f64 * p[place]);
        adjusted[place] = so_far;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn by_hand() {
        let p = [0.01, 0.04, 0.03, 0.005];
        assert!(near(&holm(&p), &[0.03, 0.06, 0.06, 0.02]));
        assert!(near(&benjamini_hochberg(&p), &[0.02, 0.04, 0.04, 0.02]));
        assert_eq!((holm(&[]).len(), benjamini_hochberg(&[]).len()), (0, 0));
    }
}
