//! Words around ratings, by what they do there; lower case.

/// What stands between a rating and its scale.
#[rustfmt::skip]
pub const OF: &[&str] = &[
    "/", "out of", "out of a possible", "of", "on", "von", "aus", "sur", "de", "di", "su", "na", "z", "ze",
    "από", "στα", "στο", "из", "з", "із", "od", "dari", "trên", "van", "van de", "din", "من", "من أصل", "از",
    "מתוך", "of the", "över", "af", "a",
];
/// What stands between a scale and its rating, in languages that name the scale first.
#[rustfmt::skip]
pub const OF_REVERSED: &[&str] = &[
    "üzerinden", "点満点中", "点満点で", "点中", "分中的", "分中", "分满分", "점 만점에", "점 만점 중", "점 중", "में से", "এর মধ্যে",
];
/// What makes two numbers a range.
#[rustfmt::skip]
pub const RANGE: &[&str] = &[
    "-", "~", "to", "or", "and", "bis", "oder", "à", "ou", "o", "至", "到", "から", "〜", "до", "или", "ile", "veya",
];
/// What makes the number after it a scale.
#[rustfmt::skip]
pub const SCALE_BEFORE: &[&str] = &[
    "满分", "滿分", "満点", "max", "maximum", "scale of", "1 to", "1-",
];
/// What may stand after a rating: units and ends of sentences.
#[rustfmt::skip]
pub const UNITS: &[&str] = &[
    "points", "point", "pts", "stars", "star", "punkte", "punkten", "puntos", "pontos", "punti", "баллов",
    "балла", "балл", "balів", "балів", "bali", "punkty", "punktów", "bodů", "puan", "điểm", "poin", "punten",
    "puncte", "درجات", "نقاط", "نقطة", "امتیاز", "נקודות", "अंक", "分", "点", "點", "점", "です", "点です", "점입니다",
    "입니다",
];
/// Words that announce a rating.
#[rustfmt::skip]
pub const CUES: &[&str] = &[
    "rating", "score", "grade", "bewertung", "punktzahl", "wertung", "note", "valutazione", "punteggio", "voto",
    "puntuación", "calificación", "nota", "pontuação", "avaliação", "classificação", "évaluation", "оценка",
    "рейтинг", "балл", "оцінка", "бал", "ocena", "punktacja", "hodnocení", "skóre", "puan", "değerlendirme",
    "skor", "đánh giá", "điểm", "điểm số", "beoordeling", "evaluare", "punctaj", "βαθμολογία", "αξιολόγηση",
    "nilai", "peringkat", "评分", "得分", "分数", "評分", "評価", "スコア", "点数", "평가", "점수", "평점", "التقييم", "تقييم",
    "الدرجة", "درجة", "امتیاز", "نمره", "ارزیابی", "דירוג", "ציון", "रेटिंग", "अंक", "स्कोर", "మార్కులు",
    "รวมคะแนน", "คะแนน",
];
