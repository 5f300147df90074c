//! A benchmark of which everything is known.

use rmbench::metric::accuracy::ACCURACY;
use rmbench::metric::agreement::BOTH_WIN;
use rmbench::metric::normal::{normal_cdf, normal_quantile};
use rmbench::metric::sheet::{Finish, NodeId, Sheet};
use rmbench_resampling::clusters::Clusters;

/// Difficulties an item may have, equally often: a normal distribution in steps, so that true values are
/// finite sums.
const STEPS: usize = 101;

/// Columns are what is right or wrong of an item: a run in a language.
pub struct World {
    pub sizes: Vec<usize>,
    /// Of subsets, summing to 1.
    weights: Vec<f64>,
    /// By column, subset and step: chance of a right answer.
    chance: Vec<Vec<Vec<f64>>>,
}

impl World {
    /// `ability[column][subset]`: normal quantile of the share of right answers; `correlation` of the
    /// latent margins of two columns on one item.
    pub fn new(sizes: Vec<usize>, weights: Vec<f64>, ability: Vec<Vec<f64>>, correlation: f64) -> Self {
        let total: f64 = weights.iter().sum();
        let difficulty: Vec<f64> = (0..STEPS).map(|step| normal_quantile((step as f64 + 0.5) / STEPS as f64)).collect();
        let given = |ability: f64, difficulty: f64| {
            normal_cdf((ability + correlation.sqrt() * difficulty) / (1.0 - correlation).sqrt())
        };
        let chance = ability
            .iter()
            .map(|of| of.iter().map(|a| difficulty.iter().map(|d| given(*a, *d)).collect()).collect())
            .collect();
        Self { sizes, weights: weights.into_iter().map(|w| w / total).collect(), chance }
    }

    fn share(&self, column: usize, subset: usize) -> f64 {
        self.chance[column][subset].iter().sum::<f64>() / STEPS as f64
    }

    /// True weighted mean of a column's subset shares.
    pub fn score(&self, column: usize) -> f64 {
        (0..self.sizes.len()).map(|subset| self.weights[subset] * self.share(column, subset)).sum()
    }

    /// True share over all items.
    pub fn pooled(&self, column: usize) -> f64 {
        let n: usize = self.sizes.iter().sum();
        (0..self.sizes.len()).map(|s| self.sizes[s] as f64 * self.share(column, s)).sum::<f64>() / n as f64
    }

    /// True kappa of two columns over all items.
    pub fn kappa(&self, a: usize, b: usize) -> f64 {
        let n: usize = self.sizes.iter().sum();
        let both: f64 = (0..self.sizes.len())
            .map(|s| {
                let products = self.chance[a][s].iter().zip(&self.chance[b][s]).map(|(a, b)| a * b);
                self.sizes[s] as f64 * products.sum::<f64>() / STEPS as f64
            })
            .sum::<f64>()
            / n as f64;
        let (pa, pb) = (self.pooled(a), self.pooled(b));
        let agreed = both + (1.0 - pa - pb + both);
        let expected = pa * pb + (1.0 - pa) * (1.0 - pb);
        (agreed - expected) / (1.0 - expected)
    }

    /// One sample, a function of its number.
    pub fn draw(&self, number: u64) -> Sample {
        let mut draws = Draws(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        let mut right: Vec<Vec<Vec<bool>>> = vec![Vec::new(); self.chance.len()];
        for (subset, size) in self.sizes.iter().enumerate() {
            right.iter_mut().for_each(|column| column.push(Vec::with_capacity(*size)));
            for _ in 0..*size {
                let step = ((draws.uniform() * STEPS as f64) as usize).min(STEPS - 1);
                for (column, chance) in right.iter_mut().zip(&self.chance) {
                    column[subset].push(draws.uniform() < chance[subset][step]);
                }
            }
        }
        Sample { right }
    }
}

struct Draws(u64);

impl Draws {
    /// splitmix64, in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// By column, subset and item.
pub struct Sample {
    right: Vec<Vec<Vec<bool>>>,
}

impl Sample {
    pub fn right(&self, column: usize) -> &[Vec<bool>] {
        &self.right[column]
    }

    /// Items are numbered subset by subset.
    fn items(&self, subset: usize) -> std::ops::Range<u32> {
        let begin: usize = self.right[0][..subset].iter().map(Vec::len).sum();
        begin as u32..(begin + self.right[0][subset].len()) as u32
    }

    pub fn clusters(&self) -> Clusters {
        let strata: Vec<Vec<u32>> = (0..self.right[0].len()).map(|subset| self.items(subset).collect()).collect();
        Clusters::new(strata.iter().map(Vec::len).sum(), strata)
    }

    /// Writes a column's weighted mean of subset accuracies.
    pub fn score(&self, world: &World, sheet: &mut Sheet, column: usize) -> NodeId {
        let parts: Vec<(f64, NodeId)> = (0..world.sizes.len())
            .map(|subset| {
                let credit: Vec<(u32, f64)> = self
                    .items(subset)
                    .zip(&self.right[column][subset])
                    .map(|(item, right)| (item, f64::from(u8::from(*right))))
                    .collect();
                let all: Vec<(u32, f64)> = self.items(subset).map(|item| (item, 1.0)).collect();
                let columns = vec![sheet.columns.insert(&credit), sheet.columns.insert(&all)];
                (world.weights[subset], sheet.finish(Finish::Metric(&ACCURACY), columns))
            })
            .collect();
        sheet.mean(&parts)
    }

    /// The nine sums of agreement between two columns (labels loss, win, tie), at [`BOTH_WIN`] all pairs.
    pub fn agreement(&self, sheet: &mut Sheet, a: usize, b: usize) -> Vec<u32> {
        let mut kinds: [Vec<(u32, f64)>; 9] = Default::default();
        for subset in 0..self.right[a].len() {
            let pairs = self.right[a][subset].iter().zip(&self.right[b][subset]);
            for (item, (a, b)) in self.items(subset).zip(pairs) {
                kinds[BOTH_WIN].push((item, 1.0));
                let kind = 3 * usize::from(*a) + usize::from(*b);
                if kind != BOTH_WIN {
                    kinds[kind].push((item, 1.0));
                }
            }
        }
        kinds.iter().map(|kind| sheet.columns.insert(kind)).collect()
    }
}
