//! One self-contained HTML file: styles, script and figures inside, and a policy that forbids the network.
//!
//! All text goes through maud's escaping. `PreEscaped` is used for our own style sheet and script and for
//! figures, whose writer escapes every word itself.

mod base64;
mod inline;
mod items;
mod payload;
mod policy;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::ReportError;
use crate::report::block::{Block, KeyFigure, visible};
use crate::report::figure::Figure;
use crate::report::findings::Findings;
use crate::report::items::Items;
use crate::report::section::Filled;
use crate::report::select::run_name;
use crate::report::title::{langs, lede, title};

const STYLE: &str = concat!(
    include_str!("../../assets/report/style.css"),
    include_str!("../../assets/report/items.css"),
    include_str!("../../assets/report/print.css"),
);
/// One strict script; each part is a block of its own that hangs what others use on `rmbench`.
const SCRIPT: &str = concat!(
    include_str!("../../assets/report/core.js"),
    include_str!("../../assets/report/theme.js"),
    include_str!("../../assets/report/tables.js"),
    include_str!("../../assets/report/filter.js"),
    include_str!("../../assets/report/folds.js"),
    include_str!("../../assets/report/tips.js"),
    include_str!("../../assets/report/contents.js"),
    include_str!("../../assets/report/payload.js"),
    include_str!("../../assets/report/choice.js"),
    include_str!("../../assets/report/list.js"),
    include_str!("../../assets/report/item.js"),
    include_str!("../../assets/report/compare.js"),
    include_str!("../../assets/report/browser.js"),
);
/// Sections that stand after the items: about the report rather than the runs.
const AFTER_ITEMS: [&str; 3] = ["coverage", "method", "provenance"];

/// The page. `items`: what its item browser shows; without, it has none.
///
/// # Errors
/// Items that cannot be written as JSON.
pub fn render(findings: &Findings, items: Option<&Items<'_>>, sections: &[Filled]) -> Result<String, ReportError> {
    let title = title(findings);
    let items = items.filter(|items| !items.kept.is_empty());
    let (about, rest): (Vec<&Filled>, Vec<&Filled>) =
        sections.iter().partition(|section| AFTER_ITEMS.contains(&section.id.as_str()));
    let names = |part: &[&Filled]| part.iter().map(|s| (s.id.clone(), s.title.to_owned())).collect::<Vec<_>>();
    let own = items.map(items::titles).unwrap_or_default();
    let own = own.into_iter().map(|(id, title)| (id.to_owned(), title.to_owned()));
    let contents: Vec<(String, String)> = names(&rest).into_iter().chain(own).chain(names(&about)).collect();
    let data = items.map(|items| payload::blocks(findings, items)).transpose()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy::header(STYLE, SCRIPT));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(format!("rmbench {}", crate::provenance::VERSION));
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to the report" }
                header.top {
                    div {
                        h1 { (title) }
                        p.lede { (lede(findings)) }
                    }
                    (tools(findings))
                }
                div.frame {
                    nav.contents aria-label="Sections" {
                        ol { @for (id, title) in &contents { li { a href={ "#" (id) } { (title) } } } }
                    }
                    main #content tabindex="-1" {
                        @for section in rest { (self::section(section)) }
                        @if let Some(items) = items { (items::sections(findings, items)) }
                        @for section in about { (self::section(section)) }
                        @if sections.is_empty() { p { "There is nothing to report." } }
                        footer { p { "Made by rmbench " (crate::provenance::VERSION) ". This file needs no network." } }
                    }
                }
                @if let Some(data) = data { (data) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string())
}

fn section(section: &Filled) -> Markup {
    html! {
        section #(section.id) aria-labelledby={ (section.id) "-title" } {
            h2 id={ (section.id) "-title" } { (section.title) }
            @for block in &section.blocks { (self::block(block)) }
        }
    }
}

/// Filter and theme; shown by the script, since they do nothing without it.
fn tools(findings: &Findings) -> Markup {
    let langs = langs(findings);
    html! {
        div.tools hidden {
            @if langs.len() > 1 || findings.runs.len() > 1 {
                details.filter {
                    summary { "Filter" span.active aria-live="polite" {} }
                    div.panel {
                        @if findings.runs.len() > 1 {
                            (choices("run", "Runs", (0..findings.runs.len()).map(|run| {
                                (run.to_string(), html! { bdi { (visible(&run_name(findings, run))) } })
                            })))
                        }
                        @if langs.len() > 1 {
                            (choices("lang", "Languages", langs.iter().map(|lang| {
                                (lang.code().to_owned(), inline::lang(*lang))
                            })))
                        }
                    }
                }
            }
            button.theme type="button" { "Dark theme" }
        }
    }
}

fn choices(kind: &str, legend: &str, options: impl Iterator<Item = (String, Markup)>) -> Markup {
    html! {
        fieldset data-filter=(kind) {
            legend { (legend) }
            div.pick {
                input type="search" placeholder="Find" aria-label={ "Find in " (legend) };
                button type="button" data-pick="all" { "All" }
                button type="button" data-pick="none" { "None" }
            }
            div.options {
                @for (value, label) in options {
                    label { input type="checkbox" checked value=(value); " " (label) }
                }
            }
        }
    }
}

fn block(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Heading(text) => h3 { (inline::inline(text)) },
            Block::Paragraph(text) => p { (inline::inline(text)) },
            Block::Bullets(items) => ul { @for item in items { li { (inline::inline(item)) } } },
            Block::KeyFigures(figures) => div.key { @for figure in figures { (key_figure(figure)) } },
            Block::Definitions(entries) => dl.definitions {
                @for (term, text) in entries {
                    div { dt { (inline::inline(term)) } dd { (inline::inline(text)) } }
                }
            },
            Block::Table(table) => (table::table(table)),
            Block::Figure(figure) => (self::figure(figure)),
            Block::Note(text) => p.note { (inline::inline(text)) },
            Block::Warning(text) => p.warning { strong { "Warning. " } (inline::inline(text)) },
            Block::Fold { summary, blocks, open } => details.fold open[*open] {
                summary { (inline::inline(summary)) }
                @for block in blocks { (self::block(block)) }
            },
            Block::Code(text) => pre tabindex="0" { code { (text) } },
        }
    }
}

fn key_figure(figure: &KeyFigure) -> Markup {
    html! {
        dl {
            dt { (inline::inline(&figure.label)) }
            (table::key_value(&figure.value))
            dd.detail { (inline::inline(&figure.detail)) }
        }
    }
}

fn figure(figure: &Figure) -> Markup {
    let scene = figure.scene(crate::report::figure::Frame::Page);
    // A figure may shrink to fit its column, but not until nothing can be read: then it scrolls.
    let class = match scene.width {
        ..=608.0 => "plot slight",
        ..=800.0 => "plot",
        ..=1280.0 => "plot middling",
        _ => "plot wide",
    };
    html! {
        figure id=(figure.id) {
            p.title { bdi { (figure.title) } }
            div class=(class) tabindex="0" role="region" aria-label={ "Figure: " (figure.title) } {
                (PreEscaped(figure.svg_inline()))
                @if let Some(narrow) = figure.svg_narrow() { (PreEscaped(narrow)) }
            }
            figcaption { (inline::inline(&figure.caption)) }
        }
    }
}
