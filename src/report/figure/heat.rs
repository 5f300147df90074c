//! Heat maps with the value printed in every cell.

use crate::lang::Lang;
use crate::metric::Estimate;
use crate::report::figure::axis::Axis;
use crate::report::figure::palette::{self, Ink, Rgb};
use crate::report::figure::scene::{Anchor, Group, Scene, Shape, baseline, fit, line, title_width, width, words, wrap};
use crate::report::figure::{Frame, Label};
use crate::report::measure::Unit;
use crate::report::number;

#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// What the colours measure, with its unit.
    pub legend: String,
    pub unit: Unit,
    pub ramp: Ramp,
    /// Values at the ends of the ramp where several maps must share them; otherwise the map's own.
    pub range: Option<(f64, f64)>,
    pub rows: Vec<Label>,
    pub columns: Vec<Label>,
    /// `cells[row][column]`.
    pub cells: Vec<Vec<HeatCell>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ramp {
    /// From the lowest value to the highest.
    Sequential,
    /// Symmetric about zero.
    Diverging,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HeatCell {
    pub estimate: Option<Estimate>,
    pub hover: String,
    pub run: Option<usize>,
    pub lang: Option<Lang>,
    /// Printed without a colour: there, but not established.
    pub faint: bool,
}

const SIZE: f64 = 12.0;
const SMALL: f64 = 11.0;
const ROW: f64 = 24.0;
const GAP: f64 = 2.0;
const LEGEND: f64 = 180.0;
/// More columns than this print whole numbers and short codes: the figure must be legible on a page of paper.
const MANY: usize = 16;
/// More columns than this do not fit a phone.
const MOST_NARROW: usize = 6;

impl Heat {
    pub fn scene(&self, frame: Frame, title: Option<&str>) -> Scene {
        let (column, size) = (self.column_width(frame), heading_size(frame));
        let native = self.widest(|l| l.native(frame).map_or(0.0, |(name, _)| width(name, SIZE).min(130.0)));
        let most = match (frame.is_narrow(), self.is_dense()) {
            (true, _) => 126.0,
            (false, true) => 170.0,
            (false, false) => 210.0,
        };
        let label = self.widest(|l| width(l.shown(frame), label_size(frame)).min(most));
        let label_end = 2.0 + native + if native > 0.0 { 12.0 } else { 0.0 } + label;
        let left = label_end + 12.0;
        let right = left + self.columns.len() as f64 * column;
        // Few columns are narrower than what stands above them.
        let named = title.map_or(0.0, |title| (title_width(title) + 8.0).min(760.0));
        let least = if frame.is_narrow() { 0.0 } else { 420.0 };
        let mut scene = Scene::new((right + 4.0).max(left + LEGEND + 60.0).max(least).max(named));

        let mut y = 6.0;
        if let Some(title) = title {
            scene.title(title, y, 4.0);
            y += 28.0;
        }
        let headers: Vec<Vec<String>> =
            self.columns.iter().map(|l| wrap(self.heading(l, frame), size, column - 4.0, 3)).collect();
        let depth = headers.iter().map(Vec::len).max().unwrap_or(0) as f64;
        let top = y + depth * 13.0 + 8.0;
        for (c, lines) in headers.iter().enumerate() {
            let x = left + (c as f64 + 0.5) * column;
            let shown = self.columns[c].shown(frame);
            let shapes = lines.iter().enumerate().map(|(i, text)| {
                let up = (lines.len() - 1 - i) as f64 * 13.0;
                words(text, (x, top - 8.0 - up), Anchor::Middle, size, Ink::Muted)
            });
            let hover = self.columns[c].lang.map(crate::report::language::name).or_else(|| Some(shown.to_owned()));
            scene.groups.push(Group {
                shapes: shapes.collect(),
                hover,
                run: self.columns[c].run,
                lang: self.columns[c].lang,
            });
        }
        let (low, high) = self.range();
        for (r, row) in self.rows.iter().enumerate() {
            let center = top + (r as f64 + 0.5) * ROW;
            row_label(&mut scene, row, frame, (2.0 + native, label_end, label), center);
            for (c, cell) in self.cells.get(r).into_iter().flatten().enumerate() {
                let at = (left + c as f64 * column, top + r as f64 * ROW);
                scene.groups.push(self.cell(cell, at, (column - GAP, ROW - GAP), (low, high)));
            }
        }
        let bottom = top + self.rows.len() as f64 * ROW;
        self.legend(&mut scene, (left, bottom + 16.0), (low, high));
        scene.height = bottom + 56.0;
        scene
    }

    fn widest(&self, of: impl Fn(&Label) -> f64) -> f64 {
        self.rows.iter().map(of).fold(0.0, f64::max)
    }

    /// Room for the value and for the longest word of a heading.
    fn column_width(&self, frame: Frame) -> f64 {
        let word = self
            .columns
            .iter()
            .flat_map(|l| self.heading(l, frame).split_whitespace())
            .map(|word| width(word, heading_size(frame)) + if self.is_dense() || frame.is_narrow() { 5.0 } else { 8.0 })
            .fold(0.0, f64::max);
        let value = match (self.unit, self.is_dense()) {
            (Unit::Points, false) => 42.0,
            (_, false) => 39.0,
            (Unit::Points, true) => 31.0,
            (_, true) => 28.0,
        };
        let most = match self.columns.len() {
            _ if frame.is_narrow() => 60.0,
            9.. => 64.0,
            _ => 92.0,
        };
        word.clamp(value, most)
    }

    /// Whether all of its columns can be seen on a phone at once.
    pub fn fits_narrow(&self) -> bool {
        self.columns.len() <= MOST_NARROW
    }

    /// Whether there is no room for decimals. Plain numbers would be lost without.
    fn is_dense(&self) -> bool {
        self.columns.len() > MANY && self.unit != Unit::Plain
    }

    /// What stands above a column; of a language the script too only where another column needs telling apart.
    fn heading<'a>(&self, label: &'a Label, frame: Frame) -> &'a str {
        let shown = label.shown(frame);
        let Some((code, _)) = shown.split_once(' ').filter(|_| label.lang.is_some() && self.is_dense()) else {
            return shown;
        };
        let twins = self.columns.iter().filter(|l| l.shown(frame).split_once(' ').is_some_and(|(c, _)| c == code));
        if twins.count() > 1 { shown } else { code }
    }

    fn text(&self, value: f64) -> String {
        if !self.is_dense() {
            return number::point(value, self.unit);
        }
        let whole = (100.0 * value).round().abs();
        match (self.unit, value) {
            _ if whole == 0.0 => "0".to_owned(),
            (_, x) if x < 0.0 => format!("−{whole}"),
            (Unit::Points, _) => format!("+{whole}"),
            _ => format!("{whole}"),
        }
    }

    fn range(&self) -> (f64, f64) {
        let own = || extent(self.cells.iter().flatten().filter_map(|c| c.estimate).map(|e| e.point));
        let (low, high) = self.range.or_else(own).unwrap_or((0.0, 1.0));
        match self.ramp {
            // At least ten points wide, so that noise among equals does not look like a pattern.
            Ramp::Sequential if high - low < 0.1 => ((low + high) / 2.0 - 0.05, (low + high) / 2.0 + 0.05),
            Ramp::Sequential => (low, high),
            Ramp::Diverging => {
                let far = low.abs().max(high.abs()).max(0.05);
                (-far, far)
            }
        }
    }

    fn colour(&self, value: f64, (low, high): (f64, f64)) -> Rgb {
        let t = (value - low) / (high - low);
        match self.ramp {
            Ramp::Sequential => palette::sequential(t),
            Ramp::Diverging => palette::diverging(2.0 * t - 1.0),
        }
    }

    fn cell(&self, cell: &HeatCell, at: (f64, f64), size: (f64, f64), range: (f64, f64)) -> Group {
        let middle = (at.0 + size.0 / 2.0, baseline(at.1 + size.1 / 2.0, SMALL));
        let shapes = match &cell.estimate {
            Some(e) if cell.faint => {
                vec![words(self.text(e.point), middle, Anchor::Middle, SMALL, Ink::Muted)]
            }
            Some(e) => {
                let fill = self.colour(e.point, range);
                let text = self.text(e.point);
                vec![Shape::Rect { at, size, fill }, words(text, middle, Anchor::Middle, SMALL, fill.words_on())]
            }
            None => vec![words(number::ABSENT, middle, Anchor::Middle, SMALL, Ink::Muted)],
        };
        Group { shapes, hover: Some(cell.hover.clone()), run: cell.run, lang: cell.lang }
    }

    fn legend(&self, scene: &mut Scene, (left, top): (f64, f64), (low, high): (f64, f64)) {
        const STEPS: usize = 36;
        let step = LEGEND / STEPS as f64;
        let mut shapes: Vec<Shape> = (0..STEPS)
            .map(|i| {
                let value = low + (high - low) * (i as f64 + 0.5) / STEPS as f64;
                let fill = self.colour(value, (low, high));
                // Overlap by a hair: gaps between neighbours show as stripes when a page is zoomed.
                Shape::Rect { at: (left + i as f64 * step, top), size: (step + 0.3, 8.0), fill }
            })
            .collect();
        let axis = Axis::between(low, high, self.unit, left, left + LEGEND);
        for tick in axis.ticks.iter().filter(|t| **t >= low && **t <= high) {
            let x = axis.at(*tick);
            shapes.push(line((x, top + 8.0), (x, top + 11.0), Ink::Reference, 1.0));
            let label = axis.label(*tick, self.unit);
            shapes.push(words(label, (x, top + 22.0), Anchor::Middle, 10.0, Ink::Muted));
        }
        let text = fit(&self.legend, SMALL, scene.width - left - LEGEND - 20.0);
        if text.chars().count() > 3 {
            shapes.push(words(text, (left + LEGEND + 12.0, top + 8.0), Anchor::Start, SMALL, Ink::Muted));
        }
        scene.draw(shapes);
    }
}

