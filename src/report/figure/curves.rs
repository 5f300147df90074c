//! Curves through estimates: reliability, selective accuracy. Points carry their intervals.

use crate::metric::Estimate;
use crate::report::figure::axis::Axis;
use crate::report::figure::palette::Ink;
use crate::report::figure::scene::{Anchor, Group, MarkerKind, Scene, Shape, baseline, fit, line, width, words};
use crate::report::figure::{Frame, Label};
use crate::report::measure::Unit;

#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    pub x_axis: String,
    pub y_axis: String,
    /// Of both axes, unless x has its own.
    pub unit: Unit,
    pub x_unit: Option<Unit>,
    /// At most four.
    pub curves: Vec<Curve>,
    /// Draw the line y = x.
    pub diagonal: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub label: Label,
    /// Left to right: x, y, hover text.
    pub points: Vec<(f64, Estimate, String)>,
}

const SIZE: f64 = 12.0;
const SMALL: f64 = 11.0;

impl Curves {
    fn x_unit(&self) -> Unit {
        self.x_unit.unwrap_or(self.unit)
    }

    pub fn scene(&self, frame: Frame, title: Option<&str>) -> Scene {
        let narrow = frame.is_narrow();
        let mut scene = Scene::new(if narrow { 356.0 } else { 560.0 });
        let mut y = 8.0;
        if let Some(title) = title {
            scene.title(title, y, 8.0);
            y += 30.0;
        }
        y = self.legend(&mut scene, frame, y);
        let y_title = fit(&self.y_axis, SMALL, scene.width - 4.0);
        scene.words(y_title, (2.0, y + 10.0), Anchor::Start, SMALL, Ink::Muted);
        let (right, top) = (scene.width - 12.0, y + 22.0);
        let bottom = top + if narrow { 240.0 } else { 300.0 };
        let all = || self.curves.iter().flat_map(|c| &c.points);
        let xs = all().map(|(x, ..)| *x);
        let ys = all().flat_map(|(_, e, _)| {
            [Some(e.point), e.interval.map(|i| i.low), e.interval.map(|i| i.high)].into_iter().flatten()
        });
        let (xs, ys): (Vec<f64>, Vec<f64>) = if self.diagonal {
            (xs.clone().chain(ys.clone()).collect(), xs.chain(ys).collect())
        } else {
            (xs.collect(), ys.collect())
        };
        let y_axis = Axis::covering(ys, self.unit, bottom, top);
        let labels = y_axis.ticks.iter().map(|tick| width(&y_axis.label(*tick, self.unit), SMALL));
        let left = labels.fold(36.0, f64::max) + 8.0;
        let x_axis = Axis::covering(xs, self.x_unit(), left, right);
        self.grid(&mut scene, (&x_axis, &y_axis), (left, right, top, bottom));
        for (series, curve) in self.curves.iter().enumerate() {
            // Curves with points at the same places stand side by side, or their intervals would cover each other.
            let aside = if self.diagonal { 0.0 } else { series as f64 - (self.curves.len() as f64 - 1.0) / 2.0 };
            marks(&mut scene, series, curve, (&x_axis, &y_axis, 4.0 * aside));
        }
        let x_title = fit(&self.x_axis, SMALL, scene.width - left);
        scene.words(x_title, (left, bottom + 36.0), Anchor::Start, SMALL, Ink::Muted);
        scene.height = bottom + 46.0;
        scene
    }

    fn legend(&self, scene: &mut Scene, frame: Frame, top: f64) -> f64 {
        let (mut x, mut y) = (2.0, top + 8.0);
        for (series, curve) in self.curves.iter().enumerate() {
            let name = fit(curve.label.shown(frame), SIZE, 300.0);
            let needed = 38.0 + width(&name, SIZE);
            if x + needed > scene.width && x > 2.0 {
                (x, y) = (2.0, y + 20.0);
            }
            let marker = marker(series, (x + 7.0, y));
            let name = words(name, (x + 18.0, baseline(y, SIZE)), Anchor::Start, SIZE, Ink::Strong);
            let (run, lang) = (curve.label.run, curve.label.lang);
            scene.groups.push(Group { shapes: vec![marker, name], run, lang, hover: None });
            x += needed;
        }
        y + 20.0
    }

    fn grid(
        &self,
        scene: &mut Scene,
        (x_axis, y_axis): (&Axis, &Axis),
        (left, right, top, bottom): (f64, f64, f64, f64),
    ) {
        let mut shapes = Vec::new();
        for tick in &x_axis.ticks {
            let x = x_axis.at(*tick);
            shapes.push(line((x, top), (x, bottom + 4.0), Ink::Rule, 1.0));
            shapes.push(words(
                x_axis.label(*tick, self.x_unit()),
                (x, bottom + 18.0),
                Anchor::Middle,
                SMALL,
                Ink::Muted,
            ));
        }
        for tick in &y_axis.ticks {
            let y = y_axis.at(*tick);
            shapes.push(line((left, y), (right, y), Ink::Rule, 1.0));
            let label =
                words(y_axis.label(*tick, self.unit), (left - 6.0, baseline(y, SMALL)), Anchor::End, SMALL, Ink::Muted);
            shapes.push(label);
        }
        if self.diagonal {
            let (low, high) = (x_axis.low.max(y_axis.low), x_axis.high.min(y_axis.high));
            let (from, to) = ((x_axis.at(low), y_axis.at(low)), (x_axis.at(high), y_axis.at(high)));
            shapes.push(Shape::Line { from, to, ink: Ink::Reference, width: 1.25, dashed: true });
        }
        scene.draw(shapes);
    }
}

fn marker(series: usize, center: (f64, f64)) -> Shape {
    let ink = Ink::Series(series % 4);
    Shape::Marker { kind: MarkerKind::of_series(series), center, radius: 4.0, ink, hollow: false }
}

fn marks(scene: &mut Scene, series: usize, curve: &Curve, (x_axis, y_axis, aside): (&Axis, &Axis, f64)) {
    let ink = Ink::Series(series % 4);
    let at = |(x, e, _): &(f64, Estimate, String)| (x_axis.at(*x) + aside, y_axis.at(e.point));
    let (run, lang) = (curve.label.run, curve.label.lang);
    let between = curve.points.windows(2).map(|pair| line(at(&pair[0]), at(&pair[1]), ink, 1.5)).collect();
    scene.groups.push(Group { shapes: between, run, lang, hover: None });
    for point in &curve.points {
        let (x, y) = at(point);
        let mut shapes = Vec::new();
        if let Some(i) = point.1.interval {
            shapes.push(line((x, y_axis.at(i.low)), (x, y_axis.at(i.high)), ink, 1.5));
        }
        shapes.push(marker(series, (x, y)));
        scene.groups.push(Group { shapes, hover: Some(point.2.clone()), run, lang });
    }
}
