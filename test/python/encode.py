"""Encodes texts by Python's tokenizers. Each line of standard input is a JSON object of a `tokenizer` (a tokenizer.json) and `texts`; the line
that answers it holds the ids of every text, without the template's special tokens."""

import json
import sys

from tokenizers import Tokenizer

for line in sys.stdin:
    job = json.loads(line)
    tokenizer = Tokenizer.from_str(json.dumps(job["tokenizer"]))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encodings = tokenizer.encode_batch(job["texts"], add_special_tokens=False)
    print(json.dumps([encoding.ids for encoding in encodings], separators=(",", ":")), flush=True)
