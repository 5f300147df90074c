//! Judgments beside the rewards they became: counts per item, and rewards at both bounds.

use std::collections::HashMap;
use std::path::PathBuf;

use super::TableError;
use super::item::{ItemTable, Symbol};
use super::judgment::{JudgmentFile, JudgmentRow, beside};
use super::votes::{Lowering, Unresolved, pairs, rewards};
use crate::judge::settings::Verdicts;
use crate::judge::{Judgment, Outcome, Protocol};
use crate::lang::Lang;

pub use rmbench_contributions::judged::{JudgeCounts, Judged, PairVotes};

/// How judgments are counted.
trait Counting {
    fn of(judgments: &[&Judgment], n_chosen: u16) -> Self;
    fn add_words(&mut self, judgments: &[&Judgment], n_chosen: u16);
    fn add_panel(&mut self, judgments: &[&Judgment], n_chosen: u16);
    fn add_grades(&mut self, judgments: &[&Judgment], gold: &[u8]);
}

impl Counting for JudgeCounts {
    fn of(judgments: &[&Judgment], n_chosen: u16) -> Self {
        let mut counts = JudgeCounts::default();
        counts.add_words(judgments, n_chosen);
        counts.add_panel(judgments, n_chosen);
        let mut sets: HashMap<(&str, u16, Vec<u16>), Vec<&Judgment>> = HashMap::new();
        for judgment in judgments {
            counts.judgments += 1;
            match judgment.outcome {
                Outcome::Verdict => {}
                Outcome::Tie => counts.ties += 1,
                Outcome::Unparsed => counts.unparsed += 1,
                Outcome::Refused => counts.refused += 1,
                Outcome::Error => counts.errors += 1,
            }
            if let Some(picked) = judgment.picked.filter(|_| judgment.shown.len() > 1) {
                counts.picks += 1;
                counts.first += u32::from(picked == 0);
                counts.first_expected += 1.0 / judgment.shown.len() as f64;
            }
            if let (Some(prompt), Some(reply)) = (judgment.prompt_tokens, judgment.reply_tokens) {
                counts.counted += 1;
                counts.prompt_tokens += u64::from(prompt);
                counts.reply_tokens += u64::from(reply);
            }
            if let Some(cost) = judgment.cost {
                counts.priced += 1;
                counts.money += cost;
            }
            let mut set = judgment.shown.clone();
            set.sort_unstable();
            sets.entry((&judgment.judge, judgment.sample, set)).or_default().push(judgment);
        }
        for same in sets.values().filter(|same| same.len() > 1 && same[0].shown.len() > 1) {
            if !same.iter().all(|judgment| judgment.outcome.is_decided()) {
                continue;
            }
            let answer =
                |judgment: &Judgment| judgment.picked.and_then(|at| judgment.shown.get(usize::from(at)).copied());
            counts.reordered += 1;
            counts.consistent += u32::from(same.iter().all(|judgment| answer(judgment) == answer(same[0])));
        }
        counts
    }

    /// How sure judges are of their verdicts, and how right that is.
    fn add_words(&mut self, judgments: &[&Judgment], n_chosen: u16) {
        for judgment in judgments.iter().filter(|judgment| judgment.outcome == Outcome::Verdict) {
            let is_chosen = |slot: &u16| *slot < n_chosen;
            self.rated += u32::from(judgment.rating.is_some() && judgment.probabilities.is_none());
            // Of the verdict, of the right verdict, and whether the two are one.
            let (stated, of_right, right) = match (judgment.shown.as_slice(), judgment.probabilities.as_deref()) {
                ([slot], Some([yes])) => {
                    let label = f64::from(u8::from(is_chosen(slot)));
                    self.asked += 1;
                    self.yes_excess += yes - label;
                    (
                        yes.max(1.0 - yes),
                        if is_chosen(slot) { *yes } else { 1.0 - yes },
                        (*yes > 0.5) == is_chosen(slot),
                    )
                }
                (shown, Some(probabilities)) if shown.len() == probabilities.len() => {
                    let Some(picked) = judgment.picked.map(usize::from) else { continue };
                    let (Some(slot), Some(stated)) = (shown.get(picked), probabilities.get(picked)) else { continue };
                    let of_right: f64 =
                        shown.iter().zip(probabilities).filter(|(slot, _)| is_chosen(slot)).map(|(_, p)| p).sum();
                    (*stated, of_right, is_chosen(slot))
                }
                _ => continue,
            };
            self.stated += 1;
            self.stated_p += stated;
            self.stated_right += u32::from(right);
            self.stated_brier += (1.0 - of_right) * (1.0 - of_right);
        }
    }

