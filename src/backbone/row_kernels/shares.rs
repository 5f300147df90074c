//! Rows shared out among threads.

use std::ops::Range;

/// Numbers from which a second thread is worth its start.
const WORTH: usize = 1 << 16;

/// Ranges of rows of nearly the same size, one for each thread.
pub fn shares(rows: usize, width: usize) -> Vec<Range<usize>> {
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).min(rows * width / WORTH).max(1);
    (0..threads).map(|thread| thread * rows / threads..(thread + 1) * rows / threads).collect()
}

/// An output [rows, width] cut likewise.
pub fn split<'a, T>(mut out: &'a mut [T], shares: &[Range<usize>], width: usize) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(shares.len());
    for share in shares {
        let (part, rest) = out.split_at_mut((share.len() * width).min(out.len()));
        parts.push(part);
        out = rest;
    }
    parts
}

/// Does `work` on every part, each on a thread of its own but for the last.
pub fn in_shares<P: Send, R: Send>(parts: impl Iterator<Item = P>, work: impl Fn(P) -> R + Sync) -> Vec<R> {
    let mut parts: Vec<P> = parts.collect();
    let Some(own) = parts.pop() else { return Vec::new() };
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || work(part))).collect();
        let own = work(own);
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.chain([own]).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_someones() {
        tch::set_num_threads(3);
        let all = shares(1000, 512);
        assert_eq!(all, [0..333, 333..666, 666..1000]);
        let one = |rows: usize, width: usize| shares(rows, width).len();
        assert_eq!((one(0, 512), one(100, 10)), (1, 1));
        let mut out = vec![0usize; 1000 * 2];
        let parts = split(&mut out, &all, 2);
        let lengths = in_shares(all.iter().zip(parts), |(share, part)| {
            part.chunks_mut(2).zip(share.clone()).for_each(|(row, number)| row.fill(number));
            part.len()
        });
        assert_eq!(lengths, [666, 666, 668]);
        assert!(out.chunks(2).enumerate().all(|(number, row)| row == [number; 2]));
    }
}
