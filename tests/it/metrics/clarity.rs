//! Accuracy by how clear a preference is, worked by hand.

use rmbench::progress::Silent;
use rmbench::report::findings::{About, FindingOptions, Findings};
use rmbench::report::section;

use super::items::{Row, table};

/// Two subsets of 60 items with margins in units of their own, 1 to 60 and a hundredth of that: the 20 smallest of each
/// are close, the 20 largest clear. A third subset has one margin for all, which sorts nothing. The first run is wrong on
/// close items, the second on every other item.
#[test]
fn thirds_are_taken_within_subsets() {
    let unit = [("big", 1.0), ("small", 0.01), ("flat", 0.0)];
    let mut rows = Vec::new();
    let mut margins = Vec::new();
    for (subset, unit) in unit {
        for i in 0..60usize {
            // In an order that has nothing to do with the margins.
            let rank = i * 17 % 60 + 1;
            let right = |is: bool| if is { (1.0, 0.0) } else { (0.0, 1.0) };
            let rewards = [right(rank > 20), right(rank.is_multiple_of(2))];
            rows.push(Row::pair("b", subset, "eng_Latn", &format!("{subset}{i}"), &rewards));
            margins.push(unit * rank as f64);
        }
    }
    let mut table = table(&rows);
    let options = FindingOptions { replicates: 200, ..FindingOptions::default() };
    let compute = |table: &_| Findings::compute(table, &|_| None, &options, &mut Silent).unwrap();
    assert!(compute(&table).details.iter().all(|d| d.analysis != "clarity"));
    margins.iter().enumerate().for_each(|(item, margin)| table.annotations.set_strength(item as u32, *margin));
    let findings = compute(&table);
    let of = |run: usize, measure: &str, of: &[About]| {
        let is = |d: &&rmbench::report::findings::Detail| {
            d.analysis == "clarity" && d.run == Some(run) && d.measure == measure && d.of == of
        };
        let estimate = findings.details.iter().find(is).unwrap().estimate.unwrap();
        (estimate.point, estimate.n)
    };
    let kind = |name: &str| [About::name(name)];
    assert_eq!(of(0, "accuracy", &kind("close")), (0.0, 40));
    assert_eq!(of(0, "accuracy", &kind("middle")), (1.0, 40));
    assert_eq!(of(0, "accuracy", &kind("clear")), (1.0, 40));
    assert_eq!(of(0, "clear-less-close", &[]), (1.0, 80));
    assert_eq!(of(1, "accuracy", &kind("close")), (0.5, 40));
    assert_eq!(of(1, "clear-less-close", &[]), (0.0, 80));
    assert!(section::fill(&findings).iter().any(|section| section.title == "Close and clear preferences"));
}
