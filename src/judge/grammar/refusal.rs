//! Whether a reply without a verdict declines to judge: a refusal is another thing than a reply that cannot be read.

use std::ops::Range;

use super::plain::Plain;

/// How refusals begin, in lower case; apostrophes are straight.
#[rustfmt::skip]
const BEGINNINGS: &[&str] = &[
    "i can't", "i cannot", "i can not", "i won't", "i will not", "i'm sorry", "i am sorry", "sorry, ",
    "i'm unable", "i am unable", "i'm not able", "i am not able", "i must decline", "i have to decline",
    "i apologize", "as an ai", "i'm not comfortable", "lo siento", "no puedo", "je suis désolé",
    "je ne peux pas", "désolé", "es tut mir leid", "ich kann nicht", "ich kann das nicht",
    "ich kann dabei nicht", "tut mir leid", "mi dispiace", "non posso", "sinto muito", "desculpe", "não posso",
    "het spijt me", "ik kan niet", "sorry, maar", "przykro mi", "przepraszam", "nie mogę", "omlouvám se",
    "nemohu", "je mi líto", "îmi pare rău", "nu pot", "извините", "к сожалению", "я не могу", "простите",
    "на жаль", "вибачте", "я не можу", "üzgünüm", "maalesef", "maaf", "saya tidak bisa", "saya tidak dapat",
    "xin lỗi", "tôi không thể", "λυπάμαι", "δεν μπορώ", "συγγνώμη", "آسف", "عذرا", "عذرًا", "أعتذر",
    "لا أستطيع", "لا يمكنني", "متأسفم", "متاسفم", "ببخشید", "نمی‌توانم", "نمیتوانم", "אני מצטער", "מצטער",
    "אני לא יכול", "क्षमा करें", "मुझे खेद है", "मैं नहीं", "माफ़ कीजिए", "抱歉", "对不起", "對不起", "很抱歉", "我无法",
    "我無法", "我不能", "申し訳", "すみません", "ごめんなさい", "죄송", "미안", "ขออภัย", "ขอโทษ", "samahani", "siwezi",
];

/// Longer answers discuss something; a refusal is short.
const LONGEST: usize = 600;

pub fn is_refusal(plain: &Plain, answer: Range<usize>) -> bool {
    if answer.len() > LONGEST {
        return false;
    }
    let text = plain.text(answer).to_lowercase();
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || "*_#\"'>-".contains(c));
    // The zero-width joiners of the list are gone from the reply.
    BEGINNINGS.iter().any(|beginning| text.starts_with(&beginning.replace('\u{200C}', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_many_languages() {
        let refuses = |text: &str| {
            let plain = Plain::of(text);
            is_refusal(&plain, 0..plain.len())
        };
        for text in [
            "I'm sorry, but I can’t compare these.",
            "抱歉，我无法比较。",
            "Извините, но",
            "عذراً، لا أستطيع",
            "نمی‌توانم",
        ] {
            assert!(refuses(text), "{text}");
        }
        assert!(!refuses("Both responses say sorry; I prefer neither."));
        assert!(!refuses(""));
    }
}
