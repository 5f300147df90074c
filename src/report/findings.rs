//! Findings: every number a report shows, with interval, n and what is missing, in tidy form.
//!
//! Sections and renderers read findings only; they compute nothing.

mod analyses;
mod analysis;
mod behaviour;
mod compare;
mod counts;
mod describe;
mod detail;
mod draft;
mod judges;
mod magnitudes;
mod omnibus;
mod options;
mod pairs;
mod panel;
mod place;
mod protocols;
mod published;
mod significance;
mod standing;
mod warnings;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::benchmark::catalog;
use crate::benchmark::manifest::Manifest;
use crate::lang::Lang;
use crate::metric::Estimate;
use crate::metric::design::Design;
use crate::metric::resample::Plan;
use crate::metric::sheet::NodeId;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::table::item::{ItemTable, Symbol};

use analyses::Context;
use analysis::Analysis;
use draft::{Draft, Method, Resolver};

pub use detail::{About, Detail};
pub use judges::JudgeTotals;
pub use options::{FindingError, FindingOptions};
pub use panel::PanelFinding;
pub use protocols::{Averaging, ProtocolName, ProtocolScore};
pub use significance::{ChiSquare, EqualityTest, McNemar, PairTests, Rank, Ranking};

/// What part of a benchmark a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of", content = "name")]
pub enum Scope {
    /// One subset.
    Subset(String),
    /// One category: the weighted mean of its subsets.
    Category(String),
    /// The benchmark's score: how categories combine is in its manifest.
    Overall,
}

/// Over which languages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "over", content = "name")]
pub enum Languages {
    One(Lang),
    /// A named average over languages (`avg22-merged`, `avg23`, `macro`).
    Average(String),
}

/// One number of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Index into [`Findings::runs`].
    pub run: usize,
    pub benchmark: String,
    /// `accuracy`, `gap-to-english` (points of accuracy on shared source ids), …
    pub metric: String,
    pub scope: Scope,
    pub languages: Languages,
    /// `None`: undefined here; `why` says so in words.
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
    /// Exact ties among the items counted in n.
    pub n_ties: usize,
    /// Items of which a response was truncated.
    pub n_truncated: usize,
}

/// What a report must say of one benchmark besides its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkInfo {
    pub name: String,
    pub title: String,
    pub version: String,
    /// How ties, weights and averages are handled, in sentences.
    pub protocol: Vec<String>,
    pub categories: Vec<String>,
    /// (subset, category it belongs to if any), in manifest order.
    pub subsets: Vec<(String, Option<String>)>,
    pub langs: Vec<Lang>,
    /// Names of the averages over languages, the headline one first.
    pub averages: Vec<String>,
    /// What chance gives (0.5 for pairs, 0.25 for best of 4), where defined.
    pub chance: Option<f64>,
}

/// Two runs compared on the items both scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    pub run: usize,
    pub baseline: usize,
    pub benchmark: String,
    #[serde(default = "overall")]
    pub scope: Scope,
    pub languages: Languages,
    /// run − baseline, paired over shared items.
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
    #[serde(default)]
    pub tests: PairTests,
}

fn overall() -> Scope {
    Scope::Overall
}

/// All that a report is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    pub runs: Vec<RunInfo>,
    pub benchmarks: Vec<BenchmarkInfo>,
    pub findings: Vec<Finding>,
    /// The run that others are compared with in detail.
    #[serde(default)]
    pub baseline: usize,
    pub differences: Vec<PairedDifference>,
    /// What the runs say together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panel: Vec<PanelFinding>,
    /// Scores under other protocols than the benchmarks' own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<ProtocolScore>,
    /// Of two or more runs, in every language and average.
    #[serde(default)]
    pub rankings: Vec<Ranking>,
    #[serde(default)]
    pub equality: Vec<EqualityTest>,
    /// Numbers of further analyses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// What judges were asked, by run and benchmark.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<JudgeTotals>,
    /// Bootstrap replicates, seed and interval level behind every interval.
    pub replicates: usize,
    pub seed: u64,
    pub level: f64,
    /// What a reader must know before trusting a number: missing cells, mixed versions, many ties.
    pub warnings: Vec<String>,
}

