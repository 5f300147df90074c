//! The normal distribution: Φ and its inverse.

/// Φ(x) by the series of the error function near 0 and its continued fraction far out.
pub fn normal_cdf(x: f64) -> f64 {
    let z = x.abs();
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let upper = if z < 3.0 {
        // Φ(z) − ½ = φ(z) Σ z^(2k+1) / (1·3·5…(2k+1))
        let (mut term, mut sum, mut k) = (z, z, 1.0);
        while term > sum * 1e-17 {
            term *= z * z / (2.0 * k + 1.0);
            sum += term;
            k += 1.0;
        }
        0.5 - density * sum
    } else {
        // Mills ratio: 1/(z + 1/(z + 2/(z + 3/…)))
        let fraction = (1..=120).rev().fold(z, |below, k| z + f64::from(k) / below);
        density / fraction
    };
    if x > 0.0 { 1.0 - upper } else { upper }
}

/// z with Φ(z) = p: Acklam's rational approximation and one step of Halley's method, good to 1e-13.
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] =
        [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |q: f64| horner(&C, q) / (horner(&D, q) * q + 1.0);
    let guess = if p < 0.02425 {
        tail((-2.0 * p.ln()).sqrt())
    } else if p > 1.0 - 0.02425 {
        -tail((-2.0 * (1.0 - p).ln()).sqrt())
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    };
    let error = normal_cdf(guess) - p;
    let step = error * (2.0 * std::f64::consts::PI).sqrt() * (guess * guess / 2.0).exp();
    let found = guess - step / (1.0 + guess * step / 2.0);
    // Below 1e-305 the density is no number any more: the approximation stands, good to 1e-9.
    if found.is_finite() { found } else { guess }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The densest tail that f64 holds: a difference of 44 standard errors is one, too.
    #[test]
    fn quantiles_of_the_far_tail_are_numbers() {
        for at in 0..800 {
            let z = 30.0 + 0.01 * f64::from(at);
            let p = normal_cdf(-z);
            let found = normal_quantile(p);
            if p > 1e-300 {
                assert!((found + z).abs() < 1e-7, "{z}: {found}");
            } else {
                // Digits of p are lost below 1e-308, and 0 has no quantile.
                assert!(p == 0.0 && found == f64::NEG_INFINITY || (found + z).abs() < 0.05, "{z}: {found}");
            }
        }
    }

    #[test]
    fn both_forms_of_the_normal_meet() {
        let (below, above) = (normal_cdf(2.999_999_999), normal_cdf(3.000_000_001));
        assert!(above > below && above - below < 1e-10);
        assert!((normal_cdf(1.959963984540054) - 0.975).abs() < 1e-14);
        assert!((normal_cdf(-5.0) / 2.866515718791939e-7 - 1.0).abs() < 1e-12);
    }
}
