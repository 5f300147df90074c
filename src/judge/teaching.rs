//! Judgments to learn from: a judge's question as the prompt, a right judgment as the chosen response, a wrong one as the
//! rejected response.
//!
//! What comes out are ordinary preference pairs, so that every objective of language models learns from them: `sft` the
//! chosen ones (on their own tokens only), `dpo` the difference. Verdicts are [written](written) in the protocol's form
//! (GenRM, arXiv 2408.15240; A/B preference models), or are [couples](couples) of what a judge wrote itself (Con-J, arXiv
//! 2410.03742).

use std::sync::Arc;

use super::form;
use super::grammar::{Meaning, Place, Verdict, VerdictWords};
use super::order::{self, Orders};
use super::prompt::{self, Extras, Wording, Wordings};
use super::protocol::Protocol;
use super::{JudgeError, Judgment, Outcome};
use crate::preference::{Comparison, Conversation, Response};

/// How questions are asked.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub protocol: &'a Protocol,
    pub orders: Orders,
    pub wordings: Wordings,
    /// Of the drawn orders.
    pub seed: u64,
}

/// Right and wrong verdict about responses in the order shown (chosen ones have places below `n_chosen`).
///
/// # Errors
/// Why there is no right verdict.
pub fn verdicts(protocol: &Protocol, shown: &[usize], n_chosen: usize) -> Result<[Verdict; 2], String> {
    let pick = |place| Verdict::Pick { place, strength: None };
    match protocol.verdict.meaning {
        Meaning::YesNo => {
            let is_good = shown.first().is_some_and(|slot| *slot < n_chosen);
            Ok([f64::from(u8::from(is_good)), f64::from(u8::from(!is_good))].map(Verdict::Rating))
        }
        Meaning::Rating { .. } => Err("a preference does not say which rating is right".to_owned()),
        Meaning::Reward => Err("its verdict is a number that the judge's head gives, and no text".to_owned()),
        _ => {
            let place = |is_chosen: bool| shown.iter().position(|slot| (*slot < n_chosen) == is_chosen);
            match (place(true), place(false)) {
                (Some(right), Some(wrong)) => Ok([pick(right), pick(wrong)]),
                _ => Err("it has nothing to compare".to_owned()),
            }
        }
    }
}

/// The questions about a comparison, with the orders of its responses; as a judge is asked.
pub fn questions(
    asking: Asking,
    comparison: &Comparison,
    extras: &Extras,
) -> Result<Vec<(Vec<usize>, Conversation)>, JudgeError> {
    asking.protocol.must_answer()?;
    let mut all = Vec::new();
    let failed = |problem| JudgeError::Item {
        item: comparison.id.to_string(),
        lang: comparison.lang,
        row: comparison.row,
        problem,
    };
    for places in order::sets(comparison, asking.protocol.shows).map_err(failed)? {
        for shown in order::orders(asking.orders, comparison, &places, asking.seed) {
            let messages = prompt::messages(asking.protocol, comparison, extras, &shown, asking.wordings)?;
            all.push((shown, Conversation(messages)));
        }
    }
    Ok(all)
}

/// One pair per question: the right verdict against the wrong one, both in the protocol's form, after the data's
/// rationale where `critiques` asks for one.
pub fn written(
    asking: Asking,
    comparison: &Comparison,
    extras: &Extras,
    critiques: bool,
) -> Result<Vec<Comparison>, JudgeError> {
    let protocol = asking.protocol;
    let failed = |problem: String| JudgeError::Item {
        item: comparison.id.to_string(),
        lang: comparison.lang,
        row: comparison.row,
        problem,
    };
    let reason = match (critiques, &comparison.evidence.rationale) {
        (false, _) => "",
        (true, Some(_)) if matches!(protocol.verdict.place, Place::FirstWord) => {
            let why = format!(
                "a reply in the form of `{}` begins with its verdict, so no critique can come first; take a protocol whose \
                 verdict stands at the end, such as genrm-critique",
                protocol.name
            );
            return Err(JudgeError::Setting { key: "--critiques", problem: why });
        }
        (true, Some(rationale)) => rationale.trim(),
        (true, None) => return Err(failed("it has no rationale, which critiques are made of".to_owned())),
    };
    let words = match asking.wordings.prompt {
        Wording::English => VerdictWords::english(),
        Wording::Target => VerdictWords::of(comparison.lang).or(VerdictWords::english()),
    };
    let text = |verdict: &Verdict| match (&protocol.verdict.meaning, verdict, words) {
        (Meaning::YesNo, Verdict::Rating(rating), Some(words)) => {
            let list = if *rating > 0.5 { &words.yes } else { &words.no };
            form::around(protocol, &capital(list.first().map_or("", String::as_str)), reason)
        }
        _ => form::written(protocol, verdict, reason),
    };
    let mut pairs = Vec::new();
    for (number, (shown, question)) in questions(asking, comparison, extras)?.into_iter().enumerate() {
        let [right, wrong] = verdicts(protocol, &shown, comparison.chosen.len()).map_err(failed)?;
        pairs.push(pair(comparison, question, &format!("{number}"), [text(&right), text(&wrong)]));
    }
    Ok(pairs)
}

