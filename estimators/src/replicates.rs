//! Statistics of several numbers that were resampled together, replicate by replicate.

/// The q-quantile of sorted values by linear interpolation (NumPy's default, Hyndman and Fan's type 7).
/// `None` for no values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    let (a, b) = (*sorted.get(low)?, *sorted.get(high)?);
    Some(a + (b - a) * (at - low as f64))
}

/// Mean of the lowest `k` of at least as many.
pub fn lowest(values: &[f64], k: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.iter().take(k).sum::<f64>() / k as f64
}

/// Largest less smallest.
pub fn range(values: &[f64]) -> f64 {
    let ends = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    ends.1 - ends.0
}

/// Sample variance (n − 1).
pub fn variance(values: &[f64]) -> f64 {
    let centre = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// A statistic of all numbers in each replicate; `replicates` holds those of each number.
pub fn by_replicate(replicates: &[&[f32]], statistic: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
    let n = replicates.iter().map(|own| own.len()).min().unwrap_or(0);
    let mut values = vec![0.0; replicates.len()];
    let at = |r: usize| {
        values.iter_mut().zip(replicates).for_each(|(value, own)| *value = f64::from(own[r]));
        statistic(&values)
    };
    (0..n).map(at).collect()
}

/// The mean over numbers in each replicate.
pub fn mean_by_replicate(replicates: &[&[f32]]) -> Vec<f64> {
    by_replicate(replicates, &|values| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let replicates: [&[f32]; 3] = [&[0.0, 1.0, 2.0], &[4.0, 4.0, 4.0], &[1.0, 3.0, f32::NAN]];
        assert_eq!(by_replicate(&replicates[..2], &|values| lowest(values, 1)), [0.0, 1.0, 2.0]);
        assert_eq!(lowest(&[5.0, 1.0, 3.0], 2), 2.0);
        assert_eq!(by_replicate(&replicates, &range)[..2], [4.0, 3.0]);
        assert_eq!(mean_by_replicate(&replicates[..2]), [2.0, 2.5, 3.0]);
        assert!(mean_by_replicate(&replicates)[2].is_nan());
        assert_eq!(variance(&[1.0, 3.0]), 2.0);
    }
}
