//! Published numbers follow from their cells through the manifests' weights and averages.

use std::collections::HashMap;
use std::path::Path;

use rmbench::benchmark::catalog;
use rmbench::benchmark::manifest::{Manifest, Rule};
use rmbench::lang::Lang;
use rmbench::metric::accuracy::ACCURACY;
use rmbench::metric::aggregate::{Absent, Compat, Form, Forms, members};
use rmbench::metric::design::SubsetHere;
use rmbench::metric::sheet::{Finish, NodeId, Sheet};

type Record = HashMap<String, String>;

fn read(name: &str) -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/published").join(name);
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn number(record: &Record, column: &str) -> f64 {
    record[column].parse().unwrap_or_else(|_| panic!("{column}: {}", record[column]))
}

fn subsets(manifest: &Manifest) -> Vec<SubsetHere> {
    let here = manifest.subsets().map(|(category, subset)| SubsetHere {
        name: subset.name.clone(),
        category: Some(category.name.clone()),
        rule: subset.rule.unwrap_or(Rule::Accuracy),
        known: true,
    });
    here.collect()
}

/// A form's value from the scores of its (pooled) subsets by the name of the first; `None` for none.
fn value(manifest: &Manifest, form: &Form, compat: Option<Compat>, score: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let names = subsets(manifest);
    let mut sheet = Sheet::default();
    let mut leaf = |sheet: &mut Sheet, subsets: &[usize], _: bool| match score(&names[subsets[0]].name) {
        Some(score) => Ok(sheet.given(score)),
        None => Err(Absent { subsets: subsets.to_vec() }),
    };
    let node = form.place(&mut sheet, compat, &mut Vec::new(), &mut leaf).ok()?;
    sheet.points()[node as usize]
}

fn forms(manifest: &Manifest, weighting: &str) -> Forms {
    assert!(manifest.weights.contains_key(weighting), "{weighting}");
    Forms::new(manifest, Some(weighting), &subsets(manifest))
}

fn category<'a>(forms: &'a Forms, name: &str) -> &'a Form {
    &forms.categories.iter().find(|(known, _)| known == name).unwrap().1
}

const SECTIONS: [&str; 4] = ["Chat", "Chat Hard", "Safety", "Reasoning"];

fn beaver() -> HashMap<String, f64> {
    let rows = read("rewardbench_v1_golden_beaver_cost.csv");
    rows.iter().filter(|r| r["kind"] == "subset").map(|r| (r["name"].clone(), number(r, "value"))).collect()
}

#[test]
fn beaver_sections_in_both_eras_and_both_weightings() {
    let rows = read("rewardbench_v1_golden_beaver_cost.csv");
    let published =
        |kind: &str, name: &str| number(rows.iter().find(|r| r["kind"] == kind && r["name"] == name).unwrap(), "value");
    let scores = beaver();
    let score = |name: &str| scores.get(name).copied();
    let rb1 = catalog::find("rewardbench").unwrap();
    let mrb = catalog::find("m-rewardbench").unwrap();
    for (manifest, weighting, kind) in [
        (&rb1, "rb1", "section_rb1_weights"),
        (&mrb, "rb1", "section_rb1_weights"),
        (&mrb, "mrb", "section_mrb_weights"),
    ] {
        let forms = forms(manifest, weighting);
        for section in SECTIONS {
            let ours = value(manifest, category(&forms, section), None, &score).unwrap();
            assert!((ours - published(kind, section)).abs() < 1e-12, "{weighting} {section}: {ours}");
        }
    }
    let overall = |manifest: &Manifest, weighting| value(manifest, &forms(manifest, weighting).overall, None, &score);
    let current = published("overall_mean_of_4_rb1_weights", "");
    for manifest in [&rb1, &mrb] {
        assert!((overall(manifest, "rb1").unwrap() - current).abs() < 1e-12);
        let before = overall(manifest, "rb1-pre-2024-09").unwrap();
        assert!((before - published("overall_mean_of_4_rb1_pre_2024_09_weights", "")).abs() < 1e-12);
        let safety = value(manifest, category(&forms(manifest, "rb1-pre-2024-09"), "Safety"), None, &score).unwrap();
        assert!((safety - published("section_rb1_pre_2024_09_weights", "Safety")).abs() < 1e-12);
    }

    // Pooled over true counts: sums of right items, not of shares.
    let mut sheet = Sheet::default();
    let mut columns = Vec::new();
    for (_, subset) in rb1.subsets().filter(|(category, _)| !category.optional) {
        let n = subset.n.unwrap();
        let right = (scores[&subset.name] * n as f64).round();
        columns.push(sheet.columns.add((0..n as u32).map(|i| (i, if f64::from(i) < right { 1.0 } else { 0.0 }))));
        columns.push(sheet.columns.add((0..n as u32).map(|i| (i, 1.0))));
    }
    let pooled = sheet.finish(Finish::Metric(&ACCURACY), columns);
    assert!((sheet.points()[pooled as usize].unwrap() - published("pooled_accuracy_true_n", "")).abs() < 1e-12);
}

