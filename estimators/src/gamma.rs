//! ln Γ and what is made of it: tails of the binomial and of χ².

/// ln Γ(x) for x > 0 by Stirling's series above 10, shifted up below: relative error under 1e-14.
pub fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = 1.0 / 12.0
        - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r * (1.0 / 1188.0 - r * 691.0 / 360_360.0))));
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series / x
}

/// P(X ≤ k) for X ~ Binomial(n, ½).
pub fn binomial_half_cdf(k: u64, n: u64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let ln_half_n = n as f64 * std::f64::consts::LN_2;
    let ln_n = ln_gamma(n as f64 + 1.0);
    let term = |i: u64| (ln_n - ln_gamma(i as f64 + 1.0) - ln_gamma((n - i) as f64 + 1.0) - ln_half_n).exp();
    // From the largest term down, each from the one above: one exponential, and small terms cost nothing.
    let mut last = term(k);
    let mut sum = last;
    for i in (0..k).rev() {
        last *= (i + 1) as f64 / (n - i) as f64;
        sum += last;
        if last < sum * 1e-18 {
            break;
        }
    }
    sum.min(1.0)
}

/// P(X = k) for X ~ Binomial(n, ½).
pub fn binomial_half_pmf(k: u64, n: u64) -> f64 {
    if k > n {
        return 0.0;
    }
    let ln = |x: u64| ln_gamma(x as f64 + 1.0);
    (ln(n) - ln(k) - ln(n - k) - n as f64 * std::f64::consts::LN_2).exp()
}

/// P(X ≥ x) for X ~ χ² with `df` degrees of freedom: the regularised upper incomplete gamma function
/// Q(df/2, x/2), by its series below df/2 + 1 and by its continued fraction above.
pub fn chi2_tail(x: f64, df: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let (a, x) = (df / 2.0, x / 2.0);
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut k) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-17 {
            k += 1.0;
            term *= x / k;
            sum += term;
        }
        return 1.0 - front * sum;
    }
    // Lentz's method on 1/(x + 1 − a − 1(1 − a)/(x + 3 − a − …)).
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..500 {
        let i = f64::from(i);
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::normal_cdf;

    #[test]
    fn ln_gamma_of_integers_is_the_logarithm_of_factorials() {
        let mut factorial = 1.0f64;
        for n in 1..20 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-13 * factorial.ln().abs().max(1.0), "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-14);
    }

    #[test]
    fn binomial_tails_by_hand() {
        // (1 + 4 + 6)/16
        assert!((binomial_half_cdf(2, 4) - 11.0 / 16.0).abs() < 1e-14);
        assert_eq!(binomial_half_cdf(4, 4), 1.0);
        assert!((binomial_half_cdf(0, 50) - 0.5f64.powi(50)).abs() < 1e-28);
    }

    /// With two degrees of freedom the tail is exp(−x/2), with one it is 2(1 − Φ(√x)).
    #[test]
    fn chi2_tails_by_hand() {
        for x in [0.1, 1.0, 2.9, 3.1, 10.0, 80.0] {
            assert!((chi2_tail(x, 2.0) / (-x / 2.0f64).exp() - 1.0).abs() < 1e-12, "{x}");
            assert!((chi2_tail(x, 1.0) / (2.0 * normal_cdf(-x.sqrt())) - 1.0).abs() < 1e-11, "{x}");
        }
        assert_eq!(chi2_tail(0.0, 3.0), 1.0);
        assert!((binomial_half_pmf(2, 4) - 6.0 / 16.0).abs() < 1e-14);
    }
}
