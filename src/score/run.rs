//! Scoring in shards, and shards to one table.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::Array;

use super::ScoreError;
use super::ahead::{self, Shard, ShardState};
use super::directory::{RunDirectory, State};
use super::judged;
use super::plan::{Plan, Planned};
use super::scorer::{Evaluation, Scorer};
use crate::files;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::{ResponseScore, RewardError};
use crate::table::TableError;
use crate::table::features::{FeatureFile, FeatureRow, FeatureWriter, write_features};
use crate::table::judgment::write_judgments;
use crate::table::read::ScoreFile;
use crate::table::score::{ScoreRow, Side};
use crate::table::store::{ScoreWriter, write_table};

/// What a finished run holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub table: PathBuf,
    pub n_items: u64,
    pub n_responses: u64,
    /// Responses that were cut to fit the model.
    pub n_truncated: u64,
    /// Responses the model gave no reward.
    pub n_without_reward: u64,
    /// Items that an interrupted run had scored already.
    pub n_resumed: u64,
    /// From the first item read to the table written; `None` where nothing was left to score, or no model
    /// computed.
    pub took: Option<Duration>,
}

/// Carries out a plan: scores what no shard holds yet, joins the shards, removes them.
pub fn run(
    plan: &Plan,
    scorer: &Scorer,
    out: &RunDirectory,
    resume: bool,
    progress: &mut dyn Progress,
) -> Result<Summary, ScoreError> {
    let mut n_resumed = plan.n_items();
    let mut took = None;
    if out.begin(&plan.info, &own_manifests(plan), resume)? != State::Finished {
        let began = Instant::now();
        let mut shards = Shards { plan, scorer, out, progress, paths: Vec::new(), n_resumed: 0 };
        shards.score_all()?;
        n_resumed = shards.n_resumed;
        // The score table comes last: it says that the run is finished.
        if scorer.judge().is_some() {
            let judgments: Vec<PathBuf> = shards.paths.iter().map(|path| out.judgment_shard(path)).collect();
            judged::join(&judgments, &out.judgments(), &plan.info)?;
        }
        if scorer.writes_features() {
            let features: Vec<PathBuf> = shards.paths.iter().map(|path| out.feature_shard(path)).collect();
            join_features(&features, &out.features(), &plan.info)?;
        }
        join(&shards.paths, &out.table(), &plan.info)?;
        took = scorer.computes().then(|| began.elapsed());
        out.remove_shards()?;
    }
    let mut summary = summary(out.table(), plan.n_items(), n_resumed)?;
    if scorer.judge().is_some() && summary.n_without_reward > 0 {
        let decided = judged::decided_in_pairs(&out.judgments())?;
        summary.n_without_reward = summary.n_without_reward.saturating_sub(decided);
    }
    Ok(Summary { took, ..summary })
}

fn own_manifests(plan: &Plan) -> Vec<(&str, &str)> {
    let sources = plan.sources.iter().map(|planned| &planned.source);
    sources.filter_map(|source| Some((&*source.name, source.manifest_text.as_deref()?))).collect()
}

/// The shards of one run, in plan order.
struct Shards<'a> {
    plan: &'a Plan,
    scorer: &'a Scorer,
    out: &'a RunDirectory,
    progress: &'a mut dyn Progress,
    paths: Vec<PathBuf>,
    n_resumed: u64,
}

impl Shards<'_> {
    fn score_all(&mut self) -> Result<(), ScoreError> {
        self.progress.begin("scoring", self.plan.n_items(), "items");
        ahead::each(self.plan, self.out, self.scorer.pipeline(), |shard| self.score(shard))?;
        self.progress.finish();
        Ok(())
    }

    /// Scores one shard, unless it is there already.
    fn score(&mut self, shard: Shard) -> Result<(), ScoreError> {
        let Shard { planned, path, comparisons, state } = shard;
        match state {
            ShardState::Complete => {
                self.n_resumed += comparisons.len() as u64;
                self.progress.advance(comparisons.len() as u64);
            }
            ShardState::Ready { encoded, extras } => {
                let progress = &mut *self.progress;
                let mut done = |n| progress.advance(n);
                let scores = match self.scorer.evaluate(&comparisons, &extras, encoded.as_deref(), &mut done)? {
                    Evaluation::Scored(scores) => scores,
                    Evaluation::WithStates(scores, states) => {
                        let rows = rows(planned, &comparisons, &scores)?;
                        // In the order of the rows: by comparison, then by response.
                        let states = states.into_iter().flatten();
                        let features = rows.iter().zip(states).map(|(row, state)| FeatureRow::of(row, state));
                        write_features(&self.out.feature_shard(&path), &self.plan.info, features.collect())?;
                        scores
                    }
                    Evaluation::Judged(judgments) => {
                        let rows = judged::rows(planned, &comparisons, &judgments);
                        write_judgments(&self.out.judgment_shard(&path), &self.plan.info, rows)?;
                        judged::scores(&comparisons, &judgments, self.plan.verdicts)
                    }
                };
                write_table(&path, &self.plan.info, &rows(planned, &comparisons, &scores)?)?;
            }
        }
        self.paths.push(path);
        Ok(())
    }
}

