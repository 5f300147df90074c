//! Batches computed side by side, each on one thread of its own.
//!
//! libtorch would split every operation over the cores and let them wait for each other after each: a
//! forward pass of a batch that fits the cache is hundreds of such waits. Whole batches side by side
//! need none, and a batch's rewards are the same bits whatever the number of cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tch::Device;

use crate::device;

/// How many batches go side by side on a device.
pub fn count(device: Device, n_batches: usize) -> usize {
    if device == Device::Cpu { device::threads().min(n_batches).max(1) } else { 1 }
}

/// Calls `compute` with 0..`n` on `workers` threads, lower numbers first, and `take` with every result on
/// the calling thread, in the order they are finished. After an error no further work is begun; of several
/// errors the one with the lowest number is returned.
pub fn run<T: Send, E: Send>(
    workers: usize,
    n: usize,
    compute: impl Fn(usize) -> Result<T, E> + Sync,
    mut take: impl FnMut(usize, T),
) -> Result<(), E> {
    if workers < 2 {
        return (0..n).try_for_each(|index| compute(index).map(|result| take(index, result)));
    }
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<(usize, E)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..workers {
            let (sender, compute, next, failed) = (sender.clone(), &compute, &next, &failed);
            scope.spawn(move || {
                tch::set_num_threads(1);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= n {
                        break;
                    }
                    match compute(index) {
                        Ok(result) => {
                            let _gone = sender.send((index, result));
                        }
                        Err(error) => {
                            next.store(n, Ordering::Relaxed);
                            let mut first = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                            if first.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                                *first = Some((index, error));
                            }
                        }
                    }
                }
            });
        }
        drop(sender);
        for (index, result) in results {
            take(index, result);
        }
    });
    match failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::RewardError;

    #[test]
    fn every_number_once_whatever_the_workers() {
        for workers in [1, 3] {
            let mut taken = [0; 20];
            run(workers, 20, |i| Ok::<_, RewardError>(i * i), |i, square| taken[i] += square + 1).unwrap();
            assert!(taken.iter().enumerate().all(|(i, &found)| found == i * i + 1));
            run(workers, 0, |_| Ok::<_, RewardError>(()), |_, ()| panic!("there is no work")).unwrap();
        }
    }

    #[test]
    fn the_first_error_by_number_ends_the_work() {
        for workers in [1, 3] {
            let mut taken = Vec::new();
            let compute = |i| if i < 5 { Ok(i) } else { Err(RewardError::Model(format!("no {i}"))) };
            let error = run(workers, 1000, compute, |_, i| taken.push(i)).unwrap_err();
            assert_eq!(error.to_string(), "no 5");
            taken.sort_unstable();
            assert_eq!(taken, [0, 1, 2, 3, 4]);
        }
    }
}
