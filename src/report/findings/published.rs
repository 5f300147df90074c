//! Numbers as others publish them beside those that are comparable: the gap to English's own published score,
//! the disparity of languages.

use rayon::prelude::*;

use crate::benchmark::manifest::Rule;
use crate::lang::Lang;
use crate::metric::aggregate::Form;
use crate::metric::design::Cell;
use crate::metric::graded;
use crate::metric::margin::MeanMargin;
use crate::metric::observe::{Observed, observed};
use crate::metric::outcome::Evidence;
use crate::metric::sheet::NodeId;
use crate::metric::{Metric, score_of};
use crate::report::findings::analysis::{Analysis, Basis, all_columns, finding};
use crate::report::findings::counts::Count;
use crate::report::findings::draft::{Draft, Method};
use crate::report::findings::place::{CellColumns, Gaps, Layout, Number, Slot};
use crate::report::findings::{Languages, Scope};

/// The weights under which English scores were published.
const ENGLISH_WEIGHTS: &str = "rb1";

/// Score in the language minus RewardBench's own score: all English items, its weights.
pub const GAP: &str = "gap-to-published-english";
/// 100 (M − E) / E of M-RewardBench's older script, as a fraction.
pub const GAP_PERCENT: &str = "gap-to-published-english-percent";
pub const DISPARITY: &str = "language-disparity";
/// Where nothing says how many items a language has, fewer than these leave it out of the index: the largest of
/// means that are mostly noise is noise.
const MIN_ITEMS: f64 = 10.0;

