//! Replicates of a program's numbers.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::LANES;
use crate::clusters::Clusters;
use crate::draws::{Draws, Weights};
use crate::left_out::LeftOut;
use crate::matrix::Sums;
use crate::product::Segments;
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

    /// Its memory, for [`resample_in`].
    pub fn memory(self) -> Vec<f32> {
        self.deviations
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

/// Evaluates a program on `n` resamples (for the jackknife: one per group); `done(k)` is called after k
/// more of them. The result depends on neither threads nor, but for its length, on `n`.
pub fn resample(program: &Program, scheme: Scheme<'_>, n: usize, done: &mut dyn FnMut(u64)) -> Replicates {
    resample_in(Vec::new(), program, scheme, n, done)
}

/// The same in memory that held other [`Replicates`]: what is fresh costs as much as half of a product.
pub fn resample_in(
    memory: Vec<f32>,
    program: &Program,
    scheme: Scheme<'_>,
    n: usize,
    done: &mut dyn FnMut(u64),
) -> Replicates {
    let points = program.points();
    let size = program.n_wanted() * n;
    let mut deviations = memory;
    if deviations.capacity() < size {
        deviations = vec![0.0; size];
    } else {
        deviations.resize(size, 0.0);
    }
    let starts: Vec<usize> = (0..n).step_by(LANES).collect();
    let scheme = match scheme {
        Scheme::Bootstrap(draws) => Ready::Bootstrap(draws, program.segments(draws.worth())),
        Scheme::Jackknife(clusters) => Ready::Jackknife(program.left_out(clusters)),
    };
    let compute = |buffers: &mut Buffers, weights: &mut [Weights], starts: &[usize]| match &scheme {
        Ready::Bootstrap(draws, segments) => {
            starts.iter().zip(weights.iter_mut()).for_each(|(first, weights)| draws.block(*first, weights));
            program.replicates(&weights[..starts.len()], segments, &points, buffers)
        }
        Ready::Jackknife(left_out) => {
            buffers.sums.resize(1, Sums::default());
            let of_block = |first: &usize| {
                left_out.sums(*first, &mut buffers.sums[0]);
                program.deviations(&buffers.sums[0], &points, &mut buffers.values)
            };
            starts.iter().map(of_block).collect()
        }
    };
    // What threads need, to be used again.
    let spare: Mutex<Vec<(Buffers, Vec<Weights>)>> = Mutex::default();
    let taken = || spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let in_spare = |starts: &[usize]| {
        let (mut buffers, mut weights) =
            taken().unwrap_or_else(|| (Buffers::default(), vec![Weights::default(); TOGETHER]));
        let computed = compute(&mut buffers, &mut weights, starts);
        spare.lock().unwrap_or_else(PoisonError::into_inner).push((buffers, weights));
        computed
    };
    // Some blocks at a time, so that progress can be told from this thread and blocks need little memory.
    for blocks in starts.chunks(4 * TOGETHER * rayon::current_num_threads().max(1)) {
        let computed: Vec<Vec<[f32; LANES]>> = blocks.par_chunks(TOGETHER).flat_map_iter(&in_spare).collect();
        let first = blocks[0];
        let width = (n - first).min(blocks.len() * LANES);
        deviations.par_chunks_mut(n.max(1)).enumerate().for_each(|(k, row)| {
            let lanes = computed.iter().flat_map(|block| &block[k]);
            row[first..first + width].iter_mut().zip(lanes).for_each(|(place, deviation)| *place = *deviation);
        });
        done(width as u64);
    }
    Replicates { n, points, deviations }
}

/// What a scheme needs for a program.
enum Ready<'a> {
    Bootstrap(&'a Draws, Segments),
    Jackknife(LeftOut<'a>),
}
