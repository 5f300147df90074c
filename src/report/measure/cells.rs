//! The nine cells of a style matrix.

use super::{Measure, Unit};

pub(super) static CELLS: &[Measure] = &[
    Measure {
        id: "style-matrix-concise-concise",
        title: "Concise > concise",
        unit: Unit::Percent,
        about: "Share of comparisons whose concise chosen response is above the concise rejected one.",
    },
    Measure {
        id: "style-matrix-concise-detailed",
        title: "Concise > detailed",
        unit: Unit::Percent,
        about: "Share of comparisons whose concise chosen response is above the detailed rejected one.",
    },
    Measure {
        id: "style-matrix-concise-markdown",
        title: "Concise > Markdown",
        unit: Unit::Percent,
        about: "Share of comparisons whose concise chosen response is above the Markdown rejected one.",
    },
    Measure {
        id: "style-matrix-detailed-concise",
        title: "Detailed > concise",
        unit: Unit::Percent,
        about: "Share of comparisons whose detailed chosen response is above the concise rejected one.",
    },
    Measure {
        id: "style-matrix-detailed-detailed",
        title: "Detailed > detailed",
        unit: Unit::Percent,
        about: "Share of comparisons whose detailed chosen response is above the detailed rejected one.",
    },
    Measure {
        id: "style-matrix-detailed-markdown",
        title: "Detailed > Markdown",
        unit: Unit::Percent,
        about: "Share of comparisons whose detailed chosen response is above the Markdown rejected one.",
    },
    Measure {
        id: "style-matrix-markdown-concise",
        title: "Markdown > concise",
        unit: Unit::Percent,
        about: "Share of comparisons whose Markdown chosen response is above the concise rejected one.",
    },
    Measure {
        id: "style-matrix-markdown-detailed",
        title: "Markdown > detailed",
        unit: Unit::Percent,
        about: "Share of comparisons whose Markdown chosen response is above the detailed rejected one.",
    },
    Measure {
        id: "style-matrix-markdown-markdown",
        title: "Markdown > Markdown",
        unit: Unit::Percent,
        about: "Share of comparisons whose Markdown chosen response is above the Markdown rejected one.",
    },
];
