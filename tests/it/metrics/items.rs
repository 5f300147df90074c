//! Item tables written by hand.

use rmbench::benchmark::manifest::Manifest;
use rmbench::lang::Lang;
use rmbench::provenance::RunInfo;
use rmbench::table::item::{ItemKey, ItemTable, RunColumn};

/// One item with the rewards of every run: `rewards[run]`, chosen first.
#[derive(Debug, Clone)]
pub struct Row {
    pub benchmark: &'static str,
    pub subset: String,
    pub category: Option<&'static str>,
    pub lang: &'static str,
    pub id: String,
    pub n_chosen: u16,
    pub n_rejected: u16,
    pub chars: Vec<u32>,
    pub rewards: Vec<Vec<Option<f32>>>,
}

impl Row {
    /// A pair; one (chosen, rejected) per run.
    pub fn pair(benchmark: &'static str, subset: &str, lang: &'static str, id: &str, rewards: &[(f32, f32)]) -> Row {
        Row {
            benchmark,
            subset: subset.to_owned(),
            category: None,
            lang,
            id: id.to_owned(),
            n_chosen: 1,
            n_rejected: 1,
            chars: vec![10, 20],
            rewards: rewards.iter().map(|(c, r)| vec![Some(*c), Some(*r)]).collect(),
        }
    }

    /// k × m, one run.
    pub fn comparison(subset: &str, id: &str, chosen: &[f32], rejected: &[f32]) -> Row {
        Row {
            benchmark: "b",
            subset: subset.to_owned(),
            category: None,
            lang: "eng_Latn",
            id: id.to_owned(),
            n_chosen: chosen.len() as u16,
            n_rejected: rejected.len() as u16,
            chars: (0..chosen.len() + rejected.len()).map(|i| 10 + 3 * (i as u32 % 4)).collect(),
            rewards: vec![chosen.iter().chain(rejected).map(|r| Some(*r)).collect()],
        }
    }

    /// No run has a reward for it.
    pub fn unscored(mut self) -> Row {
        for rewards in &mut self.rewards {
            rewards.fill(None);
        }
        self
    }
}

/// Rows as they stand; translations share the id and so the source.
pub fn table(rows: &[Row]) -> ItemTable {
    let n_runs = rows.first().map_or(0, |row| row.rewards.len());
    let mut table = ItemTable::default();
    for run in 0..n_runs {
        let info = RunInfo::of_this_binary(&format!("run-{run}"), "mock", "mock");
        table.runs.push(RunColumn {
            info,
            rewards: vec![],
            n_tokens: vec![],
            truncated: vec![],
            present: vec![],
            judged: None,
        });
    }
    for row in rows {
        let key = ItemKey {
            benchmark: table.symbols.intern(row.benchmark),
            subset: table.symbols.intern(&row.subset),
            category: row.category.map(|category| table.symbols.intern(category)),
            lang: Lang::from_code(row.lang).unwrap(),
            item: table.symbols.intern(&row.id),
            source: table.symbols.intern(&row.id),
            n_chosen: row.n_chosen,
            n_rejected: row.n_rejected,
            offset: table.n_chars.len() as u32,
        };
        table.items.push(key);
        table.n_chars.extend(&row.chars);
        for (run, rewards) in table.runs.iter_mut().zip(&row.rewards) {
            assert_eq!(rewards.len(), key.n_responses());
            run.present.extend(rewards.iter().map(Option::is_some));
            run.rewards.extend(rewards);
            run.n_tokens.extend(rewards.iter().map(|_| 5));
            run.truncated.extend(rewards.iter().map(|_| false));
        }
    }
    table
}

/// An open manifest with a rule and a tie policy.
pub fn open(rule: &str, ties: &str) -> Manifest {
    let text = format!(
        "name = 'b'\ntitle = 'B'\nversion = '1'\nabout = 'x'\nrule = '{rule}'\nties = '{ties}'\noverall = 'pooled'\nopen = true\n[data]\n"
    );
    Manifest::parse(&text, "test").unwrap()
}

/// Numbers that look random and are the same everywhere: multiples of 1/8 between −8 and 8.
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn reward(&mut self) -> f32 {
        (self.bits() >> 40) as i32 as f32 % 128.0 / 8.0 - 8.0
    }
}
