//! The protocol matrix: one score table under every tie policy × weighting × way of averaging, and how far each
//! lies from the benchmark's own. Tools differ in these and rarely say so; here the same rewards are scored by
//! all of them.
//!
//! Axes on which nothing can differ are left out: tie policies where there is no tie, 1/k beside ½ for pairs,
//! weightings where items are pooled.

use rayon::prelude::*;
use rmbench_contributions::tally::Counted;
use serde::{Deserialize, Serialize};

use crate::benchmark::manifest::{Manifest, Overall, Rule, TiePolicy};
use crate::metric::aggregate::{Form, Forms, Part};
use crate::metric::design::{Cell, Design};
use crate::metric::observe::{Observed, observed};
use crate::metric::outcome::Evidence;
use crate::metric::sheet::{NodeId, Sheet};
use crate::metric::{Estimate, Protocol, score_of};
use crate::progress::Silent;
use crate::report::findings::analysis::all_columns;
use crate::report::findings::draft::{Draft, Method, Resolver};
use crate::report::findings::options::FindingOptions;
use crate::report::findings::place::{CellColumns, Gaps, Layout, Number, Slot};
use crate::report::findings::{Languages, Scope};
use crate::table::item::ItemTable;

/// Replicates behind the matrix: its intervals need no third digit, and it has many numbers.
const MOST_REPLICATES: usize = 1_000;

/// How subsets make one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Averaging {
    /// Mean of category scores.
    Categories,
    /// All items alike.
    Items,
}

/// One way to make a score of outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProtocolName {
    pub ties: TiePolicy,
    /// `None`: subsets have no weights, or items count alike.
    pub weights: Option<String>,
    pub averaging: Averaging,
    pub languages: Languages,
}

/// One run's score under one protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProtocolScore {
    /// Index into the findings' runs.
    pub run: usize,
    pub benchmark: String,
    pub protocol: ProtocolName,
    /// The one that the benchmark, or the options of the report, say.
    pub own: bool,
    pub estimate: Option<Estimate>,
    pub why: Option<String>,
    /// Minus the score under the benchmark's own protocol, on the same rewards.
    pub difference: Option<Estimate>,
}

/// One protocol of the matrix, and how it is computed.
struct Way {
    ties: TiePolicy,
    weights: Option<String>,
    averaging: Averaging,
    form: Form,
    own: bool,
}

