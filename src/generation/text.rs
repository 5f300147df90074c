//! Tokens to text as they come.
//!
//! A token's text depends on its neighbours: characters beyond ASCII may be several tokens, and blanks belong to
//! words. So a short window is decoded with and without the new token, and the difference is what it adds.

use crate::text::encode::TextPipeline;

/// What UTF-8 that is not whole is shown as.
const BROKEN: char = '\u{fffd}';

/// The text of one reply so far.
#[derive(Debug, Default)]
pub struct Growing {
    ids: Vec<u32>,
    /// The window begins here.
    window: usize,
    /// Tokens before this one have given their text.
    given: usize,
    pub text: String,
}

impl Growing {
    /// Takes a token; returns what it adds. Nothing while a character is not whole.
    pub fn push(&mut self, id: u32, pipeline: &TextPipeline) -> String {
        self.ids.push(id);
        let added = self.pending(pipeline);
        if added.is_empty() || added.ends_with(BROKEN) {
            return String::new();
        }
        (self.window, self.given) = (self.given, self.ids.len());
        self.text.push_str(&added);
        added
    }

    /// What is left at the end, whole or not.
    pub fn finish(&mut self, pipeline: &TextPipeline) -> String {
        let added = self.pending(pipeline);
        self.given = self.ids.len();
        self.text.push_str(&added);
        added
    }

    fn pending(&self, pipeline: &TextPipeline) -> String {
        let before = pipeline.text_of(&self.ids[self.window..self.given]);
        let whole = pipeline.text_of(&self.ids[self.window..]);
        whole.strip_prefix(before.as_str()).unwrap_or_default().to_owned()
    }
}

/// Where the first stop text begins, if one ends in the last `added` bytes.
pub fn stopped(text: &str, added: usize, stops: &[String]) -> Option<usize> {
    let of_stop = |stop: &String| {
        let mut from = text.len().saturating_sub(added + stop.len());
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        text[from..].find(stop.as_str()).map(|at| from + at)
    };
    stops.iter().filter(|stop| !stop.is_empty()).filter_map(of_stop).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_texts_are_found_across_tokens() {
        let stops = ["\n\n".to_owned(), "END".to_owned()];
        assert_eq!(stopped("abc\n\nd", 2, &stops), Some(3));
        assert_eq!(stopped("abEND", 1, &stops), Some(2));
        assert_eq!(stopped("aéEND", 1, &stops), Some(3));
        assert_eq!(stopped("abEN", 2, &stops), None);
        assert_eq!(stopped("abc", 3, &["".to_owned()]), None);
    }
}
