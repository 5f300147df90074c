"""What judges write, and what it means: the adversarial corpus of every verdict grammar.

Writes tests/fixtures/verdicts.jsonl, one case per line: protocol, language, reply, what it is. Expectations are written down here,
case by case or form by form; nothing is computed by rmbench. `rewardbench` is what RewardBench's own parser makes of the
same reply, where that differs (spec evaluation.md, section 2): its known misreadings.

    python3 tests/reference/verdict_corpus.py
"""

import json
from pathlib import Path

CASES = []


def case(protocol, reply, means, lang="eng_Latn", rewardbench=None):
    row = {"protocol": protocol, "lang": lang, "reply": reply, "means": means}
    if rewardbench is not None:
        row["rewardbench"] = rewardbench
    CASES.append(row)


A, B, C, D = "first", "second", "third", "fourth"
TIE, NONE, REFUSED = "tie", "unparsed", "refused"
RLM, LRM, ZWSP, NBSP, BOM = "\u200f", "\u200e", "\u200b", "\u00a0", "\ufeff"

# ------------------------------------------------------------------ [[A]] and [[B]]
for protocol in ["pairwise", "m-rewardbench", "mrb-original", "reference"]:
    case(protocol, "[[A]]", A)
    case(protocol, "[[B]]", B)
    case(protocol, "Assistant A is more accurate.\n\n[[A]]", A)
    case(protocol, "Assistant B is more accurate.\n\nFinal verdict: [[B]].", B)

P = "pairwise"
# decoration around and inside the brackets
for reply in ["**[[A]]**", "`[[A]]`", "\"[[A]]\"", "[[A]].", "[[A]]!", "[[A]]\n", "  [[A]]  ", "[[ A ]]", "[[a]]", "[[**A**]]",
              "[[\"A\"]]", "[[(A)]]", "[[A.]]", "[[Assistant A]]", "[[assistant a]]", "[[Response A]]", "[[Answer A]]",
              "[[Model A]]", "[[\\text{A}]]", "[[_A_]]", "> [[A]]", "- [[A]]", "### Verdict\n[[A]]", "[[A]]</s>", "[[A]]<|im_end|>",
              "My final verdict is: [[A]]", "([[A]])", "$[[A]]$", "<verdict>[[A]]</verdict>", "[[A]] [[A]]", "[[A]]\n\n[[A]]"]:
    case(P, reply, A)
# other spellings of brackets and letters
for reply in ["［［Ａ］］", "【【A】】", "【【Ａ】】", "〔〔A〕〕", "⟦A⟧", "[[𝐀]]", "[[Ⓐ]]", "[[🅰]]", "[[🅰\ufe0f]]", "[[А]]", "[[Α]]"]:
    case(P, reply, A)
for reply in ["［［Ｂ］］", "【【Ｂ】】", "⟦B⟧", "[[В]]", "[[Β]]", "[[Б]]", "[[🅱]]"]:
    case(P, reply, B)
# marks that nobody sees
for mark in [RLM, LRM, ZWSP, BOM, "\u202b", "\u2067", "\u2069", "\u00ad", "\u2060"]:
    case(P, f"{mark}[[{mark}B{mark}]]{mark}", B, "arb_Arab")
case(P, f"[[{NBSP}B{NBSP}]]", B, "fra_Latn")
# letters of other alphabets, in their order
for lang, first, second in [
    ("arb_Arab", "أ", "ب"), ("arb_Arab", "ا", "ب"), ("pes_Arab", "الف", "ب"), ("heb_Hebr", "א", "ב"), ("ell_Grek", "Α", "Β"),
    ("rus_Cyrl", "А", "Б"), ("ukr_Cyrl", "А", "Б"), ("hin_Deva", "क", "ख"), ("hin_Deva", "ए", "बी"), ("jpn_Jpan", "ア", "イ"),
    ("zho_Hans", "甲", "乙"), ("kor_Hang", "가", "나"), ("tha_Thai", "ก", "ข"), ("ben_Beng", "ক", "খ"), ("kat_Geor", "ა", "ბ"),
]:
    case(P, f"[[{first}]]", A, lang)
    case(P, f"[[{second}]]", B, lang)
