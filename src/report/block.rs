//! What a report says, before any format: sections make blocks, each renderer prints every block once.

use crate::lang::Lang;
use crate::metric::Estimate;
use crate::report::figure::Figure;
use crate::report::findings::Finding;
use crate::report::measure::Unit;

/// One piece of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading inside the section (the section's own title is not a block).
    Heading(Inline),
    Paragraph(Inline),
    Bullets(Vec<Inline>),
    /// Two to five numbers a reader should leave with.
    KeyFigures(Vec<KeyFigure>),
    Definitions(Vec<(Inline, Inline)>),
    Table(Table),
    Figure(Box<Figure>),
    Note(Inline),
    Warning(Inline),
    /// Shown on demand where the format can; `open` says how it starts.
    Fold {
        summary: Inline,
        blocks: Vec<Block>,
        open: bool,
    },
    /// Verbatim lines, for example settings in TOML.
    Code(String),
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Block::Table(table)
    }
}

impl From<Figure> for Block {
    fn from(figure: Figure) -> Self {
        Block::Figure(Box::new(figure))
    }
}

/// A piece of running text.
#[derive(Debug, Clone, PartialEq)]
pub enum Span {
    /// Our own words.
    Text(String),
    Strong(String),
    /// Text that came from outside (a run, a subset): verbatim, its direction isolated.
    Name(String),
    Code(String),
    /// A language by its English name, the native one beside it where the format allows.
    Lang(Lang),
    Value(Value),
}

/// Running text, built left to right.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inline(pub Vec<Span>);

impl Inline {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Text(text.into()));
        self
    }

    pub fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Strong(text.into()));
        self
    }

    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.0.push(Span::Name(visible(name.as_ref())));
        self
    }

    pub fn code(mut self, code: impl AsRef<str>) -> Self {
        self.0.push(Span::Code(visible(code.as_ref())));
        self
    }

    pub fn lang(mut self, lang: Lang) -> Self {
        self.0.push(Span::Lang(lang));
        self
    }

    pub fn value(mut self, value: Value) -> Self {
        self.0.push(Span::Value(value));
        self
    }

    /// Sentences from outside, in which backticks set names apart.
    pub fn prose(mut self, sentences: &str) -> Self {
        let pieces: Vec<&str> = sentences.split('`').collect();
        // An odd backtick sets nothing apart.
        if pieces.len().is_multiple_of(2) {
            return self.name(sentences);
        }
        for (i, piece) in pieces.into_iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
            self = if i % 2 == 1 { self.code(piece) } else { self.name(piece) };
        }
        self
    }

    /// Several pieces with commas and a final "and".
    pub fn list(mut self, pieces: Vec<Inline>) -> Self {
        let last = pieces.len().saturating_sub(1);
        for (i, piece) in pieces.into_iter().enumerate() {
            if i > 0 {
                self = self.text(if i == last { " and " } else { ", " });
            }
            self.0.extend(piece.0);
        }
        self
    }
}

impl From<&str> for Inline {
    fn from(text: &str) -> Self {
        Inline::new().text(text)
    }
}

impl From<String> for Inline {
    fn from(text: String) -> Self {
        Inline::new().text(text)
    }
}

/// An estimate as it is shown: never without its unit, never zero where it is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub unit: Unit,
    pub estimate: Option<Estimate>,
    /// Why there is no estimate, or what to bear in mind about it.
    pub why: Option<String>,
    pub n_ties: usize,
    pub n_truncated: usize,
    /// Print n beside the interval; off where a column of the same row says it for all.
    pub show_n: bool,
}

impl Value {
    pub fn of(finding: &Finding, unit: Unit) -> Self {
        Self {
            unit,
            estimate: finding.estimate,
            why: finding.why.as_deref().map(visible),
            n_ties: finding.n_ties,
            n_truncated: finding.n_truncated,
            show_n: true,
        }
    }

    pub fn absent(unit: Unit, why: impl Into<String>) -> Self {
        Self { unit, estimate: None, why: Some(why.into()), n_ties: 0, n_truncated: 0, show_n: true }
    }

    /// Leaves n out where it is the one that the row or the column prints for all.
    pub fn beside(mut self, common: Option<usize>) -> Self {
        self.show_n = self.estimate.map(|e| e.n) != common;
        self
    }
}

