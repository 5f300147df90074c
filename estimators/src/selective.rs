//! What confidence is worth: accuracy on the share of items with the largest |margin| (Geifman and
//! El-Yaniv 2017). AURC = mean over k of the error among the k most confident; equals in confidence share
//! their mean.

use rmbench_resampling::LANES;

/// Up to here every step is taken by itself, beyond a single item is one.
const EXACT: usize = 256;

/// Items by falling confidence, equals together.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// (cluster, credit) by item.
    items: Vec<(u32, f32)>,
    /// Where each run of equal confidence ends.
    ends: Vec<u32>,
}

impl Ordered {
    /// From (cluster, confidence, credit); credit is 1 for right, 0 for wrong, what a tie is worth between.
    pub fn new(mut items: Vec<(u32, f64, f64)>) -> Self {
        items.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut ends = Vec::with_capacity(items.len());
        let mut end = 0;
        for group in items.chunk_by(|a, b| a.1 == b.1) {
            end += group.len() as u32;
            ends.push(end);
        }
        Self { items: items.into_iter().map(|(cluster, _, credit)| (cluster, credit as f32)).collect(), ends }
    }

    /// AURC and the accuracy at each coverage, where cluster c counts `counts[c]` times.
    pub fn curve(&self, counts: &[f32], coverages: &[f64]) -> Option<(f64, Vec<f64>)> {
        let count = |cluster: u32| f64::from(counts.get(cluster as usize).copied().unwrap_or(0.0));
        let total: f64 = self.items.iter().map(|(cluster, _)| count(*cluster)).sum();
        if total <= 0.0 {
            return None;
        }
        // Coverages by size: only the next one has to be looked at.
        let mut wanted: Vec<(f64, usize)> =
            coverages.iter().enumerate().map(|(place, coverage)| ((coverage * total).max(1.0), place)).collect();
        wanted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut wanted = wanted.into_iter().peekable();
        let mut at = vec![f64::NAN; coverages.len()];
        let (mut area, mut seen, mut right, mut start) = (0.0, 0.0, 0.0, 0);
        for end in &self.ends {
            let (mut n, mut credit) = (0.0, 0.0);
            for (cluster, own) in &self.items[start..*end as usize] {
                let weight = count(*cluster);
                n += weight;
                credit += weight * f64::from(*own);
            }
            start = *end as usize;
            if n <= 0.0 {
                continue;
            }
            // Inside a group of equals, each next item is right with the group's share.
            let share = credit / n;
            let error = |k: f64| 1.0 - (right + share * k) / (seen + k);
            let mut k = 1.0;
            while k <= n {
                area += error(k);
                k += 1.0;
            }
            // Weights need not be whole numbers.
            area += (n + 1.0 - k) * error(n);
            while let Some((wanted, place)) = wanted.next_if(|(wanted, _)| seen + n >= wanted - 1e-9) {
                at[place] = (right + share * (wanted - seen)) / wanted;
            }
            seen += n;
            right += credit;
        }
        Some((area / total, at))
    }