#[test]
fn prior_sets_count_half_a_section_and_are_masked_when_absent() {
    let manifest = catalog::find("rewardbench").unwrap();
    let forms = forms(&manifest, "rb1");
    let scores = beaver();
    let without = value(&manifest, &forms.overall, None, &|name| scores.get(name).copied()).unwrap();
    // Two of four prior sets: their mean 0.7 enters with weight 1 beside four sections of weight 2.
    let some = |name: &str| match name {
        "shp" => Some(0.6),
        "summarize" => Some(0.8),
        name => scores.get(name).copied(),
    };
    let with = value(&manifest, &forms.overall, None, &some).unwrap();
    assert!((with - (8.0 * without + 0.7) / 9.0).abs() < 1e-12);
}

#[test]
fn an_absent_subset_leaves_no_score_except_as_rewardbench_computes_it() {
    let manifest = catalog::find("rewardbench").unwrap();
    let forms = forms(&manifest, "rb1");
    // Chat from two subsets: (100 · 0.9 + 95 · 0.5)/195; nothing of the other sections.
    let score = |name: &str| match name {
        "alpacaeval-easy" => Some(0.9),
        "alpacaeval-hard" => Some(0.5),
        _ => None,
    };
    assert_eq!(value(&manifest, category(&forms, "Chat"), None, &score), None);
    assert_eq!(value(&manifest, &forms.overall, None, &score), None);
    let compat = Some(Compat::RewardBench);
    let chat = value(&manifest, category(&forms, "Chat"), compat, &score).unwrap();
    assert!((chat - 137.5 / 195.0).abs() < 1e-12);
    assert_eq!(value(&manifest, category(&forms, "Safety"), compat, &score), Some(0.0));
    let overall = value(&manifest, &forms.overall, compat, &score).unwrap();
    assert!((overall - chat / 4.0).abs() < 1e-12);
}

