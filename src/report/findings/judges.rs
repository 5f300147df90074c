//! Findings about judges: position, consistency, failures and cost, by language.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::metric::aggregate::Form;
use crate::metric::judgment::{ALL, PICKS_FIRST, POSITION};
use crate::metric::observe::observed;
use crate::metric::{Interval, Metric};
use crate::report::findings::analysis::{Analysis, Basis, all_columns};
use crate::report::findings::place::{Gaps, Placed};
use crate::report::findings::{Finding, Scope};
use crate::table::item::ItemTable;
use crate::table::judged::JudgeCounts;

/// Accuracy with the question in the item's own language less accuracy with it in English, all else equal.
pub const PROMPT_EFFECT: &str = "prompt-language-effect";

/// What one run's judges were asked about one benchmark, all languages together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeTotals {
    /// Index into the runs.
    pub run: usize,
    pub benchmark: String,
    pub judges: Vec<String>,
    pub judgments: u64,
    pub unparsed: u64,
    pub refused: u64,
    pub errors: u64,
    /// Judgments whose tokens are known, and those tokens.
    pub counted: u64,
    pub prompt_tokens: u64,
    pub reply_tokens: u64,
    /// Money, by the prices of the run's settings; `None`: no prices were given, or not every reply has one.
    pub money: Option<f64>,
}

impl Analysis<'_> {
    /// Every measure of every run that was judged.
    pub fn judgments(&mut self) {
        let judged: Vec<usize> =
            self.runs.iter().copied().filter(|run| self.table.runs[*run].judged.is_some()).collect();
        if judged.is_empty() {
            return;
        }
        let design = self.design();
        let all = Form::Pooled { subsets: (0..design.subsets.len()).collect(), complete: false };
        let everything = [(Scope::Overall, all)];
        for metric in ALL {
            for run in &judged {
                let observed: Vec<_> =
                    design.cells.iter().map(|cell| observed(self.table, *run, cell, metric, &self.protocol)).collect();
                let n: Vec<usize> = observed.iter().map(|o| o.n_present(None)).collect();
                let columns = all_columns(design, &observed, &mut self.sheet.columns);
                let placed = self.layout.place(&mut self.sheet, &everything, &columns, &|_| metric, Gaps::Skip);
                let binary: Vec<bool> = observed.iter().map(|o| o.binary).collect();
                self.draft(*run, metric.id(), &everything, &placed, &binary, Basis::Shared(&n));
            }
        }
    }

    /// The effect of the prompt's language, for each run in the items' own that has a twin in English.
    pub fn prompt_languages(&mut self) {
        let twins: Vec<(usize, usize)> =
            self.runs.iter().filter_map(|run| Some((*run, english_twin(self.table, &self.runs, *run)?))).collect();
        let scopes = self.layout.scopes.clone();
        for (run, twin) in twins {
            let (own, english) = (self.placed[run].clone(), self.placed[twin].clone());
            let slots = self.difference(own, &english, "one of the two runs has no score here");
            let placed = Placed { slots, members: Vec::new() };
            self.draft(run, PROMPT_EFFECT, &scopes, &placed, &[], Basis::Outcomes);
        }
    }

    /// The totals of every run that was judged.
    pub fn judges(&self) -> Vec<JudgeTotals> {
        let items = || self.design().cells.iter().flat_map(|cell| &cell.units).flat_map(|unit| unit.items());
        let of_run = |run: usize| {
            let judged = self.table.runs[run].judged.as_ref()?;
            let counts: Vec<&JudgeCounts> = items().filter_map(|item| judged.counts.get(item)).collect();
            let sum = |of: fn(&JudgeCounts) -> u64| counts.iter().map(|counts| of(counts)).sum::<u64>();
            let judgments = sum(|counts| u64::from(counts.judgments));
            let priced = sum(|counts| u64::from(counts.priced));
            Some(JudgeTotals {
                run,
                benchmark: self.benchmark.clone(),
                judges: judged.judges.clone(),
                judgments,
                unparsed: sum(|counts| u64::from(counts.unparsed)),
                refused: sum(|counts| u64::from(counts.refused)),
                errors: sum(|counts| u64::from(counts.errors)),
                counted: sum(|counts| u64::from(counts.counted)),
                prompt_tokens: sum(|counts| counts.prompt_tokens),
                reply_tokens: sum(|counts| counts.reply_tokens),
                money: (priced > 0 && priced == judgments).then(|| counts.iter().map(|counts| counts.money).sum()),
            })
        };
        self.runs.iter().filter_map(|run| of_run(*run)).filter(|totals| totals.judgments > 0).collect()
    }
}

/// Where resampling sees no spread, as of a judge that always picks the first response, the interval of that share is
/// position bias's, too, moved by what there would be without bias.
pub fn lend_intervals(findings: &mut [Finding]) {
    let key = |f: &Finding| (f.run, f.benchmark.clone(), f.scope.clone(), f.languages.clone());
    let shares: HashMap<_, _> = findings
        .iter()
        .filter(|f| f.metric == PICKS_FIRST.id())
        .filter_map(|f| Some((key(f), (f.estimate?, f.why.clone()))))
        .collect();
    for finding in findings.iter_mut().filter(|f| f.metric == POSITION.id()) {
        let Some((share, why)) = shares.get(&key(finding)) else { continue };
        if let (Some(own), Some(of_share)) = (&mut finding.estimate, share.interval)
            && own.interval.is_none()
        {
            let by = own.point - share.point;
            own.interval = Some(Interval { low: of_share.low + by, high: of_share.high + by, ..of_share });
            finding.why.clone_from(why);
        }
    }
}

/// The run that differs from this one in the language of the prompt only, and asks in English.
pub fn english_twin(table: &ItemTable, runs: &[usize], run: usize) -> Option<usize> {
    let without = |run: usize| {
        let column = table.runs.get(run)?;
        column.judged.as_ref()?;
        let mut settings = column.info.settings.parse::<toml::Table>().ok()?;
        settings.remove("name");
        let language = settings.get_mut("judge")?.as_table_mut()?.remove("prompt-language");
        Some((column.info.model.clone(), settings, language?.as_str()?.to_owned()))
    };
    let (model, settings, language) = without(run)?;
    if language != "target" {
        return None;
    }
    let is_twin = |other: &usize| {
        *other != run
            && without(*other).is_some_and(|(its_model, its_settings, its_language)| {
                its_language == "english" && its_model == model && its_settings == settings
            })
    };
    runs.iter().copied().find(is_twin)
}
