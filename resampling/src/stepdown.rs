//! Romano and Wolf's step-down over a family of numbers that were resampled together (Romano and Wolf 2005,
//! 2016): adjusted p that keep the family-wise error, and use how the numbers depend on each other.

use crate::summary::Summary;

/// One member of a family.
pub struct Member<'a> {
    /// How far it lies from 0, in standard deviations of its replicates.
    pub statistic: f64,
    /// Its replicates' deviations, of the same replicates as all others.
    pub deviations: &'a [f32],
}

/// Adjusted p of "this number is 0", in the order of the members; `None` for members about which
/// resampling says nothing, which are no part of the family.
///
/// |statistic| is compared with the largest |deviation|/sd among the members that are no more
/// extreme, replicate by replicate, from the least extreme member up.
pub fn adjusted(members: &[Member<'_>]) -> Vec<Option<f64>> {
    let sd: Vec<Option<f64>> = members.iter().map(|m| Summary::new(m.deviations).map(|s| s.sd)).collect();
    let mut order: Vec<(usize, f64, f64)> = Vec::with_capacity(members.len());
    for (place, sd) in sd.iter().enumerate() {
        if let Some(sd) = sd.filter(|_| !members[place].statistic.is_nan()) {
            order.push((place, members[place].statistic.abs(), sd));
        }
    }
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let n = members.iter().map(|m| m.deviations.len()).max().unwrap_or(0);
    let mut largest = vec![0.0f32; n];
    let mut raw = vec![0.0; order.len()];
    for (rank, (place, t, sd)) in order.iter().enumerate().rev() {
        let scale = (1.0 / sd) as f32;
        // Rounding must not turn "as far" into "less far".
        let far = (t - 1e-5) as f32;
        let mut reached = 0usize;
        for (largest, deviation) in largest.iter_mut().zip(members[*place].deviations) {
            let own = deviation.abs() * scale;
            // An undefined replicate counts as far: the family-wise error stays kept.
            *largest = if own.is_nan() { f32::INFINITY } else { largest.max(own) };
            reached += usize::from(*largest >= far);
        }
        raw[rank] = (1 + reached) as f64 / (1 + n) as f64;
    }
    let mut out = vec![None; members.len()];
    let mut so_far = 0.0f64;
    for ((place, ..), p) in order.iter().zip(raw) {
        so_far = so_far.max(p);
        out[*place] = Some(so_far);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(period: usize, shift: usize) -> Vec<f32> {
        (0..999).map(|i| (((i + shift) * 37) % period) as f32 / period as f32 - 0.5).collect()
    }

    #[test]
    fn one_member_is_not_adjusted() {
        let deviations = wave(101, 0);
        let p = adjusted(&[Member { statistic: 1.4, deviations: &deviations }]);
        let single = Summary::new(&deviations).unwrap().p_of(1.4);
        assert!((p[0].unwrap() - single).abs() < 1e-12);
    }

    #[test]
    fn copies_cost_nothing_and_strangers_do() {
        let (a, b) = (wave(101, 0), wave(89, 5));
        let alone = adjusted(&[Member { statistic: 1.6, deviations: &a }])[0].unwrap();
        let copies = adjusted(&[Member { statistic: 1.6, deviations: &a }, Member { statistic: 1.6, deviations: &a }]);
        assert_eq!(copies, [Some(alone), Some(alone)]);
        let both = adjusted(&[Member { statistic: 1.6, deviations: &a }, Member { statistic: 0.3, deviations: &b }]);
        assert!(both[0].unwrap() > alone, "another member raises the bar");
        assert!(both[0] <= both[1], "order of p follows order of evidence");
        // The least extreme member is compared with itself only.
        let single = Summary::new(&b).unwrap().p_of(0.3);
        assert!((both[1].unwrap() - single.max(both[0].unwrap())).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_vary_is_no_member() {
        let a = wave(101, 0);
        let p =
            adjusted(&[Member { statistic: 9.0, deviations: &[0.0; 999] }, Member { statistic: 1.4, deviations: &a }]);
        assert_eq!(p[0], None);
        assert!(p[1].is_some());
    }
}