/// Answers begin with a capital letter where the script has some.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Critiques of both sides, sample by sample, each after its own question: what a reward head learns to read and the model to
/// write (CLoud, arXiv 2408.11791).
pub fn critiques(
    asking: Asking,
    comparison: &Comparison,
    extras: &Extras,
    judgments: &[Judgment],
) -> Result<Vec<Comparison>, JudgeError> {
    let questions = questions(asking, comparison, extras)?;
    let question = |slot: usize| questions.iter().find(|(shown, _)| *shown == [slot]).map(|(_, question)| question);
    let critiques = |slot: usize| {
        let own = move |judgment: &&Judgment| judgment.shown.iter().map(|s| usize::from(*s)).eq([slot]);
        judgments
            .iter()
            .filter(own)
            .filter_map(|judgment| judgment.reply.as_ref())
            .filter(|text| !text.trim().is_empty())
    };
    let n_chosen = comparison.chosen.len();
    let mut pairs = Vec::new();
    for (chosen, rejected) in (0..n_chosen).flat_map(|c| (0..comparison.rejected.len()).map(move |r| (c, n_chosen + r)))
    {
        let (Some(of_chosen), Some(of_rejected)) = (question(chosen), question(rejected)) else { continue };
        let prompt = Arc::new(of_rejected.clone());
        for (sample, (good, bad)) in critiques(chosen).zip(critiques(rejected)).enumerate() {
            let suffix = format!("{chosen}.{rejected}.{sample}");
            let mut pair = pair(comparison, of_chosen.clone(), &suffix, [good.clone(), bad.clone()]);
            pair.rejected.iter_mut().for_each(|response| response.prompt = Some(prompt.clone()));
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

/// How many couples one question gives at most, by what the rejected judgment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Couples {
    pub wrong: usize,
    pub unparsed: usize,
}

impl Default for Couples {
    /// Con-J's.
    fn default() -> Self {
        Self { wrong: 3, unparsed: 1 }
    }
}

/// What sampled judgments of one item give.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contrast {
    pub pairs: Vec<Comparison>,
    /// Questions whose judgments were all right, or none.
    pub one_sided: usize,
}

/// Couples of right and wrong judgments of the same question, and of right ones and such without a verdict, each used
/// once. `hinted` are judgments that were told which verdict to give: they stand in where one side is missing.
pub fn couples(
    asking: Asking,
    comparison: &Comparison,
    extras: &Extras,
    [sampled, hinted]: [&[Judgment]; 2],
    most: Couples,
) -> Result<Contrast, JudgeError> {
    let mut contrast = Contrast::default();
    for (number, (shown, question)) in questions(asking, comparison, extras)?.into_iter().enumerate() {
        let of = |judgments: &[Judgment], wanted: Kind| -> Vec<String> {
            let same = |judgment: &&Judgment| {
                judgment.shown.iter().map(|slot| usize::from(*slot)).eq(shown.iter().copied())
                    && kind(judgment, comparison.chosen.len()) == wanted
            };
            judgments.iter().filter(same).filter_map(|judgment| judgment.reply.clone()).collect()
        };
        let (mut right, mut wrong) = (of(sampled, Kind::Right), of(sampled, Kind::Wrong));
        let one_sided = right.is_empty() || wrong.is_empty();
        contrast.one_sided += usize::from(one_sided);
        if right.is_empty() {
            right = of(hinted, Kind::Right).into_iter().take(1).collect();
        }
        if wrong.is_empty() {
            wrong = of(hinted, Kind::Wrong).into_iter().take(1).collect();
        }
        let mut right = right.into_iter();
        let against =
            wrong.into_iter().take(most.wrong).chain(of(sampled, Kind::Unparsed).into_iter().take(most.unparsed));
        for (couple, (rejected, chosen)) in against.zip(&mut right).enumerate() {
            contrast.pairs.push(pair(comparison, question.clone(), &format!("{number}.{couple}"), [chosen, rejected]));
        }
    }
    Ok(contrast)
}

/// What a judgment is to those who know the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Right,
    Wrong,
    Unparsed,
    /// Ties, refusals, errors.
    Neither,
}

