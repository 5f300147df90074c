//! A step's pairs in pieces that fit the memory.

/// Cuts pairs into micro-batches of at most `budget` tokens; a larger pair stands alone. Indices into
/// `costs`, longest first, so that a batch too large for the memory shows at the first of them.
pub fn micro_batches(costs: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(costs[index]), index));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut spent = 0;
    for index in order {
        match batches.last_mut() {
            Some(batch) if spent + costs[index] <= budget => {
                batch.push(index);
                spent += costs[index];
            }
            _ => {
                batches.push(vec![index]);
                spent = costs[index];
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_and_nothing_is_lost() {
        assert_eq!(micro_batches(&[3, 9, 2, 20, 4], 10), [vec![3], vec![1], vec![4, 0, 2]]);
        assert!(micro_batches(&[], 10).is_empty());
    }
}
