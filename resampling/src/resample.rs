//! Replicates of a program's numbers.

use rayon::prelude::*;

use crate::LANES;
use crate::clusters::Clusters;
use crate::draws::Draws;
use crate::program::{Buffers, Program};

/// Blocks that a thread multiplies side by side.
const TOGETHER: usize = 4;

/// How far each replicate of each number lies from the number itself, NaN where it is undefined.
///
/// Deviations are f32: percentiles need three digits and memory is what limits scale.
pub struct Replicates {
    n: usize,
    points: Vec<f64>,
    deviations: Vec<f32>,
}

impl Replicates {
    /// Replicates per number.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The numbers themselves, NaN where undefined.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// Deviations of the k-th number.
    pub fn of(&self, k: usize) -> &[f32] {
        &self.deviations[k * self.n..][..self.n]
    }
}

/// How replicates weigh clusters.
#[derive(Debug, Clone, Copy)]
pub enum Scheme<'a> {
    Bootstrap(&'a Draws),
    Jackknife(&'a Clusters),
}

impl Scheme<'_> {
    fn weights(self, first: usize, out: &mut Vec<[f32; LANES]>) {
        match self {
            Scheme::Bootstrap(draws) => draws.weights(first, out),
            Scheme::Jackknife(clusters) => clusters.jackknife(first, out),
        }
    }
}

/// Evaluates a program on `n` resamples (for the jackknife: one per group); `done(k)` is called after k
/// more of them. The result depends on neither threads nor, but for its length, on `n`.
pub fn resample(program: &Program, scheme: Scheme<'_>, n: usize, done: &mut dyn FnMut(u64)) -> Replicates {
    let points = program.points();
    let mut deviations = vec![f32::NAN; program.n_wanted() * n];
    let starts: Vec<usize> = (0..n).step_by(LANES).collect();
    // A few blocks at a time, so that progress can be told from this thread and blocks need little memory.
    for blocks in starts.chunks(2 * TOGETHER * rayon::current_num_threads().max(1)) {
        let computed: Vec<Vec<[f64; LANES]>> = blocks
            .par_chunks(TOGETHER)
            .map_init(
                || (Buffers::default(), vec![Vec::new(); TOGETHER]),
                |(buffers, weights), starts| {
                    starts.iter().zip(weights.iter_mut()).for_each(|(first, weights)| scheme.weights(*first, weights));
                    program.replicates(&weights[..starts.len()], buffers)
                },
            )
            .flatten_iter()
            .collect();
        let first = blocks[0];
        let width = (n - first).min(blocks.len() * LANES);
        deviations.par_chunks_mut(n.max(1)).zip(&points).enumerate().for_each(|(k, (row, point))| {
            let lanes = computed.iter().flat_map(|block| &block[k]);
            for (place, value) in row[first..first + width].iter_mut().zip(lanes) {
                *place = (value - point) as f32;
            }
        });
        done(width as u64);
    }
    Replicates { n, points, deviations }
}
