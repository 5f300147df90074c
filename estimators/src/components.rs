//! What decides whether an answer is right: variance components of outcomes (0 or 1) of every run on every item in every
//! language.
//!
//! x = μ + item + language + run + residual, all effects random. From the sums of squares of the balanced design by the
//! method of moments: σ²_item = (MS_item − MS_residual)/(runs · languages), and so on; what comes out negative is 0 (Searle, Casella
//! and McCulloch 1992, ch. 4). Interactions are in the residual.

/// Components as shares of their sum: item, language, run, residual.
pub type Shares = [f64; 4];

/// Sums of a balanced design: items, Σ over items of (right answers)², right answers by run, right answers by language.
/// `None` for a design that is smaller than two ways of each, or where nothing varies.
pub fn shares(sums: &[f64], runs: usize, langs: usize) -> Option<Shares> {
    if sums.len() != 2 + runs + langs {
        return None;
    }
    let (items, of_items) = (sums[0], sums[1]);
    let (by_run, by_lang) = sums[2..].split_at(runs);
    let (r, l) = (runs as f64, langs as f64);
    let n = items * r * l;
    let total: f64 = by_run.iter().sum();
    let mean = total * total / n;
    let squares = |totals: &[f64]| totals.iter().map(|t| t * t).sum::<f64>();
    // Of each way: sum of squares, levels, answers behind each level.
    let ways = [
        (of_items / (r * l) - mean, items, r * l),
        (squares(by_lang) / (items * r) - mean, l, items * r),
        (squares(by_run) / (items * l) - mean, r, items * l),
    ];
    let explained: f64 = ways.iter().map(|(sum, ..)| sum).sum();
    let freedom = n - items - r - l + 2.0;
    let residual = (total - mean - explained) / freedom;
    if ways.iter().any(|(_, levels, _)| *levels < 2.0) || total - mean <= 1e-12 * n {
        return None;
    }
    let [item, language, run] = ways.map(|(sum, levels, per)| ((sum / (levels - 1.0) - residual) / per).max(0.0));
    let residual = residual.max(0.0);
    let all = item + language + run + residual;
    (all > 0.0).then(|| [item / all, language / all, run / all, residual / all])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two items, two runs, two languages; the first item is always right, the second never: all of it is the item's.
    /// σ²_item = (MS_item − 0)/4 with MS_item = 2.
    #[test]
    fn what_only_items_decide() {
        assert_eq!(shares(&[2.0, 16.0, 2.0, 2.0, 2.0, 2.0], 2, 2), Some([1.0, 0.0, 0.0, 0.0]));
        // The first run is always right, the second never.
        assert_eq!(shares(&[2.0, 8.0, 4.0, 0.0, 2.0, 2.0], 2, 2), Some([0.0, 0.0, 1.0, 0.0]));
        assert_eq!(shares(&[2.0, 32.0, 4.0, 4.0, 4.0, 4.0], 2, 2), None, "nothing varies");
    }
}
