//! Romano and Wolf's step-down over a family of numbers that were resampled together (Romano and Wolf 2005,
//! 2016): adjusted p that keep the family-wise error, and use how the numbers depend on each other.

use rayon::prelude::*;

/// Replicates that a thread takes at a time: what it writes stays in the first-level cache.
const BLOCK: usize = 2_048;

/// One member of a family.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// How far it lies from 0, in standard deviations of its replicates; NaN where resampling says nothing about it.
    pub statistic: f64,
    /// Standard deviation of its replicates.
    pub sd: f64,
    /// Its replicates' deviations, of the same replicates as all others.
    pub deviations: Deviations<'a>,
}

/// Deviations of replicates, one by one.
#[derive(Debug, Clone, Copy)]
pub enum Deviations<'a> {
    Of(&'a [f32]),
    /// The first less the second, which needs no memory of its own.
    Difference(&'a [f32], &'a [f32]),
}

impl Deviations<'_> {
    fn len(&self) -> usize {
        match self {
            Deviations::Of(own) | Deviations::Difference(own, _) => own.len(),
        }
    }

    /// Raises `largest` to |deviation| · scale where that is more, for replicates from `first` on; how many reach `far` then.
    fn raise(&self, first: usize, scale: f32, far: f32, largest: &mut [f32]) -> u32 {
        let range = first..first + largest.len();
        match self {
            Deviations::Of(own) => raise(own[range].iter().copied(), scale, far, largest),
            Deviations::Difference(a, b) => {
                raise(a[range.clone()].iter().zip(&b[range]).map(|(a, b)| a - b), scale, far, largest)
            }
        }
    }
}

#[inline]
fn raise(deviations: impl Iterator<Item = f32>, scale: f32, far: f32, largest: &mut [f32]) -> u32 {
    let mut reached = 0;
    for (largest, deviation) in largest.iter_mut().zip(deviations) {
        let own = deviation.abs() * scale;
        // An undefined replicate counts as far: the family-wise error stays kept.
        let own = if own.is_nan() { f32::INFINITY } else { own };
        *largest = if own > *largest { own } else { *largest };
        reached += u32::from(*largest >= far);
    }
    reached
}

/// Adjusted p of "this number is 0", in the order of the members; `None` for members about which
/// resampling says nothing, which are no part of the family.
///
/// |statistic| is compared with the largest |deviation|/sd among the members that are no more
/// extreme, replicate by replicate, from the least extreme member up.
pub fn adjusted(members: &[Member<'_>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> =
        (0..members.len()).filter(|at| !members[*at].statistic.is_nan() && members[*at].sd > 0.0).collect();
    let statistic = |at: &usize| members[*at].statistic.abs();
    order.sort_by(|a, b| statistic(b).total_cmp(&statistic(a)).then(a.cmp(b)));
    let n = order.iter().map(|at| members[*at].deviations.len()).max().unwrap_or(0);
    let blocks: Vec<usize> = (0..n).step_by(BLOCK).collect();
    // By member in order: replicates of the block that reach it.
    let of_block = |first: &usize| -> Vec<u32> {
        let mut largest = vec![0.0f32; BLOCK.min(n - first)];
        let mut reached = vec![0; order.len()];
        for (reached, at) in reached.iter_mut().zip(&order).rev() {
            let member = &members[*at];
            // Rounding must not turn "as far" into "less far".
            let far = (member.statistic.abs() - 1e-5) as f32;
            *reached = member.deviations.raise(*first, (1.0 / member.sd) as f32, far, &mut largest);
        }
        reached
    };
    let counted: Vec<Vec<u32>> = blocks.par_iter().map(of_block).collect();
    let mut out = vec![None; members.len()];
    let mut so_far = 0.0f64;
    for (rank, at) in order.iter().enumerate() {
        let reached: u32 = counted.iter().map(|block| block[rank]).sum();
        so_far = so_far.max(f64::from(1 + reached) / (1 + n) as f64);
        out[*at] = Some(so_far);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Summary;

    fn wave(period: usize, shift: usize) -> Vec<f32> {
        (0..999).map(|i| (((i + shift) * 37) % period) as f32 / period as f32 - 0.5).collect()
    }

    fn member(statistic: f64, deviations: &[f32]) -> Member<'_> {
        let sd = Summary::new(deviations).map_or(f64::NAN, |summary| summary.sd);
        Member { statistic, sd, deviations: Deviations::Of(deviations) }
    }

    #[test]
    fn one_member_is_not_adjusted() {
        let deviations = wave(101, 0);
        let p = adjusted(&[member(1.4, &deviations)]);
        let single = Summary::new(&deviations).unwrap().p_of(1.4);
        assert!((p[0].unwrap() - single).abs() < 1e-12);
    }

    #[test]
    fn copies_cost_nothing_and_strangers_do() {
        let (a, b) = (wave(101, 0), wave(89, 5));
        let alone = adjusted(&[member(1.6, &a)])[0].unwrap();
        let copies = adjusted(&[member(1.6, &a), member(1.6, &a)]);
        assert_eq!(copies, [Some(alone), Some(alone)]);
        let both = adjusted(&[member(1.6, &a), member(0.3, &b)]);
        assert!(both[0].unwrap() > alone, "another member raises the bar");
        assert!(both[0] <= both[1], "order of p follows order of evidence");
        // The least extreme member is compared with itself only.
        let single = Summary::new(&b).unwrap().p_of(0.3);
        assert!((both[1].unwrap() - single.max(both[0].unwrap())).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_vary_is_no_member() {
        let a = wave(101, 0);
        let p = adjusted(&[member(9.0, &[0.0; 999]), member(1.4, &a)]);
        assert_eq!(p[0], None);
        assert!(p[1].is_some());
    }

    /// Over several blocks, with undefined replicates, differences beside what they are differences of.
    #[test]
    fn blocks_and_differences_change_nothing() {
        let long = |period: usize, shift: usize| -> Vec<f32> {
            let wave = wave(period, shift);
            (0..5_000).map(|i| if i % 997 == 3 { f32::NAN } else { wave[i % 999] }).collect()
        };
        let (a, b, c) = (long(101, 0), long(89, 5), long(67, 3));
        let difference: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let whole = [member(1.2, &difference), member(-1.5, &c)];
        let parts = [Member { deviations: Deviations::Difference(&a, &b), ..whole[0] }, whole[1]];
        let found = adjusted(&parts);
        assert_eq!(found, adjusted(&whole));
        // Written out: both compared with the largest of both, then the less extreme one with itself.
        let scaled = |member: &Member<'_>, x: f32| if x.is_nan() { f32::INFINITY } else { x.abs() / member.sd as f32 };
        let p = |least: &dyn Fn(usize) -> f32, far: f32| {
            (1 + (0..5_000).filter(|i| least(*i) >= far - 1e-5).count()) as f64 / 5_001.0
        };
        let own = |i: usize| scaled(&whole[0], difference[i]);
        let first = p(&|i| own(i).max(scaled(&whole[1], c[i])), 1.5);
        assert!((found[1].unwrap() - first).abs() < 1e-9 && (found[0].unwrap() - p(&own, 1.2).max(first)).abs() < 1e-9);
    }
}