    /// The same for [`LANES`] weightings of the clusters at once: AURC, then the accuracy at each coverage; NaN where
    /// nothing weighs anything. Σ 1/(seen + k) over the steps k of one late item is taken at their middle.
    pub fn curves(&self, weights: &[[f32; LANES]], coverages: &[f64]) -> Vec<[f64; LANES]> {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.curves_avx512(weights, coverages) };
            }
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.curves_avx2(weights, coverages) };
            }
        }
        self.curves_here(weights, coverages)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn curves_avx512(&self, weights: &[[f32; LANES]], coverages: &[f64]) -> Vec<[f64; LANES]> {
        self.curves_here(weights, coverages)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn curves_avx2(&self, weights: &[[f32; LANES]], coverages: &[f64]) -> Vec<[f64; LANES]> {
        self.curves_here(weights, coverages)
    }

    #[inline(always)]
    fn curves_here(&self, weights: &[[f32; LANES]], coverages: &[f64]) -> Vec<[f64; LANES]> {
        let mut total = [0.0; LANES];
        for (cluster, _) in &self.items {
            let own = &weights[*cluster as usize];
            for lane in 0..LANES {
                total[lane] += f64::from(own[lane]);
            }
        }
        let mut order: Vec<usize> = (0..coverages.len()).collect();
        order.sort_by(|a, b| coverages[*a].total_cmp(&coverages[*b]));
        let mut lanes = Lanes {
            seen: [0.0; LANES],
            right: [0.0; LANES],
            area: [0.0; LANES],
            next: [0; LANES],
            wanted: [f64::INFINITY; LANES],
            total,
            order: &order,
            coverages,
            at: vec![[f64::NAN; LANES]; coverages.len()],
        };
        for lane in 0..LANES {
            lanes.want(lane);
        }
        let mut start = 0;
        for end in &self.ends {
            let group = &self.items[start..*end as usize];
            match *group {
                [(cluster, credit)] if start >= EXACT => lanes.add(&weights[cluster as usize], f64::from(credit)),
                _ => lanes.add_group(group, weights, start >= EXACT),
            }
            start = *end as usize;
        }
        let mut area = lanes.area;
        for lane in 0..LANES {
            area[lane] = if total[lane] > 0.0 { area[lane] / total[lane] } else { f64::NAN };
        }
        std::iter::once(area).chain(lanes.at).collect()
    }
}

/// Walks through items with [`LANES`] weightings.
struct Lanes<'a> {
    seen: [f64; LANES],
    right: [f64; LANES],
    area: [f64; LANES],
    /// How many coverages were passed, and the weight at the next one.
    next: [usize; LANES],
    wanted: [f64; LANES],
    total: [f64; LANES],
    /// Coverages by size.
    order: &'a [usize],
    coverages: &'a [f64],
    at: Vec<[f64; LANES]>,
}

