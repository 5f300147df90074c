//! Analyses beyond scores: how languages agree, whether rewards mean the same everywhere, what confidence
//! is worth, what length explains.
//!
//! Each is a function from a benchmark's items to [`Detail`]s. To add one: a file here, a line in
//! [`OF_ITEMS`], and a section that prints it. They resample by [`Plan`], with the same draws as scores.

mod agreement;
mod annotators;
mod authors;
mod calibration;
mod clarity;
mod comparability;
mod confusion;
mod content_blind;
mod deciding;
mod dissection;
mod distance;
mod ensembles;
mod groups;
mod items;
mod length;
mod reversals;
mod scores;
mod sharing;
mod studies;
mod tokens;
mod transfer;
mod transfer_length;
mod votes;

use std::panic::resume_unwind;
use std::sync::mpsc::channel;

use rayon::prelude::*;

use crate::metric::Protocol;
use crate::metric::design::Design;
use crate::metric::resample::Plan;
use crate::metric::sheet::NodeId;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::report::findings::detail::{About, Detail};
use crate::report::findings::draft::{Draft, Resolver};
use crate::report::findings::options::FindingOptions;
use crate::report::findings::{Finding, Languages, Scope};
use crate::table::item::ItemTable;

/// What an analysis looks at.
pub struct Context<'a> {
    pub table: &'a ItemTable,
    pub design: &'a Design,
    pub protocol: &'a Protocol,
    pub benchmark: &'a str,
    /// Runs that scored any of it.
    pub runs: &'a [usize],
    pub plan: Plan,
    pub options: &'a FindingOptions,
}

impl Context<'_> {
    pub fn detail(&self, analysis: &str, run: Option<usize>, measure: &str, of: Vec<About>) -> Detail {
        Detail::new(analysis, self.benchmark, run, measure, of)
    }

    /// Details of each run, computed side by side, in order of runs.
    pub fn by_run(&self, of_run: impl Fn(usize) -> Vec<Detail> + Sync) -> Vec<Detail> {
        self.runs.par_iter().flat_map_iter(|run| of_run(*run)).collect()
    }
}

type OfItems = fn(&Context<'_>) -> Vec<Detail>;

/// Analyses of items, in the order they are shown.
static OF_ITEMS: &[(&str, OfItems)] = &[
    ("agreement of languages", agreement::agreement),
    ("calibration", calibration::calibration),
    ("length", length::length),
    ("tokens", tokens::tokens),
    ("comparability", comparability::comparability),
    ("ensembles", ensembles::ensembles),
    ("items", items::items),
    ("what decides", deciding::deciding),
    ("length in the transfer matrix", transfer_length::transfer_length),
    ("baselines without content", content_blind::content_blind),
    ("language of responses", confusion::confusion),
    ("clear and close preferences", clarity::clarity),
    ("votes", votes::votes),
    ("annotators", annotators::annotators),
    ("authors", authors::authors),
    ("preference dissection", dissection::dissection),
    ("reversals", reversals::reversals),
    ("distances of hidden states", distance::distance),
    ("studies", studies::studies),
];

/// How many analyses of items there are.
pub const N_OF_ITEMS: u64 = OF_ITEMS.len() as u64;

/// All analyses of one benchmark's items, and one more beside them. Side by side: what one does on one thread does not keep
/// the others waiting. `progress` hears of each that is done.
pub fn of_items<T: Send>(
    context: &Context<'_>,
    beside: impl FnOnce() -> T + Send,
    progress: &mut dyn Progress,
) -> (Vec<Detail>, T) {
    let (done, told) = channel();
    let analyse = move |of_items: &OfItems| {
        let details = of_items(context);
        // Nobody listens only where the receiver's thread has panicked.
        let _ = done.send(());
        details
    };
    let work = move || {
        rayon::join(|| OF_ITEMS.par_iter().map(|(_, of_items)| analyse(of_items)).collect::<Vec<Vec<Detail>>>(), beside)
    };
    let (details, beside) = if rayon::current_thread_index().is_some() {
        // A thread of the pool must not wait for work that needs one: progress is told afterwards.
        let found = work();
        told.iter().for_each(|()| progress.advance(1));
        found
    } else {
        std::thread::scope(|scope| {
            let work = scope.spawn(work);
            told.iter().for_each(|()| progress.advance(1));
            work.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    };
    progress.advance(1);
    (details.into_iter().flatten().collect(), beside)
}

/// Scores of single languages: what analyses over languages start from.
fn language_scores(drafts: &[Draft<Finding>]) -> impl Iterator<Item = &Draft<Finding>> {
    let wanted = |draft: &&Draft<Finding>| {
        draft.of.scope == Scope::Overall
            && matches!(draft.of.languages, Languages::One(_))
            && scores::METRICS.contains(&draft.of.metric.as_str())
    };
    drafts.iter().filter(wanted)
}

/// Numbers whose replicates analyses over languages need.
pub fn nodes(drafts: &[Draft<Finding>]) -> impl Iterator<Item = NodeId> {
    language_scores(drafts).filter_map(|draft| draft.node)
}

/// All analyses of one benchmark's scores by language.
pub fn of_scores(
    drafts: &[Draft<Finding>],
    runs: &[RunInfo],
    resolver: &Resolver,
    options: &FindingOptions,
) -> Vec<Detail> {
    let scores = scores::scores(language_scores(drafts), resolver);
    let mut details = groups::groups(&scores, options);
    details.extend(transfer::transfer(&scores, runs, options));
    details
}
