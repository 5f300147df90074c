//! How hard items are, what that says of runs, which 200 say most, and which are harder, or easier, in one language than
//! their difficulty elsewhere explains: all from one two-parameter logistic model of every run in every language.

mod flags;
mod scores;
mod short_form;

use crate::lang::Lang;
use crate::metric::irt::{Answer, fit, fit_within};
use crate::metric::parallel::Parallel;
use crate::report::findings::analyses::Context;
use crate::report::findings::detail::{About, Detail};

pub const ANALYSIS: &str = "items";
/// Numbers of single items: in the tables, too many for the page.
pub const PARAMETERS: &str = "item-parameters";

/// Fewer runs cannot tell a bad translation from bad luck, nor a hard item from a weak run.
const MIN_RUNS: usize = 5;
const MIN_ITEMS: usize = 30;
/// Answers that all rounds of a fit may look at where languages are not compared.
const ALONE: usize = 4_000_000;

/// What all runs answered: a person of the model is a run in a language, an item a source item in all of its languages.
struct Answers<'a> {
    context: &'a Context<'a>,
    runs: Vec<Parallel>,
    langs: Vec<Lang>,
    /// Sources that some run has an outcome of.
    clusters: Vec<usize>,
    all: Vec<Answer>,
}

impl<'a> Answers<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        let runs: Vec<Parallel> =
            context.runs.iter().map(|run| Parallel::new(context.table, context.design, *run)).collect();
        let langs = runs.first().map(|run| run.langs.clone()).unwrap_or_default();
        let mut answers = Answers { context, runs, langs, clusters: Vec::new(), all: Vec::new() };
        answers.clusters = (0..context.design.n_clusters).filter(|cluster| answers.n_langs(*cluster) > 0).collect();
        for (run, parallel) in answers.runs.iter().enumerate() {
            for lang in 0..answers.langs.len() {
                for (item, cluster) in answers.clusters.iter().enumerate() {
                    if let Some(right) = parallel.right(lang, *cluster) {
                        answers.all.push((answers.person(run, lang) as u32, item as u32, right));
                    }
                }
            }
        }
        answers
    }

    /// Languages that some run has an outcome of a source in.
    fn n_langs(&self, cluster: usize) -> usize {
        let has = |lang: &usize| self.runs.iter().any(|run| run.right(*lang, cluster).is_some());
        (0..self.langs.len()).filter(has).count()
    }

    fn person(&self, run: usize, lang: usize) -> usize {
        run * self.langs.len() + lang
    }

    fn n_persons(&self) -> usize {
        self.runs.len() * self.langs.len()
    }

    /// What a source is called: subset, source.
    fn about(&self, cluster: usize) -> Option<Vec<About>> {
        let mut langs = 0..self.langs.len();
        let item = langs.find_map(|lang| self.runs.iter().find_map(|run| run.item(lang, cluster)))?;
        let key = &self.context.table.items[item];
        let name = |symbol| About::name(self.context.table.symbols.name(symbol));
        Some(vec![name(key.subset), name(key.source)])
    }
}

pub fn items(context: &Context<'_>) -> Vec<Detail> {
    let few_runs = context.runs.len() < MIN_RUNS;
    if few_runs && context.design.n_clusters < MIN_ITEMS {
        return Vec::new();
    }
    let why = |what: &str, n: usize| {
        let detail = context.detail(ANALYSIS, None, "fit", Vec::new());
        vec![detail.because(format!("not enough data: difficulty of items needs {what}, and there are {n}"))]
    };
    if few_runs {
        return why(&format!("{MIN_RUNS} runs of the same items or more"), context.runs.len());
    }
    let answers = Answers::new(context);
    if answers.clusters.len() < MIN_ITEMS {
        return why(&format!("{MIN_ITEMS} items or more"), answers.clusters.len());
    }
    let (n_persons, n_items) = (answers.n_persons(), answers.clusters.len());
    // Flags ask for the last digits; where no item has three languages, nobody asks.
    let parallel = answers.langs.len() >= flags::MIN_LANGS;
    let model = match parallel {
        true => fit(&answers.all, n_persons, n_items),
        false => fit_within(&answers.all, n_persons, n_items, ALONE),
    };
    let mut details = scores::abilities(&answers, &model);
    details.extend(short_form::short_form(&answers, &model));
    details.extend(flags::flags(&answers, &model));
    details.extend(scores::parameters(&answers, &model));
    details
}
