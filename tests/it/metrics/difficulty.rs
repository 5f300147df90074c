//! Abilities, difficulties and short forms of planted models; matrices of every run; what tokens cost.

use rmbench::lang::Lang;
use rmbench::metric::correlation::{pearson, spearman};
use rmbench::progress::Silent;
use rmbench::report::findings::{About, Detail, FindingError, FindingOptions, Findings};
use rmbench::report::section::fill;

use super::items::{Row, table};

const LANGS: [&str; 8] =
    ["eng_Latn", "arb_Arab", "deu_Latn", "fra_Latn", "hin_Deva", "spa_Latn", "rus_Cyrl", "tur_Latn"];

fn uniform(what: &str, key: String) -> f64 {
    rmbench::random::uniform(3, what, key)
}

fn options() -> FindingOptions {
    FindingOptions { replicates: 200, ..FindingOptions::default() }
}

/// σ(a (θ − b)) of run, item and language, right where the draw of (run, item, language) is below.
fn planted(runs: usize, items: usize, langs: &[&'static str]) -> (Vec<Row>, Vec<f64>, Vec<f64>) {
    let difficulty: Vec<f64> = (0..items).map(|i| 4.0 * uniform("difficulty", format!("{i}")) - 2.0).collect();
    let ability: Vec<f64> = (0..runs).map(|r| 2.0 * r as f64 / (runs - 1) as f64 - 1.0).collect();
    let mut rows = Vec::new();
    for lang in langs {
        for (i, b) in difficulty.iter().enumerate() {
            let reward = |run: usize| {
                let p = 1.0 / (1.0 + (-1.5 * (ability[run] - b)).exp());
                if uniform("answer", format!("{run} {lang} {i}")) < p { (1.0, 0.0) } else { (0.0, 1.0) }
            };
            rows.push(Row::pair("b", "s", lang, &format!("i{i:04}"), &(0..runs).map(reward).collect::<Vec<_>>()));
        }
    }
    (rows, ability, difficulty)
}

fn measured<'a>(findings: &'a Findings, analysis: &str, measure: &str) -> Vec<&'a Detail> {
    findings.details.iter().filter(|d| d.analysis == analysis && d.measure == measure).collect()
}

fn point(detail: &Detail) -> f64 {
    detail.estimate.unwrap_or_else(|| panic!("{detail:?}")).point
}

#[test]
fn planted_abilities_and_difficulties_are_found_and_a_short_form_is_tried_on_other_runs() {
    let (rows, ability, difficulty) = planted(12, 450, &LANGS[..3]);
    let findings = Findings::compute(&table(&rows), &|_| None, &options(), &mut Silent).unwrap();
    let found: Vec<&Detail> = measured(&findings, "items", "ability").into_iter().filter(|d| d.of.is_empty()).collect();
    assert_eq!(found.len(), 12);
    assert!(pearson(&found.iter().map(|d| point(d)).collect::<Vec<_>>(), &ability).unwrap() > 0.99);
    let errors: Vec<&Detail> =
        measured(&findings, "items", "ability-error").into_iter().filter(|d| d.of.is_empty()).collect();
    for (detail, error) in found.iter().zip(&errors) {
        let (estimate, error) = (detail.estimate.unwrap(), point(error));
        let interval = estimate.interval.unwrap();
        assert_eq!(estimate.n, 450);
        // Student's t with 449 degrees of freedom.
        assert!((interval.high - estimate.point - 1.965 * error).abs() < 2e-3 * error, "{estimate:?} {error}");
        assert!(error > 0.02 && error < 0.15, "{error}");
    }
    // In each language, too, with a larger error.
    let french: Vec<&Detail> = measured(&findings, "items", "ability-error")
        .into_iter()
        .filter(|d| d.of == [About::Lang(Lang::from_code("deu_Latn").unwrap())])
        .collect();
    assert_eq!(french.len(), 12);
    assert!(point(french[3]) > point(errors[3]));

    let found = measured(&findings, "item-parameters", "difficulty");
    assert_eq!(found.len(), 450);
    let by_name: Vec<(f64, f64, bool)> = found
        .iter()
        .map(|d| {
            let [_, About::Name(name)] = d.of.as_slice() else { panic!("{:?}", d.of) };
            let truth = difficulty[name[1..].parse::<usize>().unwrap()];
            let interval = d.estimate.unwrap().interval.unwrap();
            assert_eq!(d.estimate.unwrap().n, 36);
            (point(d), truth, interval.low < interval.high)
        })
        .collect();
    assert!(by_name.iter().all(|(.., wide)| *wide));
    let (b, truth): (Vec<f64>, Vec<f64>) = by_name.iter().map(|(b, truth, _)| (*b, *truth)).unzip();
    assert!(pearson(&b, &truth).unwrap() > 0.93);
    assert_eq!(measured(&findings, "item-parameters", "discrimination").len(), 450);

    assert_eq!(measured(&findings, "item-parameters", "short-form-rank").len(), 200);
    let share = measured(&findings, "items", "short-form-information")[0];
    assert!(point(share) > 200.0 / 450.0 && point(share) < 1.0, "more than a random choice");
    for measure in ["short-form-rank-correlation", "short-form-correlation"] {
        let of = measured(&findings, "items", measure);
        let methods: Vec<&[About]> = of.iter().map(|d| d.of.as_slice()).collect();
        let manner = About::name("runs held out");
        assert_eq!(
            methods,
            [[About::name("by information"), manner.clone()].as_slice(), [About::name("at random"), manner].as_slice()]
        );
        assert!(of.iter().all(|d| point(d) > 0.9 && d.estimate.unwrap().n == 12), "{of:?}");
        let bounded = |d: &&Detail| d.estimate.unwrap().interval.is_some() || d.why.is_some();
        assert!(of.iter().all(bounded), "{of:?}");
    }
    // Nothing depends on the language here.
    let share = |part: &str| {
        let of = [About::name(part)];
        let found = measured(&findings, "deciding", "variance-share").into_iter().find(|d| d.of == of).unwrap();
        assert!(found.estimate.unwrap().n == 450 * 12 * 3 && found.estimate.unwrap().interval.is_some(), "{found:?}");
        point(found)
    };
    assert!(share("item") > 0.2 && share("model") > 0.05 && share("language") < 0.005);
    assert!((["item", "language", "model", "none"].map(share).iter().sum::<f64>() - 1.0).abs() < 1e-9);
    let titles: Vec<&str> = fill(&findings).iter().map(|section| section.title).collect();
    assert!(titles.contains(&"Difficulty of items") && titles.contains(&"Suspicious translations"));
    assert!(spearman(&b, &truth).unwrap() > 0.9);
}

