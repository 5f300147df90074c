//! The transfer matrix: models trained on one language each, by the language they are tested on.
//!
//! Provenance says what a model was trained on (`langs` in the training settings); with two runs of
//! different single languages there is a matrix. A target's advantage is the accuracy of the model trained
//! on it less the mean of the others' there.

use crate::lang::{Lang, LangSet};
use crate::provenance::RunInfo;
use crate::report::findings::analyses::scores::{METRICS, Score, means, percentiles};
use crate::report::findings::detail::{About, Detail};
use crate::report::findings::options::FindingOptions;

pub const ANALYSIS: &str = "transfer";

/// The one language that a run's model was trained on.
pub fn source(info: &RunInfo) -> Option<Lang> {
    let langs = LangSet::parse(info.trained_on.as_deref()?).ok().filter(|langs| !langs.is_all())?;
    let mut langs = langs.iter();
    langs.next().filter(|_| langs.next().is_none())
}

pub fn transfer(scores: &[Score<'_>], runs: &[RunInfo], options: &FindingOptions) -> Vec<Detail> {
    let own: Vec<(Lang, &Score<'_>)> = scores
        .iter()
        .filter(|score| score.metric == METRICS[0])
        .filter_map(|score| Some((source(runs.get(score.run)?)?, score)))
        .collect();
    let mut sources: Vec<Lang> = own.iter().map(|(source, _)| *source).collect();
    sources.sort_unstable();
    sources.dedup();
    let Some((_, first)) = own.first().filter(|_| sources.len() > 1) else { return Vec::new() };
    let detail =
        |run: Option<usize>, measure: &str, of: Vec<About>| Detail::new(ANALYSIS, first.benchmark, run, measure, of);
    let mut details = Vec::new();
    for (source, score) in &own {
        let of = vec![About::Lang(*source), About::Lang(score.lang)];
        let interval = percentiles(score.replicates.iter().map(|x| f64::from(*x)).collect(), options.level);
        details.push(detail(Some(score.run), "accuracy", of).with(Some(score.point), interval, score.n));
    }
    let mut advantages: Vec<(f64, Vec<f64>, usize)> = Vec::new();
    for target in &sources {
        let here = |native: bool| -> Vec<&Score<'_>> {
            let side = own.iter().filter(|(source, score)| score.lang == *target && (source == target) == native);
            side.map(|(_, score)| *score).collect()
        };
        let (native, foreign) = (here(true), here(false));
        if native.is_empty() || foreign.is_empty() {
            continue;
        }
        let mean = |side: &[&Score<'_>]| side.iter().map(|score| score.point).sum::<f64>() / side.len() as f64;
        let point = mean(&native) - mean(&foreign);
        let moved: Vec<f64> = means(&native).iter().zip(means(&foreign)).map(|(a, b)| a - b).collect();
        let n = native.iter().map(|score| score.n).max().unwrap_or(0);
        let interval = percentiles(moved.clone(), options.level);
        let of = vec![About::Lang(*target)];
        details.push(detail(None, "native-advantage", of).with(Some(point), interval, n));
        advantages.push((point, moved, n));
    }
    if !advantages.is_empty() {
        let k = advantages.len() as f64;
        let replicates = advantages.iter().map(|(_, moved, _)| moved.len()).min().unwrap_or(0);
        let moved = (0..replicates).map(|r| advantages.iter().map(|(_, m, _)| m[r]).sum::<f64>() / k).collect();
        let point = advantages.iter().map(|(point, ..)| point).sum::<f64>() / k;
        let n = advantages.iter().map(|(.., n)| n).sum();
        let interval = percentiles(moved, options.level);
        details.push(detail(None, "mean-native-advantage", Vec::new()).with(Some(point), interval, n));
    }
    details
}
