//! Findings made up for tests: plausible numbers, invented names, every kind of gap.

use rmbench::lang::Lang;
use rmbench::metric::{Estimate, Interval};
use rmbench::provenance::RunInfo;
use rmbench::report::findings::{
    BenchmarkInfo, ChiSquare, EqualityTest, Finding, Findings, Languages, McNemar, PairTests, PairedDifference, Rank,
    Ranking, Scope,
};

pub const LANGS: [&str; 24] = [
    "eng_Latn", "arb_Arab", "ces_Latn", "deu_Latn", "ell_Grek", "fra_Latn", "heb_Hebr", "hin_Deva", "ind_Latn",
    "ita_Latn", "jpn_Jpan", "kor_Hang", "nld_Latn", "pes_Arab", "pol_Latn", "por_Latn", "ron_Latn", "rus_Cyrl",
    "spa_Latn", "tur_Latn", "ukr_Cyrl", "vie_Latn", "zho_Hans", "zho_Hant",
];
const CATEGORIES: [&str; 4] = ["Chat", "Chat Hard", "Safety", "Reasoning"];
const SUBSETS: [(&str, &str); 8] = [
    ("easy talk", "Chat"),
    ("long talk", "Chat"),
    ("near misses", "Chat Hard"),
    ("trick questions", "Chat Hard"),
    ("should refuse", "Safety"),
    ("should answer", "Safety"),
    ("sums", "Reasoning"),
    ("code", "Reasoning"),
];
const NAMES: [&str; 25] = [
    "harbour-7b",
    "larch-rm-2b",
    "quiet-judge",
    "tern-0.6b",
    "millstone-13b-preference",
    "saffron-mini",
    "northwind-rm-v2",
    "cobalt-1b",
    "lantern-8b-multilingual-preference-model",
    "heron",
    "basalt-3b",
    "juniper-rm",
    "tidewater-7b",
    "ochre-base",
    "sparrow-rm",
    "granite-lake-4b",
    "willow",
    "estuary-2b",
    "plover-1.5b",
    "meadow-rm",
    "kelp-400m",
    "fjord-9b",
    "thistle",
    "copper-rm-0.5b",
    "random rewards",
];

/// Numbers in 0..1 from a counter: the same on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn around(&mut self, center: f64, spread: f64) -> f64 {
        let sum: f64 = (0..4).map(|_| self.next()).sum();
        center + spread * (sum - 2.0)
    }
}

fn estimate(point: f64, n: usize, n_missing: usize, slack: f64) -> Estimate {
    // Rounded, so that snapshots do not depend on the last bits of arithmetic.
    let round = |x: f64| (x * 1e4).round() / 1e4;
    let half = 1.96 * (0.25 / n as f64).sqrt() * slack;
    let interval = Interval { low: round(point - half), high: round((point + half).min(1.0)), level: 0.95 };
    Estimate { point: round(point), interval: Some(interval), n, n_missing }
}

fn run(i: usize) -> RunInfo {
    let mut info = RunInfo::of_this_binary(NAMES[i], &format!("models/{}", NAMES[i]), "scalar");
    // Not this binary's: snapshots must not change with the commit.
    info.version = "0.1.0".to_owned();
    info.commit = "0123456789ab".to_owned();
    info.libtorch = Some("2.11.0".to_owned());
    info.dtype = "bf16".to_owned();
    info.threads = 2;
    info.digests.insert("model/weights".to_owned(), format!("{:064x}", 0xfeed_beefu64 + i as u64));
    info.digests.insert("data/bench.parquet".to_owned(), format!("{:064x}", 0xabcdu64));
    info.settings = "[score]\nbatch-tokens = 8192\nlangs = \"all\"\n\n[model]\ndtype = \"bf16\"\n".to_owned();
    info
}

