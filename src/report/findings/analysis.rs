//! The analysis of one benchmark: every number into one sheet, one set of replicates for all of them.

use std::collections::HashMap;

use rayon::prelude::*;
use rmbench_resampling::columns::{ColumnId, Columns};

use crate::benchmark::manifest::{Manifest, Rule};
use crate::metric::accuracy::TieRate;
use crate::metric::aggregate::Form;
use crate::metric::calibration::ExpectedError;
use crate::metric::design::Design;
use crate::metric::observe::{Observed, labels, observed};
use crate::metric::outcome::Evidence;
use crate::metric::sheet::Sheet;
use crate::metric::{Metric, Protocol, parts_of, score_of};
use crate::metric::{graded, judgment};
use crate::report::findings::counts::{Count, counts};
use crate::report::findings::draft::{Draft, Method};
use crate::report::findings::judges::PROMPT_EFFECT;
use crate::report::findings::options::{FindingError, FindingOptions};
use crate::report::findings::pairs::RankingDraft;
use crate::report::findings::place::{CellColumns, Gaps, Layout, Number, Placed, Slot};
use crate::report::findings::{Finding, PairedDifference, Scope};
use crate::table::item::ItemTable;

/// Which items a number counts.
#[derive(Debug, Clone, Copy)]
pub enum Basis<'a> {
    /// Those with an outcome.
    Outcomes,
    /// Those with a reward for every response, whatever a tie is worth.
    Complete,
    /// Those that two sides share: how many, by cell.
    Shared(&'a [usize]),
}

/// Everything known of one benchmark while its findings are made.
pub struct Analysis<'a> {
    pub table: &'a ItemTable,
    pub layout: Layout<'a>,
    pub protocol: Protocol,
    pub benchmark: String,
    /// Runs that scored any of it.
    pub runs: Vec<usize>,
    /// By run and cell.
    pub counts: Vec<Vec<Count>>,
    /// By run and cell: scores from rewards.
    pub scores: Vec<Vec<Observed>>,
    /// By run and cell: the columns of `scores`.
    pub columns: Vec<CellColumns>,
    /// By run: equal where runs have outcomes for the same items.
    pub presence: Vec<usize>,
    /// By run and cell: loss, win or tie.
    pub labels: Vec<Vec<Vec<u8>>>,
    /// By run: scores as placed, scope by scope.
    pub placed: Vec<Vec<Vec<Slot>>>,
    pub sheet: Sheet,
    pub findings: Vec<Draft<Finding>>,
    pub differences: Vec<Draft<PairedDifference>>,
    pub rankings: Vec<RankingDraft>,
}

impl<'a> Analysis<'a> {
    pub fn new(
        table: &'a ItemTable,
        design: &'a Design,
        manifest: &'a Manifest,
        benchmark: &str,
        options: &FindingOptions,
    ) -> Result<Self, FindingError> {
        let mut protocol = Protocol::from(manifest);
        protocol.ties = options.ties.unwrap_or(protocol.ties);
        let scores = observe(table, design, &protocol, |rule| score_of(rule, Evidence::Rewards));
        let mut sheet = Sheet::default();
        let columns = columns_by_run(design, &scores.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut sheet);
        let has_row = |run: &usize| {
            let mut units = design.cells.iter().flat_map(|cell| &cell.units).flat_map(|unit| unit.items());
            units.any(|item| table.runs[*run].present[table.items[item].offset as usize])
        };
        Ok(Analysis {
            table,
            layout: Layout::new(design, manifest, options.weights.as_deref(), options.compat),
            benchmark: benchmark.to_owned(),
            runs: (0..table.runs.len()).filter(has_row).collect(),
            counts: counts(table, design, &protocol)?,
            presence: alike(scores.len(), |a, b| scores[a].iter().zip(&scores[b]).all(|(a, b)| a.present == b.present)),
            labels: (0..table.runs.len())
                .into_par_iter()
                .map(|run| design.cells.iter().map(|cell| labels(table, run, cell)).collect())
                .collect(),
            placed: vec![Vec::new(); table.runs.len()],
            scores,
            columns,
            sheet,
            protocol,
            findings: Vec::new(),
            differences: Vec::new(),
            rankings: Vec::new(),
        })
    }

