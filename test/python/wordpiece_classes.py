"""Writes src/embedding/onnx/wordpiece-ranges.ts: how Python's tokenizers classes every code point in BERT's normalizer and pre-tokenizer.
It follows the Unicode of its own libraries, which is no Node's, so its answers are recorded rather than looked up.
usage: PYTHON wordpiece_classes.py > src/embedding/onnx/wordpiece-ranges.ts   (PYTHON: see deploy/scripts/python-env.mjs tokenizers)"""

from tokenizers import __version__
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
clean = BertNormalizer(**{**off, "clean_text": True}).normalize_str
strip = BertNormalizer(**{**off, "strip_accents": True}).normalize_str
chinese = BertNormalizer(**{**off, "handle_chinese_chars": True}).normalize_str
nfd = NFD().normalize_str
split = BertPreTokenizer().pre_tokenize_str

# Marks of the lowest and of the highest canonical combining class: one of them changes places with any other mark.
LOWEST, HIGHEST = "\u0334", "\u0345"


def is_canonical(char):
    return nfd(char) != char or nfd(HIGHEST + char) != HIGHEST + char or nfd(char + LOWEST) != char + LOWEST


CLASSES = {
    "REMOVED": ("removed by clean_text", lambda char: clean(char) == ""),
    "SPACE": ("white space", lambda char: len(split(f"a{char}a")) == 2),
    "PUNCTUATION": ("a word of its own", lambda char: len(split(f"a{char}a")) == 3),
    "IDEOGRAPH": ("set apart by handle_chinese_chars", lambda char: chinese(char) != char),
    "MARK": ("removed by strip_accents", lambda char: strip(char) == ""),
    "CANONICAL": ("decomposed or reordered by NFD", is_canonical),
}


def ranges(belongs):
    found = []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or not belongs(chr(code)):
            continue
        if found and found[-1][1] == code:
            found[-1][1] = code + 1
        else:
            found.append([code, code + 1])
    return found


def base36(number):
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def encode(found):
    """Where each range starts, counted from the end of the one before, and how long it is when that is not 1."""
    end, parts = 0, []
    for start, stop in found:
        parts.append(base36(start - end) + ("" if stop - start == 1 else "-" + base36(stop - start)))
        end = stop
    return " ".join(parts)


def lines(text, width=130):
    line = ""
    for part in text.split(" "):
        if len(line) + len(part) + 1 > width:
            yield line + " "
            line = part
        else:
            line = f"{line} {part}" if line else part
    yield line


print(f"// Written by test/python/wordpiece_classes.py from Python's tokenizers {__version__}; not to be edited.")
print("/**")
print(" * Code points by class. Ranges in base 36: the gap to the end of the range before, then `-` and the length when it is not 1.")
print(" */")
print("export const RANGES = {")
for name, (meaning, belongs) in CLASSES.items():
    print(f"  /** {meaning[0].upper() + meaning[1:]}. */")
    quoted = [f"'{line}'" for line in lines(encode(ranges(belongs)))]
    print(f"  {name}:" + (" " if len(quoted) == 1 and len(quoted[0]) < 120 else "\n    ") + " +\n    ".join(quoted) + ",")
print("} as const;")
