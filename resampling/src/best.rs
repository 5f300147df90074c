//! Which of several numbers is the largest, replicate by replicate.

use crate::summary::MAX_UNDEFINED;

/// One of the numbers: its value and its replicates' deviations from it, of the same replicates as all others.
pub struct Contender<'a> {
    pub point: f64,
    pub deviations: &'a [f32],
}

/// Share of replicates in which each is the best; those that share the best value share the replicate. Replicates in which
/// one is undefined are left out. `None` where more than one in twenty is, and without contenders.
pub fn chance_of_best(contenders: &[Contender<'_>]) -> Option<Vec<f64>> {
    let n = contenders.iter().map(|one| one.deviations.len()).min()?;
    let mut wins = vec![0.0; contenders.len()];
    let mut counted = 0usize;
    let mut best = Vec::new();
    for replicate in 0..n {
        let mut highest = f64::NEG_INFINITY;
        let mut defined = true;
        best.clear();
        for (at, one) in contenders.iter().enumerate() {
            let value = one.point + f64::from(one.deviations[replicate]);
            defined &= !value.is_nan();
            // Replicates are f32 deviations: what differs by rounding is equal.
            if value > highest + 1e-8 {
                best.clear();
            }
            if value >= highest - 1e-8 {
                best.push(at);
                highest = highest.max(value);
            }
        }
        if defined {
            counted += 1;
            for at in &best {
                wins[*at] += 1.0 / best.len() as f64;
            }
        }
    }
    let enough = counted > 0 && (n - counted) as f64 <= MAX_UNDEFINED * n as f64;
    enough.then(|| wins.into_iter().map(|wins| wins / counted as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_best_is_shared() {
        let of = |point: f64, deviations: &'static [f32]| Contender { point, deviations };
        let values = [of(1.0, &[0.0, 1.0, 2.0, 0.0]), of(0.0, &[1.0, 1.0, 3.0, 4.0]), of(-1.0, &[1.0; 4])];
        assert_eq!(chance_of_best(&values), Some(vec![0.5, 0.5, 0.0]));
        assert_eq!(chance_of_best(&[of(0.0, &[f32::NAN, 1.0])]), None);
        assert_eq!(chance_of_best(&[]), None);
    }
}
