//! `rmbench doctor`: what this machine offers, and what is wrong with it.

use super::Outcome;
use super::hint::CliError;
use super::message::Message;
use crate::hub::HubSettings;
use crate::provenance::{COMMIT, VERSION};

pub fn run(message: &mut Message) -> anyhow::Result<Outcome> {
    let mut found = Found::default();
    found.say("rmbench", format!("{VERSION} ({COMMIT})"));
    found.say("system", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    let cores = std::thread::available_parallelism().map_or_else(|_| "unknown".to_owned(), |n| n.to_string());
    found.say("cores", format!("{cores} (analysis uses {} threads)", rayon::current_num_threads()));
    libtorch(&mut found);
    hub(&mut found);
    message.data(&found.text())?;
    if found.problems.is_empty() {
        return Ok(Outcome::Done);
    }
    Err(CliError::new("something is wrong with this machine's set-up", "see the lines that begin with WRONG").into())
}

/// Facts and problems in the order they were found.
#[derive(Default)]
struct Found {
    facts: Vec<(String, String)>,
    problems: Vec<(String, String)>,
}

impl Found {
    fn say(&mut self, name: &str, fact: impl Into<String>) {
        self.facts.push((name.to_owned(), fact.into()));
    }

    fn complain(&mut self, problem: impl Into<String>, hint: impl Into<String>) {
        self.problems.push((problem.into(), hint.into()));
    }

    fn text(&self) -> String {
        let width = self.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut text: String = self.facts.iter().map(|(name, fact)| format!("{name:<width$}  {fact}\n")).collect();
        for (problem, hint) in &self.problems {
            text.push_str(&format!("WRONG  {problem}\n       hint: {hint}\n"));
        }
        text
    }
}

#[cfg(feature = "torch")]
fn libtorch(found: &mut Found) {
    use crate::device::{self, CudaLibrary};
    let report = device::report();
    let place = report.library_dir.map_or_else(|| "place unknown".to_owned(), |dir| format!("`{}`", dir.display()));
    found.say("libtorch", format!("{} in {place}", report.libtorch));
    found.say("threads", format!("{} of {} cores for tensors", report.threads, report.cores));
    match &report.cuda {
        CudaLibrary::Absent => found.say("cuda", "this libtorch is CPU-only"),
        CudaLibrary::Skipped => found.say("cuda", format!("left alone, {}=1 is set", device::NO_CUDA_VARIABLE)),
        CudaLibrary::Loaded(_) if report.cuda_devices > 0 => {
            found.say("cuda", format!("{} devices", report.cuda_devices))
        }
        CudaLibrary::Loaded(path) => {
            found.say("cuda", format!("`{}`, no device", path.display()));
            found.complain("libtorch has CUDA but sees no GPU", "check the driver with `nvidia-smi`");
        }
        CudaLibrary::Failed { path, problem } => {
            found.say("cuda", "not usable");
            let hint = "install the CUDA libraries of this libtorch, or use a CPU-only one";
            found.complain(format!("`{}` does not load: {problem}", path.display()), hint);
        }
    }
    let dtypes = report.dtypes.iter().map(|(name, works, native)| match (works, native) {
        (false, _) => format!("{name} does not work"),
        (true, false) => format!("{name} (emulated, slow)"),
        (true, true) => (*name).to_owned(),
    });
    found.say("dtypes", dtypes.collect::<Vec<_>>().join(", "));
    if report.dtypes.iter().any(|(name, works, _)| *name == "f32" && !works) {
        found.complain("libtorch cannot multiply two matrices", "run `just setup` again: it brings libtorch 2.11");
    }
    if report.threads < report.cores {
        let hint = "unset OMP_NUM_THREADS, or leave it if other jobs need the cores";
        found.say("note", format!("fewer threads than cores; {hint}"));
    }
}

#[cfg(not(feature = "torch"))]
fn libtorch(found: &mut Found) {
    found.say("libtorch", "not in this build: it scores with mock:length and mock:random, and reports");
}

/// Where `hf:ORG/NAME` looks: the hub, and the cache that Python's huggingface_hub uses too.
fn hub(found: &mut Found) {
    let settings = match HubSettings::from_env() {
        Ok(settings) => settings,
        Err(error) => {
            let hint = error.hint().unwrap_or_else(|| "correct the variable, or unset it".to_owned());
            return found.complain(error.to_string(), hint);
        }
    };
    let token = if settings.token.is_some() { "with a token" } else { "without a token" };
    let offline = if settings.offline { "; HF_HUB_OFFLINE is set, only the cache is used" } else { "" };
    found.say("hub", format!("{} {token}{offline}", settings.endpoint));
    let there = if settings.cache.is_dir() { "" } else { " (not there yet)" };
    found.say("hub cache", format!("`{}`{there}", settings.cache.display()));
}
