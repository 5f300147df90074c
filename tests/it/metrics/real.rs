//! The developers' data, where `RMBENCH_TEST_DATA` says where they are: known baselines come out.

use std::path::PathBuf;

use rmbench::benchmark::reader::{ReadOptions, read_all};
use rmbench::metric::TiePolicy;
use rmbench::progress::Silent;
use rmbench::report::findings::{FindingOptions, Findings, Languages, Scope};

use super::items::{Row, table};

/// Longer answer wins, ties count half: 52.3 % on the benchmark pairs, 55.2 % on the translation pairs.
#[test]
fn longer_wins_is_what_the_data_sheet_says() {
    let Some(dir) = std::env::var_os("RMBENCH_TEST_DATA").map(PathBuf::from) else {
        crate::say_skipped("RMBENCH_TEST_DATA");
        return;
    };
    for (file, n, expected) in [("bench.parquet", 6623, 52.3), ("translation_wmt.parquet", 6641, 55.2)] {
        let (comparisons, _) = read_all(&dir.join(file), &ReadOptions::default()).unwrap();
        // Lang codes live as long as the test: rows borrow them.
        let rows: Vec<Row> = comparisons
            .iter()
            .map(|c| Row {
                benchmark: "b",
                subset: c.subset.as_str().to_owned(),
                category: c.category.as_deref().map(|name| &*String::leak(name.to_owned())),
                lang: String::leak(c.lang.code().to_owned()),
                id: c.id.as_str().to_owned(),
                n_chosen: 1,
                n_rejected: 1,
                chars: c.responses().map(|r| r.text.chars().count() as u32).collect(),
                rewards: vec![vec![Some(0.0), Some(1.0)]],
            })
            .collect();
        let options = FindingOptions { ties: Some(TiePolicy::Half), replicates: 100, ..FindingOptions::default() };
        let findings = Findings::compute(&table(&rows), &|_| None, &options, &mut Silent).unwrap();
        let micro = Languages::Average("micro".into());
        let find = |metric: &str| {
            let mut all = findings.findings.iter();
            all.find(|f| f.metric == metric && f.scope == Scope::Overall && f.languages == micro)
                .unwrap()
                .estimate
                .unwrap()
        };
        let longest = find("longest-wins");
        assert_eq!(longest.n, n);
        assert!((100.0 * longest.point - expected).abs() < 0.05, "{file}: {}", longest.point);
        assert_eq!(find("accuracy").point, 0.0);
    }
}
