"""Writes test/fixtures/wordpiece-cases.jsonl: texts that tokenizers disagree on, each with the ids that Python's tokenizers reads it as by the
tokenizer.json of deploy/models/v2. Special tokens are unknown to it, as to Kindred in a user's text.
usage: PYTHON wordpiece_cases.py > test/fixtures/wordpiece-cases.jsonl   (PYTHON: see deploy/scripts/python-env.mjs tokenizers)"""

import json
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer

WORDS = ["café", "naïve", "Ångström", "Größe", "İstanbul", "ıŞıK", "façade", "ǅungla", "ﬁsh", "Ⅻ", "½ cup", "Ω", "ΣΊΣΥΦΟΣ", "Việt Nam", "ẛ̣", "ñandú"]
FORMS = [unicodedata.normalize(form, word) for word in WORDS for form in ("NFC", "NFD", "NFKC", "NFKD")]

SCRIPTS = [
    "Привет, мир!", "Ёлка и йод", "ὀδυσσεύς", "שָׁלוֹם עולם", "السلام عليكم", "مُحَمَّد", "نمی‌خواهم", "हिन्दी में पाठ", "क्षेत्र", "বাংলা লেখা", "ਪੰਜਾਬੀ", "தமிழ்", "తెలుగు",
    "ಕನ್ನಡ", "മലയാളം", "සිංහල", "ภาษาไทย น้ำ", "ລາວ", "བོད་སྐད།", "မြန်မာ", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "አማርኛ፡ጽሑፍ።", "ᏣᎳᎩ ꭰꭱ", "ភាសាខ្មែរ", "ᠮᠣᠩᠭᠣᠯ", "한국어 텍스트", "ㅎㅏㄴ",
    unicodedata.normalize("NFD", "한국어 각 낆"), "각", "日本語のテキスト", "ｶﾞｷﾞ ガギ がぎ", "カタカナ・ー々〆", "中文文本，测试。", "繁體中文「引號」", "中a文b", "你好world再见", "𠀀𪛖𫝀𫠠", "a𠮷b", "𫠝𬺡𰀀𱍊𲎯", "豈更車", "丽你", "㍿㎏", "〇〡〢",
    "𐐀𐐁𐐨 Deseret", "𞤀𞤢 Adlam", "𑣀𑣠", "𝐇𝐞𝐥𝐥𝐨 𝕎𝕠𝕣𝕝𝕕", "𓀀 hieroglyph", "ꦗꦮ", "ߒߞߏ", "ܫܠܡܐ", "ⵣ ⴰⵎⴰⵣⵉⵖ", "ᚠᚢᚦ", "𐤀𐤁", "ᜊᜌ᜔", "ꓡꓲꓢꓴ.",
]

