//! Runs compared two by two, on the items both scored.
//!
//! Every run against the baseline in every scope, language and average; every other pair by its score over
//! the headline's languages. Rankings look at all pairs in every language.

use crate::benchmark::manifest::Rule;
use crate::metric::observe::{cross, shared};
use crate::metric::outcome::Evidence;
use crate::metric::sheet::NodeId;
use crate::metric::{mcnemar, score_of, stuart_maxwell};
use crate::report::findings::analysis::Analysis;
use crate::report::findings::draft::{Draft, Method};
use crate::report::findings::place::{CellColumns, Gaps, Slot};
use crate::report::findings::{ChiSquare, Languages, McNemar, PairTests, PairedDifference, Scope};

/// Runs whose scores over some languages can be ranked.
pub struct RankingDraft {
    pub languages: Languages,
    /// Run and its score.
    pub runs: Vec<(usize, NodeId)>,
    /// By pair of `runs`, first before second: first − second on shared items.
    pub pairs: Vec<(usize, usize, Option<NodeId>)>,
}

impl RankingDraft {
    /// Numbers whose replicates a ranking looks at; a difference of two scores needs none of its own.
    pub fn kept(&self, operands: impl Fn(NodeId) -> Option<(NodeId, NodeId)>) -> Vec<NodeId> {
        let scores: Vec<NodeId> = self.runs.iter().map(|(_, node)| *node).collect();
        let own = |node: &NodeId| !operands(*node).is_some_and(|(a, b)| scores.contains(&a) && scores.contains(&b));
        let pairs: Vec<NodeId> = self.pairs.iter().filter_map(|(.., node)| *node).filter(own).collect();
        scores.into_iter().chain(pairs).collect()
    }
}

