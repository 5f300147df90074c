//! What is counted of one language of one file.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::fingerprint::{Content, Fingerprint, Writing, of_parts, writing};
use crate::lang::Lang;
use crate::preference::Comparison;

/// The findings on one language of one file. Counts are items unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LanguageReport {
    /// All rows of the language: comparisons, ties and bad rows.
    pub rows: u64,
    pub comparisons: u64,
    /// Rows that prefer neither response.
    pub ties: u64,
    /// Bad rows by reason: `null`, `empty`, `wrong type`, …
    pub bad: BTreeMap<&'static str, u64>,
    /// A chosen and a rejected response are the same text.
    pub identical: u64,
    /// Rows whose (id, language) an earlier row has.
    pub duplicate_keys: u64,
    /// Preferences that an earlier row states as well.
    pub repeated: u64,
    /// Pairs of responses to one prompt that are preferred both ways.
    pub contradictory: u64,
    /// Prompts that equal the English version of the same source item.
    pub untranslated_prompts: u64,
    /// Items with a response that equals one of the English version.
    pub untranslated_responses: u64,
    /// Prompts that are not in the language's script.
    pub other_script_prompts: u64,
    /// Items with a response that is not in the language's script.
    pub other_script_responses: u64,
    /// Median of ln(characters of chosen / characters of rejected); 0 is balanced.
    pub median_log_length_ratio: Option<f64>,
    /// Share of preferences whose chosen response has more characters; equal lengths count half.
    pub chosen_longer: Option<f64>,
    /// Items whose longest sequence exceeds the model's limit; absent when no lengths were asked for.
    pub over_long: Option<u64>,
    /// Tokens of the longest sequence.
    pub longest_tokens: Option<usize>,
    /// Items that the other file has with the same prompt and responses.
    pub leaked_items: Option<u64>,
    /// Further items whose prompt alone the other file has.
    pub leaked_prompts: Option<u64>,
}

/// A text field of an item, for comparison with its English version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Prompt,
    Response,
}

/// One language while its file is being read.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub report: LanguageReport,
    /// Which directions of a preference were seen: bit 0 and bit 1.
    preferences: HashMap<Fingerprint, u8>,
    log_ratios: Vec<f32>,
    longer: f64,
    /// Fields to look up among the English ones: item, field, fingerprint.
    fields: Vec<(u64, Field, Fingerprint)>,
}

/// The fields of the English items of a file.
#[derive(Debug, Default)]
pub(super) struct English(HashSet<Fingerprint>);

impl Tally {
    /// Counts one comparison, except for its lengths in tokens.
    pub fn add(&mut self, comparison: &Comparison, content: &Content, english: &mut English) {
        let lang = comparison.lang;
        self.report.rows += 1;
        self.report.comparisons += 1;

        let same = |c: &str| comparison.rejected.iter().any(|r| r.text.trim() == c.trim());
        self.report.identical += u64::from(comparison.chosen.iter().any(|c| same(&c.text)));
        // Equal styles of one item state a preference once.
        let stated: HashSet<(Fingerprint, bool)> = content.preferences().collect();
        for (key, forward) in stated {
            let seen = self.preferences.entry(key).or_default();
            let direction = if forward { 1 } else { 2 };
            self.report.repeated += u64::from(*seen & direction != 0);
            *seen |= direction;
        }

        let script = lang.script();
        let prompt = comparison.prompt.plain_text();
        let prompt_writing = writing(&prompt, script);
        self.report.other_script_prompts += u64::from(prompt_writing == Writing::Other);
        let mut fields = Vec::new();
        if prompt_writing != Writing::Untold {
            fields.push((Field::Prompt, content.prompt));
        }
        let mut other = false;
        for (response, &print) in comparison.responses().zip(content.chosen.iter().chain(&content.rejected)) {
            let response_writing = writing(&response.text, script);
            other |= response_writing == Writing::Other;
            if response_writing != Writing::Untold {
                fields.push((Field::Response, print));
            }
        }
        self.report.other_script_responses += u64::from(other);
        for (field, print) in fields {
            let key = version(comparison, field, print);
            if lang == Lang::ENGLISH {
                english.0.insert(key);
            } else {
                self.fields.push((comparison.row, field, key));
            }
        }

        for chosen in comparison.chosen.iter().map(|r| r.text.chars().count()) {
            for rejected in comparison.rejected.iter().map(|r| r.text.chars().count()) {
                self.log_ratios.push((chosen as f32 / rejected as f32).ln());
                self.longer += match chosen.cmp(&rejected) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
    }

    /// Counts the token lengths of one comparison.
    pub fn add_lengths(&mut self, longest: usize, limit: usize) {
        *self.report.over_long.get_or_insert(0) += u64::from(longest > limit);
        self.report.longest_tokens = self.report.longest_tokens.max(Some(longest));
    }

    pub fn finish(mut self, english: &English) -> LanguageReport {
        self.report.contradictory = self.preferences.values().filter(|&&seen| seen == 3).count() as u64;
        if !self.log_ratios.is_empty() {
            self.report.chosen_longer = Some(self.longer / self.log_ratios.len() as f64);
            self.report.median_log_length_ratio = Some(median(&mut self.log_ratios));
        }
        let mut last = None;
        for (row, field, _) in self.fields.into_iter().filter(|(_, _, key)| english.0.contains(key)) {
            match field {
                Field::Prompt => self.report.untranslated_prompts += 1,
                // Several equal responses of one item are one item.
                Field::Response if last == Some(row) => {}
                Field::Response => {
                    last = Some(row);
                    self.report.untranslated_responses += 1;
                }
            }
        }
        self.report
    }
}

/// A field's text together with the source item it belongs to.
fn version(comparison: &Comparison, field: Field, print: Fingerprint) -> Fingerprint {
    let field: &[u8] = if field == Field::Prompt { b"prompt" } else { b"response" };
    of_parts([comparison.source.as_str().as_bytes(), field, &print.to_le_bytes()])
}

/// The middle value, or the mean of the two in the middle. The values are finite and at least one.
fn median(values: &mut [f32]) -> f64 {
    let middle = values.len() / 2;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    match below.iter().copied().max_by(f32::total_cmp) {
        Some(lower) if values.len().is_multiple_of(2) => (f64::from(lower) + f64::from(upper)) / 2.0,
        _ => f64::from(upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&mut [3.0]), 3.0);
        assert_eq!(median(&mut [9.0, 1.0, 4.0]), 4.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 9.0]), 3.0);
    }
}