# nouns in other languages
for lang, reply in [
    ("deu_Latn", "[[Assistent B]]"), ("deu_Latn", "[[Antwort B]]"), ("fra_Latn", "[[Réponse B]]"), ("spa_Latn", "[[Respuesta B]]"),
    ("spa_Latn", "[[Asistente B]]"), ("ita_Latn", "[[Risposta B]]"), ("por_Latn", "[[Resposta B]]"), ("rus_Cyrl", "[[Ответ B]]"),
    ("rus_Cyrl", "[[Ассистент Б]]"), ("ukr_Cyrl", "[[Відповідь B]]"), ("pol_Latn", "[[Odpowiedź B]]"), ("ces_Latn", "[[Odpověď B]]"),
    ("tur_Latn", "[[Yanıt B]]"), ("ind_Latn", "[[Jawaban B]]"), ("vie_Latn", "[[Trợ lý B]]"), ("nld_Latn", "[[Antwoord B]]"),
    ("ron_Latn", "[[Răspunsul B]]"), ("ell_Grek", "[[Απάντηση Β]]"), ("zho_Hans", "[[助手B]]"), ("zho_Hant", "[[回答 B]]"),
    ("jpn_Jpan", "[[アシスタントB]]"), ("kor_Hang", "[[답변 B]]"), ("arb_Arab", "[[المساعد ب]]"), ("heb_Hebr", "[[תשובה ב]]"),
    ("pes_Arab", "[[پاسخ ب]]"), ("hin_Deva", "[[उत्तर ख]]"),
]:
    case(P, reply, B, lang)
# thoughts are no verdicts
case(P, "<think>[[A]] looks good</think>[[B]]", B, rewardbench=A)
case(P, "<think>Is it [[A]] or [[B]]?</think>\nI choose [[B]]", B, rewardbench=A)
case(P, "so [[A]] …</think>\n\n[[B]]", B, rewardbench=A)
case(P, "<think>surely [[A]]", NONE, rewardbench=A)
case(P, "<thinking>[[A]]</thinking>[[B]]", B, rewardbench=A)
case(P, "<reasoning>[[A]]</reasoning>[[B]]", B, rewardbench=A)
case(P, "[THINK]maybe [[A]][/THINK][[B]]", B, rewardbench=A)
case(P, "◁think▷[[A]]◁/think▷[[B]]", B, rewardbench=A)
case(P, "<THINK>[[A]]</THINK>[[B]]", B, rewardbench=A)
case(P, "<think></think>[[A]]", A)
case(P, "<think>\n\n</think>\n\n[[A]]", A)
case(P, "<think>x</think>[[A]]<think>and yet [[B]]", A)
case(P, "<|channel|>analysis<|message|>[[A]] seems<|end|><|start|>assistant<|channel|>final<|message|>[[B]]<|return|>", B,
     rewardbench=A)
case(P, "<|channel|>analysis<|message|>[[A]] seems", NONE, rewardbench=A)
case(P, "<think>A is better</think>", NONE)
# both letters
case(P, "[[A]] or [[B]]", NONE, rewardbench=A)
case(P, "The options are [[A]] and [[B]].", NONE, rewardbench=A)
case(P, "I was asked to write [[A]] if A is better and [[B]] if B is better.\n[[B]]", B, rewardbench=A)
case(P, "If B were longer I would say [[B]].\n\nMy final verdict is [[A]].", A)
case(P, "[[A]] is what one might say first.\nOn reflection: [[B]]", B, rewardbench=A)
case(P, "[[B]]\n\n(I would give [[A]] for style.)", NONE, rewardbench=A)
case(P, "[[A]][[B]]", NONE, rewardbench=A)
case(P, "\"[[A]]\" if assistant A is better,\n\"[[B]]\" if assistant B is better", NONE, rewardbench=A)
case(P, "First: [[A]]\nSecond: [[B]]\nThird: nothing", NONE, rewardbench=A)
case(P, "Not [[B]], not at all, and [[A]] is worse still.\n[[B]]", B, rewardbench=A)
# no verdict
for reply in ["A", "B", "A is better", "Assistant B is better.", "[A]", "[B]", "[[C]]", "[[D]]", "[[AB]]", "[[A/B]]", "[[A or B]]",
              "[[]]", "[[ ]]", "[[A", "A]]", "[[1]]", "[[tie]]", "[[both]]", "{{A}}", "((A))", "<<A>>", "", " ", "\n", "…", "[[X]]",
              "[[answer]]", "[[your verdict]]", "Both are good.", "[[0]]", "A > B", "[[A>B]]", "verdict: A", "[[nor]]"]:
    case(P, reply, NONE)
