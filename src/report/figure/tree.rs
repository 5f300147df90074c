//! Trees of merges (dendrograms): leaves on the right; the nearer two branches are, the nearer to the leaves they meet.

use crate::report::figure::axis::Axis;
use crate::report::figure::palette::Ink;
use crate::report::figure::scene::{Anchor, Group, Scene, baseline, fit, line, width, words};
use crate::report::figure::{Frame, Label};
use crate::report::measure::Unit;

#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// What the horizontal axis measures.
    pub axis: String,
    /// Top to bottom.
    pub leaves: Vec<Label>,
    /// By leaf: the number that branches call it by.
    pub numbers: Vec<usize>,
    /// Nearest first; with n leaves, branch i is called n + i.
    pub branches: Vec<Branch>,
}

/// Two clusters that meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch {
    pub a: usize,
    pub b: usize,
    pub at: f64,
}

const WIDTH: f64 = 640.0;
const SIZE: f64 = 12.0;
const SMALL: f64 = 11.0;
const ROW: f64 = 20.0;

impl Tree {
    pub fn scene(&self, frame: Frame, title: Option<&str>) -> Scene {
        let mut scene = Scene::new(if frame.is_narrow() { 356.0 } else { WIDTH });
        let label = self.leaves.iter().map(|l| width(l.shown(frame), SIZE).min(200.0)).fold(0.0, f64::max);
        let mut top = 8.0;
        if let Some(title) = title {
            scene.title(title, top, 8.0);
            top += 30.0;
        }
        let right = scene.width - label - 14.0;
        let highest = self.branches.iter().map(|b| b.at).fold(0.0, f64::max);
        let lowest = self.branches.iter().map(|b| b.at).fold(highest, f64::min);
        // Leaves stand at the right end, below the nearest pair, so that negative distances have room, too.
        let start = lowest - 0.08 * (highest - lowest).max(1e-6);
        let axis = Axis::between(start, highest * 1.02, Unit::Plain, right, 12.0);
        let bottom = top + self.leaves.len() as f64 * ROW;
        self.ticks(&mut scene, &axis, (top, bottom));
        let mut places: Vec<Option<(f64, f64)>> = vec![None; self.leaves.len() + self.branches.len()];
        for (i, (leaf, number)) in self.leaves.iter().zip(&self.numbers).enumerate() {
            let y = top + (i as f64 + 0.5) * ROW;
            let text = fit(leaf.shown(frame), SIZE, label + 1.0);
            let shape = words(text, (right + 8.0, baseline(y, SIZE)), Anchor::Start, SIZE, Ink::Strong);
            scene.groups.push(Group { shapes: vec![shape], run: leaf.run, lang: leaf.lang, ..Group::default() });
            if let Some(place) = places.get_mut(*number) {
                *place = Some((right, y));
            }
        }
        for (i, branch) in self.branches.iter().enumerate() {
            let of = |number: usize| places.get(number).copied().flatten();
            let (Some(a), Some(b)) = (of(branch.a), of(branch.b)) else { continue };
            let x = axis.at(branch.at);
            let ink = Ink::Series(0);
            let shapes =
                vec![line(a, (x, a.1), ink, 1.5), line(b, (x, b.1), ink, 1.5), line((x, a.1), (x, b.1), ink, 1.5)];
            scene.groups.push(Group { shapes, hover: Some(format!("meet at {:.3}", branch.at)), ..Group::default() });
            if let Some(place) = places.get_mut(self.leaves.len() + i) {
                *place = Some((x, (a.1 + b.1) / 2.0));
            }
        }
        let axis_title = fit(&self.axis, SMALL, scene.width - 14.0);
        scene.words(axis_title, (12.0, bottom + 36.0), Anchor::Start, SMALL, Ink::Muted);
        scene.height = bottom + 46.0;
        scene
    }

    fn ticks(&self, scene: &mut Scene, axis: &Axis, (top, bottom): (f64, f64)) {
        let mut shapes = Vec::new();
        for tick in &axis.ticks {
            let x = axis.at(*tick);
            shapes.push(line((x, top), (x, bottom + 4.0), Ink::Rule, 1.0));
            shapes.push(words(axis.label(*tick, Unit::Plain), (x, bottom + 18.0), Anchor::Middle, SMALL, Ink::Muted));
        }
        scene.draw(shapes);
    }
}