EMOJI = ["👍", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "1️⃣ #️⃣", "❤️ love", "☺ vs ☺️", "nice😀shoes", "🧑🏿‍🚀🚀", "™ © ®", "→ ⇒ ∞ ≤ ≠", "✓✔️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]

INVISIBLE = [f"a{char}b {char} c{char}" for char in
    "\0\x01\x07\x08\t\n\x0b\x0c\r\x1b\x1c\x1f\x7f\x80\x85\x9f\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u180b\u180e\u180f\u2000\u2007\u200b\u200c\u200d\u200e\u200f"
    "\u2028\u2029\u202a\u202e\u202f\u205f\u2060\u2064\u2066\u2069\u206f\u2800\u3000\u3164\ufe0f\ufeff\uffa0\ufff9\ufffc\ufffd\ufffe\uffff\ue000\uf8ff\U000e0001\U000e0020"
    "\U000e0100\U000f0000\U0010ffff\u08e2\u0890\U000110cd\U00013430\U0001d173\u0378\U00050000"]

PUNCTUATION = ["!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "don't can’t o'clock rock'n'roll", "e-mail re–use re—use re‑use", "«quoted» „quoted“ ‹q›", "¡Hola! ¿qué?", "a...b…c", "$5.99 €3,50 £2 ¥100 ¢",
    "50% off ‰", "C++ C# .NET", "a_b__c", "#hashtag @user", "https://example.com/a?b=c&d=%20#e", "user@example.com", "##ing ##", "# #s", "(){}[]<>", "·•‣⁃", "‽⸮", "᙮ ᛫ ᛬", "、。〈〉《》", "！＂＃＄％", "´¨¸˙", "^~`|", "§¶†‡",
    "⁈⁉", "\u2e43\u2e4f\u2e52\u2e5d", "\u1b4e\u1b7d", "\U00011a9a\U0001e95e", "\u037e\u1fef", "²³¹", "a\u0300!\u0301?", "\u0301", "!\u0301", " \u0301 a"]

NUMBERS = ["1234567890", "1,000,000.00", "3.14e-10", "0xFF", "1st 2nd 3rd", "10x20x30cm", "١٢٣", "०१२", "１２３", "Ⅷ ⅷ", "①②⓪", "½¼¾", "𝟏𝟐𝟑", "48V/20Ah", "iPhone15ProMax", "4K@60Hz"]

LENGTHS = ["", " ", "  \t\n ", "a", "ab " * 40, "x" * 99, "x" * 100, "x" * 101, "x" * 5000, "é" * 100, "e\u0301" * 100, "e\u0301" * 101, "é" * 101, "𐐀" * 100, "𐐀" * 101, "中" * 150, "!" * 150,
    "ab" * 50, "ab" * 50 + "c", "a" + "\u0301" * 1000, "\u0301" * 150, "a\u200d" * 100, "a\u200d" * 101, "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "qwrtzpsdfghjklyxcvbnm", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "İ" * 100, "İ" * 51]

MARKS = ["q\u0307\u0323", "q\u0323\u0307", "a\u0345\u0334\u0300", "s\u0323\u0307", "\u1e69", "\u1e9b\u0323", "a\u302e\u0301", "a\u0301\u302e\u0323", "\U0001d157\U0001d165\U0001d16e", "\u0f71\u0f72\u0f74", "a\u1abf\u0323\u0301", "a\u0315\u0897b",
    "\u0344", "\u212b \u2126 \u212a", "\u0958 \u09dc", "\uac00\u0301", "a\u0308\u200d\u0301b", "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034dA\u036b\u0357\u0334\u0362\u0335\u031c\u0330\u0354L\u0368\u0367\u0369\u0358\u0320G\u0311\u0357\u030e\u0305\u035b\u0341\u0334\u033b\u0348\u034d\u0354\u0339O\u0342\u030c\u030c\u0358\u0328\u0335\u0339\u033b\u031d\u0333",
    "\u20d0\u20dd a\u20dd", "x\u0488", "\U000105c9 \U00011383"]

SPECIALS = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "shoes [SEP] hats", "a[SEP]b", "[SEP][SEP]", "[cls]", "[ SEP ]", "[\u200bSEP]", "[unused0]", "<s></s>", "<|endoftext|>", "<pad>", "[SEP", "SEP]"]

PRODUCTS = ["Women's Waterproof Hiking Boots – Size 8½ (UK)", "Crème brûlée torch, 2-pack", "LEGO® Star Wars™ 75192", "Kärcher K5 Pressure Washer 145 bar", "Bose QuietComfort® 45 – wireless / Bluetooth® 5.1", "Señor Frog's T‑shirt XL", "5\" x 7\" photo frame",
    "Häagen‑Dazs ice cream 460ml", "USB‑C→HDMI adapter", "SONY WH-1000XM5B", "无线耳机 Wireless Earbuds 降噪", "Москва Moscow モスクワ", "ＦＵＬＬ　ＷＩＤＴＨ", "раypal (Cyrillic р, а)", "abc\u202edef\u202c", "UPPER lower MiXeD", "ẞ ß SS", "ǲ Ǳ", "K Å"]

TEXTS = [*FORMS, *SCRIPTS, *EMOJI, *INVISIBLE, *PUNCTUATION, *NUMBERS, *LENGTHS, *MARKS, *SPECIALS, *PRODUCTS]

bundle = Path(__file__).parents[2] / "deploy/models/v2/tokenizer.json"
tokenizer = Tokenizer.from_str(json.dumps({**json.loads(bundle.read_text()), "added_tokens": []}))
texts = list(dict.fromkeys(TEXTS))
for text in texts:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    print(json.dumps({"text": text, "ids": ids}, separators=(",", ":")))
