//! Which runs of a study belong together.

use std::collections::BTreeMap;

use super::{DATA, is_fact};
use crate::study::PARAMETERS;

/// What a run's table says of it.
type Card = BTreeMap<String, String>;

/// Runs that differ in the seed alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// `lr 1e-4, fraction 0.1`; empty where nothing but the seed was varied.
    pub name: String,
    pub values: Card,
    /// Indices into [`Groups::runs`].
    pub runs: Vec<usize>,
    pub pairs: Option<f64>,
    pub parameters: Option<f64>,
}

/// All runs of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// Runs of the report.
    pub runs: Vec<usize>,
    pub all: Vec<Group>,
}

/// What one law of loss is fitted to.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    /// `pairs` or `parameters`.
    pub of: &'static str,
    /// The values of all other axes.
    pub series: String,
    /// Size and group.
    pub points: Vec<(f64, usize)>,
}

impl Groups {
    /// `None` where fewer than two runs say that they are part of a study.
    pub fn of(runs: &[(usize, &Card)]) -> Option<Self> {
        let mut groups = Self { runs: Vec::new(), all: Vec::new() };
        for (run, card) in runs.iter().filter(|(_, card)| card.keys().any(|axis| !is_axisless(axis))) {
            let values: Card =
                card.iter().filter(|(axis, _)| !is_fact(axis)).map(|(a, v)| (a.clone(), v.clone())).collect();
            let number = |fact: &str| card.get(fact).and_then(|text| text.parse::<f64>().ok());
            let at = groups.runs.len();
            groups.runs.push(*run);
            match groups.all.iter_mut().find(|group| group.values == values) {
                Some(group) => group.runs.push(at),
                None => groups.all.push(Group {
                    name: name(&values, &[]),
                    values,
                    runs: vec![at],
                    pairs: number(DATA.0),
                    parameters: number(PARAMETERS),
                }),
            }
        }
        (groups.runs.len() > 1).then_some(groups)
    }

    /// Where a group stands on each axis of numbers that has two values or more with everything else alike: the
    /// axis, the rest, the value.
    pub fn places(&self, group: &Group) -> Vec<(String, String, String)> {
        let is_number = |axis: &str| {
            let values = self.all.iter().filter_map(|group| group.values.get(axis));
            values.map(|value| value.parse::<f64>()).all(|number| number.is_ok_and(f64::is_finite))
        };
        let mut places = Vec::new();
        for (axis, value) in group.values.iter().filter(|(axis, _)| is_number(axis)) {
            let rest = without(&group.values, &[axis]);
            let on_it = self
                .all
                .iter()
                .filter(|other| other.values.contains_key(axis) && without(&other.values, &[axis]) == rest);
            if on_it.count() > 1 {
                places.push((axis.clone(), name(&rest, &[]), value.clone()));
            }
        }
        places
    }

    /// Loss against the number of pairs, and against the number of parameters: one law for each setting of
    /// everything that does not change that number.
    pub fn laws(&self) -> Vec<Law> {
        let mut laws: Vec<Law> = Vec::new();
        for (of, is_size) in [(DATA.0, is_of_data as fn(&str) -> bool), (PARAMETERS, is_of_size)] {
            for (at, group) in self.all.iter().enumerate() {
                let size = if of == DATA.0 { group.pairs } else { group.parameters };
                let Some(size) = size.filter(|size| *size > 0.0) else { continue };
                let axes: Vec<&String> = group.values.keys().filter(|axis| is_size(axis)).collect();
                if axes.is_empty() {
                    continue;
                }
                let series = name(&group.values, &axes);
                match laws.iter_mut().find(|law| law.of == of && law.series == series) {
                    Some(law) => law.points.push((size, at)),
                    None => laws.push(Law { of, series, points: vec![(size, at)] }),
                }
            }
        }
        laws.retain(|law| law.points.len() > 1);
        laws
    }
}

fn is_axisless(axis: &str) -> bool {
    crate::study::FACTS.contains(&axis)
}

fn is_of_data(axis: &str) -> bool {
    axis == DATA.1
}

fn is_of_size(axis: &str) -> bool {
    axis.starts_with("init.") || axis == "source.model"
}

fn without(values: &Card, axes: &[&String]) -> Card {
    values.iter().filter(|(axis, _)| !axes.contains(axis)).map(|(a, v)| (a.clone(), v.clone())).collect()
}

/// `lr 1e-4, fraction 0.1`, less some axes.
fn name(values: &Card, less: &[&String]) -> String {
    let parts = without(values, less).iter().map(|(axis, value)| format!("{axis} {value}")).collect::<Vec<_>>();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(values: &[(&str, &str)]) -> Card {
        values.iter().map(|(axis, value)| ((*axis).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn seeds_are_grouped_and_curves_found() {
        let cards = [
            card(&[("fraction", "0.5"), ("seed", "0"), ("pairs", "50"), ("parameters", "9")]),
            card(&[("fraction", "0.5"), ("seed", "1"), ("pairs", "52"), ("parameters", "9")]),
            card(&[("fraction", "1"), ("seed", "0"), ("pairs", "100"), ("parameters", "9")]),
            card(&[("pairs", "100"), ("parameters", "9")]),
        ];
        let runs: Vec<(usize, &Card)> = cards.iter().enumerate().collect();
        let groups = Groups::of(&runs).unwrap();
        assert_eq!((groups.runs.clone(), groups.all.len()), (vec![0, 1, 2], 2));
        assert_eq!((groups.all[0].name.as_str(), groups.all[0].runs.clone()), ("fraction 0.5", vec![0, 1]));
        assert_eq!(groups.places(&groups.all[1]), [("fraction".into(), String::new(), "1".into())]);
        let laws = groups.laws();
        assert_eq!((laws.len(), laws[0].of, laws[0].points.clone()), (1, "pairs", vec![(50.0, 0), (100.0, 1)]));
        assert_eq!(Groups::of(&runs[3..]), None);
    }
}
