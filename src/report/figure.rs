//! Figures: what a section asks for ([`Figure`]), and one drawing of it for every format.
//!
//! A figure is laid out once, as a [`Scene`] of lines, markers and words; [`svg`] writes a scene as SVG
//! (inline in HTML and as a file) and [`png`] paints it with plotters. Layout is ours because plotters'
//! SVG has no hover titles, no language attributes and no style sheet to follow the reader's dark mode;
//! plotters is what turns the scene into pixels without a font library on the machine.

mod axis;
pub mod dots;
pub mod heat;
mod palette;
mod png;
mod scene;
mod svg;

use crate::lang::Lang;
use crate::report::block::{Inline, visible};
use crate::report::language;

pub use dots::{Dot, DotRow, Dots, Reference};
pub use heat::{Heat, HeatCell, Ramp};
pub use scene::Scene;

/// What a section wants drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Unique in the report, `[a-z0-9-]`: also the file name.
    pub id: String,
    pub title: String,
    /// How to read it; printed under the figure.
    pub caption: Inline,
    /// What it shows, in a sentence, for readers who do not see it.
    pub alt: String,
    pub plot: Plot,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Plot {
    Dots(Dots),
    Heat(Heat),
}

/// Where a drawing will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Inside a page that prints the title itself and has the reader's fonts.
    Page,
    /// A file of its own, with its title, shaped by whatever shows it.
    SvgFile,
    /// Pixels: words are drawn here, and only in scripts that need no shaping.
    Pixels,
}

/// The name of a row, a column or a series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Label {
    text: String,
    /// What stands for it where `text` cannot be drawn.
    stand_in: String,
    pub run: Option<usize>,
    pub lang: Option<Lang>,
}

impl Label {
    /// Our own words, or a name of a benchmark's data.
    pub fn text(text: &str) -> Self {
        Self { text: visible(text), stand_in: "(see table)".to_owned(), run: None, lang: None }
    }

    /// A run; `name` comes from outside and may be in any script.
    pub fn run(run: usize, name: &str) -> Self {
        Self { text: visible(name), stand_in: format!("run {}", run + 1), run: Some(run), lang: None }
    }

    pub fn lang(lang: Lang) -> Self {
        Self { text: language::name(lang), stand_in: lang.code().to_owned(), run: None, lang: Some(lang) }
    }

    /// A language where space is short: its codes, `zho Hans`.
    pub fn lang_code(lang: Lang) -> Self {
        let text = format!("{} {}", lang.iso3(), language::script(&lang));
        Self { stand_in: text.clone(), text, run: None, lang: Some(lang) }
    }

    fn shown(&self, frame: Frame) -> &str {
        if frame == Frame::Pixels && !self.text.chars().all(png::can_draw) { &self.stand_in } else { &self.text }
    }

    /// The language's own name, where it says more and the frame can shape it.
    fn native(&self, frame: Frame) -> Option<(&'static str, Lang)> {
        let lang = self.lang.filter(|_| frame != Frame::Pixels)?;
        language::native(lang).filter(|native| *native != self.text).map(|native| (native, lang))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    #[error("the built-in font cannot be used")]
    Font,
    #[error("figure `{id}` cannot be painted: {reason}")]
    Paint { id: String, reason: String },
    #[error(transparent)]
    File(#[from] crate::files::FileError),
}

impl Figure {
    pub fn scene(&self, frame: Frame) -> Scene {
        let title = (frame != Frame::Page).then_some(self.title.as_str());
        match &self.plot {
            Plot::Dots(dots) => dots.scene(frame, title),
            Plot::Heat(heat) => heat.scene(frame, title),
        }
    }

    /// An `<svg>` element for a page: colours follow the page's style sheet.
    pub fn svg_inline(&self) -> String {
        svg::write(self, &self.scene(Frame::Page), svg::Style::Page)
    }

    /// A whole SVG file.
    pub fn svg_file(&self) -> String {
        svg::write(self, &self.scene(Frame::SvgFile), svg::Style::File)
    }

    /// A PNG at two pixels per unit.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        png::paint(&self.id, &self.scene(Frame::Pixels))
    }
}
