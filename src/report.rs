//! From findings to files: sections say what there is, renderers say it in a format.
//!
//! [`Findings`] → [`section`]s (one pure function each) → [`block`]s → HTML and Markdown. CSV and JSON are
//! the findings themselves; PNG and SVG are the blocks' figures. A section is written once and every format
//! has it; a format is written once and has every section.

pub mod block;
mod csv;
mod details_csv;
pub mod distances;
pub mod figure;
pub mod findings;
mod html;
pub mod items;
mod json;
mod language;
mod latex;
mod markdown;
pub mod measure;
pub mod number;
pub mod rewardbench;
pub mod section;
mod select;
mod title;
pub mod training;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use rayon::prelude::*;

use crate::files::{self, FileError};
use crate::progress::Progress;
use crate::report::block::Block;
use crate::report::figure::{Figure, FigureError};
use crate::report::items::Items;
use crate::report::section::Filled;

pub use findings::Findings;
pub use json::SCHEMA;
pub use select::headline;

/// A form a report is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `report.html`, self-contained.
    Html,
    /// `figures/*.png`; `*-column.png` are as wide as one column of a paper.
    Png,
    /// `figures/*.svg`.
    Svg,
    /// `report.md`.
    Md,
    /// `report.tex`.
    Latex,
    /// `findings.csv`; `analyses.csv` where there are any.
    Csv,
    /// `findings.json`.
    Json,
}

impl Format {
    pub const ALL: [Format; 7] =
        [Format::Html, Format::Png, Format::Svg, Format::Md, Format::Latex, Format::Csv, Format::Json];

