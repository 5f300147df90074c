//! Findings as they are, with the version of their schema.

use serde::Serialize;

use crate::report::findings::Findings;

/// Changes when a reader of the file would have to.
pub const SCHEMA: &str = "rmbench.findings/1";

#[derive(Serialize)]
struct Envelope<'a> {
    schema: &'static str,
    #[serde(flatten)]
    findings: &'a Findings,
}

pub fn render(findings: &Findings) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(&Envelope { schema: SCHEMA, findings })?;
    bytes.push(b'\n');
    Ok(bytes)
}
