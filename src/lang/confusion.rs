//! Language confusion (Marchisio et al. 2024): is a response in the language that was asked for?
//!
//! A response ends at the first newline followed by `Q:`. ASCII punctuation and the Arabic comma are deleted,
//! the long dash becomes a space. Lines with fewer than five words are left out; a response without any
//! other is skipped. A line is wrong where the identifier's language is another, or is not sure (0.3).
//!
//! LPR = 1 − responses with a wrong line / responses not skipped. Line accuracy = mean share of right lines.
//! WPR, for languages of other scripts only: of the responses without a wrong line, the share that holds no
//! English word (all lower case, longer than three letters).
//!
//! Where this departs from the original: Chinese and Japanese are not segmented, two characters count as one
//! word; without a dictionary, any Latin lower-case word counts as English.

use super::Lang;
use super::identify::Identify;

/// Below this probability a line's language is unknown, which counts as wrong.
const SURE: f64 = 0.3;
const MIN_WORDS: usize = 5;
const WITH_WPR: [&str; 6] = ["arb_Arab", "hin_Deva", "jpn_Jpan", "kor_Hang", "rus_Cyrl", "zho_Hans"];

/// What is left of a response, line by line.
fn lines(response: &str) -> Vec<String> {
    let cut = response.split("\nQ:").next().unwrap_or(response).trim();
    let keep = |c: char| match c {
        '\u{2014}' => Some(' '),
        '\u{060C}' => None,
        c if c.is_ascii_punctuation() => None,
        c => Some(c),
    };
    cut.lines().map(|line| line.chars().filter_map(keep).collect::<String>()).collect()
}

/// Words of a line; two characters of Han or kana are one.
fn words(line: &str) -> usize {
    let unspaced = |c: char| matches!(c, '\u{3041}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}');
    let of_word = |word: &str| match word.chars().filter(|c| unspaced(*c)).count() {
        0 => 1,
        n => n.div_ceil(2),
    };
    line.split_whitespace().map(of_word).sum()
}

/// One response judged; `None`: skipped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    pub lines: usize,
    pub right: usize,
    /// Whether it holds an English word; only asked where all lines are right and the language has a WPR.
    pub english_word: Option<bool>,
}

pub fn judge(
    response: &str,
    wanted: Lang,
    identifier: &dyn Identify,
    is_english: &dyn Fn(&str) -> bool,
) -> Option<Judged> {
    let lines: Vec<String> = lines(response).into_iter().filter(|line| words(line) >= MIN_WORDS).collect();
    let is_right = |line: &&String| {
        identifier.identify(line).is_some_and(|guess| identifier.same(guess.lang, wanted) && guess.probability > SURE)
    };
    let right = lines.iter().filter(is_right).count();
    let english_word = (right == lines.len() && WITH_WPR.contains(&wanted.code())).then(|| {
        let tokens = lines.iter().flat_map(|line| line.split_whitespace());
        tokens.filter(|t| t.chars().count() > 3 && t.chars().all(char::is_lowercase)).any(is_english)
    });
    (!lines.is_empty()).then_some(Judged { lines: lines.len(), right, english_word })
}

