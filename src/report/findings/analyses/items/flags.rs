//! Items that are harder, or easier, in one language than their difficulty elsewhere explains.

use super::{ANALYSIS, Answers, MIN_RUNS};
use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::interval::wilson;
use crate::metric::irt::{Fit, shift};
use crate::metric::normal::normal_quantile;
use crate::report::findings::detail::{About, Detail};

/// Languages that an item must exist in.
pub const MIN_LANGS: usize = 3;
/// Standard errors from which an item is flagged.
const FLAG: f64 = 3.0;
/// Flagged items that are listed, the surest first.
const LISTED: usize = 40;

struct Found {
    lang: Lang,
    cluster: usize,
    shift: f64,
    error: f64,
}

pub fn flags(answers: &Answers<'_>, model: &Fit) -> Vec<Detail> {
    let (context, n_langs) = (answers.context, answers.langs.len());
    let mut found = Vec::new();
    let mut seen = vec![0usize; n_langs];
    let parallel = answers.clusters.iter().enumerate().filter(|(_, cluster)| answers.n_langs(**cluster) >= MIN_LANGS);
    for (item, cluster) in parallel {
        for (lang, seen) in seen.iter_mut().enumerate() {
            let own = answers.runs.iter().enumerate();
            let own: Vec<(f64, bool)> = own
                .filter_map(|(run, p)| Some((model.ability[answers.person(run, lang)], p.right(lang, *cluster)?)))
                .collect();
            if own.len() < MIN_RUNS {
                continue;
            }
            *seen += 1;
            let shift = shift(model.discrimination[item], model.difficulty[item], &own);
            if shift.shift.abs() >= FLAG * shift.error {
                found.push(Found {
                    lang: answers.langs[lang],
                    cluster: *cluster,
                    shift: shift.shift,
                    error: shift.error,
                });
            }
        }
    }
    let mut details = Vec::new();
    for (lang, seen) in answers.langs.iter().zip(seen).filter(|(_, seen)| *seen > 0) {
        let flagged = found.iter().filter(|f| f.lang == *lang).count();
        let share = flagged as f64 / seen as f64;
        let interval = wilson(share, seen as f64, context.plan.level);
        let of = vec![About::Lang(*lang)];
        details.push(context.detail(ANALYSIS, None, "flagged", of).with(Some(share), interval, seen));
    }
    found.sort_by(|a, b| (b.shift.abs() / b.error).total_cmp(&(a.shift.abs() / a.error)));
    let z = normal_quantile(0.5 + context.plan.level / 2.0);
    for f in found.iter().take(LISTED) {
        let Some(lang) = answers.langs.iter().position(|lang| *lang == f.lang) else { continue };
        let Some(item) = answers.runs[0].item(lang, f.cluster) else { continue };
        let key = &context.table.items[item];
        let name = |symbol| About::name(context.table.symbols.name(symbol));
        let of = vec![About::Lang(f.lang), name(key.subset), name(key.item)];
        let answered = answers.runs.iter().filter(|run| run.right(lang, f.cluster).is_some()).count();
        let interval = Interval { low: f.shift - z * f.error, high: f.shift + z * f.error, level: context.plan.level };
        let detail = context.detail(ANALYSIS, None, "difficulty-shift", of.clone());
        details.push(detail.with(Some(f.shift), Some(interval), answered));
        let right = answers.runs.iter().filter(|run| run.right(lang, f.cluster) == Some(true)).count();
        let here = right as f64 / answered as f64;
        let elsewhere: Vec<bool> = answers
            .runs
            .iter()
            .flat_map(|run| (0..n_langs).filter(move |l| *l != lang).filter_map(move |l| run.right(l, f.cluster)))
            .collect();
        let there = elsewhere.iter().filter(|right| **right).count() as f64 / elsewhere.len().max(1) as f64;
        for (measure, share, n) in [("right-here", here, answered), ("right-elsewhere", there, elsewhere.len())] {
            let interval = (measure == "right-here").then(|| wilson(share, n as f64, context.plan.level)).flatten();
            details.push(context.detail(ANALYSIS, None, measure, of.clone()).with(Some(share), interval, n));
        }
    }
    details
}
