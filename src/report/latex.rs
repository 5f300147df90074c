//! The report as LaTeX: tables with booktabs that paste into a paper, and a document around them.
//!
//! Text is text: every character that LaTeX gives a meaning is escaped. Languages go by their English names, so
//! that pdfLaTeX will do; names from outside in other scripts need LuaLaTeX or XeLaTeX and a font for them.

use std::fmt::Write;

use crate::report::block::{Align, Block, Cell, Column, Inline, Span, Table, Value};
use crate::report::findings::Findings;
use crate::report::section::Filled;
use crate::report::title::{lede, title};
use crate::report::{language, number};

/// More rows than this break over pages.
const ONE_PAGE: usize = 45;

const PREAMBLE: &str = r"\documentclass[a4paper]{article}
\usepackage[margin=2cm]{geometry}
\usepackage{iftex}
\ifPDFTeX
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
\fi
% What the tables need:
\usepackage{booktabs}
\usepackage{longtable}
\usepackage{adjustbox}
\usepackage{graphicx}
";

/// A document that compiles as it is. `figures`: PNGs were written beside it.
pub fn render(findings: &Findings, sections: &[Filled], figures: bool) -> String {
    let mut out = String::from(PREAMBLE);
    let _ = write!(
        out,
        "\\title{{{}}}\n\\author{{rmbench}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle\n\\noindent {}\n",
        escape(&title(findings)),
        escape(&lede(findings))
    );
    for section in sections {
        let _ = write!(out, "\n\\section{{{}}}\n", escape(section.title));
        for block in &section.blocks {
            self::block(&mut out, block, figures);
        }
    }
    out.push_str("\n\\end{document}\n");
    out
}

/// Tables alone.
pub fn tables(tables: &[&Table]) -> String {
    let mut out = String::from("% Needs booktabs, longtable and adjustbox.\n");
    for table in tables {
        self::table(&mut out, table);
    }
    out
}

