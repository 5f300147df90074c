use std::process::ExitCode;

fn main() -> ExitCode {
    keep_freed_memory();
    // Before anything asks libtorch about devices: it remembers its first answer.
    #[cfg(feature = "torch")]
    rmbench::device::init();
    rmbench::cli::main()
}

/// glibc maps every tensor above 32 MB afresh and gives it back when it is freed, so the kernel zeroes
/// the same pages over and over: up to a third of the time of large layers. Kept in the heap they are
/// reused, at a peak some 15 % higher.
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two integers; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