# refusals
for lang, reply in [
    ("eng_Latn", "I'm sorry, but I can't compare these answers."), ("eng_Latn", "I cannot help with that."),
    ("eng_Latn", "I can’t assist with this request."), ("eng_Latn", "As an AI, I do not judge."),
    ("deu_Latn", "Es tut mir leid, aber dabei kann ich nicht helfen."), ("fra_Latn", "Je ne peux pas répondre à cette demande."),
    ("spa_Latn", "Lo siento, no puedo ayudar con eso."), ("ita_Latn", "Mi dispiace, non posso aiutarti."),
    ("por_Latn", "Sinto muito, não posso ajudar."), ("rus_Cyrl", "К сожалению, я не могу помочь."),
    ("ukr_Cyrl", "На жаль, я не можу допомогти."), ("pol_Latn", "Przykro mi, nie mogę pomóc."), ("ces_Latn", "Omlouvám se, nemohu."),
    ("nld_Latn", "Het spijt me, dat kan ik niet."), ("ron_Latn", "Îmi pare rău, nu pot ajuta."), ("tur_Latn", "Üzgünüm, yardımcı olamam."),
    ("ind_Latn", "Maaf, saya tidak bisa membantu."), ("vie_Latn", "Xin lỗi, tôi không thể giúp."), ("ell_Grek", "Λυπάμαι, δεν μπορώ."),
    ("arb_Arab", "آسف، لا أستطيع المساعدة."), ("arb_Arab", "عذراً، لا يمكنني ذلك."), ("pes_Arab", "متأسفم، نمی‌توانم کمک کنم."),
    ("heb_Hebr", "אני מצטער, איני יכול."), ("hin_Deva", "क्षमा करें, मैं मदद नहीं कर सकता।"), ("zho_Hans", "抱歉，我无法回答。"),
    ("zho_Hant", "對不起，我不能。"), ("jpn_Jpan", "申し訳ありませんが、お答えできません。"), ("kor_Hang", "죄송하지만 도와드릴 수 없습니다."),
    ("tha_Thai", "ขออภัย ฉันทำไม่ได้"),
]:
    case(P, reply, REFUSED, lang)
case(P, "<think>harmful?</think>I'm sorry, I can't.", REFUSED)
case(P, "I'm sorry to say that B fails. [[A]]", A)
case(P, "I cannot say that A is good.\n[[B]]", B)

# ------------------------------------------------------------------ with ties
T = "pairwise-tie"
for reply, means in [("[[A]]", A), ("[[B]]", B), ("[[C]]", TIE), ("[[c]]", TIE), ("[[Tie]]", TIE), ("[[tie]]", TIE), ("［［Ｃ］］", TIE),
                     ("It is a tie: [[C]].", TIE), ("[[C]] [[A]]", NONE), ("[[D]]", NONE), ("C", NONE), ("[[Draw]]", TIE),
                     ("[[A]] is good.\n[[C]]", TIE)]:
    case(T, reply, means)
for lang, word in [("deu_Latn", "Unentschieden"), ("spa_Latn", "Empate"), ("fra_Latn", "Égalité"), ("rus_Cyrl", "Ничья"),
                   ("zho_Hans", "平局"), ("jpn_Jpan", "引き分け"), ("kor_Hang", "무승부"), ("arb_Arab", "تعادل"), ("heb_Hebr", "תיקו")]:
    case(T, f"[[{word}]]", TIE, lang)

# ------------------------------------------------------------------ best of four
R = "rewardbench-2-ranking"
for reply, means in [("[[A]]", A), ("[[B]]", B), ("[[C]]", C), ("[[D]]", D), ("[[d]]", D), ("［［Ｄ］］", D), ("[[E]]", NONE), ("[[Г]]", D),
                     ("[[В]]", NONE), ("[[Assistant C]]", C), ("The best is D.", NONE), ("<think>[[B]]</think>[[C]]", C)]:
    case(R, reply, means)
case(R, "Between [[A]] and [[D]].\n[[D]]", D, rewardbench=A)
case(R, "[[B]], then [[C]]", NONE, rewardbench=B)
for lang, letters in [("arb_Arab", "أبجد"), ("heb_Hebr", "אבגד"), ("zho_Hans", "甲乙丙丁"), ("ell_Grek", "ΑΒΓΔ"), ("kor_Hang", "가나다라")]:
    case(R, f"[[{letters[2]}]]", C, lang)
    case(R, f"[[{letters[3]}]]", D, lang)

# ------------------------------------------------------------------ ratings
for protocol in ["ratings", "rewardbench-2-ties", "checklist"]:
    case(protocol, "Good.\n\n8", 8)
    case(protocol, "Good.\n\nRating: 3", 3)
    case(protocol, "Good.", NONE)
N = "ratings"
for n in range(1, 11):
    case(N, str(n), n)
