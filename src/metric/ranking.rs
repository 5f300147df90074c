//! Who is where in a ranking, and who cannot be told apart.
//!
//! Ranks follow from tests of all pairs that keep the family-wise error: a run has at least as many above it
//! as are significantly better, at least as many below as are significantly worse (Mogstad, Romano, Shaikh
//! and Wilhelm 2024). So all rank intervals hold together, not each by itself. Runs that share a letter
//! are not significantly different (compact letter display by insertion and absorption, Piepho 2004).

/// Significant differences: `better(a, b)`: a is significantly better than b.
pub type Better<'a> = dyn Fn(usize, usize) -> bool + 'a;

/// First and last rank that `run` of `n` may have.
pub fn rank_interval(run: usize, n: usize, better: &Better<'_>) -> (usize, usize) {
    let above = (0..n).filter(|other| *other != run && better(*other, run)).count();
    let below = (0..n).filter(|other| *other != run && better(run, *other)).count();
    (1 + above, n - below)
}

/// Tie groups of runs that are given best first: each a list of runs no two of which differ significantly,
/// none contained in another, ordered by their best member.
pub fn tie_groups(n: usize, differ: &dyn Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![(0..n).collect()];
    for a in 0..n {
        for b in a + 1..n {
            if !differ(a, b) {
                continue;
            }
            // Insert: a group with both becomes two, one without each.
            let (apart, mut next): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|group| group.contains(&a) && group.contains(&b));
            for group in apart {
                for out in [b, a] {
                    next.push(group.iter().copied().filter(|run| *run != out).collect());
                }
            }
            // Absorb: what another group contains goes.
            groups = absorbed(next);
        }
    }
    groups.sort();
    groups
}

fn absorbed(mut groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    groups.sort();
    groups.dedup();
    let within = |small: &[usize], large: &[usize]| small.iter().all(|run| large.contains(run));
    let kept = groups.iter().enumerate().filter(|(i, group)| {
        let others = groups.iter().enumerate();
        !others.into_iter().any(|(j, other)| *i != j && group.len() < other.len() && within(group, other))
    });
    kept.map(|(_, group)| group.clone()).collect()
}

/// Letters of each run: `a` for the first group, after `z` comes `aa`.
pub fn letters(n: usize, groups: &[Vec<usize>]) -> Vec<Vec<String>> {
    let letter = |mut at: usize| {
        let mut out = String::new();
        loop {
            out.insert(0, char::from(b'a' + (at % 26) as u8));
            if at < 26 {
                return out;
            }
            at = at / 26 - 1;
        }
    };
    let of = |run: usize| (0..groups.len()).filter(|g| groups[*g].contains(&run)).map(letter).collect();
    (0..n).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four runs: 0 beats 2 and 3, 1 beats 3; so 0 1 | 1 2 | 2 3.
    fn better(a: usize, b: usize) -> bool {
        matches!((a, b), (0, 2) | (0, 3) | (1, 3))
    }

    #[test]
    fn ranks_by_hand() {
        let ranks: Vec<_> = (0..4).map(|run| rank_interval(run, 4, &better)).collect();
        assert_eq!(ranks, [(1, 2), (1, 3), (2, 4), (3, 4)]);
    }

    #[test]
    fn letters_by_hand() {
        let groups = tie_groups(4, &|a, b| better(a, b) || better(b, a));
        assert_eq!(groups, [vec![0, 1], vec![1, 2], vec![2, 3]]);
        assert_eq!(letters(4, &groups), [vec!["a"], vec!["a", "b"], vec!["b", "c"], vec!["c"]]);
        assert_eq!(letters(1, &vec![vec![0]; 28])[0][25..], ["z", "aa", "ab"]);
        assert_eq!(tie_groups(3, &|_, _| false), [vec![0, 1, 2]]);
    }

    /// What letters promise, on every pattern of significance among five runs: two runs share a letter
    /// exactly where they do not differ.
    #[test]
    fn runs_share_a_letter_exactly_where_they_do_not_differ() {
        let pairs: Vec<(usize, usize)> = (0..5).flat_map(|a| (a + 1..5).map(move |b| (a, b))).collect();
        for pattern in 0u32..1 << pairs.len() {
            let differ = |a: usize, b: usize| {
                let at = pairs.iter().position(|pair| *pair == (a.min(b), a.max(b)));
                at.is_some_and(|at| pattern >> at & 1 == 1)
            };
            let groups = tie_groups(5, &differ);
            for (a, b) in &pairs {
                let share = groups.iter().any(|group| group.contains(a) && group.contains(b));
                assert_eq!(share, !differ(*a, *b), "{pattern:b}");
            }
        }
    }
}