pub fn kind(judgment: &Judgment, n_chosen: usize) -> Kind {
    let is_chosen = |slot: Option<&u16>| slot.map(|slot| usize::from(*slot) < n_chosen);
    let right = match (judgment.outcome, judgment.picked, judgment.rating) {
        (Outcome::Unparsed, ..) => return Kind::Unparsed,
        (Outcome::Verdict, Some(place), _) => is_chosen(judgment.shown.get(usize::from(place))),
        (Outcome::Verdict, None, Some(rating)) if (0.0..=1.0).contains(&rating) && rating != 0.5 => {
            is_chosen(judgment.shown.first()).map(|good| good == (rating > 0.5))
        }
        _ => None,
    };
    match right {
        Some(true) => Kind::Right,
        Some(false) => Kind::Wrong,
        None => Kind::Neither,
    }
}

fn pair(of: &Comparison, question: Conversation, suffix: &str, [chosen, rejected]: [String; 2]) -> Comparison {
    Comparison {
        id: format!("{}#{suffix}", of.id).into(),
        source: of.source.clone(),
        lang: of.lang,
        subset: of.subset.clone(),
        category: of.category.clone(),
        prompt: question,
        chosen: vec![Response::new(chosen)],
        rejected: vec![Response::new(rejected)],
        margin: None,
        evidence: Default::default(),
        row: of.row,
    }
}