    pub fn design(&self) -> &'a Design {
        self.layout.design
    }

    /// Scores, what a length-only scorer gets, parts of composite scores, ties, spread over languages.
    pub fn scores(&mut self) {
        let design = self.design();
        let longest = observe(self.table, design, &self.protocol, |rule| score_of(rule, Evidence::Characters));
        let ties = observe(self.table, design, &self.protocol, |_| &TieRate);
        let all = Form::Pooled { subsets: (0..design.subsets.len()).collect(), complete: false };
        let everything = [(Scope::Overall, all)];
        // Lengths are the same in all runs that scored the same items.
        let longest_like = alike(longest.len(), |a, b| longest[a] == longest[b]);
        let of_ties: Vec<&[Observed]> = self.runs.iter().map(|run| ties[*run].as_slice()).collect();
        let mut columns_of_ties = columns_by_run(design, &of_ties, &mut self.sheet).into_iter();
        let mut longest_placed: HashMap<usize, Placed> = HashMap::new();
        for run in self.runs.clone() {
            let scopes = self.layout.scopes.clone();
            let columns = self.columns[run].clone();
            let placed = self.layout.place(
                &mut self.sheet,
                &scopes,
                &columns,
                &|rule| score_of(rule, Evidence::Rewards),
                Gaps::Refuse,
            );
            let binary: Vec<bool> = self.scores[run].iter().map(|o| o.binary).collect();
            self.draft(run, "accuracy", &scopes, &placed, &binary, Basis::Outcomes);
            self.spread(run, &placed);
            self.design_effects(run, &placed);
            self.placed[run] = placed.slots;
            for rule in [Rule::StyleMatrix, Rule::Ties, Rule::TwoOrders] {
                self.parts(run, rule, &columns);
            }
            let placed = longest_placed.entry(longest_like[run]).or_insert_with(|| {
                let columns = all_columns(design, &longest[run], &mut self.sheet.columns);
                let metric = |rule| score_of(rule, Evidence::Characters);
                self.layout.place(&mut self.sheet, &scopes, &columns, &metric, Gaps::Refuse)
            });
            let binary: Vec<bool> = longest[run].iter().map(|o| o.binary).collect();
            self.draft(run, "longest-wins", &scopes, placed, &binary, Basis::Outcomes);

            let columns = columns_of_ties.next().unwrap_or_default();
            let placed = self.layout.place(&mut self.sheet, &everything, &columns, &|_| &TieRate, Gaps::Refuse);
            let binary: Vec<bool> = ties[run].iter().map(|o| o.binary).collect();
            self.draft(run, TieRate.id(), &everything, &placed, &binary, Basis::Complete);
        }
    }

    /// The parts of a composite rule, on the scopes that have this rule throughout.
    fn parts(&mut self, run: usize, rule: Rule, columns: &CellColumns) {
        let design = self.design();
        let throughout = |form: &Form| form.subsets().iter().all(|s| design.subsets[*s].rule == rule);
        let of_rule: Vec<(Scope, Form)> =
            self.layout.scopes.iter().filter(|(_, form)| throughout(form)).cloned().collect();
        // A category of one subset would repeat it.
        let of_rule: Vec<(Scope, Form)> = of_rule
            .into_iter()
            .filter(|(scope, form)| !(matches!(scope, Scope::Category(_)) && form.subsets().len() == 1))
            .collect();
        for part in parts_of(rule) {
            let placed = self.layout.place(&mut self.sheet, &of_rule, columns, &|_| *part, Gaps::Refuse);
            self.draft(run, part.id(), &of_rule, &placed, &[], Basis::Outcomes);
        }
    }

    /// Variance and standard deviation over the members of each average, as published: in percentage
    /// points, with n − 1. Resampling adds its own noise to a spread, so intervals invert tests.
    fn spread(&mut self, run: usize, placed: &Placed) {
        for (at, average) in self.layout.averages.iter().enumerate() {
            let members = placed.members[at].clone();
            if members.len() < 2 {
                continue;
            }
            let slot = placed.slots.last().and_then(|row| row.get(self.layout.design.langs.len() + at));
            let Some(Slot::Number(number)) = slot else { continue };
            let count: Count = number.cells.iter().map(|cell| self.counts[run][*cell]).sum();
            let variance = self.sheet.variance(members);
            let root = self.sheet.root(variance);
            let numbers = [
                ("language-variance", self.sheet.scaled(1e4, variance), Method::Spread { unit: 1e4, squared: true }),
                ("language-sd", self.sheet.scaled(1e2, root), Method::Spread { unit: 1e2, squared: false }),
            ];
            for (metric, node, method) in numbers {
                let languages = crate::report::findings::Languages::Average(average.name.clone());
                let of = finding(&self.benchmark, run, metric, Scope::Overall, languages, &count);
                let (n, n_missing) = (count.n, count.missing);
                self.findings.push(Draft { of, node: Some(node), method, n, n_missing, why: None });
            }
        }
    }

    /// How many times wider the variance of an average is than that of as many independent items.
    fn design_effects(&mut self, run: usize, placed: &Placed) {
        let Some(row) = placed.slots.last() else { return };
        for (languages, slot) in self.layout.languages().zip(row) {
            let (Slot::Number(number), crate::report::findings::Languages::Average(_)) = (slot, &languages) else {
                continue;
            };
            let count: Count = number.cells.iter().map(|cell| self.counts[run][*cell]).sum();
            let of = finding(&self.benchmark, run, "design-effect", Scope::Overall, languages, &count);
            let (node, method) = (Some(number.node), Method::DesignEffect);
            self.findings.push(Draft { of, node, method, n: count.n, n_missing: count.missing, why: None });
        }
    }

    /// Drafts of everything that was placed. `binary` says by cell whether items are right or wrong.
    pub fn draft(
        &mut self,
        run: usize,
        metric: &str,
        scopes: &[(Scope, Form)],
        placed: &Placed,
        binary: &[bool],
        basis: Basis<'_>,
    ) {
        let is_share = !metric.starts_with("gap")
            && !["ties-margin", judgment::TOKENS.id(), PROMPT_EFFECT].contains(&metric)
            && !judgment::SIGNED.contains(&metric)
            && !graded::SIGNED.contains(&metric);
        for ((scope, _), row) in scopes.iter().zip(&placed.slots) {
            for (languages, slot) in self.layout.languages().zip(row) {
                let (number, why) = match slot {
                    Slot::Nowhere => continue,
                    Slot::Absent(why) => (None, Some(why.clone())),
                    Slot::Number(number) => (Some(number), self.left_out(number)),
                };
                let cells: &[usize] = number.map_or(&[], |n| &n.cells);
                let mut count: Count = cells.iter().map(|cell| self.counts[run][*cell]).sum();
                match basis {
                    Basis::Outcomes => {}
                    Basis::Complete => count.n = count.complete,
                    Basis::Shared(shared) => {
                        count = Count { n: cells.iter().map(|cell| shared[*cell]).sum(), ..Count::default() };
                    }
                }
                let of = finding(&self.benchmark, run, metric, scope.clone(), languages, &count);
                let independent = number.is_some_and(|n| {
                    n.plain
                        && !binary.is_empty()
                        && n.cells.iter().all(|c| binary[*c])
                        && self.design().is_independent(&n.cells)
                });
                let method = if independent {
                    Method::Wilson
                } else {
                    let effective_n = number.map_or(0.0, |n| n.effective_n).min(count.n as f64);
                    match metric == ExpectedError.id() {
                        true => Method::Error { effective_n },
                        false => Method::Resampled { share: is_share, effective_n },
                    }
                };
                let (n, n_missing) = (count.n, count.missing);
                self.findings.push(Draft { of, node: number.map(|n| n.node), method, n, n_missing, why });
            }
        }
    }

    /// What a number does without, in words.
    fn left_out(&self, number: &Number) -> Option<String> {
        let subsets = (!number.skipped.is_empty()).then(|| {
            let names = self.layout.names(&number.skipped);
            match self.layout.compat {
                Some(_) => format!("as RewardBench computes it, without {names}"),
                None => format!("without {names}, which may be absent"),
            }
        });
        let langs = (!number.without.is_empty())
            .then(|| format!("without languages that share no items: {}", number.without.len()));
        match (subsets, langs) {
            (Some(subsets), Some(langs)) => Some(format!("{subsets}; {langs}")),
            (subsets, langs) => subsets.or(langs),
        }
    }
}