/// One row per response, chosen first.
fn rows(
    planned: &Planned,
    comparisons: &[Comparison],
    scores: &[Vec<ResponseScore>],
) -> Result<Vec<ScoreRow>, RewardError> {
    let mut rows = Vec::with_capacity(2 * comparisons.len());
    for (index, comparison) in comparisons.iter().enumerate() {
        let problem = |problem: String| RewardError::Item {
            item: comparison.id.to_string(),
            lang: comparison.lang,
            row: comparison.row,
            problem,
        };
        let given = scores.get(index).map_or(&[][..], Vec::as_slice);
        let n_responses = comparison.responses().count();
        if given.len() != n_responses {
            return Err(problem(format!("the model scored {} of {n_responses} responses", given.len())));
        }
        if let Some(reward) = given.iter().filter_map(|score| score.reward).find(|reward| !reward.is_finite()) {
            return Err(problem(format!("the model's reward is {reward}")));
        }
        for (position, (response, score)) in comparison.responses().zip(given).enumerate() {
            let n_chosen = comparison.chosen.len();
            let (side, within) =
                if position < n_chosen { (Side::Chosen, position) } else { (Side::Rejected, position - n_chosen) };
            let response_index = u16::try_from(within)
                .map_err(|_| problem(format!("{n_responses} responses are more than a table can hold")))?;
            rows.push(ScoreRow {
                benchmark: planned.source.name.clone(),
                benchmark_version: planned.source.version.clone(),
                subset: comparison.subset.0.clone(),
                category: comparison.category.clone(),
                lang: comparison.lang,
                item_id: comparison.id.0.clone(),
                source_id: comparison.source.0.clone(),
                side,
                response_index,
                variant: response.variant.clone(),
                n_chars: u32::try_from(response.text.chars().count()).unwrap_or(u32::MAX),
                n_tokens: score.n_tokens,
                truncated: score.truncated,
                reward: score.reward,
                log_probs: score.log_probs,
            });
        }
    }
    Ok(rows)
}

/// Streams shards into the run's table; all must be of the same run.
fn join(shards: &[PathBuf], table: &Path, info: &RunInfo) -> Result<(), TableError> {
    files::write_with(table, |file| {
        let mut writer = ScoreWriter::new(file, table, info)?;
        for path in shards {
            let shard = ScoreFile::open(path)?;
            let differences = info.differences(shard.info());
            if !differences.is_empty() {
                let (first, path) = (table.to_owned(), path.clone());
                return Err(TableError::MixedProvenance { first, path, differences });
            }
            for row in shard.rows()? {
                writer.push(&row)?;
            }
        }
        writer.finish().map(|_| ())
    })
}

/// The same of features.
fn join_features(shards: &[PathBuf], table: &Path, info: &RunInfo) -> Result<(), TableError> {
    files::write_with(table, |file| {
        let mut writer = FeatureWriter::new(file, table, info)?;
        for path in shards {
            let shard = FeatureFile::open(path)?;
            let differences = info.differences(shard.info());
            if !differences.is_empty() {
                let (first, path) = (table.to_owned(), path.clone());
                return Err(TableError::MixedProvenance { first, path, differences });
            }
            shard.each(|row| writer.push(row))?;
        }
        writer.finish()
    })
}

pub(super) fn summary(table: PathBuf, n_items: u64, n_resumed: u64) -> Result<Summary, ScoreError> {
    let file = ScoreFile::open(&table)?;
    let n_responses = file.n_rows();
    let (mut n_truncated, mut n_without_reward) = (0, 0);
    for batch in file.batches()? {
        let batch = batch?;
        n_truncated += batch.truncated.true_count() as u64;
        n_without_reward += batch.reward.null_count() as u64;
    }
    Ok(Summary { table, n_items, n_responses, n_truncated, n_without_reward, n_resumed, took: None })
}
