//! Cochran's Q: does a run do equally well in all languages, do all runs do equally well in a language?
//!
//! On items that are answered right or wrong; a tie is not right. Across languages only source items with
//! one outcome in each of them count, across runs only items with an outcome of each.

use rayon::prelude::*;

use crate::benchmark::manifest::Rule;
use crate::lang::Lang;
use crate::metric::cochran;
use crate::metric::observe::NO_LABEL;
use crate::report::findings::analysis::Analysis;
use crate::report::findings::{ChiSquare, EqualityTest, Languages};

/// Items × columns, as they come.
struct Blocks {
    right: Vec<u64>,
    by_item: Vec<u64>,
    n: usize,
}

impl Blocks {
    fn new(k: usize) -> Self {
        Self { right: vec![0; k], by_item: vec![0; k + 1], n: 0 }
    }

    /// One item's labels; incomplete items are left out.
    fn add(&mut self, labels: &[u8]) {
        if labels.contains(&NO_LABEL) {
            return;
        }
        let mut right = 0;
        for (column, label) in self.right.iter_mut().zip(labels) {
            *column += u64::from(*label == 1);
            right += usize::from(*label == 1);
        }
        self.by_item[right] += 1;
        self.n += 1;
    }
}

impl Analysis<'_> {
    pub fn tests_of_equality(&self) -> Vec<EqualityTest> {
        let design = self.design();
        if design.subsets.iter().any(|subset| subset.rule != Rule::Accuracy) {
            return Vec::new();
        }
        let mut tests = Vec::new();
        if design.langs.len() > 1 {
            tests.par_extend(self.runs.par_iter().map(|run| self.across_languages(*run)));
        }
        if self.runs.len() > 1 {
            tests.extend(design.langs.iter().filter_map(|lang| self.across_runs(*lang)));
        }
        tests
    }

    fn test(&self, run: Option<usize>, languages: Option<Languages>, blocks: &Blocks) -> EqualityTest {
        let found = cochran::q(&blocks.right, &blocks.by_item);
        let why = found.is_none().then(|| match blocks.n {
            0 => "no item has an outcome in all of them".to_owned(),
            _ => "no item tells them apart".to_owned(),
        });
        EqualityTest {
            test: "cochran-q".to_owned(),
            benchmark: self.benchmark.clone(),
            run,
            languages,
            n: blocks.n,
            found: found.map(ChiSquare::from),
            why,
        }
    }

    fn across_languages(&self, run: usize) -> EqualityTest {
        let design = self.design();
        let k = design.langs.len();
        // A source item in two subsets is two items.
        let mut blocks = Blocks::new(k);
        let mut labels: Vec<Vec<_>> = Vec::new();
        for subset in 0..design.subsets.len() {
            labels.clear();
            labels.resize(design.n_clusters, Vec::new());
            for (column, lang) in design.langs.iter().enumerate() {
                let Some(cell) = design.cell(subset, *lang) else { continue };
                for (unit, label) in design.cells[cell].units.iter().zip(&self.labels[run][cell]) {
                    let row = &mut labels[unit.cluster as usize];
                    // Twice in a language, or missing in an earlier one: never complete.
                    if row.len() == column && *label != NO_LABEL {
                        row.push(*label);
                    } else {
                        row.clear();
                        row.resize(k + 1, NO_LABEL);
                    }
                }
            }
            labels.iter().filter(|row| row.len() == k).for_each(|row| blocks.add(row));
        }
        self.test(Some(run), None, &blocks)
    }

    fn across_runs(&self, lang: Lang) -> Option<EqualityTest> {
        let design = self.design();
        let cells: Vec<usize> = (0..design.subsets.len()).filter_map(|subset| design.cell(subset, lang)).collect();
        if !design.is_independent(&cells) {
            return None;
        }
        let mut blocks = Blocks::new(self.runs.len());
        let mut row = vec![NO_LABEL; self.runs.len()];
        for cell in cells {
            for unit in 0..design.cells[cell].units.len() {
                for (place, run) in row.iter_mut().zip(&self.runs) {
                    *place = self.labels[*run][cell][unit];
                }
                blocks.add(&row);
            }
        }
        Some(self.test(None, Some(Languages::One(lang)), &blocks))
    }
}
