//! Dot-and-interval plots: runs on a leaderboard, accuracy by language, gaps to English.

use crate::metric::Estimate;
use crate::report::figure::axis::Axis;
use crate::report::figure::palette::Ink;
use crate::report::figure::scene::{Anchor, Group, MarkerKind, Scene, Shape, baseline, fit, line, width, words};
use crate::report::figure::{Frame, Label};
use crate::report::measure::Unit;
use crate::report::number;

#[derive(Debug, Clone, PartialEq)]
pub struct Dots {
    /// What the horizontal axis measures, with its unit.
    pub axis: String,
    pub unit: Unit,
    /// Top to bottom.
    pub rows: Vec<DotRow>,
    /// The runs told apart by colour and shape, for the legend; empty where rows are runs.
    pub series: Vec<Label>,
    /// What the crowd marks are, for the legend.
    pub crowd: Option<String>,
    pub references: Vec<Reference>,
    /// Print point and interval at the right end of each row (one dot per row only).
    pub print_values: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DotRow {
    pub label: Label,
    pub dots: Vec<Dot>,
    /// Points of the other runs, drawn as thin ticks: value and hover text.
    pub crowd: Vec<(f64, usize, String)>,
    /// Said in place of dots.
    pub absent: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    pub series: usize,
    /// `None`: not a run, as people are not.
    pub run: Option<usize>,
    pub estimate: Estimate,
    pub hover: String,
}

/// A vertical line to compare with: chance, longest wins, zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub value: f64,
    pub label: String,
}

const WIDTH: f64 = 760.0;
const NARROW: f64 = 356.0;
const SIZE: f64 = 12.0;
const SMALL: f64 = 11.0;
const LEGEND_LINE: f64 = 20.0;

/// Horizontal positions shared by all parts of the plot.
struct Columns {
    native_end: f64,
    label_end: f64,
    label_width: f64,
    plot: (f64, f64),
}

impl Dots {
    pub fn scene(&self, frame: Frame, title: Option<&str>) -> Scene {
        let mut scene = Scene::new(if frame.is_narrow() { NARROW } else { WIDTH });
        let columns = self.columns(frame);
        let axis = Axis::covering(self.values(), self.unit, columns.plot.0 + 6.0, columns.plot.1 - 6.0);
        let mut y = 8.0;
        if let Some(title) = title {
            scene.title(title, y, 8.0);
            y += 30.0;
        }
        y = self.legend(&mut scene, frame, y);
        let top = y + self.references.len() as f64 * 15.0 + 4.0;
        let bottom = top + self.rows.len() as f64 * self.row_height();
        self.grid(&mut scene, &axis, &columns, (y, top, bottom));
        for (i, row) in self.rows.iter().enumerate() {
            let center = top + (i as f64 + 0.5) * self.row_height();
            self.label(&mut scene, row, &columns, frame, center);
            self.marks(&mut scene, row, (&axis, &columns, frame), center);
        }
        let axis_title = fit(&self.axis, SMALL, scene.width - 2.0);
        let start = columns.plot.0.min(scene.width - width(&axis_title, SMALL)).max(2.0);
        scene.words(axis_title, (start, bottom + 36.0), Anchor::Start, SMALL, Ink::Muted);
        scene.height = bottom + 46.0;
        scene
    }

    fn prints_values(&self, frame: Frame) -> bool {
        self.print_values && !frame.is_narrow()
    }

