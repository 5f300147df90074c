//! What items cost in tokens, and what was cut off of them.

use crate::accuracy::credit;
use crate::item::{Place, View};
use crate::outcome::Evidence;
use crate::rule::Protocol;
use crate::sources::Sources;
use crate::unit::Unit;

/// Measures of [`terms`].
pub const MEASURES: usize = 5;

/// What clusters add to one sum.
pub type Terms = Vec<(u32, f64)>;

/// One item of one language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    pub cluster: u32,
    /// Σ Δt Δc and Σ Δc² over differences in tokens and characters between its responses.
    pub slope: Option<(f64, f64)>,
    /// Tokens here and in English.
    pub premium: Option<(f64, f64)>,
    pub cut: bool,
    /// No language of its source was cut.
    pub whole: bool,
    pub credit: Option<f64>,
}

/// Marks clusters of which an item was cut.
pub fn mark_cut(view: &View<'_>, units: &[Unit], clusters: &mut [bool]) {
    for unit in units {
        clusters[unit.cluster as usize] |= unit.places().any(|place| view.is_truncated(place));
    }
}

/// Tokens of all responses of an item; `None` where it was cut or they are not known.
fn total(view: &View<'_>, place: Place) -> Option<f64> {
    let tokens = &view.n_tokens[view.slots(place)];
    let known = !view.is_truncated(place) && tokens.iter().all(|n| *n > 0);
    known.then(|| tokens.iter().map(|n| f64::from(*n)).sum())
}

/// A language of [`Sources`], English beside it, and the clusters of which an item was cut.
pub struct Language<'a> {
    pub sources: &'a Sources,
    pub number: usize,
    /// `None`: there is none, or this is English.
    pub english: Option<usize>,
    pub cut: &'a [bool],
}

impl Language<'_> {
    /// Adds the items that the run has rows for.
    pub fn add(&self, view: &View<'_>, units: &[Unit], protocol: &Protocol, seen: &mut Vec<Seen>) {
        for unit in units {
            for place in unit.places().filter(|place| view.present[place.offset as usize]) {
                seen.push(self.seen(view, unit.cluster, place, protocol));
            }
        }
    }

    fn seen(&self, view: &View<'_>, cluster: u32, place: Place, protocol: &Protocol) -> Seen {
        let slots = view.slots(place);
        let difference = |of: &[u32], slot: usize| f64::from(of[slot]) - f64::from(of[slots.start]);
        let (mut tc, mut cc) = (0.0, 0.0);
        for slot in slots.clone().skip(1) {
            let (t, c) = (difference(view.n_tokens, slot), difference(view.n_chars, slot));
            tc += t * c;
            cc += c * c;
        }
        let at = cluster as usize;
        let same = self.sources.place(self.number, at) == Some(place);
        let in_english = self.english.filter(|_| same).and_then(|english| self.sources.place(english, at));
        let cut = view.is_truncated(place);
        let extremes = Evidence::Rewards.extremes(&view.item(place));
        Seen {
            cluster,
            slope: Some((tc, cc)).filter(|_| !cut),
            premium: total(view, place).zip(in_english.and_then(|english| total(view, english))),
            cut,
            whole: !self.cut[at],
            credit: extremes.and_then(|extremes| credit(&extremes, protocol.ties)),
        }
    }
}

/// Numerator and denominator of premium, tokens per character, share that was cut, accuracy, accuracy where nothing was
/// cut.
pub fn terms(seen: &[Seen]) -> [[Terms; 2]; MEASURES] {
    let mut out: [[Terms; 2]; MEASURES] = Default::default();
    for s in seen {
        let own = [
            s.premium,
            s.slope,
            Some((f64::from(u8::from(s.cut)), 1.0)),
            s.credit.map(|credit| (credit, 1.0)),
            s.credit.filter(|_| s.whole).map(|credit| (credit, 1.0)),
        ];
        for ([above, below], own) in out.iter_mut().zip(own) {
            if let Some((x, y)) = own {
                above.push((s.cluster, x));
                below.push((s.cluster, y));
            }
        }
    }
    out
}