/// Every protocol's score of every run in `runs`; empty where there is only one protocol.
pub fn protocols(
    table: &ItemTable,
    design: &Design,
    manifest: &Manifest,
    (benchmark, runs): (&str, &[usize]),
    options: &FindingOptions,
) -> Vec<ProtocolScore> {
    let layout = Layout::new(design, manifest, options.weights.as_deref(), options.compat);
    let own_ties = options.ties.unwrap_or(manifest.ties);
    let ways = ways(table, &layout, own_ties, options.weights.as_deref());
    let n_languages = layout.languages().filter(|over| is_shown(&layout, over)).count();
    if ways.len() * n_languages < 2 {
        return Vec::new();
    }
    let mut sheet = Sheet::default();
    let mut drafts: Vec<Draft<ProtocolScore>> = Vec::new();
    // By draft: the draft of the difference, where there is one.
    let mut differences: Vec<Option<Draft<usize>>> = Vec::new();
    for run in runs.iter().copied() {
        let first = drafts.len();
        let counts = counted(table, design, run);
        let mut own: Option<NodeId> = None;
        let mut columns: Vec<(TiePolicy, CellColumns)> = Vec::new();
        for way in &ways {
            if !columns.iter().any(|(ties, _)| *ties == way.ties) {
                columns.push((way.ties, columns_of(table, design, manifest, run, way.ties, &mut sheet)));
            }
            let Some((_, cells)) = columns.iter().find(|(ties, _)| *ties == way.ties) else { continue };
            let scopes = [(Scope::Overall, way.form.clone())];
            let metric = |rule| score_of(rule, Evidence::Rewards);
            let placed = layout.place(&mut sheet, &scopes, cells, &metric, Gaps::Refuse);
            let row = placed.slots.into_iter().flatten();
            let shown: Vec<(Languages, Slot)> =
                layout.languages().zip(row).filter(|(over, _)| is_shown(&layout, over)).collect();
            for (languages, slot) in shown {
                let number = match &slot {
                    Slot::Nowhere => continue,
                    Slot::Absent(_) => None,
                    Slot::Number(number) => Some(number),
                };
                // The headline is the first of the languages that has a number.
                let is_own = way.own && own.is_none() && number.is_some();
                if is_own {
                    own = number.map(|n| n.node);
                }
                let why = if let Slot::Absent(why) = &slot { Some(why.clone()) } else { None };
                let protocol =
                    ProtocolName { ties: way.ties, weights: way.weights.clone(), averaging: way.averaging, languages };
                let of = ProtocolScore {
                    run,
                    benchmark: benchmark.to_owned(),
                    protocol,
                    own: is_own,
                    estimate: None,
                    why: None,
                    difference: None,
                };
                drafts.push(draft(of, number, &counts, why));
            }
        }
        for (at, draft) in drafts.iter().enumerate().skip(first) {
            let node = draft.node.zip(own).map(|(node, own)| sheet.difference(node, own));
            let method = match draft.method {
                Method::Resampled { effective_n, .. } => Method::Resampled { share: false, effective_n },
                other => other,
            };
            let (n, n_missing) = (draft.n, draft.n_missing);
            let wanted = node.filter(|_| !draft.of.own);
            differences.push(wanted.map(|node| Draft { of: at, node: Some(node), method, n, n_missing, why: None }));
        }
    }
    let options = FindingOptions { replicates: options.replicates.min(MOST_REPLICATES), ..options.clone() };
    let nodes = drafts.iter().filter_map(Draft::resampled);
    let nodes = nodes.chain(differences.iter().flatten().filter_map(Draft::resampled));
    let resolver = Resolver::new(&sheet, &options.bootstrap(design), nodes, std::iter::empty(), &mut Silent);
    let resolved = drafts.into_iter().zip(differences).map(|(draft, difference)| {
        let own = resolver.resolve(draft);
        let difference = difference.and_then(|draft| resolver.resolve(draft).estimate);
        ProtocolScore { estimate: own.estimate, why: own.why, difference, ..own.of }
    });
    resolved.collect()
}

fn counted(table: &ItemTable, design: &Design, run: usize) -> Vec<Counted> {
    let view = table.view(run);
    design.cells.iter().map(|cell| Counted::new(&view, &cell.units)).collect()
}

fn draft(of: ProtocolScore, number: Option<&Number>, counts: &[Counted], why: Option<String>) -> Draft<ProtocolScore> {
    let here = number.iter().flat_map(|number| &number.cells).map(|cell| counts[*cell]);
    let without_ties = of.protocol.ties == TiePolicy::Exclude;
    let (mut n, mut n_missing) = (0, 0);
    for count in here {
        n += count.complete - if without_ties { count.tied } else { 0 };
        n_missing += count.missing;
    }
    let effective_n = number.map_or(0.0, |number| number.effective_n).min(n as f64);
    let method = Method::Resampled { share: true, effective_n };
    Draft { of, node: number.map(|n| n.node), method, n, n_missing, why }
}

/// The averages over languages; single languages only where there is no average.
fn is_shown(layout: &Layout<'_>, over: &Languages) -> bool {
    matches!(over, Languages::Average(_)) || layout.averages.is_empty()
}

fn columns_of(
    table: &ItemTable,
    design: &Design,
    manifest: &Manifest,
    run: usize,
    ties: TiePolicy,
    sheet: &mut Sheet,
) -> CellColumns {
    let mut protocol = Protocol::from(manifest);
    protocol.ties = ties;
    let metric = |cell: &Cell| score_of(design.subsets[cell.subset].rule, Evidence::Rewards);
    let observe = |cell: &Cell| observed(table, run, cell, metric(cell), &protocol);
    let observed: Vec<Observed> = design.cells.par_iter().map(observe).collect();
    all_columns(design, &observed, &mut sheet.columns)
}