#[test]
fn few_runs_few_items_and_one_language_are_said() {
    let why = |runs: usize, items: usize| {
        let (rows, ..) = planted(runs, items, &LANGS[..1]);
        Findings::compute(&table(&rows), &|_| None, &options(), &mut Silent).unwrap()
    };
    let findings = why(3, 60);
    let fit = measured(&findings, "items", "fit");
    assert_eq!(
        fit[0].why.as_deref(),
        Some("not enough data: difficulty of items needs 5 runs of the same items or more, and there are 3")
    );
    let filled = fill(&findings);
    assert!(filled.iter().any(|section| section.title == "Difficulty of items" && section.blocks.len() == 1));
    // Six runs in one language have abilities, but no short form, no flags, and items with too few answers.
    let findings = why(6, 60);
    assert_eq!(measured(&findings, "items", "ability").len(), 6);
    assert!(
        measured(&findings, "items", "short-form-information")[0].why.as_deref().unwrap().starts_with("not enough")
    );
    assert!(measured(&findings, "items", "flagged").is_empty());
    assert!(measured(&findings, "item-parameters", "difficulty").is_empty());
}

#[test]
fn every_run_has_a_matrix_and_the_page_shows_the_one_that_was_asked_for() {
    let (rows, ..) = planted(3, 60, &LANGS[..4]);
    let of = |options: &FindingOptions| Findings::compute(&table(&rows), &|_| None, options, &mut Silent);
    let findings = of(&options()).unwrap();
    for run in 0..3 {
        for measure in ["raw", "kappa", "pabak", "ac1", "alpha", "margin-correlation"] {
            let own = measured(&findings, "agreement", measure).into_iter().filter(|d| d.run == Some(run));
            let own: Vec<&Detail> = own.collect();
            assert_eq!(own.len(), 6, "{measure}");
            for detail in own {
                let estimate = detail.estimate.unwrap();
                let interval = estimate.interval.unwrap();
                assert!(interval.low <= estimate.point && estimate.point <= interval.high && estimate.n == 60);
            }
        }
        let merges = measured(&findings, "agreement", "merge").into_iter().filter(|d| d.run == Some(run));
        assert_eq!(merges.count(), 3);
    }
    let shown = |findings: &Findings| {
        let section = fill(findings).into_iter().find(|section| section.title == "Agreement of languages").unwrap();
        let figures = section.blocks.iter().filter_map(|block| match block {
            rmbench::report::block::Block::Figure(figure) => Some(figure.title.clone()),
            _ => None,
        });
        figures.collect::<Vec<String>>()
    };
    assert_eq!(shown(&findings), ["Agreement of languages, run-2", "Languages that agree, run-2"], "the strongest");
    let asked = FindingOptions { agreement_run: Some("run-0".into()), ..options() };
    assert_eq!(shown(&of(&asked).unwrap()), ["Agreement of languages, run-0", "Languages that agree, run-0"]);
    let unknown = of(&FindingOptions { agreement_run: Some("run-9".into()), ..options() });
    assert!(matches!(unknown, Err(FindingError::UnknownBaseline { .. })));
}

