//! What each run was made from.

use crate::report::block::{Block, Inline, visible};
use crate::report::findings::Findings;
use crate::report::select::{ranking, run_name};

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    let several = findings.runs.len() > 1;
    let mut blocks = Vec::new();
    // As on the first leaderboard, then those that are on none.
    let mut order = findings.benchmarks.first().map(|benchmark| ranking(findings, benchmark)).unwrap_or_default();
    order.extend((0..findings.runs.len()).filter(|run| !order.contains(run)).collect::<Vec<_>>());
    for (i, run) in order.into_iter().map(|i| (i, &findings.runs[i])) {
        let name = |text: &str| Inline::new().name(text);
        let mut entries: Vec<(Inline, Inline)> = vec![
            ("Model".into(), Inline::new().code(&run.model).text(", ").name(&run.kind)),
            ("rmbench".into(), name(&run.version).text(", commit ").code(&run.commit)),
        ];
        if let Some(libtorch) = &run.libtorch {
            entries.push(("libtorch".into(), name(libtorch)));
        }
        // What another program scored says neither.
        if run.kind != "imported" {
            let threads = if run.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", run.threads) };
            entries.push(("Device".into(), name(&run.device).text(", ").name(&run.dtype).text(format!(", {threads}"))));
            entries.push(("Seed".into(), run.seed.to_string().into()));
        }
        for (number, stage) in run.stages.iter().enumerate() {
            entries.push((format!("Stage {} of its training", number + 1).into(), name(stage)));
        }
        for (role, digest) in &run.digests {
            entries.push((Inline::new().text("SHA-256 of ").name(role), Inline::new().code(digest)));
        }
        let mut about = vec![Block::Definitions(entries)];
        if !run.settings.trim().is_empty() {
            let lines: Vec<String> = run.settings.trim_end().lines().map(visible).collect();
            about.push(Block::Fold {
                summary: "Resolved settings".into(),
                blocks: vec![Block::Code(lines.join("\n"))],
                open: !several,
            });
        }
        if several {
            let summary = Inline::new().name(run_name(findings, i));
            blocks.push(Block::Fold { summary, blocks: about, open: false });
        } else {
            blocks.push(Block::Heading(name(&run_name(findings, i))));
            blocks.extend(about);
        }
    }
    (!blocks.is_empty()).then_some(blocks)
}
