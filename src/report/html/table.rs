//! Tables: sortable headers, row headers that stay in view, notes for what is absent.

use maud::{Markup, html};

use crate::report::block::{Align, Cell, Column, Row, Table, Value};
use crate::report::html::inline::inline;
use crate::report::number;

/// More columns than this put intervals under their points.
const INLINE_COLUMNS: usize = 7;
/// More columns than this are printed across, and small.
const UPRIGHT_COLUMNS: usize = 12;

pub fn table(table: &Table) -> Markup {
    let reasons = table.reasons();
    let caption = format!("{}-caption", table.id);
    let sortable = table.rows.iter().filter(|row| !row.pinned).count() > 1;
    let class = if table.columns.len() > INLINE_COLUMNS { "stacked" } else { "" };
    let frame = if table.columns.len() > UPRIGHT_COLUMNS { "table across" } else { "table" };
    let (pinned, rest): (Vec<&Row>, Vec<&Row>) = table.rows.iter().partition(|row| row.pinned);
    html! {
        div class=(frame) tabindex="0" role="region" aria-labelledby=(caption) {
            table id=(table.id) class=(class) {
                caption id=(caption) { span { (inline(&table.caption)) } }
                thead { tr { @for column in &table.columns { (header(column, sortable)) } } }
                @if !pinned.is_empty() {
                    tbody.pinned { @for row in pinned { (self::row(row, &table.id, &reasons)) } }
                }
                tbody.rows { @for row in rest { (self::row(row, &table.id, &reasons)) } }
            }
        }
        @if !reasons.is_empty() {
            ol.reasons {
                @for (i, reason) in reasons.iter().enumerate() {
                    li id=(note_id(&table.id, i)) { bdi { (reason) } }
                }
            }
        }
    }
}

fn header(column: &Column, sortable: bool) -> Markup {
    let class = if column.align == Align::Right { "num" } else { "" };
    let run = column.run.map(|run| run.to_string());
    let first = column.lowest_first.then_some("ascending");
    html! {
        th scope="col" class=(class) data-run=[run] data-first=[first] title=[column.about.as_deref()] {
            @if sortable { button type="button" { span { (inline(&column.title)) } } } @else { (inline(&column.title)) }
            @if let Some(n) = column.n { span.n { "n " (number::count(n)) } }
        }
    }
}

fn row(row: &Row, table: &str, reasons: &[&str]) -> Markup {
    let (lang, run) = (row.lang.map(|lang| lang.to_string()), row.run.map(|run| run.to_string()));
    html! {
        tr data-lang=[lang] data-run=[run] {
            @for (i, cell) in row.cells.iter().enumerate() {
                @if i == 0 { th scope="row" { (content(cell, table, reasons)) } } @else { (self::cell(cell, table, reasons)) }
            }
        }
    }
}

fn cell(cell: &Cell, table: &str, reasons: &[&str]) -> Markup {
    let class = if matches!(cell, Cell::Text(_)) { "" } else { "num" };
    let key = match cell {
        Cell::Count(n) => Some(n.to_string()),
        Cell::Number { key, .. } => Some(key.to_string()),
        Cell::Value(value) => value.estimate.map(|e| e.point.to_string()),
        Cell::Text(_) | Cell::Absent(_) => None,
    };
    let about = match cell {
        Cell::Value(value) => about(value),
        Cell::Absent(why) => Some(why.clone()),
        _ => None,
    };
    html! { td class=(class) data-v=[key] title=[about] { (content(cell, table, reasons)) } }
}

/// Everything about a value, for the pointer.
fn about(value: &Value) -> Option<String> {
    let Some(estimate) = &value.estimate else { return value.why.clone() };
    let mut text = number::in_words(estimate, value.unit);
    for (n, what) in [(value.n_ties, "tied"), (value.n_truncated, "truncated")] {
        if n > 0 {
            text.push_str(&format!(", {} {what}", number::count(n)));
        }
    }
    Some(text)
}

fn content(cell: &Cell, table: &str, reasons: &[&str]) -> Markup {
    let note = cell.reason().and_then(|why| reasons.iter().position(|r| *r == why));
    let note = html! {
        @if let Some(i) = note {
            sup { a href={ "#" (note_id(table, i)) } aria-label={ "note " (letter(i)) } { (letter(i)) } }
        }
    };
    html! {
        @match cell {
            Cell::Text(text) => (inline(text)),
            Cell::Count(n) => (number::count(*n)),
            Cell::Number { text, .. } => (text),
            Cell::Absent(_) => { span.absent { (number::ABSENT) } (note) },
            Cell::Value(value) => (self::value(value, &note)),
        }
    }
}

/// The letter of a note stands in the line of the interval, which may be one of its own.
fn value(value: &Value, note: &Markup) -> Markup {
    let Some(estimate) = &value.estimate else { return html! { span.absent { (number::ABSENT) } (note) } };
    html! {
        span.point { (number::point(estimate.point, value.unit)) }
        " "
        span.interval {
            @match &estimate.interval {
                Some(interval) => (number::interval(interval, value.unit)),
                None => (number::without_interval(estimate, value.unit)),
            }
            (note)
        }
        @if value.show_n { " " span.n { "n " (number::count(estimate.n)) } }
    }
}

/// A number set large.
pub fn key_value(cell: &Cell) -> Markup {
    html! {
        @match cell {
            Cell::Value(Value { estimate: Some(estimate), unit, .. }) => {
                dd.big { (number::point(estimate.point, *unit)) span.unit { (number::symbol(*unit)) } }
                dd.interval {
                    @match &estimate.interval {
                        Some(interval) => (number::interval(interval, *unit)),
                        None => (number::without_interval(estimate, *unit)),
                    }
                    ", n = " (number::count(estimate.n))
                }
            },
            other => dd.big { (content(other, "", &[])) },
        }
    }
}

fn note_id(table: &str, i: usize) -> String {
    format!("{table}-note-{}", letter(i))
}

/// a, b, …, z, aa, ab, …
pub fn letter(i: usize) -> String {
    let last = char::from(b'a' + (i % 26) as u8);
    if i < 26 { last.to_string() } else { format!("{}{last}", letter(i / 26 - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_do_not_run_out() {
        let letters: Vec<String> = [0, 25, 26, 51, 52].into_iter().map(letter).collect();
        assert_eq!(letters, ["a", "z", "aa", "az", "ba"]);
    }
}
