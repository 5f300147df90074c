//! The report as Markdown: tables that paste into a README or a paper.

use std::fmt::Write;

use crate::report::block::{Align, Block, Cell, Column, Inline, Span, Table, Value};
use crate::report::figure::Figure;
use crate::report::findings::Findings;
use crate::report::section::Filled;
use crate::report::title::{lede, title};
use crate::report::{language, number};

/// `figures`: file extension of the figures written beside the report, if any were.
pub fn render(findings: &Findings, sections: &[Filled], figures: Option<&str>) -> String {
    let mut out = format!("# {}\n\n{}\n", escape(&title(findings)), escape(&lede(findings)));
    for section in sections {
        let _ = write!(out, "\n## {}\n", section.title);
        for block in &section.blocks {
            self::block(&mut out, block, figures);
        }
    }
    out
}

/// Tables alone, with their captions and notes.
pub fn tables(tables: &[&Table]) -> String {
    let mut out = String::new();
    for (i, table) in tables.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        self::table(&mut out, table);
    }
    out
}

fn block(out: &mut String, block: &Block, figures: Option<&str>) {
    out.push('\n');
    match block {
        Block::Heading(text) => line(out, &format!("### {}", inline(text))),
        Block::Paragraph(text) => line(out, &inline(text)),
        Block::Bullets(items) => items.iter().for_each(|item| line(out, &format!("- {}", inline(item)))),
        Block::KeyFigures(entries) => {
            for entry in entries {
                let value = match &entry.value {
                    Cell::Value(value) => self::value(value),
                    other => cell(other),
                };
                line(out, &format!("- **{}**: {value} ({})", inline(&entry.label), inline(&entry.detail)));
            }
        }
        Block::Definitions(entries) => {
            entries.iter().for_each(|(term, text)| line(out, &format!("- {}: {}", inline(term), inline(text))));
        }
        Block::Table(table) => self::table(out, table),
        Block::Figure(figure) => self::figure(out, figure, figures),
        Block::Note(text) => line(out, &format!("> {}", inline(text))),
        Block::Warning(text) => line(out, &format!("> **Warning.** {}", inline(text))),
        Block::Fold { summary, blocks, .. } => {
            let _ = writeln!(out, "<details><summary>{}</summary>", plain(summary));
            for block in blocks {
                self::block(out, block, figures);
            }
            out.push_str("\n</details>\n");
        }
        Block::Code(text) => {
            // A fence longer than any run of backticks inside.
            let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
            let fence = "`".repeat(longest.max(2) + 1);
            let _ = write!(out, "{fence}toml\n{text}\n{fence}\n");
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn figure(out: &mut String, figure: &Figure, figures: Option<&str>) {
    match figures {
        Some(extension) => {
            line(out, &format!("![{}](figures/{}.{extension})", escape(&figure.alt), figure.id));
            out.push('\n');
            line(out, &format!("*{}.* {}", escape(&figure.title), inline(&figure.caption)));
        }
        // Without files there is nothing to point at; the tables have the numbers.
        None => {
            out.pop();
        }
    }
}

fn table(out: &mut String, table: &Table) {
    let reasons = table.reasons();
    line(out, &inline(&table.caption));
    out.push('\n');
    let title = |c: &Column| match c.n {
        Some(n) => format!("{} (n = {})", inline(&c.title), number::count(n)),
        None => inline(&c.title),
    };
    let titles: Vec<String> = table.columns.iter().map(title).collect();
    line(out, &format!("| {} |", titles.join(" | ")));
    let rules = table.columns.iter().map(|c| if c.align == Align::Right { "---:" } else { ":---" });
    line(out, &format!("|{}|", rules.collect::<Vec<_>>().join("|")));
    for row in &table.rows {
        let cells = row.cells.iter().map(|c| {
            let note = c.reason().and_then(|why| reasons.iter().position(|r| *r == why));
            match note {
                Some(i) => format!("{} ({})", cell(c), i + 1),
                None => cell(c),
            }
        });
        line(out, &format!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
    }
    if !reasons.is_empty() {
        out.push('\n');
        let notes = reasons.iter().enumerate().map(|(i, reason)| format!("({}) {}", i + 1, escape(reason)));
        line(out, &notes.collect::<Vec<_>>().join("; "));
    }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => inline(text),
        Cell::Count(n) => number::count(*n),
        Cell::Number { text, .. } => escape(text),
        Cell::Absent(_) => number::ABSENT.to_owned(),
        Cell::Value(Value { estimate: None, .. }) => number::ABSENT.to_owned(),
        Cell::Value(Value { estimate: Some(e), unit, show_n, .. }) => {
            let text = number::with_interval(e, *unit);
            if *show_n { format!("{text}, n = {}", number::count(e.n)) } else { text }
        }
    }
}

fn inline(text: &Inline) -> String {
    text.0.iter().map(span).collect()
}

/// For inside an HTML element, where Markdown's escapes would show.
fn plain(text: &Inline) -> String {
    let words = text.0.iter().map(|span| match span {
        Span::Text(text) | Span::Strong(text) | Span::Name(text) | Span::Code(text) => text.clone(),
        Span::Lang(lang) => language::name(*lang),
        Span::Value(value) => self::value(value),
    });
    words.collect::<String>().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn span(span: &Span) -> String {
    match span {
        Span::Text(text) => escape(text),
        Span::Strong(text) => format!("**{}**", escape(text)),
        Span::Name(name) => escape(name),
        Span::Code(code) if code.contains(['`', '|', '\n']) => escape(code),
        Span::Code(code) => format!("`{code}`"),
        Span::Lang(lang) => escape(&language::name(*lang)),
        Span::Value(value) => self::value(value),
    }
}

fn value(value: &Value) -> String {
    match &value.estimate {
        Some(e) => number::in_words(e, value.unit),
        None => number::ABSENT.to_owned(),
    }
}

/// Text as text: neither Markdown nor HTML that it may contain takes effect.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '|' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // `[a](b)` is a link; `[66.1, 69.3]` is an interval and stays readable.
    out.replace("](", "]\\(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<b>|*x*"), "&lt;b&gt;\\|\\*x\\*");
        assert_eq!(escape("[a](http)"), "[a]\\(http)");
        assert_eq!(escape("a\nb"), "a b");
    }

    #[test]
    fn a_fence_outlasts_the_backticks_inside() {
        let mut out = String::new();
        block(&mut out, &Block::Code("a = \"```\"".to_owned()), None);
        assert!(out.contains("````toml\n"), "{out}");
    }
}
