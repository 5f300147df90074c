//! Bounds of a share.

use crate::normal::normal_quantile;

/// Wilson's score interval for a share p of n independent items (Wilson 1927); n may be an effective
/// number of items. `None` for n ≤ 0.
pub fn wilson(share: f64, n: f64, level: f64) -> Option<(f64, f64)> {
    if n.is_nan() || n <= 0.0 {
        return None;
    }
    let z = normal_quantile(0.5 + level / 2.0);
    let z2 = z * z;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    // At 0 and 1 the bound is exactly 0 and 1; rounding must not take the point outside.
    let low = if share <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if share >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    Some((low, high))
}