# what RewardBench misreads
case(N, "8/10", 8, rewardbench=10)
case(N, "7 out of 10", 7, rewardbench=10)
case(N, "Rating: 6/10", 6, rewardbench=10)
case(N, "1/10", 1, rewardbench=10)
case(N, "10/10", 10)
case(N, "**8**", 8, rewardbench=NONE)
case(N, "9.", 9, rewardbench=NONE)
case(N, "Rating: **7**", 7, rewardbench=NONE)
case(N, "[[5]]", 5, rewardbench=NONE)
case(N, "Rating: [[5]]", 5, rewardbench=NONE)
case(N, "7.5", 7.5, rewardbench=5)
case(N, "8,5", 8.5, lang="deu_Latn", rewardbench=5)
case(N, "4/5", NONE, rewardbench=5)
case(N, "80/100", NONE)
case(N, "7-8", NONE, rewardbench=8)
case(N, "between 7 and 8", NONE, rewardbench=8)
case(N, "7 to 8", NONE, rewardbench=8)
case(N, "-3", NONE, rewardbench=3)
case(N, "I deduct 3 points for style. Rating: 6", 6)
# forms
for reply, value in [("Rating: 8", 8), ("rating = 8", 8), ("RATING: 8", 8), ("Rating - 8", 8), ("Score: 8", 8), ("Final score: 8", 8),
                     ("Overall rating: 8", 8), ("Rating (1-10): 8", 8), ("Rating: 8 (out of 10)", 8), ("8 (very good)", 8), ("(8)", 8),
                     ("\"8\"", 8), ("8!", 8), ("8 points", 8), ("8 / 10", 8), ("8/10.", 8), ("**8/10**", 8), ("Rating: 8/10!", 8),
                     ("I would give this an 8", 8), ("I give it 8.", 8), ("On a scale of 1 to 10, I rate it 8.", 8),
                     ("$8$", 8), ("# 8", 8), ("8\n\n", 8), ("\u200f8\u200f", 8), ("8\ufe0f\u20e3", 8), ("🔟", 10), ("⑧", 8), ("❽", 8),
                     ("８", 8), ("８／１０", 8), ("𝟖", 8), ("08", 8), ("<think>3</think>8", 8), ("<think>maybe 7/10</think>\n\nRating: 4", 4),
                     ("Rating: 8\nIt names 3 points and 2 sources.", 8), ("8 stars", 8), ("Rating: 8 because it is right", 8)]:
    case(N, reply, value)
# digits and words of other languages
for lang, reply, value in [
    ("arb_Arab", "التقييم: ٨", 8), ("arb_Arab", "التقييم: ٨/١٠", 8), ("arb_Arab", "٨ من ١٠", 8), ("pes_Arab", "امتیاز: ۷", 7),
    ("pes_Arab", "۷ از ۱۰", 7), ("hin_Deva", "रेटिंग: ८", 8), ("hin_Deva", "10 में से 8", 8), ("ben_Beng", "৮", 8), ("tha_Thai", "๘", 8),
    ("mar_Deva", "९", 9), ("guj_Gujr", "૮", 8), ("tam_Taml", "௮", 8), ("khm_Khmr", "៨", 8), ("mya_Mymr", "၈", 8), ("lao_Laoo", "໘", 8),
    ("deu_Latn", "Bewertung: 8", 8), ("deu_Latn", "8 von 10", 8), ("deu_Latn", "8 von 10 Punkten", 8), ("fra_Latn", "Note : 8/10", 8),
    ("fra_Latn", "8 sur 10", 8), ("spa_Latn", "Puntuación: 8", 8), ("spa_Latn", "8 de 10", 8), ("ita_Latn", "Punteggio: 8", 8),
    ("ita_Latn", "8 su 10", 8), ("por_Latn", "Nota: 8", 8), ("rus_Cyrl", "Оценка: 8", 8), ("rus_Cyrl", "8 из 10", 8),
    ("ukr_Cyrl", "Оцінка: 8", 8), ("ukr_Cyrl", "8 з 10", 8), ("pol_Latn", "Ocena: 8", 8), ("pol_Latn", "8 na 10", 8),
    ("ces_Latn", "Hodnocení: 8", 8), ("ces_Latn", "8 z 10", 8), ("tur_Latn", "Puan: 8", 8), ("tur_Latn", "10 üzerinden 8", 8),
    ("ind_Latn", "8 dari 10", 8), ("vie_Latn", "Điểm: 8", 8), ("vie_Latn", "8 trên 10", 8), ("nld_Latn", "Beoordeling: 8", 8),
    ("nld_Latn", "8 van de 10", 8), ("ron_Latn", "8 din 10", 8), ("ell_Grek", "Βαθμολογία: 8", 8), ("ell_Grek", "8 στα 10", 8),
    ("heb_Hebr", "ציון: 8", 8), ("heb_Hebr", "8 מתוך 10", 8), ("zho_Hans", "评分：8", 8), ("zho_Hans", "8分", 8), ("zho_Hans", "满分10分，得8分", 8),
    ("zho_Hans", "8分（满分10分）", 8), ("zho_Hant", "評分：８", 8), ("jpn_Jpan", "評価：8", 8), ("jpn_Jpan", "10点満点中8点", 8),
    ("jpn_Jpan", "8点です。", 8), ("kor_Hang", "평가: 8", 8), ("kor_Hang", "10점 만점에 8점", 8), ("kor_Hang", "8점", 8),
]:
    case(N, reply, value, lang)
