//! Pages for the browser tests: invented items behind invented findings, as many as the largest benchmark
//! has, some of them hostile.

use rmbench::lang::Lang;
use rmbench::preference::{Comparison, Conversation, Response};
use rmbench::random;
use rmbench::report::Findings;
use rmbench::report::items::{Offer, Texts};
use rmbench::table::item::{ItemKey, ItemTable, RunColumn};

use super::invented;

/// Says "hello, world" in a few scripts; English otherwise.
fn greeting(lang: Lang) -> &'static str {
    match lang.code() {
        "arb_Arab" => "مرحبا أيها العالم",
        "heb_Hebr" => "שלום עולם",
        "jpn_Jpan" => "世界よ、こんにちは",
        "zho_Hans" => "你好，世界",
        "zho_Hant" => "世界，你好",
        "kor_Hang" => "안녕, 세계",
        "hin_Deva" => "नमस्ते दुनिया",
        "ell_Grek" => "Γειά σου Κόσμε",
        "rus_Cyrl" => "Привет, мир",
        _ => "Hello, world",
    }
}

/// What item `i` is called and says. The first few try to leave their place.
fn comparison(i: usize, lang: Lang, source: usize) -> Comparison {
    let hello = greeting(lang);
    let (id, prompt, chosen, rejected) = match i {
        0 => (
            "<script>window.hacked = 1</script>/\"'&".to_owned(),
            "</script><script>window.hacked = 2</script>".to_owned(),
            "<img src=x onerror=\"window.hacked = 3\"><svg onload=\"window.hacked = 4\">".to_owned(),
            "before \u{202E}reversed\u{202C} after \u{2066}isolated\u{2069} \u{0007}".to_owned(),
        ),
        1 => (
            "one long line".to_owned(),
            "x".repeat(100_000),
            format!("{}😀{}", "y".repeat(3_999), "z".repeat(96_000)),
            "short".to_owned(),
        ),
        _ => (
            format!("item-{source:05}"),
            format!("{hello}? ({source})"),
            format!("{hello}. This is answer number {i}, with the word needle{}.", i % 7_001),
            format!("{hello}! This one misses the point of {i}.\n\n1. Second line.\n2. Third line."),
        ),
    };
    Comparison {
        id: id.as_str().into(),
        source: format!("source-{source}").as_str().into(),
        lang,
        subset: ["easy talk", "near misses", "sums"][source % 3].into(),
        category: None,
        prompt: Conversation::from_prompt(prompt),
        chosen: vec![Response::new(chosen)],
        rejected: vec![Response::new(rejected)],
        margin: None,
        evidence: Default::default(),
        row: i as u64,
    }
}

/// Findings of `runs` runs in `langs` languages, and `n` items behind them; with the items' texts.
pub fn page(runs: usize, langs: usize, n: usize, megabytes: usize) -> (Findings, ItemTable, Texts) {
    let findings = invented::against(invented::findings(runs, langs, 4), 0);
    let langs: Vec<Lang> = findings.benchmarks[0].langs.clone();
    let mut table = ItemTable::default();
    let benchmark = table.symbols.intern("invented-bench");
    let all: Vec<Comparison> = (0..n).map(|i| comparison(i, langs[i % langs.len()], i / langs.len())).collect();
    for (i, item) in all.iter().enumerate() {
        let key = ItemKey {
            benchmark,
            subset: table.symbols.intern(item.subset.as_str()),
            category: None,
            lang: item.lang,
            item: table.symbols.intern(item.id.as_str()),
            source: table.symbols.intern(item.source.as_str()),
            n_chosen: 1,
            n_rejected: 1,
            offset: 2 * i as u32,
        };
        table.items.push(key);
        table.n_chars.extend(item.responses().map(|r| r.text.chars().count() as u32));
    }
    for (run, info) in findings.runs.iter().enumerate() {
        let mut column = RunColumn::absent(info.clone(), 2 * n);
        for i in 0..n {
            let ease = random::uniform(1, "ease", ((i / langs.len()) as u64).to_le_bytes());
            let luck = random::uniform(run as u64, "luck", (i as u64).to_le_bytes());
            // Every 101st item has no outcome, every 97th is a tie.
            let chosen = (ease + luck - 0.6 - 0.01 * run as f64) as f32;
            let rejected = if i % 97 == 3 { chosen } else { 0.0 };
            column.rewards[2 * i] = (i % 101 != 5).then_some(chosen);
            column.rewards[2 * i + 1] = Some(rejected);
        }
        table.runs.push(column);
    }
    let mut texts = Texts::new(&table, megabytes * 1_000_000);
    for item in &all {
        assert_eq!(texts.offer(&table, "invented-bench", item), Offer::Known);
    }
    (findings, table, texts)
}

/// A block of the page's data: base64, then zlib.
pub fn unpacked(block: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = block.chars().filter_map(|c| ALPHABET.find(c)).map(|digit| digit as u32).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let word = group.iter().enumerate().fold(0, |word, (i, digit)| word | digit << (18 - 6 * i));
        bytes.extend_from_slice(&word.to_be_bytes()[1..group.len()]);
    }
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(bytes.as_slice()), &mut out).unwrap();
    out
}