impl Analysis<'_> {
    /// Where the English originals are a benchmark of their own: the drop as it is published, which is not on
    /// the same items, by category and overall.
    pub fn against_published_english(&mut self) {
        let (design, manifest) = (self.design(), self.layout.manifest);
        if manifest.english.is_none() || !manifest.weights.contains_key(ENGLISH_WEIGHTS) || !design.has_english() {
            return;
        }
        let english_layout = Layout::new(design, manifest, Some(ENGLISH_WEIGHTS), self.layout.compat);
        let metric = |rule| score_of(rule, Evidence::Rewards);
        for run in self.runs.clone() {
            let mut english: CellColumns = vec![None; design.cells.len()];
            for (number, cell) in design.cells.iter().enumerate() {
                let own = design.cell(cell.subset, cell.lang) == Some(number);
                english[number] =
                    design.english(cell.subset).filter(|_| own).and_then(|e| self.columns[run][e].clone());
            }
            let own = self.columns[run].clone();
            let wanted = |scope: &Scope| !matches!(scope, Scope::Subset(_));
            let scopes: Vec<_> = self.layout.scopes.iter().filter(|(s, _)| wanted(s)).cloned().collect();
            let english_scopes: Vec<_> = english_layout.scopes.iter().filter(|(s, _)| wanted(s)).cloned().collect();
            let own = self.layout.place(&mut self.sheet, &scopes, &own, &metric, Gaps::Refuse);
            let english = english_layout.place(&mut self.sheet, &english_scopes, &english, &metric, Gaps::Refuse);
            let languages: Vec<Languages> = self.layout.languages().collect();
            for (at, (scope, _)) in scopes.iter().enumerate() {
                for (place, over) in languages.iter().enumerate() {
                    let (Some(Slot::Number(here)), Some(Slot::Number(there))) =
                        (own.slots[at].get(place), english.slots[at].get(place))
                    else {
                        continue;
                    };
                    let difference = self.sheet.difference(here.node, there.node);
                    let percent = self.sheet.quotient(difference, there.node);
                    for (metric, node) in [(GAP, difference), (GAP_PERCENT, percent)] {
                        self.draft_of(run, metric, scope.clone(), over.clone(), here, node);
                    }
                }
            }
        }
    }

    /// MM-Eval's language disparity index, and the mean margins it is made of, on any benchmark of several languages.
    /// Rewards of a model that gives no rewards say nothing here.
    pub fn disparity(&mut self) {
        let design = self.design();
        if design.langs.len() < 2 {
            return;
        }
        let everything = Form::Pooled { subsets: (0..design.subsets.len()).collect(), complete: false };
        let scopes = [(Scope::Overall, everything)];
        for run in self.runs.clone() {
            if self.table.runs[run].info.kind == "generative" {
                continue;
            }
            let columns = self.columns_of(run, &MeanMargin);
            let placed = self.layout.place(&mut self.sheet, &scopes, &columns, &|_| &MeanMargin, Gaps::Skip);
            let Some(row) = placed.slots.first() else { continue };
            let mut margins: Vec<NodeId> = Vec::new();
            let mut all = Number {
                node: 0,
                cells: Vec::new(),
                skipped: Vec::new(),
                plain: false,
                effective_n: 0.0,
                without: Vec::new(),
            };
            let langs: Vec<Lang> = design.langs.clone();
            for (lang, slot) in langs.iter().zip(row) {
                let Slot::Number(number) = slot else { continue };
                self.draft_of(run, MeanMargin.id(), Scope::Overall, Languages::One(*lang), number, number.node);
                if self.layout.manifest.open && number.effective_n < MIN_ITEMS {
                    all.without.push(*lang);
                    continue;
                }
                margins.push(number.node);
                all.cells.extend_from_slice(&number.cells);
                all.effective_n = all.effective_n.max(number.effective_n);
            }
            let average = self.layout.averages.iter().find(|average| !average.pooled);
            let Some(average) = average.or(self.layout.averages.first()).map(|a| a.name.clone()) else { continue };
            if margins.len() < 2 && all.without.is_empty() {
                continue;
            }
            let over = Languages::Average(average);
            let without = match all.without.len() {
                0 => None,
                1 => Some("without 1 language of fewer than 10 items".to_owned()),
                n => Some(format!("without {n} languages of fewer than 10 items")),
            };
            if margins.len() < 2 {
                let of = finding(&self.benchmark, run, DISPARITY, Scope::Overall, over, &Count::default());
                let why = Some("not enough data: fewer than two languages have 10 items".to_owned());
                let method = Method::Resampled { share: false, effective_n: 0.0 };
                self.findings.push(Draft { of, node: None, method, n: 0, n_missing: 0, why });
                continue;
            }
            let mean = self.sheet.plain_mean(&margins);
            let largest = self.sheet.largest(margins);
            let node = self.sheet.quotient(mean, largest);
            self.draft_of(run, DISPARITY, Scope::Overall, over, &all, node);
            if let Some(draft) = self.findings.last_mut() {
                draft.why = without;
                draft.method = Method::OverLargest { effective_n: all.effective_n.min(draft.n as f64) };
            }
        }
    }

    /// Of graded benchmarks: how a judge's grades agree with people's. Rewards that are no grades have none.
    pub fn grades(&mut self) {
        let design = self.design();
        if !design.subsets.iter().all(|subset| subset.rule == Rule::Graded) {
            return;
        }
        let scopes = self.layout.scopes.clone();
        for run in self.runs.clone() {
            // Metrics of one group have the same sums.
            let groups: [[&'static dyn Metric; 2]; 2] =
                [[&graded::MACRO_F1, &graded::EXACT], [&graded::LINEAR_KAPPA, &graded::QUADRATIC_KAPPA]];
            for group in groups {
                let columns = self.columns_of(run, group[0]);
                if columns.iter().all(Option::is_none) {
                    continue;
                }
                for metric in group {
                    let placed = self.layout.place(&mut self.sheet, &scopes, &columns, &|_| metric, Gaps::Refuse);
                    self.draft(run, metric.id(), &scopes, &placed, &[], Basis::Outcomes);
                }
            }
        }
    }

    /// A metric's sums of one run by cell.
    fn columns_of(&mut self, run: usize, metric: &'static dyn Metric) -> CellColumns {
        let design = self.design();
        let (table, protocol) = (self.table, &self.protocol);
        let observe = |cell: &Cell| observed(table, run, cell, metric, protocol);
        let observed: Vec<Observed> = design.cells.par_iter().map(observe).collect();
        all_columns(design, &observed, &mut self.sheet.columns)
    }

    /// A number that is no share, with the counts of its cells.
    fn draft_of(
        &mut self,
        run: usize,
        metric: &str,
        scope: Scope,
        languages: Languages,
        number: &Number,
        node: NodeId,
    ) {
        let count: Count = number.cells.iter().map(|cell| self.counts[run][*cell]).sum();
        let of = finding(&self.benchmark, run, metric, scope, languages, &count);
        let effective_n = number.effective_n.min(count.n as f64);
        let method = Method::Resampled { share: false, effective_n };
        let (n, n_missing) = (count.n, count.missing);
        self.findings.push(Draft { of, node: Some(node), method, n, n_missing, why: None });
    }
}
