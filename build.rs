//! Gives the binary and the tests a run path to libtorch, and records the commit for `--version`.

use std::process::Command;

fn main() {
    // torch-sys tells its direct dependents where it found libtorch. First in the run path comes a
    // directory beside an installed binary, so that a package can bring (or link to) its own libtorch.
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        for dir in ["$ORIGIN/../lib/libtorch", lib.as_str()] {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{dir}");
        }
    }
    println!("cargo::rustc-env=RMBENCH_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo::rerun-if-changed=build.rs");
    for path in [".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The short hash of the checkout that is being built, with `-dirty` where tracked files differ.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short=10", "HEAD"])?;
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if dirty { format!("{hash}-dirty") } else { hash })
}
