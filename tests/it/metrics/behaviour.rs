//! Analyses from items to details: what must come out of tables whose truth is known, and what must not.

use rmbench::progress::Silent;
use rmbench::report::findings::{About, Detail, FindingOptions, Findings};

use super::items::{Row, table};

const LANGS: [&str; 7] = ["eng_Latn", "arb_Arab", "deu_Latn", "fra_Latn", "hin_Deva", "spa_Latn", "rus_Cyrl"];

/// Pairs of `n` sources in all languages; `reward(run, lang, source)` gives chosen and rejected.
fn rows(n: usize, langs: &[&'static str], runs: usize, reward: &dyn Fn(usize, usize, usize) -> (f32, f32)) -> Vec<Row> {
    let mut rows = Vec::new();
    for (l, lang) in langs.iter().enumerate() {
        for i in 0..n {
            let rewards: Vec<(f32, f32)> = (0..runs).map(|run| reward(run, l, i)).collect();
            let mut row = Row::pair("b", "s", lang, &format!("i{i:03}"), &rewards);
            row.chars = vec![10 + (i as u32 * 7) % 23, 10 + (i as u32 * 5) % 19];
            rows.push(row);
        }
    }
    rows
}

fn compute(rows: &[Row]) -> Findings {
    let options = FindingOptions { replicates: 200, ..FindingOptions::default() };
    Findings::compute(&table(rows), &|_| None, &options, &mut Silent).unwrap()
}

fn find<'a>(findings: &'a Findings, analysis: &str, measure: &str, of: &[About]) -> &'a Detail {
    let mut found = findings.details.iter().filter(|d| d.analysis == analysis && d.measure == measure && d.of == of);
    found.next().unwrap_or_else(|| panic!("no {measure} of {analysis} about {of:?}"))
}

fn point(findings: &Findings, analysis: &str, measure: &str, of: &[About]) -> f64 {
    find(findings, analysis, measure, of).estimate.unwrap_or_else(|| panic!("{measure} is undefined")).point
}

fn lang(code: &str) -> About {
    About::Lang(rmbench::lang::Lang::from_code(code).unwrap())
}

/// Noise between 0 and 1 that is a function of its place.
fn noise(run: usize, lang: usize, source: usize) -> f32 {
    rmbench::random::uniform(1, "analyses", format!("{run} {lang} {source}")) as f32
}

#[test]
fn languages_that_agree_and_languages_that_do_not() {
    // Every language has the same outcomes, but Russian its own.
    let findings = compute(&rows(120, &LANGS, 1, &|run, l, i| {
        let own = if LANGS[l] == "rus_Cyrl" { 9 } else { 0 };
        (noise(run, own, i) - 0.3, 0.0)
    }));
    let pair = |a: &str, b: &str| point(&findings, "agreement", "kappa", &[lang(a), lang(b)]);
    assert_eq!(pair("arb_Arab", "deu_Latn"), 1.0);
    assert!(pair("deu_Latn", "rus_Cyrl").abs() < 0.3);
    assert_eq!(point(&findings, "agreement", "raw", &[lang("arb_Arab"), lang("eng_Latn")]), 1.0);
    let alpha = find(&findings, "agreement", "alpha-of-all", &[]).estimate.unwrap();
    assert!(alpha.point > 0.5 && alpha.point < 1.0 && alpha.n == 120);
    let interval = alpha.interval.unwrap();
    assert!(interval.low < alpha.point && alpha.point < interval.high);
    // The odd one joins last, at the largest distance.
    let merges: Vec<f64> =
        findings.details.iter().filter(|d| d.measure == "merge").map(|d| d.estimate.unwrap().point).collect();
    assert_eq!(merges.len(), LANGS.len() - 1);
    assert!(merges[..5].iter().all(|distance| distance.abs() < 1e-12) && merges[5] > 0.6);
}

