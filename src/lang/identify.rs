//! Which language a line of text is in: a trait for identifiers, and a small one that is built in.
//!
//! The built-in one looks at scripts first. Where several languages share a script, it looks for letters that
//! only some of them write and for their most frequent short words, as character n-grams with the spaces
//! around them. It is meant for lines of five words and more, and answers nothing where it has no evidence; a
//! model like fastText's lid.176 ([`super::fasttext`]) stands in for it behind the same trait.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::Lang;
use super::script::Script;

/// A language and how sure the identifier is, between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    pub lang: Lang,
    pub probability: f64,
}

pub trait Identify: Sync + fmt::Debug {
    /// What reports call it.
    fn name(&self) -> &str;
    /// Whether it can tell this language at all.
    fn knows(&self, lang: Lang) -> bool;
    /// The most probable language of a line; `None` without evidence.
    fn identify(&self, line: &str) -> Option<Guess>;

    /// Whether a guess means the language that is wanted.
    fn same(&self, guess: Lang, wanted: Lang) -> bool {
        guess == wanted
    }
}

/// The identifier that is built in.
#[derive(Debug)]
pub struct BuiltIn;

/// Code, letters that speak for it among its script's languages, and frequent words.
type Profile = (&'static str, &'static str, &'static str);

const LATIN: &[Profile] = &[
    ("eng_Latn", "", "the and of to is that for with are this you not have was be it as on what from by an or which"),
    (
        "deu_Latn",
        "äß",
        "der die und das ist nicht ein eine zu den mit auf für von sich auch dem im werden wird sie ich",
    ),
    (
        "fra_Latn",
        "çœèêù",
        "le la les des est et un une que pour dans pas vous qui sur avec ce il du au ne plus nous sont",
    ),
    ("spa_Latn", "ñ¿¡", "el la los las de que y en un una es por con para no se del como más su al lo está pero son"),
    ("por_Latn", "ãõ", "o os a as de que e em um uma é para com não do da no na se por mais como dos das ao são você"),
    ("ita_Latn", "ìò", "il di che è la e un una per non in con del della sono le gli i si da come più al nel questo"),
    ("nld_Latn", "", "de het een en van is dat niet te op voor met zijn aan die er als ook maar je naar wordt bij om"),
    ("pol_Latn", "ąęłśźżćń", "i w nie na się jest z do to że o jak co po ale od za są dla przez może być tego czy"),
    ("ces_Latn", "ěřůčš", "a se je na v že to s z do o jako by pro ale jsou za k po jeho také nebo které při byl"),
    ("ron_Latn", "ășțţşâ", "și de a în la cu nu este pe o un care din pentru să sunt mai ca se al ale fi sau prin"),
    ("tur_Latn", "ğış", "ve bir bu için ile da de olarak çok daha ne olan gibi kadar var değil mı en sonra ancak ama"),
    (
        "vie_Latn",
        "ơưđạảấầẩậắằặẹẻếềểệỉịọỏốồổộớờởợụủứừửựỳỵỷ",
        "và của là các có được cho không một trong với người những này để",
    ),
    (
        "ind_Latn",
        "",
        "yang dan di untuk dengan ini dari itu pada tidak adalah dalam akan ke atau juga dapat oleh karena bisa",
    ),
    (
        "hrv_Latn",
        "đćčšž",
        "i je u na da se za od koji su što kako ne ili nije bi iz te biti sa su kao samo kada tijekom",
    ),
    ("hun_Latn", "őű", "a az és hogy nem egy is ez meg van de ha el már mint csak volt azt ki vagy lehet kell"),
    ("lit_Latn", "ėįųūčšž", "ir yra į kad su iš tai kaip bet ar nuo už jis ne buvo apie gali po tik per labai"),
    ("est_Latn", "õäüö", "ja on ei et see ta oli ma kui mis oma ning või ka aga välja siis seda nii ole saab kes"),
    ("als_Latn", "ë", "të e në dhe që për një me është nga se nuk i po si më ka janë do kjo ky ose"),
    ("swh_Latn", "", "ya wa na kwa ni katika za la kuwa cha hii au kama yake hiyo si lakini pia watu sana"),
    ("hat_Latn", "", "nan ak yo pou li yon se ki pa sou gen nou te fè ou kòm oswa lè tout mwen"),
];

const CYRILLIC: &[Profile] = &[
    ("rus_Cyrl", "ыэё", "и в не на что с по это как для он из к от но за все его или если может быть"),
    ("ukr_Cyrl", "іїєґ", "і в не на що з та у для як це до за від але його або якщо може бути ви ми"),
    ("bul_Cyrl", "ъ", "на и да се за от в с не е по са като това че при до или може което ще са"),
    ("srp_Cyrl", "ђћјљњџ", "и у је да на се за од не су који са као што из али или може бити"),
    ("mkd_Cyrl", "ѓѕќј", "и на во да се за од не е со што како до или кој тоа ќе може има"),
];

const ARABIC: &[Profile] = &[
    ("arb_Arab", "ةىأإ", "في من على إلى أن هذا التي هو ما مع هذه عن كان لا أو ذلك قد كل"),
    ("pes_Arab", "پچژگی", "و در به از که این را با است برای آن یک خود تا می شود های هم یا"),
    ("urd_Arab", "ٹڈڑےںہھ", "کے کی ہے میں اور سے کا کو اس پر نے ہیں کہ یہ ایک"),
];

const DEVANAGARI: &[Profile] = &[
    ("hin_Deva", "", "के है में की और का से को पर यह एक नहीं हैं कि लिए इस जो तो ने"),
    ("mar_Deva", "ळ", "आहे आणि या च्या ते हे मध्ये एक नाही होते की आहेत साठी"),
    ("npi_Deva", "", "छ र को मा हो यो पनि लागि छन् भएको गर्न तथा एक"),
];

/// Letters that differ between simplified and traditional Chinese: of the first, of the second.
const SIMPLIFIED: &str = "这个们来时对会国说学过还没后问题开关间为与让实现应该种样从发经认识设计处现";
const TRADITIONAL: &str = "這個們來時對會國說學過還沒後問題開關間為與讓實現應該種樣從發經認識設計處現";

/// Scripts that one language of the table writes, or nearly so.
const ALONE: &[(&str, &str)] = &[
    ("Grek", "ell_Grek"),
    ("Hebr", "heb_Hebr"),
    ("Hang", "kor_Hang"),
    ("Thai", "tha_Thai"),
    ("Beng", "ben_Beng"),
    ("Taml", "tam_Taml"),
    ("Telu", "tel_Telu"),
    ("Geor", "kat_Geor"),
    ("Armn", "hye_Armn"),
];

const SHARED: &[(&str, &[Profile])] = &[("Latn", LATIN), ("Cyrl", CYRILLIC), ("Arab", ARABIC), ("Deva", DEVANAGARI)];

impl Identify for BuiltIn {
    fn name(&self) -> &str {
        "built-in (scripts, letters, short words)"
    }

    fn knows(&self, lang: Lang) -> bool {
        let east = ["jpn_Jpan", "zho_Hans", "zho_Hant"].contains(&lang.code());
        let shared = SHARED.iter().flat_map(|(_, profiles)| *profiles).any(|(code, ..)| *code == lang.code());
        east || shared || ALONE.iter().any(|(_, code)| *code == lang.code())
    }

    fn identify(&self, line: &str) -> Option<Guess> {
        let letters: Vec<char> = line.chars().filter(|c| c.is_alphabetic()).collect();
        let share = |code: &str| {
            let script = Script::by_code(code)?;
            Some(letters.iter().filter(|c| script.covers(**c)).count() as f64 / letters.len() as f64)
        };
        if letters.is_empty() {
            return None;
        }
        if let Some(guess) = east_asian(&letters) {
            return Some(guess);
        }
        let alone = ALONE.iter().filter_map(|(script, lang)| Some((share(script)?, *lang)));
        if let Some((share, lang)) = alone.filter(|(share, _)| *share > 0.5).max_by(|a, b| a.0.total_cmp(&b.0)) {
            return Some(Guess { lang: Lang::from_code(lang)?, probability: share });
        }
        let at = SHARED.iter().position(|(script, _)| share(script).is_some_and(|share| share > 0.5))?;
        among(line, EVIDENCE.get(at)?, share(SHARED[at].0)?)
    }
}

/// Kana, Hangul and Han: Chinese has no kana.
fn east_asian(letters: &[char]) -> Option<Guess> {
    let share =
        |covers: &dyn Fn(char) -> bool| letters.iter().filter(|c| covers(**c)).count() as f64 / letters.len() as f64;
    let kana = share(&|c| ('\u{3041}'..='\u{30FF}').contains(&c));
    let han = share(&|c| ('\u{3400}'..='\u{9FFF}').contains(&c));
    if kana + han <= 0.5 {
        return None;
    }
    if kana > 0.05 {
        return Some(Guess { lang: Lang::from_code("jpn_Jpan")?, probability: kana + han });
    }
    let of = |set: &str| letters.iter().filter(|c| set.contains(**c)).count();
    // What both sets hold is no evidence.
    let both = letters.iter().filter(|c| SIMPLIFIED.contains(**c) && TRADITIONAL.contains(**c)).count();
    let traditional = of(TRADITIONAL) - both > of(SIMPLIFIED) - both;
    Some(Guess { lang: Lang::from_code(if traditional { "zho_Hant" } else { "zho_Hans" })?, probability: han })
}

/// Who has a word, who has a letter: looked up once per word and letter of a line.
struct Evidence {
    profiles: &'static [Profile],
    words: HashMap<&'static str, Vec<usize>>,
    letters: HashMap<char, Vec<usize>>,
}

static EVIDENCE: LazyLock<Vec<Evidence>> = LazyLock::new(|| {
    let of = |(_, profiles): &(&str, &'static [Profile])| {
        let mut evidence = Evidence { profiles, words: HashMap::new(), letters: HashMap::new() };
        for (at, (_, telling, frequent)) in profiles.iter().enumerate() {
            telling.chars().for_each(|letter| evidence.letters.entry(letter).or_default().push(at));
            frequent.split(' ').for_each(|word| evidence.words.entry(word).or_default().push(at));
        }
        evidence
    };
    SHARED.iter().map(of).collect()
});

/// The profile with most evidence: a telling letter counts 1, a frequent word 1 shared by the profiles that
/// have it; the probability is the winner's share of the evidence.
fn among(line: &str, evidence: &Evidence, script_share: f64) -> Option<Guess> {
    let lower = line.to_lowercase();
    let mut found: Vec<f64> = vec![0.0; evidence.profiles.len()];
    let mut count = |holders: Option<&Vec<usize>>| {
        for at in holders.into_iter().flatten() {
            found[*at] += 1.0 / holders.map_or(1.0, |holders| holders.len() as f64);
        }
    };
    lower.chars().for_each(|letter| count(evidence.letters.get(&letter)));
    let words = lower.split(|c: char| !c.is_alphabetic() && !is_mark(c));
    words.for_each(|word| count(evidence.words.get(word)));
    let total: f64 = found.iter().sum();
    let (at, most) = found.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let lang = Lang::from_code(evidence.profiles[at].0)?;
    (*most > 0.0).then(|| Guess { lang, probability: most / total * script_share })
}

/// Vowel signs and joiners belong to words of Indic scripts and Persian.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0610}'..='\u{065F}' | '\u{0900}'..='\u{0903}' | '\u{093A}'..='\u{094F}' | '\u{200C}' | '\u{200D}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_profile_are_known() {
        let lines = [
            ("The cat sat on the mat and looked at the rain with great interest.", "eng_Latn"),
            ("Das ist nicht die Antwort, die ich für richtig halte.", "deu_Latn"),
            ("Je ne sais pas ce que vous voulez dire avec cette question.", "fra_Latn"),
            ("No sé lo que quieres decir, pero la respuesta está en el libro.", "spa_Latn"),
            ("Não sei o que você quer dizer com essa pergunta.", "por_Latn"),
            ("Non so che cosa vuoi dire, ma la risposta è nel libro.", "ita_Latn"),
            ("Ik weet niet wat je bedoelt, maar het antwoord is in het boek.", "nld_Latn"),
            ("Nie wiem, co to znaczy, ale odpowiedź jest w książce.", "pol_Latn"),
            ("Bu soru için cevap çok daha kolay bir şey olabilir.", "tur_Latn"),
            ("Tôi không biết câu trả lời của bạn là gì.", "vie_Latn"),
            ("Saya tidak tahu apa yang dapat dilakukan dengan ini.", "ind_Latn"),
            ("Я не знаю, что это значит, но ответ был в книге.", "rus_Cyrl"),
            ("Я не знаю, що це означає, але відповідь є в книзі.", "ukr_Cyrl"),
            ("لا أعرف ما هي الإجابة على هذا السؤال في الكتاب", "arb_Arab"),
            ("من نمی‌دانم پاسخ این پرسش چیست و در کتاب است", "pes_Arab"),
            ("मुझे नहीं पता कि इस सवाल का जवाब क्या है", "hin_Deva"),
            ("我不知道这个问题的答案在哪里，还没学过。", "zho_Hans"),
            ("我不知道這個問題的答案在哪裡，還沒學過。", "zho_Hant"),
            ("この質問の答えは本の中にあると思います。", "jpn_Jpan"),
            ("이 질문에 대한 답은 책에 있습니다.", "kor_Hang"),
            ("Δεν ξέρω ποια είναι η απάντηση.", "ell_Grek"),
        ];
        for (line, code) in lines {
            let guess = BuiltIn.identify(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(guess.lang.code(), code, "{line}: {guess:?}");
            assert!(guess.probability > 0.3 && guess.probability <= 1.0, "{line}: {guess:?}");
        }
    }

    #[test]
    fn nothing_is_said_without_evidence() {
        assert_eq!(BuiltIn.identify("12345 -- !!!"), None);
        assert_eq!(BuiltIn.identify("xkcd qwrt zzz"), None);
        for (script, profiles) in SHARED {
            assert!(Script::by_code(script).is_some());
            assert!(profiles.iter().all(|(code, ..)| Lang::from_code(code).is_some()));
        }
    }
}