impl Findings {
    /// Everything there is to say of these runs.
    ///
    /// `manifests` gives a benchmark's manifest by its name in the table; benchmarks without one are
    /// plain pairs, with the subsets and categories of the data.
    ///
    /// # Errors
    /// Options that name nothing here, a table without items.
    pub fn compute(
        table: &ItemTable,
        manifests: &dyn Fn(&str) -> Option<Manifest>,
        options: &FindingOptions,
        progress: &mut dyn Progress,
    ) -> Result<Findings, FindingError> {
        if table.items.is_empty() || table.runs.is_empty() {
            return Err(FindingError::Empty);
        }
        let infos: Vec<&RunInfo> = table.runs.iter().map(|run| &run.info).collect();
        let baseline = checked(options, &infos)?;
        check_language(options, table)?;
        let mut benchmarks = Vec::new();
        for symbol in benchmarks_of(table) {
            let name = table.symbols.name(symbol);
            let manifest = match manifests(name) {
                Some(manifest) => manifest,
                None => catalog::find(catalog::PAIRS)?,
            };
            benchmarks.push(Here { symbol, name, manifest });
        }
        check_weights(options, benchmarks.iter().map(|here| &here.manifest))?;
        let mut findings = Findings {
            runs: infos.iter().map(|info| (*info).clone()).collect(),
            benchmarks: Vec::new(),
            findings: Vec::new(),
            baseline,
            differences: Vec::new(),
            panel: Vec::new(),
            protocols: Vec::new(),
            rankings: Vec::new(),
            equality: Vec::new(),
            details: Vec::new(),
            judges: Vec::new(),
            replicates: options.replicates,
            seed: options.seed,
            level: options.level,
            warnings: warnings::between_runs(&infos),
        };
        for here in &benchmarks {
            findings.add(table, here, baseline, options, progress)?;
        }
        describe::order_averages(&mut findings);
        Ok(findings)
    }

    fn add(
        &mut self,
        table: &ItemTable,
        here: &Here<'_>,
        baseline: usize,
        options: &FindingOptions,
        progress: &mut dyn Progress,
    ) -> Result<(), FindingError> {
        progress.begin(&format!("resampling {}", here.name), options.replicates as u64, "replicates");
        let design = Design::new(table, here.symbol, &here.manifest);
        let mut analysis = Analysis::new(table, &design, &here.manifest, here.name, options)?;
        analysis.scores();
        analysis.behaviour();
        analysis.against_english();
        analysis.against_published_english();
        analysis.disparity();
        analysis.grades();
        analysis.judgments();
        analysis.prompt_languages();
        analysis.compare_runs(baseline);
        let runs = analysis.runs.clone();
        let panel = analysis.kappa_by_item();
        self.judges.extend(analysis.judges());
        self.benchmarks.push(describe::benchmark_info(&analysis, options));
        self.warnings.extend(analysis.warnings());
        self.equality.extend(analysis.tests_of_equality());
        let Analysis { protocol, mut sheet, findings, differences, rankings, .. } = analysis;
        let bootstrap = options.bootstrap(&design);
        let errors = magnitudes::Errors::new(&mut sheet, &findings);
        let resampled = findings.iter().filter_map(Draft::resampled);
        let resampled = resampled.chain(differences.iter().filter_map(Draft::resampled));
        let resampled = resampled.chain(panel.iter().filter_map(Draft::resampled));
        let operands = |node| sheet.operands(node);
        let ranked: Vec<NodeId> = rankings.iter().flat_map(|ranking| ranking.kept(operands)).collect();
        let known: HashSet<NodeId> = ranked.iter().copied().collect();
        let is_new = |node: &NodeId| !operands(*node).is_some_and(|(a, b)| known.contains(&a) && known.contains(&b));
        let compared = differences.iter().filter_map(Draft::resampled).filter(is_new);
        let kept = ranked.iter().copied().chain(compared).chain(analyses::nodes(&findings));
        let spreads =
            findings.iter().filter(|draft| matches!(draft.method, Method::Spread { .. } | Method::OverLargest { .. }));
        let members = spreads.filter_map(|draft| sheet.members(draft.node?)).flatten().copied();
        let kept = kept.chain(members);
        let mut resolver = Resolver::new(&sheet, &bootstrap, resampled, kept, progress);
        progress.finish();

        progress.begin(&format!("comparing {}", here.name), 1, "benchmarks");
        resolver.errors = errors.intervals(&sheet, &bootstrap);
        let (of_scores, (ranked, compared)) = rayon::join(
            || analyses::of_scores(&findings, &self.runs, &resolver, options),
            || {
                let ranked = standing::rankings(&rankings, here.name, &resolver, options.level);
                (ranked, standing::differences(differences, &resolver, options.level))
            },
        );
        self.rankings.extend(ranked);
        self.differences.extend(compared);
        self.findings.extend(findings.into_iter().map(|draft| draft::finding(resolver.resolve(draft))));
        judges::lend_intervals(&mut self.findings);
        self.panel.extend(panel.into_iter().map(|draft| panel::finding(resolver.resolve(draft))));
        // Replicates of scores need much memory, analyses none of them.
        drop(resolver);
        progress.advance(1);
        progress.finish();

        progress.begin(&format!("analysing {}", here.name), analyses::N_OF_ITEMS + 1, "analyses");
        let context = Context {
            table,
            design: &design,
            protocol: &protocol,
            benchmark: here.name,
            runs: &runs,
            plan: Plan::new(options.bootstrap(&design), runs.len()),
            options,
        };
        let (details, protocols) = analyses::of_items(
            &context,
            || protocols::protocols(table, &design, &here.manifest, (here.name, &runs), options),
            progress,
        );
        progress.finish();
        self.details.extend(details.into_iter().chain(of_scores));
        self.protocols.extend(protocols);
        Ok(())
    }
}

