//! What is particular to encoders: position buckets, local attention in blocks, long sequences.
//!
//! Fixture: `tests/fixtures/deberta_buckets.json`, written by `tests/reference/deberta_buckets.py`.

use std::path::Path;

use rmbench::backbone::config::RelativeConfig;
use rmbench::backbone::deberta::{buckets_by_distance, rows_by_distance};

#[test]
fn position_buckets_equal_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/deberta_buckets.json");
    let fixture: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 7);
    for case in cases {
        let number = |key: &str| case[key].as_i64().unwrap();
        let expected: Vec<i64> = case["bucket"].as_array().unwrap().iter().map(|b| b.as_i64().unwrap()).collect();
        let n = expected.len() as i64;
        let found = buckets_by_distance(number("buckets"), number("longest"), n);
        let mirrored = expected[1..].iter().rev().map(|bucket| -bucket);
        assert_eq!(found, mirrored.chain(expected.iter().copied()).collect::<Vec<_>>(), "{case}");
        // A shorter sequence reads the middle of the table.
        let short = buckets_by_distance(number("buckets"), number("longest"), 9);
        assert_eq!(short, found[(n - 9) as usize..(n + 8) as usize]);
    }
}

#[test]
fn distances_beyond_the_span_read_the_outermost_rows() {
    let relative = |buckets: Option<i64>, longest| RelativeConfig {
        span: buckets.unwrap_or(longest),
        buckets,
        longest,
        norm: false,
        content_to_position: true,
        position_to_content: true,
        shared: true,
    };
    assert_eq!(rows_by_distance(&relative(None, 3), 6), [0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5]);
    // mDeBERTa: 511 tokens away is the last of 512 rows, and so is everything farther.
    let rows = rows_by_distance(&relative(Some(256), 512), 2000);
    let row = |distance: i64| rows[(1999 + distance) as usize];
    assert_eq!([row(0), row(1), row(-1), row(128), row(511), row(512), row(1999)], [256, 257, 255, 384, 511, 511, 511]);
    assert_eq!([row(-511), row(-512), row(-1999)], [1, 0, 0]);
}
