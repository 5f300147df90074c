//! Python's changes of case that the standard library lacks: title case, and what is built on it.

/// Letters whose title case is neither the letter itself nor its upper case (Unicode's SpecialCasing and
/// UnicodeData, as Python 3.11 has them).
#[rustfmt::skip]
const TITLE: [(char, &str); 58] = [
    ('ß', "Ss"), ('Ǆ', "ǅ"), ('ǆ', "ǅ"), ('Ǉ', "ǈ"), ('ǉ', "ǈ"), ('Ǌ', "ǋ"), ('ǌ', "ǋ"), ('Ǳ', "ǲ"), ('ǳ', "ǲ"),
    ('և', "Եւ"), ('ᾀ', "ᾈ"), ('ᾁ', "ᾉ"), ('ᾂ', "ᾊ"), ('ᾃ', "ᾋ"), ('ᾄ', "ᾌ"), ('ᾅ', "ᾍ"), ('ᾆ', "ᾎ"), ('ᾇ', "ᾏ"),
    ('ᾐ', "ᾘ"), ('ᾑ', "ᾙ"), ('ᾒ', "ᾚ"), ('ᾓ', "ᾛ"), ('ᾔ', "ᾜ"), ('ᾕ', "ᾝ"), ('ᾖ', "ᾞ"), ('ᾗ', "ᾟ"), ('ᾠ', "ᾨ"),
    ('ᾡ', "ᾩ"), ('ᾢ', "ᾪ"), ('ᾣ', "ᾫ"), ('ᾤ', "ᾬ"), ('ᾥ', "ᾭ"), ('ᾦ', "ᾮ"), ('ᾧ', "ᾯ"), ('ᾲ', "Ὰ\u{345}"),
    ('ᾳ', "ᾼ"), ('ᾴ', "Ά\u{345}"), ('ᾷ', "Α\u{342}\u{345}"), ('ῂ', "Ὴ\u{345}"), ('ῃ', "ῌ"), ('ῄ', "Ή\u{345}"),
    ('ῇ', "Η\u{342}\u{345}"), ('ῲ', "Ὼ\u{345}"), ('ῳ', "ῼ"), ('ῴ', "Ώ\u{345}"), ('ῷ', "Ω\u{342}\u{345}"),
    ('ﬀ', "Ff"), ('ﬁ', "Fi"), ('ﬂ', "Fl"), ('ﬃ', "Ffi"), ('ﬄ', "Ffl"), ('ﬅ', "St"), ('ﬆ', "St"), ('ﬓ', "Մն"),
    ('ﬔ', "Մե"), ('ﬕ', "Մի"), ('ﬖ', "Վն"), ('ﬗ', "Մխ"),
];

/// Letters that are their own title case although they have an upper case: Georgian, and title case itself.
fn stays(c: char) -> bool {
    matches!(c, 'ა'..='ჺ' | 'ჽ'..='ჿ') || is_title(c)
}

/// Unicode's category Lt.
fn is_title(c: char) -> bool {
    matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ' | 'ᾈ'..='ᾏ' | 'ᾘ'..='ᾟ' | 'ᾨ'..='ᾯ' | 'ᾼ' | 'ῌ' | 'ῼ')
}

fn has_case(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase() || is_title(c)
}

fn push_title(c: char, out: &mut String) {
    match TITLE.binary_search_by_key(&c, |(letter, _)| *letter) {
        Ok(found) => out.push_str(TITLE[found].1),
        Err(_) if stays(c) => out.push(c),
        Err(_) => out.extend(c.to_uppercase()),
    }
}

/// The lower case of the letter at `at`; a sigma's depends on its neighbours.
fn push_lower(text: &str, at: usize, c: char, out: &mut String) {
    if c == 'Σ' {
        let lower = text.to_lowercase();
        let before = text[..at].to_lowercase().len();
        out.extend(lower.get(before..).and_then(|rest| rest.chars().next()));
    } else {
        out.extend(c.to_lowercase());
    }
}

/// `str.title`: a letter is in title case unless one that has case stands before it.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if in_word {
            push_lower(text, at, c, &mut out);
        } else {
            push_title(c, &mut out);
        }
        in_word = has_case(c);
    }
    out
}

/// `str.capitalize`: the first letter in title case, the others in lower case.
pub fn capitalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if at == 0 {
            push_title(c, &mut out);
        } else {
            push_lower(text, at, c, &mut out);
        }
    }
    out
}

/// `str.swapcase`.
pub fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if c.is_uppercase() {
            push_lower(text, at, c, &mut out);
        } else if c.is_lowercase() {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_after_anything_without_case() {
        assert_eq!(title("<b>it's 3rd ÉTÉ</b>"), "<B>It'S 3Rd Été</B>");
        assert_eq!(title("ǆ ΟΔΟΣ ΑΣ. ქარი ß"), "ǅ Οδος Ας. ქარი Ss");
        assert_eq!(capitalize("ßA ΟΔΟΣ"), "Ssa οδος");
        assert_eq!(swapcase("aB1ßΣ"), "Ab1SSς");
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(TITLE.is_sorted_by_key(|(letter, _)| *letter));
    }
}
