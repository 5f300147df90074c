//! Numbers as text, the same in every format.

use crate::metric::{Estimate, Interval};
use crate::report::measure::Unit;

/// What stands where there is no number.
pub const ABSENT: &str = "—";

/// A point: `67.8`, `+2.1`, `−4.0`, `0.412`.
pub fn point(x: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => signed(x * 100.0, 1, false),
        Unit::Points => signed(x * 100.0, 1, true),
        Unit::Plain => signed(x, 3, false),
        Unit::Count if x >= 99.95 => count(x.round() as usize),
        Unit::Count => signed(x, 1, false),
    }
}

/// `[66.1, 69.3]`.
pub fn interval(i: &Interval, unit: Unit) -> String {
    format!("[{}, {}]", point(i.low, unit), point(i.high, unit))
}

/// `67.8 [66.1, 69.3]`, or the point and the words "no interval".
pub fn with_interval(e: &Estimate, unit: Unit) -> String {
    match &e.interval {
        Some(i) => format!("{} {}", point(e.point, unit), interval(i, unit)),
        None => format!("{} ({})", point(e.point, unit), without_interval(e, unit)),
    }
}

/// What stands in place of an interval: a difference of nothing, but for rounding, needs none.
pub fn without_interval(e: &Estimate, unit: Unit) -> &'static str {
    if unit == Unit::Points && is_nothing(e) { "the same" } else { "no interval" }
}

/// A difference that is zero in every resample.
pub fn is_nothing(e: &Estimate) -> bool {
    e.interval.is_none() && e.point.abs() < 1e-12
}

/// The symbol to print after a number in running text.
pub fn symbol(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => " %",
        Unit::Points => " points",
        Unit::Plain | Unit::Count => "",
    }
}

/// The whole truth about an estimate, for running text and tooltips:
/// `67.8 % [66.1, 69.3], n = 2,868`.
pub fn in_words(e: &Estimate, unit: Unit) -> String {
    let missing = if e.n_missing > 0 { format!(", {} missing", count(e.n_missing)) } else { String::new() };
    let interval = match &e.interval {
        Some(i) => format!(" {}", interval(i, unit)),
        None => format!(", {}", without_interval(e, unit)),
    };
    format!("{}{}{interval}, n = {}{missing}", point(e.point, unit), symbol(unit), count(e.n))
}

/// An interval level in percent: `95`, `99.5`.
pub fn level(level: f64) -> String {
    let percent = format!("{:.1}", level * 100.0);
    percent.strip_suffix(".0").map(str::to_owned).unwrap_or(percent)
}

/// Thousands set apart: `66,787`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// A real minus sign, and no "−0.0".
fn signed(x: f64, decimals: usize, plus: bool) -> String {
    let text = format!("{:.decimals$}", x.abs());
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    match (is_zero, x < 0.0, plus) {
        (true, ..) | (false, false, false) => text,
        (false, true, _) => format!("−{text}"),
        (false, false, true) => format!("+{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_carry_a_sign_and_zero_has_none() {
        assert_eq!(point(0.021, Unit::Points), "+2.1");
        assert_eq!(point(-0.04, Unit::Points), "−4.0");
        assert_eq!(point(-0.0004, Unit::Points), "0.0");
        assert_eq!(point(0.678, Unit::Percent), "67.8");
        assert_eq!(point(-0.0001, Unit::Plain), "0.000");
        assert_eq!([12.34, 99.97, 1007.75].map(|n| point(n, Unit::Count)), ["12.3", "100", "1,008"]);
    }

    #[test]
    fn levels() {
        assert_eq!((level(0.95).as_str(), level(0.995).as_str()), ("95", "99.5"));
    }

    #[test]
    fn thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(66_787), "66,787");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn an_estimate_says_everything() {
        let interval = Some(Interval { low: 0.661, high: 0.693, level: 0.95 });
        let e = Estimate { point: 0.678, interval, n: 2868, n_missing: 2 };
        assert_eq!(in_words(&e, Unit::Percent), "67.8 % [66.1, 69.3], n = 2,868, 2 missing");
        let bare = Estimate { interval: None, n_missing: 0, ..e };
        assert_eq!(in_words(&bare, Unit::Percent), "67.8 %, no interval, n = 2,868");
    }
}
