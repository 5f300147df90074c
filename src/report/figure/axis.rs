//! A linear axis with round ticks.

use crate::report::measure::Unit;

/// Maps values to positions; ticks are multiples of 1, 2 or 5 × 10^k in the unit shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    /// In the values' own scale.
    pub ticks: Vec<f64>,
    step: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Covers all values with a little air, between positions `from` and `to`. Shares stay within 0 and 1.
    pub fn covering(values: impl IntoIterator<Item = f64>, unit: Unit, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let least = if unit == Unit::Plain { 1e-6 } else { 0.02 };
        let wider = ((least - (high - low)) / 2.0).max(0.0);
        (low, high) = (low - wider, high + wider);
        let span = high - low;
        (low, high) = (low - 0.04 * span, high + 0.04 * span);
        if unit == Unit::Percent {
            // What the end of the scale cuts off of a narrow axis goes to its other side.
            let (below, above) = ((-low).max(0.0), (high - 1.0).max(0.0));
            let moved = if wider > 0.0 { (above, below) } else { (0.0, 0.0) };
            (low, high) = ((low + below - moved.0).max(0.0), (high - above + moved.1).min(1.0));
        }
        Self::between(low, high, unit, from, to)
    }

    /// Exactly from `low` to `high`.
    pub fn between(low: f64, high: f64, unit: Unit, from: f64, to: f64) -> Self {
        let wanted = if (to - from).abs() < 250.0 { 4.0 } else { 6.0 };
        let high = if high > low { high } else { low + if unit == Unit::Plain { 1e-6 } else { 0.02 } };
        let step = round_step((high - low) / wanted);
        let ticks = ((low / step).ceil() as i64..=(high / step).floor() as i64).map(|i| i as f64 * step).collect();
        Self { low, high, ticks, step, from, to }
    }

    pub fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// A tick in the unit shown, with the decimals that its step needs.
    pub fn label(&self, tick: f64, unit: Unit) -> String {
        let factor = if unit == Unit::Plain { 1.0 } else { 100.0 };
        let decimals = (-(self.step * factor).log10().floor()).max(0.0) as usize;
        let text = format!("{:.decimals$}", (tick * factor).abs());
        match (unit, tick * factor) {
            (_, x) if x.abs() < self.step * factor / 2.0 => "0".to_owned(),
            (_, x) if x < 0.0 => format!("−{text}"),
            (Unit::Points, _) => format!("+{text}"),
            _ => text,
        }
    }
}

/// The smallest of 1, 2, 5 × 10^k that is at least `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw * 0.999).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::covering([0.481, 0.747], Unit::Percent, 0.0, 400.0);
        let labels: Vec<String> = axis.ticks.iter().map(|t| axis.label(*t, Unit::Percent)).collect();
        assert_eq!(labels, ["50", "55", "60", "65", "70", "75"]);
        assert!(axis.at(0.481) > 0.0 && axis.at(0.747) < 400.0);
    }

    #[test]
    fn differences_carry_signs() {
        let axis = Axis::covering([-0.06, 0.02], Unit::Points, 0.0, 400.0);
        let labels: Vec<String> = axis.ticks.iter().map(|t| axis.label(*t, Unit::Points)).collect();
        assert_eq!(labels, ["−6", "−4", "−2", "0", "+2"]);
    }

    #[test]
    fn a_single_value_still_has_an_axis() {
        let axis = Axis::covering([1.0], Unit::Percent, 0.0, 10.0);
        assert!(axis.high <= 1.0 && axis.low < 0.985 && axis.at(1.0).is_finite());
        let labels: Vec<String> = axis.ticks.iter().map(|t| axis.label(*t, Unit::Percent)).collect();
        assert_eq!(labels, ["98", "99", "100"]);
        assert!(Axis::covering([], Unit::Percent, 0.0, 10.0).at(0.5).is_finite());
    }
}
