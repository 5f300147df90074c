//! Items as the page carries them: columns of integers, deflated, in base64, unpacked when they are needed.
//!
//! | block | what |
//! |---|---|
//! | `data-index` | JSON: runs, languages, subsets, benchmarks, how many of what |
//! | `data-keys` | per item: source u32, then u16 each benchmark, subset, language, chosen, rejected, text block (from 1; 0 none), place in it |
//! | `data-ids` | JSON: item ids |
//! | `data-outcomes` | run × item u8: 0 none, 1 chosen wins, 2 rejected wins, 3 tie |
//! | `data-rewards-R` | run R, per response u16: 0 none, else lowest + (value − 1) · step |
//! | `data-texts-K` | JSON: prompts and responses of some items |
//!
//! Numbers are little-endian. Blocks are elements that no browser runs, so the policy need not allow them.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use maud::{Markup, PreEscaped, html};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::base64;
use crate::lang::Lang;
use crate::metric::normal::normal_quantile;
use crate::metric::observe::{LOSS, TIE, WIN, labels_of_items};
use crate::report::ReportError;
use crate::report::block::visible;
use crate::report::findings::Findings;
use crate::report::items::{ItemText, Items};
use crate::report::language;
use crate::report::select::{ranking, run_name};
use crate::table::item::{ItemKey, Symbol};

/// Bytes of JSON in one block of texts, more or less.
const BLOCK: usize = 1 << 18;

/// Dense numbers for the symbols of one kind, in order of appearance.
#[derive(Default)]
struct Numbers {
    of: HashMap<Symbol, u32>,
    order: Vec<Symbol>,
}

impl Numbers {
    fn of(&mut self, symbol: Symbol) -> u32 {
        let next = self.order.len() as u32;
        *self.of.entry(symbol).or_insert_with(|| {
            self.order.push(symbol);
            next
        })
    }
}

/// All blocks of the items, to stand at the end of the page.
///
/// # Errors
/// Texts or names that cannot be written as JSON.
pub fn blocks(findings: &Findings, items: &Items<'_>) -> Result<Markup, ReportError> {
    let texts = Texts::of(items)?;
    let columns = Columns::of(items, &texts);
    let ids: Vec<String> = keys(items).map(|key| visible(items.table.symbols.name(key.item))).collect();
    let rewards: Vec<Rewards> =
        (0..items.table.runs.len()).into_par_iter().map(|run| Rewards::of(items, run)).collect();
    let index = index(findings, items, &columns, &rewards, &texts);
    let mut blocks = vec![
        ("data-keys".to_owned(), columns.bytes()),
        ("data-ids".to_owned(), serde_json::to_vec(&ids)?),
        ("data-outcomes".to_owned(), outcomes(items)),
    ];
    let rewards = rewards.into_iter().enumerate().map(|(run, rewards)| (format!("data-rewards-{run}"), rewards.bytes));
    blocks.extend(rewards);
    let texts = texts.blocks.into_iter().enumerate().map(|(at, block)| (format!("data-texts-{at}"), block));
    blocks.extend(texts);
    let packed: Vec<(String, usize, String)> =
        blocks.into_par_iter().map(|(id, bytes)| (id, bytes.len(), packed(&bytes))).collect();
    Ok(html! {
        // The only character that could end the element is written as an escape.
        script type="application/json" #data-index {
            (PreEscaped(serde_json::to_string(&index)?.replace('<', "\\u003c")))
        }
        @for (id, bytes, text) in &packed {
            script type="application/x-rmbench" id=(id) data-bytes=(bytes) { (PreEscaped(text)) }
        }
    })
}

fn keys<'a>(items: &'a Items<'_>) -> impl Iterator<Item = &'a ItemKey> {
    items.kept.iter().map(|item| &items.table.items[*item])
}

/// zlib (RFC 1950), then base64. Writing to memory does not fail.
fn packed(bytes: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
    let _ = encoder.write_all(bytes);
    base64::encode(&encoder.finish().unwrap_or_default())
}

struct Columns {
    sources: Vec<u32>,
    n_sources: usize,
    benchmarks: Numbers,
    subsets: Numbers,
    langs: Vec<Lang>,
    /// Seven columns of u16.
    small: [Vec<u16>; 7],
}

