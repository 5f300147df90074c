//! How the numbers were made, in sentences.

use std::collections::BTreeSet;

use crate::report::block::{Block, Inline};
use crate::report::findings::Findings;
use crate::report::measure::measure;
use crate::report::number;

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    let mut blocks = vec![Block::Paragraph(intervals(findings).into())];
    let metrics: BTreeSet<&str> = findings.findings.iter().map(|f| f.metric.as_str()).collect();
    let known = metrics.iter().filter_map(|id| measure(id));
    let definitions: Vec<(Inline, Inline)> = known.map(|m| (m.title.into(), m.about.into())).collect();
    if !definitions.is_empty() {
        blocks.push(Block::Definitions(definitions));
    }
    for benchmark in &findings.benchmarks {
        blocks.push(Block::Heading(Inline::new().name(&benchmark.title).text(", version ").name(&benchmark.version)));
        let mut sentences: Vec<Inline> = benchmark.protocol.iter().map(|s| Inline::new().prose(s)).collect();
        if !benchmark.averages.is_empty() {
            let names = benchmark.averages.iter().map(|a| Inline::new().name(a)).collect();
            sentences
                .push(Inline::new().text("Averages over languages, the headline one first: ").list(names).text("."));
        }
        if !sentences.is_empty() {
            blocks.push(Block::Bullets(sentences));
        }
    }
    Some(blocks)
}

fn intervals(findings: &Findings) -> String {
    if findings.replicates == 0 {
        return "No intervals were computed.".to_owned();
    }
    format!(
        "Intervals cover {} %. Where they come from resampling ({} replicates, seed {}), source items are drawn with \
         replacement, and all translations, runs and responses of a source item travel together, because they are not \
         independent of each other. Their bounds are widened for few degrees of freedom (Student's t), where a small \
         subset carries much of the weight. Two runs are compared on the items both scored, all p-values of a table are \
         adjusted together, and rank intervals and tie groups follow from those tests. A dash stands where a number is undefined; the note below the table says why.",
        number::level(findings.level),
        number::count(findings.replicates),
        findings.seed
    )
}
