//! Columns laid out for multiplication: in order of their clusters, cut into pieces, what credits lack in their place.
//!
//! Pieces stand in order of their clusters, so that the weights of the clusters at hand are read from the first-level cache by
//! all pieces of them.

use std::collections::HashMap;
use std::ops::Range;

use crate::LANES;
use crate::columns::{ColumnId, Columns};

/// Some columns, ready to be multiplied, in pieces.
#[derive(Debug, Default)]
pub struct Matrix {
    /// Where each piece's entries begin; one more at the end.
    pub(crate) starts: Vec<u32>,
    pub(crate) clusters: Vec<u32>,
    pub(crate) values: Vec<f32>,
    /// To which of the caller's sums each piece adds.
    places: Vec<u32>,
    /// Whether all of a piece's entries are 1, as counts of items are.
    pub(crate) ones: Vec<bool>,
    /// Where a column's own sum is kept for its complements, or [`NONE`]; such columns are not cut.
    kept_at: Vec<u32>,
    /// Where to find the sum that a column's entries are missing from, or [`NONE`] where they are the column itself.
    missing_from: Vec<u32>,
    n_sums: usize,
    n_kept: usize,
}

const NONE: u32 = u32::MAX;

/// Clusters whose weights surely stay in the first-level cache.
const NEAR: u32 = 256;
/// Entries that are not cut further.
const PIECE: usize = 64;

/// What a matrix gives for one block of weights.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// A piece's sum is f32 and the same whatever stands beside it; sums of pieces are f64, in which the order of adding
    /// leaves no trace.
    pub sums: Vec<[f64; LANES]>,
    kept: Vec<[f64; LANES]>,
}

/// Entries that are multiplied in one go.
struct Piece {
    /// The cluster by which it is put in order.
    begins: u32,
    missing_from: u32,
    kept_at: u32,
    /// The sum it adds to.
    to: u32,
    range: Range<usize>,
}

impl Matrix {
    /// `sums[k]` is the sum to which `chosen[k]` adds, of `n_sums`. `shares` are pairs of places in `chosen`, credits of items
    /// and the items: where most items have full credit, what is missing is multiplied instead.
    pub fn new(columns: &Columns, chosen: &[ColumnId], sums: &[u32], n_sums: usize, shares: &[[u32; 2]]) -> Self {
        let column = |at: u32| columns.column(chosen[at as usize]);
        let mut kept_at = vec![NONE; chosen.len()];
        let mut n_kept = 0;
        // By column: its items, and what their credits lack.
        let mut complements: HashMap<u32, (u32, Vec<(u32, f32)>)> = HashMap::new();
        for [credit, items] in shares {
            // Where all items have full credit, the columns are one.
            let taken = complements.contains_key(credit) || complements.contains_key(items);
            if credit == items || taken || kept_at[*credit as usize] != NONE {
                continue;
            }
            if let Some(missing) = missing(column(*credit), column(*items)) {
                complements.insert(*credit, (*items, missing));
                if kept_at[*items as usize] == NONE {
                    kept_at[*items as usize] = n_kept as u32;
                    n_kept += 1;
                }
            }
        }
        // Entries sum by sum, and the pieces of them: where they begin, after what they are missing from, and which they are.
        let mut entries: (Vec<u32>, Vec<f32>) = (Vec::new(), Vec::new());
        let mut pieces: Vec<Piece> = Vec::with_capacity(chosen.len());
        let mut order: Vec<u32> = (0..chosen.len() as u32).collect();
        order.sort_by_key(|at| (sums[*at as usize], column(*at).0.first().copied()));
        for of_sum in order.chunk_by(|a, b| sums[*a as usize] == sums[*b as usize]) {
            let to = sums[of_sum[0] as usize];
            let mut whole =
                |entries: &mut (Vec<u32>, Vec<f32>), begins: u32, missing_from: u32, kept_at: u32, n: usize| {
                    let end = entries.0.len();
                    pieces.push(Piece { begins, missing_from, kept_at, to, range: end - n..end });
                };
            for at in of_sum {
                let (clusters, values) = column(*at);
                if let Some((items, missing)) = complements.get(at) {
                    entries.0.extend(missing.iter().map(|(cluster, _)| *cluster));
                    entries.1.extend(missing.iter().map(|(_, value)| *value));
                    let begins = column(*items).0.first().copied().unwrap_or(0);
                    whole(&mut entries, begins, kept_at[*items as usize], NONE, missing.len());
                } else if kept_at[*at as usize] != NONE {
                    entries.0.extend_from_slice(clusters);
                    entries.1.extend_from_slice(values);
                    let begins = clusters.first().copied().unwrap_or(0);
                    whole(&mut entries, begins, NONE, kept_at[*at as usize], clusters.len());
                }
            }
            // The others add to the sum alike: they follow each other as if they were one.
            let mut begin = entries.0.len();
            let others = |at: &&u32| !complements.contains_key(*at) && kept_at[**at as usize] == NONE;
            for at in of_sum.iter().filter(others) {
                entries.0.extend_from_slice(column(*at).0);
                entries.1.extend_from_slice(column(*at).1);
            }
            let mut end = begin;
            for near in entries.0[begin..].chunk_by(|a, b| a / NEAR == b / NEAR) {
                end += near.len();
                if end - begin >= PIECE || end == entries.0.len() {
                    let (begins, range) = (entries.0[begin], begin..end);
                    pieces.push(Piece { begins, missing_from: NONE, kept_at: NONE, to, range });
                    begin = end;
                }
            }
        }
        // A complement stands after what it is missing from, which begins no later.
        pieces.sort_by_key(|piece| (piece.begins, piece.missing_from != NONE));
        let mut matrix = Matrix { starts: vec![0], n_sums, n_kept, ..Matrix::default() };
        for piece in pieces {
            let (clusters, values) = (&entries.0[piece.range.clone()], &entries.1[piece.range]);
            matrix.clusters.extend_from_slice(clusters);
            matrix.values.extend_from_slice(values);
            matrix.starts.push(matrix.clusters.len() as u32);
            matrix.ones.push(values.iter().all(|value| *value == 1.0));
            matrix.missing_from.push(piece.missing_from);
            matrix.kept_at.push(piece.kept_at);
            matrix.places.push(piece.to);
        }
        matrix
    }

