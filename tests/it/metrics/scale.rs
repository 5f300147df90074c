//! Time and memory at the size of a whole leaderboard: 25 runs of M-RewardBench (23 languages,
//! translation) and its English originals. Ignored by default; in release:
//!
//! `cargo test --release --test it metrics::scale -- --ignored --nocapture`
//!
//! With `RMBENCH_SCALE_DIR=DIR` the score tables stay in DIR/run-NN for `rmbench report`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rmbench::benchmark::catalog;
use rmbench::lang::Lang;
use rmbench::metric::accuracy::ACCURACY;
use rmbench::metric::bootstrap::Bootstrap;
use rmbench::metric::interval::Reading;
use rmbench::metric::sheet::{Finish, NodeId, Sheet};
use rmbench::progress::Progress;
use rmbench::provenance::RunInfo;
use rmbench::report::findings::{FindingOptions, Findings};
use rmbench::table::item::ItemTable;
use rmbench::table::score::{FILE_NAME, ScoreRow, Side};
use rmbench::table::store::write_table;
use rmbench_resampling::clusters::Clusters;

use super::items::Draws;

const RUNS: usize = 25;

fn write_run(path: &Path, run: usize) -> usize {
    let info = RunInfo::of_this_binary(&format!("model-{run:02}"), &format!("synthetic-{run:02}"), "scalar");
    let mut rows = Vec::new();
    for name in ["m-rewardbench", "m-rewardbench-translation", "rewardbench"] {
        let manifest = catalog::find(name).unwrap();
        let (benchmark, version): (Arc<str>, Arc<str>) = (name.into(), manifest.version.as_str().into());
        for lang in &manifest.langs {
            for (_, subset) in manifest.subsets().filter(|(_, subset)| subset.exists_in(*lang)) {
                let subset_name: Arc<str> = subset.name.as_str().into();
                for i in 0..subset.n.unwrap_or(0) {
                    let id: Arc<str> = format!("{}-{i}", subset.name).into();
                    // Difficulty belongs to the source item, ability to the run, a little noise to the language.
                    let seed = id.bytes().fold(17u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
                    let easy = Draws::new(seed).reward();
                    let of_lang = lang.code().bytes().fold(7u64, |h, b| h.wrapping_mul(131).wrapping_add(u64::from(b)));
                    let noise = Draws::new(seed ^ (run as u64) << 32 ^ of_lang << 16).reward();
                    let margin = easy * 0.5 + noise * 0.4 + run as f32 * 0.1 + 1.5;
                    for (side, reward) in [(Side::Chosen, margin), (Side::Rejected, 0.0)] {
                        rows.push(ScoreRow {
                            benchmark: benchmark.clone(),
                            benchmark_version: version.clone(),
                            subset: subset_name.clone(),
                            category: None,
                            lang: *lang,
                            item_id: id.clone(),
                            source_id: id.clone(),
                            side,
                            response_index: 0,
                            variant: None,
                            n_chars: 100 + (seed % 1000) as u32 + u32::from(side == Side::Chosen),
                            n_tokens: 50,
                            truncated: false,
                            reward: Some(reward),
                            log_probs: None,
                        });
                    }
                }
            }
        }
    }
    write_table(path, &info, &rows).unwrap();
    rows.len() / 2
}

/// Says what each stage of the findings took. "resampling" is everything that is a function of sums: scores, breakdowns,
/// gaps and differences with their intervals and tests; "comparing" adjusts families of tests, ranks, and inverts tests of calibration
/// errors; "analysing" is the rest.
struct Stages {
    label: String,
    began: (Instant, f64),
    /// Seconds and processor seconds of all "resampling".
    additive: (f64, f64),
    /// The same of all "comparing".
    compared: (f64, f64),
}

impl Progress for Stages {
    fn begin(&mut self, label: &str, _: u64, _: &str) {
        self.label = label.to_owned();
        self.began = (Instant::now(), cpu_seconds());
    }
    fn advance(&mut self, _: u64) {}
    fn finish(&mut self) {
        let (wall, cpu) = (self.began.0.elapsed().as_secs_f64(), cpu_seconds() - self.began.1);
        eprintln!("  {}: {wall:.2} s, {cpu:.1} CPU s, peak so far {} MB", self.label, peak_mb());
        for (stage, sum) in [("resampling", &mut self.additive), ("comparing", &mut self.compared)] {
            if self.label.starts_with(stage) {
                *sum = (sum.0 + wall, sum.1 + cpu);
            }
        }
    }
    fn note(&mut self, _: &str) {}
    fn line(&mut self, _: &str) {}
    fn warn(&mut self, _: &str) {}
}

/// Processor seconds of this process, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Peak resident memory of this process in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[test]
#[ignore = "minutes without optimisation; see the module"]
fn a_whole_leaderboard() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = std::env::var_os("RMBENCH_SCALE_DIR").map_or(temporary.path().to_owned(), Into::into);
    let mut items = 0;
    let mut paths = Vec::new();
    for run in 0..RUNS {
        let path = dir.join(format!("run-{run:02}")).join(FILE_NAME);
        items = write_run(&path, run);
        paths.push(path);
    }
    assert_eq!(items, 66_787 + 2_985);
    let begin = Instant::now();
    let table = ItemTable::load(&paths).unwrap();
    let (read, read_mb) = (begin.elapsed(), peak_mb());
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    let replicates = std::env::var("RMBENCH_SCALE_REPLICATES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let options = FindingOptions { replicates, ..FindingOptions::default() };
    let mut stages = Stages { label: String::new(), began: (begin, cpu), additive: (0.0, 0.0), compared: (0.0, 0.0) };
    let findings = Findings::compute(&table, &|name| catalog::find(name).ok(), &options, &mut stages).unwrap();
    let computed = begin.elapsed();
    eprintln!(
        "{RUNS} runs x {items} items, {} replicates: read {read:.2?} ({read_mb} MB); additive metrics and breakdowns \
         {:.2} s ({:.1} CPU s); rankings, families of tests, calibration errors {:.2} s ({:.1} CPU s); all findings {computed:.2?} ({:.1} CPU s, {} MB), {} findings",
        options.replicates,
        stages.additive.0,
        stages.additive.1,
        stages.compared.0,
        stages.compared.1,
        cpu_seconds() - cpu,
        peak_mb(),
        findings.findings.len()
    );
    assert!(findings.findings.iter().any(|f| f.metric == "gap-to-english" && f.estimate.is_some()));
    let english = findings.benchmarks.iter().find(|info| info.name == "rewardbench").unwrap();
    assert_eq!(english.langs, [Lang::ENGLISH]);
}

/// The bootstrap and nothing else, on the problem that `benchmarks/bootstrap_peers.py` gives NumPy and
/// pandas: categories and scores of 25 runs in 23 languages, averages, and 95 % intervals of all of them.
#[test]
#[ignore = "a measurement; see benchmarks/report_scale.sh"]
fn the_bootstrap_alone() {
    let manifest = catalog::find("m-rewardbench").unwrap();
    let mut draws = Draws::new(1);
    let mut sheet = Sheet::default();
    // By run and language: weighted categories, then the score.
    let mut parts: Vec<Vec<(f64, NodeId)>> = vec![Vec::new(); RUNS * 23];
    let (mut strata, mut wanted): (Vec<Vec<u32>>, Vec<NodeId>) = (Vec::new(), Vec::new());
    let mut scores: Vec<Vec<NodeId>> = vec![Vec::new(); RUNS * 23];
    let mut next = 0u32;
    for category in &manifest.categories {
        for subset in &category.subsets {
            let items: Vec<u32> = (next..next + subset.n.unwrap_or(0) as u32).collect();
            next += items.len() as u32;
            let easy: Vec<f32> = items.iter().map(|_| draws.reward()).collect();
            let all: Vec<(u32, f64)> = items.iter().map(|item| (*item, 1.0)).collect();
            for (place, parts) in parts.iter_mut().enumerate() {
                let credit: Vec<(u32, f64)> = items
                    .iter()
                    .zip(&easy)
                    .map(|(item, easy)| {
                        let margin = easy + draws.reward() + 0.1 * (place / 23) as f32;
                        (*item, f64::from(u8::from(margin > 0.0)))
                    })
                    .collect();
                let columns = vec![sheet.columns.insert(&credit), sheet.columns.insert(&all)];
                let node = sheet.finish(Finish::Metric(&ACCURACY), columns);
                parts.push((subset.weights.get("mrb").copied().unwrap_or(1.0), node));
            }
            strata.push(items);
        }
        for (parts, scores) in parts.iter_mut().zip(&mut scores) {
            scores.push(sheet.mean(&std::mem::take(parts)));
        }
    }
    for own in &mut scores {
        own.push(sheet.plain_mean(own));
        wanted.extend_from_slice(own);
    }
    for run in scores.chunks(23) {
        for part in 0..run[0].len() {
            let members: Vec<NodeId> = run.iter().map(|own| own[part]).collect();
            wanted.push(sheet.plain_mean(&members));
        }
    }
    let bootstrap = Bootstrap {
        clusters: Clusters::new(next as usize, strata),
        replicates: 10_000,
        seed: 0,
        level: 0.95,
        reading: Reading::Percentile,
    };
    for _ in 0..3 {
        let (begin, cpu) = (Instant::now(), cpu_seconds());
        let found = bootstrap.run(&sheet, &wanted, &[], &mut |_| {});
        let intervals = found.spreads.iter().flatten().count();
        let (wall, used) = (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        assert_eq!(intervals, wanted.len());
        eprintln!(
            "{{\"who\": \"rmbench\", \"wall\": {wall:.3}, \"cpu\": {used:.2}, \"intervals\": {intervals}, \
             \"entries\": {}, \"peak_mb\": {}}}",
            sheet.columns.n_entries(),
            peak_mb()
        );
    }
}
