//! Tables of values by row and column, shared by the sections that show languages against something.

use crate::lang::Lang;
use crate::report::block::{Cell, Column, Inline, Row, Table, Value, common_n, visible};
use crate::report::figure::HeatCell;
use crate::report::number;

/// One row: what it is about, and a value per column.
pub struct MatrixRow {
    pub label: Inline,
    pub lang: Option<Lang>,
    pub run: Option<usize>,
    pub pinned: bool,
    pub values: Vec<Value>,
}

/// A table whose rows carry the n that most of their values share; a value with another n prints its own.
pub fn table(id: String, caption: Inline, corner: &str, columns: Vec<Column>, rows: Vec<MatrixRow>) -> Table {
    let mut all = vec![Column::left(corner)];
    all.extend(columns);
    all.push(
        Column::right("n").about("Comparisons behind each value of the row; a value with another n prints its own"),
    );
    let rows = rows.into_iter().map(|row| {
        let common = common_n(&row.values);
        let mut cells = vec![Cell::Text(row.label)];
        cells.extend(row.values.into_iter().map(|value| Cell::Value(value.beside(common))));
        cells.push(common.map_or_else(|| Cell::Absent("no value in this row".to_owned()), Cell::Count));
        Row { cells, lang: row.lang, run: row.run, pinned: row.pinned }
    });
    Table { id, caption, columns: all, rows: rows.collect() }
}

/// A cell of a map: its value in a language, of no run.
pub fn cell(what: &str, value: &Value, lang: Lang) -> HeatCell {
    HeatCell { hover: hover(what, value), estimate: value.estimate, run: None, lang: Some(lang), faint: false }
}

/// Hover text of a mark: what it is, and everything about its value.
pub fn hover(what: &str, value: &Value) -> String {
    let what = visible(what);
    match (&value.estimate, &value.why) {
        (Some(e), _) => format!("{what}: {}", number::in_words(e, value.unit)),
        (None, Some(why)) => format!("{what}: {why}"),
        (None, None) => format!("{what}: no estimate"),
    }
}