    /// How often judges of a panel agree on one question (the same responses in the same order).
    fn add_panel(&mut self, judgments: &[&Judgment], n_chosen: u16) {
        let mut questions: HashMap<(&[u16], u16), Vec<usize>> = HashMap::new();
        for judgment in judgments.iter().filter(|judgment| judgment.shown.len() > 1) {
            let vote = match (judgment.outcome, judgment.picked) {
                (Outcome::Tie, _) => 2,
                (Outcome::Verdict, Some(at)) => match judgment.shown.get(usize::from(at)) {
                    Some(slot) => usize::from(*slot >= n_chosen),
                    None => continue,
                },
                _ => continue,
            };
            questions.entry((&judgment.shown, judgment.sample)).or_default().push(vote);
        }
        for votes in questions.values().filter(|votes| votes.len() > 1) {
            let pairs = (votes.len() * (votes.len() - 1) / 2) as u32;
            let mut counts = [0u32; 3];
            votes.iter().for_each(|vote| counts[*vote] += 1);
            self.panel_pairs += pairs;
            self.panel_same += counts.iter().map(|n| n * n.saturating_sub(1) / 2).sum::<u32>();
            self.votes.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
        }
    }

    /// How far grades of responses that were shown together are from the gold ones (0: none), by response.
    fn add_grades(&mut self, judgments: &[&Judgment], gold: &[u8]) {
        for judgment in judgments.iter().filter(|judgment| judgment.outcome.is_decided()) {
            for (slot, grade) in judgment.shown.iter().zip(judgment.grades.iter().flatten()) {
                if let Some(gold) = gold.get(usize::from(*slot)).filter(|gold| **gold > 0) {
                    self.graded += 1;
                    self.grade_excess += grade - f64::from(*gold);
                }
            }
        }
    }
}

/// Adds the judgments that lie beside each run's score table. With `unresolved`, rewards are made anew under that policy;
/// otherwise they stay as scored.
///
/// # Errors
/// Judgments of another run than the scores, or of items that the scores lack.
pub fn attach(table: &mut ItemTable, paths: &[PathBuf], unresolved: Option<Unresolved>) -> Result<(), TableError> {
    for (run, path) in paths.iter().enumerate() {
        let Some(path) = beside(path) else { continue };
        let file = JudgmentFile::open(&path)?;
        let mut info = table.runs[run].info.clone();
        // Reports may have given the run another name.
        info.name.clone_from(&file.info().name);
        let differences = info.differences(file.info());
        if !differences.is_empty() {
            return Err(TableError::MixedProvenance { first: paths[run].clone(), path, differences });
        }
        let verdicts = verdicts_of(&info.settings);
        let by_head = reads_head(&info.settings);
        let mut by_item: HashMap<usize, Vec<Judgment>> = HashMap::new();
        let items = index(table);
        let mut judges: Vec<String> = Vec::new();
        let mut first_row = 0;
        file.each(|row| {
            let item = find(table, &items, &row).ok_or_else(|| TableError::Value {
                path: path.clone(),
                row: first_row,
                column: "item_id",
                problem: format!("the score table has no item `{}` like it", row.item_id),
            })?;
            first_row += 1;
            if !judges.iter().any(|known| **known == *row.judgment.judge) {
                judges.push(row.judgment.judge.to_string());
            }
            // What was written is not needed for counting.
            by_item.entry(item).or_default().push(Judgment { reply: None, reasoning: None, why: None, ..row.judgment });
            Ok(())
        })?;
        let mut judged = lower(table, run, &by_item, verdicts, unresolved);
        if by_head {
            // What a head says is on no scale that grades could be compared with.
            judged.counts.iter_mut().for_each(|counts| counts.rated = 0);
        }
        table.runs[run].judged = Some(Judged { judges, ..judged });
    }
    Ok(())
}

