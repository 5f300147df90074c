//! The least of several differences, where which one is least is not known: what joining runs gains over the best of them.
//!
//! The least of noisy numbers lies below the least true one, and replicates of it below it again. Bounds come from each
//! difference: every true difference is at least the least one, so the least of their own lower bounds holds (it is no
//! higher than that of the truly least one). Of upper bounds, all have to hold at once: they use the quantile of the
//! largest studentised move over those differences that may be the least (intersection bounds, Chernozhukov, Lee and Rosen
//! 2013). Where several are about equal the interval covers more often than it says.

use crate::replicates::quantile;

/// Bounds of the least of the true numbers that hold the least of `points`; `columns`: by number, how far its replicates
/// lie from it. `None` without numbers, or where no replicate is defined or nothing moves.
pub fn bounds(points: &[f64], columns: &[&[f32]], level: f64) -> Option<[f64; 2]> {
    let n = columns.iter().map(|own| own.len()).min()?;
    let rows: Vec<usize> = (0..n).filter(|at| columns.iter().all(|own| own[*at].is_finite())).collect();
    if rows.len() < 2 || rows.len() * 20 < n * 19 || points.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let tail = (1.0 - level) / 2.0;
    let errors: Vec<f64> = columns
        .iter()
        .map(|own| {
            let mean = rows.iter().map(|at| f64::from(own[*at])).sum::<f64>() / rows.len() as f64;
            let squares = rows.iter().map(|at| (f64::from(own[*at]) - mean).powi(2)).sum::<f64>();
            (squares / (rows.len() as f64 - 1.0)).sqrt()
        })
        .collect();
    if errors.iter().all(|error| *error <= 1e-9) {
        return None;
    }
    let low = points.iter().zip(columns).map(|(point, own)| {
        let moves: Vec<f64> = rows.iter().map(|at| f64::from(own[*at])).collect();
        point + quantile_of(moves, tail)
    });
    let low = low.fold(f64::INFINITY, f64::min);
    // The largest move down in standard errors, over some of the numbers, that so many replicates do not exceed.
    let critical = |among: &[usize], share: f64| {
        let of_row = |row: &usize| {
            let down = among.iter().filter(|at| errors[**at] > 1e-9);
            down.map(|at| -f64::from(columns[*at][*row]) / errors[*at]).fold(0.0, f64::max)
        };
        quantile_of(rows.iter().map(of_row).collect(), share)
    };
    let least = |k: f64| points.iter().zip(&errors).map(|(x, error)| x + k * error).fold(f64::INFINITY, f64::min);
    let all: Vec<usize> = (0..points.len()).collect();
    let wide = critical(&all, 1.0 - (0.1 / (rows.len() as f64).ln()).min(tail));
    let bound = least(wide);
    let among: Vec<usize> = all.into_iter().filter(|at| points[*at] <= bound + 2.0 * wide * errors[*at]).collect();
    let high = least(critical(&among, 1.0 - tail));
    Some([low.min(least(0.0)), high.max(least(0.0))])
}

/// Of some values in any order, of which there are some.
fn quantile_of(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    quantile(&values, q).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one number: its own percentiles below, and the same error above.
    #[test]
    fn one_number_and_one_that_is_far() {
        let moves: Vec<f32> = (-100..=100).map(|x| x as f32 / 100.0).collect();
        let alone = bounds(&[3.0], &[&moves], 0.9).unwrap();
        assert!((alone[0] - 2.1).abs() < 1e-6 && (alone[1] - 3.9).abs() < 1e-6, "{alone:?}");
        assert_eq!(bounds(&[3.0, 90.0], &[&moves, &moves], 0.9), Some(alone), "what is far decides nothing");
        assert_eq!(bounds(&[3.0], &[&[0.0; 50]], 0.9), None);
        assert_eq!(bounds(&[], &[], 0.9), None);
    }

    /// Two equal ones that move apart: the upper bound stays above either, where percentiles of the least would not.
    #[test]
    fn equal_numbers_keep_the_truth_inside() {
        let a: Vec<f32> = (-100..=100).map(|x| x as f32 / 100.0).collect();
        let b: Vec<f32> = a.iter().map(|x| -x).collect();
        let [low, high] = bounds(&[-0.2, 0.2], &[&a, &b], 0.9).unwrap();
        assert!(low < -1.0 && high > 0.5, "{low} {high}");
    }
}