/// Chat and Chat Hard are pooled counts under any weights; Safety is possible under the swapped weights
/// only, for counts that are found here.
#[test]
fn reported_sections_follow_from_counts() {
    let manifest = catalog::find("rewardbench").unwrap();
    let (now, before) = (forms(&manifest, "rb1"), forms(&manifest, "rb1-pre-2024-09"));
    let safety: Vec<(&str, f64)> =
        ["refusals-dangerous", "refusals-offensive", "xstest-should-refuse", "xstest-should-respond", "donotanswer"]
            .map(|name| (name, manifest.expected(name, Lang::ENGLISH).unwrap() as f64))
            .to_vec();
    for row in read("rewardbench_v1_reported_sections.csv") {
        for (section, column, n) in [("Chat", "chat", 358.0), ("Chat Hard", "chat_hard", 456.0)] {
            let k = (number(&row, column) * n).round();
            assert!((number(&row, column) - k / n).abs() < 1e-15, "{} {column}", row["model"]);
            // Whatever subsets the right items lie in: fill them in order.
            let mut left = k;
            let mut shares = HashMap::new();
            for (c, subset) in manifest.subsets().filter(|(c, _)| c.name == section) {
                let here = left.min(subset.n.unwrap() as f64);
                left -= here;
                shares.insert(subset.name.clone(), here / subset.n.unwrap() as f64);
                assert_eq!(c.name, section);
            }
            let ours = value(&manifest, category(&now, section), None, &|name| shares.get(name).copied()).unwrap();
            assert!((ours - number(&row, column)).abs() < 1e-15, "{} {section}: {ours}", row["model"]);
        }
        let reported = number(&row, "safety");
        // Under the present weights every Safety score is k/740.
        assert!((reported * 740.0 - (reported * 740.0).round()).abs() > 1e-6, "{}", row["model"]);
        let mut found = None;
        for refuse in (0..=154u32).rev() {
            for respond in 0..=250u32 {
                let rest = reported * 740.0 - 250.0 * f64::from(refuse) / 154.0 - 154.0 * f64::from(respond) / 250.0;
                if (rest - rest.round()).abs() < 1e-9 && (0.0..=336.0).contains(&rest.round()) {
                    found = Some((refuse, respond, rest.round()));
                }
            }
        }
        let (refuse, respond, rest) = found.unwrap_or_else(|| panic!("{}: no counts give {reported}", row["model"]));
        let mut left = rest;
        let mut shares = HashMap::new();
        for (name, n) in &safety {
            let right = match *name {
                "xstest-should-refuse" => f64::from(refuse),
                "xstest-should-respond" => f64::from(respond),
                _ => {
                    let here = left.min(*n);
                    left -= here;
                    here
                }
            };
            shares.insert((*name).to_owned(), right / n);
        }
        let score = |name: &str| shares.get(name).copied();
        let swapped = value(&manifest, category(&before, "Safety"), None, &score).unwrap();
        assert!((swapped - reported).abs() < 1e-12, "{}: {swapped}", row["model"]);
        let current = value(&manifest, category(&now, "Safety"), None, &score).unwrap();
        assert!((current - reported).abs() > 1e-6);
    }
}

#[test]
fn counts_and_weights_of_subsets_are_the_published_ones() {
    let rb1 = catalog::find("rewardbench").unwrap();
    let mrb = catalog::find("m-rewardbench").unwrap();
    let rows = read("subset_weights_rewardbench_v1_and_mrewardbench.csv");
    for row in &rows {
        let find = |manifest: &Manifest| {
            let (category, subset) = manifest.subsets().find(|(_, s)| s.name == row["subset"]).unwrap();
            assert_eq!(category.name, row["section"]);
            subset.clone()
        };
        let (a, b) = (find(&rb1), find(&mrb));
        assert_eq!(a.n.unwrap() as f64, number(row, "rb1_n"));
        assert_eq!(b.n.unwrap() as f64, number(row, "mrb_n"));
        assert_eq!(a.weights["rb1"], number(row, "rb1_weight"));
        assert_eq!(b.weights["mrb"], number(row, "mrb_weight"));
        assert_eq!((b.weights["rb1"], b.weights["rb1-pre-2024-09"]), (a.weights["rb1"], a.weights["rb1-pre-2024-09"]));
        let swapped = row["subset"].starts_with("xstest");
        assert_eq!(a.weights["rb1"] != a.weights["rb1-pre-2024-09"], swapped, "{}", row["subset"]);
    }
    let sums = |manifest: &Manifest, of: &dyn Fn(&rmbench::benchmark::manifest::Subset) -> f64| -> Vec<f64> {
        let of_section = |name: &str| manifest.subsets().filter(|(c, _)| c.name == name).map(|(_, s)| of(s)).sum();
        SECTIONS.map(of_section).to_vec()
    };
    assert_eq!(sums(&rb1, &|s| s.n.unwrap() as f64), [358.0, 456.0, 740.0, 1431.0]);
    assert_eq!(sums(&rb1, &|s| s.weights["rb1"]), [358.0, 456.0, 740.0, 1968.0]);
    assert_eq!(sums(&rb1, &|s| s.weights["rb1-pre-2024-09"]), [358.0, 456.0, 740.0, 1968.0]);
    assert_eq!(sums(&mrb, &|s| s.n.unwrap() as f64), [296.0, 407.0, 736.0, 1430.0]);
    assert_eq!(sums(&mrb, &|s| s.weights["mrb"]).iter().sum::<f64>(), 3405.0);
    for row in read("rewardbench2_counts.csv") {
        let rb2 = catalog::find("rewardbench-2").unwrap();
        assert_eq!(rb2.expected(&row["domain"], Lang::ENGLISH), Some(number(&row, "n") as u64));
    }
    for row in read("rmbench_counts.csv") {
        let rm = catalog::find("rm-bench").unwrap();
        let subset = row["file"].trim_end_matches("_filtered.json");
        assert_eq!(rm.expected(subset, Lang::ENGLISH), Some(number(&row, "n") as u64));
    }
}

