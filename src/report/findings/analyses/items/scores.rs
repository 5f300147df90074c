//! Abilities of runs, and difficulty and discrimination of every item.

use super::{ANALYSIS, Answers, PARAMETERS};
use crate::metric::Interval;
use crate::metric::irt::{self, Ability, Fit, item_errors};
use crate::metric::normal::normal_quantile;
use crate::metric::student::from_normal;
use crate::report::findings::detail::{About, Detail};

/// Answers below which an item's parameters would be the prior's.
const MIN_ANSWERS: usize = 10;

/// Of each run: in the mean over its languages, and in each; with the standard error beside it.
pub fn abilities(answers: &Answers<'_>, model: &Fit) -> Vec<Detail> {
    let context = answers.context;
    let n_langs = answers.langs.len();
    let z = normal_quantile(0.5 + context.plan.level / 2.0);
    let mut details = Vec::new();
    let mut add = |run: usize, of: Vec<About>, found: Option<Ability>| {
        let Some(Ability { ability, error, n }) = found else { return };
        let half = from_normal(z, n as f64 - 1.0) * error;
        let interval = Interval { low: ability - half, high: ability + half, level: context.plan.level };
        let detail = |measure: &str| context.detail(ANALYSIS, Some(context.runs[run]), measure, of.clone());
        details.push(detail("ability").with(Some(ability), Some(interval), n));
        details.push(detail("ability-error").with(Some(error), None, n));
    };
    let by_run: Vec<usize> = (0..answers.n_persons()).map(|person| person / n_langs).collect();
    let of_runs = irt::abilities(&answers.all, model, &by_run, answers.runs.len());
    of_runs.into_iter().enumerate().for_each(|(run, found)| add(run, Vec::new(), found));
    if n_langs > 1 {
        let alone: Vec<usize> = (0..answers.n_persons()).collect();
        for (person, found) in irt::abilities(&answers.all, model, &alone, alone.len()).into_iter().enumerate() {
            add(person / n_langs, vec![About::Lang(answers.langs[person % n_langs])], found);
        }
    }
    details
}

/// Of every item with enough answers; intervals are from the curvature of the posterior, a's around ln a.
pub fn parameters(answers: &Answers<'_>, model: &Fit) -> Vec<Detail> {
    let context = answers.context;
    let z = normal_quantile(0.5 + context.plan.level / 2.0);
    let level = context.plan.level;
    let mut details = Vec::new();
    for ((item, cluster), errors) in answers.clusters.iter().enumerate().zip(item_errors(&answers.all, model)) {
        let Some(of) = answers.about(*cluster).filter(|_| errors.n >= MIN_ANSWERS) else { continue };
        let (a, b) = (model.discrimination[item], model.difficulty[item]);
        let half = z * errors.difficulty;
        let around = Interval { low: b - half, high: b + half, level };
        let factor = (z * errors.ln_discrimination).exp();
        let spread = Interval { low: a / factor, high: a * factor, level };
        let detail = |measure: &str| context.detail(PARAMETERS, None, measure, of.clone());
        details.push(detail("difficulty").with(Some(b), Some(around), errors.n));
        details.push(detail("discrimination").with(Some(a), Some(spread), errors.n));
    }
    details
}
