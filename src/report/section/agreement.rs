//! Do languages agree on which items are right: of each run in short, of one run pair by pair.

use super::details::{self, Details, Shown, lang, p_value, place};
use super::matrix;
use super::{benchmark_id, per_benchmark};
use crate::lang::Lang;
use crate::report::block::{Block, Inline, visible};
use crate::report::figure::{Branch, Figure, Heat, HeatCell, Label, Plot, Ramp, Tree};
use crate::report::findings::{About, BenchmarkInfo, Detail, Findings};
use crate::report::language;
use crate::report::measure::Unit;
use crate::report::select::{ranking, run_name};

const ANALYSIS: &str = "agreement";

const OF_RUN: [Shown; 2] = [
    ("alpha-of-all", "Krippendorff's α", "Over all languages at once: 1 is perfect, 0 is chance", Unit::Plain),
    ("mean-kappa", "Mean κ of pairs", "Mean of Cohen's κ over pairs of languages", Unit::Plain),
];

const OF_PAIR: [Shown; 6] = [
    ("raw", "Same outcome", "Share of shared source items with the same outcome", Unit::Percent),
    ("kappa", "κ", "Cohen's κ: agreement beyond chance; low where nearly all items are right", Unit::Plain),
    ("pabak", "PABAK", "κ adjusted for prevalence and bias", Unit::Plain),
    ("ac1", "AC1", "Gwet's AC1: robust where one outcome is frequent", Unit::Plain),
    ("alpha", "α", "Krippendorff's α of the two", Unit::Plain),
    ("margin-correlation", "Margins, r", "Pearson's r of the margins, not only of their signs", Unit::Plain),
];

pub fn section(findings: &Findings) -> Option<Vec<Block>> {
    per_benchmark(findings, |benchmark, i| {
        let details = Details::of(findings, benchmark, ANALYSIS)?;
        let order = ranking(findings, benchmark);
        let runs = details.runs("alpha-of-all", &order);
        let mut blocks = vec![Block::Paragraph(
            "Is an item that a run gets right in one language right in the others, too? Low agreement means that the \
             language decides, not the item."
                .into(),
        )];
        let rows = runs
            .iter()
            .map(|run| details::row(&details, Some(*run), &[], Inline::new().name(run_name(findings, *run)), &OF_RUN));
        let caption = format!(
            "All languages together, with {}; a tie is not right; n counts source items.",
            details::intervals(findings)
        );
        blocks.push(
            details::table(
                benchmark_id("agreement-runs", benchmark, i),
                caption.into(),
                "Run",
                &OF_RUN,
                rows.collect(),
            )
            .into(),
        );
        let shown = details.measured("kappa").find_map(|d| d.run);
        if let Some(run) = shown {
            blocks.extend(of_pairs(findings, benchmark, i, &details, run));
            if runs.len() > 1 {
                let others = "The same of every other run is in analyses.csv and findings.json; ";
                blocks.push(Block::Note(
                    Inline::new().text(others).code("--set agreement-run=NAME").text(" shows another run here."),
                ));
            }
        }
        Some(blocks)
    })
}

fn of_pairs(findings: &Findings, benchmark: &BenchmarkInfo, i: usize, details: &Details<'_>, run: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(tests) = tests(findings, details, run) {
        blocks.push(Block::Paragraph(tests));
    }
    // Leaves of the tree first, in its order; languages that lack pairs after them.
    let mine = |d: &&Detail| d.run == Some(run);
    let mut leaves: Vec<(f64, Lang)> =
        details.measured("leaf").filter(mine).filter_map(|d| Some((d.estimate?.point, lang(d, 1)?))).collect();
    leaves.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut order: Vec<Lang> = leaves.iter().map(|(_, lang)| *lang).collect();
    for detail in details.measured("kappa").filter(mine) {
        for lang in [lang(detail, 0), lang(detail, 1)].into_iter().flatten() {
            if !order.contains(&lang) {
                order.push(lang);
            }
        }
    }
    if order.len() > 2 {
        blocks.push(heat(findings, benchmark, i, details, run, &order).into());
    }
    if let Some(tree) = tree(findings, benchmark, i, details, run, &leaves) {
        blocks.push(tree.into());
    }
    let rows = details.measured("kappa").filter(mine).filter_map(|d| {
        let (a, b) = (lang(d, 0)?, lang(d, 1)?);
        let label = Inline::new().lang(a).text(" – ").lang(b);
        let mut row = details::row(details, Some(run), &d.of, label, &OF_PAIR);
        row.lang = None;
        Some(row)
    });
    let caption = Inline::new().name(run_name(findings, run)).text(format!(
        ": pairs of languages, with {} (linearised; Wilson's of the same outcome); n counts shared source items.",
        details::intervals(findings)
    ));
    let id = benchmark_id("agreement-pairs", benchmark, i);
    let table = details::table(id, caption, "Languages", &OF_PAIR, rows.collect());
    let summary = format!("All {} pairs: κ, PABAK, AC1, α and correlation of margins", table.rows.len());
    blocks.push(Block::Fold { summary: summary.into(), blocks: vec![table.into()], open: false });
    blocks
}

