//! Writes one metric of one run into a sheet: every scope in every language and average.

use crate::benchmark::manifest::{Average, Manifest, Rule};
use crate::lang::Lang;
use crate::metric::Metric;
use crate::metric::aggregate::{Absent, Compat, Form, Forms, members};
use crate::metric::design::Design;
use crate::metric::sheet::{Finish, NodeId, Sheet};
use crate::report::findings::{Languages, Scope};
use rmbench_resampling::columns::ColumnId;

/// What of a benchmark numbers are made for.
pub struct Layout<'a> {
    pub design: &'a Design,
    pub manifest: &'a Manifest,
    pub compat: Option<Compat>,
    pub scopes: Vec<(Scope, Form)>,
    pub averages: Vec<Average>,
}

/// A scope in some languages.
#[derive(Clone)]
pub enum Slot {
    /// There are no such items, by design or in the data: nothing to report.
    Nowhere,
    /// There should be a number, and this is why there is none.
    Absent(String),
    Number(Number),
}

#[derive(Clone)]
pub struct Number {
    pub node: NodeId,
    /// The design's cells behind it.
    pub cells: Vec<usize>,
    /// Subsets that are left out of it.
    pub skipped: Vec<usize>,
    /// All its items weigh alike and are in one language.
    pub plain: bool,
    /// Effective number of items (Kish).
    pub effective_n: f64,
    /// Languages that an average over "every language" had to do without.
    pub without: Vec<Lang>,
}

/// Columns of a metric's sums by cell; `None` where the cell has no outcome.
pub type CellColumns = Vec<Option<Vec<ColumnId>>>;

/// What averages over every language do about a language that has no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    /// They have none either.
    Refuse,
    /// They leave the language out and say so: a comparison reaches only what both sides have.
    Skip,
}

/// Scopes × (languages, then averages).
pub struct Placed {
    pub slots: Vec<Vec<Slot>>,
    /// By average: the members' overall scores, where the average has a number and is no pool.
    pub members: Vec<Vec<NodeId>>,
}

impl<'a> Layout<'a> {
    pub fn new(design: &'a Design, manifest: &'a Manifest, weights: Option<&str>, compat: Option<Compat>) -> Self {
        let forms = Forms::new(manifest, weights, &design.subsets);
        let one = |subset: usize| Form::Pooled { subsets: vec![subset], complete: true };
        let subsets = design.subsets.iter().enumerate().map(|(i, s)| (Scope::Subset(s.name.clone()), one(i)));
        let categories = forms.categories.into_iter().map(|(name, form)| (Scope::Category(name), form));
        let scopes = subsets.chain(categories).chain([(Scope::Overall, forms.overall)]).collect();
        // With one language, its score says it all, unless only the pool of languages is complete.
        let keep = |average: &&Average| design.langs.len() > 1 || !(manifest.open && average.langs.is_empty());
        let averages = manifest.averages.iter().filter(keep).cloned().collect();
        Layout { design, manifest, compat, scopes, averages }
    }