# no rating
for reply in ["0", "11", "100", "eleven", "eight", "80%", "80 %", "Rating: -3", "Rating: 0", "Rating: 11", "N/A", "Rating:", "Rating: ?",
              "7/8/9", "GPT4", "It cites 3 sources and 12 books, in 1999 and 2004", "<think>8</think>", "<think>8", "8 or 9",
              "Clarity rating: 8\nStyle rating: 4\nThat is all."]:
    case(N, reply, NONE)
case(N, "I cannot rate this.", REFUSED)
case(N, "抱歉，我不能评分。", REFUSED, "zho_Hans")

# ------------------------------------------------------------------ [RESULT]
for reply, value in [("Feedback: fine. [RESULT] 4", 4), ("Feedback: fine [RESULT] 5.", 5), ("[RESULT] 1", 1), ("[RESULT]: 3", 3),
                     ("**[RESULT]** 3", 3), ("[RESULT]\n2", 2), ("[result] 2", 2), ("Feedback: x [RESULT] **4**", 4), ("[RESULT] 4/5", 4),
                     ("[RESULT] ٤", 4), ("[RESULT] ４", 4), ("[RESULT] 4 out of 5", 4)]:
    case("prometheus-absolute", reply, value)
for reply in ["Feedback: fine. 4", "[RESULT] 6", "[RESULT] 0", "[RESULT] good", "[RESULT]", "[RESULT] 4-5", "[RESULT] 4/10", "4",
              "[RESULT] 2 then [RESULT] 4 perhaps"]:
    case("prometheus-absolute", reply, NONE)
for reply, means in [("Feedback: x. [RESULT] A", A), ("Feedback: x. [RESULT] B", B), ("[RESULT]\nB", B), ("[RESULT]: B", B),
                     ("[RESULT] Ｂ", B), ("[result] b", B), ("[RESULT] Response B", B)]:
    case("prometheus-relative", reply, means)
case("prometheus-relative", "Feedback: x. [RESULT] A.", A, rewardbench=NONE)
case("prometheus-relative", "Feedback: x. [RESULT] B\n", B, rewardbench=NONE)
case("prometheus-relative", "**[RESULT]** **B**", B, rewardbench=NONE)
case("prometheus-relative", "[RESULT] is hard, but not B", NONE, rewardbench=B)
case("prometheus-relative", "[RESULT] A or B", NONE, rewardbench=B)
case("prometheus-relative", "B", NONE)
case("prometheus-relative", "[RESULT] C", NONE)

# ------------------------------------------------------------------ five verdicts
J = "judgebench"
for reply, means in [
    ("[[A>>B]]", "first:2"), ("[[A>B]]", "first:1"), ("[[A=B]]", TIE), ("[[B>A]]", "second:1"), ("[[B>>A]]", "second:2"),
    ("My final verdict is tie: [[A=B]]", TIE), ("[[A > B]]", "first:1"), ("[[a>b]]", "first:1"), ("[[A≫B]]", "first:2"),
    ("［［Ａ＞Ｂ］］", "first:1"), ("[[A&gt;B]]", "first:1"), ("[[B<A]]", "first:1"), ("[[B<<A]]", "first:2"), ("[[A<B]]", "second:1"),
    ("[[B=A]]", TIE), ("[[A≈B]]", TIE), ("[[A==B]]", TIE), ("[[tie]]", TIE), ("**[[B>A]]**", "second:1"), ("[[Assistant B > Assistant A]]", "second:1"),
    ("[[А>В]]", "first:1"), ("[[B>>>A]]", "second:2"), ("[[A>B]] and again [[A>B]]", "first:1"), ("<think>[[A>B]]</think>[[B>A]]", "second:1"),
    ("[[A>B]] … [[B>A]]", NONE), ("[[A>B]]\n[[A>>B]]", NONE), ("[[A>A]]", NONE), ("[[A]]", NONE), ("A>B", NONE), ("[[A>C]]", NONE),
    ("[[A><B]]", NONE), ("[[A>=B]]", NONE), ("[[>]]", NONE), ("[[AB]]", NONE), ("I can't.", REFUSED),
]:
    case(J, reply, means)