fn lower(
    table: &mut ItemTable,
    run: usize,
    by_item: &HashMap<usize, Vec<Judgment>>,
    verdicts: Verdicts,
    unresolved: Option<Unresolved>,
) -> Judged {
    let n_slots = table.n_chars.len();
    let mut judged = Judged {
        counts: vec![JudgeCounts::default(); table.items.len()],
        worst: vec![None; n_slots],
        best: vec![None; n_slots],
        pairs: HashMap::new(),
        judges: Vec::new(),
    };
    for (item, judgments) in by_item {
        let judgments: Vec<&Judgment> = judgments.iter().collect();
        let key = table.items[*item];
        let slots = key.offset as usize..key.offset as usize + key.n_responses();
        let of = |unresolved| {
            rewards(
                &judgments,
                usize::from(key.n_chosen),
                usize::from(key.n_rejected),
                Lowering { verdicts, unresolved },
            )
        };
        let votes = |unresolved| {
            let sides = (usize::from(key.n_chosen), usize::from(key.n_rejected));
            pairs(&judgments, sides.0, sides.1, Lowering { verdicts, unresolved })
        };
        let bounds = [unresolved.unwrap_or_default(), Unresolved::Wrong, Unresolved::Right].map(votes);
        if let [Some(scored), Some(worst), Some(best)] = bounds {
            judged.pairs.insert(*item as u32, PairVotes { scored, worst, best });
        }
        let mut counts = JudgeCounts::of(&judgments, key.n_chosen);
        counts.add_grades(&judgments, table.grades.get(slots.clone()).unwrap_or_default());
        judged.counts[*item] = counts;
        judged.worst[slots.clone()].copy_from_slice(&of(Unresolved::Wrong));
        judged.best[slots.clone()].copy_from_slice(&of(Unresolved::Right));
        if let Some(unresolved) = unresolved {
            table.runs[run].rewards[slots].copy_from_slice(&of(unresolved));
        }
    }
    judged
}

/// Whether a run's judgments are what a reward head says of critiques.
fn reads_head(settings: &str) -> bool {
    let table = settings.parse::<toml::Table>().unwrap_or_default();
    let protocol = table.get("judge").and_then(|judge| judge.get("protocol")).and_then(|value| value.as_str());
    protocol.is_some_and(|name| Protocol::find(name).is_ok_and(|protocol| protocol.reads_head()))
}

/// What of judgments a run's settings make rewards of.
fn verdicts_of(settings: &str) -> Verdicts {
    let table = settings.parse::<toml::Table>().unwrap_or_default();
    let verdicts = table.get("judge").and_then(|judge| judge.get("verdicts"));
    verdicts.and_then(|verdicts| verdicts.clone().try_into().ok()).unwrap_or_default()
}

type Key = (Symbol, Symbol, Lang, Symbol);

fn index(table: &ItemTable) -> HashMap<Key, usize> {
    table.items.iter().enumerate().map(|(i, key)| ((key.benchmark, key.subset, key.lang, key.item), i)).collect()
}

