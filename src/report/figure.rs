//! Figures: what a section asks for ([`Figure`]), and one drawing of it for every format.
//!
//! A figure is laid out once, as a [`Scene`] of lines, markers and words; [`svg`] writes a scene as SVG
//! (inline in HTML and as a file) and [`png`] paints it with plotters. Layout is ours because plotters'
//! SVG has no hover titles, no language attributes and no style sheet to follow the reader's dark mode;
//! plotters is what turns the scene into pixels without a font library on the machine.

mod axis;
pub mod curves;
pub mod dots;
pub mod heat;
mod palette;
mod png;
mod scene;
mod svg;
pub mod tree;

use crate::lang::Lang;
use crate::report::block::{Inline, visible};
use crate::report::language;

pub use curves::{Curve, Curves};
pub use dots::{Dot, DotRow, Dots, Reference};
pub use heat::{Heat, HeatCell, Ramp, extent};
pub use scene::Scene;
pub use tree::{Branch, Tree};

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
    Curves(Curves),
    Tree(Tree),
}

/// Where a drawing will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Inside a page that prints the title itself and has the reader's fonts.
    Page,
    /// The same on a phone: English names only, no printed values.
    NarrowPage,
    /// A file of its own, with its title, shaped by whatever shows it.
    SvgFile,
    /// Pixels: words are drawn here, and only in scripts that need no shaping.
    Pixels,
    /// A file as wide as one column of a paper, whose caption is the title. Words as in pixels.
    Column,
}

impl Frame {
    /// Little width: no printed values, no native names.
    pub fn is_narrow(self) -> bool {
        matches!(self, Frame::NarrowPage | Frame::Column)
    }

    fn is_drawn_here(self) -> bool {
        matches!(self, Frame::Pixels | Frame::Column)
    }
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

    /// The run that the words stand for, so that filters find it.
    pub fn of_run(mut self, run: usize) -> Self {
        self.run = Some(run);
        self
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
        if frame.is_drawn_here() && !self.text.chars().all(png::can_draw) { &self.stand_in } else { &self.text }
    }

    /// The language's own name, where it says more and the frame can shape it.
    fn native(&self, frame: Frame) -> Option<(&'static str, Lang)> {
        let lang = self.lang.filter(|_| matches!(frame, Frame::Page | Frame::SvgFile))?;
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
        let title = matches!(frame, Frame::SvgFile | Frame::Pixels).then_some(self.title.as_str());
        match &self.plot {
            Plot::Dots(dots) => dots.scene(frame, title),
            Plot::Heat(heat) => heat.scene(frame, title),
            Plot::Curves(curves) => curves.scene(frame, title),
            Plot::Tree(tree) => tree.scene(frame, title),
        }
    }

    /// Whether it has no number: then it is not shown, and the table beside it says why.
    pub fn is_empty(&self) -> bool {
        match &self.plot {
            Plot::Dots(dots) => dots.rows.iter().all(|row| row.dots.is_empty() && row.crowd.is_empty()),
            Plot::Heat(heat) => heat.cells.iter().flatten().all(|cell| cell.estimate.is_none()),
            Plot::Curves(curves) => curves.curves.iter().all(|curve| curve.points.is_empty()),
            Plot::Tree(tree) => tree.branches.is_empty(),
        }
    }

    /// An `<svg>` element for a page: colours follow the page's style sheet.
    pub fn svg_inline(&self) -> String {
        svg::write(self, &self.scene(Frame::Page), svg::Style::Page)
    }

    /// The element to show in its place on a phone, for plots that can be laid out in so little width.
    pub fn svg_narrow(&self) -> Option<String> {
        self.fits_narrow().then(|| svg::write(self, &self.scene(Frame::NarrowPage), svg::Style::NarrowPage))
    }

    fn fits_narrow(&self) -> bool {
        match &self.plot {
            Plot::Dots(_) | Plot::Curves(_) | Plot::Tree(_) => true,
            Plot::Heat(heat) => heat.fits_narrow(),
        }
    }

    /// A whole SVG file.
    pub fn svg_file(&self) -> String {
        svg::write(self, &self.scene(Frame::SvgFile), svg::Style::File)
    }

    /// A PNG at two pixels per unit.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        png::paint(&self.id, &self.scene(Frame::Pixels))
    }

    /// The drawing for one column of a paper, for plots that can be laid out in so little width.
    pub fn column(&self) -> Option<Scene> {
        self.fits_narrow().then(|| self.scene(Frame::Column))
    }

    pub fn column_svg(&self, scene: &Scene) -> String {
        svg::write(self, scene, svg::Style::File)
    }

    pub fn column_png(&self, scene: &Scene) -> Result<Vec<u8>, FigureError> {
        png::paint(&self.id, scene)
    }
}

#[cfg(test)]
mod tests {
    use super::scene::{Anchor, BOLD, Shape, width};
    use super::*;
    use crate::metric::{Estimate, Interval};
    use crate::report::measure::Unit;

    fn estimate(point: f64) -> Estimate {
        let interval = Some(Interval { low: point - 0.03, high: point + 0.03, level: 0.95 });
        Estimate { point, interval, n: 100, n_missing: 0 }
    }

