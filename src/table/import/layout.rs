//! Which columns of a table of scores hold what: by their usual names, or as the user says.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;

use super::ImportError;
use crate::benchmark::reader::records::Records;
use crate::lang::suggest::nearest;

/// What a column of scores can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Id,
    SourceId,
    Language,
    Subset,
    Category,
    Model,
    ScoreChosen,
    ScoreRejected,
    ScoreA,
    ScoreB,
    Label,
    Result,
    /// Response texts, for their lengths.
    Chosen,
    Rejected,
    /// Gold grades: then `chosen` is merely the first response.
    ChosenGrade,
    RejectedGrade,
}

impl Part {
    pub const ALL: [Part; 16] = [
        Part::Id,
        Part::SourceId,
        Part::Language,
        Part::Subset,
        Part::Category,
        Part::Model,
        Part::ScoreChosen,
        Part::ScoreRejected,
        Part::ScoreA,
        Part::ScoreB,
        Part::Label,
        Part::Result,
        Part::Chosen,
        Part::Rejected,
        Part::ChosenGrade,
        Part::RejectedGrade,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Part::Id => "id",
            Part::SourceId => "source-id",
            Part::Language => "language",
            Part::Subset => "subset",
            Part::Category => "category",
            Part::Model => "model",
            Part::ScoreChosen => "score-chosen",
            Part::ScoreRejected => "score-rejected",
            Part::ScoreA => "score-a",
            Part::ScoreB => "score-b",
            Part::Label => "label",
            Part::Result => "result",
            Part::Chosen => "chosen",
            Part::Rejected => "rejected",
            Part::ChosenGrade => "chosen-grade",
            Part::RejectedGrade => "rejected-grade",
        }
    }

    /// Usual names, compared without case and with `-` as `_`.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Part::Id => &["id", "item_id", "pair_id", "example_id", "doc_id"],
            Part::SourceId => &["source_id"],
            Part::Language => &["language", "lang"],
            Part::Subset => &["subset", "domain", "task"],
            Part::Category => &["category", "section"],
            Part::Model => &["model", "metric", "scorer", "system"],
            Part::ScoreChosen => &["score_chosen", "scores_chosen", "reward_chosen", "chosen_score", "chosen_reward"],
            Part::ScoreRejected => {
                &["score_rejected", "scores_rejected", "reward_rejected", "rejected_score", "rejected_reward"]
            }
            Part::ScoreA => &["score_a", "reward_a"],
            Part::ScoreB => &["score_b", "reward_b"],
            Part::Label => &["label", "winner"],
            Part::Result => &["result", "results", "correct"],
            Part::Chosen => &["chosen", "response_chosen"],
            Part::Rejected => &["rejected", "response_rejected"],
            Part::ChosenGrade | Part::RejectedGrade => &[],
        }
    }
}

/// Which column plays which part, as the user says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ScoreColumns(pub BTreeMap<Part, String>);

impl ScoreColumns {
    /// From pairs of a part's name and a column's; `Err`: a part that there is not.
    pub fn parse<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<ScoreColumns, String> {
        let part = |name: &str| Part::ALL.into_iter().find(|part| part.as_str() == name).ok_or(name.to_owned());
        pairs.map(|(name, column)| Ok((part(name)?, column.to_owned()))).collect::<Result<_, _>>().map(ScoreColumns)
    }
}

/// The columns of one file.
pub(super) struct Layout {
    pub found: HashMap<Part, usize>,
}

impl Layout {
    pub fn of(path: &Path, records: &Records, map: &ScoreColumns) -> Result<Layout, ImportError> {
        let columns = records.columns();
        let normal: Vec<String> = columns.iter().map(|c| c.trim().to_lowercase().replace(['-', ' '], "_")).collect();
        let mut found = HashMap::new();
        for part in Part::ALL {
            let index = match map.0.get(&part) {
                None => part.usual().iter().find_map(|usual| normal.iter().position(|name| name == usual)),
                Some(wanted) => match columns.iter().position(|name| name == wanted) {
                    Some(index) => Some(index),
                    None => {
                        let near = nearest(wanted, columns.iter().map(String::as_str), 3);
                        return Err(ImportError::NoColumn {
                            path: path.to_owned(),
                            part: part.as_str(),
                            column: wanted.clone(),
                            columns: columns.to_vec(),
                            suggestions: near.into_iter().map(str::to_owned).collect(),
                        });
                    }
                },
            };
            if let Some(index) = index {
                found.insert(part, index);
            }
        }
        // Nothing but `chosen` and `rejected`: the scores themselves (RewardBench's `_all.jsonl`).
        if columns.len() == 2
            && let (Some(chosen), Some(rejected)) = (found.remove(&Part::Chosen), found.remove(&Part::Rejected))
        {
            found.extend([(Part::ScoreChosen, chosen), (Part::ScoreRejected, rejected)]);
        }
        let layout = Layout { found };
        let has = |parts: &[Part]| parts.iter().all(|part| layout.found.contains_key(part));
        let scores = has(&[Part::ScoreChosen, Part::ScoreRejected])
            || has(&[Part::ScoreA, Part::ScoreB, Part::Label])
            || has(&[Part::Result]);
        if scores {
            return Ok(layout);
        }
        let problem = format!("has no columns with scores (columns: {})", columns.join(", "));
        let hint = "name them: `--column score-chosen=NAME --column score-rejected=NAME`, or score-a, score-b and label, or result";
        Err(ImportError::not_this(path, problem, hint))
    }

    pub fn get(&self, part: Part) -> Option<usize> {
        self.found.get(&part).copied()
    }
}