    /// The languages and averages that slots stand for, in order.
    pub fn languages(&self) -> impl Iterator<Item = Languages> + '_ {
        let langs = self.design.langs.iter().map(|lang| Languages::One(*lang));
        langs.chain(self.averages.iter().map(|average| Languages::Average(average.name.clone())))
    }

    /// Whether a subset is to be expected in a language: the manifest says so, or the data have it.
    fn expects(&self, subset: usize, lang: Lang) -> bool {
        let here = &self.design.subsets[subset];
        if self.manifest.open || !here.known {
            return self.design.has(subset, lang);
        }
        self.manifest.subsets().any(|(category, s)| {
            s.name == here.name && s.exists_in(lang) && (!category.optional || self.design.has(subset, lang))
        })
    }

    /// Writes `scopes` (these or others) with the given sums; `metric` names the function by rule.
    pub fn place(
        &self,
        sheet: &mut Sheet,
        scopes: &[(Scope, Form)],
        columns: &CellColumns,
        metric: &dyn Fn(Rule) -> &'static dyn Metric,
        gaps: Gaps,
    ) -> Placed {
        let langs = &self.design.langs;
        let mut slots = Vec::with_capacity(scopes.len());
        let mut overall_members = vec![Vec::new(); self.averages.len()];
        for (scope, form) in scopes {
            let mut row: Vec<Slot> =
                langs.iter().map(|lang| self.slot(sheet, form, &[*lang], columns, metric)).collect();
            for (at, average) in self.averages.iter().enumerate() {
                let slot = if average.pooled {
                    let chosen: Vec<Lang> = match average.langs.as_slice() {
                        // A pool is complete: what the manifest lists, unless it lists nothing.
                        [] if self.manifest.langs.is_empty() => langs.clone(),
                        [] => self.manifest.langs.clone(),
                        listed => listed.iter().flat_map(|m| m.langs().iter().copied()).collect(),
                    };
                    self.slot(sheet, form, &chosen, columns, metric)
                } else {
                    let (slot, nodes) = self.averaged(sheet, average, &row, gaps);
                    if *scope == Scope::Overall {
                        overall_members[at] = nodes;
                    }
                    slot
                };
                row.push(slot);
            }
            slots.push(row);
        }
        Placed { slots, members: overall_members }
    }

    /// A form over the pooled items of some languages.
    fn slot(
        &self,
        sheet: &mut Sheet,
        form: &Form,
        langs: &[Lang],
        columns: &CellColumns,
        metric: &dyn Fn(Rule) -> &'static dyn Metric,
    ) -> Slot {
        let Some(form) = form.restricted(&|subset| langs.iter().any(|lang| self.expects(subset, *lang))) else {
            return Slot::Nowhere;
        };
        let cells_of = |subset: usize| {
            let cells = langs.iter().filter_map(move |lang| self.design.cell(subset, *lang));
            cells.filter(|cell| columns[*cell].is_some())
        };
        let mut leaf = |sheet: &mut Sheet, subsets: &[usize], complete: bool| {
            let absent: Vec<usize> = subsets.iter().copied().filter(|s| cells_of(*s).next().is_none()).collect();
            if absent.len() == subsets.len() || (complete && !absent.is_empty()) {
                return Err(Absent { subsets: absent });
            }
            let pooled = subsets.iter().flat_map(|s| cells_of(*s)).filter_map(|cell| columns[cell].as_ref());
            let pooled: Vec<ColumnId> = pooled.flatten().copied().collect();
            let rule = self.design.subsets[subsets[0]].rule;
            Ok(sheet.finish(Finish::Metric(metric(rule)), pooled))
        };
        let mut skipped = Vec::new();
        match form.place(sheet, self.compat, &mut skipped, &mut leaf) {
            Err(absent) => Slot::Absent(self.explain(&absent.subsets)),
            Ok(node) => {
                let units = |subset: usize| {
                    // Translations of one source item are not independent: the largest language counts.
                    cells_of(subset).map(|cell| self.design.cells[cell].units.len()).max().unwrap_or(0) as f64
                };
                Slot::Number(Number {
                    node,
                    cells: form.subsets().into_iter().flat_map(cells_of).collect(),
                    effective_n: form.effective_n(&units),
                    plain: langs.len() == 1 && matches!(form, Form::Pooled { .. }),
                    skipped,
                    without: Vec::new(),
                })
            }
        }
    }

    fn averaged(&self, sheet: &mut Sheet, average: &Average, row: &[Slot], gaps: Gaps) -> (Slot, Vec<NodeId>) {
        let langs = &self.design.langs;
        let slot_of = |lang: Lang| langs.iter().position(|l| *l == lang).and_then(|at| row.get(at));
        let mut cells = Vec::new();
        let mut skipped = Vec::new();
        let mut effective_n: f64 = 0.0;
        let mut without = Vec::new();
        let mut leaf = |lang: Lang| match slot_of(lang) {
            Some(Slot::Number(number)) => {
                cells.extend_from_slice(&number.cells);
                skipped.extend_from_slice(&number.skipped);
                effective_n = effective_n.max(number.effective_n);
                Ok(Some(number.node))
            }
            Some(Slot::Absent(_)) if gaps == Gaps::Skip && average.langs.is_empty() => {
                without.push(lang);
                Ok(None)
            }
            Some(Slot::Absent(_)) => Err(Absent { subsets: Vec::new() }),
            Some(Slot::Nowhere) | None => Ok(None),
        };
        if row.iter().take(langs.len()).all(|slot| matches!(slot, Slot::Nowhere)) {
            return (Slot::Nowhere, Vec::new());
        }
        match members(average, langs, sheet, &mut leaf) {
            Err(why) => (Slot::Absent(why), Vec::new()),
            Ok(nodes) => {
                skipped.sort_unstable();
                skipped.dedup();
                let node = sheet.plain_mean(&nodes);
                (Slot::Number(Number { node, cells, skipped, plain: false, effective_n, without }), nodes)
            }
        }
    }

    fn explain(&self, absent: &[usize]) -> String {
        format!("no item has an outcome in {}", self.names(absent))
    }

    /// Names of subsets for a sentence, shortened.
    pub fn names(&self, subsets: &[usize]) -> String {
        let names: Vec<&str> = subsets.iter().map(|s| self.design.subsets[*s].name.as_str()).collect();
        match names.len() {
            0 => "any subset".to_owned(),
            1..=6 => names.join(", "),
            n => format!("{} and {} more subsets", names[..5].join(", "), n - 5),
        }
    }
}
