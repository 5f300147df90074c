"""What fastText says of lines: tiny models of every kind of loss, dense and quantised, and their predictions.

Writes tests/fixtures/fasttext/ (models, expected.json). Needs the package fasttext-wheel 0.9.2, which may lie beside
the other packages (PYTHONPATH). The sentences are ours. Run (seconds):  python tests/reference/fasttext_models.py
"""

import tempfile
from pathlib import Path

import fasttext

from fixture_files import FIXTURES, versions, write_json

OUT = FIXTURES / "fasttext"

SENTENCES = {
    "en": ["the rain fell on the old bridge", "she reads a book in the garden", "what is the answer to this question",
           "they walked home after the concert", "this is not the train that we wanted"],
    "de": ["der Regen fiel auf die alte Brücke", "sie liest ein Buch im Garten", "was ist die Antwort auf diese Frage",
           "sie gingen nach dem Konzert nach Hause", "das ist nicht der Zug den wir wollten"],
    "fr": ["la pluie tombait sur le vieux pont", "elle lit un livre dans le jardin", "quelle est la réponse à cette question",
           "ils sont rentrés après le concert", "ce n'est pas le train que nous voulions"],
    "tr": ["yağmur eski köprünün üzerine yağdı", "bahçede bir kitap okuyor", "bu sorunun cevabı nedir",
           "konserden sonra eve yürüdüler", "bu istediğimiz tren değil"],
    "ru": ["дождь падал на старый мост", "она читает книгу в саду", "какой ответ на этот вопрос",
           "они пошли домой после концерта", "это не тот поезд который мы хотели"],
    "ar": ["هطل المطر على الجسر القديم", "تقرأ كتابا في الحديقة", "ما هو الجواب على هذا السؤال",
           "مشوا إلى البيت بعد الحفل", "هذا ليس القطار الذي أردناه"],
    "zh": ["雨 落 在 旧 桥 上", "她 在 花园 里 看 书", "这个 问题 的 答案 是 什么", "音乐会 后 他们 走 回家", "这 不是 我们 要 的 火车"],
}

LINES = [
    "the answer is in the old book", "die Frage nach dem Zug im Regen", "le livre est dans le train", "bu tren eski",
    "этот старый вопрос", "هذا الكتاب القديم", "这个 问题 旧", "the\tbook  der\vBuch", "zzz qqq", "", "a", "🙂 données",
    "the rain " * 40,
]

KINDS = {
    "softmax.bin": {"loss": "softmax", "minn": 2, "maxn": 4, "bucket": 300},
    "tree.bin": {"loss": "hs", "minn": 1, "maxn": 3, "bucket": 400, "wordNgrams": 3},
    "one-against-all.bin": {"loss": "ova", "minn": 0, "maxn": 0, "bucket": 0},
    "quantised.ftz": {"loss": "hs", "minn": 2, "maxn": 4, "bucket": 600, "wordNgrams": 2},
    "pruned.ftz": {"loss": "softmax", "minn": 2, "maxn": 3, "bucket": 900},
}


def main():
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        train = Path(scratch) / "train.txt"
        # Labels of different frequency make a tree of different depths.
        rows = [f"__label__{lang} {s}" for i, (lang, all) in enumerate(SENTENCES.items()) for s in all * (1 + i % 3)]
        train.write_text("\n".join(rows) + "\n", encoding="utf-8")
        expected = {}
        for name, kind in KINDS.items():
            model = fasttext.train_supervised(
                input=str(train), dim=6, epoch=60, lr=0.8, thread=1, seed=7, minCount=1, verbose=0, **kind
            )
            if name == "quantised.ftz":
                model.quantize(qnorm=True)
            if name == "pruned.ftz":
                model.quantize(input=str(train), qnorm=False, cutoff=300, dsub=4)
            model.save_model(str(OUT / name))
            model = fasttext.load_model(str(OUT / name))
            found = []
            for line in LINES:
                # The wrapper of this release does not go with NumPy 2; what it wraps does.
                pairs = model.f.predict(line + "\n", -1, 0.0, "strict")
                found.append(dict(sorted((label, float(p)) for p, label in pairs)))
            expected[name] = found
    write_json(OUT / "expected.json", {"lines": LINES, "models": expected, "versions": versions()})


if __name__ == "__main__":
    main()
