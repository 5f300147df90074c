//! Names of responses as judges write them: `A`, `(b)`, `Assistant A`, `Response 2`, and the first letters of other
//! alphabets.

/// First letters of alphabets in their order, and letters that look like Latin ones.
const ALPHABETS: &[&[&str]] = &[
    &["a", "b", "c", "d", "e", "f"],
    &["α", "β", "γ", "δ"],
    &["ا", "ب", "ج", "د"],
    &["أ", "ب", "ج", "د"],
    &["الف", "ب"],
    &["א", "ב", "ג", "ד"],
    &["क", "ख", "ग", "घ"],
    &["ए", "बी", "सी", "डी"],
    &["अ", "ब"],
    &["ক", "খ", "গ", "ঘ"],
    &["ก", "ข", "ค", "ง"],
    &["가", "나", "다", "라"],
    &["甲", "乙", "丙", "丁"],
    &["ア", "イ", "ウ", "エ"],
    &["ა", "ბ", "გ", "დ"],
    &["ա", "բ", "գ", "դ"],
];

/// Cyrillic letters by place where there are two, and where there are more: В is the third letter and looks like B.
const CYRILLIC: &[(&str, Option<usize>, Option<usize>)] = &[
    ("а", Some(0), Some(0)),
    ("б", Some(1), Some(1)),
    ("в", Some(1), None),
    ("с", None, Some(2)),
    ("г", None, Some(3)),
];

/// What may stand before a name: lower case, longest first where one begins another.
#[rustfmt::skip]
const NOUNS: &[&str] = &[
    "assistant", "response", "answer", "model", "option", "completion", "output", "candidate", "asistente",
    "respuesta", "réponse", "assistente", "resposta", "risposta", "assistent", "antwort", "ответ", "ассистент",
    "помощник", "відповідь", "odpowiedź", "odpověď", "asisten", "jawaban", "respons", "asistan", "yanıt",
    "cevap", "trợ lý", "câu trả lời", "antwoord", "răspunsul", "răspuns", "asistentul", "απάντηση", "βοηθός",
    "المساعد", "الإجابة", "الرد", "دستیار", "پاسخ", "עוזר", "תשובה", "सहायक", "उत्तर", "助手", "助理", "回答", "回复",
    "回覆", "アシスタント", "応答", "어시스턴트", "응답", "답변",
];

/// What decorates a name and means nothing.
fn is_decoration(c: char) -> bool {
    c.is_whitespace() || "*_`\"'()[]{}.:;,!?#~|\\$。、「」『』:".contains(c)
}

/// A name without decoration, in lower case; LaTeX's text commands are decoration, too.
pub fn bare(written: &str) -> String {
    let mut text = written.to_lowercase();
    for command in ["\\textbf", "\\mathbf", "\\mathrm", "\\text", "\\boxed"] {
        text = text.replace(command, "");
    }
    text.trim_matches(is_decoration).to_owned()
}

/// A name with the noun before it taken off (`Assistant A`, `回答1`).
fn without_noun(name: &str) -> &str {
    let mut rest = name;
    for noun in NOUNS {
        if let Some(after) = name.strip_prefix(noun)
            && !after.is_empty()
            && after.len() < rest.len()
        {
            rest = after;
        }
    }
    rest.trim_matches(is_decoration)
}

/// Which of `n` responses a letter names.
pub fn letter(written: &str, n: usize) -> Option<usize> {
    let name = bare(written);
    let name = without_noun(&name);
    let in_order = ALPHABETS.iter().find_map(|letters| letters.iter().position(|letter| *letter == name));
    let cyrillic = || {
        let (_, of_two, of_many) = CYRILLIC.iter().find(|(letter, ..)| *letter == name)?;
        if n == 2 { *of_two } else { *of_many }
    };
    in_order.or_else(cyrillic).filter(|place| *place < n)
}

const HAN_NUMERALS: [&str; 10] = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

/// Which of `n` responses a number names, counted from 1.
pub fn number(written: &str, n: usize) -> Option<usize> {
    let name = bare(written);
    let name = without_noun(&name).trim_start_matches('第');
    let han = HAN_NUMERALS.iter().position(|numeral| *numeral == name);
    let counted = name.parse::<usize>().ok().filter(|_| name.chars().all(|c| c.is_ascii_digit()));
    han.or_else(|| counted?.checked_sub(1)).filter(|place| *place < n)
}

/// Whether a name says that neither is better.
pub fn is_tie(written: &str) -> bool {
    const TIES: &[&str] = &[
        "tie",
        "tied",
        "draw",
        "equal",
        "both",
        "neither",
        "same",
        "empate",
        "égalité",
        "pareggio",
        "unentschieden",
        "ничья",
        "нічия",
        "remis",
        "remíza",
        "seri",
        "berabere",
        "hòa",
        "gelijkspel",
        "egalitate",
        "ισοπαλία",
        "تعادل",
        "مساوی",
        "תיקו",
        "बराबर",
        "平局",
        "平手",
        "引き分け",
        "同等",
        "무승부",
    ];
    TIES.contains(&bare(written).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_responses() {
        for (written, n, place) in [
            ("A", 2, Some(0)),
            (" **b** ", 2, Some(1)),
            ("Assistant B", 2, Some(1)),
            ("response_a", 2, Some(0)),
            ("\\text{A}", 2, Some(0)),
            ("C", 2, None),
            ("C", 4, Some(2)),
            ("А", 2, Some(0)),
            ("В", 2, Some(1)),
            ("В", 4, None),
            ("Γ", 4, Some(2)),
            ("ب", 2, Some(1)),
            ("乙", 2, Some(1)),
            ("AB", 2, None),
            ("Answer", 2, None),
            ("", 2, None),
        ] {
            assert_eq!(letter(written, n), place, "{written} of {n}");
        }
        for (written, place) in [
            ("1", Some(0)),
            ("回答2", Some(1)),
            ("Response 2", Some(1)),
            ("二", Some(1)),
            ("3", None),
            ("0", None),
            ("1.5", None),
        ] {
            assert_eq!(number(written, 2), place, "{written}");
        }
        assert!(is_tie("Tie.") && is_tie("平局") && !is_tie("A"));
    }
}