fn block(out: &mut String, block: &Block, figures: bool) {
    out.push('\n');
    let list = |out: &mut String, kind: &str, items: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(out, "\\begin{{{kind}}}");
        items.for_each(|item| {
            let _ = writeln!(out, "  \\item{item}");
        });
        let _ = writeln!(out, "\\end{{{kind}}}");
    };
    match block {
        Block::Heading(text) => line(out, &format!("\\subsection{{{}}}", inline(text))),
        Block::Paragraph(text) => line(out, &inline(text)),
        Block::Bullets(items) => list(out, "itemize", &mut items.iter().map(|item| format!(" {}", inline(item)))),
        Block::KeyFigures(entries) => {
            let entry = |entry: &crate::report::block::KeyFigure| {
                let value = match &entry.value {
                    Cell::Value(value) => self::value(value),
                    other => cell(other),
                };
                format!("[{}] {value} ({})", inline(&entry.label), inline(&entry.detail))
            };
            list(out, "description", &mut entries.iter().map(entry));
        }
        Block::Definitions(entries) => {
            let entry = |(term, text): &(Inline, Inline)| format!("[{}] {}", inline(term), inline(text));
            list(out, "description", &mut entries.iter().map(entry));
        }
        Block::Table(table) => self::table(out, table),
        Block::Figure(figure) if figures => {
            let _ = write!(
                out,
                "\\begin{{figure}}[htbp]\n  \\centering\n  \\includegraphics[width=\\linewidth]{{figures/{}.png}}\n  \\caption{{{}. {}}}\n\\end{{figure}}\n",
                figure.id,
                escape(&figure.title),
                inline(&figure.caption)
            );
        }
        // Without files there is nothing to include; the tables have the numbers.
        Block::Figure(_) => {
            out.pop();
        }
        Block::Note(text) => line(out, &format!("\\emph{{{}}}", inline(text))),
        Block::Warning(text) => line(out, &format!("\\textbf{{Warning.}} {}", inline(text))),
        Block::Fold { summary, blocks, .. } => {
            line(out, &format!("\\paragraph{{{}}}", inline(summary)));
            blocks.iter().for_each(|block| self::block(out, block, figures));
        }
        Block::Code(text) => {
            line(out, "\\begin{flushleft}\\ttfamily\\small");
            // An empty line has nothing that could be ended.
            let row = |row: &str| if row.is_empty() { "\\mbox{}".to_owned() } else { code(row).replace(' ', "\\ ") };
            text.lines().for_each(|text| line(out, &format!("{}\\\\", row(text))));
            line(out, "\\end{flushleft}");
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A float as wide as the text at most, or a long table where it would not fit a page.
fn table(out: &mut String, table: &Table) {
    let align: String = table.columns.iter().map(|c| if c.align == Align::Right { 'r' } else { 'l' }).collect();
    let header = table.columns.iter().map(heading).collect::<Vec<_>>().join(" & ");
    let reasons = table.reasons();
    let rows: Vec<String> = table
        .rows
        .iter()
        .map(|row| {
            let cells = row.cells.iter().map(|c| {
                let note = c.reason().and_then(|why| reasons.iter().position(|r| *r == why));
                note.map_or_else(|| cell(c), |i| format!("{}\\textsuperscript{{{}}}", cell(c), i + 1))
            });
            format!("{} \\\\", cells.collect::<Vec<_>>().join(" & "))
        })
        .collect();
    let (caption, label) = (inline(&table.caption), &table.id);
    if table.rows.len() > ONE_PAGE {
        let _ = writeln!(out, "{{\\scriptsize\\setlength{{\\tabcolsep}}{{3pt}}\n\\begin{{longtable}}{{{align}}}");
        let _ = writeln!(out, "\\caption{{{caption}}}\\label{{tab:{label}}}\\\\");
        let _ = writeln!(out, "\\toprule\n{header} \\\\\n\\midrule\n\\endfirsthead");
        let _ = writeln!(out, "\\toprule\n{header} \\\\\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot");
        rows.iter().for_each(|row| line(out, row));
        line(out, "\\end{longtable}}");
    } else {
        let _ = writeln!(out, "\\begin{{table}}[htbp]\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:{label}}}");
        let _ = writeln!(out, "\\begin{{adjustbox}}{{max width=\\linewidth}}\n\\begin{{tabular}}{{{align}}}");
        let _ = writeln!(out, "\\toprule\n{header} \\\\\n\\midrule");
        rows.iter().for_each(|row| line(out, row));
        line(out, "\\bottomrule\n\\end{tabular}\n\\end{adjustbox}");
        notes(out, &reasons);
        line(out, "\\end{table}");
        return;
    }
    notes(out, &reasons);
}

fn notes(out: &mut String, reasons: &[&str]) {
    let note = |(i, reason): (usize, &&str)| format!("\\textsuperscript{{{}}}\\,{}", i + 1, escape(reason));
    let notes: Vec<String> = reasons.iter().enumerate().map(note).collect();
    if !notes.is_empty() {
        let _ = writeln!(out, "\n{{\\footnotesize {}}}\n", notes.join("; "));
    }
}

fn heading(column: &Column) -> String {
    match column.n {
        Some(n) => format!("{} ($n = {}$)", inline(&column.title), number::count(n).replace(',', "{,}")),
        None => inline(&column.title),
    }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => inline(text),
        Cell::Count(n) => number::count(*n),
        Cell::Number { text, .. } => escape(text),
        Cell::Absent(_) | Cell::Value(Value { estimate: None, .. }) => escape(number::ABSENT),
        Cell::Value(Value { estimate: Some(e), unit, show_n, .. }) => {
            let point = escape(&number::point(e.point, *unit));
            let interval = match &e.interval {
                Some(i) => format!(" {{\\scriptsize {}}}", escape(&number::interval(i, *unit))),
                None => format!(" {{\\scriptsize ({})}}", number::without_interval(e, *unit)),
            };
            let n = if *show_n { format!(" {{\\scriptsize $n$ = {}}}", number::count(e.n)) } else { String::new() };
            format!("{point}{interval}{n}")
        }
    }
}

fn inline(text: &Inline) -> String {
    text.0.iter().map(span).collect()
}

fn span(span: &Span) -> String {
    match span {
        Span::Text(text) | Span::Name(text) => escape(text),
        Span::Strong(text) => format!("\\textbf{{{}}}", escape(text)),
        Span::Code(code) => format!("\\texttt{{{}}}", self::code(code)),
        Span::Lang(lang) => escape(&language::name(*lang)),
        Span::Value(value) => self::value(value),
    }
}

fn value(value: &Value) -> String {
    match &value.estimate {
        Some(e) => escape(&number::in_words(e, value.unit)),
        None => escape(number::ABSENT),
    }
}

/// Text as text: nothing in it takes effect.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("\\textquotedbl{}"),
            // Square brackets after \item or \\ would be arguments.
            '[' => out.push_str("{[}"),
            ']' => out.push_str("{]}"),
            '−' => out.push_str("\\ensuremath{-}"),
            '×' => out.push_str("\\ensuremath{\\times}"),
            '·' => out.push_str("\\textperiodcentered{}"),
            '½' => out.push_str("\\textonehalf{}"),
            '—' => out.push_str("---"),
            '–' => out.push_str("--"),
            '…' => out.push_str("\\ldots{}"),
            'κ' => out.push_str("\\ensuremath{\\kappa}"),
            'α' => out.push_str("\\ensuremath{\\alpha}"),
            'τ' => out.push_str("\\ensuremath{\\tau}"),
            '≤' => out.push_str("\\ensuremath{\\leq}"),
            '≥' => out.push_str("\\ensuremath{\\geq}"),
            '±' => out.push_str("\\ensuremath{\\pm}"),
            '⟨' => out.push_str("\\ensuremath{\\langle}"),
            '⟩' => out.push_str("\\ensuremath{\\rangle}"),
            // Two of these in a row would be joined.
            '-' | '\'' | ',' if out.ends_with(c) => {
                out.push_str("{}");
                out.push(c);
            }
            '`' => out.push_str("\\textasciigrave{}"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Code, which may break anywhere once it is long: digests and paths have no blanks.
fn code(text: &str) -> String {
    const WHOLE: usize = 30;
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= WHOLE {
        return escape(text);
    }
    let pieces = letters.chunks(8).map(|piece| escape(&piece.iter().collect::<String>()));
    pieces.collect::<Vec<_>>().join("\\allowbreak{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("50 % of a_b & {c}"), "50 \\% of a\\_b \\& \\{c\\}");
        assert_eq!(escape("\\input{x}"), "\\textbackslash{}input\\{x\\}");
        assert_eq!(escape("−2.1 [−3.0, 1.0]"), "\\ensuremath{-}2.1 {[}\\ensuremath{-}3.0, 1.0{]}");
    }

    #[test]
    fn a_long_table_breaks_over_pages() {
        let row = |name: &str| crate::report::block::Row {
            cells: vec![Cell::Text(Inline::new().name(name)), Cell::Count(3)],
            lang: None,
            run: None,
            pinned: false,
        };
        let of = |n: usize| Table {
            id: "t".to_owned(),
            caption: "A caption.".into(),
            columns: vec![Column::left("Run"), Column::right("n")],
            rows: (0..n).map(|_| row("a_b")).collect(),
        };
        let text = |n: usize| tables(&[&of(n)]);
        assert!(text(2).contains("\\begin{tabular}{lr}") && text(2).contains("a\\_b & 3 \\\\"), "{}", text(2));
        assert!(text(60).contains("\\begin{longtable}{lr}") && !text(60).contains("{tabular}"));
    }
}
