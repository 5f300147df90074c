//! A scene as SVG. The only place where SVG is written.

use std::fmt::Write;

use crate::report::figure::Figure;
use crate::report::figure::palette::Ink;
use crate::report::figure::scene::{Anchor, Group, Scene, Shape};
use crate::report::language;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Colours are classes that the page's style sheet defines, for light and dark.
    Page,
    /// The same, with ids of its own: both stand in one page.
    NarrowPage,
    /// Colours are written out, on white paper.
    File,
}

impl Style {
    fn is_page(self) -> bool {
        self != Style::File
    }
}

/// Fonts for every script of the languages, after whatever the reader's system prefers.
const FONTS: &str = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans Arabic', 'Noto Sans Hebrew', \
                     'Noto Sans Devanagari', 'Noto Sans Thai', 'Noto Sans CJK SC', 'DejaVu Sans', sans-serif";

pub fn write(figure: &Figure, scene: &Scene, style: Style) -> String {
    let mut out = String::with_capacity(scene.groups.len() * 160);
    let (w, h) = (scene.width, scene.height);
    let id = escape(&figure.id) + if style == Style::NarrowPage { "-narrow" } else { "" };
    let namespace = match style {
        Style::Page => r#" class="roomy""#.to_owned(),
        Style::NarrowPage => r#" class="narrow""#.to_owned(),
        Style::File => format!(r#" xmlns="http://www.w3.org/2000/svg" font-family="{FONTS}""#),
    };
    let _ = write!(
        out,
        r#"<svg{namespace} role="img" aria-labelledby="{id}-title {id}-desc" width="{w:.0}" height="{h:.0}" viewBox="0 0 {w:.0} {h:.0}">"#
    );
    let _ = write!(out, r#"<title id="{id}-title">{}</title>"#, escape(&figure.title));
    let _ = write!(out, r#"<desc id="{id}-desc">{}</desc>"#, escape(&figure.alt));
    if style == Style::File {
        let _ = write!(out, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##);
    }
    for group in &scene.groups {
        write_group(&mut out, group, style);
    }
    out.push_str("</svg>");
    if style == Style::File {
        out.push('\n');
    }
    out
}

fn write_group(out: &mut String, group: &Group, style: Style) {
    out.push_str("<g");
    if let (Some(run), true) = (group.run, style.is_page()) {
        let _ = write!(out, r#" data-run="{run}""#);
    }
    if let (Some(lang), true) = (group.lang, style.is_page()) {
        let _ = write!(out, r#" data-lang="{lang}""#);
    }
    out.push('>');
    if let Some(hover) = &group.hover {
        let _ = write!(out, "<title>{}</title>", escape(hover));
    }
    for shape in &group.shapes {
        write_shape(out, shape, style);
    }
    out.push_str("</g>");
}

fn write_shape(out: &mut String, shape: &Shape, style: Style) {
    match shape {
        Shape::Line { from, to, ink, width, dashed } => {
            let _ = write!(out, r#"<line x1="{}" y1="{}" x2="{}" y2="{}""#, n(from.0), n(from.1), n(to.0), n(to.1));
            let _ = write!(out, r#"{} stroke-width="{}""#, paint("stroke", *ink, style), n(*width));
            out.push_str(if *dashed { r#" stroke-dasharray="4 3"/>"# } else { "/>" });
        }
        Shape::Rect { at, size, fill } => {
            let (x, y, w, h) = (n(at.0), n(at.1), n(size.0), n(size.1));
            let _ = write!(out, r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{}"/>"#, fill.hex());
        }
        Shape::Marker { kind, center, radius, ink, hollow } => {
            let fill = paint("fill", if *hollow { Ink::Paper } else { *ink }, style);
            let edge = if *hollow {
                format!(r#"{} stroke-width="1.75""#, paint("stroke", *ink, style))
            } else {
                String::new()
            };
            // Two classes cannot stand in two attributes.
            let paints = merge_classes(&format!("{fill}{edge}"));
            let corners = kind.corners(*center, *radius);
            if corners.is_empty() {
                let _ =
                    write!(out, r#"<circle cx="{}" cy="{}" r="{}"{paints}/>"#, n(center.0), n(center.1), n(*radius));
            } else {
                let points: Vec<String> = corners.iter().map(|(x, y)| format!("{},{}", n(*x), n(*y))).collect();
                let _ = write!(out, r#"<polygon points="{}"{paints}/>"#, points.join(" "));
            }
        }
        Shape::Words { text, at, anchor, size, bold, ink, lang } => {
            let _ = write!(out, r#"<text x="{}" y="{}" font-size="{}""#, n(at.0), n(at.1), n(*size));
            out.push_str(&paint("fill", *ink, style));
            out.push_str(match anchor {
                Anchor::Start => "",
                Anchor::Middle => r#" text-anchor="middle""#,
                Anchor::End => r#" text-anchor="end""#,
            });
            if *bold {
                out.push_str(r#" font-weight="600""#);
            }
            if let Some(lang) = lang {
                let name = if style.is_page() { "lang" } else { "xml:lang" };
                let _ = write!(out, r#" {name}="{}""#, language::tag(*lang));
            }
            let _ = write!(out, ">{}</text>", escape(text));
        }
    }
}

/// ` fill="#…"` in a file; ` class="f-…"` or ` class="k-…"` in a page.
fn paint(property: &str, ink: Ink, style: Style) -> String {
    match (style.is_page(), ink.class()) {
        (true, Some(class)) => {
            let prefix = if property == "fill" { "f" } else { "k" };
            format!(r#" class="{prefix}-{class}""#)
        }
        _ => format!(r#" {property}="{}""#, ink.on_white().hex()),
    }
}

fn merge_classes(paints: &str) -> String {
    paints.replacen(r#"" class=""#, " ", 1)
}

/// Coordinates to a tenth of a pixel, without trailing zeros.
fn n(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML at all.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}