/// Whether languages of one group agree more, in a sentence per way of grouping.
fn tests(findings: &Findings, details: &Details<'_>, run: usize) -> Option<Inline> {
    let mut pieces = Vec::new();
    for d in details.measured("within-minus-between").filter(|d| d.run == Some(run)) {
        let (Some(e), Some(About::Name(dimension))) = (d.estimate, d.of.first()) else { continue };
        let p =
            details.point(Some(run), "permutation-p", &d.of).map_or_else(String::new, |p| format!(", {}", p_value(p)));
        let sign = if e.point < 0.0 { "−" } else { "+" };
        pieces.push(Inline::from(format!("{dimension} {sign}{:.3} ({} languages{p})", e.point.abs(), e.n)));
    }
    (!pieces.is_empty()).then(|| {
        Inline::new()
            .text("Mean κ within a group minus mean κ between groups, for ")
            .name(run_name(findings, run))
            .text(", with p from shuffling the languages: ")
            .list(pieces)
            .text(".")
    })
}

fn heat(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    run: usize,
    order: &[Lang],
) -> Figure {
    let cell = |a: Lang, b: Lang| {
        let what = format!("{} and {}", language::name(a), language::name(b));
        let of = [About::Lang(a.min(b)), About::Lang(a.max(b))];
        if a == b {
            return HeatCell { estimate: None, hover: language::name(a), run: None, lang: Some(a), faint: false };
        }
        let value = details.value(Some(run), "kappa", &of, Unit::Plain);
        matrix::cell(&what, &value, a)
    };
    Figure {
        id: benchmark_id("agreement", benchmark, i),
        title: visible(&format!("Agreement of languages, {}", run_name(findings, run))),
        caption: "Cohen's κ × 100 of right and wrong over shared source items; empty where fewer than 20 are shared. \
                  Languages that agree stand side by side."
            .into(),
        alt: format!("κ between {} languages; the table below has the numbers.", order.len()),
        plot: Plot::Heat(Heat {
            legend: "Cohen's κ × 100".to_owned(),
            unit: Unit::Percent,
            ramp: Ramp::Sequential,
            range: None,
            rows: order.iter().map(|lang| Label::lang(*lang)).collect(),
            columns: order.iter().map(|lang| Label::lang_code(*lang)).collect(),
            cells: order.iter().map(|a| order.iter().map(|b| cell(*a, *b)).collect()).collect(),
        }),
    }
}

fn tree(
    findings: &Findings,
    benchmark: &BenchmarkInfo,
    i: usize,
    details: &Details<'_>,
    run: usize,
    leaves: &[(f64, Lang)],
) -> Option<Figure> {
    let mine = |d: &&Detail| d.run == Some(run);
    let numbers: Vec<u32> = {
        let mut of: Vec<(f64, u32)> =
            details.measured("leaf").filter(mine).filter_map(|d| Some((d.estimate?.point, place(d, 0)?))).collect();
        of.sort_by(|a, b| a.0.total_cmp(&b.0));
        of.into_iter().map(|(_, number)| number).collect()
    };
    let branches: Vec<Branch> = details
        .measured("merge")
        .filter(mine)
        .filter_map(|d| Some(Branch { a: place(d, 0)? as usize, b: place(d, 1)? as usize, at: d.estimate?.point }))
        .collect();
    (leaves.len() > 2 && branches.len() + 1 == leaves.len()).then(|| Figure {
        id: benchmark_id("agreement-tree", benchmark, i),
        title: visible(&format!("Languages that agree, {}", run_name(findings, run))),
        caption: "Average linkage on 1 − κ: the nearer to the names two branches meet, the more the languages agree. \
                  Languages without 20 shared items with each of the others are left out."
            .into(),
        alt: format!("A tree of {} languages; the table below has the numbers.", leaves.len()),
        plot: Plot::Tree(Tree {
            axis: "1 − mean κ between the branches".to_owned(),
            leaves: leaves.iter().map(|(_, lang)| Label::lang(*lang)).collect(),
            numbers: numbers.into_iter().map(|number| number as usize).collect(),
            branches,
        }),
    })
}
