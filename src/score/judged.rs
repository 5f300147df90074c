//! Judgments on their way into tables: rows of the judgment table, rewards for the score table, and what the data
//! hold beside prompt and responses.

use std::path::{Path, PathBuf};

use super::ScoreError;
use super::plan::Planned;
use super::source::SourceFile;
use crate::benchmark::reader::TextColumns;
use crate::files;
use crate::judge::settings::Verdicts;
use crate::judge::{Extras, Judgment};
use crate::preference::Comparison;
use crate::provenance::RunInfo;
use crate::reward::ResponseScore;
use crate::table::TableError;
use crate::table::judgment::{JudgmentFile, JudgmentRow, JudgmentWriter};
use crate::table::votes::{Lowering, Unresolved, pairs, rewards};

/// One row per judgment, in order of comparisons.
pub fn rows(planned: &Planned, comparisons: &[Comparison], judgments: &[Vec<Judgment>]) -> Vec<JudgmentRow> {
    let of = |(comparison, judgments): (&Comparison, &Vec<Judgment>)| {
        let row = |judgment: &Judgment| JudgmentRow {
            benchmark: planned.source.name.clone(),
            benchmark_version: planned.source.version.clone(),
            subset: comparison.subset.0.clone(),
            lang: comparison.lang,
            item_id: comparison.id.0.clone(),
            source_id: comparison.source.0.clone(),
            n_chosen: comparison.chosen.len() as u16,
            n_rejected: comparison.rejected.len() as u16,
            judgment: judgment.clone(),
        };
        judgments.iter().map(row).collect::<Vec<_>>()
    };
    comparisons.iter().zip(judgments).flat_map(of).collect()
}

/// The rewards that judgments come to. The tokens are those of the longest question about the response.
pub fn scores(comparisons: &[Comparison], judgments: &[Vec<Judgment>], verdicts: Verdicts) -> Vec<Vec<ResponseScore>> {
    let lowering = Lowering { verdicts, unresolved: Unresolved::Missing };
    let of = |(comparison, judgments): (&Comparison, &Vec<Judgment>)| {
        let all: Vec<&Judgment> = judgments.iter().collect();
        let rewards = rewards(&all, comparison.chosen.len(), comparison.rejected.len(), lowering);
        let score = |(slot, reward): (usize, Option<f32>)| {
            let about = all.iter().filter(|judgment| judgment.shown.contains(&(slot as u16)));
            let n_tokens = about.filter_map(|judgment| judgment.prompt_tokens).max().unwrap_or(0);
            ResponseScore { reward, n_tokens, ..ResponseScore::default() }
        };
        rewards.into_iter().enumerate().map(score).collect()
    };
    comparisons.iter().zip(judgments).map(of).collect()
}

/// Streams shards into the run's judgment table; all must be of the same run.
pub fn join(shards: &[PathBuf], table: &Path, info: &RunInfo) -> Result<(), TableError> {
    files::write_with(table, |file| {
        let mut writer = JudgmentWriter::new(file, table, info)?;
        for path in shards {
            let shard = JudgmentFile::open(path)?;
            let differences = info.differences(shard.info());
            if !differences.is_empty() {
                let (first, path) = (table.to_owned(), path.clone());
                return Err(TableError::MixedProvenance { first, path, differences });
            }
            shard.each(|row| writer.push(row))?;
        }
        writer.finish().map(|_| ())
    })
}

/// Responses of items whose every pair was decided: they have no rewards and lack none.
pub fn decided_in_pairs(table: &Path) -> Result<u64, TableError> {
    let mut found = 0;
    let mut item: Vec<JudgmentRow> = Vec::new();
    let mut close = |item: &mut Vec<JudgmentRow>| {
        let rows = std::mem::take(item);
        let Some(first) = rows.first() else { return };
        let (n_chosen, n_rejected) = (usize::from(first.n_chosen), usize::from(first.n_rejected));
        let judgments: Vec<&Judgment> = rows.iter().map(|row| &row.judgment).collect();
        let votes = pairs(&judgments, n_chosen, n_rejected, Lowering::default());
        if votes.is_some_and(|votes| votes.iter().all(|vote| !vote.is_nan())) {
            found += (n_chosen + n_rejected) as u64;
        }
    };
    let same = |a: &JudgmentRow, b: &JudgmentRow| {
        (&a.benchmark, &a.subset, a.lang, &a.item_id) == (&b.benchmark, &b.subset, b.lang, &b.item_id)
    };
    // Rows of an item are neighbours.
    JudgmentFile::open(table)?.each(|row| {
        if item.first().is_some_and(|first| !same(first, &row)) {
            close(&mut item);
        }
        let judgment = Judgment { reply: None, reasoning: None, why: None, ..row.judgment };
        item.push(JudgmentRow { judgment, ..row });
        Ok(())
    })?;
    close(&mut item);
    Ok(found)
}

/// The columns of one file that a judge reads beside prompt and responses.
pub struct Beside {
    texts: Option<TextColumns>,
    /// For reference, checklist and rubric: which of the columns that are read.
    places: [Option<usize>; 3],
}

impl Beside {
    pub fn open(file: &SourceFile, columns: &[Option<String>; 3]) -> Result<Self, ScoreError> {
        let wanted: Vec<&str> = columns.iter().flatten().map(String::as_str).collect();
        let mut next = 0;
        let places = columns.each_ref().map(|column| {
            column.as_ref().map(|_| {
                next += 1;
                next - 1
            })
        });
        let texts = (!wanted.is_empty()).then(|| TextColumns::open(&file.path, &wanted)).transpose()?;
        Ok(Self { texts, places })
    }

    /// What the file holds beside each comparison, in its order.
    pub fn of(&mut self, comparisons: &[Comparison]) -> Result<Vec<Extras>, ScoreError> {
        let Some(texts) = &mut self.texts else { return Ok(vec![Extras::default(); comparisons.len()]) };
        let mut found = Vec::with_capacity(comparisons.len());
        for comparison in comparisons {
            let values = texts.row(comparison.row)?;
            let [reference, checklist, rubric] = self.places.map(|place| place.and_then(|at| values.get(at)?.clone()));
            found.push(Extras { reference, checklist, rubric });
        }
        Ok(found)
    }
}