impl Columns {
    fn of(items: &Items<'_>, texts: &Texts) -> Self {
        let (mut sources, mut benchmarks, mut subsets) = (Numbers::default(), Numbers::default(), Numbers::default());
        let mut langs: Vec<Lang> = keys(items).map(|key| key.lang).collect();
        langs.sort_by_key(|lang| language::name(*lang));
        langs.dedup();
        let place: HashMap<Lang, u16> = langs.iter().enumerate().map(|(at, lang)| (*lang, at as u16)).collect();
        let mut small: [Vec<u16>; 7] = std::array::from_fn(|_| Vec::with_capacity(items.kept.len()));
        let mut source_numbers = Vec::with_capacity(items.kept.len());
        for (item, key) in items.kept.iter().zip(keys(items)) {
            source_numbers.push(sources.of(key.source));
            let (block, within) = texts.places.get(item).copied().unwrap_or((0, 0));
            let row = [
                benchmarks.of(key.benchmark) as u16,
                subsets.of(key.subset) as u16,
                place.get(&key.lang).copied().unwrap_or_default(),
                key.n_chosen,
                key.n_rejected,
                block,
                within,
            ];
            small.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        Self { sources: source_numbers, n_sources: sources.order.len(), benchmarks, subsets, langs, small }
    }

    fn bytes(&self) -> Vec<u8> {
        let sources = self.sources.iter().flat_map(|source| source.to_le_bytes());
        sources.chain(self.small.iter().flatten().flat_map(|value| value.to_le_bytes())).collect()
    }
}

fn outcomes(items: &Items<'_>) -> Vec<u8> {
    let code = |label: u8| match label {
        WIN => 1,
        LOSS => 2,
        TIE => 3,
        _ => 0,
    };
    labels_of_items(items.table, &items.kept).into_iter().flatten().map(code).collect()
}

/// One run's rewards on 65,535 steps between its lowest and its highest.
struct Rewards {
    lowest: f64,
    step: f64,
    /// Standard deviation over responses: the unit in which runs' margins are compared.
    spread: f64,
    bytes: Vec<u8>,
}

impl Rewards {
    fn of(items: &Items<'_>, run: usize) -> Self {
        let all = &items.table.runs[run].rewards;
        let of_item = |key: &ItemKey| &all[key.offset as usize..][..key.n_responses()];
        let rewards: Vec<Option<f64>> = keys(items)
            .flat_map(of_item)
            .map(|reward| reward.map(f64::from).filter(|reward| reward.is_finite()))
            .collect();
        let known = || rewards.iter().flatten().copied();
        let (lowest, highest) = known().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let n = known().count().max(1) as f64;
        let mean = known().sum::<f64>() / n;
        let spread = (known().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let lowest = if lowest.is_finite() { lowest } else { 0.0 };
        let step = ((highest - lowest) / 65_534.0).max(0.0);
        let step = if step.is_finite() { step } else { 0.0 };
        let code = |reward: &Option<f64>| match reward {
            None => 0,
            Some(reward) if step > 0.0 => 1 + ((reward - lowest) / step).round() as u16,
            Some(_) => 1,
        };
        Self { lowest, step, spread, bytes: rewards.iter().flat_map(|reward| code(reward).to_le_bytes()).collect() }
    }
}

/// Texts in blocks, in the order of their items.
#[derive(Default)]
struct Texts {
    blocks: Vec<Vec<u8>>,
    /// By item: block from 1, place in it.
    places: HashMap<usize, (u16, u16)>,
}

impl Texts {
    fn of(items: &Items<'_>) -> Result<Self, ReportError> {
        let mut texts = Texts::default();
        let by_item: BTreeMap<usize, &ItemText> = items.texts.as_ref().map(|t| t.by_item()).unwrap_or_default();
        let (mut open, mut bytes) = (Vec::new(), 0);
        let kept = items.kept.iter().filter_map(|item| Some((*item, *by_item.get(item)?)));
        for (item, text) in kept {
            let value = json!([text.prompt, text.responses]);
            // Pages have far fewer blocks than 65,535: budgets are in megabytes.
            texts.places.insert(item, (texts.blocks.len() as u16 + 1, open.len() as u16));
            bytes += serde_json::to_string(&value)?.len();
            open.push(value);
            if bytes > BLOCK {
                texts.blocks.push(serde_json::to_vec(&Value::Array(std::mem::take(&mut open)))?);
                bytes = 0;
            }
        }
        if !open.is_empty() {
            texts.blocks.push(serde_json::to_vec(&Value::Array(open))?);
        }
        Ok(texts)
    }
}

fn index(findings: &Findings, items: &Items<'_>, columns: &Columns, rewards: &[Rewards], texts: &Texts) -> Value {
    let name = |symbol: &Symbol| visible(items.table.symbols.name(*symbol));
    let runs = rewards.iter().enumerate().map(|(run, r)| {
        json!({ "name": visible(&run_name(findings, run)), "lowest": r.lowest, "step": r.step, "spread": r.spread })
    });
    let langs = columns.langs.iter().map(|lang| {
        json!({
            "code": lang.code(), "name": language::name(*lang), "native": language::native(*lang),
            "tag": language::tag(*lang), "dir": language::direction(*lang),
        })
    });
    let mut best: Vec<usize> = findings.benchmarks.iter().flat_map(|b| ranking(findings, b)).collect();
    best.extend(0..findings.runs.len());
    let first = best.first().copied();
    let second = best.iter().copied().find(|run| Some(*run) != first);
    json!({
        "n": items.kept.len(),
        "sources": columns.n_sources,
        "runs": runs.collect::<Vec<_>>(),
        "langs": langs.collect::<Vec<_>>(),
        "subsets": columns.subsets.order.iter().map(name).collect::<Vec<_>>(),
        "benchmarks": columns.benchmarks.order.iter().map(name).collect::<Vec<_>>(),
        "pair": [first, second],
        "level": findings.level,
        "z": normal_quantile(0.5 + findings.level / 2.0),
        "textBlocks": texts.blocks.len(),
        "nTexts": texts.places.len(),
    })
}