/// The protocols that can differ, the benchmark's own first.
fn ways(table: &ItemTable, layout: &Layout<'_>, own_ties: TiePolicy, weights: Option<&str>) -> Vec<Way> {
    let (design, manifest) = (layout.design, layout.manifest);
    let own_weights =
        weights.filter(|name| manifest.weights.contains_key(*name)).or(manifest.default_weights.as_deref());
    let mut weightings: Vec<Option<&str>> = manifest.weightings().into_iter().map(Some).collect();
    weightings.sort_by_key(|name| *name != own_weights);
    if weightings.is_empty() {
        weightings.push(None);
    }
    let mut forms: Vec<(Option<String>, Averaging, Form, bool)> = Vec::new();
    for name in weightings {
        let made = Forms::new(manifest, name, &design.subsets);
        let by_category = match (manifest.overall, made.categories.len()) {
            (Overall::MeanOfCategories, _) => Some(made.overall),
            (Overall::Pooled, 0 | 1) => None,
            (Overall::Pooled, _) => {
                let part = |(_, form): (String, Form)| Part { weight: 1.0, optional: false, form };
                Some(Form::Mean(made.categories.into_iter().map(part).collect()))
            }
        };
        let own = manifest.overall == Overall::MeanOfCategories && name == own_weights;
        forms.extend(by_category.map(|form| (name.map(str::to_owned), Averaging::Categories, form, own)));
    }
    let first = design.subsets.first().map(|subset| subset.rule);
    if design.subsets.iter().all(|subset| Some(subset.rule) == first) {
        let known = |subset: &usize| manifest.overall == Overall::Pooled || design.subsets[*subset].known;
        let optional = |name: &str| manifest.subsets().any(|(c, s)| s.name == name && c.optional);
        let subsets = (0..design.subsets.len()).filter(known).filter(|s| !optional(&design.subsets[*s].name)).collect();
        let pooled = Form::Pooled { subsets, complete: !manifest.open };
        forms.push((None, Averaging::Items, pooled, manifest.overall == Overall::Pooled));
    }
    forms.sort_by_key(|(.., own)| !own);
    let policies = policies(table, design, own_ties);
    let mut ways = Vec::new();
    for ties in policies {
        for (weights, averaging, form, own) in &forms {
            let (weights, form) = (weights.clone(), form.clone());
            ways.push(Way { ties, weights, averaging: *averaging, form, own: *own && ties == own_ties });
        }
    }
    ways
}

/// Tie policies that can make a difference here, the own one first.
fn policies(table: &ItemTable, design: &Design, own: TiePolicy) -> Vec<TiePolicy> {
    let tied = (0..table.runs.len()).into_par_iter().any(|run| counted(table, design, run).iter().any(|c| c.any_tie));
    let mut several = false;
    for unit in design.cells.iter().flat_map(|cell| &cell.units) {
        for item in unit.items() {
            several |= table.items[item].n_rejected > 1;
        }
    }
    let has = |rule: Rule| design.subsets.iter().any(|subset| subset.rule == rule);
    let mut found = vec![own];
    if tied && (has(Rule::Accuracy) || has(Rule::StyleMatrix)) {
        let all = [TiePolicy::Loss, TiePolicy::Half, TiePolicy::OneOverK, TiePolicy::Exclude];
        let twin = |policy: TiePolicy| match policy {
            TiePolicy::Half if own == TiePolicy::OneOverK => !several,
            TiePolicy::OneOverK => !several,
            _ => false,
        };
        let fits = |policy: &TiePolicy| !has(Rule::StyleMatrix) || matches!(policy, TiePolicy::Loss | TiePolicy::Half);
        found.extend(all.into_iter().filter(|policy| *policy != own && !twin(*policy) && fits(policy)));
    }
    found
}
