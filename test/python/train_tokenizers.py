"""Writes test/fixtures/tokenizers.jsonl: small tokenizers of the kinds that Kindred leaves to its library, trained here, each with texts and
what Python's tokenizers reads them as, with the template's special tokens. Training breaks ties as it likes: another run makes others.
usage: PYTHON train_tokenizers.py > test/fixtures/tokenizers.jsonl   (PYTHON: see deploy/scripts/python-env.mjs tokenizers)"""

import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = [
    "a waterproof jacket for hiking in the rain",
    "waterproof hiking boots with a warm lining",
    "warm gloves and a warm hat for cold winter days",
    "wireless headphones with noise cancelling and a long battery life",
    "a stainless steel water bottle that keeps drinks cold",
    "running shoes for long distances, light and soft",
    "Kopfhörer für unterwegs, kabellos und leicht",
    "une veste imperméable légère pour la randonnée",
    "the bottle holds 1 litre; the boots weigh 450 g each",
] * 4

TEXTS = [
    "a waterproof jacket", "Waterproof BOOTS", "headphones, wireless!", "kabellose Kopfhörer", "légère", "cold   drinks\tand\nwater", "  leading and trailing  ",
    "450g", "it's $5.99 (each)", "don't", "日本", "😀 boots", "unknownword zzz", "a", "", "-", "soft/light", "ﬁt", "ＷＡＲＭ",
]  # fmt: skip


def template(tokenizer, start, end):
    ids = [(token, tokenizer.token_to_id(token)) for token in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ids)


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    template(tokenizer, "[CLS]", "[SEP]")
    return tokenizer


def bpe():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    template(tokenizer, "<s>", "</s>")
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    template(tokenizer, "<s>", "</s>")
    return tokenizer


for kind in (wordpiece, bpe, unigram):
    tokenizer = kind()
    cases = [{"text": text, "ids": tokenizer.encode(text).ids} for text in TEXTS]
    print(json.dumps({"kind": kind.__name__, "tokenizer": json.loads(tokenizer.to_str()), "cases": cases}, separators=(",", ":")))
