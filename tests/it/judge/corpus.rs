//! The adversarial corpus (`tests/reference/verdict_corpus.py`): every reply means what is written down beside it.

use std::collections::BTreeMap;

use rmbench::judge::form;
use rmbench::judge::grammar::rewardbench::Read;
use rmbench::judge::grammar::{Meaning, Reading, Verdict};
use rmbench::judge::protocol::{Protocol, names};
use rmbench::lang::Lang;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    protocol: String,
    lang: String,
    reply: String,
    means: serde_json::Value,
    rewardbench: Option<serde_json::Value>,
}

fn cases() -> Vec<Case> {
    include_str!("../../fixtures/verdicts.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A reading in the corpus's words.
fn words(reading: &Reading) -> serde_json::Value {
    const PLACES: [&str; 4] = ["first", "second", "third", "fourth"];
    match reading {
        Reading::Verdict { verdict: Verdict::Pick { place, strength: None }, .. } => PLACES[*place].into(),
        Reading::Verdict { verdict: Verdict::Pick { place, strength: Some(by) }, .. } => {
            format!("{}:{by}", PLACES[*place]).into()
        }
        Reading::Verdict { verdict: Verdict::Tie, .. } => "tie".into(),
        Reading::Verdict { verdict: Verdict::Rating(rating), .. } => (*rating).into(),
        Reading::Refused => "refused".into(),
        Reading::Unparsed(_) => "unparsed".into(),
    }
}

fn same(found: &serde_json::Value, expected: &serde_json::Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => found == expected,
        _ => found == expected,
    }
}

#[test]
fn every_reply_means_what_is_written_down() {
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases() {
        let protocol = Protocol::find(&case.protocol).unwrap();
        let reading = protocol.grammar(Lang::from_code(&case.lang).unwrap()).read(&case.reply);
        if let Reading::Verdict { at, .. } = &reading {
            assert!(case.reply.get(at.clone()).is_some_and(|text| !text.is_empty()), "{}: {at:?}", case.reply);
        }
        *counts.entry(case.protocol.clone()).or_default() += 1;
        let found = words(&reading);
        if !same(&found, &case.means) {
            wrong.push(format!(
                "{} ({}): {:?} is {}, read as {found}",
                case.protocol, case.lang, case.reply, case.means
            ));
        }
    }
    let total: usize = counts.values().sum();
    assert!(wrong.is_empty(), "{} of {total} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(total >= 400, "{total} cases");
    let without: Vec<&str> = names().filter(|name| !counts.contains_key(*name)).collect();
    assert!(without.is_empty(), "no cases for {without:?}");
}

/// What RewardBench's parsers make of the same replies: equal where the corpus says nothing else.
#[test]
fn rewardbench_misreads_what_it_is_known_to_misread() {
    let mut n_other = 0;
    for case in cases() {
        let protocol = Protocol::find(&case.protocol).unwrap();
        let (Some(parser), Some(expected)) = (protocol.verdict.rewardbench, &case.rewardbench) else { continue };
        n_other += 1;
        let found: serde_json::Value = match parser.read(&case.reply, protocol.shows) {
            Some(Read::Place(place)) => ["first", "second", "third", "fourth"][place].into(),
            Some(Read::Rating(rating)) => rating.into(),
            None => "unparsed".into(),
        };
        assert!(same(&found, expected), "{}: {:?}: {found}, not {expected}", case.protocol, case.reply);
        assert!(!same(&found, &case.means), "{:?} is no misreading", case.reply);
    }
    assert!(n_other >= 40, "{n_other}");
}

/// What a judge that follows the instructions writes is read back, by every protocol.
#[test]
fn every_form_is_read_back() {
    for name in names() {
        let protocol = Protocol::find(name).unwrap();
        let grammar = protocol.grammar(Lang::ENGLISH);
        if protocol.reads_head() {
            continue;
        }
        let mut verdicts: Vec<Verdict> = match protocol.verdict.meaning {
            Meaning::Rating { min, max } => (min as u32..=max as u32).map(|n| Verdict::Rating(f64::from(n))).collect(),
            Meaning::YesNo => vec![Verdict::Rating(0.0), Verdict::Rating(1.0)],
            Meaning::Preference => {
                [1, 2].map(|by| [0, 1].map(|place| Verdict::Pick { place, strength: Some(by) })).concat()
            }
            Meaning::Grades { max, .. } => {
                (1..max).flat_map(|by| [0, 1].map(|place| Verdict::Pick { place, strength: Some(by) })).collect()
            }
            Meaning::Scale { .. } => {
                [1, 2, 3].map(|by| [0, 1].map(|place| Verdict::Pick { place, strength: Some(by) })).concat()
            }
            _ => (0..protocol.shows).map(|place| Verdict::Pick { place, strength: None }).collect(),
        };
        if matches!(
            protocol.verdict.meaning,
            Meaning::Preference | Meaning::Grades { .. } | Meaning::Letter { tie: Some(_) }
        ) {
            verdicts.push(Verdict::Tie);
        }
        for verdict in verdicts {
            let text = form::written(&protocol, &verdict, "A scripted verdict.");
            match grammar.read(&text) {
                Reading::Verdict { verdict: found, .. } => assert_eq!(found, verdict, "{name}: {text}"),
                other => panic!("{name}: {text}: {other:?}"),
            }
        }
    }
}

/// RewardBench's own parsers, run on the corpus and on more (`tests/reference/rewardbench_parsers.py`): the same verdict
/// for every reply.
#[test]
fn compatible_parsers_read_what_rewardbench_reads() {
    use rmbench::judge::grammar::rewardbench::Parser;
    #[derive(Deserialize)]
    struct Case {
        parser: String,
        reply: String,
        read: Option<u32>,
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in include_str!("../../fixtures/rewardbench_parsers.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let (parser, shown) = match case.parser.as_str() {
            "brackets" => (Parser::Brackets, 2),
            "ranking" => (Parser::Brackets, 4),
            "rating" => (Parser::Rating, 1),
            "result" => (Parser::Result, 2),
            "output" => (Parser::Output, 2),
            "word" => (Parser::Word, 2),
            "con-j" => (Parser::ConJ, 2),
            other => panic!("{other}"),
        };
        let found = parser.read(&case.reply, shown).map(|read| match read {
            Read::Place(place) => place as u32,
            Read::Rating(rating) => rating as u32,
        });
        assert_eq!(found, case.read, "{}: {:?}", case.parser, case.reply);
        *counts.entry(case.parser).or_default() += usize::from(case.read.is_some());
    }
    assert!(counts.len() == 7 && counts.values().all(|n| *n >= 5), "{counts:?}");
}