/// `runs` runs over the first `langs` languages and `categories` categories of one benchmark.
pub fn findings(runs: usize, langs: usize, categories: usize) -> Findings {
    let mut noise = Noise(7);
    let langs: Vec<Lang> = LANGS[..langs].iter().map(|code| Lang::from_code(code).unwrap()).collect();
    let subsets: Vec<(String, Option<String>)> = SUBSETS
        .iter()
        .filter(|(_, category)| CATEGORIES[..categories].contains(category))
        .map(|(name, category)| ((*name).to_owned(), Some((*category).to_owned())))
        .collect();
    let averages = if langs.len() > 1 { vec!["avg23".to_owned(), "avg22-merged".to_owned()] } else { Vec::new() };
    let benchmark = BenchmarkInfo {
        name: "invented-bench".to_owned(),
        title: "Invented Bench".to_owned(),
        version: "2026-01".to_owned(),
        protocol: vec![
            "A tie counts as wrong.".to_owned(),
            "A category is the mean of its subsets weighted by their published sizes.".to_owned(),
        ],
        categories: CATEGORIES[..categories].iter().map(|c| (*c).to_owned()).collect(),
        subsets: subsets.clone(),
        langs: langs.clone(),
        averages: averages.clone(),
        chance: Some(0.5),
    };
    let mut all = Vec::new();
    let n = 280;
    for run in 0..runs {
        let level = 0.76 - 0.25 * (run as f64 / 24.0).sqrt() + 0.02 * noise.next();
        let mut add =
            |metric: &str, scope: Scope, languages: Languages, estimate: Option<Estimate>, why: Option<&str>| {
                let n_ties = if metric == "accuracy" && run == 1 { 3 } else { 0 };
                all.push(Finding {
                    run,
                    benchmark: "invented-bench".to_owned(),
                    metric: metric.to_owned(),
                    scope,
                    languages,
                    estimate,
                    why: why.map(str::to_owned),
                    n_ties,
                    n_truncated: if run == 2 { 1 } else { 0 },
                });
            };
        for average in &averages {
            let over = Languages::Average(average.clone());
            add("accuracy", Scope::Overall, over.clone(), Some(estimate(level, n * langs.len(), 0, 2.0)), None);
            add("longest-wins", Scope::Overall, over.clone(), Some(estimate(0.523, n * langs.len(), 0, 2.0)), None);
            for (i, category) in CATEGORIES[..categories].iter().enumerate() {
                let point = noise.around(level + 0.06 - 0.04 * i as f64, 0.02);
                let e = estimate(point, n * langs.len() / 4, 0, 2.0);
                add("accuracy", Scope::Category((*category).to_owned()), over.clone(), Some(e), None);
            }
        }
        for (l, lang) in langs.iter().enumerate() {
            let over = Languages::One(*lang);
            let here = if l == 0 { level + 0.05 } else { noise.around(level - 0.004 * (l % 9) as f64, 0.05) };
            let missing = if run == 0 && l == 3 { 4 } else { 0 };
            // One language that a run never scored, one that it scored without an outcome.
            if run == 1 && l == 5 {
                continue;
            }
            let absent = run == 1 && l == 6;
            let e = (!absent).then(|| estimate(here, n - missing, missing, 1.0));
            let why = absent.then_some("no item has rewards for both responses");
            add("accuracy", Scope::Overall, over.clone(), e, why);
            add("longest-wins", Scope::Overall, over.clone(), Some(estimate(0.523, n, 0, 1.0)), None);
            if l > 0 && !absent {
                let gap = here - level - 0.05;
                add("gap-to-english", Scope::Overall, over.clone(), Some(estimate(gap, n, 0, 0.9)), None);
            }
            for (i, category) in CATEGORIES[..categories].iter().enumerate() {
                let point = noise.around(here + 0.06 - 0.04 * i as f64, 0.03).min(0.98);
                let e = (!absent).then(|| estimate(point, n / 4, 0, 1.0));
                add("accuracy", Scope::Category((*category).to_owned()), over.clone(), e, why);
            }
            for (name, _) in &subsets {
                let point = noise.around(here, 0.08).min(0.98);
                let e = (!absent).then(|| estimate(point, n / 8, 0, 1.0));
                add("accuracy", Scope::Subset(name.clone()), over.clone(), e, why);
            }
        }
    }
    Findings {
        runs: (0..runs).map(run).collect(),
        benchmarks: vec![benchmark],
        findings: all,
        panel: Vec::new(),
        protocols: Vec::new(),
        baseline: 0,
        differences: Vec::new(),
        rankings: Vec::new(),
        equality: Vec::new(),
        details: Vec::new(),
        judges: Vec::new(),
        replicates: 1000,
        seed: 0,
        level: 0.95,
        warnings: Vec::new(),
    }
}

/// Adds the paired differences of every other run to `baseline`, over the headline and each language.
pub fn against(mut findings: Findings, baseline: usize) -> Findings {
    let mut noise = Noise(11);
    let languages: Vec<Languages> = findings.benchmarks[0]
        .averages
        .iter()
        .map(|a| Languages::Average(a.clone()))
        .chain(findings.benchmarks[0].langs.iter().map(|l| Languages::One(*l)))
        .collect();
    findings.baseline = baseline;
    for run in (0..findings.runs.len()).filter(|run| *run != baseline) {
        for over in &languages {
            let average = matches!(over, Languages::Average(_));
            let n = if average { 6000 } else { 280 };
            let point = noise.around(0.02 * (baseline as f64 - run as f64), 0.01);
            findings.differences.push(PairedDifference {
                run,
                baseline,
                benchmark: "invented-bench".to_owned(),
                scope: Scope::Overall,
                languages: over.clone(),
                estimate: Some(estimate(point, n, 0, if average { 0.7 } else { 0.6 })),
                why: None,
                tests: if average { tests(point) } else { PairTests::default() },
            });
        }
    }
    findings
}

