//! Tables of values by row and column, shared by the sections that show languages against something.

use crate::lang::Lang;
use crate::report::block::{Cell, Column, Inline, Row, Table, Value};
use crate::report::number;

/// One row: what it is about, and a value per column.
pub struct MatrixRow {
    pub label: Inline,
    pub lang: Option<Lang>,
    pub run: Option<usize>,
    pub pinned: bool,
    pub values: Vec<Value>,
}

/// A table whose rows carry one n for all their values where they share it; where they do not, every
/// value prints its own.
pub fn table(id: String, caption: Inline, corner: &str, columns: Vec<Column>, rows: Vec<MatrixRow>) -> Table {
    let mut all = vec![Column::left(corner)];
    all.extend(columns);
    all.push(Column::right("n").about("Comparisons with an outcome behind each value of the row"));
    let rows = rows.into_iter().map(|row| {
        let shared = shared_n(&row.values);
        let n = match shared {
            Some((low, high)) if low == high => Cell::Count(low),
            Some((low, high)) => Cell::CountRange(low, high),
            None => Cell::Absent("no value in this row".to_owned()),
        };
        let one_n = matches!(n, Cell::Count(_));
        let mut cells = vec![Cell::Text(row.label)];
        cells.extend(row.values.into_iter().map(|v| Cell::Value(if one_n { v.without_n() } else { v })));
        cells.push(n);
        Row { cells, lang: row.lang, run: row.run, pinned: row.pinned }
    });
    Table { id, caption, columns: all, rows: rows.collect() }
}

fn shared_n(values: &[Value]) -> Option<(usize, usize)> {
    let ns = values.iter().filter_map(|v| v.estimate).map(|e| e.n);
    ns.fold(None, |range, n| match range {
        None => Some((n, n)),
        Some((low, high)) => Some((n.min(low), n.max(high))),
    })
}

/// Hover text of a mark: what it is, and everything about its value.
pub fn hover(what: &str, value: &Value) -> String {
    match (&value.estimate, &value.why) {
        (Some(e), _) => format!("{what}: {}", number::in_words(e, value.unit)),
        (None, Some(why)) => format!("{what}: {why}"),
        (None, None) => format!("{what}: no estimate"),
    }
}
