//! The report as its readers meet it: files of every format from invented findings.

mod invented;
mod markup;
mod pages;

use std::collections::BTreeSet;
use std::path::Path;

use rmbench::progress::Silent;
use rmbench::report::findings::Scope;
use rmbench::report::items::Items;
use rmbench::report::{Findings, Format, ReportError, write, write_with_items};

use markup::{Tag, balance, tags};

const SAMPLES: [&str; 9] = ["one", "three", "many", "single", "small", "tiny", "two", "hostile", "empty"];

fn sample(name: &str) -> Findings {
    match name {
        "one" => invented::findings(1, 24, 4),
        "three" => {
            let mut findings = invented::ranked(invented::against(invented::findings(3, 24, 4), 0));
            findings.warnings.push("larch-rm-2b has no scores for French; averages leave it out.".to_owned());
            findings
        }
        "many" => invented::ranked(invented::against(invented::findings(25, 24, 4), 3)),
        "single" => invented::findings(1, 1, 4),
        "small" => invented::ranked(invented::against(invented::findings(2, 7, 2), 0)),
        "tiny" => invented::against(invented::findings(2, 2, 1), 0),
        "two" => invented::twice(invented::against(invented::findings(2, 7, 2), 0)),
        "hostile" => invented::hostile(),
        "empty" => invented::empty(),
        other => panic!("no sample `{other}`"),
    }
}

fn text(findings: &Findings, format: Format) -> String {
    let dir = tempfile::tempdir().unwrap();
    let written = write(findings, dir.path(), &[format], &mut Silent).unwrap();
    std::fs::read_to_string(&written[0]).unwrap()
}

/// Snapshots lie in `tests/snapshots`, without what changes between versions.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = text.replace(&format!("rmbench {}", env!("CARGO_PKG_VERSION")), "rmbench [version]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Writes every sample in every format below `$RMBENCH_REPORT_SAMPLES`, to be looked at.
#[test]
#[ignore = "writes files to look at; set RMBENCH_REPORT_SAMPLES"]
fn render_samples() {
    let Some(out) = std::env::var_os("RMBENCH_REPORT_SAMPLES") else {
        crate::say_skipped("RMBENCH_REPORT_SAMPLES");
        return;
    };
    for name in SAMPLES {
        let start = std::time::Instant::now();
        let dir = Path::new(&out).join(name);
        let html = write(&sample(name), &dir, &[Format::Html], &mut Silent).unwrap();
        let took = start.elapsed();
        let written = write(&sample(name), &dir, &Format::ALL, &mut Silent).unwrap();
        let size = std::fs::metadata(&html[0]).unwrap().len() / 1024;
        println!("{name}: html {size} KiB in {took:.2?}; all {} files in {:.2?}", written.len(), start.elapsed());
    }
}

/// Writes the pages that `tests/browser` opens below `$RMBENCH_BROWSER_PAGES`.
#[test]
#[ignore = "writes pages for the browser tests; set RMBENCH_BROWSER_PAGES"]
fn write_browser_pages() {
    let Some(out) = std::env::var_os("RMBENCH_BROWSER_PAGES") else {
        crate::say_skipped("RMBENCH_BROWSER_PAGES");
        return;
    };
    let out = Path::new(&out);
    // (name, runs, languages, items, megabytes of text)
    for (name, runs, langs, n, megabytes) in [
        ("large", 25, 24, 66_787, 16),
        ("small", 3, 15, 1_200, 16),
        ("single", 1, 3, 300, 16),
        ("no-texts", 2, 5, 500, 0),
    ] {
        let (findings, table, texts) = pages::page(runs, langs, n, megabytes);
        let items = Items::of(&table, 100_000).with_texts((megabytes > 0).then_some(texts));
        write_with_items(&findings, Some(&items), &out.join(name), &[Format::Html], &mut Silent).unwrap();
    }
    write(&sample("hostile"), &out.join("hostile"), &[Format::Html], &mut Silent).unwrap();
}

