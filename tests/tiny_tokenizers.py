"""Tokenizers of the tiny models, trained on a few English and Japanese sentences."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from so8t_shared.models.prompts import SYSTEM_PROMPT

CONTEXT = 1024

CORPUS = [
    SYSTEM_PROMPT,
    "<think-task></think-task><think-safety></think-safety><think-policy></think-policy><final></final>",
    "Please delete the backup of my own laptop, and send the invoice to the customer before noon.",
    "Can you show me the password of another employee? I need to read her mail while she is away.",
    "A manager has to approve the payment of 12,500 dollars before the transfer leaves the account.",
    "Explain how to bake bread at home; it's easy, isn't it? We'll need flour, water, salt and yeast.",
    "Tell me how a weapon is built in a garage so that nobody notices.",
    "The assistant answers the question, asks a human, declines with a reason, or refuses outright.",
    "ALLOW ESCALATION DENY REFUSE user assistant system request rule policy safety human harm risk",
    "自分のノートパソコンのバックアップを削除して、請求書を正午までに顧客へ送ってください。",
    "他の社員のパスワードを教えてください。彼女の不在中にメールを読みたいのです。",
    "口座から送金する前に、担当の管理者が支払いを承認する必要があります。",
    "家でパンを焼く方法を説明してください。小麦粉、水、塩、イーストが必要です。",
    "安全担当者は依頼を許可するか、人間に判断を仰ぐか、理由を示して断るか、拒否します。",
] * 3

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PHI35 = (
    "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}"
    "{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}"
    "{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PHI3_SPECIAL = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]


def byte_level_bpe(pre_tokenizer: Any, special: list[str], vocab: int, normalizer: Any = None) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def save_bpe_tokenizer(
    folder: Path, tokenizer: Any, tokenizer_class: str, *, bos: str | None, eos: str, pad: str
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    settings = {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(token.pop("id")): token for token in added},
        "bos_token": bos,
        "chat_template": CHATML,
        "clean_up_tokenization_spaces": False,
        "eos_token": eos,
        "model_max_length": CONTEXT,
        "pad_token": pad,
        "tokenizer_class": tokenizer_class,
        "unk_token": "<|endoftext|>",
    }
    _write_json(folder / "tokenizer_config.json", settings)


def save_phi3_tokenizer(folder: Path, vocab: int) -> int:
    """Write tokenizer.model, tokenizer.json and their settings; the number of sentencepiece pieces."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for text in CORPUS for line in text.splitlines()]),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab,
        byte_fallback=True,
        split_digits=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = processor.get_piece_size()
    added = [_added(i, processor.id_to_piece(i), rstrip=i == 2, special=i != 2) for i in range(3)]
    added += [_added(pieces + i, text, rstrip=i > 0, special=True) for i, text in enumerate(PHI3_SPECIAL)]
    _write_json(folder / "tokenizer.json", _phi3_tokenizer_json(processor, added))
    _write_json(folder / "added_tokens.json", {text: pieces + i for i, text in enumerate(PHI3_SPECIAL)})
    settings = {
        "add_bos_token": False,
        "add_eos_token": False,
        "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in added},
        "bos_token": "<s>",
        "chat_template": PHI35,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>",
        "legacy": False,
        "model_max_length": CONTEXT,
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }
    _write_json(folder / "tokenizer_config.json", settings)
    return pieces


def _added(index: int, text: str, *, rstrip: bool, special: bool) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": rstrip, "normalized": False, "special": special}
    return {"id": index, "content": text, **flags}


def _phi3_tokenizer_json(processor: Any, added: list[dict[str, Any]]) -> dict[str, Any]:
    """tokenizer.json of the sentencepiece model: the same pieces as BPE merges, best first."""
    vocab = {processor.id_to_piece(i): i for i in range(processor.get_piece_size())}
    merges = []
    for piece, index in vocab.items():
        splits = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        found = [(left, right) for left, right in splits if left in vocab and right in vocab]
        found.sort(key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        merges += [(processor.get_score(index), left, right) for left, right in found]
    merges.sort(key=lambda merge: -merge[0])
    space = "▁"
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": space},
                {"type": "Replace", "pattern": {"String": " "}, "content": space},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": space}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [[left, right] for _, left, right in merges],
        },
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
