//! The nine cells of a style matrix.

use super::{Measure, Unit};

pub(super) static CELLS: &[Measure] = &[
    Measure {
        id: "style-matrix-1-1",
        title: "Concise > concise",
        unit: Unit::Percent,
        about: "Share of comparisons whose concise chosen response is above the concise rejected one.",
    },
    Measure {
        id: "style-matrix-1-2",
        title: "Concise > detailed",
        unit: Unit::Percent,
        about: "Share of comparisons whose concise chosen response is above the detailed rejected one.",
    },
    Measure {
        id: "style-matrix-1-3",
        title: "Concise > Markdown",
        unit: Unit::Percent,
        about: "Share of comparisons whose concise chosen response is above the Markdown rejected one.",
    },
    Measure {
        id: "style-matrix-2-1",
        title: "Detailed > concise",
        unit: Unit::Percent,
        about: "Share of comparisons whose detailed chosen response is above the concise rejected one.",
    },
    Measure {
        id: "style-matrix-2-2",
        title: "Detailed > detailed",
        unit: Unit::Percent,
        about: "Share of comparisons whose detailed chosen response is above the detailed rejected one.",
    },
    Measure {
        id: "style-matrix-2-3",
        title: "Detailed > Markdown",
        unit: Unit::Percent,
        about: "Share of comparisons whose detailed chosen response is above the Markdown rejected one.",
    },
    Measure {
        id: "style-matrix-3-1",
        title: "Markdown > concise",
        unit: Unit::Percent,
        about: "Share of comparisons whose Markdown chosen response is above the concise rejected one.",
    },
    Measure {
        id: "style-matrix-3-2",
        title: "Markdown > detailed",
        unit: Unit::Percent,
        about: "Share of comparisons whose Markdown chosen response is above the detailed rejected one.",
    },
    Measure {
        id: "style-matrix-3-3",
        title: "Markdown > Markdown",
        unit: Unit::Percent,
        about: "Share of comparisons whose Markdown chosen response is above the Markdown rejected one.",
    },
];