    fn langs(n: usize) -> Vec<Lang> {
        crate::lang::table::rows().iter().filter(|row| row.native.is_some()).take(n).map(|row| row.lang).collect()
    }

    fn dots(series: usize, crowd: usize) -> Dots {
        let row = |(i, lang): (usize, &Lang)| DotRow {
            label: Label::lang(*lang),
            dots: (0..series)
                .map(|s| Dot {
                    series: s,
                    run: Some(s),
                    estimate: estimate(0.5 + 0.01 * i as f64),
                    hover: String::new(),
                })
                .collect(),
            crowd: (0..crowd).map(|c| (0.4 + 0.01 * c as f64, c + series, String::new())).collect(),
            absent: None,
        };
        Dots {
            axis: "Accuracy, %".to_owned(),
            unit: Unit::Percent,
            rows: langs(24).iter().enumerate().map(row).collect(),
            series: (0..series).map(|s| Label::run(s, &format!("a-run-with-quite-a-long-name-{s}"))).collect(),
            crowd: (crowd > 0).then(|| format!("{crowd} other runs")),
            references: vec![
                Reference { value: 0.5, label: "chance 50.0".to_owned() },
                Reference { value: 0.501, label: "longest wins 50.1".to_owned() },
            ],
            print_values: series == 1,
        }
    }

    fn heat(rows: usize, unit: Unit) -> Heat {
        let langs = langs(24);
        let cell = |r: usize, c: usize| HeatCell {
            estimate: Some(estimate(if unit == Unit::Points { -0.1 } else { 1.0 } * (1.0 - 0.001 * (r * c) as f64))),
            hover: String::new(),
            run: Some(r),
            lang: langs.get(c).copied(),
            faint: r % 2 == 1,
        };
        Heat {
            legend: "percent".to_owned(),
            unit,
            ramp: Ramp::Sequential,
            range: None,
            rows: (0..rows).map(|r| Label::run(r, &format!("run-number-{r}-of-many"))).collect(),
            columns: langs.iter().map(|lang| Label::lang_code(*lang)).collect(),
            cells: (0..rows).map(|r| (0..24).map(|c| cell(r, c)).collect()).collect(),
        }
    }

    fn few_columns(names: &[&str]) -> Heat {
        let whole = heat(24, Unit::Percent);
        let cells = whole.cells.into_iter().map(|row| row.into_iter().take(names.len()).collect()).collect();
        Heat { columns: names.iter().map(|name| Label::text(name)).collect(), cells, ..whole }
    }

    /// Boxes of all words: left, top, right, bottom.
    fn boxes(scene: &Scene) -> Vec<(f64, f64, f64, f64, String)> {
        let shapes = scene.groups.iter().flat_map(|g| &g.shapes);
        let of = |shape: &Shape| match shape {
            Shape::Words { text, at, anchor, size, bold, .. } => {
                let w = width(text, *size) * if *bold { BOLD } else { 1.0 };
                let left = match anchor {
                    Anchor::Start => at.0,
                    Anchor::Middle => at.0 - w / 2.0,
                    Anchor::End => at.0 - w,
                };
                Some((left, at.1 - 0.72 * size, left + w, at.1 + 0.2 * size, text.clone()))
            }
            _ => None,
        };
        shapes.filter_map(of).collect()
    }

    #[test]
    fn no_words_overlap_or_leave_the_figure() {
        let plots = [
            Plot::Dots(dots(1, 0)),
            Plot::Dots(dots(4, 0)),
            Plot::Dots(dots(2, 23)),
            Plot::Heat(heat(25, Unit::Percent)),
            Plot::Heat(heat(25, Unit::Points)),
            Plot::Heat(Heat { columns: Vec::new(), cells: Vec::new(), ..heat(25, Unit::Percent) }),
            Plot::Heat(few_columns(&["Overall", "Chat", "Chat Hard", "Reasoning", "Safety"])),
        ];
        for (i, plot) in plots.into_iter().enumerate() {
            let title = "Accuracy of every run in every language, a benchmark with a name".to_owned();
            let figure = Figure { id: "f".to_owned(), title, caption: Inline::new(), alt: String::new(), plot };
            for frame in [Frame::Page, Frame::NarrowPage, Frame::SvgFile, Frame::Pixels, Frame::Column] {
                let scene = figure.scene(frame);
                let boxes = boxes(&scene);
                for (n, a) in boxes.iter().enumerate() {
                    let inside = a.0 >= -0.5 && a.2 <= scene.width + 0.5 && a.1 >= 0.0 && a.3 <= scene.height;
                    assert!(inside, "plot {i}, {frame:?}: {a:?} outside {} × {}", scene.width, scene.height);
                    for b in &boxes[..n] {
                        let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
                        assert!(apart, "plot {i}, {frame:?}: {a:?} over {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_that_pixels_cannot_shape_have_a_stand_in() {
        let label = Label::run(2, "مرحبا");
        assert_eq!((label.shown(Frame::Pixels), label.shown(Frame::SvgFile)), ("run 3", "مرحبا"));
        assert_eq!(Label::run(0, "Ελληνικά-7b").shown(Frame::Pixels), "Ελληνικά-7b");
    }
}
