//! What a reader must know before trusting a number.

use crate::lang::Lang;
use crate::metric::design::Design;
use crate::provenance::RunInfo;
use crate::report::findings::analysis::Analysis;
use crate::report::findings::counts::Count;

/// Share of items above which ties and truncation are worth a warning.
const NOTEWORTHY: f64 = 0.01;

fn percent(part: usize, of: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / of as f64)
}

/// A few names and how many more there are.
fn some(names: &[String]) -> String {
    match names.len() {
        0..=4 => names.join(", "),
        n => format!("{} and {} more", names[..3].join(", "), n - 3),
    }
}

impl Analysis<'_> {
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let name = &self.benchmark;
        let design = self.design();
        let unknown: Vec<String> =
            design.subsets.iter().filter(|s| !s.known).map(|s| format!("`{}`", s.name)).collect();
        if !unknown.is_empty() {
            warnings.push(format!(
                "`{name}`: subsets that the benchmark does not have count towards no category: {}",
                some(&unknown)
            ));
        }
        if design.n_unnamed > 0 {
            warnings.push(format!(
                "`{name}`: {} items of the domain Ties are called neither ref:… nor tied:… and have no outcome",
                design.n_unnamed
            ));
        }
        warnings.extend(self.against_manifest());
        for run in self.runs.iter().copied() {
            warnings.extend(self.of_run(run));
        }
        warnings
    }

    /// Cells whose number of items differs from the manifest's.
    fn against_manifest(&self) -> Vec<String> {
        let (name, design, manifest) = (&self.benchmark, self.design(), self.layout.manifest);
        if manifest.open {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        let absent: Vec<&Lang> = manifest.langs.iter().filter(|lang| !design.langs.contains(lang)).collect();
        if !absent.is_empty() {
            let codes: Vec<String> = absent.iter().map(|lang| lang.code().to_owned()).collect();
            warnings.push(format!(
                "`{name}`: {} of {} languages were not scored: {}",
                absent.len(),
                manifest.langs.len(),
                some(&codes)
            ));
        }
        let mut other = Vec::new();
        for (number, subset) in design.subsets.iter().enumerate() {
            for lang in &design.langs {
                let found = items(design, number, *lang);
                let optional = manifest.subsets().any(|(c, s)| s.name == subset.name && c.optional);
                match manifest.expected(&subset.name, *lang) {
                    Some(expected) if expected != found as u64 && !(optional && found == 0) => {
                        other.push(format!("{} {lang} has {found} of {expected}", subset.name));
                    }
                    _ => {}
                }
            }
        }
        if !other.is_empty() {
            warnings.push(format!(
                "`{name}`: {} cells do not have the benchmark's number of items: {}",
                other.len(),
                some(&other)
            ));
        }
        warnings
    }

    fn of_run(&self, run: usize) -> Vec<String> {
        let own = (0..self.design().cells.len()).filter(|cell| self.is_own(*cell));
        let count: Count = own.map(|cell| self.counts[run][cell]).sum();
        let all = count.n.max(1);
        let who = format!("`{}`, run `{}`", self.benchmark, self.table.runs[run].info.name);
        let mut warnings = Vec::new();
        if count.missing > 0 {
            warnings.push(format!(
                "{who}: {} items have no outcome here; where other runs have one, compare the paired differences, not the scores",
                count.missing
            ));
        }
        if count.ties as f64 > NOTEWORTHY * all as f64 {
            let why = match self.table.runs[run].judged {
                Some(_) => "are ties: the judge calls them so, or contradicts itself when the order changes",
                None => "are exact ties; low precision makes ties",
            };
            warnings.push(format!(
                "{who}: {} of items ({}) {why}, and they count as the tie policy says",
                percent(count.ties, all),
                count.ties
            ));
        }
        if count.truncated as f64 > NOTEWORTHY * all as f64 {
            warnings.push(format!(
                "{who}: {} of items ({}) were cut to fit the model",
                percent(count.truncated, all),
                count.truncated
            ));
        }
        warnings
    }

    /// Whether a cell is the benchmark's own, not its English counterpart's.
    fn is_own(&self, cell: usize) -> bool {
        let design = self.design();
        design.cell(design.cells[cell].subset, design.cells[cell].lang) == Some(cell)
    }
}

fn items(design: &Design, subset: usize, lang: Lang) -> usize {
    design.cell(subset, lang).map_or(0, |cell| design.cells[cell].units.iter().map(|u| u.items().count()).sum())
}

/// Runs that cannot be told apart, or that saw different data.
pub fn between_runs(runs: &[&RunInfo]) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    names.sort_unstable();
    let mut twice: Vec<String> = names.windows(2).filter(|w| w[0] == w[1]).map(|w| format!("`{}`", w[0])).collect();
    twice.dedup();
    if !twice.is_empty() {
        warnings.push(format!("several runs are called {}", some(&twice)));
    }
    let mut differing: Vec<String> = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        for (role, digest) in &run.digests {
            let is_input = role.starts_with("data/") || role.starts_with("manifest/");
            let other = runs[..at].iter().filter_map(|earlier| earlier.digests.get(role)).any(|known| known != digest);
            if is_input && other && !differing.contains(role) {
                differing.push(role.clone());
            }
        }
    }
    if !differing.is_empty() {
        warnings.push(format!("runs were scored on different versions of {}", some(&differing)));
    }
    warnings
}