/// The hint that makes a judge write a given verdict (Con-J's hint-driven sampling).
pub fn hint(protocol: &Protocol, shown: &[usize], n_chosen: usize, right: bool) -> Result<String, String> {
    let [good, bad] = verdicts(protocol, shown, n_chosen)?;
    Ok(form::value(protocol, if right { &good } else { &bad }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    fn comparison() -> Comparison {
        Comparison {
            id: "i".into(),
            source: "s".into(),
            lang: Lang::from_code("deu_Latn").unwrap(),
            subset: "t".into(),
            category: None,
            prompt: Conversation::from_prompt("Frage?"),
            chosen: vec![Response::new("gut")],
            rejected: vec![Response::new("schlecht")],
            margin: None,
            evidence: crate::preference::Evidence { rationale: Some("Because.".into()), ..Default::default() },
            row: 3,
        }
    }

    fn asking(protocol: &Protocol, prompt: Wording) -> Asking<'_> {
        Asking { protocol, orders: Orders::Both, wordings: Wordings { prompt, reasoning: Wording::English }, seed: 1 }
    }

    fn texts(pairs: &[Comparison]) -> Vec<[&str; 2]> {
        pairs.iter().map(|pair| [pair.chosen[0].text.as_str(), pair.rejected[0].text.as_str()]).collect()
    }

    #[test]
    fn verdicts_are_written_in_the_protocols_form() {
        let genrm = Protocol::find("genrm").unwrap();
        let none = Extras::default();
        let pairs = written(asking(&genrm, Wording::English), &comparison(), &none, false).unwrap();
        assert_eq!(texts(&pairs), [["Yes", "No"], ["No", "Yes"]]);
        assert!(pairs[0].prompt.0[0].content.contains("gut") && pairs[1].prompt.0[0].content.contains("schlecht"));
        let yes_no = Protocol::find("yes-no").unwrap();
        let pairs = written(asking(&yes_no, Wording::Target), &comparison(), &none, false).unwrap();
        assert_eq!(texts(&pairs), [["Ja", "Nein"], ["Nein", "Ja"]]);
        let pairwise = Protocol::find("pairwise").unwrap();
        let pairs = written(asking(&pairwise, Wording::English), &comparison(), &none, true).unwrap();
        // Both orders, so the letter of the chosen response is A once and B once.
        let mut found = texts(&pairs);
        found.sort_unstable();
        assert_eq!(found, [["Because.\n[[A]]", "Because.\n[[B]]"], ["Because.\n[[B]]", "Because.\n[[A]]"]]);
        assert_eq!((pairs[0].id.as_str(), pairs[0].source.as_str(), pairs[0].row), ("i#0", "s", 3));
        for pair in &pairs {
            let place = if pair.chosen[0].text.ends_with("[[A]]") { "A" } else { "B" };
            let shown = format!("[Start of Assistant {place}'s answer]\ngut");
            assert!(pair.prompt.0.last().unwrap().content.contains(&shown), "{pair:?}");
        }
        let con_j = Protocol::find("con-j").unwrap();
        let pairs = written(asking(&con_j, Wording::English), &comparison(), &none, true).unwrap();
        assert!(texts(&pairs).iter().flatten().all(|text| text.contains(r#""better_answer":"#)), "{pairs:?}");
        let ratings = Protocol::find("ratings").unwrap();
        let error = written(asking(&ratings, Wording::English), &comparison(), &none, false).unwrap_err().to_string();
        assert!(error.contains("which rating is right"), "{error}");
    }

    /// Two critiques of the chosen answer and three of the rejected one: two pairs, each side after its own question.
    #[test]
    fn critiques_by_hand() {
        let protocol = Protocol::find("critique").unwrap();
        let of = |slot: u16, reply: &str| Judgment { shown: vec![slot], ..judgment([0, 1], None, reply) };
        let all = [of(0, "c1"), of(0, "c2"), of(1, "r1"), of(1, " "), of(1, "r2"), of(1, "r3")];
        let pairs = critiques(asking(&protocol, Wording::English), &comparison(), &Extras::default(), &all).unwrap();
        assert_eq!(texts(&pairs), [["c1", "r1"], ["c2", "r2"]]);
        for pair in &pairs {
            let own = pair.rejected[0].prompt.as_ref().unwrap();
            assert!(pair.prompt.0[0].content.contains("gut") && own.0[0].content.contains("schlecht"));
        }
        let genrm = Protocol::find("genrm").unwrap();
        let error = written(asking(&genrm, Wording::English), &comparison(), &Extras::default(), true).unwrap_err();
        assert!(error.to_string().contains("begins with its verdict"), "{error}");
        let after = Protocol::find("genrm-critique").unwrap();
        let pairs = written(asking(&after, Wording::English), &comparison(), &Extras::default(), true).unwrap();
        assert_eq!(texts(&pairs)[0][0], "Because. Is the answer correct (Yes/No)? Yes");
    }

    fn judgment(shown: [u16; 2], picked: Option<u16>, reply: &str) -> Judgment {
        let outcome = if picked.is_some() { Outcome::Verdict } else { Outcome::Unparsed };
        Judgment { reply: Some(reply.to_owned()), ..Judgment::bare("j", &shown, outcome, picked) }
    }

    /// Of one order: two right, two wrong, one without a verdict: right and wrong once each, then right without verdict
    /// would need a third right one. Of the other: all right, so that the hinted wrong one stands in.
    #[test]
    fn couples_by_hand() {
        let con_j = Protocol::find("con-j").unwrap();
        let (a, b) = ([0, 1], [1, 0]);
        let sampled = [
            judgment(a, Some(0), "r1"),
            judgment(a, Some(1), "w1"),
            judgment(a, None, "u1"),
            judgment(a, Some(0), "r2"),
            judgment(b, Some(1), "r3"),
            judgment(b, Some(1), "r4"),
        ];
        let hinted = [judgment(b, Some(0), "hinted wrong"), judgment(b, Some(1), "hinted right")];
        let contrast = couples(
            asking(&con_j, Wording::English),
            &comparison(),
            &Extras::default(),
            [&sampled, &hinted],
            Couples::default(),
        )
        .unwrap();
        let mut found = texts(&contrast.pairs);
        found.sort_unstable();
        assert_eq!(found, [["r1", "w1"], ["r2", "u1"], ["r3", "hinted wrong"]]);
        assert_eq!(contrast.one_sided, 1);
        assert!(contrast.pairs.iter().all(|pair| pair.prompt.0.len() == 1));
    }
}
