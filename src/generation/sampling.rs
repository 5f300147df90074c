//! From logits to the next token.
//!
//! In transformers' order: tokens that were there before made less likely; divided by the temperature; all but the k
//! largest cut off; then, from the most probable one on, as many kept as it takes for their mass before the last of them
//! to reach p (arXiv 1904.09751). The draw is the inverse of the distribution function at a uniform number that is a
//! function of (seed, key, place).

use std::collections::BTreeSet;

use crate::random;

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0: the most probable token.
    pub temperature: f64,
    pub top_k: Option<usize>,
    /// 1: everything.
    pub top_p: f64,
    /// What logits of tokens that the prompt or the reply has already are divided by, or multiplied with below 0 (arXiv
    /// 1909.05858, as transformers has it); 1: nothing.
    pub repetition_penalty: f64,
    pub seed: u64,
    /// Names what is written, so that its draws are its own.
    pub key: String,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: None, top_p: 1.0, repetition_penalty: 1.0, seed: 0, key: String::new() }
    }
}

impl Sampling {
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        let Self { temperature, top_k, top_p, repetition_penalty, .. } = self;
        if !(*temperature >= 0.0 && temperature.is_finite()) {
            return Some(format!("temperature {temperature} should be at least 0"));
        }
        if !(*top_p > 0.0 && *top_p <= 1.0) {
            return Some(format!("top-p {top_p} should be above 0 and at most 1"));
        }
        if !(*repetition_penalty > 0.0 && repetition_penalty.is_finite()) {
            return Some(format!("repetition-penalty {repetition_penalty} should be above 0"));
        }
        (*top_k == Some(0)).then(|| "top-k 0 leaves nothing to choose from".to_owned())
    }

    /// Whether what a sequence holds changes its next token's logits.
    pub fn penalises(&self) -> bool {
        self.repetition_penalty != 1.0
    }

    /// Logits with what the sequence `seen` takes off them.
    pub fn penalise(&self, logits: &mut [f32], seen: &[u32]) {
        let penalty = self.repetition_penalty as f32;
        for id in seen.iter().collect::<BTreeSet<_>>() {
            if let Some(x) = logits.get_mut(*id as usize) {
                *x = if *x < 0.0 { *x * penalty } else { *x / penalty };
            }
        }
    }

    /// The token at a place of the reply, one of `allowed` where there are any.
    pub fn choose(&self, logits: &[f32], allowed: &[u32], place: usize) -> Option<u32> {
        let candidates = Candidates::new(logits, allowed);
        if self.is_greedy() {
            return candidates.best();
        }
        let kept = self.kept(candidates);
        let u = random::uniform(self.seed, "generate", format!("{}\u{0}{place}", self.key));
        kept.draw(u)
    }

    /// What is left to choose from, with probabilities.
    pub fn distribution(&self, logits: &[f32]) -> Vec<(u32, f64)> {
        self.kept(Candidates::new(logits, &[])).0
    }

    fn kept(&self, mut candidates: Candidates) -> Candidates {
        for (_, x) in &mut candidates.0 {
            *x /= self.temperature;
        }
        if let Some(k) = self.top_k {
            candidates.keep_top(k);
        }
        candidates.normalise();
        if self.top_p < 1.0 {
            candidates.keep_nucleus(self.top_p);
            candidates.normalise_sums();
        }
        candidates
    }
}

/// Tokens with logits, later with probabilities; ascending by id unless sorted.
struct Candidates(Vec<(u32, f64)>);

impl Candidates {
    fn new(logits: &[f32], allowed: &[u32]) -> Self {
        let all = |(id, x): (usize, &f32)| (id as u32, f64::from(*x));
        match allowed {
            [] => Self(logits.iter().enumerate().map(all).collect()),
            some => {
                let one = |id: &u32| logits.get(*id as usize).map(|x| (*id, f64::from(*x)));
                let mut found: Vec<(u32, f64)> = some.iter().filter_map(one).collect();
                found.sort_unstable_by_key(|(id, _)| *id);
                found.dedup();
                Self(found)
            }
        }
    }

