//! What decides whether a preference is right: the item, the language, the model, or none of them alone.

use crate::metric::columns::ColumnId;
use crate::metric::components::shares;
use crate::metric::parallel::Parallel;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "deciding";

/// Fewer of each tell nothing of how much they vary.
const MIN_RUNS: usize = 3;
const MIN_LANGS: usize = 3;
const MIN_ITEMS: usize = 30;

const PARTS: [&str; 4] = ["item", "language", "model", "none"];

pub fn deciding(context: &Context<'_>) -> Vec<Detail> {
    if context.runs.len() < MIN_RUNS {
        return Vec::new();
    }
    let runs: Vec<Parallel> =
        context.runs.iter().map(|run| Parallel::new(context.table, context.design, *run)).collect();
    // Languages that every run has: a balanced design is one of them all.
    let langs: Vec<usize> = (0..runs[0].langs.len())
        .filter(|lang| runs.iter().all(|run| run.accuracy(*lang).is_some_and(|(_, n)| n >= MIN_ITEMS)))
        .collect();
    if langs.len() < MIN_LANGS {
        return Vec::new();
    }
    let answered = |cluster: &usize| runs.iter().all(|run| langs.iter().all(|l| run.right(*l, *cluster).is_some()));
    let clusters: Vec<usize> = (0..context.design.n_clusters).filter(answered).collect();
    let detail = |part: &str| context.detail(ANALYSIS, None, "variance-share", vec![About::name(part)]);
    if clusters.len() < MIN_ITEMS {
        let why = format!("not enough data: {} items have an outcome of every run in every language", clusters.len());
        return PARTS.iter().map(|part| detail(part).because(why.clone())).collect();
    }
    let mut numbers = context.plan.numbers();
    let right =
        |run: &Parallel, lang: usize, cluster: usize| f64::from(u8::from(run.right(lang, cluster) == Some(true)));
    let of_run = |run: &Parallel, cluster: usize| langs.iter().map(|lang| right(run, *lang, cluster)).sum::<f64>();
    let of_lang = |lang: usize, cluster: usize| runs.iter().map(|run| right(run, lang, cluster)).sum::<f64>();
    let mut column = |of: &dyn Fn(usize) -> f64| numbers.column(clusters.iter().map(|c| (*c as u32, of(*c))));
    let mut columns: Vec<ColumnId> = vec![column(&|_| 1.0)];
    columns.push(column(&|cluster| runs.iter().map(|run| of_run(run, cluster)).sum::<f64>().powi(2)));
    columns.extend(runs.iter().map(|run| column(&|cluster| of_run(run, cluster))));
    columns.extend(langs.iter().map(|lang| column(&|cluster| of_lang(*lang, cluster))));
    let (n_runs, n_langs) = (runs.len(), langs.len());
    let parts = [0, 1, 2, 3]
        .map(|part| numbers.function(columns.clone(), move |sums| Some(shares(sums, n_runs, n_langs)?[part])));
    let answers = numbers.resample();
    let n = clusters.len() * n_runs * n_langs;
    PARTS.iter().zip(parts).map(|(part, number)| detail(part).found(answers.of(number), n)).collect()
}