/// A benchmark of the table and how it is read.
struct Here<'a> {
    symbol: Symbol,
    name: &'a str,
    manifest: Manifest,
}

/// The benchmarks of a table, in order of their items.
fn benchmarks_of(table: &ItemTable) -> Vec<Symbol> {
    let mut found: Vec<Symbol> = Vec::new();
    for key in &table.items {
        if found.last() != Some(&key.benchmark) && !found.contains(&key.benchmark) {
            found.push(key.benchmark);
        }
    }
    found
}

/// Checks the options that do not depend on benchmarks; returns the baseline's number.
fn checked(options: &FindingOptions, runs: &[&RunInfo]) -> Result<usize, FindingError> {
    if !(options.level > 0.0 && options.level < 1.0) {
        return Err(FindingError::Level { level: options.level });
    }
    if options.replicates < 100 {
        return Err(FindingError::Replicates { replicates: options.replicates });
    }
    options.agreement_run.as_ref().map(|name| called(name, runs)).transpose()?;
    options.baseline.as_ref().map_or(Ok(0), |name| called(name, runs))
}

/// The number of the one run of this name.
fn called(name: &str, runs: &[&RunInfo]) -> Result<usize, FindingError> {
    let mut called = runs.iter().enumerate().filter(|(_, run)| run.name == name);
    match (called.next(), called.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some(_), Some(_)) => Err(FindingError::AmbiguousBaseline { name: name.to_owned() }),
        (None, _) => {
            let known = runs.iter().map(|run| run.name.clone()).collect();
            Err(FindingError::UnknownBaseline { name: name.to_owned(), known })
        }
    }
}

/// A language that no item is in is a mistake.
fn check_language(options: &FindingOptions, table: &ItemTable) -> Result<(), FindingError> {
    let Some(lang) = options.temperature_language else { return Ok(()) };
    let known: std::collections::BTreeSet<Lang> = table.items.iter().map(|key| key.lang).collect();
    let unknown = || FindingError::UnknownLanguage { lang, known: known.iter().copied().collect() };
    if known.contains(&lang) { Ok(()) } else { Err(unknown()) }
}

/// A weighting that no benchmark here has is a mistake.
fn check_weights<'a>(
    options: &FindingOptions,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> Result<(), FindingError> {
    let Some(name) = &options.weights else { return Ok(()) };
    let mut known: Vec<String> = manifests.flat_map(|m| m.weights.keys().cloned()).collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(name) { Ok(()) } else { Err(FindingError::UnknownWeights { name: name.clone(), known }) }
}
