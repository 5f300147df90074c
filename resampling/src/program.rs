//! What is computed from sums: numbers, each a function of sums or of numbers before it.

use std::sync::Arc;

use std::collections::HashMap;

use crate::LANES;
use crate::clusters::Clusters;
use crate::columns::{ColumnId, Columns};
use crate::draws::Weights;
use crate::left_out::LeftOut;
use crate::matrix::{Matrix, Sums};
use crate::product::Segments;

/// A pure function of sums; NaN where it is undefined.
pub type Function = Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// Operands are places of earlier numbers, columns places among the program's columns.
#[derive(Clone)]
pub enum Op {
    Given(f64),
    /// Σ first / Σ second over the pooled (first, second) columns; undefined where the second sum is 0.
    Ratio(Vec<[u32; 2]>),
    /// Of the pooled columns, `width` after `width`.
    Function {
        function: Function,
        width: usize,
        columns: Vec<u32>,
    },
    /// Σ w x.
    Mean(Vec<(f64, u32)>),
    Difference(u32, u32),
    /// Sample variance (n − 1); undefined for fewer than two.
    Variance(Vec<u32>),
    Root(u32),
    Scaled(f64, u32),
    /// The largest; undefined where one of them is.
    Largest(Vec<u32>),
    /// a / b; undefined unless b is positive.
    Quotient(u32, u32),
}

impl Op {
    /// Of how many sums it is a function.
    fn width(&self) -> usize {
        if let Op::Function { width, .. } = self { *width } else { 0 }
    }

    /// At how many places it adds columns up.
    fn places(&self) -> usize {
        if let Op::Ratio(_) = self { 2 } else { self.width() }
    }

    /// The columns that are added up at a place.
    fn added_at(&self, place: usize) -> impl Iterator<Item = u32> + '_ {
        let (ratio, function) = match self {
            Op::Ratio(cells) => (cells.as_slice(), None),
            Op::Function { width, columns, .. } => (&[][..], Some((*width, columns))),
            _ => (&[][..], None),
        };
        let of_ratio = ratio.iter().map(move |cell| cell[place]);
        of_ratio
            .chain(function.into_iter().flat_map(move |(width, all)| all.iter().skip(place).step_by(width)).copied())
    }
}

/// Numbers that are evaluated together, one after the other, on many sets of sums.
pub struct Program {
    matrix: Matrix,
    totals: Vec<f64>,
    ops: Vec<Op>,
    wanted: Vec<u32>,
    max_width: usize,
}

impl Program {
    /// `columns` are the columns that the operations number; `wanted` the places of operations whose values
    /// are kept.
    pub fn new(all: &Columns, columns: &[ColumnId], ops: Vec<Op>, wanted: Vec<u32>) -> Self {
        let mut ops = ops;
        let ratios = ops.iter().filter_map(|op| if let Op::Ratio(cells) = op { Some(cells) } else { None });
        let shares: Vec<[u32; 2]> = ratios.flatten().copied().collect();
        let (sums, n_sums) = merged(&mut ops, columns.len());
        let mut program = Self::of_totals(all, &[], ops, wanted);
        program.totals = vec![0.0; n_sums];
        columns.iter().zip(&sums).for_each(|(id, sum)| program.totals[*sum as usize] += all.totals()[*id as usize]);
        Self { matrix: Matrix::new(all, columns, &sums, n_sums, &shares), ..program }
    }

    /// The same for [`points`](Self::points) alone, which need no columns: these are not copied.
    pub fn of_totals(all: &Columns, columns: &[ColumnId], ops: Vec<Op>, wanted: Vec<u32>) -> Self {
        let totals = columns.iter().map(|id| all.totals()[*id as usize]).collect();
        let max_width = ops.iter().map(Op::width).max().unwrap_or(0);
        Self { matrix: Matrix::default(), totals, max_width, ops, wanted }
    }

    /// How many values are kept.
    pub fn n_wanted(&self) -> usize {
        self.wanted.len()
    }

    /// Values of the wanted numbers on the total sums, NaN where undefined.
    pub fn points(&self) -> Vec<f64> {
        let mut values = Vec::new();
        let totals: Vec<[f64; 1]> = self.totals.iter().map(|total| [*total]).collect();
        self.evaluate(&totals, &mut values);
        self.wanted.iter().map(|place| values[*place as usize][0]).collect()
    }

