//! Judgments on a scale of grades (MENLO, HelpSteer3): how a judge's grades agree with people's.
//!
//! Each is a function of the k × k table of counts, row by row: the gold grade by the judge's.
//!
//! F1 of a grade = 2 · both / (gold + judged), macro-F1 the plain mean over grades that occur on either side, as
//! scikit-learn's `f1_score(average="macro")`. Preferences have three outcomes: the first response has the higher
//! grade, the second has, or neither; preference accuracy is the share of pairs on which gold and judge agree.

use std::cmp::Ordering;

/// `None` for an empty table.
pub fn macro_f1(table: &[f64], grades: usize) -> Option<f64> {
    if table.len() != grades * grades {
        return None;
    }
    let f1 = |grade: usize| {
        let gold: f64 = table[grade * grades..][..grades].iter().sum();
        let judged: f64 = (0..grades).map(|row| table[row * grades + grade]).sum();
        (gold + judged > 0.0).then(|| 2.0 * table[grade * grades + grade] / (gold + judged))
    };
    let all: Vec<f64> = (0..grades).filter_map(f1).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

/// Share of the counts on the diagonal. `None` for an empty table.
pub fn exact(table: &[f64], grades: usize) -> Option<f64> {
    let n: f64 = table.iter().sum();
    let same: f64 = (0..grades).filter_map(|grade| table.get(grade * grades + grade)).sum();
    (n > 0.0).then(|| same / n)
}

/// Whether a judge's two values prefer the response that the gold grades prefer, neither being a preference.
pub fn same_preference(gold: (f64, f64), judged: (f64, f64)) -> Option<bool> {
    let outcome = |(a, b): (f64, f64)| a.partial_cmp(&b);
    let (gold, judged): (Ordering, Ordering) = (outcome(gold)?, outcome(judged)?);
    Some(gold == judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gold 1 1 2 2 3, judged 1 2 2 2 1 of grades 1 to 4: F1 of 1 is 2·1/(2 + 2), of 2 is 2·2/(2 + 3), of 3 is 0;
    /// 4 does not occur. scikit-learn: 0.43333….
    #[test]
    fn by_hand() {
        let mut table = [0.0; 16];
        for (gold, judged) in [(1, 1), (1, 2), (2, 2), (2, 2), (3, 1)] {
            table[(gold - 1) * 4 + judged - 1] += 1.0;
        }
        assert!((macro_f1(&table, 4).unwrap() - (0.5 + 0.8) / 3.0).abs() < 1e-15);
        assert_eq!(exact(&table, 4), Some(0.6));
        assert_eq!((macro_f1(&[0.0; 4], 2), exact(&[0.0; 4], 2)), (None, None));
        assert_eq!(same_preference((4.0, 4.0), (2.5, 2.5)), Some(true));
        assert_eq!(same_preference((4.0, 3.0), (2.5, 2.5)), Some(false));
        assert_eq!(same_preference((4.0, 3.0), (f64::NAN, 2.5)), None);
    }
}
