//! Calibration and length as metrics of the same sums and the same replicates as scores.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::benchmark::manifest::Rule;
use crate::metric::aggregate::Form;
use crate::metric::calibration::{BINS, BrierScore, ExpectedError};
use crate::metric::length::{BALANCED, CHOSEN_LONGER, CHOSEN_SHORTER, MATCHED, MOST_TOKENS_WINS, SHORTEST_WINS};
use crate::metric::log_loss::LogLoss;
use crate::metric::observe::{Observed, observed};
use crate::metric::{MAX_WIDTH, Metric};
use crate::report::findings::Scope;
use crate::report::findings::analysis::{Analysis, Basis, alike, columns_by_run};
use crate::report::findings::draft::Method;
use crate::report::findings::place::{CellColumns, Gaps, Placed, Slot};

/// A function of a metric's sums, and how many items stand behind it.
type Function = (&'static dyn Metric, fn(&[f64]) -> f64);

static CALIBRATION: [Function; 1] = [(&BrierScore, |sums| sums[1])];
static LOSS: [Function; 1] = [(&LogLoss, |sums| sums[1])];
static ERROR: [Function; 1] = [(&ExpectedError, |sums| sums[BINS / 2])];
static SHORTEST: [Function; 1] = [(&SHORTEST_WINS, |sums| sums[1])];
static TOKENS: [Function; 1] = [(&MOST_TOKENS_WINS, |sums| sums[1])];
static LENGTH: [Function; 4] = [
    (&CHOSEN_LONGER, |sums| sums[1]),
    (&CHOSEN_SHORTER, |sums| sums[3]),
    (&BALANCED, |sums| sums[1] + sums[3]),
    (&MATCHED, |sums| sums[5]),
];

impl Analysis<'_> {
    /// Every behaviour metric of every run: overall, and beside every subset what length alone gives.
    pub fn behaviour(&mut self) {
        let rule = |subset: &usize| self.design().subsets[*subset].rule;
        let shares = |(_, form): &&(Scope, Form)| form.subsets().iter().all(|subset| rule(subset) == Rule::Accuracy);
        let scopes: Vec<(Scope, Form)> = self.layout.scopes.iter().filter(shares).cloned().collect();
        self.functions(&SHORTEST, &scopes);
        self.functions(&TOKENS, &scopes);
        // A composite score is no share of right preferences.
        if self.design().subsets.iter().any(|subset| subset.rule != Rule::Accuracy) {
            return;
        }
        let all = Form::Pooled { subsets: (0..self.design().subsets.len()).collect(), complete: false };
        let overall = [(Scope::Overall, all)];
        self.functions(&CALIBRATION, &overall);
        self.functions(&LOSS, &overall);
        self.functions(&ERROR, &overall);
        self.functions(&LENGTH, &overall);
    }

    /// Functions of one metric's sums.
    fn functions(&mut self, functions: &'static [Function], scopes: &[(Scope, Form)]) {
        let design = self.design();
        let Some((sums, _)) = functions.first() else { return };
        let observe = |run: usize| -> Vec<Observed> {
            let cells = design.cells.iter();
            cells.map(|cell| observed(self.table, run, cell, *sums, &self.protocol)).collect()
        };
        let observed: Vec<Vec<Observed>> = (0..self.table.runs.len()).into_par_iter().map(observe).collect();
        // What does not depend on rewards is the same in all runs that scored the same items: it is placed once.
        let first_like = alike(observed.len(), |a, b| observed[a] == observed[b]);
        // A scorer without a tokenizer has no tokens, another tool's scores may have no lengths.
        let runs: Vec<usize> =
            self.runs.iter().copied().filter(|run| observed[*run].iter().any(Observed::any)).collect();
        let firsts: Vec<usize> = runs.iter().copied().filter(|run| first_like[*run] == *run).collect();
        let of_firsts: Vec<&[Observed]> = firsts.iter().map(|run| observed[*run].as_slice()).collect();
        let columns = columns_by_run(design, &of_firsts, &mut self.sheet);
        let place = |(run, columns): (usize, CellColumns)| {
            let of_function = |(function, _): &Function| {
                self.layout.place(&mut self.sheet, scopes, &columns, &|_| *function, Gaps::Refuse)
            };
            (run, functions.iter().map(of_function).collect())
        };
        let placed_for: HashMap<usize, Vec<Placed>> = firsts.into_iter().zip(columns).map(place).collect();
        let totals: Vec<Vec<[f64; MAX_WIDTH]>> =
            observed.par_iter().map(|cells| cells.iter().map(Observed::totals).collect()).collect();
        for run in runs {
            // The first of those alike scored something, too.
            let Some(placed) = placed_for.get(&first_like[run]) else { continue };
            let binary: Vec<bool> = observed[run].iter().map(|o| o.binary).collect();
            for ((function, count), placed) in functions.iter().zip(placed) {
                // Shares of independent items that are right or wrong have Wilson's interval.
                let binary = if function.ratio().is_some() { binary.as_slice() } else { &[] };
                let before = self.findings.len();
                self.draft(run, function.id(), scopes, placed, binary, Basis::Outcomes);
                let slots = placed.slots.iter().flatten().filter(|slot| !matches!(slot, Slot::Nowhere));
                for (draft, slot) in self.findings[before..].iter_mut().zip(slots) {
                    let Slot::Number(number) = slot else { continue };
                    let mut total = [0.0; MAX_WIDTH];
                    for cell in &number.cells {
                        total.iter_mut().zip(totals[run][*cell]).for_each(|(sum, own)| *sum += own);
                    }
                    let n = count(&total[..function.width()]);
                    draft.n = n.round() as usize;
                    if let Method::Resampled { effective_n, .. } = &mut draft.method {
                        *effective_n = effective_n.min(n);
                    }
                }
            }
        }
    }
}