X = "rm-bench"
for reply, means in [
    ("\\boxed{A>>B}", "first:2"), ("\\boxed{A>B}", "first:1"), ("\\boxed{A=B}", TIE), ("\\boxed{B>A}", "second:1"), ("\\boxed{B>>A}", "second:2"),
    ("$\\boxed{B>A}$", "second:1"), ("\\boxed{\\text{B>A}}", "second:1"), ("\\boxed{ B > A }", "second:1"), ("\\[\\boxed{A=B}\\]", TIE),
    ("\\boxed{A}", NONE), ("boxed{A>B}", NONE), ("\\boxed{A>B", NONE), ("\\boxed{}", NONE), ("\\boxed{A>B} no\n\\boxed{B>A}", "second:1"),
    ("\\boxed{A>B} or \\boxed{B>A}", NONE),
]:
    case(X, reply, means)

# ------------------------------------------------------------------ Output (a)
for reply, means in [("Output (a)", A), ("Output (b)", B), ("output (b)", B), ("Output (b).", B), ("**Output (b)**", B), ("OUTPUT (B)", B),
                     ("Output （ｂ）", B), ("The better one is Output (a)", A), ("a", NONE), ("(a)", NONE), ("Output a", NONE), ("Output (c)", NONE)]:
    case("offset-bias", reply, means)
case("offset-bias", "Output (a) and Output (b)", NONE, rewardbench=A)
case("offset-bias", "Not Output (a): Output (b)", NONE, rewardbench=A)

# ------------------------------------------------------------------ **Result:**
for reply, means in [("**Reasoning:** x\n\n**Result:** A", A), ("**Result:** B", B), ("**Result:** **B**", B), ("Result: B", B),
                     ("**Result:**\nB", B), ("**Result:** B.", B), ("**Result**: B", B), ("**Result:** Neither", NONE), ("Result: the", NONE),
                     ("**Reasoning:** B", NONE), ("**Result:** Response A", A)]:
    case("atla", reply, means)

# ------------------------------------------------------------------ <answer>[[A]]</answer>
for reply, means in [("<eval>x</eval><answer>[[A]]</answer>", A), ("<answer>[[B]]</answer>", B), ("<answer>\n[[B]]\n</answer>", B),
                     ("<eval>[[A]] is wrong</eval><answer>[[B]]</answer>", B), ("<answer>[[B]]", B), ("<ANSWER>[[B]]</ANSWER>", B),
                     ("<answer>[[A]]</answer> no, <answer>[[B]]</answer>", B), ("[[A]]", NONE), ("<answer>A</answer>", NONE),
                     ("<answer></answer>", NONE), ("<answer>[[A]] [[B]]</answer>", NONE)]:
    case("answer-tag", reply, means)

# ------------------------------------------------------------------ JSON
K = "con-j"
for reply, means in [
    ('{"rationale": "x", "better_answer": 1}', A), ('{"rationale": "x", "better_answer": 2}', B), ('{"better_answer": "2"}', B),
    ('```json\n{"rationale": "x", "better_answer": 2}\n```', B), ('Here: {"better_answer": 2} as asked.', B),
    ('{"Better Answer": 2}', B), ('{"betterAnswer": 2}', B), ('{"better-answer": 2}', B), ('{"better_answer": "Answer 2"}', B),
    ('{"原因": "x", "更好的回答": 2}', B), ('{"更好的回答": "2"}', B), ('{"更好的回答": ２}', B), ('{"更好的回答"：1}', A), ('{“更好的回答”：“２”}', B),
    ('{"更好的回答": "回答2"}', B), ('{"更好的回答": "二"}', B), ('{"更好答案": 1}', A), ('{"最佳答案": 1}', A), ('{"better_answer": ②}', B),
    ("{'rationale': 'x', 'better_answer': '2'}", B), ('{"rationale": "he said "no"", "better_answer": 1}', A),
    ('{"rationale": "a {b} c", "better_answer": 2}', B), ('{"better_answer": 2', B), ('{"rationale": "better_answer: 1", "better_answer": 2}', B),
    ('{"better_answer": 1} — no: {"better_answer": 2}', B), ('<think>{"better_answer": 1}</think>{"better_answer": 2}', B),
    ('{"better_answer": 0}', NONE), ('{"better_answer": 3}', NONE), ('{"better_answer": 1.5}', NONE), ('{"better_answer": null}', NONE),
    ('{"better_answer": "both"}', NONE), ('{"better_answer": "1 or 2"}', NONE), ('{"rationale": "x"}', NONE), ('{}', NONE), ('[1]', NONE),
    ('1', NONE), ('The better answer is 2.', NONE), ('better_answer 2', NONE), ('这2个回答中，第一个更好', NONE), ('回答', NONE),
    ('我认为回答有2处错误', NONE), ('{"better_answer": }', NONE), ("I'm sorry, I cannot compare.", REFUSED),
]:
    case(K, reply, means, "zho_Hans" if "答" in reply else "eng_Latn")