#[test]
fn a_temperature_is_found_and_found_to_differ() {
    // Arabic margins are four times as large for the same chance of being right.
    let findings = compute(&rows(400, &["eng_Latn", "arb_Arab"], 1, &|_, l, i| {
        let margin = 4.0 * noise(5, 0, i);
        let right = noise(6, l, i) < 1.0 / (1.0 + (-margin).exp());
        let scale = if l == 1 { 4.0 } else { 1.0 };
        (if right { scale * margin } else { -scale * margin }, 0.0)
    }));
    let english = find(&findings, "calibration", "slope", &[lang("eng_Latn")]).estimate.unwrap();
    assert!(english.interval.unwrap().low < 1.0 && 1.0 < english.interval.unwrap().high, "{english:?}");
    let ratio = find(&findings, "calibration", "slope-ratio", &[lang("arb_Arab")]).estimate.unwrap();
    assert!((ratio.point - 0.25).abs() < 0.1 && ratio.interval.unwrap().high < 0.6, "{ratio:?}");
    let elo = point(&findings, "calibration", "elo-per-unit", &[lang("eng_Latn")]);
    assert!((elo - 173.717_793 * english.point).abs() < 1e-3);
    // The more confident, the more often right.
    let at = |coverage| point(&findings, "calibration", "selective-accuracy", &[About::Place(coverage)]);
    assert!(at(20) > at(60) && at(60) > at(100));
    assert_eq!(find(&findings, "calibration", "reference", &[lang("eng_Latn")]).run, Some(0));
}

#[test]
fn rewards_that_shift_with_the_language_are_not_comparable() {
    let findings = compute(&rows(100, &["eng_Latn", "deu_Latn", "hin_Deva"], 1, &|_, l, i| {
        let (chosen, rejected) = (noise(1, 0, i), noise(2, 0, i) - 0.2);
        match l {
            0 => (chosen, rejected),
            1 => (2.0 * chosen, 2.0 * rejected),
            _ => (chosen - 3.0, rejected - 3.0),
        }
    }));
    assert!((point(&findings, "comparability", "scale", &[lang("deu_Latn")]) - 2.0).abs() < 1e-5);
    assert!((point(&findings, "comparability", "reward-correlation", &[lang("hin_Deva")]) - 1.0).abs() < 1e-5);
    assert!(point(&findings, "comparability", "shift", &[lang("hin_Deva")]) < -5.0);
    assert_eq!(point(&findings, "comparability", "rejected-reference-wins", &[lang("hin_Deva")]), 1.0);
    let share = |name: &str| point(&findings, "comparability", "variance-share", &[About::name(name)]);
    assert!((share("response") + share("language") + share("residual") - 1.0).abs() < 1e-9);
    assert!(share("language") > 0.5 && share("residual") < 0.1);
}

#[test]
fn an_ensemble_of_independent_runs_gains_and_one_of_copies_does_not() {
    let independent = compute(&rows(300, &["eng_Latn"], 3, &|run, _, i| (noise(run, 3, i) + 0.15, noise(run, 4, i))));
    let gain = find(&independent, "ensembles", "gain-over-best-run", &[About::name("mean")]).estimate.unwrap();
    assert!(gain.point > 0.0 && gain.interval.is_some(), "{gain:?}");
    let copies = compute(&rows(300, &["eng_Latn"], 3, &|_, _, i| (noise(0, 3, i) + 0.15, noise(0, 4, i))));
    for method in ["mean", "worst-case", "mean-minus-sd", "rank"] {
        assert_eq!(point(&copies, "ensembles", "gain-over-best-run", &[About::name(method)]), 0.0, "{method}");
    }
}

#[test]
fn an_inverted_translation_is_flagged_and_nothing_else() {
    // Nine runs of different strength; source 7 is swapped in Hindi.
    let findings = compute(&rows(60, &LANGS, 9, &|run, l, i| {
        let margin = 0.5 + run as f32 * 0.1 - (i % 20) as f32 * 0.05 + 0.4 * (noise(run, l, i) - 0.5);
        let swapped = i == 7 && LANGS[l] == "hin_Deva";
        (if swapped { -margin } else { margin }, 0.0)
    }));
    let flagged: Vec<&Detail> = findings.details.iter().filter(|d| d.measure == "difficulty-shift").collect();
    let about = [lang("hin_Deva"), About::name("s"), About::name("i007")];
    assert_eq!(flagged[0].of, about, "the surest flag");
    assert!(flagged[0].estimate.unwrap().point > 1.0);
    assert!(flagged.len() <= 8, "of 420: {}", flagged.len());
}

