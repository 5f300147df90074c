//! Plain-text tables: columns as wide as they need to be, text to the left, numbers to the right.

/// Lines of a table with a header. Columns whose header begins with `<` are set to the left.
pub fn grid(header: &[&str], rows: &[Vec<String>]) -> String {
    let names: Vec<&str> = header.iter().map(|name| name.trim_start_matches('<')).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        cells.chain([names[column]]).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &[&str]| {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate().take(header.len()) {
            let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            text.push_str(if column == 0 { "" } else { "  " });
            let (before, after) = if header[column].starts_with('<') { ("", pad.as_str()) } else { (pad.as_str(), "") };
            text.extend([before, *cell, after]);
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&names);
    for row in rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["de".to_owned(), "5".to_owned()], vec!["Ελλάδα".to_owned(), "1200".to_owned()]];
        assert_eq!(grid(&["<language", "n"], &rows), "language     n\nde           5\nΕλλάδα    1200\n");
    }
}
