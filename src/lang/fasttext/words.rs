//! Which rows of the input a line has: its tokens, their character n-grams, n-grams of tokens.

use std::collections::HashMap;

use super::reading::{Arguments, Bytes};

/// What stands for the end of a line.
const END: &[u8] = b"</s>";
const LABEL: &[u8] = b"__label__";
const TOKEN_NGRAM: u64 = 116_049_371;

#[derive(Debug)]
pub struct Words {
    /// Of words and labels: its number.
    numbers: HashMap<Vec<u8>, usize>,
    n_words: usize,
    labels: Vec<(String, i64)>,
    bucket: usize,
    characters: (usize, usize),
    tokens: usize,
    /// Of a quantised model: the n-grams that were kept. `None`: all.
    kept: Option<HashMap<i32, i32>>,
}

impl Words {
    pub fn read(bytes: &mut Bytes<'_>, arguments: &Arguments) -> Result<Self, String> {
        let (n, n_words, n_labels) = (bytes.count()?, bytes.count()?, bytes.count()?);
        // How many tokens were seen.
        bytes.i64()?;
        let n_kept = bytes.i64()?;
        if n_words.checked_add(n_labels) != Some(n) {
            return Err(format!("{n} entries are not {n_words} words and {n_labels} labels"));
        }
        let mut numbers = HashMap::new();
        let mut labels = Vec::new();
        for number in 0..n {
            let text = bytes.text()?;
            let count = bytes.i64()?;
            if bytes.flag()? {
                labels.push((String::from_utf8_lossy(text).into_owned(), count));
            }
            numbers.insert(text.to_vec(), number);
        }
        if labels.len() != n_labels || labels.is_empty() {
            return Err(format!("{} of {n_labels} labels", labels.len()));
        }
        let kept = match usize::try_from(n_kept) {
            Err(_) => None,
            Ok(n_kept) => {
                let mut kept = HashMap::new();
                for _ in 0..n_kept {
                    kept.insert(bytes.i32()?, bytes.i32()?);
                }
                Some(kept)
            }
        };
        let Arguments { bucket, characters, tokens, .. } = *arguments;
        Ok(Self { numbers, n_words, labels, bucket, characters, tokens, kept })
    }

    /// Labels and how often each was seen, in order.
    pub fn labels(&self) -> Vec<(String, i64)> {
        self.labels.clone()
    }

    /// Rows that its words and n-grams need.
    pub fn n_rows(&self) -> usize {
        let ngrams = match &self.kept {
            None => self.bucket,
            Some(kept) => {
                kept.values().filter_map(|place| usize::try_from(*place).ok()).max().map_or(0, |most| most + 1)
            }
        };
        self.n_words + ngrams
    }

    /// Rows of a line's tokens and n-grams, as often as they occur.
    pub fn rows(&self, line: &str) -> Vec<usize> {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n' | 0);
        let mut rows = Vec::new();
        let mut hashes: Vec<i32> = Vec::new();
        let tokens = line.as_bytes().split(is_space).filter(|token| !token.is_empty());
        for token in tokens.chain([END]) {
            match self.numbers.get(token) {
                Some(number) if *number >= self.n_words => continue,
                None if token.starts_with(LABEL) => continue,
                Some(number) => {
                    rows.push(*number);
                    if token != END {
                        self.add_characters(token, &mut rows);
                    }
                }
                None if token == END => {}
                None => self.add_characters(token, &mut rows),
            }
            hashes.push(hash(token) as i32);
        }
        self.add_tokens(&hashes, &mut rows);
        rows
    }

    fn add(&self, ngram: u64, rows: &mut Vec<usize>) {
        let Some(place) = ngram.checked_rem(self.bucket as u64) else { return };
        let place = match &self.kept {
            None => Some(place as usize),
            Some(kept) => kept.get(&(place as i32)).and_then(|place| usize::try_from(*place).ok()),
        };
        rows.extend(place.map(|place| self.n_words + place));
    }

    /// N-grams of the characters of `<token>`, but not its first or last sign alone.
    fn add_characters(&self, token: &[u8], rows: &mut Vec<usize>) {
        let (least, most) = self.characters;
        let token: Vec<u8> = [b"<", token, b">"].concat();
        let is_start = |byte: u8| byte & 0xc0 != 0x80;
        for start in (0..token.len()).filter(|at| is_start(token[*at])) {
            let mut end = start;
            for n in 1..=most {
                if end >= token.len() {
                    break;
                }
                end += 1;
                while end < token.len() && !is_start(token[end]) {
                    end += 1;
                }
                if n >= least && !(n == 1 && (start == 0 || end == token.len())) {
                    self.add(u64::from(hash(&token[start..end])), rows);
                }
            }
        }
    }

    fn add_tokens(&self, hashes: &[i32], rows: &mut Vec<usize>) {
        for first in 0..hashes.len() {
            // Hashes are signed there, and stay so in 64 bits.
            let mut all = i64::from(hashes[first]) as u64;
            for next in hashes.iter().take(first + self.tokens).skip(first + 1) {
                all = all.wrapping_mul(TOKEN_NGRAM).wrapping_add(i64::from(*next) as u64);
                self.add(all, rows);
            }
        }
    }
}

/// FNV-1a over signed bytes, as fastText has it.
fn hash(text: &[u8]) -> u32 {
    text.iter().fold(2_166_136_261, |hash: u32, byte| (hash ^ (*byte as i8) as u32).wrapping_mul(16_777_619))
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn bytes_are_signed_in_hashes() {
        assert_eq!(hash(b""), 2_166_136_261);
        assert_eq!(hash(b"a"), 0xe40c_292c);
        // 0xc3 counts as 0xffffffc3.
        assert_eq!(hash(&[0xc3]), (2_166_136_261u32 ^ 0xffff_ffc3).wrapping_mul(16_777_619));
    }
}
