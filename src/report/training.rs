//! What the logs of a training run say, as numbers of an analysis: learning by language over the steps, what became
//! of the pairs, and the speed.
//!
//! Steps are joined into at most [`WINDOWS`] windows, by language into [`LANGUAGE_WINDOWS`], since one step's pairs are few.
//! An accuracy has Wilson's interval over its pairs; a mean (loss, margin, speed) has Student's over the means of its steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::files::{self, FileError};
use crate::lang::Lang;
use crate::metric::Interval;
use crate::metric::interval::wilson;
use crate::metric::normal::normal_quantile;
use crate::metric::student;
use crate::report::findings::{About, Detail};

pub const ANALYSIS: &str = "training";
/// Points of a curve over the steps.
pub const WINDOWS: usize = 20;
/// Points of each language.
pub const LANGUAGE_WINDOWS: usize = 10;

#[derive(Debug, thiserror::Error)]
pub enum TrainingLogError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}`, line {line}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },
    #[error("`{}` is not a training run: it has no steps.jsonl, or an empty one", dir.display())]
    NotARun { dir: PathBuf },
}

/// The numbers of the run in `dir`, under that name.
pub fn details(dir: &Path, level: f64) -> Result<Vec<Detail>, TrainingLogError> {
    let name = dir.display().to_string();
    let steps = lines(&dir.join("steps.jsonl"))?;
    if steps.is_empty() {
        return Err(TrainingLogError::NotARun { dir: dir.to_owned() });
    }
    let mut log = Log { name, level, found: Vec::new() };
    log.learning(&steps);
    log.evaluations(&lines(&dir.join("eval.jsonl"))?);
    log.lengths(&object(&dir.join("pairs.json"))?);
    log.speed(&lines(&dir.join("timing.jsonl"))?, &steps);
    Ok(log.found)
}

/// Lines of a log that may be missing. A line that is being written is left out.
fn lines(path: &Path) -> Result<Vec<Value>, TrainingLogError> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = files::read_text(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parsed = whole.lines().enumerate().map(|(at, line)| {
        serde_json::from_str(line).map_err(|e| TrainingLogError::Line {
            path: path.to_owned(),
            line: at + 1,
            problem: e.to_string(),
        })
    });
    parsed.collect()
}

fn object(path: &Path) -> Result<Value, TrainingLogError> {
    if !path.is_file() {
        return Ok(Value::Null);
    }
    let failed =
        |e: serde_json::Error| TrainingLogError::Line { path: path.to_owned(), line: e.line(), problem: e.to_string() };
    serde_json::from_str(&files::read_text(path)?).map_err(failed)
}

/// Sums over some steps of one language, or of all.
#[derive(Debug, Clone, Default)]
struct Sums {
    n: f64,
    compared: f64,
    correct: f64,
    /// Per step: pairs and mean.
    loss: Vec<(f64, f64)>,
    margin: Vec<(f64, f64)>,
}

impl Sums {
    fn add(&mut self, line: &Value) {
        let number = |key: &str| line[key].as_f64();
        let n = number("n").or_else(|| number("pairs")).unwrap_or(0.0);
        let compared = number("compared").unwrap_or(n);
        self.n += n;
        if let Some(accuracy) = number("accuracy") {
            self.compared += compared;
            self.correct += accuracy * compared;
        }
        self.loss.extend(number("loss").map(|loss| (n, loss)));
        self.margin.extend(number("margin").map(|margin| (compared, margin)));
    }
}

/// Mean of steps' means by their weights, and its interval.
fn mean(steps: &[(f64, f64)], level: f64) -> (Option<f64>, Option<Interval>) {
    let total: f64 = steps.iter().map(|(weight, _)| weight).sum();
    if total <= 0.0 {
        return (None, None);
    }
    let mean = steps.iter().map(|(weight, value)| weight * value).sum::<f64>() / total;
    let n = steps.len() as f64;
    if steps.len() < 3 {
        return (Some(mean), None);
    }
    let squares: f64 = steps.iter().map(|(weight, value)| (weight / total * (value - mean)).powi(2)).sum();
    let error = (squares * n / (n - 1.0)).sqrt();
    let half = error * student::from_normal(normal_quantile(0.5 + level / 2.0), n - 1.0);
    (Some(mean), Some(Interval { low: mean - half, high: mean + half, level }))
}

struct Log {
    name: String,
    level: f64,
    found: Vec<Detail>,
}

impl Log {
    fn put(&mut self, measure: &str, of: Vec<About>, (point, interval): (Option<f64>, Option<Interval>), n: f64) {
        let detail = Detail::new(ANALYSIS, &self.name, None, measure, of).with(point, interval, n as usize);
        self.found.push(detail);
    }

    fn put_sums(&mut self, prefix: &str, of: Vec<About>, sums: &Sums) {
        let accuracy = (sums.compared > 0.0).then(|| sums.correct / sums.compared);
        let interval = accuracy.and_then(|share| wilson(share, sums.compared, self.level));
        self.put(&format!("{prefix}accuracy"), of.clone(), (accuracy, interval), sums.compared);
        self.put(&format!("{prefix}loss"), of.clone(), mean(&sums.loss, self.level), sums.n);
        self.put(&format!("{prefix}margin"), of, mean(&sums.margin, self.level), sums.compared);
    }

    fn learning(&mut self, steps: &[Value]) {
        for (place, window) in windows(steps, WINDOWS) {
            self.put_last_step("last-step", &place, window);
            let mut all = Sums::default();
            window.iter().for_each(|line| all.add(line));
            self.put_sums("", vec![place], &all);
        }
        let mut seen: BTreeMap<Lang, f64> = BTreeMap::new();
        for (place, window) in windows(steps, LANGUAGE_WINDOWS) {
            self.put_last_step("language-last-step", &place, window);
            let mut by_lang: BTreeMap<Lang, Sums> = BTreeMap::new();
            for (lang, sums) in window.iter().flat_map(languages) {
                by_lang.entry(lang).or_default().add(sums);
            }
            for (lang, sums) in by_lang {
                *seen.entry(lang).or_default() += sums.n;
                self.put_sums("", vec![About::Lang(lang), place.clone()], &sums);
            }
        }
        for (lang, n) in seen {
            self.put("pairs-seen", vec![About::Lang(lang)], (Some(n), None), n);
        }
    }

    fn put_last_step(&mut self, measure: &str, place: &About, window: &[Value]) {
        let last = window.last().and_then(|line| line["step"].as_f64());
        self.put(measure, vec![place.clone()], (last, None), window.len() as f64);
    }

    fn evaluations(&mut self, lines: &[Value]) {
        for (at, line) in lines.iter().enumerate() {
            let place = About::Place(at as u32);
            let mut all = Sums::default();
            all.add(line);
            self.put("evaluation-step", vec![place.clone()], (line["step"].as_f64(), None), all.n);
            self.put_sums("held-out-", vec![place.clone()], &all);
            for (lang, line) in languages(line) {
                let mut sums = Sums::default();
                sums.add(line);
                self.put_sums("held-out-", vec![About::Lang(lang), place.clone()], &sums);
            }
        }
    }

    fn lengths(&mut self, pairs: &Value) {
        for (lang, counts) in languages_of(&pairs["training"]) {
            let number = |key: &str| counts[key].as_f64().unwrap_or(0.0);
            let all = number("kept") + number("dropped");
            for (measure, key) in [("kept", "kept"), ("cut", "truncated"), ("dropped", "dropped")] {
                self.put(measure, vec![About::Lang(lang)], (Some(number(key)), None), all);
            }
            let share = (all > 0.0).then(|| number("dropped") / all);
            let interval = share.and_then(|share| wilson(share, all, self.level));
            self.put("dropped-share", vec![About::Lang(lang)], (share, interval), all);
        }
    }

    fn speed(&mut self, timing: &[Value], steps: &[Value]) {
        let timed: Vec<&Value> = timing.iter().filter(|line| line["seconds"].is_number()).collect();
        let seconds = |line: &Value| line["seconds"].as_f64().unwrap_or(0.0);
        let measures = ["pairs_per_second", "useful_tokens_per_second", "tokens_per_second", "share_of_bound"];
        for key in measures {
            // By time, so that the mean is the whole run's rate.
            let rates: Vec<(f64, f64)> =
                timed.iter().filter_map(|line| Some((seconds(line), line[key].as_f64()?))).collect();
            if !rates.is_empty() {
                let n = rates.len() as f64;
                self.put(&key.replace('_', "-"), Vec::new(), mean(&rates, self.level), n);
            }
        }
        let sum = |key: &str| steps.iter().filter_map(|line| line[key].as_f64()).sum::<f64>();
        let (computed, shared) = (sum("tokens"), sum("tokens_shared"));
        if computed + shared > 0.0 {
            let saved = Some(shared / (computed + shared));
            self.put("shared-share", Vec::new(), (saved, None), computed + shared);
            let padded = sum("tokens_padded");
            if padded > 0.0 {
                self.put("padding-share", Vec::new(), (Some((padded - computed - shared) / padded), None), padded);
            }
        }
        let all: f64 = timed.iter().map(|line| seconds(line)).sum();
        self.put("seconds", Vec::new(), (Some(all), None), timed.len() as f64);
    }
}

/// At most `most` windows of about as many steps, by their places.
fn windows(steps: &[Value], most: usize) -> impl Iterator<Item = (About, &[Value])> {
    let n = most.min(steps.len());
    (0..n).map(move |window| {
        let [from, to] = [window, window + 1].map(|border| border * steps.len() / n);
        (About::Place(window as u32), &steps[from..to])
    })
}

fn languages(line: &Value) -> impl Iterator<Item = (Lang, &Value)> {
    languages_of(&line["languages"])
}

fn languages_of(object: &Value) -> impl Iterator<Item = (Lang, &Value)> {
    object.as_object().into_iter().flatten().filter_map(|(code, value)| Some((Lang::from_code(code)?, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_steps_weighs_them_and_knows_its_error() {
        let (point, interval) = mean(&[(1.0, 2.0), (3.0, 4.0)], 0.95);
        assert_eq!((point, interval), (Some(3.5), None));
        // Equal weights: the mean 2, s = 1, the error 1/√3, and 4.3027 of Student's with two degrees of freedom.
        let (point, interval) = mean(&[(5.0, 1.0), (5.0, 2.0), (5.0, 3.0)], 0.95);
        assert_eq!(point, Some(2.0));
        let half = interval.unwrap().high - 2.0;
        assert!((half - 4.302_652_7 / 3f64.sqrt()).abs() < 1e-3, "{half}");
        assert_eq!(mean(&[], 0.95), (None, None));
    }

    #[test]
    fn windows_hold_all_steps_once_and_what_is_half_written_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let line = |step: usize| {
            let of_lang = format!(
                "{{\"n\":4,\"compared\":4,\"accuracy\":{},\"loss\":0.5,\"margin\":1.0}}",
                f64::from(step as u32 % 2)
            );
            format!(
                "{{\"step\":{step},\"pairs\":4,\"accuracy\":0.5,\"loss\":0.5,\"margin\":1.0,\"tokens\":30,\
                 \"tokens_shared\":10,\"tokens_padded\":50,\"languages\":{{\"eng_Latn\":{of_lang}}}}}\n"
            )
        };
        let text: String = (1..=47).map(line).collect();
        std::fs::write(dir.path().join("steps.jsonl"), text + "{\"step\":48").unwrap();
        let found = details(dir.path(), 0.95).unwrap();
        let all = |measure: &str, n_of: usize| {
            found
                .iter()
                .filter(|d| d.measure == measure && d.of.len() == n_of)
                .map(|d| d.estimate.unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(all("accuracy", 1).iter().map(|e| e.n).sum::<usize>(), 47 * 4);
        assert_eq!((all("accuracy", 1).len(), all("accuracy", 2).len()), (WINDOWS, LANGUAGE_WINDOWS));
        assert_eq!(all("accuracy", 2).iter().map(|e| e.n).sum::<usize>(), 47 * 4);
        for measure in ["last-step", "language-last-step"] {
            assert_eq!(all(measure, 1).last().unwrap().point, 47.0);
        }
        assert_eq!((all("shared-share", 0)[0].point, all("padding-share", 0)[0].point), (0.25, 0.2));
        assert_eq!(all("pairs-seen", 1)[0].point, 188.0);
        std::fs::write(dir.path().join("steps.jsonl"), "{\n").unwrap();
        assert!(matches!(details(dir.path(), 0.95), Err(TrainingLogError::Line { line: 1, .. })));
        std::fs::remove_file(dir.path().join("steps.jsonl")).unwrap();
        assert!(matches!(details(dir.path(), 0.95), Err(TrainingLogError::NotARun { .. })));
    }
}