// Lanes run through several arrays side by side.
#[allow(clippy::needless_range_loop)]
impl Lanes<'_> {
    fn want(&mut self, lane: usize) {
        let next = self.order.get(self.next[lane]).filter(|_| self.total[lane] > 0.0);
        self.wanted[lane] = next.map_or(f64::INFINITY, |at| (self.coverages[*at] * self.total[lane]).max(1.0) - 1e-9);
    }

    /// Coverages that the next items pass, which weigh `n` and are right with probability `share`.
    fn pass(&mut self, lane: usize, n: f64, share: f64) {
        while self.seen[lane] + n >= self.wanted[lane] {
            let wanted = self.wanted[lane] + 1e-9;
            let right = self.right[lane] + share * (wanted - self.seen[lane]);
            self.at[self.order[self.next[lane]]][lane] = right / wanted;
            self.next[lane] += 1;
            self.want(lane);
        }
    }

    /// One item, far from the first.
    #[inline(always)]
    fn add(&mut self, weights: &[f32; LANES], credit: f64) {
        let mut passed = false;
        for lane in 0..LANES {
            let n = f64::from(weights[lane]);
            let beyond = self.right[lane] - credit * self.seen[lane];
            self.area[lane] += n * (1.0 - credit - beyond / (self.seen[lane] + 0.5 * (n + 1.0)));
            passed |= self.seen[lane] + n >= self.wanted[lane];
        }
        if passed {
            for lane in 0..LANES {
                self.pass(lane, f64::from(weights[lane]), credit);
            }
        }
        for lane in 0..LANES {
            let n = f64::from(weights[lane]);
            self.right[lane] += credit * n;
            self.seen[lane] += n;
        }
    }

    /// Items of equal confidence: step by step, or late ones by Σ 1/(seen + k) ≈ ln((seen + n + ½)/(seen + ½)), which is
    /// off by about n/(12 seen³).
    fn add_group(&mut self, group: &[(u32, f32)], weights: &[[f32; LANES]], late: bool) {
        for lane in 0..LANES {
            let (mut n, mut credit) = (0.0, 0.0);
            for (cluster, own) in group {
                let weight = f64::from(weights[*cluster as usize][lane]);
                n += weight;
                credit += weight * f64::from(*own);
            }
            if n <= 0.0 {
                continue;
            }
            let share = credit / n;
            let (seen, right) = (self.seen[lane], self.right[lane]);
            self.area[lane] += if late {
                n * (1.0 - share) - (right - share * seen) * ((seen + n + 0.5) / (seen + 0.5)).ln()
            } else {
                let error = |k: f64| 1.0 - (right + share * k) / (seen + k);
                let (mut area, mut k) = (0.0, 1.0);
                while k <= n {
                    area += error(k);
                    k += 1.0;
                }
                area + (n + 1.0 - k) * error(n)
            };
            self.pass(lane, n, share);
            self.seen[lane] += n;
            self.right[lane] += credit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Right, wrong, right, wrong by falling confidence: errors among the first k are 0, ½, ⅓, ½.
    #[test]
    fn by_hand() {
        let items = vec![(0, 4.0, 1.0), (1, 3.0, 0.0), (2, 2.0, 1.0), (3, 1.0, 0.0)];
        let (area, at) = Ordered::new(items).curve(&[1.0; 4], &[0.25, 0.75, 1.0]).unwrap();
        assert!((area - (0.5 + 1.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
        assert!((at[0] - 1.0).abs() < 1e-15 && (at[1] - 2.0 / 3.0).abs() < 1e-15 && (at[2] - 0.5).abs() < 1e-15);
    }

    #[test]
    fn equals_share_their_mean_whatever_their_order() {
        let items = vec![(0, 1.0, 1.0), (1, 1.0, 0.0), (2, 1.0, 1.0)];
        let (area, at) = Ordered::new(items).curve(&[1.0; 3], &[0.5]).unwrap();
        assert!((area - 1.0 / 3.0).abs() < 1e-15 && (at[0] - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(Ordered::new(Vec::new()).curve(&[], &[0.5]), None);
    }

    /// 900 items of 300 clusters, every third confidence twice, weights as resampling draws them.
    #[test]
    fn many_weightings_are_as_one_by_one() {
        let mut state = 7u32;
        let mut draw = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        let items = (0..900).map(|i| {
            let confidence = f64::from(if i % 3 == 0 { i - i % 2 } else { i });
            (draw(300), confidence, f64::from(draw(3)) / 2.0)
        });
        let ordered = Ordered::new(items.collect());
        let mut weights = vec![[0.0; LANES]; 300];
        for row in &mut weights {
            row[1..].iter_mut().for_each(|weight| *weight = draw(4) as f32 * 300.0 / 299.0);
        }
        let coverages = [0.9, 0.001, 0.5, 1.0];
        let all = ordered.curves(&weights, &coverages);
        assert!(all.iter().all(|row| row[0].is_nan()), "nothing weighs anything");
        for lane in 1..LANES {
            let own: Vec<f32> = weights.iter().map(|row| row[lane]).collect();
            let (area, at) = ordered.curve(&own, &coverages).unwrap();
            assert!((all[0][lane] - area).abs() < 1e-6, "{} {area}", all[0][lane]);
            for (found, expected) in all[1..].iter().zip(at) {
                assert!((found[lane] - expected).abs() < 1e-9, "{} {expected}", found[lane]);
            }
        }
        let bits = |rows: &[[f64; LANES]]| rows.iter().flatten().map(|x| x.to_bits()).collect::<Vec<u64>>();
        let plain = ordered.curves_here(&weights, &coverages);
        assert_eq!(bits(&all)[1..], bits(&plain)[1..], "the same with every set of instructions");
    }
}