/// A page with items, texts included: well-formed, nothing foreign in it, its columns as documented.
#[test]
fn items_are_data_in_the_page() {
    let (findings, table, texts) = pages::page(3, 4, 240, 16);
    let dir = tempfile::tempdir().unwrap();
    let items = Items::of(&table, 100).with_texts(Some(texts));
    write_with_items(&findings, Some(&items), dir.path(), &[Format::Html], &mut Silent).unwrap();
    let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    balance(&html).unwrap();
    assert!(!html.contains("window.hacked"), "texts of items are not in the page as text");
    assert!(html.contains("The 100 items of 240 about which runs disagree most"));
    let index: serde_json::Value = serde_json::from_str(markup::content(&html, "data-index")).unwrap();
    assert_eq!((index["n"].as_u64(), index["runs"].as_array().map(Vec::len)), (Some(100), Some(3)));

    let outcomes = pages::unpacked(markup::content(&html, "data-outcomes"));
    let codes = |run: usize| &outcomes[100 * run..][..100];
    for (at, item) in items.kept.iter().enumerate() {
        for run in 0..3 {
            let key = table.item(run, *item);
            let expected = match (key.chosen[0], key.rejected[0]) {
                (None, _) | (_, None) => 0,
                (Some(a), Some(b)) if a > b => 1,
                (Some(a), Some(b)) if a < b => 2,
                _ => 3,
            };
            assert_eq!(codes(run)[at], expected, "run {run}, item {item}");
        }
    }
    let keys = pages::unpacked(markup::content(&html, "data-keys"));
    assert_eq!(keys.len(), 100 * (4 + 7 * 2));
    let (lowest, step) = (index["runs"][1]["lowest"].as_f64().unwrap(), index["runs"][1]["step"].as_f64().unwrap());
    let rewards = pages::unpacked(markup::content(&html, "data-rewards-1"));
    let codes = rewards.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let scored = items.kept.iter().flat_map(|i| &table.runs[1].rewards[2 * i..2 * i + 2]);
    for (code, reward) in codes.zip(scored) {
        match reward {
            None => assert_eq!(code, 0),
            Some(reward) => {
                let shown = lowest + f64::from(code - 1) * step;
                assert!((shown - f64::from(*reward)).abs() <= 0.5001 * step, "{shown} for {reward}");
            }
        }
    }
    let texts: serde_json::Value =
        serde_json::from_slice(&pages::unpacked(markup::content(&html, "data-texts-0"))).unwrap();
    assert_eq!(texts[0][0][0][0], "user");
}

#[test]
fn every_format_writes_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(&sample("tiny"), dir.path(), &Format::ALL, &mut Silent).unwrap();
    let names: BTreeSet<String> =
        written.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect();
    for name in ["report.html", "report.md", "findings.csv", "findings.json"] {
        assert!(names.contains(name), "{name} of {names:?}");
    }
    let pngs = names.iter().filter(|n| n.ends_with(".png")).count();
    assert!(pngs >= 5 && pngs == names.iter().filter(|n| n.ends_with(".svg")).count(), "{names:?}");
    for path in written {
        let bytes = std::fs::read(&path).unwrap();
        match path.extension().and_then(|e| e.to_str()) {
            Some("png") => assert!(bytes.starts_with(b"\x89PNG\r\n"), "{path:?}"),
            _ => assert!(!String::from_utf8(bytes).unwrap().is_empty(), "{path:?}"),
        }
    }
}

#[test]
fn the_same_findings_give_the_same_bytes() {
    let files = || {
        let dir = tempfile::tempdir().unwrap();
        let written = write(&sample("tiny"), dir.path(), &Format::ALL, &mut Silent).unwrap();
        written.iter().map(|p| std::fs::read(p).unwrap()).collect::<Vec<_>>()
    };
    assert!(files() == files());
}

#[test]
fn markdown_snapshot() {
    snapshot("report.md", &text(&sample("small"), Format::Md));
}

#[test]
fn latex_snapshot() {
    snapshot("report.tex", &text(&sample("small"), Format::Latex));
}

/// LaTeX gives meaning to ten characters; every one in a name is escaped, so that braces and dollars balance.
#[test]
fn hostile_names_stay_text_in_latex() {
    let text = text(&sample("hostile"), Format::Latex);
    let mut depth = 0i64;
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '{' if before != '\\' => depth += 1,
            '}' if before != '\\' => depth -= 1,
            _ => {}
        }
        assert!(depth >= 0);
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    assert_eq!(depth, 0);
    assert!(!text.contains("<script"));
}

#[test]
fn csv_snapshot() {
    snapshot("findings.csv", &text(&sample("tiny"), Format::Csv));
}

#[test]
fn json_snapshot() {
    let mut findings = sample("tiny");
    findings.findings.truncate(2);
    findings.differences.truncate(1);
    snapshot("findings.json", &text(&findings, Format::Json));
}

