//! From a reply to what the judgment is: verdict, tie, unparsed, refused or error, with probabilities where there are any.

use super::Outcome;
use super::grammar::rewardbench::Read;
use super::grammar::{Grammar, Meaning, Place, Reading, Verdict};
use super::protocol::Protocol;
use super::settings::ParserChoice;
use super::wire::{Reply, Token};
use crate::lang::Lang;

/// A reply as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Understood {
    pub outcome: Option<Outcome>,
    pub picked: Option<usize>,
    pub strength: Option<u8>,
    pub rating: Option<f64>,
    pub grades: Option<[f64; 2]>,
    pub probabilities: Option<Vec<f64>>,
    pub why: Option<String>,
}

impl Understood {
    fn nothing(outcome: Outcome, why: impl Into<String>) -> Self {
        Self { outcome: Some(outcome), why: Some(why.into()), ..Self::default() }
    }

    /// No attempt brought a reply.
    pub fn without_reply(problem: &str) -> Self {
        Self::nothing(Outcome::Error, format!("no reply: {problem}"))
    }

    fn of(verdict: Verdict) -> Self {
        let mut understood = Self { outcome: Some(Outcome::Verdict), ..Self::default() };
        match verdict {
            Verdict::Pick { place, strength } => (understood.picked, understood.strength) = (Some(place), strength),
            Verdict::Rating(rating) => understood.rating = Some(rating),
            Verdict::Tie => understood.outcome = Some(Outcome::Tie),
        }
        understood
    }
}

pub fn understand(reply: &Reply, protocol: &Protocol, lang: Lang, parser: ParserChoice) -> Understood {
    if let Some(message) = &reply.rejected {
        return Understood::nothing(Outcome::Error, format!("the server rejects the question: {message}"));
    }
    let rewardbench = protocol.verdict.rewardbench.filter(|_| parser == ParserChoice::Rewardbench);
    if let Some(parser) = rewardbench {
        return match parser.read(&reply.text, protocol.shows) {
            Some(Read::Place(place)) => Understood::of(Verdict::Pick { place, strength: None }),
            Some(Read::Rating(rating)) => Understood::of(Verdict::Rating(rating)),
            None => Understood::nothing(Outcome::Unparsed, "RewardBench's parser finds no verdict"),
        };
    }
    if reply.declined {
        return Understood::nothing(Outcome::Refused, "the server or the model declined");
    }
    if let (true, Some(reward)) = (protocol.reads_head(), reply.reward) {
        return Understood::of(Verdict::Rating(reward));
    }
    let grammar = protocol.grammar(lang);
    if let Some(probabilities) = of_first_token(reply, protocol, &grammar) {
        return by_probability(probabilities, &protocol.verdict.meaning);
    }
    let reading = grammar.read(&reply.text);
    let grades = if protocol.asks_for_grades() { protocol.grades(lang, &reply.text, &reading) } else { None };
    match reading {
        Reading::Verdict { verdict, at } => {
            let probabilities = token_at(&reply.tokens, &reply.text, at.start)
                .filter(|_| matches!(verdict, Verdict::Pick { .. }) || is_yes_no(&protocol.verdict.meaning))
                .and_then(|token| grammar.probabilities(&token.top));
            match probabilities {
                // GenRM: the reward of an answer is the probability of yes.
                Some(probabilities) if is_yes_no(&protocol.verdict.meaning) => {
                    by_probability(probabilities, &protocol.verdict.meaning)
                }
                probabilities => Understood { probabilities, grades, ..Understood::of(verdict) },
            }
        }
        Reading::Refused => Understood::nothing(Outcome::Refused, "the judge declines"),
        Reading::Unparsed(why) if reply.finish.as_deref() == Some("length") => {
            Understood::nothing(Outcome::Unparsed, format!("{why}; the reply was cut at its length limit"))
        }
        Reading::Unparsed(why) => Understood::nothing(Outcome::Unparsed, why),
    }
}

fn is_yes_no(meaning: &Meaning) -> bool {
    matches!(meaning, Meaning::YesNo)
}

/// The probabilities of the token that is the whole verdict: of a reply that begins with yes or no, or that is one letter.
/// Whatever else a judge writes, the letter in it is read as text.
fn of_first_token(reply: &Reply, protocol: &Protocol, grammar: &Grammar<'_>) -> Option<Vec<f64>> {
    if !matches!(protocol.verdict.place, Place::FirstWord) {
        return None;
    }
    let token = match (&protocol.verdict.meaning, reply.tokens.as_slice()) {
        (Meaning::YesNo, tokens) => tokens.iter().find(|token| !token.text.trim().is_empty())?,
        (Meaning::Letter { .. }, [only]) => only,
        _ => return None,
    };
    grammar.probabilities(&token.top)
}

