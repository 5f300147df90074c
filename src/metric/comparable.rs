//! Do rewards mean the same in every language? Rewards of one response and its translations, compared.

use crate::metric::correlation::means;

/// Rewards of the same responses in a language (y) and in the reference (x), with weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Mean of y − x, in standard deviations of x.
    pub shift: f64,
    /// Standard deviation of y over that of x.
    pub scale: f64,
}

/// `None` for fewer than two responses or where rewards do not vary.
pub fn shift(pairs: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Option<Shift> {
    let (n, mean_x, mean_y) = means(pairs.clone())?;
    let (mut xx, mut yy) = (0.0, 0.0);
    for (x, y, w) in pairs {
        xx += w * (x - mean_x).powi(2);
        yy += w * (y - mean_y).powi(2);
    }
    (xx > 0.0).then(|| Shift { shift: (mean_y - mean_x) / (xx / n).sqrt(), scale: (yy / xx).sqrt() })
}

/// Shares of the variance of rewards: between responses, between languages given the responses, the rest.
/// They sum to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    pub response: f64,
    pub language: f64,
    pub residual: f64,
}

/// Sequential sums of squares of reward = μ + response + language (unbalanced: languages may lack
/// responses), by alternating least squares. Cells are (response, language, reward, weight). `None` where
/// rewards do not vary.
pub fn variance_shares(cells: &[(u32, u16, f64)], weight: &dyn Fn(usize) -> f64) -> Option<Shares> {
    let n_rows = cells.iter().map(|c| c.0 as usize + 1).max()?;
    let n_langs = cells.iter().map(|c| usize::from(c.1) + 1).max()?;
    let total_weight: f64 = (0..cells.len()).map(weight).sum();
    let mean = cells.iter().enumerate().map(|(at, c)| weight(at) * c.2).sum::<f64>() / total_weight;
    let total: f64 = cells.iter().enumerate().map(|(at, c)| weight(at) * (c.2 - mean).powi(2)).sum();
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let (mut of_row, mut of_lang) = (vec![0.0; n_rows], vec![0.0; n_langs]);
    let residual = |of_row: &[f64], of_lang: &[f64]| -> f64 {
        let squares = cells.iter().enumerate().map(|(at, (row, lang, value))| {
            weight(at) * (value - of_row[*row as usize] - of_lang[usize::from(*lang)]).powi(2)
        });
        squares.sum()
    };
    let mut sums = vec![(0.0, 0.0); n_rows.max(n_langs)];
    let mut responses_alone = total;
    let mut before = f64::INFINITY;
    for round in 0..200 {
        sums.iter_mut().for_each(|s| *s = (0.0, 0.0));
        for (at, (row, lang, value)) in cells.iter().enumerate() {
            let sum = &mut sums[*row as usize];
            sum.0 += weight(at) * (value - of_lang[usize::from(*lang)]);
            sum.1 += weight(at);
        }
        of_row.iter_mut().zip(&sums).for_each(|(effect, (sum, n))| *effect = if *n > 0.0 { sum / n } else { 0.0 });
        if round == 0 {
            responses_alone = residual(&of_row, &of_lang);
        }
        sums.iter_mut().for_each(|s| *s = (0.0, 0.0));
        for (at, (row, lang, value)) in cells.iter().enumerate() {
            let sum = &mut sums[usize::from(*lang)];
            sum.0 += weight(at) * (value - of_row[*row as usize]);
            sum.1 += weight(at);
        }
        of_lang.iter_mut().zip(&sums).for_each(|(effect, (sum, n))| *effect = if *n > 0.0 { sum / n } else { 0.0 });
        let now = residual(&of_row, &of_lang);
        let settled = before - now <= 1e-9 * total;
        before = now;
        if settled {
            break;
        }
    }
    Some(Shares {
        response: (total - responses_alone) / total,
        language: (responses_alone - before) / total,
        residual: before / total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = 2 x + 1 on x = −1, 0, 1: shift 1 over √(2/3), scale 2.
    #[test]
    fn by_hand() {
        let found = shift([(-1.0, -1.0, 1.0), (0.0, 1.0, 1.0), (1.0, 3.0, 1.0)].into_iter()).unwrap();
        assert!((found.shift - (1.5f64).sqrt()).abs() < 1e-15 && (found.scale - 2.0).abs() < 1e-15);
    }

    /// Two responses (0 and 4) in two languages (+0 and +2), no noise: of the total 4·4 + 4·1 = 20, 16 and 4.
    #[test]
    fn shares_of_an_additive_table() {
        let cells = [(0, 0, 0.0), (0, 1, 2.0), (1, 0, 4.0), (1, 1, 6.0)];
        let shares = variance_shares(&cells, &|_| 1.0).unwrap();
        assert!((shares.response - 0.8).abs() < 1e-12 && (shares.language - 0.2).abs() < 1e-12);
        assert!(shares.residual.abs() < 1e-12);
        // A missing cell leaves the additive fit exact.
        let shares = variance_shares(&cells[..3], &|_| 1.0).unwrap();
        assert!(shares.residual < 1e-8);
    }
}