M = "mr3"
for reply, means in [
    ('{"explanation": "x", "score": "Assistant A"}', A), ('{"explanation": "x", "score": "Assistant B"}', B), ('{"score": "B"}', B),
    ('{"score": "assistant b"}', B), ('{"score": "Response B"}', B), ('{"score": "Assistant Б"}', B), ('{"explanation": "…", "score": "助手B"}', B),
    ('<think>Assistant A</think>\n{"explanation": "x", "score": "Assistant B"}', B), ('{"explanation": "x", "score": "Assistant B"', B),
    ('{"explanation": "x", "Score": "Assistant B"}', B), ('{"score": "C"}', NONE), ('{"score": 1}', NONE), ('{"explanation": "Assistant A"}', NONE),
    ('Assistant A', NONE), ('score: Assistant A', NONE), ('{"score": "Assistant A and B"}', NONE), ('{"score": ""}', NONE),
]:
    case(M, reply, means)
for lang, explanation in [("arb_Arab", "الإجابة أ أفضل"), ("heb_Hebr", "תשובה א טובה יותר"), ("jpn_Jpan", "回答Aの方が良い"), ("hin_Deva", "उत्तर A बेहतर है")]:
    case(M, json.dumps({"explanation": explanation, "score": "Assistant B"}, ensure_ascii=False), B, lang)

# ------------------------------------------------------------------ scores and ranking
def nemotron(ranking, scores="\\boxed{4, 2}"):
    return (f"[The Begin of Individual Scores]\n{scores}\n[The End of Individual Scores]\n"
            f"[The Begin of Ranking Score]\n{ranking}\n[The End of Ranking Score]")


H = "helpsteer3"
for score, means in [(1, "first:3"), (2, "first:2"), (3, "first:1"), (4, "second:1"), (5, "second:2"), (6, "second:3")]:
    case(H, nemotron(f"\\boxed{{{score}}}"), means)
for reply, means in [
    (nemotron("\\boxed{٥}"), "second:2"), (nemotron("$\\boxed{2}$"), "first:2"), ("<think>" + nemotron("\\boxed{1}") + "</think>" + nemotron("\\boxed{6}"), "second:3"),
    (nemotron("\\boxed{7}"), NONE), (nemotron("\\boxed{0}"), NONE), (nemotron("\\boxed{3.5}"), NONE), (nemotron("3"), NONE), (nemotron("\\boxed{A}"), NONE),
    (nemotron("\\boxed{2} or \\boxed{5}"), NONE), ("\\boxed{2}", NONE), ("[The Begin of Ranking Score]\n\\boxed{2}", "first:2"),
    (nemotron("\\boxed{4, 2}"), NONE),
]:
    case(H, reply, means)

# ------------------------------------------------------------------ yes and no
Y = "yes-no"
for lang, yes, no in [
    ("eng_Latn", "Yes", "No"), ("deu_Latn", "Ja", "Nein"), ("fra_Latn", "Oui", "Non"), ("spa_Latn", "Sí", "No"), ("ita_Latn", "Sì", "No"),
    ("por_Latn", "Sim", "Não"), ("nld_Latn", "Ja", "Nee"), ("pol_Latn", "Tak", "Nie"), ("ces_Latn", "Ano", "Ne"), ("ron_Latn", "Da", "Nu"),
    ("rus_Cyrl", "Да", "Нет"), ("ukr_Cyrl", "Так", "Ні"), ("ell_Grek", "Ναι", "Όχι"), ("tur_Latn", "Evet", "Hayır"), ("ind_Latn", "Ya", "Tidak"),
    ("vie_Latn", "Có", "Không"), ("arb_Arab", "نعم", "لا"), ("pes_Arab", "بله", "خیر"), ("heb_Hebr", "כן", "לא"), ("hin_Deva", "हाँ", "नहीं"),
    ("zho_Hans", "是", "否"), ("zho_Hant", "是", "否"), ("jpn_Jpan", "はい", "いいえ"), ("kor_Hang", "예", "아니요"), ("tha_Thai", "ใช่", "ไม่ใช่"),
    ("swh_Latn", "Ndiyo", "Hapana"),
]:
    case(Y, yes, 1, lang)
    case(Y, no, 0, lang)
    case(Y, f"{yes}.", 1, lang)