/// The verdict that probabilities are: of yes, or of the response with the highest one.
fn by_probability(probabilities: Vec<f64>, meaning: &Meaning) -> Understood {
    let verdict = match (meaning, probabilities.as_slice()) {
        (Meaning::YesNo, [yes, ..]) => Verdict::Rating(*yes),
        (_, all) => {
            let best = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut of_best = all.iter().enumerate().filter(|(_, p)| **p == best).map(|(place, _)| place);
            match (of_best.next(), of_best.next()) {
                (Some(place), None) => Verdict::Pick { place, strength: None },
                _ => Verdict::Tie,
            }
        }
    };
    Understood { probabilities: Some(probabilities), ..Understood::of(verdict) }
}

/// The token that holds a byte of the text; `None` where the tokens are not those of the text.
fn token_at<'a>(tokens: &'a [Token], text: &str, byte: usize) -> Option<&'a Token> {
    if tokens.is_empty() {
        return None;
    }
    let mut raw = Vec::new();
    let ends: Vec<usize> = tokens
        .iter()
        .map(|token| {
            raw.extend_from_slice(token.bytes.as_deref().unwrap_or(token.text.as_bytes()));
            raw.len()
        })
        .collect();
    // What is no text, servers replace in ways of their own, so it is left out on both sides.
    let readable = |text: &str| text.replace(char::REPLACEMENT_CHARACTER, "");
    let (mut all, mut from, mut at) = (String::new(), Vec::new(), 0);
    for chunk in raw.utf8_chunks() {
        for (within, c) in chunk.valid().char_indices().filter(|(_, c)| *c != char::REPLACEMENT_CHARACTER) {
            all.push(c);
            from.extend(std::iter::repeat_n(at + within, c.len_utf8()));
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
    // Servers cut blanks and ends off the text.
    let wanted = all.find(&readable(text))? + readable(text.get(..byte)?).len();
    let source = from.get(wanted)?;
    tokens.iter().zip(ends).find(|(_, end)| end > source).map(|(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, top: &[(&str, f64)]) -> Token {
        Token {
            text: text.to_owned(),
            bytes: None,
            top: top.iter().map(|(text, p)| ((*text).to_owned(), p.ln())).collect(),
        }
    }

    /// P(A) = 0.6 / (0.6 + 0.2) from the token that holds the letter.
    #[test]
    fn probabilities_of_the_verdict_token() {
        let protocol = Protocol::find("pairwise").unwrap();
        let tokens = vec![
            token("So", &[("So", 1.0)]),
            token(" [[", &[(" [[", 1.0)]),
            token("A", &[("A", 0.6), ("B", 0.2), ("C", 0.1)]),
            token("]]", &[]),
        ];
        let reply = Reply { text: "So [[A]]".to_owned(), tokens, ..Reply::default() };
        let understood = understand(&reply, &protocol, Lang::ENGLISH, ParserChoice::Rmbench);
        assert_eq!((understood.outcome, understood.picked), (Some(Outcome::Verdict), Some(0)));
        let p = understood.probabilities.unwrap();
        assert!((p[0] - 0.75).abs() < 1e-12 && (p[1] - 0.25).abs() < 1e-12, "{p:?}");
    }

    #[test]
    fn yes_and_no_by_probability_or_in_words() {
        let protocol = Protocol::find("yes-no").unwrap();
        let german = Lang::from_code("deu_Latn").unwrap();
        let tokens = vec![token("Ja", &[("Ja", 0.5), ("N", 0.25), ("Nein", 0.25)])];
        let reply = Reply { text: "Ja".to_owned(), tokens, ..Reply::default() };
        assert_eq!(understand(&reply, &protocol, german, ParserChoice::Rmbench).rating, Some(0.5));
        let reply = Reply { text: "Nein.".to_owned(), ..Reply::default() };
        assert_eq!(understand(&reply, &protocol, german, ParserChoice::Rmbench).rating, Some(0.0));
    }

    /// A preference model's one token: P(A) = 0.3 / 0.5 although another token is the most probable; equal ones are a tie.
    #[test]
    fn one_letter_is_read_by_its_probability() {
        let protocol = Protocol::find("preference").unwrap();
        let of = |text: &str, top: &[(&str, f64)]| {
            let reply = Reply { text: text.to_owned(), tokens: vec![token(text, top)], ..Reply::default() };
            understand(&reply, &protocol, Lang::ENGLISH, ParserChoice::Rmbench)
        };
        let found = of("The", &[("The", 0.5), ("A", 0.25), (" A", 0.05), ("B", 0.2)]);
        assert_eq!((found.outcome, found.picked), (Some(Outcome::Verdict), Some(0)));
        assert!((found.probabilities.unwrap()[0] - 0.6).abs() < 1e-12);
        assert_eq!(of("A", &[("A", 0.25), ("B", 0.25)]).outcome, Some(Outcome::Tie));
        assert_eq!(of("The", &[("The", 0.5)]).outcome, Some(Outcome::Unparsed));
        let two = vec![token("A", &[("A", 0.9), ("B", 0.1)]), token(" good answer", &[])];
        let reply = Reply { text: "A good answer".to_owned(), tokens: two, ..Reply::default() };
        let found = understand(&reply, &protocol, Lang::ENGLISH, ParserChoice::Rmbench);
        assert_eq!(found.outcome, Some(Outcome::Unparsed), "an article is no verdict");
    }

    /// After a critique: the probability of yes at the place of the verdict, not of the first word.
    #[test]
    fn yes_after_a_critique() {
        let protocol = Protocol::find("genrm-critique").unwrap();
        let tokens = vec![
            token("No steps are missing. Is the answer correct (Yes/No)?", &[("No", 1.0)]),
            token(" Yes", &[(" Yes", 0.8), (" No", 0.2)]),
        ];
        let text = tokens.iter().map(|token| token.text.as_str()).collect();
        let found =
            understand(&Reply { text, tokens, ..Reply::default() }, &protocol, Lang::ENGLISH, ParserChoice::Rmbench);
        assert!((found.rating.unwrap() - 0.8).abs() < 1e-12 && found.probabilities.is_some(), "{found:?}");
        let plain = Reply { text: "Fine.\nIs the answer correct (Yes/No)? No".to_owned(), ..Reply::default() };
        assert_eq!(understand(&plain, &protocol, Lang::ENGLISH, ParserChoice::Rmbench).rating, Some(0.0));
    }

    /// A character of two tokens, which a server writes as two replacements and in the text as the character, or as one
    /// replacement where it is never finished.
    #[test]
    fn tokens_that_are_no_text_are_found_by_their_bytes() {
        let part = |byte: u8| Token { bytes: Some(vec![byte]), ..token("\u{FFFD}", &[("\u{FFFD}", 1.0)]) };
        let letter = || token("[[B]]", &[("[[B]]", 0.9), ("[[A]]", 0.1)]);
        let e = "é".as_bytes();
        for (tokens, text) in [
            (vec![part(e[0]), part(e[1]), letter()], "é[[B]]"),
            (vec![part(e[0]), part(e[0]), letter(), part(0xFF)], "\u{FFFD}[[B]]\u{FFFD}\u{FFFD}"),
            (vec![token("  Well ", &[]), letter()], "Well [[B]]"),
        ] {
            let found = token_at(&tokens, text, text.find('B').unwrap()).unwrap();
            assert_eq!(found, &letter(), "{text}");
        }
        assert_eq!(token_at(&[letter()], "another text", 0), None);
    }

    #[test]
    fn a_head_speaks_for_its_critique() {
        let protocol = Protocol::find("critique").unwrap();
        let of = |reward| {
            let reply = Reply { text: "Yes, a good answer.".to_owned(), reward, ..Reply::default() };
            let found = understand(&reply, &protocol, Lang::ENGLISH, ParserChoice::Rmbench);
            (found.outcome.unwrap(), found.rating)
        };
        assert_eq!(of(Some(-1.5)), (Outcome::Verdict, Some(-1.5)));
        assert_eq!(of(None), (Outcome::Unparsed, None), "words are no reward");
    }

    #[test]
    fn kinds_of_nothing() {
        let protocol = Protocol::find("pairwise").unwrap();
        let outcome =
            |reply: Reply| understand(&reply, &protocol, Lang::ENGLISH, ParserChoice::Rmbench).outcome.unwrap();
        let text = |text: &str| Reply { text: text.to_owned(), ..Reply::default() };
        assert_eq!(outcome(text("A is better")), Outcome::Unparsed);
        assert_eq!(outcome(text("I cannot judge this.")), Outcome::Refused);
        assert_eq!(outcome(Reply { declined: true, ..text("[[A]]") }), Outcome::Refused);
        assert_eq!(outcome(Reply { rejected: Some("too long".to_owned()), ..Reply::default() }), Outcome::Error);
    }
}
