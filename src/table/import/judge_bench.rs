//! JudgeBench outputs: one line per pair with one or two `judgments`, the second in swapped order.
//!
//! Every judgment becomes a chosen and a rejected row of its own, variants `order-1` and `order-2`, so that the
//! rules of two orders and of a single game can both be applied. The second entry's scores and decision are
//! turned back to the first order. A judgment without a verdict (null) keeps its rows, without rewards. Decisions are
//! rewards 1, ½ and 0, and 2 more in the second order: rewards of different orders are never equal by accident.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::entry::{Answer, ORDER};
use super::join::{Loose, Scores, join};
use super::{ByModel, ImportError, Source, object};
use crate::benchmark::reader::python;
use crate::benchmark::reader::records::{Preferred, preferred};
use crate::files;
use crate::lang::Lang;

pub(super) fn read(paths: &[PathBuf], source: &Source<'_>) -> Result<ByModel, ImportError> {
    let mut found = ByModel::new();
    for path in paths {
        let own = found.entry(model(path)).or_default();
        let place = source.place(benchmark(path));
        let mut kind = "generative";
        let (mut silent, mut single, mut rows) = (0usize, 0usize, Vec::new());
        for (row, line) in files::read_text(path)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let hint = "a line is a pair with `pair_id`, `source`, `label` and one or two `judgments`";
            let fault = |problem: String| ImportError::row(path, row as u64, problem, Some(hint));
            let pair: Value = python::json(line.as_bytes()).map_err(fault)?;
            let text = |key: &str| pair.get(key).and_then(Value::as_str);
            let named = |key: &str| {
                let name = pair.get(key).and_then(object::name);
                name.ok_or_else(|| fault(format!("`{key}` is missing, or is neither text nor a whole number")))
            };
            let (id, subset, label) = (named("pair_id")?, named("source")?, named("label")?);
            let first_is_right = match preferred(&label) {
                Some(Preferred::First) => true,
                Some(Preferred::Second) => false,
                _ => return Err(fault(format!("label `{label}` prefers neither response"))),
            };
            let Some(judgments) = pair.get("judgments").and_then(Value::as_array).filter(|list| !list.is_empty())
            else {
                return Err(fault("there are no judgments".to_owned()));
            };
            if judgments.len() > 2 {
                return Err(fault(format!("there are {} judgments, of which two can have an order", judgments.len())));
            }
            let lengths = ["response_A", "response_B"].map(|key| text(key).map_or(0, |t| t.chars().count() as u32));
            let (mut chosen, mut rejected) = (Vec::new(), Vec::new());
            for (order, judgment) in judgments.iter().enumerate() {
                let read = verdict(judgment, order == 1, source.options.decisions);
                if read.scalar {
                    kind = "scalar";
                }
                silent += usize::from(read.rewards.is_none());
                let variant: Arc<str> = format!("{ORDER}{}", order + 1).into();
                let of = |side: usize| Answer {
                    reward: read.rewards.map(|rewards| rewards[side]),
                    variant: Some(variant.clone()),
                    n_chars: lengths[side],
                };
                let (right, wrong) = if first_is_right { (0, 1) } else { (1, 0) };
                chosen.push(of(right));
                rejected.push(of(wrong));
            }
            single += usize::from(judgments.len() == 1);
            let texts = [text("response_A"), text("response_B")].map(|text| text.map(str::to_owned));
            let mut texts: Vec<String> = texts.into_iter().flatten().collect();
            if !first_is_right {
                texts.reverse();
            }
            rows.push(Loose {
                row: row as u64,
                id: Some(id.into()),
                subset: Some(subset.into()),
                chosen,
                rejected,
                texts,
                ..Loose::default()
            });
        }
        join(Scores { path, rows, place, lang: Some(Lang::ENGLISH), in_order: false, among: None }, source, own)?;
        own.kind = Some(kind);
        if silent > 0 {
            own.notes
                .push(format!("{silent} judgments have no verdict; the rule of two orders counts them as nothing"));
        }
        if single > 0 {
            own.notes.push(format!("{single} pairs were judged in one order only"));
        }
    }
    Ok(found)
}

struct Read {
    /// Of response A and B, in the first order.
    rewards: Option<[f64; 2]>,
    scalar: bool,
}

/// One judgment; `swapped`: A and B stand for each other in it.
fn verdict(judgment: &Value, swapped: bool, decisions: bool) -> Read {
    let inner = judgment.get("judgment");
    let scores = inner.and_then(|inner| inner.get("scores")).and_then(Value::as_array);
    let scores = scores.and_then(|scores| match scores.as_slice() {
        [a, b] => Some([object::number(a)?, object::number(b)?]),
        _ => None,
    });
    let decided = judgment.get("decision").and_then(Value::as_str).and_then(preferred).map(|which| match which {
        Preferred::First => [1.0, 0.0],
        Preferred::Second => [0.0, 1.0],
        Preferred::Neither => [0.5, 0.5],
    });
    let decided = decided.map(|pair: [f64; 2]| pair.map(|reward| if swapped { reward + 2.0 } else { reward }));
    let turned = |[a, b]: [f64; 2]| if swapped { [b, a] } else { [a, b] };
    let rewards = if decisions { decided } else { scores.or(decided) };
    Read { rewards: rewards.map(turned), scalar: scores.is_some() }
}

/// `dataset=…,response_model=…,judge_name=…,judge_model=<model>.jsonl`; slashes of the name became underscores.
fn model(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let of = |key: &str| stem.split(',').find_map(|part| part.strip_prefix(key));
    of("judge_model=").filter(|name| *name != "None").or(of("judge_name=")).unwrap_or(&stem).to_owned()
}

/// The pairs of GPT-4o and those of Claude 3.5 Sonnet are two benchmarks.
fn benchmark(path: &Path) -> &'static str {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains("response_model=claude") { "judgebench-claude" } else { "judgebench" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_second_order_is_turned_back() {
        let scores = json!({"judgment": {"scores": [[3.0], 1.0]}, "decision": "A>B"});
        assert_eq!(verdict(&scores, false, false).rewards, Some([3.0, 1.0]));
        assert_eq!(verdict(&scores, true, false).rewards, Some([1.0, 3.0]));
        assert_eq!(verdict(&scores, true, true).rewards, Some([2.0, 3.0]));
        let words = json!({"judgment": {"response": "…"}, "decision": "A=B"});
        assert_eq!(verdict(&words, true, false).rewards, Some([2.5, 2.5]));
        assert_eq!(verdict(&json!({"judgment": {}, "decision": null}), false, false).rewards, None);
        assert_eq!(verdict(&Value::Null, false, false).rewards, None);
    }

    #[test]
    fn models_are_read_off_file_names() {
        let name = "dataset=judgebench,response_model=gpt,judge_name=reward_model,judge_model=org_rm-7b.jsonl";
        assert_eq!(model(Path::new(name)), "org_rm-7b");
    }
}
