//! Agreement of two raters on labels, and of many.
//!
//! | measure | formula | source |
//! |---|---|---|
//! | raw | p_o, the share of items with the same label | |
//! | κ | (p_o − p_e)/(1 − p_e), p_e = Σ_q p_q. p_.q | Cohen 1960 |
//! | PABAK | (k p_o − 1)/(k − 1) | Byrt, Bishop and Carlin 1993 |
//! | AC1 | (p_o − p_e)/(1 − p_e), p_e = Σ_q π_q(1 − π_q)/(k − 1), π the mean of both raters' shares | Gwet 2008 |
//! | α | 1 − D_o/D_e over the coincidences of all raters' labels | Krippendorff 2011 |
//!
//! κ drops when one label is frequent, however much the raters agree; PABAK and AC1 do not.

/// Agreement of two raters; a measure is `None` where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    pub n: f64,
    pub raw: f64,
    pub kappa: Option<f64>,
    pub pabak: Option<f64>,
    pub ac1: Option<f64>,
    pub alpha: Option<f64>,
}

/// From a table of counts by pairs of labels, row by row: first rater's label by second rater's.
/// `labels`: how many they choose among, the k of PABAK and AC1.
pub fn agreement(table: &[f64], labels: usize) -> Option<Agreement> {
    let n: f64 = table.iter().sum();
    if table.len() != labels * labels || n.is_nan() || n <= 0.0 {
        return None;
    }
    let raw = (0..labels).map(|i| table[i * labels + i]).sum::<f64>() / n;
    let share = |label: usize| {
        let row: f64 = table[label * labels..][..labels].iter().sum();
        let column: f64 = (0..labels).map(|j| table[j * labels + label]).sum();
        (row + column) / (2.0 * n)
    };
    let k = labels as f64;
    let gwet: f64 = (0..labels).map(share).map(|pi| pi * (1.0 - pi)).sum::<f64>() / (k - 1.0);
    let several = labels > 1;
    let mut coincidences = Coincidences::new(labels);
    for a in 0..labels {
        for b in 0..labels {
            coincidences.add_pairs(a, b, table[a * labels + b]);
        }
    }
    Some(Agreement {
        n,
        raw,
        kappa: kappa(table, labels),
        pabak: several.then(|| (k * raw - 1.0) / (k - 1.0)),
        ac1: (several && 1.0 - gwet > 1e-12).then(|| (raw - gwet) / (1.0 - gwet)),
        alpha: coincidences.alpha(),
    })
}

/// Standard errors of raw agreement, κ, PABAK, AC1 and α, with units drawn independently: the square root of n/(n − 1)
/// Σ_units (∂f − mean ∂f)², where ∂f is the derivative of the measure by the unit's cell of the table (the delta method; κ's
/// is Fleiss, Cohen and Everitt's of 1969 but for n/(n − 1)). `None` where the measure is undefined or nothing varies.
pub fn errors(table: &[f64], labels: usize) -> Option<[Option<f64>; 5]> {
    let measures = |table: &[f64]| {
        let found = agreement(table, labels)?;
        Some([Some(found.raw), found.kappa, found.pabak, found.ac1, found.alpha])
    };
    let n: f64 = table.iter().sum();
    // As small as rounding allows: the error of a central difference goes with the square.
    let step = 1e-4 * n;
    let mut squares = [(0.0, 0.0); 5];
    let mut defined = [true; 5];
    let mut moved = table.to_vec();
    for (cell, count) in table.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        moved[cell] = count + step;
        let above = measures(&moved)?;
        moved[cell] = count - step;
        let below = measures(&moved)?;
        moved[cell] = *count;
        for (at, (above, below)) in above.into_iter().zip(below).enumerate() {
            let (Some(above), Some(below)) = (above, below) else {
                defined[at] = false;
                continue;
            };
            let slope = (above - below) / (2.0 * step);
            squares[at].0 += count * slope;
            squares[at].1 += count * slope * slope;
        }
    }
    let own = measures(table)?;
    Some(std::array::from_fn(|at| {
        let (sum, of_squares) = squares[at];
        let variance = n / (n - 1.0) * (of_squares - sum * sum / n);
        (defined[at] && own[at].is_some() && variance > 1e-20).then(|| variance.sqrt())
    }))
}

/// κ from a k × k table of counts, row by row: first rater's label by second rater's. `None` where it is
/// undefined: no items, or both raters always say the same one thing.
pub fn kappa(table: &[f64], labels: usize) -> Option<f64> {
    let n: f64 = table.iter().sum();
    if table.len() != labels * labels || n.is_nan() || n <= 0.0 {
        return None;
    }
    let observed = (0..labels).map(|i| table[i * labels + i]).sum::<f64>() / n;
    let expected = (0..labels)
        .map(|i| {
            let row: f64 = table[i * labels..][..labels].iter().sum();
            let column: f64 = (0..labels).map(|j| table[j * labels + i]).sum();
            row / n * (column / n)
        })
        .sum::<f64>();
    (1.0 - expected > 1e-12).then(|| (observed - expected) / (1.0 - expected))
}

