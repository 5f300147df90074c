//! "Did you mean": the known names nearest to a misspelt one.

/// Edit distance with transpositions (optimal string alignment), over characters.
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    // Three rows of the usual table: two back, one back, current.
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitution.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// At most `limit` of `known` that lie near `wanted`, nearest first; ties keep the order given.
///
/// Near means within a third of the longer name, at least one edit; a name that begins with what was
/// typed (three characters or more) is near as well.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let length = wanted.chars().count();
    let mut found: Vec<(usize, &str)> = Vec::new();
    for name in known {
        let candidate = name.to_lowercase();
        let edits = distance(&wanted, &candidate);
        let allowed = (length.max(candidate.chars().count()) / 3).max(1);
        let begins = length >= 3 && candidate.starts_with(&wanted);
        if edits <= allowed || begins {
            found.push((if begins { edits.min(1) } else { edits }, name));
        }
    }
    found.sort_by_key(|&(edits, _)| edits);
    found.into_iter().map(|(_, name)| name).take(limit).collect()
}

/// `did you mean a, b or c?`; nothing when there is nothing to suggest.
pub fn did_you_mean<S: AsRef<str>>(suggestions: &[S]) -> Option<String> {
    let quoted: Vec<String> = suggestions.iter().map(|s| format!("`{}`", s.as_ref())).collect();
    let (last, rest) = quoted.split_last()?;
    Some(if rest.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", rest.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("swahlii", "swahili"), 1, "a transposition is one edit");
        assert_eq!(distance("öl", "ol"), 1, "characters, not bytes");
    }

    #[test]
    fn nearest_names_come_first_and_far_ones_not_at_all() {
        let known = ["turkish", "turkmen", "kurdish", "zulu"];
        assert_eq!(nearest("turkihs", known, 3), ["turkish"]);
        assert_eq!(nearest("turk", known, 3), ["turkish", "turkmen"]);
        assert!(nearest("xyzxyz", known, 3).is_empty());
    }

    #[test]
    fn a_hint_lists_what_there_is() {
        assert_eq!(did_you_mean(&["a", "b", "c"]).unwrap(), "did you mean `a`, `b` or `c`?");
        assert_eq!(did_you_mean::<&str>(&[]), None);
    }
}
