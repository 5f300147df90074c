//! Which runs are looked at together, where one that scored little would leave little for all.

/// A run that is left out: how much all share with it, and without it.
pub struct LeftOut {
    pub run: usize,
    pub with: usize,
    pub without: usize,
}

/// Runs that stay, and those without which at least twice as much is shared; `has`: by run, what it has. Two stay.
pub fn sharing(has: &[Vec<bool>]) -> (Vec<usize>, Vec<LeftOut>) {
    let shared = |runs: &[usize]| {
        let n = has.first().map_or(0, Vec::len);
        (0..n).filter(|at| runs.iter().all(|run| has[*run][*at])).count()
    };
    let count = |run: usize| has[run].iter().filter(|own| **own).count();
    let mut kept: Vec<usize> = (0..has.len()).collect();
    let mut left_out = Vec::new();
    while kept.len() > 2 {
        let Some(run) = kept.iter().copied().min_by_key(|run| count(*run)) else { break };
        let others: Vec<usize> = kept.iter().copied().filter(|other| *other != run).collect();
        let (with, without) = (shared(&kept), shared(&others));
        if without < 2 * with.max(1) {
            break;
        }
        left_out.push(LeftOut { run, with, without });
        kept = others;
    }
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_halves_what_all_share_is_left_out() {
        let (whole, half, few) = (vec![true; 8], [vec![true; 5], vec![false; 3]].concat(), vec![true, false, false]);
        let few = [few, vec![false; 5]].concat();
        let (kept, left_out) = sharing(&[whole.clone(), few.clone(), half.clone(), whole.clone()]);
        assert_eq!(kept, [0, 2, 3]);
        assert_eq!((left_out.len(), left_out[0].run, left_out[0].with, left_out[0].without), (1, 1, 1, 5));
        assert_eq!(sharing(&[whole, few]).0, [0, 1], "two stay, whatever they share");
    }
}