    /// Where draws that weigh `worth` each can be counted.
    pub(crate) fn segments(&self, worth: &[f32]) -> Segments {
        self.matrix.segments(worth)
    }

    /// For the jackknife.
    pub(crate) fn left_out(&self, clusters: &Clusters) -> LeftOut<'_> {
        LeftOut::new(&self.matrix, clusters)
    }

    /// Multiplies and evaluates; by block of weights how far the wanted numbers lie from `points`, a row of lanes each.
    pub(crate) fn replicates(
        &self,
        weights: &[Weights],
        segments: &Segments,
        points: &[f64],
        buffers: &mut Buffers,
    ) -> Vec<Vec<[f32; LANES]>> {
        buffers.sums.resize(weights.len(), Sums::default());
        self.matrix.multiply(weights, segments, &mut buffers.sums);
        let Buffers { sums, values } = buffers;
        sums.iter().map(|of_block| self.deviations(of_block, points, values)).collect()
    }

    /// The same from sums that are there.
    pub(crate) fn deviations(
        &self,
        of_block: &Sums,
        points: &[f64],
        values: &mut Vec<[f64; LANES]>,
    ) -> Vec<[f32; LANES]> {
        self.evaluate(&of_block.sums, values);
        let wanted = self.wanted.iter().zip(points);
        let deviation = |(place, point): (&u32, &f64)| {
            let mut row = [0.0; LANES];
            for (deviation, value) in row.iter_mut().zip(&values[*place as usize]) {
                *deviation = (value - point) as f32;
            }
            row
        };
        wanted.map(deviation).collect()
    }

    /// Every number on these sums. Compiled for several sets of vector instructions, which all give the same bits.
    fn evaluate<const N: usize>(&self, sums: &[[f64; N]], values: &mut Vec<[f64; N]>) {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.evaluate_avx512(sums, values) };
            }
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.evaluate_avx2(sums, values) };
            }
        }
        self.evaluate_here(sums, values);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn evaluate_avx512<const N: usize>(&self, sums: &[[f64; N]], values: &mut Vec<[f64; N]>) {
        self.evaluate_here(sums, values);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn evaluate_avx2<const N: usize>(&self, sums: &[[f64; N]], values: &mut Vec<[f64; N]>) {
        self.evaluate_here(sums, values);
    }

    #[inline(always)]
    fn evaluate_here<const N: usize>(&self, sums: &[[f64; N]], values: &mut Vec<[f64; N]>) {
        values.resize(self.ops.len(), [0.0; N]);
        let mut pooled = vec![[0.0; N]; self.max_width];
        let mut own = vec![0.0; self.max_width];
        for (place, op) in self.ops.iter().enumerate() {
            // Operands stand before what is made of them.
            let (values, rest) = values.split_at_mut(place);
            let Some(out) = rest.first_mut() else { return };
            match op {
                Op::Given(value) => *out = [*value; N],
                Op::Ratio(cells) => {
                    let (mut first, mut second) = ([0.0; N], [0.0; N]);
                    for [a, b] in cells {
                        let (a, b) = (&sums[*a as usize], &sums[*b as usize]);
                        for lane in 0..N {
                            first[lane] += a[lane];
                            second[lane] += b[lane];
                        }
                    }
                    // 0/0 is NaN, as undefined numbers are here.
                    for lane in 0..N {
                        out[lane] = first[lane] / if second[lane] > 0.0 { second[lane] } else { f64::NAN };
                    }
                }
                Op::Function { function, width, columns } => {
                    let pooled = &mut pooled[..*width];
                    pooled.fill([0.0; N]);
                    for cell in columns.chunks_exact((*width).max(1)) {
                        for (total, column) in pooled.iter_mut().zip(cell) {
                            let column = &sums[*column as usize];
                            for lane in 0..N {
                                total[lane] += column[lane];
                            }
                        }
                    }
                    let own = &mut own[..*width];
                    for lane in 0..N {
                        for (value, pooled) in own.iter_mut().zip(&*pooled) {
                            *value = pooled[lane];
                        }
                        out[lane] = function(own);
                    }
                }
                Op::Mean(parts) if parts.is_empty() => *out = [f64::NAN; N],
                Op::Mean(parts) => {
                    let mut sum = [0.0; N];
                    for (weight, part) in parts {
                        let part = &values[*part as usize];
                        for lane in 0..N {
                            sum[lane] += weight * part[lane];
                        }
                    }
                    *out = sum;
                }
                Op::Difference(a, b) => {
                    let (a, b) = (&values[*a as usize], &values[*b as usize]);
                    for lane in 0..N {
                        out[lane] = a[lane] - b[lane];
                    }
                }
                Op::Variance(parts) if parts.len() < 2 => *out = [f64::NAN; N],
                Op::Variance(parts) => {
                    let n = parts.len() as f64;
                    for (lane, out) in out.iter_mut().enumerate() {
                        let part = |place: &u32| values[*place as usize][lane];
                        let mean = parts.iter().map(part).sum::<f64>() / n;
                        *out = parts.iter().map(|place| (part(place) - mean).powi(2)).sum::<f64>() / (n - 1.0);
                    }
                }
                Op::Root(place) => *out = values[*place as usize].map(f64::sqrt),
                Op::Scaled(factor, place) => *out = values[*place as usize].map(|value| factor * value),
                Op::Largest(parts) => {
                    for (lane, out) in out.iter_mut().enumerate() {
                        let all = parts.iter().map(|place| values[*place as usize][lane]);
                        *out = all
                            .fold(f64::NEG_INFINITY, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) });
                    }
                }
                Op::Quotient(a, b) => {
                    let (a, b) = (&values[*a as usize], &values[*b as usize]);
                    for lane in 0..N {
                        out[lane] = if b[lane] > 0.0 { a[lane] / b[lane] } else { f64::NAN };
                    }
                }
            }
        }
    }
}