    /// The first of the largest.
    fn best(&self) -> Option<u32> {
        let best = self.0.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(id, _)| id)
    }

    /// Keeps the `k` largest, and whatever equals the last of them.
    fn keep_top(&mut self, k: usize) {
        if k >= self.0.len() {
            return;
        }
        let mut values: Vec<f64> = self.0.iter().map(|(_, x)| *x).collect();
        let (_, least, _) = values.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        let least = *least;
        self.0.retain(|(_, x)| *x >= least);
    }

    /// Logits to probabilities.
    fn normalise(&mut self) {
        let largest = self.0.iter().map(|(_, x)| *x).fold(f64::NEG_INFINITY, f64::max);
        for (_, x) in &mut self.0 {
            *x = (*x - largest).exp();
        }
        self.normalise_sums();
    }

    fn normalise_sums(&mut self) {
        let total: f64 = self.0.iter().map(|(_, p)| p).sum();
        for (_, p) in &mut self.0 {
            *p /= total;
        }
    }

    /// Keeps, from the most probable on, those with less than `mass` before them. A few suffice in most places, so
    /// that not all are sorted.
    fn keep_nucleus(&mut self, mass: f64) {
        let by_probability = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let mut n = 256;
        loop {
            let n_sorted = n.min(self.0.len());
            if n_sorted < self.0.len() {
                self.0.select_nth_unstable_by(n_sorted, by_probability);
            }
            self.0[..n_sorted].sort_unstable_by(by_probability);
            let mut before = 0.0;
            let last = self.0[..n_sorted].iter().position(|(_, p)| {
                before += p;
                before >= mass
            });
            match last {
                Some(last) => {
                    self.0.truncate(last + 1);
                    break;
                }
                None if n_sorted == self.0.len() => break,
                None => n *= 8,
            }
        }
        self.0.sort_unstable_by_key(|(id, _)| *id);
    }

    /// The token at which the sum of probabilities passes `u`.
    fn draw(&self, u: f64) -> Option<u32> {
        let mut sum = 0.0;
        let passed = self.0.iter().find(|(_, p)| {
            sum += p;
            sum > u
        });
        // Rounding may leave the sum below 1.
        let last = || self.0.iter().rfind(|(_, p)| *p > 0.0);
        passed.or_else(last).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f64, top_k: Option<usize>, top_p: f64) -> Sampling {
        Sampling { temperature, top_k, top_p, ..Sampling::default() }
    }

    /// Probabilities 0.2, 0.4, 0.1, 0.3.
    fn logits() -> [f32; 4] {
        [0.2f32, 0.4, 0.1, 0.3].map(f32::ln)
    }

    #[test]
    fn the_most_probable_token_or_the_first_of_several() {
        assert_eq!(Sampling::default().choose(&logits(), &[], 0), Some(1));
        assert_eq!(Sampling::default().choose(&[1.0, 2.0, 2.0], &[], 0), Some(1));
        assert_eq!(Sampling::default().choose(&logits(), &[2, 0], 0), Some(0));
        assert_eq!(Sampling::default().choose(&logits(), &[9], 0), None);
    }

    #[test]
    fn cuts_by_hand() {
        let ids = |s: Sampling| s.distribution(&logits()).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(sampling(1.0, Some(2), 1.0)), [1, 3]);
        // 0.4 + 0.3 is the first sum of at least 0.65; at 0.75 the third token is needed.
        assert_eq!(ids(sampling(1.0, None, 0.65)), [1, 3]);
        assert_eq!(ids(sampling(1.0, None, 0.75)), [0, 1, 3]);
        // Of two, 4/7 and 3/7.
        assert_eq!(ids(sampling(1.0, Some(2), 0.5)), [1]);
        let p = sampling(2.0, None, 1.0).distribution(&logits());
        let roots: f64 = [0.4f64, 0.3, 0.2, 0.1].iter().map(|p| p.sqrt()).sum();
        assert!((p[1].1 - 0.4f64.sqrt() / roots).abs() < 1e-7);
    }

    #[test]
    fn draws_have_the_distribution_and_depend_on_seed_key_and_place_only() {
        let mut counts = [0i32; 4];
        for item in 0..4000 {
            let one = Sampling { key: format!("item {item}"), ..sampling(1.0, None, 1.0) };
            let id = one.choose(&logits(), &[], 7).unwrap();
            assert_eq!(one.choose(&logits(), &[], 7), Some(id));
            counts[id as usize] += 1;
        }
        // Within four standard deviations (31).
        for (count, expected) in counts.iter().zip([800, 1600, 400, 1200]) {
            assert!((count - expected).abs() < 124, "{counts:?}");
        }
        let places: std::collections::BTreeSet<_> =
            (0..50).map(|place| sampling(1.0, None, 1.0).choose(&logits(), &[], place)).collect();
        assert_eq!(places.len(), 4);
    }

    #[test]
    fn a_nucleus_of_many_tokens_is_found_whatever_is_sorted_at_first() {
        let logits: Vec<f32> = (0..5000).map(|i| ((i * 7919) % 5000) as f32 * 1e-4).collect();
        let kept = sampling(1.0, None, 0.9).distribution(&logits);
        let p: Vec<f64> = sampling(1.0, None, 1.0).distribution(&logits).into_iter().map(|(_, p)| p).collect();
        let mut sorted = p.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let mut sum = 0.0;
        let n = sorted
            .iter()
            .position(|p| {
                sum += p;
                sum >= 0.9
            })
            .unwrap()
            + 1;
        assert_eq!(kept.len(), n);
        assert!((kept.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    /// Each token once, however often it was seen.
    #[test]
    fn repetition_by_hand() {
        let two = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut logits = [3.0, -1.0, 2.0, 0.5];
        two.penalise(&mut logits, &[0, 1, 0, 9]);
        assert_eq!(logits, [1.5, -2.0, 2.0, 0.5]);
        assert!(two.penalises() && !Sampling::default().penalises());
        assert!(Sampling { repetition_penalty: 0.0, ..two }.problem().is_some());
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        assert!(sampling(-1.0, None, 1.0).problem().is_some() && sampling(1.0, Some(0), 1.0).problem().is_some());
        assert!(sampling(1.0, None, 0.0).problem().is_some() && sampling(0.7, Some(3), 0.9).problem().is_none());
    }
}