    pub fn name(self) -> &'static str {
        match self {
            Format::Html => "html",
            Format::Png => "png",
            Format::Svg => "svg",
            Format::Md => "md",
            Format::Latex => "latex",
            Format::Csv => "csv",
            Format::Json => "json",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a report format")]
pub struct UnknownFormat {
    pub found: String,
}

impl UnknownFormat {
    pub fn hint(&self) -> String {
        format!("formats: {}", Format::ALL.map(Format::name).join(", "))
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = text.trim();
        Format::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(found))
            .ok_or_else(|| UnknownFormat { found: found.to_owned() })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Figure(#[from] FigureError),
    #[error("a finding names run {index}, but there are {runs} runs")]
    UnknownRun { index: usize, runs: usize },
    #[error("a finding names the benchmark `{name}`, of which the report knows nothing")]
    UnknownBenchmark { name: String },
    #[error("{what} is not a finite number")]
    NotFinite { what: String },
    #[error("findings cannot be written as CSV")]
    Csv(#[from] ::csv::Error),
    #[error("findings cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Writes a report into `out` in each of the formats, and says which files it wrote, in order of writing.
///
/// Every file is written atomically; one that exists is replaced.
///
/// # Errors
/// Findings that contradict themselves (an index without a run, a number that is not finite), and files
/// that cannot be written.
pub fn write(
    findings: &Findings,
    out: &Path,
    formats: &[Format],
    progress: &mut dyn Progress,
) -> Result<Vec<PathBuf>, ReportError> {
    write_with_items(findings, None, out, formats, progress)
}

/// The same with the items behind the numbers, for the page's browser.
///
/// # Errors
/// As [`write`].
pub fn write_with_items(
    findings: &Findings,
    items: Option<&Items<'_>>,
    out: &Path,
    formats: &[Format],
    progress: &mut dyn Progress,
) -> Result<Vec<PathBuf>, ReportError> {
    check(findings)?;
    let sections = section::fill(findings);
    let wants = |format: Format| formats.contains(&format);
    let mut written = Vec::new();
    let mut put = |name: &str, bytes: &[u8]| -> Result<(), ReportError> {
        let path = out.join(name);
        files::write_bytes(&path, bytes)?;
        written.push(path);
        Ok(())
    };
    if wants(Format::Html) {
        put("report.html", html::render(findings, items, &sections)?.as_bytes())?;
    }
    if wants(Format::Md) {
        let figures = [Format::Svg, Format::Png].into_iter().find(|f| wants(*f)).map(Format::name);
        put("report.md", markdown::render(findings, &sections, figures).as_bytes())?;
    }
    if wants(Format::Latex) {
        put("report.tex", latex::render(findings, &sections, wants(Format::Png)).as_bytes())?;
    }
    if wants(Format::Csv) {
        put("findings.csv", &csv::render(findings)?)?;
        if !findings.details.is_empty() {
            put("analyses.csv", &details_csv::render(findings)?)?;
        }
    }
    if wants(Format::Json) {
        put("findings.json", &json::render(findings)?)?;
    }
    for format in [Format::Svg, Format::Png] {
        if wants(format) {
            written.extend(write_figures(&sections, out, format, progress)?);
        }
    }
    Ok(written)
}

/// The tables of results alone, to paste into a paper: who is how good, on which categories and languages.
///
/// # Errors
/// Findings that contradict themselves.
pub fn tables(findings: &Findings, format: TableFormat) -> Result<String, ReportError> {
    check(findings)?;
    let sections: Vec<Filled> = section::fill(findings).into_iter().filter(|s| RESULTS.contains(&s.title)).collect();
    let mut tables = Vec::new();
    sections.iter().for_each(|section| collect_tables(&section.blocks, &mut tables));
    Ok(match format {
        TableFormat::Latex => latex::tables(&tables),
        TableFormat::Markdown => markdown::tables(&tables),
    })
}

/// A form that [`tables`] are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    Latex,
    Markdown,
}

/// The sections whose tables are results.
const RESULTS: [&str; 4] = ["Leaderboard", "Accuracy by language", "Gap to English", "Against the baseline"];

fn collect_tables<'a>(blocks: &'a [Block], tables: &mut Vec<&'a block::Table>) {
    for block in blocks {
        match block {
            Block::Table(table) => tables.push(table),
            Block::Fold { blocks, .. } => collect_tables(blocks, tables),
            _ => {}
        }
    }
}

/// Figures are independent of each other and drawn on all cores, a batch at a time.
fn write_figures(
    sections: &[Filled],
    out: &Path,
    format: Format,
    progress: &mut dyn Progress,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut figures = Vec::new();
    for section in sections {
        collect_figures(&section.blocks, &mut figures);
    }
    progress.begin("drawing", figures.len() as u64, "figures");
    let mut written = Vec::new();
    for batch in figures.chunks(rayon::current_num_threads().max(1)) {
        let paths: Result<Vec<Vec<PathBuf>>, ReportError> =
            batch.par_iter().map(|figure| write_figure(figure, out, format)).collect();
        written.extend(paths?.into_iter().flatten());
        progress.advance(batch.len() as u64);
    }
    progress.finish();
    Ok(written)
}

/// `ID.png`, and `ID-column.png` for one column of a paper where the figure can be that narrow.
fn write_figure(figure: &Figure, out: &Path, format: Format) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = Vec::new();
    let mut put = |name: String, bytes: &[u8]| -> Result<(), ReportError> {
        let path = out.join("figures").join(name);
        files::write_bytes(&path, bytes)?;
        written.push(path);
        Ok(())
    };
    let bytes = if format == Format::Png { figure.png()? } else { figure.svg_file().into_bytes() };
    put(format!("{}.{}", figure.id, format.name()), &bytes)?;
    if let Some(scene) = figure.column() {
        let bytes =
            if format == Format::Png { figure.column_png(&scene)? } else { figure.column_svg(&scene).into_bytes() };
        put(format!("{}-column.{}", figure.id, format.name()), &bytes)?;
    }
    Ok(written)
}

fn collect_figures<'a>(blocks: &'a [Block], figures: &mut Vec<&'a Figure>) {
    for block in blocks {
        match block {
            Block::Figure(figure) => figures.push(figure),
            Block::Fold { blocks, .. } => collect_figures(blocks, figures),
            _ => {}
        }
    }
}

/// Findings may come from a file; what the sections rely on is checked once, here.
fn check(findings: &Findings) -> Result<(), ReportError> {
    let runs = findings.runs.len();
    let known: std::collections::HashSet<&str> = findings.benchmarks.iter().map(|b| b.name.as_str()).collect();
    let estimates =
        findings.findings.iter().map(|f| (f.run, f.benchmark.as_str(), f.metric.as_str(), f.estimate)).chain(
            findings.differences.iter().map(|d| (d.run, d.benchmark.as_str(), "a paired difference", d.estimate)),
        );
    for (run, benchmark, metric, estimate) in estimates {
        if run >= runs {
            return Err(ReportError::UnknownRun { index: run, runs });
        }
        if !known.contains(benchmark) {
            return Err(ReportError::UnknownBenchmark { name: benchmark.to_owned() });
        }
        let numbers = estimate.map(|e| [Some(e.point), e.interval.map(|i| i.low), e.interval.map(|i| i.high)]);
        if !numbers.into_iter().flatten().flatten().all(f64::is_finite) {
            return Err(ReportError::NotFinite { what: format!("{metric} of run {run} on `{benchmark}`") });
        }
    }
    for d in &findings.details {
        if let Some(run) = d.run.filter(|run| *run >= runs) {
            return Err(ReportError::UnknownRun { index: run, runs });
        }
        let ends = d.estimate.and_then(|e| e.interval).map_or([0.0; 2], |i| [i.low, i.high]);
        if !d.estimate.is_none_or(|e| e.point.is_finite()) || !ends.iter().all(|end| end.is_finite()) {
            return Err(ReportError::NotFinite { what: format!("{} of the analysis {}", d.measure, d.analysis) });
        }
    }
    match findings.differences.iter().find(|d| d.baseline >= runs) {
        Some(d) => Err(ReportError::UnknownRun { index: d.baseline, runs }),
        None => Ok(()),
    }
}