/// Columns that are only ever added together become one sum: operations are rewritten to name sums; returned are the sum of
/// each of `n` columns and how many sums there are.
///
/// Columns part where an operation adds one and not the other, at another place or another number of times: those that are
/// left together are added alike everywhere. An operation that adds more sums at one place than at another gets the last
/// sum there, which stays empty.
fn merged(ops: &mut [Op], n: usize) -> (Vec<u32>, usize) {
    let mut class = vec![0u32; n];
    let mut n_classes = 1u32;
    // By class before: the class of those that are added here (once more).
    let mut parted: HashMap<u32, u32> = HashMap::new();
    for op in ops.iter() {
        for place in 0..op.places() {
            parted.clear();
            for column in op.added_at(place) {
                let class = &mut class[column as usize];
                *class = *parted.entry(*class).or_insert_with(|| {
                    n_classes += 1;
                    n_classes - 1
                });
            }
        }
    }
    // Classes that have members, numbered by their first columns.
    let mut first: HashMap<u32, (u32, u32)> = HashMap::new();
    let mut sums = Vec::with_capacity(n);
    for (column, class) in (0..).zip(&class) {
        let next = first.len() as u32;
        sums.push(first.entry(*class).or_insert((column, next)).1);
    }
    let empty = first.len() as u32;
    for op in ops.iter_mut() {
        // A class is added wherever its first column is.
        let of_place = |place: usize| -> Vec<u32> {
            let firsts = op.added_at(place).filter(|column| first[&class[*column as usize]].0 == *column);
            firsts.map(|column| sums[column as usize]).collect()
        };
        let places: Vec<Vec<u32>> = (0..op.places()).map(of_place).collect();
        let longest = places.iter().map(Vec::len).max().unwrap_or(0);
        let sum = |cell: usize, place: usize| places[place].get(cell).copied().unwrap_or(empty);
        match op {
            Op::Ratio(cells) => *cells = (0..longest).map(|cell| [sum(cell, 0), sum(cell, 1)]).collect(),
            Op::Function { width, columns, .. } => {
                *columns = (0..longest)
                    .flat_map(|cell| (0..*width).map(move |place| (cell, place)))
                    .map(|(cell, place)| sum(cell, place))
                    .collect();
            }
            _ => {}
        }
    }
    (sums, empty as usize + 1)
}