impl Analysis<'_> {
    /// All pairs; `baseline` is a run that others are compared with in detail.
    pub fn compare_runs(&mut self, baseline: usize) {
        let runs = self.runs.clone();
        let first = self.detailed();
        let languages: Vec<Languages> = self.layout.languages().collect();
        let overall = self.layout.scopes.len() - 1;
        let mut rankings: Vec<RankingDraft> = languages
            .iter()
            .enumerate()
            .map(|(at, languages)| {
                let score = |run: &usize| match self.placed[*run].get(overall).and_then(|row| row.get(at)) {
                    Some(Slot::Number(number)) => Some((*run, number.node)),
                    _ => None,
                };
                let runs = runs.iter().filter_map(score).collect();
                RankingDraft { languages: languages.clone(), runs, pairs: Vec::new() }
            })
            .collect();
        for (i, a) in runs.iter().enumerate() {
            for b in &runs[i + 1..] {
                // The baseline stands second.
                let (run, other) = if *a == baseline { (*b, *a) } else { (*a, *b) };
                let in_detail = other == baseline;
                let scopes = if in_detail { first..overall + 1 } else { overall..overall + 1 };
                let rows = self.pair(run, other, scopes.clone());
                for (scope, (row, shared)) in scopes.zip(rows) {
                    for (at, (slot, n)) in row.into_iter().zip(shared).enumerate() {
                        if scope == overall
                            && let Slot::Number(number) = &slot
                        {
                            let place = |run: usize| rankings[at].runs.iter().position(|(r, _)| *r == run);
                            if let (Some(i), Some(j)) = (place(run), place(other)) {
                                rankings[at].pairs.push((i, j, Some(number.node)));
                            }
                        }
                        let is_average =
                            matches!(languages[at], Languages::Average(_)) || self.layout.averages.is_empty();
                        if in_detail || is_average {
                            self.draft_pair((run, other), scope, &languages[at], slot, n);
                        }
                    }
                }
            }
        }
        rankings.retain(|ranking| ranking.runs.len() > 1);
        self.rankings = rankings;
    }

    /// The first scope that is no subset.
    fn detailed(&self) -> usize {
        self.layout.scopes.iter().take_while(|(scope, _)| matches!(scope, Scope::Subset(_))).count()
    }

    /// run − other in some scopes: by scope, by languages, with the number of shared items.
    fn pair(&mut self, run: usize, other: usize, scopes: std::ops::Range<usize>) -> Vec<(Vec<Slot>, Vec<usize>)> {
        let design = self.design();
        let complete = |slots: &[Slot]| slots.iter().all(|slot| !matches!(slot, Slot::Absent(_)));
        let same = self.presence[run] == self.presence[other]
            && scopes.clone().all(|s| complete(&self.placed[run][s]) && complete(&self.placed[other][s]));
        let n_shared: Vec<usize>;
        let slots = if same {
            // Both scored the same items: the scores that are there already differ by what is asked.
            n_shared = self.counts[run].iter().map(|count| count.n).collect();
            let own = self.placed[run][scopes.clone()].to_vec();
            let there = self.placed[other][scopes].to_vec();
            self.difference(own, &there, "")
        } else {
            let n_cells = design.cells.len();
            let (mut own, mut there): (CellColumns, CellColumns) = (vec![None; n_cells], vec![None; n_cells]);
            let mut n = vec![0; n_cells];
            for (number, cell) in design.cells.iter().enumerate() {
                let (a, b) = (&self.scores[run][number], &self.scores[other][number]);
                let both = shared(a, b);
                n[number] = a.n_present(Some(&both));
                if n[number] > 0 {
                    own[number] = Some(a.columns(&cell.units, &mut self.sheet.columns, Some(&both)));
                    there[number] = Some(b.columns(&cell.units, &mut self.sheet.columns, Some(&both)));
                }
            }
            n_shared = n;
            let chosen = self.layout.scopes[scopes].to_vec();
            let metric = |rule| score_of(rule, Evidence::Rewards);
            let own = self.layout.place(&mut self.sheet, &chosen, &own, &metric, Gaps::Skip);
            let there = self.layout.place(&mut self.sheet, &chosen, &there, &metric, Gaps::Skip);
            self.difference(own.slots, &there.slots, "the two runs share no item with an outcome")
        };
        let count = |slot: &Slot| match slot {
            Slot::Number(number) => number.cells.iter().map(|cell| n_shared[*cell]).sum(),
            _ => 0,
        };
        slots.into_iter().map(|row| (row.iter().map(count).collect(), row)).map(|(n, row)| (row, n)).collect()
    }

    fn draft_pair(
        &mut self,
        (run, baseline): (usize, usize),
        scope: usize,
        languages: &Languages,
        slot: Slot,
        n: usize,
    ) {
        let (number, why) = match slot {
            Slot::Nowhere => return,
            Slot::Absent(why) => (None, Some(why)),
            Slot::Number(number) => (Some(number), None),
        };
        let effective_n = number.as_ref().map_or(0.0, |n| n.effective_n).min(n as f64);
        let tests = match (&number, languages) {
            (Some(number), Languages::One(_)) => self.tables(run, baseline, &number.cells),
            _ => PairTests::default(),
        };
        let of = PairedDifference {
            run,
            baseline,
            benchmark: self.benchmark.clone(),
            scope: self.layout.scopes[scope].0.clone(),
            languages: languages.clone(),
            estimate: None,
            why: None,
            tests,
        };
        let method = Method::Resampled { share: false, effective_n };
        self.differences.push(Draft { of, node: number.map(|n| n.node), method, n, n_missing: 0, why });
    }

    /// Tests of the items themselves, each counting once, where they are independent.
    fn tables(&self, run: usize, other: usize, cells: &[usize]) -> PairTests {
        let design = self.design();
        let plain = cells.iter().all(|cell| design.subsets[design.cells[*cell].subset].rule == Rule::Accuracy);
        if !plain || !design.is_independent(cells) {
            return PairTests::default();
        }
        // Loss, win, tie of the run by those of the other.
        let mut table = [0.0; 9];
        for cell in cells {
            cross(&self.labels[run][*cell], &self.labels[other][*cell], &mut table);
        }
        let only_run = (table[3] + table[5]) as u64;
        let only_baseline = (table[1] + table[7]) as u64;
        let ties: f64 = [2, 5, 6, 7, 8].map(|place| table[place]).iter().sum();
        PairTests {
            mcnemar: Some(McNemar {
                only_run,
                only_baseline,
                exact_p: mcnemar::exact_p(only_run, only_baseline),
                mid_p: mcnemar::mid_p(only_run, only_baseline),
            }),
            stuart_maxwell: stuart_maxwell::test(&table, 3).filter(|_| ties > 0.0).map(ChiSquare::from),
            ..PairTests::default()
        }
    }
}
