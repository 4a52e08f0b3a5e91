"""Golden values for the embedders of crates/recall, from implementations that share no code with it.

    python -m venv venv && venv/bin/pip install numpy safetensors tokenizers
    venv/bin/python scripts/embed_golden.py MINILM_FOLDER

writes crates/recall/tests/data/{wordpiece,static,minilm}.json and tests/data/tiny-bert/. The
tokenizer is Hugging Face's, the encoder is numpy in double precision, the static table is read
byte by byte as the documentation of its format says.
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import BertWordPieceTokenizer

DATA = Path(__file__).resolve().parent.parent / "crates/recall/tests/data"
TABLE = DATA.parent.parent / "assets/static-v1.bin"

TEXTS = [
    "The user prefers short answers.",
    "She likes brief replies.",
    "Deploys run from the main branch after the tests have passed.",
    "My cat's name is Señor Whiskers; he is 7 years old!",
    "fn main() { println!(\"{}\", 0xdead_beef); }",
    "東京で会議があります",
]

TRICKY = TEXTS + [
    "",
    "   \t\r\n ",
    "ÀÉÎÕÜ àéîõü Ångström naïve façade",
    "e\u0301 a\u0308 n\u0303 \u0301 \u0130stanbul \u0131 ß ẞ ﬁ ﬂ Ǆ",
    "ΟΔΥΣΣΕΥΣ Σίσυφος ΑΣ",
    "Привет, мир! Ёлка й",
    "مرحبا بالعالم שלום עולם नमस्ते दुनिया สวัสดี",
    "한국어 문장입니다 조선말",
    "ひらがな カタカナ が ﾊﾝｶｸ",
    "中文字符混合english中文 \u3400\U00020000\uf900\U0002f800",
    "emoji 🎉👩‍👩‍👧‍👦🏳️‍🌈 café☕",
    "a\u200bb a\u200db a\u00adb a\u00a0b a\u2028b a\u3000b a\u0085b",
    "nul\0 bell\x07 del\x7f rep\ufffd priv\ue000 bom\ufeff vt\x0bx ff\x0cx fs\x1cx",
    "don't won't it's O'Brien rock-n-roll e.g. U.S.A. 3.14 1,000,000 $5.00 50%",
    "“quotes” ‘single’ — dash – en … ellipsis « guillemets » ¿qué? ¡sí! § ¶ † ‡ • © ® ™ ° ± × ÷",
    "snake_case camelCase kebab-case path/to/file.rs C:\\Windows <tag attr=\"x\"> #hash @user ~tilde `tick` ^caret |pipe",
    "https://example.com/a?b=c&d=e#f user@example.org",
    "x" * 100,
    "x" * 101,
    "é" * 100 + " " + "é" * 101,
    "pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism",
    "[CLS] [SEP] [MASK] [UNK] [PAD] ##ing # #",
    "½ ² ³ Ⅳ ① ㎏ ℃ Å \u212b \u2126",
    "\U0001d400\U0001d401 \U00010330 \U0001f1e9\U0001f1ea",
    "\u0e33 \u0f73 \u1e9b\u0323 \u1100\u1161\u11a8 \ufb2a",
    "\u037e \u1fef \u0340 \u2000 \u2329",
    "\u16fe4 \u302e \U0001d165 \u0903 \u20e3 1\ufe0f\u20e3",
]


def tokenizer(vocab: Path):
    """The reference tokenizer, special pieces in the text treated as plain text."""
    pieces = {p: i for i, p in enumerate(vocab.read_text("utf-8").split("\n")) if p}
    # The wrapper registers special pieces that then match inside texts; the bare pipeline of
    # normaliser, pre-tokenizer and model does not.
    whole = BertWordPieceTokenizer(pieces, lowercase=True)

    def encode(text: str) -> list[int]:
        out = []
        for word, _ in whole.pre_tokenizer.pre_tokenize_str(whole.normalizer.normalize_str(text)):
            out += [t.id for t in whole.model.tokenize(word)]
        return out

    return pieces, encode


class Bert:
    """Devlin et al. 2019 in numpy, one text at a time, double precision."""

    def __init__(self, folder: Path):
        self.config = json.loads((folder / "config.json").read_text())
        self.w = {
            k: v.astype(np.float64)
            for k, v in load_file(folder / "model.safetensors").items()
            if v.dtype.kind == "f"
        }

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["layer_norm_eps"])
        return x * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def hidden(self, ids):
        e = "embeddings."
        x = self.w[f"{e}word_embeddings.weight"][ids]
        x = x + self.w[f"{e}position_embeddings.weight"][: len(ids)]
        x = x + self.w[f"{e}token_type_embeddings.weight"][0]
        x = self.norm(x, f"{e}LayerNorm")
        heads = self.config["num_attention_heads"]
        n, h = x.shape
        for i in range(self.config["num_hidden_layers"]):
            at = f"encoder.layer.{i}."
            q, k, v = (
                self.linear(x, f"{at}attention.self.{p}").reshape(n, heads, h // heads).swapaxes(0, 1)
                for p in ("query", "key", "value")
            )
            scores = q @ k.swapaxes(1, 2) / math.sqrt(h // heads)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            context = (scores @ v).swapaxes(0, 1).reshape(n, h)
            x = self.norm(
                x + self.linear(context, f"{at}attention.output.dense"),
                f"{at}attention.output.LayerNorm",
            )
            y = self.linear(x, f"{at}intermediate.dense")
            y = y * 0.5 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
            x = self.norm(x + self.linear(y, f"{at}output.dense"), f"{at}output.LayerNorm")
        return x


def unit(v):
    return v / np.linalg.norm(v)


def write(name: str, value) -> None:
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=True, indent=1) + "\n")


def golden(vectors, texts, head):
    return {
        "texts": texts,
        "head": [[round(float(x), 7) for x in v[:head]] for v in vectors],
        "cosine": [[round(float(a @ b), 7) for b in vectors] for a in vectors],
    }


def minilm(folder: Path) -> None:
    pieces, encode = tokenizer(folder / "vocab.txt")
    write("wordpiece.json", [{"text": t, "ids": encode(t)} for t in TRICKY])
    model = Bert(folder)
    ids = [[pieces["[CLS]"], *encode(t), pieces["[SEP]"]] for t in TEXTS]
    write("minilm.json", golden([unit(model.hidden(i).mean(0)) for i in ids], TEXTS, 8))

    raw = TABLE.read_bytes()
    count, dim, text, slots, _, name = struct.unpack("<6I", raw[8:32])
    at = 32 + name + 4 * (count + 1) + 4 * slots
    scales = np.frombuffer(raw, "<f4", count, at).astype(np.float64)
    rows = np.frombuffer(raw, np.int8, count * dim, at + 4 * count + text).reshape(count, dim)
    unknown = pieces["[UNK]"]
    vectors = []
    for t in TEXTS:
        known = [i for i in encode(t) if i != unknown]
        vectors.append(unit((rows[known] * scales[known, None]).sum(0)))
    write("static.json", golden(vectors, TEXTS, 8))


def tiny() -> None:
    """A BERT of random weights, small enough to be committed."""
    folder = DATA / "tiny-bert"
    folder.mkdir(parents=True, exist_ok=True)
    words = "[PAD] [UNK] [CLS] [SEP] the cat sat on mat ##s dog ##gy , . ! a b c".split()
    h, inner, layers, positions = 16, 40, 2, 12
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": h,
        "intermediate_size": inner,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": positions,
        "num_attention_heads": 4,
        "num_hidden_layers": layers,
        "type_vocab_size": 2,
        "vocab_size": len(words),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    rng = np.random.default_rng(20)
    w = {}

    def put(name, *shape, size=0.5, about=0.0):
        w[name] = (about + size * rng.standard_normal(shape)).astype(np.float32)

    def norm(name):
        put(f"{name}.weight", h, size=0.2, about=1.0)
        put(f"{name}.bias", h, size=0.2)

    def linear(name, out, inputs):
        put(f"{name}.weight", out, inputs)
        put(f"{name}.bias", out, size=0.2)

    put("embeddings.word_embeddings.weight", len(words), h)
    put("embeddings.position_embeddings.weight", positions, h)
    put("embeddings.token_type_embeddings.weight", 2, h)
    norm("embeddings.LayerNorm")
    for i in range(layers):
        at = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            linear(f"{at}attention.self.{part}", h, h)
        linear(f"{at}attention.output.dense", h, h)
        norm(f"{at}attention.output.LayerNorm")
        linear(f"{at}intermediate.dense", inner, h)
        linear(f"{at}output.dense", h, inner)
        norm(f"{at}output.LayerNorm")
    save_file(w, folder / "model.safetensors")

    pieces, encode = tokenizer(folder / "vocab.txt")
    texts = ["The cat sat on the mat.", "Doggy, dogs!", "a", "", "unseen words", "a b c " * 20]
    model = Bert(folder)
    # Cut to the model's length, the closing piece kept.
    ids = [[pieces["[CLS]"], *encode(t)[: positions - 2], pieces["[SEP]"]] for t in texts]
    hidden = [model.hidden(i) for i in ids]
    write("tiny-bert/mean.json", golden([unit(x.mean(0)) for x in hidden], texts, h))
    write("tiny-bert/cls.json", golden([unit(x[0]) for x in hidden], texts, h))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    tiny()
    minilm(Path(sys.argv[1]))