/// Eight languages from 1 to 4 times as many tokens as English; accuracy falls by 10 points per doubling.
#[test]
fn the_loss_per_doubling_of_tokens_is_found() {
    let doublings = |lang: usize| 2.0 * lang as f64 / (LANGS.len() - 1) as f64;
    let mut rows = Vec::new();
    for (l, lang) in LANGS.iter().enumerate() {
        for i in 0..400 {
            let draw = uniform("tokens", format!("{l} {i}"));
            let right = draw < 0.8 - 0.1 * doublings(l);
            rows.push(Row::pair("b", "s", lang, &format!("i{i:04}"), &[if right { (1.0, 0.0) } else { (0.0, 1.0) }]));
        }
    }
    let mut table = table(&rows);
    for (item, key) in table.items.iter().enumerate() {
        let lang = LANGS.iter().position(|lang| *lang == key.lang.code()).unwrap();
        let tokens = (100.0 * 2f64.powf(doublings(lang))).round() as u32;
        table.runs[0].n_tokens[2 * item..2 * item + 2].fill(tokens);
    }
    let findings = Findings::compute(&table, &|_| None, &options(), &mut Silent).unwrap();
    let [loss] = measured(&findings, "tokens", "loss-per-doubling").try_into().unwrap();
    let estimate = loss.estimate.unwrap();
    let interval = estimate.interval.unwrap();
    assert_eq!(estimate.n, 7 * 400);
    assert!(interval.low < 0.1 && 0.1 < interval.high && interval.low > 0.0, "{estimate:?}");
    let p = measured(&findings, "tokens", "loss-per-doubling-p")[0].estimate.unwrap();
    assert!(p.point < 0.01 && p.n == 7, "{p:?}");

    // Five other languages are too few.
    rows.retain(|row| !["rus_Cyrl", "tur_Latn"].contains(&row.lang));
    let findings = Findings::compute(&super::items::table(&rows), &|_| None, &options(), &mut Silent).unwrap();
    let why = measured(&findings, "tokens", "loss-per-doubling")[0].why.clone().unwrap();
    assert_eq!(why, "not enough data: 5 languages share items with English, 6 are needed");
}

#[test]
fn a_temperature_comes_from_the_language_that_was_asked_for() {
    let mut rows = Vec::new();
    for (l, lang) in LANGS[..3].iter().enumerate() {
        let n = if l == 2 { 30 } else { 200 };
        for i in 0..n {
            let margin = 3.0 * uniform("margin", format!("{i}")) as f32;
            let right = uniform("sign", format!("{l} {i}")) < 1.0 / (1.0 + f64::from(-margin).exp());
            rows.push(Row::pair("b", "s", lang, &format!("i{i:04}"), &[(if right { margin } else { -margin }, 0.0)]));
        }
    }
    let of = |lang: &str| {
        let options = FindingOptions { temperature_language: Lang::from_code(lang), ..options() };
        Findings::compute(&table(&rows), &|_| None, &options, &mut Silent)
    };
    let references = |findings: &Findings| {
        measured(findings, "calibration", "reference").into_iter().map(|d| d.of[0].clone()).collect::<Vec<_>>()
    };
    let lang = |code: &str| About::Lang(Lang::from_code(code).unwrap());
    assert_eq!(
        references(&Findings::compute(&table(&rows), &|_| None, &options(), &mut Silent).unwrap()),
        [lang("eng_Latn")]
    );
    let arabic = of("arb_Arab").unwrap();
    assert_eq!(references(&arabic), [lang("arb_Arab")]);
    let ratio = measured(&arabic, "calibration", "slope-ratio");
    assert_eq!(ratio.iter().map(|d| d.of[0].clone()).collect::<Vec<_>>(), [lang("eng_Latn")]);
    // German has 30 items: no other language stands in for it.
    let german = of("deu_Latn").unwrap();
    assert!(references(&german).is_empty());
    let ratios = measured(&german, "calibration", "slope-ratio");
    assert_eq!(ratios.len(), 2);
    assert!(ratios.iter().all(|d| d.why.as_deref().is_some_and(|why| why.starts_with("not enough data"))));
    let error = of("fra_Latn").unwrap_err();
    assert_eq!(error.to_string(), "no item is in fra_Latn, whose temperature was asked for");
}