/// The mean κ of pairs of raters, from their tables one after the other; pairs whose κ is undefined are left out.
pub fn mean_kappa(tables: &[f64], labels: usize) -> Option<f64> {
    let mut sum = (0.0, 0.0);
    for kappa in tables.chunks_exact(labels * labels).filter_map(|table| kappa(table, labels)) {
        sum = (sum.0 + kappa, sum.1 + 1.0);
    }
    (sum.1 > 0.0).then(|| sum.0 / sum.1)
}

/// Where "win here and there" stands among pairs of labels loss, win, tie, row by row.
pub const BOTH_WIN: usize = 4;

/// κ of labels loss, win, tie: what M-RewardBench's agreement with English is, of the numbers of the nine kinds of pairs, but at
/// [`BOTH_WIN`] of all pairs: most are of that kind, so that the others are less to sum up.
pub fn kappa_of_outcomes(sums: &[f64]) -> Option<f64> {
    let mut table: [f64; 9] = sums.try_into().ok()?;
    table[BOTH_WIN] = 2.0 * table[BOTH_WIN] - table.iter().sum::<f64>();
    // What weighted sums leave of nothing is nothing.
    if table[BOTH_WIN] < 1e-9 * sums[BOTH_WIN] {
        table[BOTH_WIN] = 0.0;
    }
    kappa(&table, 3)
}

/// Krippendorff's coincidence matrix of nominal labels: each unit with m ≥ 2 labels adds its ordered pairs
/// of labels from different raters, each with weight 1/(m − 1). Units may lack raters.
#[derive(Debug, Clone, PartialEq)]
pub struct Coincidences {
    labels: usize,
    /// labels × labels, symmetric.
    cells: Vec<f64>,
}

impl Coincidences {
    pub fn new(labels: usize) -> Self {
        Self { labels, cells: vec![0.0; labels * labels] }
    }

    /// From the matrix itself, row by row: units' matrices add up.
    pub fn of_cells(labels: usize, cells: &[f64]) -> Option<Self> {
        (cells.len() == labels * labels).then(|| Self { labels, cells: cells.to_vec() })
    }

    /// labels × labels, row by row.
    pub fn cells(&self) -> &[f64] {
        &self.cells
    }

    /// A unit by how often it got each label, counted `weight` times.
    pub fn add(&mut self, counts: &[f64], weight: f64) {
        let m: f64 = counts.iter().sum();
        if m < 2.0 {
            return;
        }
        for (a, in_a) in counts.iter().enumerate() {
            for (b, in_b) in counts.iter().enumerate() {
                let pairs = if a == b { in_a * (in_a - 1.0) } else { in_a * in_b };
                self.cells[a * self.labels + b] += weight * pairs / (m - 1.0);
            }
        }
    }

    /// `n` units of two raters who said `a` and `b`.
    fn add_pairs(&mut self, a: usize, b: usize, n: f64) {
        self.cells[a * self.labels + b] += n;
        self.cells[b * self.labels + a] += n;
    }

    /// α = 1 − (n − 1) Σ_{a≠b} o_ab / Σ_{a≠b} n_a n_b; `None` where only one label occurs.
    pub fn alpha(&self) -> Option<f64> {
        let k = self.labels;
        let of_label: Vec<f64> = (0..k).map(|a| self.cells[a * k..][..k].iter().sum()).collect();
        let n: f64 = of_label.iter().sum();
        let (mut observed, mut expected) = (0.0, 0.0);
        for a in 0..k {
            for b in (0..k).filter(|b| *b != a) {
                observed += self.cells[a * k + b];
                expected += of_label[a] * of_label[b];
            }
        }
        (expected > 0.0).then(|| 1.0 - (n - 1.0) * observed / expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: p_o = 35/50, p_e = (25·30 + 25·20)/2500 = ½, κ = 0.4.
    #[test]
    fn by_hand() {
        let table = [20.0, 5.0, 10.0, 15.0];
        assert!((kappa(&table, 2).unwrap() - 0.4).abs() < 1e-15);
        let all = agreement(&table, 2).unwrap();
        assert!((all.raw - 0.7).abs() < 1e-15 && (all.pabak.unwrap() - 0.4).abs() < 1e-15);
        // π = (25 + 30)/100 and 0.45: p_e = 2·0.55·0.45 = 0.495, AC1 = 0.205/0.505.
        assert!((all.ac1.unwrap() - 0.205 / 0.505).abs() < 1e-15);
        // α = 1 − (100 − 1)·30/(2·55·45).
        assert!((all.alpha.unwrap() - (1.0 - 99.0 * 30.0 / 4950.0)).abs() < 1e-15);
    }

    #[test]
    fn a_mean_leaves_out_what_is_undefined() {
        let tables = [20.0, 5.0, 10.0, 15.0, 7.0, 0.0, 0.0, 0.0];
        assert!((mean_kappa(&tables, 2).unwrap() - 0.4).abs() < 1e-15);
        assert_eq!(mean_kappa(&tables[4..], 2), None);
    }

    #[test]
    fn undefined_where_nothing_can_vary() {
        assert_eq!(kappa(&[7.0, 0.0, 0.0, 0.0], 2), None);
        assert_eq!(kappa(&[0.0; 4], 2), None);
        let same = agreement(&[7.0, 0.0, 0.0, 0.0], 2).unwrap();
        assert_eq!((same.raw, same.kappa, same.pabak, same.ac1, same.alpha), (1.0, None, Some(1.0), Some(1.0), None));
        assert_eq!(agreement(&[0.0; 4], 2), None);
    }
}
