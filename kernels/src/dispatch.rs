//! From a level found at run time to code compiled for it.

use crate::Level;
use crate::lanes::{Lanes, Portable};

/// Work that is written once for all levels.
pub trait Job {
    /// # Safety
    /// The processor has what `L` needs. Implementations are `#[inline(always)]`, so that they are compiled
    /// with the instructions of whoever calls them.
    unsafe fn run<L: Lanes>(&mut self);
}

/// Does the work at a level.
///
/// # Panics
/// If the level is not this machine's.
pub fn dispatch(level: Level, job: &mut impl Job) {
    assert!(level.is_available(), "{level:?} is not available on this machine");
    // SAFETY: the level is available.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86::avx2(job),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => x86::avx512(job),
            _ => job.run::<Portable>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Job;
    use crate::x86::{Avx2, Avx512};

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(job: &mut impl Job) {
        // SAFETY: the instructions are enabled here, and the caller knows that they exist.
        unsafe { job.run::<Avx2>() }
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq")]
    pub(super) unsafe fn avx512(job: &mut impl Job) {
        // SAFETY: as above.
        unsafe { job.run::<Avx512<false>>() }
    }
}