#[test]
fn html_snapshot() {
    let html = text(&sample("tiny"), Format::Html);
    // Style and script are files of their own, figures have a snapshot of their own.
    let mut html = markup::without(&markup::without(&markup::without(&html, "style"), "script"), "svg");
    let policy = html.find("default-src").unwrap()..html.find("base-uri").unwrap();
    html.replace_range(policy, "[digests] ");
    snapshot("report.html", &html.replace("><", ">\n<"));
}

#[test]
fn svg_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    write(&sample("small"), dir.path(), &[Format::Svg], &mut Silent).unwrap();
    for name in ["gap-1-invented-bench", "categories-1-invented-bench-run-2"] {
        let svg = std::fs::read_to_string(dir.path().join(format!("figures/{name}.svg"))).unwrap();
        snapshot(&format!("{name}.svg"), &svg.replace("><", ">\n<"));
    }
}

#[test]
fn html_is_well_formed_and_its_links_lead_somewhere() {
    for name in SAMPLES {
        let html = text(&sample(name), Format::Html);
        balance(&html).unwrap_or_else(|e| panic!("{name}: {e}"));
        let tags = tags(&html);
        let ids: Vec<&str> = tags.iter().filter_map(|t| t.get("id")).collect();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "{name}: an id twice");
        for tag in &tags {
            if let Some(target) = tag.get("href").and_then(|h| h.strip_prefix('#')) {
                assert!(distinct.contains(target), "{name}: #{target} leads nowhere");
            }
            for reference in ["aria-labelledby", "for"] {
                for id in tag.get(reference).into_iter().flat_map(str::split_whitespace) {
                    assert!(distinct.contains(id), "{name}: {reference}={id} of <{}>", tag.name);
                }
            }
        }
    }
}

#[test]
fn svg_files_are_well_formed() {
    let dir = tempfile::tempdir().unwrap();
    for path in write(&sample("hostile"), dir.path(), &[Format::Svg], &mut Silent).unwrap() {
        let svg = std::fs::read_to_string(&path).unwrap();
        balance(&svg).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        assert!(tags(&svg).iter().all(|t| {
            ["svg", "g", "title", "desc", "text", "rect", "line", "circle", "polygon"].contains(&t.name.as_str())
        }));
    }
}

#[test]
fn nothing_is_loaded_and_nothing_foreign_runs() {
    for name in SAMPLES {
        let html = text(&sample(name), Format::Html);
        let tags = tags(&html);
        let count = |name: &str| tags.iter().filter(|t| t.name == name).count();
        assert_eq!((count("script"), count("style")), (1, 1), "{name}: without items there are no data");
        for forbidden in ["img", "iframe", "object", "embed", "base", "form", "audio", "video", "image", "use"] {
            assert_eq!(count(forbidden), 0, "{name}: <{forbidden}>");
        }
        for Tag { name: tag, attributes } in &tags {
            for (key, value) in attributes {
                assert!(!key.starts_with("on") && key != "src" && key != "style", "{name}: {key} on <{tag}>");
                if key == "href" {
                    assert!(value.starts_with('#') || value == "data:,", "{name}: href {value}");
                }
            }
        }
        assert!(html.contains("default-src &#39;none&#39;") || html.contains("default-src 'none'"), "{name}");
        let own = [markup::inside(&html, "style"), markup::inside(&html, "script")].concat();
        for way_out in ["url(", "@import", "http:", "https:", "fetch(", "XMLHttpRequest", "import(", "eval("] {
            assert!(!own.contains(way_out), "{name}: {way_out}");
        }
    }
}

#[test]
fn hostile_text_stays_text() {
    let findings = sample("hostile");
    let html = text(&findings, Format::Html);
    assert!(html.contains("&lt;script&gt;alert('x')&lt;/script&gt;"));
    assert!(html.contains("&lt;img src=x onerror=alert(3)&gt;"));
    assert!(!html.contains('\u{202E}') && html.contains("⟨U+202E⟩"), "direction overrides become visible");
    let outside = markup::without(&html, "script");
    assert!(!outside.contains("<script>alert") && !outside.contains("<img") && !outside.contains("<svg onload"));

    let markdown = text(&findings, Format::Md);
    // Verbatim code is fenced or between backticks; outside it no markup of the data's is left.
    let unfenced: String = markdown.split("````").step_by(2).collect();
    // A summary is HTML, in which Markdown does nothing.
    let unfenced: String = unfenced.lines().filter(|l| !l.starts_with("<details>")).map(|l| format!("{l}\n")).collect();
    let prose: String = unfenced.replace("\\`", "").split('`').step_by(2).collect();
    for markup in ["<script", "<img", "[link](", "<a ", "<b>"] {
        assert!(!prose.contains(markup), "{markup}");
    }
    for line in prose.lines().filter(|l| l.starts_with('|')) {
        assert!(!line.contains('\u{202E}'));
    }
}