    fn row_height(&self) -> f64 {
        match self.series.len() {
            0 | 1 => 22.0,
            several => 9.0 * several as f64 + 9.0,
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let dots = self.rows.iter().flat_map(|row| {
            let ends = row.dots.iter().flat_map(|dot| {
                let e = &dot.estimate;
                [Some(e.point), e.interval.map(|i| i.low), e.interval.map(|i| i.high)].into_iter().flatten()
            });
            ends.chain(row.crowd.iter().map(|(value, ..)| *value))
        });
        dots.chain(self.references.iter().map(|r| r.value))
    }

    fn columns(&self, frame: Frame) -> Columns {
        let widest = |widths: &mut dyn Iterator<Item = f64>| widths.fold(0.0, f64::max);
        let native = widest(
            &mut self.rows.iter().filter_map(|r| r.label.native(frame)).map(|(name, _)| width(name, SIZE).min(130.0)),
        );
        let (page, most) = if frame.is_narrow() { (NARROW, 138.0) } else { (WIDTH, 260.0) };
        let label = widest(&mut self.rows.iter().map(|r| width(r.label.shown(frame), SIZE).min(most)));
        let values = if self.prints_values(frame) {
            widest(&mut self.rows.iter().flat_map(|r| &r.dots).map(|d| width(&value_text(d, self.unit), SMALL)))
        } else {
            0.0
        };
        let gap = if native > 0.0 { 12.0 } else { 0.0 };
        let label_end = 2.0 + native + gap + label;
        let right = if values > 0.0 { values + 14.0 } else { 4.0 };
        Columns {
            native_end: 2.0 + native,
            label_end,
            label_width: label,
            plot: (label_end + 12.0, (page - right).max(label_end + 120.0)),
        }
    }

    fn legend(&self, scene: &mut Scene, frame: Frame, top: f64) -> f64 {
        if self.series.is_empty() {
            return top;
        }
        let page = scene.width;
        let (mut x, mut y) = (2.0, top + 8.0);
        let place = |x: &mut f64, y: &mut f64, text: &str| {
            let needed = 18.0 + width(text, SIZE) + 20.0;
            if *x + needed > page && *x > 2.0 {
                (*x, *y) = (2.0, *y + LEGEND_LINE);
            }
            let at = *x;
            *x += needed;
            at
        };
        for (i, series) in self.series.iter().enumerate() {
            let name = fit(series.shown(frame), SIZE, 310.0);
            let at = place(&mut x, &mut y, &name);
            let marker = Shape::Marker {
                kind: MarkerKind::of_series(i),
                center: (at + 7.0, y),
                radius: 4.5,
                ink: Ink::Series(i),
                hollow: false,
            };
            let name = words(name, (at + 18.0, baseline(y, SIZE)), Anchor::Start, SIZE, Ink::Strong);
            scene.groups.push(Group { shapes: vec![marker, name], run: series.run, ..Group::default() });
        }
        if let Some(crowd) = &self.crowd {
            let at = place(&mut x, &mut y, crowd);
            scene.draw(vec![
                line((at + 7.0, y - 6.0), (at + 7.0, y + 6.0), Ink::Crowd, 2.0),
                words(crowd, (at + 18.0, baseline(y, SIZE)), Anchor::Start, SIZE, Ink::Muted),
            ]);
        }
        y + LEGEND_LINE
    }

    fn grid(&self, scene: &mut Scene, axis: &Axis, columns: &Columns, (first, top, bottom): (f64, f64, f64)) {
        let mut shapes = Vec::new();
        if self.series.len() > 1 {
            let row = |i: usize| top + i as f64 * self.row_height();
            let rule = |i: usize| line((2.0, row(i)), (columns.plot.1, row(i)), Ink::Rule, 1.0);
            shapes.extend((0..self.rows.len()).map(rule));
        }
        for tick in &axis.ticks {
            let x = axis.at(*tick);
            shapes.push(line((x, top), (x, bottom + 4.0), Ink::Rule, 1.0));
            let label = axis.label(*tick, self.unit);
            shapes.push(words(label, (x, bottom + 18.0), Anchor::Middle, SMALL, Ink::Muted));
        }
        shapes.push(line((columns.plot.0, bottom), (columns.plot.1, bottom), Ink::Rule, 1.0));
        scene.draw(shapes);
        // Each label has a line of its own and stands to the right of its reference; lower references come
        // first, so that none runs through the label of another.
        let mut references: Vec<&Reference> = self.references.iter().collect();
        references.sort_by(|a, b| a.value.total_cmp(&b.value));
        for (i, reference) in references.into_iter().enumerate() {
            let x = axis.at(reference.value);
            let y = first + i as f64 * 15.0 + 10.0;
            let fits = x + 5.0 + width(&reference.label, SMALL) <= scene.width;
            let (at, anchor) = if fits { (x + 5.0, Anchor::Start) } else { (x - 5.0, Anchor::End) };
            scene.draw(vec![
                Shape::Line { from: (x, y - 9.0), to: (x, bottom), ink: Ink::Reference, width: 1.25, dashed: true },
                words(&reference.label, (at, y), anchor, SMALL, Ink::Muted),
            ]);
        }
    }

    fn label(&self, scene: &mut Scene, row: &DotRow, columns: &Columns, frame: Frame, y: f64) {
        let text = fit(row.label.shown(frame), SIZE, columns.label_width + 1.0);
        let mut group = Group { run: row.label.run, lang: row.label.lang, ..Group::default() };
        if text.ends_with('…') {
            group.hover = Some(row.label.shown(frame).to_owned());
        }
        if let Some((native, lang)) = row.label.native(frame) {
            group.shapes.push(Shape::Words {
                text: fit(native, SIZE, 131.0),
                at: (columns.native_end, baseline(y, SIZE)),
                anchor: Anchor::End,
                size: SIZE,
                bold: false,
                ink: Ink::Muted,
                lang: Some(lang),
            });
        }
        group.shapes.push(words(text, (columns.label_end, baseline(y, SIZE)), Anchor::End, SIZE, Ink::Strong));
        scene.groups.push(group);
    }

    fn marks(&self, scene: &mut Scene, row: &DotRow, (axis, columns, frame): (&Axis, &Columns, Frame), y: f64) {
        let lang = row.label.lang;
        for (value, run, hover) in &row.crowd {
            let x = axis.at(*value);
            let tick = line((x, y - 7.0), (x, y + 7.0), Ink::Crowd, 2.0);
            let hover = Some(hover.clone());
            scene.groups.push(Group { shapes: vec![tick], hover, run: Some(*run), lang });
        }
        if let (true, Some(why)) = (row.dots.is_empty() && row.crowd.is_empty(), &row.absent) {
            let text = fit(&format!("{} {why}", number::ABSENT), SMALL, columns.plot.1 - columns.plot.0 - 12.0);
            scene.words(text, (columns.plot.0 + 8.0, baseline(y, SMALL)), Anchor::Start, SMALL, Ink::Muted);
        }
        let lanes = self.series.len().max(1);
        for dot in &row.dots {
            let lane = if lanes == 1 { 0 } else { dot.series };
            let y = y + (lane as f64 - (lanes as f64 - 1.0) / 2.0) * 9.0;
            let ink = Ink::Series(dot.series);
            let mut shapes = Vec::new();
            if let Some(i) = &dot.estimate.interval {
                shapes.push(line((axis.at(i.low), y), (axis.at(i.high), y), ink, 2.0));
            }
            // A difference whose interval holds zero is not established: it is drawn hollow.
            let hollow =
                self.unit == Unit::Points && dot.estimate.interval.is_none_or(|i| i.low <= 0.0 && i.high >= 0.0);
            shapes.push(Shape::Marker {
                kind: MarkerKind::of_series(dot.series),
                center: (axis.at(dot.estimate.point), y),
                radius: if lanes > 2 { 3.6 } else { 4.5 },
                ink,
                hollow,
            });
            if self.prints_values(frame) {
                let text = value_text(dot, self.unit);
                let at = (columns.plot.1 + 14.0, baseline(y, SMALL));
                shapes.push(words(text, at, Anchor::Start, SMALL, Ink::Strong));
            }
            scene.groups.push(Group { shapes, hover: Some(dot.hover.clone()), run: dot.run, lang });
        }
    }
}

fn value_text(dot: &Dot, unit: Unit) -> String {
    number::with_interval(&dot.estimate, unit)
}
