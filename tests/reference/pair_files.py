"""Writes tests/fixtures/pairs: two invented pairs as pyarrow writes them. Run with pyarrow 26.0.1."""

from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "pairs"


def turns(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


question = ("user", "Wie viel ist sechs mal sieben?")
table = pa.table(
    {
        "id": pa.array([1, 2], pa.uint32()),
        "language": pa.array(["deu_Latn", "deu_Latn"]).dictionary_encode(),
        "prompt": [turns(question), turns(question, ("assistant", "Rate mal."), ("user", "Nein, rechne."))],
        "chosen": [turns(("assistant", "Zweiundvierzig.")), turns(("assistant", "Es sind 42."))],
        "rejected": [turns(("assistant", "Vierzig.")), turns(("assistant", "Es sind 40."))],
        "margin": pa.array([[0.5], [2.0]], pa.list_(pa.float32(), 1)),
    }
)

OUT.mkdir(parents=True, exist_ok=True)
pa.parquet.write_table(table, OUT / "chat.parquet", compression="zstd", store_schema=False)
pa.feather.write_feather(table, OUT / "lz4.feather", compression="lz4")
with pa.OSFile(str(OUT / "chat.arrows"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
    stream.write_table(table)
