//! The metrics a report knows by name: what they are called and in which unit they are shown.

/// How a number is printed. Findings hold fractions; reports show percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A fraction of 1, shown × 100.
    Percent,
    /// A difference of fractions, shown × 100 with its sign.
    Points,
    /// Shown as it is, three decimals.
    Plain,
}

pub const ACCURACY: &str = "accuracy";
/// accuracy(language) − accuracy(English) over the source items both have.
pub const GAP: &str = "gap-to-english";
/// Accuracy of preferring the longest response: what a model that saw no content would get.
pub const LONGEST: &str = "longest-wins";

#[derive(Debug)]
pub struct Measure {
    pub id: &'static str,
    pub title: &'static str,
    pub unit: Unit,
    /// One sentence for the method notes.
    pub about: &'static str,
}

pub static MEASURES: &[Measure] = &[
    Measure {
        id: ACCURACY,
        title: "Accuracy",
        unit: Unit::Percent,
        about: "Share of comparisons in which every chosen response has a higher reward than every rejected one.",
    },
    Measure {
        id: GAP,
        title: "Gap to English",
        unit: Unit::Points,
        about: "Accuracy in the language minus accuracy in English, over the source items that both have, in percentage points.",
    },
    Measure {
        id: LONGEST,
        title: "Longest wins",
        unit: Unit::Percent,
        about: "Accuracy of always preferring the longer response; no model is involved.",
    },
];

/// A measure by its id; metrics without an entry are shown under their id, as plain numbers.
pub fn measure(id: &str) -> Option<&'static Measure> {
    MEASURES.iter().find(|m| m.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_tidy() {
        for (i, m) in MEASURES.iter().enumerate() {
            assert!(MEASURES[..i].iter().all(|other| other.id != m.id), "{} twice", m.id);
            assert!(m.about.ends_with('.'), "{}: a sentence", m.id);
            assert!(m.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", m.id);
        }
    }
}
