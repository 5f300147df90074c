//! Paths with `*`, which stands for any part of a name but not for a slash.

/// Whether `path` is what `pattern` describes.
pub fn matches(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if matches_part(pattern, part) => {}
            _ => return false,
        }
    }
}

fn matches_part(pattern: &str, part: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == part };
    let Some(part) = part.strip_prefix(first) else { return false };
    // The stretch that the star stands for may end at any character.
    let ends = part.char_indices().map(|(at, _)| at).chain([part.len()]);
    ends.into_iter().any(|end| matches_part(rest, &part[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_at_slashes() {
        let cases = [
            ("data/test-*.parquet", "data/test-00000-of-00001.parquet", true),
            ("data/test-*.parquet", "data/train-00000-of-00001.parquet", false),
            ("data/*", "data/a/b", false),
            ("*/test-*", "arb_Arab/test-0.parquet", true),
            ("a*b*c", "a--b--c", true),
            ("a*b*c", "acb", false),
            ("*", "ü.json", true),
            ("x.json", "x.json", true),
            ("x.json", "y/x.json", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
