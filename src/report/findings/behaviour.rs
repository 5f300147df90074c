//! Calibration and length as metrics of the same sums and the same replicates as scores.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::benchmark::manifest::Rule;
use crate::metric::aggregate::Form;
use crate::metric::calibration::{BINS, BrierScore, ExpectedError};
use crate::metric::design::Design;
use crate::metric::length::{BALANCED, CHOSEN_LONGER, CHOSEN_SHORTER, MATCHED, MOST_TOKENS_WINS, SHORTEST_WINS};
use crate::metric::log_loss::LogLoss;
use crate::metric::observe::Observed;
use crate::metric::{MAX_WIDTH, Metric, Protocol};
use crate::report::findings::Scope;
use crate::report::findings::analysis::{Analysis, Basis, Written, alike, observe};
use crate::report::findings::draft::Method;
use crate::report::findings::place::{Gaps, Placed, Slot};
use crate::table::item::ItemTable;

/// A function of a metric's sums, and how many items stand behind it.
type Function = (&'static dyn Metric, fn(&[f64]) -> f64);

/// Functions of one metric's sums, and where.
type Planned<'a> = (&'static [Function], &'a [(Scope, Form)]);

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
        let all = Form::Pooled { subsets: (0..self.design().subsets.len()).collect(), complete: false };
        let overall = [(Scope::Overall, all)];
        let mut planned: Vec<Planned<'_>> = vec![(&SHORTEST, &scopes), (&TOKENS, &scopes)];
        // A composite score is no share of right preferences.
        if self.design().subsets.iter().all(|subset| subset.rule == Rule::Accuracy) {
            let of_rewards: [&'static [Function]; 4] = [&CALIBRATION, &LOSS, &ERROR, &LENGTH];
            planned.extend(of_rewards.map(|functions| (functions, overall.as_slice())));
        }
        let (table, design, protocol, runs) = (self.table, self.design(), self.protocol.clone(), self.runs.clone());
        let seen = |(functions, _): &Planned<'_>| {
            let (sums, _) = functions.first()?;
            Some(Seen::new(table, design, &protocol, &runs, *sums))
        };
        // Items are visited for the next ones on all threads while one writes down what the last ones gave.
        let mut next = planned.first().and_then(seen);
        for (at, (functions, scopes)) in planned.iter().enumerate() {
            let Some(now) = next.take() else { continue };
            let ahead = || planned.get(at + 1).and_then(seen);
            ((), next) = rayon::join(|| self.functions(functions, scopes, now), ahead);
        }
    }

    /// Functions of one metric's sums.
    fn functions(&mut self, functions: &'static [Function], scopes: &[(Scope, Form)], seen: Seen) {
        let Seen { observed, first_like, runs, firsts, columns, totals } = seen;
        let place = |(run, columns): (usize, Written)| {
            let columns = columns.joined(&mut self.sheet);
            let of_function = |(function, _): &Function| {
                self.layout.place(&mut self.sheet, scopes, &columns, &|_| *function, Gaps::Refuse)
            };
            (run, functions.iter().map(of_function).collect())
        };
        let placed_for: HashMap<usize, Vec<Placed>> = firsts.into_iter().zip(columns).map(place).collect();
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

/// What one metric saw in every run.
struct Seen {
    /// By run and cell.
    observed: Vec<Vec<Observed>>,
    /// By run: the first that saw the same. What does not depend on rewards is the same in all runs that scored the same items: it
    /// is placed once.
    first_like: Vec<usize>,
    /// Runs with any outcome: a scorer without a tokenizer has no tokens, another tool's scores may have no lengths.
    runs: Vec<usize>,
    firsts: Vec<usize>,
    /// Of `firsts`.
    columns: Vec<Written>,
    /// By run and cell.
    totals: Vec<Vec<[f64; MAX_WIDTH]>>,
}

impl Seen {
    fn new(table: &ItemTable, design: &Design, protocol: &Protocol, runs: &[usize], sums: &dyn Metric) -> Self {
        let observed = observe(table, design, protocol, |_| sums);
        let first_like = alike(observed.len(), |a, b| observed[a] == observed[b]);
        let runs: Vec<usize> = runs.iter().copied().filter(|run| observed[*run].iter().any(Observed::any)).collect();
        let firsts: Vec<usize> = runs.iter().copied().filter(|run| first_like[*run] == *run).collect();
        let columns = firsts.par_iter().map(|run| Written::new(design, &observed[*run])).collect();
        let totals = observed.par_iter().map(|cells| cells.iter().map(Observed::totals).collect()).collect();
        Self { observed, first_like, runs, firsts, columns, totals }
    }
}
