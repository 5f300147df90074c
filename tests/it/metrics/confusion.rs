//! Responses in the wrong language: rates by hand, runs that care and runs that do not.

use rmbench::lang::Lang;
use rmbench::lang::confusion::{Confusion, judge, looks_english};
use rmbench::lang::identify::BuiltIn;
use rmbench::progress::Silent;
use rmbench::report::findings::{About, Detail, FindingOptions, Findings};
use rmbench::report::section;

use super::items::{Row, table};

const HINDI: &str = "मुझे नहीं पता कि इस सवाल का जवाब क्या है";
const ENGLISH: &str = "This is the answer to the question that you have";

fn hindi() -> Lang {
    Lang::from_code("hin_Deva").unwrap()
}

fn side(texts: &[&str]) -> Confusion {
    let mut all = Confusion::default();
    texts.iter().for_each(|text| all.add(judge(text, hindi(), &BuiltIn, &looks_english)));
    all
}

fn find<'a>(findings: &'a Findings, run: Option<usize>, measure: &str, of: &[About]) -> &'a Detail {
    let is = |d: &&Detail| d.analysis == "confusion" && d.run == run && d.measure == measure && d.of == of;
    findings.details.iter().find(is).unwrap_or_else(|| panic!("no {measure} about {of:?}"))
}

/// 120 Hindi items. Of every four the first has its rejected response in English, the second its chosen one, the
/// third an English line below its chosen one, the fourth an English word in it. The first run prefers Hindi, the
/// second the chosen response.
fn scored(judged: bool) -> Findings {
    let rewards = |i: usize| {
        let likes_hindi = if i % 4 == 1 { (0.0, 1.0) } else { (1.0, 0.0) };
        [likes_hindi, (1.0, 0.0)]
    };
    let rows: Vec<Row> = (0..120).map(|i| Row::pair("b", "s", "hin_Deva", &format!("i{i:03}"), &rewards(i))).collect();
    let mut table = table(&rows);
    if judged {
        table.annotations.identifier = Some("an identifier".to_owned());
        for i in 0..120 {
            let (line, word) = (format!("{HINDI}\n{ENGLISH}"), format!("{HINDI} answer"));
            let sides = match i % 4 {
                0 => [side(&[HINDI]), side(&[ENGLISH])],
                1 => [side(&[ENGLISH]), side(&[HINDI])],
                2 => [side(&[&line]), side(&["हाँ"])],
                _ => [side(&[&word]), side(&[HINDI])],
            };
            table.annotations.set_confusion(i, sides);
        }
    }
    let options = FindingOptions { replicates: 200, ..FindingOptions::default() };
    Findings::compute(&table, &|_| None, &options, &mut Silent).unwrap()
}

#[test]
fn rates_and_preferences_by_hand() {
    let findings = scored(true);
    let rate = |measure: &str, side: &str| {
        let found = find(&findings, None, measure, &[About::Lang(hindi()), About::name(side)]);
        let estimate = found.estimate.unwrap();
        assert!(estimate.interval.is_none_or(|i| i.low <= estimate.point && estimate.point <= i.high));
        (estimate.point, estimate.n)
    };
    // Chosen: right, wrong, half, right. Rejected: wrong, right, too short to tell, right.
    assert_eq!(rate("line-pass-rate", "chosen"), (0.5, 120));
    assert_eq!(rate("line-accuracy", "chosen"), (2.5 / 4.0, 120));
    assert_eq!(rate("word-pass-rate", "chosen"), (0.5, 60));
    assert_eq!(rate("line-pass-rate", "rejected"), (1.0 - 30.0 / 90.0, 90));
    assert_eq!(rate("word-pass-rate", "rejected"), (1.0, 60));
    let judged = find(&findings, None, "judged", &[About::name("an identifier")]).estimate.unwrap();
    assert_eq!((judged.point, judged.n), (210.0 / 240.0, 240));
    // Items of the first two kinds have one side in Hindi and the other in English.
    let of = |run: usize, measure: &str| {
        let estimate = find(&findings, Some(run), measure, &[]).estimate.unwrap();
        (estimate.point, estimate.n)
    };
    assert_eq!(of(0, "prefers-right-language"), (1.0, 60));
    assert_eq!(of(1, "prefers-right-language"), (0.5, 60));
    assert_eq!((of(1, "where-it-is-chosen"), of(1, "where-it-is-rejected")), ((1.0, 30), (0.0, 30)));
    assert_eq!(find(&findings, Some(1), "prefers-right-language", &[About::Lang(hindi())]).estimate.unwrap().n, 60);
    assert!(section::fill(&findings).iter().any(|section| section.title == "Language of responses"));
}

#[test]
fn nobody_asked_is_nothing_said() {
    let findings = scored(false);
    assert!(findings.details.iter().all(|d| d.analysis != "confusion"));
    assert!(section::fill(&findings).iter().all(|section| section.title != "Language of responses"));
}