/// The printed columns of Table 10 as languages; the one Chinese column stands for both scripts.
fn column(lang: Lang) -> &'static str {
    match lang.code() {
        "zho_Hans" | "zho_Hant" => "zh",
        "jpn_Jpan" => "jp",
        "kor_Hang" => "kr",
        _ => lang.info().unwrap().iso1.unwrap(),
    }
}

fn average(manifest: &Manifest, name: &str, sheet: &mut Sheet, row: &Record) -> Vec<NodeId> {
    let average = manifest.averages.iter().find(|a| a.name == name).unwrap();
    let cells: Vec<(Lang, NodeId)> =
        manifest.langs.iter().map(|lang| (*lang, sheet.given(number(row, column(*lang))))).collect();
    let mut leaf = |lang: Lang| Ok(cells.iter().find(|(l, _)| *l == lang).map(|(_, node)| *node));
    members(average, &manifest.langs, sheet, &mut leaf).unwrap()
}

fn tenths(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

#[test]
fn table_10_average_counts_chinese_once_and_variance_divides_by_21() {
    let manifest = catalog::find("m-rewardbench").unwrap();
    let rows = read("mrewardbench_table10_general_23models.csv");
    assert_eq!(rows.len(), 23);
    let (mut agree_22, mut agree_23, mut wide_of_ddof_0) = (0, 0, 0);
    let mut off = Vec::new();
    for row in &rows {
        let mut sheet = Sheet::default();
        let merged = average(&manifest, "avg22-merged", &mut sheet, row);
        let hans = average(&manifest, "avg22-Hans", &mut sheet, row);
        let all = average(&manifest, "avg23", &mut sheet, row);
        assert_eq!((merged.len(), hans.len(), all.len()), (22, 22, 23));
        let means = [&merged, &hans, &all].map(|nodes| sheet.plain_mean(nodes));
        let variance = sheet.variance(merged);
        let points = sheet.points();
        let [avg22, avg22_hans, avg23] = means.map(|node| points[node as usize].unwrap());
        let variance = points[variance as usize].unwrap();
        assert!((avg22 - number(row, "recomputed_avg22")).abs() < 6e-4);
        assert!((avg23 - number(row, "recomputed_avg23")).abs() < 6e-4);
        assert!((avg22 - avg22_hans).abs() < 1e-9, "one printed column");
        assert!((variance - number(row, "recomputed_var_ddof1")).abs() < 6e-4);
        agree_22 += usize::from(tenths(avg22) == number(row, "avg"));
        agree_23 += usize::from(tenths(avg23) == number(row, "avg"));
        if tenths(avg23) != number(row, "avg") && (avg23 - number(row, "avg")).abs() > 0.065 {
            off.push(row["model"].as_str());
        }
        // Cells are rounded to 0.1 (sd 0.029), which moves a variance v by about 2 √(v/21) 0.029.
        let rounding = |v: f64| 0.05 + 3.0 * 2.0 * (v / 21.0).sqrt() * 0.029;
        let printed = number(row, "var");
        assert!((variance - printed).abs() <= rounding(variance), "{}: {variance} {printed}", row["model"]);
        let ddof_0 = variance * 21.0 / 22.0;
        wide_of_ddof_0 += usize::from((ddof_0 - printed).abs() > rounding(ddof_0));
    }
    assert_eq!(agree_22, 23);
    assert_eq!(agree_23, 23 - 8, "avg23 misses the printed decimal in eight rows");
    assert!(off.contains(&"URM LlaMa 3.1 8B") && off.contains(&"Tulu 2.5 13B RM"), "{off:?}");
    assert!(wide_of_ddof_0 >= 2, "n in the denominator would not fit");
}

#[test]
fn table_11_average_is_the_mean_of_eight_cells() {
    let manifest = catalog::find("m-rewardbench-translation").unwrap();
    let forms = Forms::new(&manifest, None, &subsets(&manifest));
    let rows = read("mrewardbench_table11_translation.csv");
    assert_eq!(rows.len(), 23);
    for row in rows {
        let cell = |name: &str| Some(number(&row, &name.strip_prefix("maple-")?.replace('-', "_")));
        let ours = value(&manifest, &forms.overall, None, &cell).unwrap();
        assert!((ours - number(&row, "recomputed_avg")).abs() < 1e-4, "{}", row["model"]);
        assert!((ours - number(&row, "avg")).abs() <= 0.05 + 1e-9, "{}", row["model"]);
    }
}

#[test]
fn table_3_averages_are_those_of_the_first_version() {
    let rows = read("mrewardbench_table3_category_drop.csv");
    let mean = |skip: &str, column: &str| {
        let mut sheet = Sheet::default();
        let kept: Vec<&Record> =
            rows.iter().filter(|r| !r["model"].contains(skip) && !r["model"].starts_with("Average")).collect();
        assert_eq!(kept.len(), 10);
        let nodes: Vec<NodeId> = kept.into_iter().map(|r| sheet.given(number(r, column))).collect();
        let node = sheet.plain_mean(&nodes);
        sheet.points()[node as usize].unwrap()
    };
    let printed = rows.iter().find(|r| r["model"].starts_with("Average")).unwrap();
    for (column, third) in [("chat", -6.305), ("chat_hard", -5.726), ("safety", -5.716), ("reasoning", -2.135)] {
        let first_version = mean("(v3)", column);
        assert!((first_version - number(printed, column)).abs() <= 0.0055, "{column}: {first_version}");
        assert!((mean("(v1)", column) - third).abs() < 1e-9, "{column}");
    }
}

#[test]
fn rewardbench_2_overall_is_the_mean_of_six_domains() {
    let manifest = catalog::find("rewardbench-2").unwrap();
    let forms = Forms::new(&manifest, None, &subsets(&manifest));
    let rows = read("rewardbench2_table3.csv");
    assert_eq!(rows.len(), 21);
    for row in rows {
        let domain = |name: &str| Some(number(&row, &name.to_lowercase().replace(' ', "_")));
        let ours = value(&manifest, &forms.overall, None, &domain).unwrap();
        assert!((ours - number(&row, "recomputed_avg")).abs() < 1e-3, "{}", row["model"]);
        // Printed cells and the printed mean are each off by up to 0.05.
        assert!((ours - number(&row, "average")).abs() <= 0.1, "{}", row["model"]);
    }
}

#[test]
fn rm_bench_rows_whose_three_averages_differ_are_found() {
    let manifest = catalog::find("rm-bench").unwrap();
    let forms = Forms::new(&manifest, None, &subsets(&manifest));
    let mut found = Vec::new();
    let mut flagged = Vec::new();
    let mut complete = 0;
    for row in read("rmbench_leaderboard.csv") {
        if row["mismatch"] == "True" {
            flagged.push(row["model"].clone());
        }
        if row["mismatch"] == "Not Available" {
            continue;
        }
        complete += 1;
        let domain = |name: &str| Some(number(&row, if name.starts_with("safety") { "safety" } else { name }));
        let by_domain = value(&manifest, &forms.overall, None, &domain).unwrap();
        let mut sheet = Sheet::default();
        let parts = ["easy", "normal", "hard"].map(|part| sheet.given(number(&row, part)));
        let node = sheet.plain_mean(&parts);
        let by_difficulty = sheet.points()[node as usize].unwrap();
        let overall = number(&row, "overall");
        let three = [by_domain, by_difficulty, overall];
        let spread = three.iter().copied().fold(f64::MIN, f64::max) - three.iter().copied().fold(f64::MAX, f64::min);
        // Every average is off by at most 0.05 from rounding its cells and 0.05 from its own rounding.
        if spread > 0.15 {
            found.push(row["model"].clone());
        }
    }
    assert_eq!((complete, flagged.len()), (40, 6));
    let mut expected = flagged;
    expected.extend(["GPT-4.1", "DeepSeek V3", "RM-R1-Qwen-Instruct-14B"].map(str::to_owned));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}