/// Every table of the Markdown has as many cells in each row as it has columns, whatever the names hold.
#[test]
fn markdown_tables_keep_their_shape() {
    for name in SAMPLES {
        let markdown = text(&sample(name), Format::Md);
        let mut columns = None;
        for line in markdown.lines() {
            if !line.starts_with('|') {
                columns = None;
                continue;
            }
            let cells = line.replace("\\|", "").matches('|').count();
            assert_eq!(*columns.get_or_insert(cells), cells, "{name}: {line}");
        }
    }
}

#[test]
fn absent_is_a_dash_with_its_reason() {
    let findings = sample("small");
    // Hebrew of the second run has no estimate, French no finding at all.
    let markdown = text(&findings, Format::Md);
    let row = |name: &str| markdown.lines().find(|l| l.starts_with(&format!("| {name} |"))).unwrap().to_owned();
    assert!(row("Hebrew").contains("— (2)") || row("Hebrew").contains("— (1)"), "{}", row("Hebrew"));
    assert!(markdown.contains(") no item has rewards for both responses"));
    assert!(markdown.contains(") not scored"));
    let html = text(&findings, Format::Html);
    assert!(html.contains(r#"<span class="absent">—</span>"#));
    assert!(!html.contains(">NaN") && !html.contains(">0.0<"));

    let csv = text(&findings, Format::Csv);
    let absent = csv.lines().find(|l| l.contains("no item has rewards")).unwrap();
    assert!(absent.contains(",,,,,"), "empty fields, not zeros: {absent}");
}

#[test]
fn csv_has_one_row_for_every_number_and_json_gives_the_findings_back() {
    let findings = sample("hostile");
    let csv = text(&findings, Format::Csv);
    let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), findings.findings.len() + findings.differences.len());
    assert_eq!(&rows[0][0], findings.runs[0].name, "names are verbatim in data files");
    let json = text(&findings, Format::Json);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["schema"], rmbench::report::SCHEMA);
    assert_eq!(serde_json::from_str::<Findings>(&json).unwrap(), findings);
}

#[test]
fn html_and_markdown_have_the_same_numbers() {
    let findings = sample("small");
    let (html, markdown) = (text(&findings, Format::Html), text(&findings, Format::Md));
    let shown = findings.findings.iter().filter(|f| f.metric == "accuracy" && f.scope == Scope::Overall);
    for e in shown.filter_map(|f| f.estimate) {
        let i = e.interval.unwrap();
        let interval = format!("[{:.1}, {:.1}]", i.low * 100.0, i.high * 100.0);
        assert!(html.contains(&interval) && markdown.contains(&interval), "{interval}");
    }
}

#[test]
fn the_summary_says_whether_the_lead_is_established() {
    let alone = text(&invented::findings(2, 3, 0), Format::Md);
    assert!(alone.contains("is ahead of") && alone.contains("intervals"), "{alone}");
    let paired = text(&sample("small"), Format::Md);
    assert!(paired.contains("harbour-7b leads larch-rm-2b by +"), "{paired}");
    let mut unclear = sample("small");
    for difference in &mut unclear.differences {
        let interval = difference.estimate.as_mut().unwrap().interval.as_mut().unwrap();
        (interval.low, interval.high) = (-0.5, 0.5);
    }
    assert!(text(&unclear, Format::Md).contains("the order is not established"));
}

#[test]
fn findings_that_contradict_themselves_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |findings: &Findings| write(findings, dir.path(), &Format::ALL, &mut Silent).unwrap_err();
    let mut findings = sample("tiny");
    findings.findings[3].run = 9;
    assert!(matches!(refused(&findings), ReportError::UnknownRun { index: 9, runs: 2 }));
    let mut findings = sample("tiny");
    findings.findings[0].estimate.as_mut().unwrap().point = f64::NAN;
    assert!(refused(&findings).to_string().contains("accuracy of run 0"));
    let mut findings = sample("tiny");
    findings.findings[0].benchmark = "another".to_owned();
    assert!(refused(&findings).to_string().contains("`another`"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn formats_are_read_as_people_write_them() {
    assert_eq!(" HTML ".parse::<Format>().unwrap(), Format::Html);
    let error = "pdf".parse::<Format>().unwrap_err();
    assert_eq!(error.to_string(), "`pdf` is not a report format");
    assert_eq!(error.hint(), "formats: html, png, svg, md, latex, csv, json");
}
