//! What a metric looks at in one go, and the clusters it belongs to.

use crate::Group;
use crate::item::{Place, View};

/// Items of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    One(Place),
    Ties { reference: Option<Place>, tied: Option<Place> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    pub cluster: u32,
    pub members: Members,
}

impl Unit {
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let (first, second) = match self.members {
            Members::One(item) => (Some(item), None),
            Members::Ties { reference, tied } => (reference, tied),
        };
        first.into_iter().chain(second)
    }

    /// Its items, as indices into the item table.
    pub fn items(&self) -> impl Iterator<Item = usize> + use<> {
        self.places().map(|place| place.item as usize)
    }

    /// The unit as a run scored it.
    pub fn group<'a>(&self, view: &View<'a>) -> Group<'a> {
        match self.members {
            Members::One(place) => Group::One(view.item(place)),
            Members::Ties { reference, tied } => {
                Group::Ties { reference: reference.map(|p| view.item(p)), tied: tied.map(|p| view.item(p)) }
            }
        }
    }
}

/// By cluster: whether one of its units is present.
pub fn clusters_of(units: &[Unit], present: &[bool], n_clusters: usize) -> Vec<bool> {
    let mut found = vec![false; n_clusters];
    for (unit, present) in units.iter().zip(present) {
        found[unit.cluster as usize] |= present;
    }
    found
}

/// By unit: whether its cluster is among those.
pub fn among(units: &[Unit], clusters: &[bool]) -> Vec<bool> {
    units.iter().map(|unit| clusters[unit.cluster as usize]).collect()
}
