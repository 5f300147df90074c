//! Outcomes without rewards as rewards that have the same outcome.

/// A pair's result: 1 right, 0 wrong, ½ neither. `None`: no such result.
pub fn pair(result: f64) -> Option<(f64, f64)> {
    match result {
        1.0 => Some((1.0, 0.0)),
        0.0 => Some((0.0, 1.0)),
        0.5 => Some((0.5, 0.5)),
        _ => None,
    }
}

/// Best of 1 + `rejected`: 1/k where the right response shares the highest value with k − 1 others, 0 where
/// it has less. `None`: no such result.
pub fn best_of(result: f64, rejected: usize) -> Option<(f64, Vec<f64>)> {
    if result == 0.0 {
        // Which of them won is not known; the first stands for it.
        let mut others = vec![0.0; rejected];
        *others.first_mut()? = 1.0;
        return Some((0.0, others));
    }
    let k = (1.0 / result).round();
    let shared = (k >= 1.0 && (1.0 / k - result).abs() < 1e-9).then_some(k as usize - 1)?;
    let others = (0..rejected).map(|i| if i < shared { 1.0 } else { 0.0 }).collect();
    (shared <= rejected).then_some((1.0, others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_rewards_with_the_same_outcome() {
        assert_eq!(pair(0.5), Some((0.5, 0.5)));
        assert_eq!(pair(0.25), None);
        assert_eq!(best_of(1.0, 3), Some((1.0, vec![0.0; 3])));
        assert_eq!(best_of(1.0 / 3.0, 3), Some((1.0, vec![1.0, 1.0, 0.0])));
        assert_eq!(best_of(0.0, 3), Some((0.0, vec![1.0, 0.0, 0.0])));
        assert_eq!(best_of(0.2, 3), None, "five cannot share the maximum of four");
        assert_eq!(best_of(0.4, 3), None);
    }
}
