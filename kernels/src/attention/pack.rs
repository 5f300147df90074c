//! Keys and values of one tree and key head, laid out as the tiles read them.

use super::{Heads, Operand, Piece};
use crate::lanes::Lanes;

/// Panels of words. With `DOT` a word is two bf16, else an f32.
pub struct Packed {
    width: usize,
    /// Where the keys of each piece begin.
    pub offsets: Vec<usize>,
    /// Keys, transposed: panels of [`Packed::key_panel`] keys, each [words of a head, key].
    pub keys: Vec<f32>,
    pub key_panel: usize,
    pub key_words: usize,
    /// Values: panels of [`Packed::value_panel`] columns, each [words of the keys, column].
    pub values: Vec<f32>,
    pub value_panel: usize,
    /// Words from one panel of values to the next.
    pub value_stride: usize,
}

impl Packed {
    pub fn new<L: Lanes, const DOT: bool>(width: usize) -> Self {
        let full = L::COLS * L::N;
        Self {
            width,
            offsets: Vec::new(),
            keys: Vec::new(),
            key_panel: full,
            key_words: width / per_word(DOT),
            values: Vec::new(),
            value_panel: full.min(width.next_multiple_of(L::N)),
            value_stride: 0,
        }
    }

    /// Packs one key head of a tree. Every piece begins with a vector; keys and columns beyond the last are
    /// zero.
    #[inline(always)]
    pub unsafe fn fill<L: Lanes, T: Operand, const DOT: bool>(
        &mut self,
        k: Heads<T>,
        v: Heads<T>,
        pieces: &[Piece],
        group: usize,
    ) {
        self.offsets.clear();
        let mut n = 0;
        for piece in pieces {
            self.offsets.push(n);
            n += piece.keys.len().next_multiple_of(L::N);
        }
        // Tiles of keys read whole panels' rows.
        let n = n.next_multiple_of(self.key_panel);
        self.keys.clear();
        self.keys.resize(n * self.key_words, 0.0);
        self.value_stride = n / per_word(DOT) * self.value_panel;
        self.values.clear();
        self.values.resize(self.width.div_ceil(self.value_panel) * self.value_stride, 0.0);
        for (piece, offset) in pieces.iter().zip(self.offsets.clone()) {
            self.fill_keys::<L, T, DOT>(k, piece, offset, group);
            self.fill_values::<T, DOT>(v, piece, offset, group);
        }
    }

    /// As many keys at a time as a vector holds: their numbers are read in turn and written side by side.
    #[inline(always)]
    fn fill_keys<L: Lanes, T: Operand, const DOT: bool>(
        &mut self,
        k: Heads<T>,
        piece: &Piece,
        offset: usize,
        group: usize,
    ) {
        let panel = self.key_panel;
        for first in (0..piece.keys.len()).step_by(L::N) {
            let n = L::N.min(piece.keys.len() - first);
            let key = offset + first;
            let to = &mut self.keys[key / panel * self.key_words * panel + key % panel..];
            let head = |at: usize| k.head(piece.keys.start + first + at, group, self.width);
            // The last key stands in for those beyond it, whose columns nobody sees.
            let rows: [&[T]; 16] = std::array::from_fn(|at| head(at.min(n - 1)));
            for (word_index, to) in to.chunks_mut(panel).take(self.key_words).enumerate() {
                for (to, row) in to[..n].iter_mut().zip(&rows) {
                    *to =
                        if DOT { word(row[2 * word_index], row[2 * word_index + 1]) } else { row[word_index].to_f32() };
                }
            }
        }
    }

    #[inline(always)]
    fn fill_values<T: Operand, const DOT: bool>(&mut self, v: Heads<T>, piece: &Piece, offset: usize, group: usize) {
        let zeros = vec![T::default(); self.width];
        for key in (0..piece.keys.len()).step_by(per_word(DOT)) {
            let row = piece.keys.start + key;
            let one = v.head(row, group, self.width);
            let two = if key + 1 < piece.keys.len() { v.head(row + 1, group, self.width) } else { &zeros };
            let first = (offset + key) / per_word(DOT) * self.value_panel;
            for (panel, (one, two)) in one.chunks(self.value_panel).zip(two.chunks(self.value_panel)).enumerate() {
                let to = &mut self.values[panel * self.value_stride + first..][..one.len()];
                if DOT {
                    to.iter_mut().zip(one).zip(two).for_each(|((to, one), two)| *to = word(*one, *two));
                } else {
                    to.iter_mut().zip(one).for_each(|(to, x)| *to = x.to_f32());
                }
            }
        }
    }
}

/// Numbers in a word.
#[inline(always)]
pub const fn per_word(dot: bool) -> usize {
    if dot { 2 } else { 1 }
}

/// Two bf16 in one word, the first in the lower half.
#[inline(always)]
fn word<T: Operand>(one: T, two: T) -> f32 {
    let half = |x: T| x.to_f32().to_bits() >> 16;
    f32::from_bits(half(one) | half(two) << 16)
}
