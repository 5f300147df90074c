//! What noise leaves open of a rank correlation.
//!
//! Noise makes Spearman's ρ of noisy numbers smaller, and that of their replicates smaller again, so percentiles may exclude ρ
//! itself. Here every number has an interval, all at once (the largest studentised move, their common move taken out, since ranks do
//! not see it); numbers whose intervals are apart have their order, so each rank lies in a range (joint confidence region of
//! ranks, Klein, Wright and Wieczorek 2020). With dₖ the distances that the ranges of both ranks of k allow,
//! ρ = 1 − 6 Σ d²/(K (K² − 1)) lies between its values at the largest and at the smallest ones. Covers more often than it says.

use crate::magnitude::Moved;

/// Bounds of ρ of the first half of the true numbers and the second half; `None` for fewer than three pairs.
pub fn bounds(moved: &Moved, level: f64) -> Option<[f64; 2]> {
    let n = moved.points().len() / 2;
    if n < 3 || moved.points().len() != 2 * n {
        return None;
    }
    let apart = |row: &[f64]| {
        let mut own = row.to_vec();
        for half in own.chunks_exact_mut(n) {
            let mean = half.iter().sum::<f64>() / n as f64;
            half.iter_mut().for_each(|x| *x -= mean);
        }
        own
    };
    let rows: Vec<Vec<f64>> = moved.rows().map(apart).collect();
    let error = |at: usize| (rows.iter().map(|row| row[at] * row[at]).sum::<f64>() / rows.len() as f64).sqrt();
    let errors: Vec<f64> = (0..2 * n).map(error).collect();
    // Moves of what does not move are rounding.
    let moves = |at: &usize| errors[*at] > 1e-9 * moved.points()[*at].abs();
    let moving: Vec<usize> = (0..2 * n).filter(moves).collect();
    let largest = |row: &Vec<f64>| moving.iter().map(|at| row[*at].abs() / errors[*at]).fold(0.0, f64::max);
    let mut all: Vec<f64> = rows.iter().map(largest).collect();
    all.sort_unstable_by(f64::total_cmp);
    let wide = *all.get(((level * all.len() as f64).ceil() as usize).clamp(1, all.len()) - 1)?;
    let ranks = |from: usize| -> Vec<[f64; 2]> {
        let end = |at: usize, sign: f64| {
            let wide = if moves(&at) { wide * errors[at] } else { 0.0 };
            moved.points()[at] + sign * wide
        };
        let of = |at: usize| {
            let others = || (from..from + n).filter(move |other| *other != at);
            let below = others().filter(|other| end(*other, 1.0) < end(at, -1.0)).count();
            let above = others().filter(|other| end(*other, -1.0) > end(at, 1.0)).count();
            [1.0 + below as f64, (n - above) as f64]
        };
        (from..from + n).map(of).collect()
    };
    let (mut least, mut most) = (0.0, 0.0);
    for ([a, b], [c, d]) in ranks(0).into_iter().zip(ranks(n)) {
        least += (c - b).max(a - d).max(0.0).powi(2);
        most += (d - a).max(b - c).powi(2);
    }
    let k = n as f64;
    let of = |squares: f64| (1.0 - 6.0 * squares / (k * (k * k - 1.0))).max(-1.0);
    Some([of(most), of(least)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: [f64; 8], by: f32) -> [f64; 2] {
        let column = |at: usize| (0..256).map(|r: usize| if r >> at & 1 == 0 { by } else { -by }).collect::<Vec<f32>>();
        let columns: Vec<Vec<f32>> = (0..8).map(column).collect();
        let columns: Vec<&[f32]> = columns.iter().map(Vec::as_slice).collect();
        bounds(&Moved::new(points.to_vec(), &columns).unwrap(), 0.95).unwrap()
    }

    #[test]
    fn clear_orders_leave_nothing_open_and_noise_leaves_all() {
        let opposite = [1.0, 2.0, 3.0, 4.0, 8.0, 7.0, 6.0, 5.0];
        assert_eq!(of(opposite, 0.01), [-1.0, -1.0]);
        assert_eq!(of(opposite, 50.0), [-1.0, 1.0]);
        // Only the middle two are open on either side: d² is at least 9 + 0 + 0 + 9, ρ at most 1 − 6 · 18/60.
        let open = of([1.0, 2.0, 2.01, 4.0, 8.0, 6.01, 6.0, 4.0], 0.2);
        assert_eq!(open, [-1.0, 1.0 - 6.0 * 18.0 / 60.0]);
    }
}
