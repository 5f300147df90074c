//! The report as its readers meet it: files of every format from invented findings.

mod invented;

use std::collections::BTreeSet;
use std::path::Path;

use rmbench::progress::Silent;
use rmbench::report::{Findings, Format, write};

fn sample(name: &str) -> Findings {
    match name {
        "one" => invented::findings(1, 24, 4),
        "three" => {
            let mut findings = invented::against(invented::findings(3, 24, 4), 0);
            findings.warnings.push("larch-rm-2b has no scores for French; averages leave it out.".to_owned());
            findings
        }
        "many" => invented::against(invented::findings(25, 24, 4), 3),
        "single" => invented::findings(1, 1, 4),
        "small" => invented::against(invented::findings(2, 3, 2), 0),
        "hostile" => invented::hostile(),
        "empty" => invented::empty(),
        other => panic!("no sample `{other}`"),
    }
}

const SAMPLES: [&str; 7] = ["one", "three", "many", "single", "small", "hostile", "empty"];

/// Writes every sample in every format below `$RMBENCH_REPORT_SAMPLES`, to be looked at.
#[test]
#[ignore = "writes files to look at; set RMBENCH_REPORT_SAMPLES"]
fn render_samples() {
    let Some(out) = std::env::var_os("RMBENCH_REPORT_SAMPLES") else {
        println!("skipped: RMBENCH_REPORT_SAMPLES is not set");
        return;
    };
    for name in SAMPLES {
        let start = std::time::Instant::now();
        let dir = Path::new(&out).join(name);
        let html = write(&sample(name), &dir, &[Format::Html], &mut Silent).unwrap();
        let took = start.elapsed();
        let written = write(&sample(name), &dir, &Format::ALL, &mut Silent).unwrap();
        let size = std::fs::metadata(&html[0]).unwrap().len() / 1024;
        println!("{name}: html {size} KiB in {took:.2?}; all {} files in {:.2?}", written.len(), start.elapsed());
    }
}

fn text(findings: &Findings, format: Format) -> String {
    let dir = tempfile::tempdir().unwrap();
    let written = write(findings, dir.path(), &[format], &mut Silent).unwrap();
    std::fs::read_to_string(&written[0]).unwrap()
}

#[test]
fn every_format_writes_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(&sample("small"), dir.path(), &Format::ALL, &mut Silent).unwrap();
    let names: BTreeSet<String> =
        written.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect();
    for name in ["report.html", "report.md", "findings.csv", "findings.json"] {
        assert!(names.contains(name), "{name} of {names:?}");
    }
    let pngs = names.iter().filter(|n| n.ends_with(".png")).count();
    assert!(pngs >= 5 && pngs == names.iter().filter(|n| n.ends_with(".svg")).count(), "{names:?}");
    for path in written {
        let bytes = std::fs::read(&path).unwrap();
        match path.extension().and_then(|e| e.to_str()) {
            Some("png") => assert!(bytes.starts_with(b"\x89PNG\r\n"), "{path:?}"),
            _ => assert!(!String::from_utf8(bytes).unwrap().is_empty(), "{path:?}"),
        }
    }
}
