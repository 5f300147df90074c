//! One self-contained HTML file: styles, script and figures inside, and a policy that forbids the network.
//!
//! All text goes through maud's escaping. `PreEscaped` is used for our own style sheet and script and for
//! figures, whose writer escapes every word itself.

mod inline;
mod policy;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::block::{Block, KeyFigure, visible};
use crate::report::figure::Figure;
use crate::report::findings::Findings;
use crate::report::section::Filled;
use crate::report::select::run_name;
use crate::report::title::{langs, lede, title};

const STYLE: &str = include_str!("../../assets/report/style.css");
const SCRIPT: &str = include_str!("../../assets/report/script.js");

pub fn render(findings: &Findings, sections: &[Filled]) -> String {
    let title = title(findings);
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
                        ol { @for section in sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                    }
                    main #content tabindex="-1" {
                        @for section in sections {
                            section #(section.id) aria-labelledby={ (section.id) "-title" } {
                                h2 id={ (section.id) "-title" } { (section.title) }
                                @for block in &section.blocks { (self::block(block)) }
                            }
                        }
                        @if sections.is_empty() { p { "There is nothing to report." } }
                        footer { p { "Made by rmbench " (crate::provenance::VERSION) ". This file needs no network." } }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
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
