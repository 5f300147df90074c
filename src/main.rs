use std::process::ExitCode;

fn main() -> ExitCode {
    calm_waiting_threads();
    keep_freed_memory();
    // Before anything asks libtorch about devices: it remembers its first answer.
    #[cfg(feature = "torch")]
    rmbench::device::init();
    rmbench::cli::main()
}

/// libtorch's threads wait for each other by spinning for milliseconds. That is fast on idle cores, and
/// ten times slower than one thread where another program wants a core too. A short spin costs little in
/// the first case and nothing in the second. The OpenMP library reads the variable when it is loaded,
/// so the program starts itself once more with it set.
fn calm_waiting_threads() {
    #[cfg(all(feature = "torch", target_os = "linux"))]
    {
        use std::os::unix::process::CommandExt;
        const SPIN: &str = "GOMP_SPINCOUNT";
        let is_chosen = [SPIN, "OMP_WAIT_POLICY"].iter().any(|name| std::env::var_os(name).is_some());
        if let (false, Ok(program)) = (is_chosen, std::env::current_exe()) {
            let mut arguments = std::env::args_os();
            let mut again = std::process::Command::new(program);
            if let Some(name) = arguments.next() {
                again.arg0(name);
            }
            // Returns only where it failed; then things are slower, not wrong.
            let _failed = again.args(arguments).env(SPIN, "1000").exec();
        }
    }
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
