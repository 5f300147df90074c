//! RM-Bench results: the benchmark's data with `score_chosen` and `score_rejected`, three numbers each
//! (`…_REWORD_MODEL_<time>.json`; the spelling is the tool's).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::Answer;
use super::join::{Loose, Scores, join};
use super::{ByModel, ImportError, Source};
use crate::benchmark::reader::records::Records;
use crate::lang::Lang;

const STYLES: [&str; 3] = ["concise", "detailed", "markdown"];

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    for path in paths {
        let own = found.entry(model(path)).or_default();
        let mut records = Records::open(path)?;
        let column = |name: &str| records.columns().iter().position(|column| column == name);
        let wanted = ["id", "domain", "score_chosen", "score_rejected", "chosen", "rejected"].map(column);
        let [id, domain, Some(chosen), Some(rejected), texts, other_texts] = wanted else {
            let problem = "has no `score_chosen` and `score_rejected`";
            return Err(ImportError::not_this(
                path,
                problem,
                "RM-Bench's own script writes them into a copy of its data",
            ));
        };
        let mut rows = Vec::new();
        while records.advance()? {
            let row = records.row();
            let mut name = |column: Option<usize>| column.map_or(Ok(None), |column| records.name(column));
            let (id, subset) = (name(id)?, name(domain)?.unwrap_or_else(|| stem_domain(path)));
            let mut side = |scores: usize, texts: Option<usize>| -> Result<(Vec<Answer>, Vec<String>), ImportError> {
                let rewards = records.numbers(scores)?;
                let texts = texts.map(|column| records.texts(column)).unwrap_or_default();
                if rewards.len() != STYLES.len() {
                    let problem = format!("{} scores of one side; an item has three", rewards.len());
                    return Err(ImportError::row(path, row, problem, None));
                }
                let answer = |(i, reward): (usize, Option<f64>)| Answer {
                    reward,
                    variant: Some(STYLES[i].into()),
                    n_chars: if texts.len() == STYLES.len() { texts[i].chars().count() as u32 } else { 0 },
                };
                Ok((rewards.into_iter().enumerate().map(answer).collect(), texts))
            };
            let (chosen, mut texts) = side(chosen, texts)?;
            let (rejected, others) = side(rejected, other_texts)?;
            texts.extend(others);
            rows.push(Loose {
                row,
                id: id.map(Arc::from),
                own: format!("row-{row}").into(),
                subset: Some(subset.into()),
                chosen,
                rejected,
                texts,
                ..Loose::default()
            });
        }
        let (place, lang) = (source.place("rm-bench"), source.options.lang.or(Some(Lang::ENGLISH)));
        join(Scores { path, rows, place, lang, in_order: true, among: None }, source, own)?;
    }
    Ok(found)
}

/// `<file>_<model>_REWORD_MODEL_<time>.json`, in a directory called like the model.
fn model(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let before = stem.split("_REWORD_MODEL_").next().unwrap_or(&stem);
    let directory = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match directory {
        Some(directory) if before.ends_with(&directory) && !directory.is_empty() => directory,
        _ => {
            let files =
                ["total_dataset_", "chat_filtered_", "math_filtered_", "code_filtered_", "safety-refuse_filtered_"];
            let known = files.iter().chain(&["safety-response_filtered_"]);
            known.copied().find_map(|file| before.strip_prefix(file)).unwrap_or(before).to_owned()
        }
    }
}

/// The domain that a file of one domain is called by.
fn stem_domain(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    stem.split('_').next().unwrap_or(&stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_read_off_file_names() {
        let of = |path: &str| model(Path::new(path));
        assert_eq!(of("results/Seq_Classifier/GRM-2B/total_dataset_GRM-2B_REWORD_MODEL_2024.json"), "GRM-2B");
        assert_eq!(of("x/total_dataset_GRM-2B_REWORD_MODEL_2024.json"), "GRM-2B");
        assert_eq!(of("mine.json"), "mine");
    }
}
