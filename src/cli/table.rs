//! Plain-text tables for the terminal.

/// Rows under a header, columns padded to the widest cell; those that hold numbers are right-aligned.
///
/// Widths are counted in characters; cells are short ASCII names and numbers.
pub fn plain(header: &[&str], rows: &[Vec<String>]) -> String {
    let columns = header.len();
    let cell = |row: &[String], i: usize| row.get(i).cloned().unwrap_or_default();
    let width = |i: usize| {
        let cells = rows.iter().map(|row| cell(row, i).chars().count());
        cells.chain([header[i].chars().count()]).max().unwrap_or(0)
    };
    let is_number = |text: &str| text.is_empty() || text.chars().all(|c| c.is_ascii_digit() || ",.-+%".contains(c));
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let right: Vec<bool> = (0..columns).map(|i| rows.iter().all(|row| is_number(&cell(row, i)))).collect();
    let line = |cells: Vec<String>| {
        let padded = cells.iter().enumerate().map(|(i, text)| {
            let width = widths[i];
            if right[i] { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(header.iter().map(|name| (*name).to_owned()).collect());
    for row in rows {
        text.push_str(&line((0..columns).map(|i| cell(row, i)).collect()));
    }
    text
}

/// `12345` as `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_words_left() {
        let rows = vec![vec!["a".to_owned(), count(1_234_567)], vec!["longer".to_owned(), "-".to_owned()]];
        assert_eq!(plain(&["name", "n"], &rows), "name            n\na       1,234,567\nlonger          -\n");
        assert_eq!([count(0), count(999), count(1000)], ["0", "999", "1,000"]);
    }
}
