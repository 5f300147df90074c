//! Permutation tests with the project's seeds; what they are stands in [`rmbench_estimators::permutation`].

use rand::Rng;
pub use rmbench_estimators::permutation::{PValue, eta_squared, within_minus_between};

/// One-sided: large values of `statistic` speak against chance. `labels` are numbers from 0.
pub fn label_test(labels: &[usize], seed: u64, statistic: &dyn Fn(&[usize]) -> f64) -> PValue {
    let mut stream = crate::random::stream(seed, "label-test", []);
    rmbench_estimators::permutation::label_test(labels, [(); 4].map(|()| stream.next_u64()), statistic)
}