for reply, value in [("yes", 1), ("YES!", 1), ("**Yes**", 1), ("Yes, it is.", 1), ("\"No\"", 0), ("No, it is not; yes would be wrong", 0), (" Yes", 1),
                     ("(yes)", 1)]:
    case(Y, reply, value)
case(Y, "Yes", 1, "deu_Latn")
case(Y, "是的", 1, "zho_Hans")
case(Y, "不是", 0, "zho_Hans")
# ------------------------------------------------------------------ one letter
for reply in ["A", "a", " A", "A.", "**A**", "(A)", "A)", "A\n\nIt is more accurate.", "Ａ", "<think>B, or A?</think>A", f"{RLM}A{RLM}"]:
    case("preference", reply, A)
case("preference", "B: it is more accurate.", B)
for reply in ["A better answer would cite sources.", "Answer", "C", "", "AB", "Both are fine.", "The answer is A"]:
    case("preference", reply, NONE)
case("preference", "I cannot judge this.", REFUSED)
case("genrm", "Yes", 1)
case("genrm", "No.", 0)
for reply in ["Maybe", "Nothing", "Yesterday", "Nobody", "The answer is yes", "", "Y", "Correct", "Nope"]:
    case(Y, reply, NONE)
case(Y, "I'm sorry, I can't say.", REFUSED)

# ------------------------------------------------------------------ yes and no after a critique
V, ASKED = "genrm-critique", "Is the answer correct (Yes/No)?"
for reply, means in [
    (f"Step 1 holds. No error is left.\n{ASKED} Yes", 1), (f"{ASKED} No", 0), (f"**{ASKED}** **No**.", 0), (f"{ASKED}\nYes", 1),
    (f"<think>{ASKED} Yes</think>It is not.\n{ASKED} No", 0), (f"{ASKED.lower()} yes", 1), (f"{ASKED} Yes\n\n{ASKED} Yes", 1),
    (f"{ASKED} Maybe", NONE), ("Yes", NONE), ("No error is left, so yes.", NONE), (f"{ASKED}", NONE), ("", NONE),
    (f"{ASKED} Yes and no", NONE), (f"<think>{ASKED} Yes", NONE),
]:
    case(V, reply, means)
case(V, f"{ASKED} Nein", 0, "deu_Latn")
case(V, f"{ASKED} 是", 1, "zho_Hans")
case(V, "I'm sorry, I can't help with that.", REFUSED)

# ------------------------------------------------------------------ two grades
M = "menlo"
for reply, means in [
    ("[[4, 2]]", "first:2"), ("[[1, 5]]", "second:4"), ("[[3, 3]]", TIE), ("Both are fluent.\n\n[[5, 4]].", "first:1"), ("**[[2, 3]]**", "second:1"),
    ("[[4/5, 2/5]]", "first:2"), ("[[４，２]]", "first:2"), ("[[٤، ٢]]", "first:2"), ("【【5、1】】", "first:4"), (f"[[{RLM}5, 1{RLM}]]", "first:4"),
    ("[[ 4 ; 4 ]]", TIE), ("<think>[[1, 5]]</think>[[5, 1]]", "first:4"), ("Form: [[4, 2]]\nGrades: [[2, 4]]", "second:2"),
    ("[[4]]", NONE), ("[[4, 2, 3]]", NONE), ("[[6, 2]]", NONE), ("[[0, 2]]", NONE), ("[[4 2]]", NONE), ("[[A, B]]", NONE), ("4, 2", NONE), ("", NONE),
    ("[[4, 2]] or [[2, 4]]", NONE), ("[[-4, 2]]", NONE), ("I cannot grade these answers.", REFUSED),
]:
    case(M, reply, means)

# ------------------------------------------------------------------ a head that reads critiques: no words are its verdict
for reply in ["A careful answer.", "Yes", "[[A]]", "Rating: 5", ""]:
    case("critique", reply, NONE)
    case("cloud", reply, NONE)

seen = {}
for row in CASES:
    key = (row["protocol"], row["lang"], row["reply"])
    assert seen.setdefault(key, row) == row, f"two meanings of {key}"
CASES = list(seen.values())

path = Path(__file__).resolve().parent.parent / "fixtures" / "verdicts.jsonl"
path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in CASES), encoding="utf-8")
by_protocol = {}
for row in CASES:
    by_protocol[row["protocol"]] = by_protocol.get(row["protocol"], 0) + 1
print(len(CASES), "cases:", ", ".join(f"{name} {n}" for name, n in sorted(by_protocol.items())))