    pub fn n_pieces(&self) -> usize {
        self.places.len()
    }

    /// Clusters and values of a piece: a column's own entries, or what they lack to those of another.
    pub fn entries(&self, piece: usize) -> (&[u32], &[f32]) {
        let range = self.starts[piece] as usize..self.starts[piece + 1] as usize;
        (&self.clusters[range.clone()], &self.values[range])
    }

    /// Whether a piece's entries are what is missing from another's.
    pub fn is_complement(&self, piece: usize) -> bool {
        self.missing_from[piece] != NONE
    }

    /// Empties the sums.
    pub fn begin(&self, out: &mut Sums) {
        out.sums.clear();
        out.sums.resize(self.n_sums, [0.0; LANES]);
        out.kept.clear();
        out.kept.resize(self.n_kept, [0.0; LANES]);
    }

    /// Adds what the entries of a piece sum up to where it belongs. Pieces come in order.
    #[inline(always)]
    pub fn add(&self, piece: usize, sums: &[f64; LANES], out: &mut Sums) {
        let place = &mut out.sums[self.places[piece] as usize];
        if self.missing_from[piece] != NONE {
            let whole = &out.kept[self.missing_from[piece] as usize];
            for lane in 0..LANES {
                place[lane] += whole[lane] - sums[lane];
            }
            return;
        }
        if self.kept_at[piece] != NONE {
            out.kept[self.kept_at[piece] as usize] = *sums;
        }
        for lane in 0..LANES {
            place[lane] += sums[lane];
        }
    }
}

/// What the credits of some items lack to one each; `None` where that is no shorter, or where they are no credits of these items:
/// items count once and stand in order, and so do credits.
fn missing(credits: (&[u32], &[f32]), items: (&[u32], &[f32])) -> Option<Vec<(u32, f32)>> {
    let rising = |clusters: &[u32]| clusters.windows(2).all(|pair| pair[0] < pair[1]);
    let full = credits.1.iter().filter(|value| **value == 1.0).count();
    if items.0.len() - full.min(items.0.len()) >= credits.0.len() || items.1.iter().any(|value| *value != 1.0) {
        return None;
    }
    if !rising(credits.0) || !rising(items.0) {
        return None;
    }
    let mut found = Vec::new();
    let mut credit = credits.0.iter().zip(credits.1).peekable();
    for item in items.0 {
        match credit.next_if(|(cluster, _)| *cluster == item) {
            Some((_, value)) if *value == 1.0 => {}
            Some((_, value)) => found.push((*item, 1.0 - value)),
            None => found.push((*item, 1.0)),
        }
    }
    credit.next().is_none().then_some(found)
}
