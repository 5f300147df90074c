//! A drawing as data: groups of lines, rectangles, markers and words on a plane whose unit is a CSS pixel.

use crate::lang::Lang;
use crate::report::figure::palette::{Ink, Rgb};

#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub width: f64,
    pub height: f64,
    pub groups: Vec<Group>,
}

/// Shapes that belong together: one hover text, one run or language to filter by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    pub shapes: Vec<Shape>,
    pub hover: Option<String>,
    pub run: Option<usize>,
    pub lang: Option<Lang>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Line {
        from: (f64, f64),
        to: (f64, f64),
        ink: Ink,
        width: f64,
        dashed: bool,
    },
    Rect {
        at: (f64, f64),
        size: (f64, f64),
        fill: Rgb,
    },
    Marker {
        kind: MarkerKind,
        center: (f64, f64),
        radius: f64,
        ink: Ink,
        hollow: bool,
    },
    Words {
        text: String,
        /// Start, middle or end of the baseline.
        at: (f64, f64),
        anchor: Anchor,
        size: f64,
        bold: bool,
        ink: Ink,
        /// The language the words are in, where it is not the report's.
        lang: Option<Lang>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerKind {
    Circle,
    Diamond,
    Square,
    Triangle,
}

impl MarkerKind {
    /// Series differ in shape as well as colour.
    pub fn of_series(series: usize) -> Self {
        [Self::Circle, Self::Diamond, Self::Square, Self::Triangle][series % 4]
    }

    /// Corners of the marker with the area of a circle of that radius; empty for a circle.
    pub fn corners(self, (x, y): (f64, f64), radius: f64) -> Vec<(f64, f64)> {
        match self {
            Self::Circle => Vec::new(),
            Self::Diamond => {
                let r = radius * 1.25;
                vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)]
            }
            Self::Square => {
                let r = radius * 0.89;
                vec![(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
            }
            Self::Triangle => {
                let r = radius * 1.35;
                vec![(x, y - r), (x + r * 0.95, y + r * 0.7), (x - r * 0.95, y + r * 0.7)]
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Size of titles.
const TITLE: f64 = 14.0;

impl Scene {
    pub fn new(width: f64) -> Self {
        Self { width, height: 0.0, groups: Vec::new() }
    }

    /// Adds shapes that need no hover text.
    pub fn draw(&mut self, shapes: Vec<Shape>) {
        self.groups.push(Group { shapes, ..Group::default() });
    }

    /// The figure's title below `y`, cut to the width but for `margin`.
    pub fn title(&mut self, text: &str, y: f64, margin: f64) {
        let at = (2.0, y + 12.0);
        self.draw(vec![Shape::Words {
            text: fit(text, TITLE, (self.width - margin) / BOLD),
            at,
            anchor: Anchor::Start,
            size: TITLE,
            bold: true,
            ink: Ink::Strong,
            lang: None,
        }]);
    }

    pub fn words(&mut self, text: impl Into<String>, at: (f64, f64), anchor: Anchor, size: f64, ink: Ink) {
        self.draw(vec![words(text, at, anchor, size, ink)]);
    }
}

pub fn words(text: impl Into<String>, at: (f64, f64), anchor: Anchor, size: f64, ink: Ink) -> Shape {
    Shape::Words { text: text.into(), at, anchor, size, bold: false, ink, lang: None }
}

pub fn line(from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) -> Shape {
    Shape::Line { from, to, ink, width, dashed: false }
}

/// Baseline that centres words of this size on `y`.
pub fn baseline(y: f64, size: f64) -> f64 {
    y + 0.36 * size
}

/// How much wider bold words are at most.
pub const BOLD: f64 = 1.14;

/// Width of a title.
pub fn title_width(text: &str) -> f64 {
    BOLD * width(text, TITLE)
}

/// Width of words in the widest of the fonts they may be shown in; an upper bound, not a measurement,
/// since the reader's fonts are unknown.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// Advance in em, by class of character (DejaVu Sans, rounded up; full width for East Asian scripts).
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' => 0.29,
        ' ' | ',' | '.' | ':' | ';' | '!' => 0.33,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '-' | '/' | '·' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' => 0.98,
        'A'..='Z' => 0.72,
        '\u{0300}'..='\u{036F}' | '\u{200B}'..='\u{200F}' => 0.0,
        '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{9FFF}' | '\u{A960}'..='\u{A97F}' => 1.0,
        '\u{AC00}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}' => 1.0,
        '\u{1F000}'..='\u{3FFFF}' => 1.1,
        '−' | '+' | '=' | '<' | '>' | '⟨' | '⟩' => 0.84,
        _ => 0.64,
    }
}

/// The text, or as much of it as fits with an ellipsis.
pub fn fit(text: &str, size: f64, available: f64) -> String {
    if width(text, size) <= available {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = size; // the ellipsis
    for c in text.chars() {
        used += advance(c) * size;
        if used > available {
            break;
        }
        out.push(c);
    }
    format!("{}…", out.trim_end())
}

/// Breaks words into at most `max_lines` lines of the given width; the last one is cut if it must be.
pub fn wrap(text: &str, size: f64, available: f64, max_lines: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let full = lines.len() == max_lines;
        match lines.last_mut() {
            Some(last) if width(last, size) + width(word, size) + 0.33 * size <= available => {
                last.push(' ');
                last.push_str(word);
            }
            Some(last) if full => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| fit(line, size, available)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_to_the_space_there_is() {
        assert_eq!(fit("short", 12.0, 200.0), "short");
        let cut = fit("a-name-that-does-not-fit-at-all", 12.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 80.0, "{cut}");
    }

    #[test]
    fn wrapping_fills_lines_and_cuts_the_last() {
        assert_eq!(wrap("zho Hans", 10.0, 36.0, 2), ["zho", "Hans"]);
        let lines = wrap("one two three four five six", 10.0, 40.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with('…'));
    }
}
