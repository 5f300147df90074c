//! The baseline of every cell of the transfer matrix (Wu et al. 2024): what a rule gets that sees lengths only,
//! and whether the model agrees with that rule more often than two independent scorers would.
//!
//! The rule prefers the longer response or the shorter one, whichever is right more often in the language that
//! the model was trained on; equal lengths are worth ½. Which of the two it is is read off all items and stays while
//! resampling: intervals are those of the rule that is named, and hold it as often as they say, however it was chosen. With p the model's accuracy and q the rule's on items
//! where both decide, independent ones agree on pq + (1 − p)(1 − q) of them.

use crate::lang::Lang;
use crate::metric::length::lengths;
use crate::metric::outcome::Evidence;
use crate::report::findings::analyses::{Context, transfer};
use crate::report::findings::detail::{About, Detail};

/// Fewer items give no baseline worth printing.
const MIN_ITEMS: usize = 20;

/// Measures of one cell, in the order of [`Sums::finish`].
const MEASURES: [&str; 4] =
    ["length-baseline", "length-agreement", "length-agreement-expected", "length-agreement-excess"];

/// One item: its source, language, whether the chosen response is the longer one (1, 0, or ½ where equal), and
/// whether the model is right (½ for a tie).
struct Seen {
    cluster: u32,
    lang: usize,
    longer: f64,
    right: f64,
}

/// Sums over the items of one language.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: f64,
    longer: f64,
    /// Items where both decide; of them those that are right, that have the longer chosen, and that have both or
    /// neither.
    decided: f64,
    right: f64,
    decided_longer: f64,
    agree: f64,
}

impl Sums {
    fn add(&mut self, seen: &Seen, weight: f64) {
        self.n += weight;
        self.longer += weight * seen.longer;
        if seen.longer != 0.5 && seen.right != 0.5 {
            self.decided += weight;
            self.right += weight * seen.right;
            self.decided_longer += weight * seen.longer;
            self.agree += weight * f64::from(u8::from(seen.longer == seen.right));
        }
    }

    /// Whether preferring the longer response is right at least as often as preferring the shorter one.
    fn prefers_longer(&self) -> bool {
        2.0 * self.longer >= self.n
    }

    /// The measures of a rule that prefers the longer response, or the shorter one.
    fn finish(&self, longer: bool) -> [f64; MEASURES.len()] {
        let turned = |share: f64| if longer { share } else { 1.0 - share };
        let baseline = turned(self.longer / self.n);
        let (p, q) = (self.right / self.decided, turned(self.decided_longer / self.decided));
        let agreement = turned(self.agree / self.decided);
        let expected = p * q + (1.0 - p) * (1.0 - q);
        [baseline, agreement, expected, agreement - expected]
    }
}

pub fn transfer_length(context: &Context<'_>) -> Vec<Detail> {
    let sources: Vec<(usize, Lang)> =
        context.runs.iter().filter_map(|run| Some((*run, transfer::source(&context.table.runs[*run].info)?))).collect();
    // One training language is no matrix.
    if sources.iter().all(|(_, source)| *source == sources[0].1) {
        return Vec::new();
    }
    sources.into_iter().flat_map(|(run, source)| of_run(context, run, source)).collect()
}

fn of_run(context: &Context<'_>, run: usize, source: Lang) -> Vec<Detail> {
    let langs = &context.design.langs;
    let seen = seen(context, run);
    let counts = |lang: usize| seen.iter().filter(|seen| seen.lang == lang).count();
    let n: Vec<usize> = (0..langs.len()).map(counts).collect();
    let Some(trained) = langs.iter().position(|lang| *lang == source).filter(|at| n[*at] >= MIN_ITEMS) else {
        return Vec::new();
    };
    let sums = |weight: &dyn Fn(u32) -> f64| {
        let mut sums = vec![Sums::default(); langs.len()];
        seen.iter().for_each(|seen| sums[seen.lang].add(seen, weight(seen.cluster)));
        sums
    };
    let longer = sums(&|_| 1.0)[trained].prefers_longer();
    let compute = |weight: &dyn Fn(u32) -> f64, out: &mut [f64]| {
        for (sums, out) in sums(weight).iter().zip(out.chunks_exact_mut(MEASURES.len())) {
            out.copy_from_slice(&sums.finish(longer));
        }
    };
    let mut point = vec![f64::NAN; langs.len() * MEASURES.len()];
    compute(&|_| 1.0, &mut point);
    let resampled = context.plan.run(point.len(), seen.len() * 4, &|weights, out| {
        compute(&|cluster| f64::from(weights[cluster as usize]), out);
    });
    let mut details = Vec::new();
    for (number, lang) in langs.iter().enumerate().filter(|(number, _)| n[*number] > 0) {
        for (at, measure) in MEASURES.into_iter().enumerate() {
            let of = vec![About::Lang(source), About::Lang(*lang)];
            let detail = context.detail(transfer::ANALYSIS, Some(run), measure, of);
            let at = number * MEASURES.len() + at;
            details.push(match n[number] {
                few if few < MIN_ITEMS => detail.because(format!("not enough data: {few} items")),
                n => detail.with(Some(point[at]), resampled.interval(at), n),
            });
        }
    }
    details
}

fn seen(context: &Context<'_>, run: usize) -> Vec<Seen> {
    let side = |above: f64| if above == 0.0 { 0.5 } else { f64::from(u8::from(above > 0.0)) };
    let mut found = Vec::new();
    for cell in &context.design.cells {
        let Some(lang) = context.design.langs.iter().position(|lang| *lang == cell.lang) else { continue };
        for unit in &cell.units {
            for index in unit.items() {
                let item = context.table.item(run, index);
                let (Some(extremes), Some((chosen, rejected))) = (Evidence::Rewards.extremes(&item), lengths(&item))
                else {
                    continue;
                };
                let (longer, right) = (side(chosen - rejected), side(extremes.margin()));
                found.push(Seen { cluster: unit.cluster, lang, longer, right });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten items; the longer response is chosen in 7, the model is right in 6, both in 5, neither in 2.
    #[test]
    fn a_cell_by_hand() {
        let mut sums = Sums::default();
        for (longer, right, times) in [(1.0, 1.0, 5), (1.0, 0.0, 2), (0.0, 1.0, 1), (0.0, 0.0, 2)] {
            (0..times).for_each(|_| sums.add(&Seen { cluster: 0, lang: 0, longer, right }, 1.0));
        }
        assert!(sums.prefers_longer());
        let expected = 0.6 * 0.7 + 0.4 * 0.3;
        for (found, wanted) in sums.finish(true).into_iter().zip([0.7, 0.7, expected, 0.7 - expected]) {
            assert!((found - wanted).abs() < 1e-15);
        }
        // The opposite rule agrees where the other disagrees.
        let turned = sums.finish(false);
        assert!((turned[0] - 0.3).abs() < 1e-15 && (turned[1] - 0.3).abs() < 1e-15);
        assert!((turned[3] + (0.7 - expected)).abs() < 1e-15);
        // Equal lengths and tied rewards count for the baseline only.
        sums.add(&Seen { cluster: 0, lang: 0, longer: 0.5, right: 1.0 }, 1.0);
        assert!((sums.finish(true)[0] - 7.5 / 11.0).abs() < 1e-15 && sums.decided == 10.0);
    }
}