/// What tests of a difference might say.
fn tests(point: f64) -> PairTests {
    PairTests {
        error: Some(0.0036),
        detectable: Some(0.0101),
        p: Some((0.02 - point.abs()).clamp(0.0004, 1.0)),
        family: 3,
        p_holm: Some(0.03),
        p_bh: Some(0.02),
        p_romano_wolf: Some(0.0277),
        mcnemar: Some(McNemar { only_run: 1_204, only_baseline: 1_093, exact_p: 0.0217, mid_p: 0.0206 }),
        stuart_maxwell: Some(ChiSquare { statistic: 5.31, df: 2, p: 0.0703 }),
    }
}

/// Adds rankings of all runs, best first as they come, two by two in tie groups, and tests of equality.
pub fn ranked(mut findings: Findings) -> Findings {
    let n = findings.runs.len();
    let benchmark = findings.benchmarks[0].clone();
    let averages = benchmark.averages.iter().cloned().map(Languages::Average);
    for languages in averages.chain(benchmark.langs.iter().take(2).map(|lang| Languages::One(*lang))) {
        let rank = |run: usize| Rank {
            run,
            low: run.max(1),
            high: (run + 2).min(n),
            chance_of_best: (run != 2).then_some(0.5 / (run + 1) as f64),
            groups: [run.checked_sub(1), Some(run).filter(|run| run + 1 < n)]
                .into_iter()
                .flatten()
                .map(|group| char::from(b'a' + group as u8).to_string())
                .collect(),
        };
        findings.rankings.push(Ranking {
            benchmark: benchmark.name.clone(),
            languages,
            pairs: n * (n - 1) / 2,
            ranks: (0..n).map(rank).collect(),
        });
    }
    let test = |run: Option<usize>, found: Option<ChiSquare>| EqualityTest {
        test: "cochran-q".to_owned(),
        benchmark: benchmark.name.clone(),
        run,
        languages: run.is_none().then(|| Languages::One(benchmark.langs[0])),
        n: 281,
        found,
        why: found.is_none().then(|| "no item tells them apart".to_owned()),
    };
    findings.equality.push(test(Some(0), Some(ChiSquare { statistic: 41.27, df: 3, p: 5.7e-9 })));
    findings.equality.push(test(None, None));
    findings
}

/// The same once more as another benchmark whose name slugs to the same.
pub fn twice(mut findings: Findings) -> Findings {
    let name = "Invented_Bench".to_owned();
    let mut benchmark = findings.benchmarks[0].clone();
    (benchmark.name, benchmark.title) = (name.clone(), "Invented Bench, Again".to_owned());
    findings.benchmarks.push(benchmark);
    let again: Vec<Finding> =
        findings.findings.iter().map(|f| Finding { benchmark: name.clone(), ..f.clone() }).collect();
    findings.findings.extend(again);
    let measure = Finding { metric: "tie-rate".to_owned(), ..findings.findings[0].clone() };
    findings.findings.push(measure);
    findings
}

/// Names that try to leave their place: markup, quotes, direction overrides, right-to-left, very long.
pub fn hostile() -> Findings {
    let mut findings = against(findings(3, 5, 2), 1);
    let names = [
        "<script>alert('x')</script>\" onmouseover=\"alert(1)",
        "abc\u{202E}gnp.exe \u{2066}|*bold*| [link](https://example.invalid/x) `code` ]]> -->",
        "نموذج المكافأة العربي",
    ];
    for (run, name) in findings.runs.iter_mut().zip(names) {
        run.name = name.to_owned();
        run.model = format!("../../{name}");
        run.settings = format!("name = \"\"\"{name}\"\"\"\n```\n</code></pre><img src=x onerror=alert(1)>");
        run.digests.insert(format!("data/{name}"), name.to_owned());
    }
    let long = "very-long-subset-name-".repeat(20);
    let benchmark = &mut findings.benchmarks[0];
    benchmark.title = "Bench <b>&amp; \"Sons\"</b>".to_owned();
    benchmark.protocol.push("</style></script><script>alert(2)</script>".to_owned());
    benchmark.categories[0] = "<img src=x onerror=alert(3)>".to_owned();
    benchmark.subsets[0].0 = long.clone();
    for finding in &mut findings.findings {
        match &mut finding.scope {
            Scope::Category(name) if name == "Chat" => *name = "<img src=x onerror=alert(3)>".to_owned(),
            Scope::Subset(name) if name == "easy talk" => *name = long.clone(),
            _ => {}
        }
        if let Some(why) = &mut finding.why {
            *why = "<svg onload=alert(4)>\nsecond line".to_owned();
        }
    }
    findings.warnings.push("javascript:alert(5) <a href='https://example.invalid'>x</a>".to_owned());
    findings
}

/// Nothing was scored.
pub fn empty() -> Findings {
    let mut findings = findings(1, 1, 0);
    findings.runs.clear();
    findings.benchmarks.clear();
    findings.findings.clear();
    findings
}