#[test]
fn length_control_sees_through_a_model_that_likes_length() {
    let mut rows = rows(400, &["eng_Latn"], 2, &|_, _, _| (0.0, 0.0));
    for (i, row) in rows.iter_mut().enumerate() {
        let longer = i % 4 != 0; // the chosen response is the longer one in three of four items
        row.chars = if longer { vec![90 + (i as u32 % 20), 40] } else { vec![40, 90 + (i as u32 % 20)] };
        let likes_length = if noise(0, 1, i) < 0.9 { longer } else { !longer };
        let blind = noise(0, 2, i) < 0.7;
        row.rewards = [likes_length, blind].map(|right| vec![Some(f32::from(u8::from(right))), Some(0.5)]).to_vec();
    }
    let findings = compute(&rows);
    let of = |run: usize, measure: &str| {
        let mut found =
            findings.details.iter().filter(|d| d.run == Some(run) && d.measure == measure && d.of.is_empty());
        found.next().unwrap().estimate.unwrap()
    };
    let beta = of(0, "length-coefficient");
    assert!(beta.interval.unwrap().low > 1.0, "{beta:?}");
    let blind = of(1, "length-coefficient").interval.unwrap();
    assert!(blind.low < 0.0 && 0.0 < blind.high, "{blind:?}");
    assert!((of(1, "length-controlled-accuracy").point - 0.7).abs() < 0.1);
    let metric = |metric: &str| {
        let mut found = findings.findings.iter().filter(|f| f.run == 0 && f.metric == metric && f.estimate.is_some());
        found.next().unwrap().estimate.unwrap()
    };
    assert!(metric("accuracy-chosen-longer").point > 0.8 && metric("accuracy-chosen-shorter").point < 0.2);
    assert_eq!((metric("accuracy-chosen-longer").n, metric("accuracy-chosen-shorter").n), (300, 100));
    assert!((metric("accuracy-length-balanced").point - 0.5).abs() < 0.1);
    assert_eq!(metric("shortest-wins").point, 0.25);
}

/// A run whose tokenizer makes more of the chosen response in three of four items; another one without a tokenizer.
#[test]
fn baselines_without_content_stand_beside_every_subset() {
    let mut table = table(&rows(80, &["eng_Latn"], 2, &|run, l, i| (noise(run, l, i), 0.4)));
    for i in 0..80 {
        let (chosen, rejected) = if i % 4 == 0 { (10, 12) } else { (12, 10) };
        table.runs[0].n_tokens[2 * i] = chosen;
        table.runs[0].n_tokens[2 * i + 1] = rejected;
    }
    table.runs[1].n_tokens.fill(0);
    let options = FindingOptions { replicates: 200, ..FindingOptions::default() };
    let findings = Findings::compute(&table, &|_| None, &options, &mut Silent).unwrap();
    let of = |run: usize, metric: &str| {
        let subset = rmbench::report::findings::Scope::Subset("s".to_owned());
        findings.findings.iter().find(|f| f.run == run && f.metric == metric && f.scope == subset)
    };
    let tokens = of(0, "most-tokens-wins").unwrap().estimate.unwrap();
    assert!((tokens.point, tokens.n) == (0.75, 80) && tokens.interval.is_some());
    assert!(of(1, "most-tokens-wins").is_none(), "no tokens, no number");
    let [longest, shortest] = ["longest-wins", "shortest-wins"].map(|m| of(1, m).unwrap().estimate.unwrap().point);
    assert!(longest + shortest <= 1.0 && longest > 0.0 && shortest > 0.0, "{longest} {shortest}");
    // −ln σ of each margin, by hand.
    let loss = |i: usize| f64::from(1.0 + (-(noise(1, 0, i) - 0.4)).exp()).ln();
    let expected = (0..80).map(loss).sum::<f64>() / 80.0;
    let found = findings.findings.iter().find(|f| f.run == 1 && f.metric == "log-loss").unwrap();
    assert!((found.estimate.unwrap().point - expected).abs() < 1e-6);
    // The parts of the Brier score are those of the bins.
    let mut binned = rmbench::metric::calibration::Binned::new(10);
    (0..80).for_each(|i| binned.add(rmbench::metric::calibration::sigmoid(f64::from(noise(1, 0, i) - 0.4)), 1.0));
    let parts = binned.brier().unwrap();
    for (measure, expected) in [("reliability", parts.reliability), ("resolution", parts.resolution)] {
        let is = |d: &&Detail| d.run == Some(1) && d.measure == measure && d.of == [lang("eng_Latn")];
        let found = findings.details.iter().find(is).unwrap().estimate.unwrap();
        assert!((found.point - expected).abs() < 1e-9 && found.n == 80, "{measure}: {found:?} and {expected}");
    }
}