/// The item a judgment is about, if it has the same responses.
fn find(table: &ItemTable, items: &HashMap<Key, usize>, row: &JudgmentRow) -> Option<usize> {
    let symbol = |name: &str| table.symbols.get(name);
    let key = (symbol(&row.benchmark)?, symbol(&row.subset)?, row.lang, symbol(&row.item_id)?);
    let item = *items.get(&key)?;
    let known = &table.items[item];
    ((known.n_chosen, known.n_rejected) == (row.n_chosen, row.n_rejected)).then_some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_one_item() {
        let judgment = |shown: &[u16], outcome, picked| Judgment {
            prompt_tokens: Some(10),
            reply_tokens: Some(2),
            cost: Some(0.5),
            ..Judgment::bare("j", shown, outcome, picked)
        };
        // The first response shown wins both times: inconsistent. Then a pair of ties, then one undecided.
        let judgments = [
            judgment(&[0, 1], Outcome::Verdict, Some(0)),
            judgment(&[1, 0], Outcome::Verdict, Some(0)),
            judgment(&[0, 2], Outcome::Tie, None),
            judgment(&[2, 0], Outcome::Tie, None),
            judgment(&[0, 3], Outcome::Unparsed, None),
            judgment(&[3, 0], Outcome::Verdict, Some(1)),
        ];
        let counts = JudgeCounts::of(&judgments.iter().collect::<Vec<_>>(), 1);
        assert_eq!((counts.judgments, counts.unparsed, counts.ties), (6, 1, 2));
        assert_eq!((counts.picks, counts.first, counts.first_expected), (3, 2, 1.5));
        assert_eq!((counts.reordered, counts.consistent), (2, 1));
        assert_eq!((counts.prompt_tokens, counts.reply_tokens, counts.money), (60, 12, 3.0));
        assert_eq!((counts.stated, counts.panel_pairs), (0, 0), "no probabilities, one judge");
    }

    /// Grades 5 and 2 of gold 4 and 2, then 3 and none (a third response has no gold grade): 1 + 0 − 1 over three.
    #[test]
    fn grades_beside_gold_ones() {
        let graded = |shown: &[u16], grades: &[f64]| Judgment {
            grades: Some(grades.to_vec()),
            ..Judgment::bare("j", shown, Outcome::Verdict, Some(0))
        };
        let all = [graded(&[0, 1], &[5.0, 2.0]), graded(&[2, 0], &[1.0, 3.0])];
        let mut counts = JudgeCounts::default();
        counts.add_grades(&all.iter().collect::<Vec<_>>(), &[4, 2, 0]);
        assert_eq!((counts.graded, counts.grade_excess), (3, 0.0));
        counts.add_grades(&[&all[0]], &[]);
        assert_eq!(counts.graded, 3, "without gold grades there is nothing to compare");
    }

    /// Of a pair: 0.8 for the chosen response, shown second and picked; 0.6 for the rejected one. Of single responses:
    /// yes at 0.9 of a chosen one, yes at 0.7 of a rejected one. Three judges on one question: chosen, chosen, tie.
    #[test]
    fn words_and_panels_by_hand() {
        let judgment = |judge: &str, shown: &[u16], picked, probabilities: &[f64]| Judgment {
            rating: (shown.len() == 1).then(|| probabilities[0]),
            probabilities: (!probabilities.is_empty()).then(|| probabilities.to_vec()),
            ..Judgment::bare(judge, shown, Outcome::Verdict, picked)
        };
        let all = [
            judgment("a", &[1, 0], Some(1), &[0.2, 0.8]),
            judgment("a", &[0, 1], Some(1), &[0.4, 0.6]),
            judgment("a", &[0], None, &[0.9]),
            judgment("a", &[1], None, &[0.7]),
            judgment("b", &[1, 0], Some(1), &[]),
            Judgment { outcome: Outcome::Tie, ..judgment("c", &[1, 0], None, &[]) },
        ];
        let counts = JudgeCounts::of(&all.iter().collect::<Vec<_>>(), 1);
        assert_eq!((counts.stated, counts.stated_right, counts.asked), (4, 2, 2));
        assert!((counts.stated_p - (0.8 + 0.6 + 0.9 + 0.7)).abs() < 1e-12);
        // 0.2² + 0.6² + 0.1² + 0.7².
        assert!((counts.stated_brier - 0.9).abs() < 1e-12 && (counts.yes_excess - (-0.1 + 0.7)).abs() < 1e-12);
        assert_eq!((counts.panel_pairs, counts.panel_same, counts.votes), (3, 1, [2, 0, 1]));
    }
}
