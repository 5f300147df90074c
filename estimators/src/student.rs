//! Student's t beside the normal: what few degrees of freedom do to a quantile.
//!
//! P(T ≥ t) = ½ I(ν/(ν + t²); ν/2, ½) for t ≥ 0, I the regularised incomplete beta function, by its continued
//! fraction (Abramowitz and Stegun 1964, 26.7.1 and 26.5.8).

use crate::gamma::ln_gamma;
use crate::normal::{normal_cdf, normal_quantile};

/// Beyond so many degrees of freedom t is the normal to six digits.
const NORMAL: f64 = 1e7;

/// I(x; a, b) for 0 ≤ x ≤ 1; `rest` is 1 − x.
fn incomplete_beta(x: f64, rest: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || rest <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(rest, x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * rest.ln()).exp() / a;
    // Lentz's method.
    let (mut c, mut d) = (1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for coefficient in [even, odd] {
            d = 1.0 / (1.0 + coefficient * d);
            c = 1.0 + coefficient / c;
            step = c * d;
            fraction *= step;
        }
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * fraction
}

/// P(T ≥ t) for t ≥ 0.
pub fn upper_tail(t: f64, freedom: f64) -> f64 {
    if freedom >= NORMAL {
        return normal_cdf(-t);
    }
    let square = t * t;
    0.5 * incomplete_beta(freedom / (freedom + square), square / (freedom + square), freedom / 2.0, 0.5)
}

/// The normal quantile that is as far out as t: |t| shrunk by what estimating the variance costs.
pub fn as_normal(t: f64, freedom: f64) -> f64 {
    let z = -normal_quantile(upper_tail(t.abs(), freedom));
    if t < 0.0 { -z } else { z }
}

/// The t that is as far out as a normal quantile.
pub fn from_normal(z: f64, freedom: f64) -> f64 {
    let wanted = normal_cdf(-z.abs());
    if freedom >= NORMAL || wanted <= 0.0 || z == 0.0 {
        return z;
    }
    let density_at_0 =
        (ln_gamma((freedom + 1.0) / 2.0) - ln_gamma(freedom / 2.0)).exp() / (freedom * std::f64::consts::PI).sqrt();
    // Newton's method on the logarithm of the tail, from the normal quantile outwards.
    let mut t = z.abs();
    for _ in 0..60 {
        let tail = upper_tail(t, freedom);
        let density = density_at_0 * (1.0 + t * t / freedom).powf(-(freedom + 1.0) / 2.0);
        let step = (tail / wanted).ln() * tail / density;
        t += step;
        if step.abs() < 1e-12 * t {
            break;
        }
    }
    if z < 0.0 { -t } else { t }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One degree of freedom: P(T ≥ t) = ½ − atan(t)/π; two: ½ (1 − t/√(2 + t²)).
    #[test]
    fn by_hand() {
        for t in [0.0, 0.3, 1.0, 12.7, 400.0] {
            let cauchy = 0.5 - f64::atan(t) / std::f64::consts::PI;
            assert!((upper_tail(t, 1.0) - cauchy).abs() < 1e-14, "{t}");
            let two = 0.5 * (1.0 - t / (2.0 + t * t).sqrt());
            assert!((upper_tail(t, 2.0) - two).abs() < 1e-14, "{t}");
        }
    }

    /// However far out: never less than what is nearer, never not a number.
    #[test]
    fn far_out_is_far() {
        for freedom in [1.0, 25.0, 700.0, 2_500.0, 1e5, 1e8] {
            let mut last = 0.0;
            for at in 1..2_000 {
                let z = as_normal(0.05 * f64::from(at), freedom);
                assert!(z >= last - 1e-6, "{freedom} {at}: {z} after {last}");
                last = z;
            }
        }
    }

    #[test]
    fn there_and_back() {
        for freedom in [1.0, 2.5, 22.0, 3_000.0, 1e9] {
            for z in [-3.0, -0.1, 0.0, 1.959963984540054, 4.5] {
                let t = from_normal(z, freedom);
                assert!(t.abs() >= z.abs() - 1e-12, "tails are heavier");
                assert!((as_normal(t, freedom) - z).abs() < 1e-9, "{freedom} {z}: {t}");
            }
        }
    }
}