#[test]
fn models_of_single_languages_make_a_transfer_matrix() {
    let langs = ["deu_Latn", "hin_Deva"];
    let mut table =
        table(&rows(150, &langs, 2, &|run, l, i| (noise(run, l, i) - if run == l { 0.1 } else { 0.4 }, 0.0)));
    for (run, lang) in table.runs.iter_mut().zip(langs) {
        run.info.trained_on = Some(lang.to_owned());
    }
    let options = FindingOptions { replicates: 200, ..FindingOptions::default() };
    let findings = Findings::compute(&table, &|_| None, &options, &mut Silent).unwrap();
    let advantage = find(&findings, "transfer", "mean-native-advantage", &[]).estimate.unwrap();
    assert!(advantage.interval.unwrap().low > 0.1, "{advantage:?}");
    let cell = point(&findings, "transfer", "accuracy", &[lang("deu_Latn"), lang("hin_Deva")]);
    let accuracy = findings.findings.iter().find(|f| {
        f.run == 0
            && f.metric == "accuracy"
            && f.languages
                == rmbench::report::findings::Languages::One(rmbench::lang::Lang::from_code("hin_Deva").unwrap())
    });
    assert_eq!(cell, accuracy.unwrap().estimate.unwrap().point);
    // These models do not look at lengths.
    for (source, target) in [("deu_Latn", "hin_Deva"), ("hin_Deva", "hin_Deva")] {
        let of = [lang(source), lang(target)];
        let excess = find(&findings, "transfer", "length-agreement-excess", &of).estimate.unwrap();
        let interval = excess.interval.unwrap();
        assert!(interval.low < 0.0 && 0.0 < interval.high && excess.n == 150, "{excess:?}");
        let parts = ["length-agreement", "length-agreement-expected"].map(|m| point(&findings, "transfer", m, &of));
        assert!((parts[0] - parts[1] - excess.point).abs() < 1e-12);
        assert!(point(&findings, "transfer", "length-baseline", &of) >= 0.5);
    }
}

#[test]
fn too_little_data_gives_no_numbers_and_no_sections() {
    let findings = compute(&rows(12, &LANGS[..2], 1, &|run, l, i| (noise(run, l, i) - 0.4, 0.0)));
    for analysis in ["agreement", "calibration", "length", "comparability", "ensembles", "items", "transfer"] {
        let found = findings.details.iter().filter(|d| d.analysis == analysis && d.estimate.is_some()).count();
        assert_eq!(found, 0, "{analysis}");
    }
    let titles: Vec<&str> = rmbench::report::section::fill(&findings).iter().map(|s| s.title).collect();
    for title in
        ["Agreement of languages", "Calibration", "Ensembles", "Suspicious translations", "Transfer between languages"]
    {
        assert!(!titles.contains(&title), "{title}");
    }
}

#[test]
fn analyses_do_not_depend_on_the_order_of_items() {
    let mut rows = rows(60, &LANGS, 2, &|run, l, i| (noise(run, l, i) - 0.4, 0.2 * noise(run, l + 20, i)));
    let findings = compute(&rows);
    rows.reverse();
    let reversed = compute(&rows);
    let points = |findings: &Findings| {
        let mut points: Vec<(String, f64)> = findings
            .details
            .iter()
            .filter(|d| !matches!(d.measure.as_str(), "leaf" | "merge" | "learned-weight"))
            // Which replicate draws which source depends on their order.
            .filter(|d| !d.measure.ends_with("corrected") && d.measure != "sd-net-of-noise")
            .filter(|d| !d.of.contains(&About::name("learned")))
            .filter_map(|d| Some((format!("{} {} {:?} {:?}", d.analysis, d.measure, d.run, d.of), d.estimate?.point)))
            .collect();
        points.sort_by(|a, b| a.0.cmp(&b.0));
        points
    };
    let (a, b) = (points(&findings), points(&reversed));
    assert_eq!(a.len(), b.len());
    for ((name, x), (other, y)) in a.iter().zip(&b) {
        assert_eq!(name, other);
        assert!((x - y).abs() < 1e-6, "{name}: {x} and {y}");
    }
}