/// One metric of every run and cell, in parallel.
pub fn observe<'m>(
    table: &ItemTable,
    design: &Design,
    protocol: &Protocol,
    metric: impl Sync + Fn(Rule) -> &'m dyn Metric,
) -> Vec<Vec<Observed>> {
    let of_run = |run: usize| {
        let cells = design.cells.iter();
        cells.map(|cell| observed(table, run, cell, metric(design.subsets[cell.subset].rule), protocol)).collect()
    };
    (0..table.runs.len()).into_par_iter().map(of_run).collect()
}

/// Numbers things by the first that is the same.
pub(super) fn alike(n: usize, same: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    (0..n).map(|at| (0..at).find(|first| same(*first, at)).unwrap_or(at)).collect()
}

pub fn all_columns(design: &Design, observed: &[Observed], columns: &mut Columns) -> CellColumns {
    let cells = design.cells.iter().zip(observed);
    cells.map(|(cell, observed)| observed.any().then(|| observed.columns(&cell.units, columns, None))).collect()
}

/// Columns of one run, written apart from the sheet, so that runs can be written side by side.
pub struct Written {
    columns: Columns,
    cells: CellColumns,
}

impl Written {
    pub fn new(design: &Design, observed: &[Observed]) -> Self {
        let mut columns = Columns::default();
        let cells = all_columns(design, observed, &mut columns);
        Self { columns, cells }
    }

    /// The same as columns of the sheet.
    pub fn joined(self, sheet: &mut Sheet) -> CellColumns {
        renumbered(self.cells, &sheet.columns.append(&self.columns))
    }
}

/// Columns of several runs, in the order of runs.
fn columns_by_run(design: &Design, observed: &[&[Observed]], sheet: &mut Sheet) -> Vec<CellColumns> {
    let written: Vec<Written> = observed.par_iter().map(|observed| Written::new(design, observed)).collect();
    written.into_iter().map(|written| written.joined(sheet)).collect()
}

/// Columns of cells by other numbers: `places[id]` is where a column stands now.
pub fn renumbered(mut cells: CellColumns, places: &[ColumnId]) -> CellColumns {
    cells.iter_mut().flatten().flatten().for_each(|id| *id = places[*id as usize]);
    cells
}

/// A finding before its number.
pub(super) fn finding(
    benchmark: &str,
    run: usize,
    metric: &str,
    scope: Scope,
    languages: crate::report::findings::Languages,
    count: &Count,
) -> Finding {
    Finding {
        run,
        benchmark: benchmark.to_owned(),
        metric: metric.to_owned(),
        scope,
        languages,
        estimate: None,
        why: None,
        n_ties: count.ties,
        n_truncated: count.truncated,
    }
}