/// Memory that a thread uses again for every block.
#[derive(Default)]
pub(crate) struct Buffers {
    pub sums: Vec<Sums>,
    pub values: Vec<[f64; LANES]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_hand() {
        let mut columns = Columns::default();
        let right = columns.insert(&[(0, 1.0), (1, 0.5)]);
        let all = columns.insert(&[(0, 1.0), (1, 1.0)]);
        let none = columns.insert(&[]);
        let product: Function = Arc::new(|sums| sums[0] * sums[1]);
        let ops = vec![
            Op::Ratio(vec![[0, 1]]),
            Op::Given(0.25),
            Op::Difference(0, 1),
            Op::Mean(vec![(0.5, 0), (0.5, 1)]),
            Op::Variance(vec![0, 1]),
            Op::Root(4),
            Op::Scaled(10.0, 2),
            Op::Function { function: product, width: 2, columns: vec![0, 1, 0, 1] },
            Op::Largest(vec![0, 1, 6]),
            Op::Quotient(0, 1),
            Op::Ratio(vec![[2, 2]]),
            Op::Mean(Vec::new()),
            Op::Variance(vec![0]),
            Op::Largest(vec![0, 10]),
            Op::Quotient(0, 10),
            Op::Given(-1.0),
            Op::Quotient(0, 15),
        ];
        let wanted = (0..ops.len() as u32).collect();
        let points = Program::new(&columns, &[right, all, none], ops, wanted).points();
        assert_eq!(points[..4], [0.75, 0.25, 0.5, 0.5]);
        assert_eq!(points[4..8], [0.125, 0.125f64.sqrt(), 5.0, 12.0]);
        assert_eq!(points[8..10], [5.0, 3.0]);
        assert_eq!(points[15], -1.0);
        assert!(points[10..15].iter().chain(&points[16..]).all(|x| x.is_nan()));
    }

    /// Two cells pooled and alone, a column twice in one sum, sums of different numbers of columns.
    #[test]
    fn what_is_only_added_together_is_one_sum() {
        let mut columns = Columns::default();
        let ids: Vec<ColumnId> = (0..8).map(|at| columns.insert(&[(at, 1.0 + f64::from(at))])).collect();
        let difference: Function = Arc::new(|sums| sums[0] - 10.0 * sums[1]);
        let ops = vec![
            Op::Ratio(vec![[0, 1], [2, 3], [4, 3]]),
            Op::Ratio(vec![[0, 1]]),
            Op::Function { function: difference, width: 2, columns: vec![5, 6, 7, 6] },
        ];
        let mut rewritten = ops.clone();
        let (sums, n) = merged(&mut rewritten, 8);
        // 2 and 4 are one sum, 5 and 7 another; 3 and 6 are added twice.
        assert_eq!((sums, n), (vec![0, 1, 2, 3, 2, 4, 5, 4], 7));
        let Op::Ratio(cells) = &rewritten[0] else { unreachable!() };
        assert_eq!(cells, &[[0, 1], [2, 3], [6, 3]]);
        let Op::Function { columns: of_function, .. } = &rewritten[2] else { unreachable!() };
        assert_eq!(of_function, &[4, 5, 6, 5]);
        let whole = Program::of_totals(&columns, &ids, ops.clone(), vec![0, 1, 2]).points();
        assert_eq!(whole, [(1.0 + 3.0 + 5.0) / (2.0 + 4.0 + 4.0), 0.5, 6.0 + 8.0 - 10.0 * 14.0]);
        let program = Program::new(&columns, &ids, ops, vec![0, 1, 2]);
        assert_eq!(program.points(), whole);
        let weights = [1.0, 2.0].map(|weight| Weights { rows: vec![[weight; LANES]; 8], ..Weights::default() });
        let found = program.replicates(&weights, &program.segments(&[1.0; 8]), &[0.0; 3], &mut Buffers::default());
        let at_lane = |block: usize| found[block].iter().map(|row| f64::from(row[5])).collect::<Vec<_>>();
        assert!(at_lane(0).iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-6 * b.abs()));
        assert_eq!(at_lane(1)[1..], [whole[1], 2.0 * whole[2]]);
    }
}
