//! RM-Bench: M\[i\]\[j\] = share of items with reward(chosen i) > reward(rejected j), i and j over the
//! styles concise, detailed, Markdown (arXiv 2410.16184; strict, ties by the policy).
//!
//! A judge that compares two at a time fills the matrix directly: M\[i\]\[j\] is its vote on that pair.
//!
//! hard = mean of the cells above the diagonal (plainer right answer against fancier wrong one),
//! normal = the diagonal, easy = below; score = mean of all nine = mean of the three.

use crate::outcome::{Evidence, is_complete, pairs};
use crate::rule::{Protocol, TiePolicy};
use crate::{Group, Metric};

const STYLES: usize = 3;
const CELLS: usize = STYLES * STYLES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Easy,
    Normal,
    Hard,
    /// One cell, counted row by row.
    Cell(usize),
}

pub struct StyleMatrix {
    part: Part,
    evidence: Evidence,
}

pub static MATRIX: StyleMatrix = StyleMatrix { part: Part::All, evidence: Evidence::Rewards };
pub static EASY: StyleMatrix = StyleMatrix { part: Part::Easy, evidence: Evidence::Rewards };
pub static NORMAL: StyleMatrix = StyleMatrix { part: Part::Normal, evidence: Evidence::Rewards };
pub static HARD: StyleMatrix = StyleMatrix { part: Part::Hard, evidence: Evidence::Rewards };
pub static LONGEST_WINS: StyleMatrix = StyleMatrix { part: Part::All, evidence: Evidence::Characters };

const fn cell(number: usize) -> StyleMatrix {
    StyleMatrix { part: Part::Cell(number), evidence: Evidence::Rewards }
}

/// The cells themselves, row by row: rows are styles of the chosen response, columns of the rejected one.
pub static CELLS_OF: [StyleMatrix; CELLS] =
    [cell(0), cell(1), cell(2), cell(3), cell(4), cell(5), cell(6), cell(7), cell(8)];

/// The names of [`CELLS_OF`]: style of the chosen, then of the rejected response.
pub const CELL_IDS: [&str; CELLS] = [
    "style-matrix-concise-concise",
    "style-matrix-concise-detailed",
    "style-matrix-concise-markdown",
    "style-matrix-detailed-concise",
    "style-matrix-detailed-detailed",
    "style-matrix-detailed-markdown",
    "style-matrix-markdown-concise",
    "style-matrix-markdown-detailed",
    "style-matrix-markdown-markdown",
];

/// The matrix from a metric's sums: row = style of the chosen response, column = of the rejected one.
pub fn matrix(sums: &[f64]) -> Option<[[f64; STYLES]; STYLES]> {
    let n = *sums.get(CELLS)?;
    (n > 0.0).then(|| std::array::from_fn(|i| std::array::from_fn(|j| sums[i * STYLES + j] / n)))
}

/// Sums: nine cells row by row, items.
impl Metric for StyleMatrix {
    fn id(&self) -> &'static str {
        match (self.evidence, self.part) {
            (Evidence::Characters, _) => "style-matrix-longest-wins",
            (_, Part::All) => "style-matrix",
            (_, Part::Easy) => "style-matrix-easy",
            (_, Part::Normal) => "style-matrix-normal",
            (_, Part::Hard) => "style-matrix-hard",
            (_, Part::Cell(number)) => CELL_IDS[number],
        }
    }

    fn about(&self) -> &'static str {
        match (self.evidence, self.part) {
            (Evidence::Characters, _) => "The style matrix of always preferring the longer response.",
            (_, Part::All) => "Mean of the nine accuracies of chosen against rejected responses across three styles.",
            (_, Part::Easy) => "Accuracy where the chosen response has the fancier style.",
            (_, Part::Normal) => "Accuracy where both responses have the same style.",
            (_, Part::Hard) => "Accuracy where the rejected response has the fancier style.",
            (_, Part::Cell(_)) => "Accuracy of one style of chosen against one style of rejected responses.",
        }
    }

    fn width(&self) -> usize {
        CELLS + 1
    }

    fn contribute(&self, group: &Group<'_>, protocol: &Protocol, sums: &mut [f64]) -> bool {
        let mut any = false;
        for item in group.items() {
            let shaped = item.chosen.len() == STYLES && item.rejected.len() == STYLES;
            if !shaped || self.evidence.extremes(&item).is_none() {
                continue;
            }
            let judged = pairs(&item).filter(|_| self.evidence == Evidence::Rewards && !is_complete(&item));
            for (cell, sum) in sums.iter_mut().enumerate().take(CELLS) {
                let pair = match judged {
                    Some(votes) => (votes.get(cell).map(|vote| f64::from(*vote)), Some(0.0)),
                    None => (self.evidence.chosen(&item, cell / STYLES), self.evidence.rejected(&item, cell % STYLES)),
                };
                if let (Some(chosen), Some(rejected)) = pair {
                    let tie = if protocol.ties == TiePolicy::Half { 0.5 } else { 0.0 };
                    *sum += if chosen > rejected {
                        1.0
                    } else if chosen == rejected {
                        tie
                    } else {
                        0.0
                    };
                }
            }
            sums[CELLS] += 1.0;
            any = true;
        }
        any
    }

    fn ratio(&self) -> Option<(usize, usize)> {
        if let Part::Cell(number) = self.part { Some((number, CELLS)) } else { None }
    }

    fn finish(&self, sums: &[f64]) -> Option<f64> {
        let matrix = matrix(sums)?;
        let mean = |wanted: &dyn Fn(usize, usize) -> bool| {
            let cells = (0..CELLS).map(|c| (c / STYLES, c % STYLES)).filter(|&(i, j)| wanted(i, j));
            let (sum, n) = cells.fold((0.0, 0), |(sum, n), (i, j)| (sum + matrix[i][j], n + 1));
            sum / f64::from(n)
        };
        Some(match self.part {
            Part::All => mean(&|_, _| true),
            Part::Easy => mean(&|i, j| i > j),
            Part::Normal => mean(&|i, j| i == j),
            Part::Hard => mean(&|i, j| i < j),
            Part::Cell(number) => matrix[number / STYLES][number % STYLES],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One item, chosen 1 5 3, rejected 2 0 4: M = [0 1 0; 1 1 1; 1 1 0], so hard (1 + 0 + 1)/3,
    /// normal (0 + 1 + 0)/3, easy (1 + 1 + 1)/3, score 6/9.
    #[test]
    fn a_matrix_by_hand() {
        let sums = [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0];
        assert_eq!(HARD.finish(&sums), Some(2.0 / 3.0));
        assert_eq!(NORMAL.finish(&sums), Some(1.0 / 3.0));
        assert_eq!(EASY.finish(&sums), Some(1.0));
        assert!((MATRIX.finish(&sums).unwrap() - 6.0 / 9.0).abs() < 1e-15);
        // Concise chosen against detailed rejected, then the other way.
        assert_eq!((CELLS_OF[1].id(), CELLS_OF[1].finish(&sums)), ("style-matrix-concise-detailed", Some(1.0)));
        assert_eq!((CELLS_OF[3].id(), CELLS_OF[3].finish(&sums)), ("style-matrix-detailed-concise", Some(1.0)));
        assert_eq!((CELLS_OF[8].id(), CELLS_OF[8].finish(&sums)), ("style-matrix-markdown-markdown", Some(0.0)));
    }
}