/// Without a dictionary: any word of ASCII letters.
pub fn looks_english(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Counts over responses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Confusion {
    pub responses: usize,
    pub skipped: usize,
    wrong: usize,
    shares: f64,
    asked: usize,
    with_english: usize,
}

impl Confusion {
    pub fn add(&mut self, judged: Option<Judged>) {
        self.responses += 1;
        let Some(judged) = judged else {
            self.skipped += 1;
            return;
        };
        self.wrong += usize::from(judged.right < judged.lines);
        self.shares += judged.right as f64 / judged.lines as f64;
        if let Some(english) = judged.english_word {
            self.asked += 1;
            self.with_english += usize::from(english);
        }
    }

    /// Responses with a line long enough.
    pub fn judged(&self) -> usize {
        self.responses - self.skipped
    }

    /// Of those, the ones with a wrong line.
    pub fn wrong(&self) -> usize {
        self.wrong
    }

    /// Sum over responses of the share of right lines.
    pub fn shares(&self) -> f64 {
        self.shares
    }

    /// Responses that were asked for English words, and those that hold one.
    pub fn words(&self) -> (usize, usize) {
        (self.asked, self.with_english)
    }

    fn n_judged(&self) -> Option<f64> {
        Some(self.judged() as f64).filter(|n| *n > 0.0)
    }

    /// Line pass rate; `None` where every response was skipped (the original says 1).
    pub fn lpr(&self) -> Option<f64> {
        self.n_judged().map(|n| 1.0 - self.wrong as f64 / n)
    }

    pub fn line_accuracy(&self) -> Option<f64> {
        self.n_judged().map(|n| self.shares / n)
    }

    /// Word pass rate; `None` for languages without one.
    pub fn wpr(&self) -> Option<f64> {
        (self.asked > 0).then(|| 1.0 - self.with_english as f64 / self.asked as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::identify::{BuiltIn, Guess};
    use super::*;

    #[derive(Debug)]
    struct Says(&'static str, f64);

    impl Identify for Says {
        fn name(&self) -> &str {
            "a fixed answer"
        }

        fn knows(&self, _: Lang) -> bool {
            true
        }

        fn identify(&self, _: &str) -> Option<Guess> {
            Some(Guess { lang: Lang::from_code(self.0)?, probability: self.1 })
        }
    }

    fn judged(text: &str, wanted: &str, identifier: &dyn Identify) -> Option<Judged> {
        judge(text, Lang::from_code(wanted).unwrap(), identifier, &looks_english)
    }

    #[test]
    fn short_lines_are_left_out_and_unsure_ones_are_wrong() {
        assert_eq!(judged("one two three four", "eng_Latn", &Says("eng_Latn", 1.0)), None);
        let five = judged(
            "one, two, three, four, five!\nand so\nQ: and then the next one comes",
            "eng_Latn",
            &Says("eng_Latn", 1.0),
        );
        assert_eq!(five, Some(Judged { lines: 1, right: 1, english_word: None }));
        assert_eq!(judged("one two three four five", "eng_Latn", &Says("eng_Latn", 0.3)).unwrap().right, 0);
        assert_eq!(judged("one two three four five", "eng_Latn", &Says("eng_Latn", 0.31)).unwrap().right, 1);
    }

    /// The six languages of the paper, in scripts that no English word is written in.
    #[test]
    fn a_word_pass_rate_is_for_other_scripts_only() {
        let text = "one two three four five";
        for (code, asked) in [
            ("arb_Arab", true),
            ("hin_Deva", true),
            ("jpn_Jpan", true),
            ("kor_Hang", true),
            ("rus_Cyrl", true),
            ("zho_Hans", true),
            ("deu_Latn", false),
            ("ell_Grek", false),
            ("tur_Latn", false),
        ] {
            let found = judged(text, code, &Says(code, 0.9)).unwrap();
            // `three`, `four`, `five` have more than three letters; a capital letter saves a word.
            assert_eq!(found.english_word, asked.then_some(true), "{code}");
            let capital = judged("One TWO Three FOUR Five", code, &Says(code, 0.9)).unwrap();
            assert_eq!(capital.english_word, asked.then_some(false), "{code}");
        }
    }

    #[test]
    fn rates_by_hand() {
        let mut all = Confusion::default();
        let hindi = "मुझे नहीं पता कि इस सवाल का जवाब क्या है";
        all.add(judged(hindi, "hin_Deva", &BuiltIn));
        all.add(judged(&format!("{hindi} answer"), "hin_Deva", &BuiltIn));
        all.add(judged(&format!("{hindi}\nThis is the answer to the question that you have"), "hin_Deva", &BuiltIn));
        all.add(judged("हाँ", "hin_Deva", &BuiltIn));
        assert_eq!((all.responses, all.skipped), (4, 1));
        // Of three, one has a wrong line; of the two right ones, one has an English word.
        assert!((all.lpr().unwrap() - 2.0 / 3.0).abs() < 1e-15);
        assert!((all.line_accuracy().unwrap() - 2.5 / 3.0).abs() < 1e-15);
        assert_eq!(all.wpr(), Some(0.5));
        assert_eq!((Confusion::default().lpr(), Confusion::default().wpr()), (None, None));
    }
}
