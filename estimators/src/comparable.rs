//! Do rewards mean the same in every language? Rewards of one response and its translations, compared.

use crate::correlation::centred;

/// Rewards of the same responses in a language (y) and in the reference (x).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Mean of y − x, in standard deviations of x.
    pub shift: f64,
    /// Standard deviation of y over that of x.
    pub scale: f64,
}

/// From the sums of [`moments`](crate::correlation::moments); `None` for fewer than two responses or where rewards do not vary.
pub fn shift(sums: &[f64]) -> Option<Shift> {
    let (n, [mean_x, mean_y], [xx, yy, _]) = centred(sums)?;
    let varies = xx > 1e-12 * sums[3];
    varies.then(|| Shift { shift: (mean_y - mean_x) / (xx / n).sqrt(), scale: (yy.max(0.0) / xx).sqrt() })
}

/// Shares of the variance of rewards: between responses, between languages given the responses, the rest.
/// They sum to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    pub response: f64,
    pub language: f64,
    pub residual: f64,
}

/// One cell: response, language, reward. Responses are numbered without gaps, their cells neighbours.
pub type Cell = (u32, u16, f64);

/// What one cell adds to the sums that [`shares`] is a function of: 1, y, y², its squared distance from its response's
/// mean, and from the additive fit; y is measured from the mean of all.
pub const SUMS: usize = 5;

/// Sequential sums of squares of reward = μ + response + language (unbalanced: languages may lack responses), by
/// alternating least squares; per cell what it adds to the sums. `None` where rewards do not vary.
///
/// A replicate that keeps the fitted language effects misses its own residual sum of squares by a term of second order
/// only, since the fit is a minimum in them; a response's own mean is inside one source and needs no resampling.
pub fn variance_terms(cells: &[Cell]) -> Option<Vec<[f64; SUMS]>> {
    let n_rows = cells.iter().map(|c| c.0 as usize + 1).max()?;
    let n_langs = cells.iter().map(|c| usize::from(c.1) + 1).max()?;
    let mean = cells.iter().map(|c| c.2).sum::<f64>() / cells.len() as f64;
    let total: f64 = cells.iter().map(|c| (c.2 - mean).powi(2)).sum();
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let mut of_lang = vec![0.0; n_langs];
    let row_means = |of_lang: &[f64]| {
        let mut sums = vec![(0.0, 0.0); n_rows];
        for (row, lang, value) in cells {
            let sum = &mut sums[*row as usize];
            sum.0 += value - of_lang[usize::from(*lang)];
            sum.1 += 1.0;
        }
        sums.into_iter().map(|(sum, n)| if n > 0.0 { sum / n } else { 0.0 }).collect::<Vec<f64>>()
    };
    let alone = row_means(&of_lang);
    let mut of_row = alone.clone();
    let mut before = f64::INFINITY;
    for _ in 0..200 {
        let mut sums = vec![(0.0, 0.0); n_langs];
        for (row, lang, value) in cells {
            let sum = &mut sums[usize::from(*lang)];
            sum.0 += value - of_row[*row as usize];
            sum.1 += 1.0;
        }
        of_lang.iter_mut().zip(&sums).for_each(|(effect, (sum, n))| *effect = if *n > 0.0 { sum / n } else { 0.0 });
        of_row = row_means(&of_lang);
        let squares = |(row, lang, value): &Cell| (value - of_row[*row as usize] - of_lang[usize::from(*lang)]).powi(2);
        let now: f64 = cells.iter().map(squares).sum();
        if before - now <= 1e-9 * total {
            break;
        }
        before = now;
    }
    let terms = cells.iter().map(|(row, lang, value)| {
        let (y, row) = (value - mean, *row as usize);
        let residual = value - of_row[row] - of_lang[usize::from(*lang)];
        [1.0, y, y * y, (value - alone[row]).powi(2), residual * residual]
    });
    Some(terms.collect())
}

/// The shares from sums of what cells add; `None` where rewards do not vary.
pub fn shares(sums: &[f64]) -> Option<Shares> {
    let &[n, y, yy, within, residual] = sums else { return None };
    let total = yy - y * y / n;
    (total > 0.0).then(|| Shares {
        response: (total - within) / total,
        language: (within - residual) / total,
        residual: residual / total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = 2 x + 1 on x = −1, 0, 1: shift 1 over √(2/3), scale 2.
    #[test]
    fn by_hand() {
        // n, Σ x, Σ y, Σ x², Σ y², Σ xy
        let found = shift(&[3.0, 0.0, 3.0, 2.0, 11.0, 4.0]).unwrap();
        assert!((found.shift - (1.5f64).sqrt()).abs() < 1e-15 && (found.scale - 2.0).abs() < 1e-15);
    }

    fn shares_of(cells: &[Cell]) -> Shares {
        let mut sums = [0.0; SUMS];
        for terms in variance_terms(cells).unwrap() {
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        shares(&sums).unwrap()
    }

    /// Two responses (0 and 4) in two languages (+0 and +2), no noise: of the total 4·4 + 4·1 = 20, 16 and 4.
    #[test]
    fn shares_of_an_additive_table() {
        let cells = [(0, 0, 0.0), (0, 1, 2.0), (1, 0, 4.0), (1, 1, 6.0)];
        let shares = shares_of(&cells);
        assert!((shares.response - 0.8).abs() < 1e-12 && (shares.language - 0.2).abs() < 1e-12);
        assert!(shares.residual.abs() < 1e-12);
        // A missing cell leaves the additive fit exact.
        assert!(shares_of(&cells[..3]).residual < 1e-8);
        assert_eq!(variance_terms(&[(0, 0, 1.0), (0, 1, 1.0)]), None);
    }
}
