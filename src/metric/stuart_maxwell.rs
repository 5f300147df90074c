//! Stuart-Maxwell: do two runs have the same shares of each outcome, ties being an outcome of their own?
//!
//! χ² = dᵀ S⁻¹ d with d_i = n_i· − n_·i, S_ii = n_i· + n_·i − 2 n_ii, S_ij = −(n_ij + n_ji), for all but one of the
//! outcomes (Stuart 1955, Maxwell 1970). With two outcomes it is McNemar's χ² without correction.

use crate::metric::cochran::ChiSquare;

/// From a k × k table of counts, row by row: the first run's outcome by the second's. An outcome on which
/// the two never differ tells nothing and takes its degree of freedom with it; `None` where none is left.
pub fn test(table: &[f64], k: usize) -> Option<ChiSquare> {
    if table.len() != k * k {
        return None;
    }
    let at = |i: usize, j: usize| table[i * k + j];
    let margin = |i: usize| {
        let (row, column) = (0..k).fold((0.0, 0.0), |(row, column), j| (row + at(i, j), column + at(j, i)));
        (row - column, row + column - 2.0 * at(i, i))
    };
    let mut kept: Vec<usize> = (0..k).filter(|i| margin(*i).1 > 0.0).collect();
    kept.pop()?;
    let n = kept.len();
    let mut system: Vec<Vec<f64>> = kept
        .iter()
        .map(|i| {
            let row = kept.iter().map(|j| if i == j { margin(*i).1 } else { -(at(*i, *j) + at(*j, *i)) });
            row.chain([margin(*i).0]).collect()
        })
        .collect();
    let d: Vec<f64> = system.iter().map(|row| row[n]).collect();
    // Gauss-Jordan with pivots; a singular matrix means outcomes that fall into separate pairs.
    for column in 0..n {
        let pivot = (column..n).max_by(|a, b| system[*a][column].abs().total_cmp(&system[*b][column].abs()))?;
        if system[pivot][column].abs() < 1e-9 {
            return None;
        }
        system.swap(column, pivot);
        let chosen = system[column].clone();
        for (row, values) in system.iter_mut().enumerate() {
            let factor = values[column] / chosen[column];
            for (value, own) in values.iter_mut().zip(&chosen) {
                *value = if row == column { own / chosen[column] } else { *value - factor * own };
            }
        }
    }
    let statistic: f64 = d.iter().zip(&system).map(|(d, row)| d * row[n]).sum();
    Some(ChiSquare::new(statistic.max(0.0), n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_outcomes_are_mcnemars_chi_square() {
        let found = test(&[4.0, 6.0, 2.0, 3.0], 2).unwrap();
        assert!((found.statistic - 2.0).abs() < 1e-12);
        // A third outcome that never occurs changes nothing.
        let padded = test(&[4.0, 6.0, 0.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0], 3).unwrap();
        assert_eq!(padded, found);
        assert_eq!(test(&[4.0, 0.0, 0.0, 3.0], 2), None);
    }
}
