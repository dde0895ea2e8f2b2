"""Writes v2 as Infinity reads models: a Hugging Face folder whose onnx/model.onnx is v2's own graph up to the pooling, which Infinity does itself.
usage: infinity_folder.py BUNDLE FOLDER"""

import json
import shutil
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

bundle, folder = map(Path, sys.argv[1:])
manifest = json.loads((bundle / "model.json").read_text("utf8"))
(folder / "onnx").mkdir(parents=True)

model = onnx.load(bundle / "model.onnx")
graph = model.graph
layers = sum(each.name.endswith("intermediate.dense.bias") for each in graph.initializer)
last = f"encoder.layer.{layers - 1}.output.LayerNorm"
needed, nodes = {last}, []
for node in reversed(graph.node):
    if needed & set(node.output):
        nodes.append(node)
        needed |= set(node.input)
nodes = [*reversed(nodes), helper.make_node("Identity", [last], ["last_hidden_state"])]
constants = [each for each in graph.initializer if each.name in needed]
hidden = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", manifest["dimension"]])
for field, values in ((graph.node, nodes), (graph.initializer, constants), (graph.output, [hidden])):
    del field[:]
    field.extend(values)
onnx.save(model, folder / "onnx/model.onnx")

shutil.copyfile(bundle / "tokenizer.json", folder / "tokenizer.json")
tokens = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": manifest["maxTokens"], **tokens}
config = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": manifest["dimension"],
    "num_hidden_layers": layers,
    "num_attention_heads": 12,
    "intermediate_size": 4 * manifest["dimension"],
    "max_position_embeddings": 512,
    "vocab_size": 30_522,
    "pad_token_id": 0,
}
for name, value in (("tokenizer_config.json", tokenizer), ("config.json", config)):
    (folder / name).write_text(json.dumps(value), "utf8")