/// The n of most values, the larger one where two are as frequent.
pub fn common_n<'a>(values: impl IntoIterator<Item = &'a Value>) -> Option<usize> {
    let mut counts = std::collections::BTreeMap::new();
    for estimate in values.into_iter().filter_map(|v| v.estimate) {
        *counts.entry(estimate.n).or_insert(0usize) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(n, _)| n)
}

#[derive(Debug, Clone, PartialEq)]
pub struct KeyFigure {
    pub label: Inline,
    pub value: Cell,
    pub detail: Inline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub title: Inline,
    /// What the column means, for a tooltip.
    pub about: Option<String>,
    pub align: Align,
    /// The run the column is about, so that filters can hide it.
    pub run: Option<usize>,
    /// The n of its values, where they share one and the rows do not.
    pub n: Option<usize>,
    /// The lowest number is what a reader looks for (p, a rank): sorting begins with it.
    pub lowest_first: bool,
}

impl Column {
    pub fn left(title: impl Into<Inline>) -> Self {
        Self { title: title.into(), about: None, align: Align::Left, run: None, n: None, lowest_first: false }
    }

    pub fn right(title: impl Into<Inline>) -> Self {
        Self { align: Align::Right, ..Self::left(title) }
    }

    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    pub fn lowest_first(mut self) -> Self {
        self.lowest_first = true;
        self
    }

    /// The n that the column's values share.
    pub fn with_n(mut self, n: Option<usize>) -> Self {
        self.n = n;
        self
    }

    pub fn of_run(mut self, run: usize) -> Self {
        self.run = Some(run);
        self
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(Inline),
    Count(usize),
    /// A number that is no estimate (p, a rank), as printed, and what it is sorted by.
    Number {
        text: String,
        key: f64,
    },
    Value(Value),
    Absent(String),
}

impl From<Inline> for Cell {
    fn from(text: Inline) -> Self {
        Cell::Text(text)
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Cell::Value(value)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub cells: Vec<Cell>,
    pub lang: Option<Lang>,
    pub run: Option<usize>,
    /// Stays on top whatever the table is sorted by (averages).
    pub pinned: bool,
}

/// Cells of a row stand in the order of the columns; the first column names the row.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Unique in the report, `[a-z0-9-]`: the target of links.
    pub id: String,
    pub caption: Inline,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

impl Table {
    /// The distinct explanations of its cells, in order of appearance: notes below the table.
    pub fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = Vec::new();
        for reason in self.rows.iter().flat_map(|row| &row.cells).filter_map(Cell::reason) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }
}

impl Cell {
    /// What the cell needs a note for.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Cell::Absent(why) => Some(why),
            Cell::Value(value) => value.why.as_deref(),
            _ => None,
        }
    }
}

/// Text from outside with the characters that could disturb its surroundings made visible: control
/// characters (line breaks included) and the explicit direction marks that reach beyond their word.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') {
            out.push_str(&format!("⟨U+{:04X}⟩", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

/// `[a-z0-9-]` form of a title, for ids and file names.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= 48 {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_disturb_its_surroundings_becomes_visible() {
        assert_eq!(visible("a\u{202E}b\nc"), "a⟨U+202E⟩b⟨U+000A⟩c");
        // Persian needs its zero-width non-joiner, emoji their joiner.
        assert_eq!(visible("می\u{200C}خواهم"), "می\u{200C}خواهم");
    }

    #[test]
    fn slugs_cannot_leave_their_directory() {
        assert_eq!(slug("../../Chat Hard"), "chat-hard");
        assert_eq!(slug("<script>"), "script");
        assert_eq!(slug("مرحبا"), "");
    }

    #[test]
    fn backticks_in_prose_set_names_apart() {
        let of = |text: &str| Inline::new().prose(text).0;
        assert_eq!(of("`a`: b"), [Span::Code("a".to_owned()), Span::Name(": b".to_owned())]);
        assert_eq!(of("a ` b"), [Span::Name("a ` b".to_owned())]);
    }

    #[test]
    fn lists_read_like_sentences() {
        let list = Inline::new().list(vec!["a".into(), "b".into(), "c".into()]);
        let text: String = list.0.iter().map(|s| if let Span::Text(t) = s { t.as_str() } else { "" }).collect();
        assert_eq!(text, "a, b and c");
    }
}