/// The lowest and the highest of some values.
pub fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |found, x| {
        let (low, high) = found.unwrap_or((x, x));
        Some((low.min(x), high.max(x)))
    })
}

fn heading_size(frame: Frame) -> f64 {
    if frame.is_narrow() { 9.5 } else { SMALL }
}

fn label_size(frame: Frame) -> f64 {
    if frame.is_narrow() { SMALL } else { SIZE }
}

fn row_label(scene: &mut Scene, row: &Label, frame: Frame, (native_end, label_end, room): (f64, f64, f64), y: f64) {
    let size = label_size(frame);
    let text = fit(row.shown(frame), size, room + 1.0);
    let hover = text.ends_with('…').then(|| row.shown(frame).to_owned());
    let mut shapes = vec![words(text, (label_end, baseline(y, size)), Anchor::End, size, Ink::Strong)];
    if let Some((native, lang)) = row.native(frame) {
        shapes.push(Shape::Words {
            text: fit(native, SIZE, 131.0),
            at: (native_end, baseline(y, SIZE)),
            anchor: Anchor::End,
            size: SIZE,
            bold: false,
            ink: Ink::Muted,
            lang: Some(lang),
        });
    }
    scene.groups.push(Group { shapes, hover, run: row.run, lang: row.lang });
}
