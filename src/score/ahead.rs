//! Shards read and tokenised ahead of the model, on a thread of their own.
//!
//! While one shard is computed the next is read, rendered and encoded; memory holds a few shards, whatever
//! the data. Shards arrive in plan order and hold what they would hold without a look ahead.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::ScoreError;
use super::directory::RunDirectory;
use super::judged::Beside;
use super::plan::{Plan, Planned};
use super::source::Selection;
use crate::judge::Extras;
use crate::preference::Comparison;
use crate::provenance::RunInfo;
use crate::table::read::ScoreFile;
use crate::text::encode::{Encoded, TextPipeline};

/// Finished shards that wait for the model. One more is in the making, one is computed.
const WAITING: usize = 1;

/// Items that are scored and written together.
pub struct Shard<'a> {
    pub planned: &'a Planned,
    pub path: PathBuf,
    pub comparisons: Vec<Comparison>,
    pub state: ShardState,
}

pub enum ShardState {
    /// Written by an earlier run.
    Complete,
    /// To be scored; with tokens where the model reads some.
    Ready {
        encoded: Option<Vec<Encoded>>,
        /// What the data say beside prompts and responses; for judges.
        extras: Vec<Extras>,
    },
}

/// Calls `take` with every shard of a plan, in order, on the calling thread.
pub fn each<'a>(
    plan: &'a Plan,
    out: &RunDirectory,
    text: Option<&TextPipeline>,
    mut take: impl FnMut(Shard<'a>) -> Result<(), ScoreError>,
) -> Result<(), ScoreError> {
    thread::scope(|scope| {
        let (sender, shards) = sync_channel(WAITING);
        let reader = Reader { plan, out, text, sender };
        let reading = scope.spawn(move || reader.read_all());
        // Where `take` fails, the receiver is gone and the reader ends with its next shard.
        for shard in shards {
            take(shard)?;
        }
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Why no further shard is read.
enum Stop {
    /// The model is gone.
    Unwanted,
    Failed(ScoreError),
}

impl<E: Into<ScoreError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.into())
    }
}

struct Reader<'a, 'b> {
    plan: &'a Plan,
    out: &'b RunDirectory,
    text: Option<&'b TextPipeline>,
    sender: SyncSender<Shard<'a>>,
}

impl<'a> Reader<'a, '_> {
    fn read_all(&self) -> Result<(), ScoreError> {
        let mut sources = self.plan.sources.iter().enumerate();
        match sources.try_for_each(|(index, planned)| self.read(index, planned)) {
            Ok(()) | Err(Stop::Unwanted) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn read(&self, index: usize, planned: &'a Planned) -> Result<(), Stop> {
        let mut selection = Selection::new(&self.plan.langs, self.plan.limit);
        let mut n_items = 0;
        for (file_index, file) in planned.source.files.iter().enumerate() {
            let path = |n_shards| self.out.shard(index, file_index, n_shards);
            let mut beside = Beside::open(file, &self.plan.judge_columns)?;
            let mut waiting: Vec<Comparison> = Vec::new();
            let mut n_shards = 0;
            for comparison in file.open()? {
                let comparison = comparison?;
                if !selection.takes(comparison.lang) {
                    continue;
                }
                n_items += 1;
                waiting.push(comparison);
                if waiting.len() == self.plan.shard_size {
                    self.give(planned, path(n_shards), std::mem::take(&mut waiting), &mut beside)?;
                    n_shards += 1;
                }
            }
            if !waiting.is_empty() {
                self.give(planned, path(n_shards), waiting, &mut beside)?;
            }
        }
        let planned_items: u64 = planned.cells.values().map(|cell| cell.planned).sum();
        if n_items != planned_items {
            let path = planned.source.files.first().map(|file| file.path.clone()).unwrap_or_default();
            let problem = format!("{planned_items} items at first, {n_items} then");
            return Err(ScoreError::Changed { path, problem }.into());
        }
        Ok(())
    }

    fn give(
        &self,
        planned: &'a Planned,
        path: PathBuf,
        comparisons: Vec<Comparison>,
        beside: &mut Beside,
    ) -> Result<(), Stop> {
        let n_rows = comparisons.iter().map(|comparison| comparison.responses().count() as u64).sum();
        let state = if is_complete(&path, &self.plan.info, n_rows)? {
            ShardState::Complete
        } else {
            let encoded = self.text.map(|text| text.encode_all(&comparisons)).transpose()?;
            ShardState::Ready { encoded, extras: beside.of(&comparisons)? }
        };
        let shard = Shard { planned, path, comparisons, state };
        self.sender.send(shard).map_err(|_| Stop::Unwanted)
    }
}

/// Whether a shard of this run was written before; one of another run is refused.
fn is_complete(path: &Path, info: &RunInfo, n_rows: u64) -> Result<bool, ScoreError> {
    if !path.is_file() {
        return Ok(false);
    }
    let file = ScoreFile::open(path)?;
    let differences = file.info().differences(info);
    if !differences.is_empty() {
        return Err(ScoreError::Differs { out: path.to_owned(), differences });
    }
    Ok(file.n_rows() == n_rows)
}
