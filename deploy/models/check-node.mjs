#!/usr/bin/env node
/**
 * Runs both bundles in onnxruntime-node on one thread: the probe vector, session load time, texts a second.
 *
 * usage, from a folder where onnxruntime-node and @huggingface/tokenizers are installed:
 *   node /path/to/deploy/models/check-node.mjs
 * Exits with 1 if a probe vector differs from that of model.json.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Resolved from the current folder: this script is no part of the package and has no dependencies of its own.
const require = createRequire(join(process.cwd(), "package.json"));
const ort = require("onnxruntime-node");
const { Tokenizer } = require("@huggingface/tokenizers");

const SAME_VECTOR = 0.99999;
const SECONDS = 3;
const SHORT_TEXT = "a waterproof jacket for hiking";
const LONG_TEXT =
  "This stand mixer comes with three attachments and a removable tray. Made of stainless steel, it holds five litres " +
  "and suits baking bread, cakes and pizza. Dishwasher-safe parts and a splash guard make it easy to clean.";

/** Opens a bundle. Returns its manifest, session, tokenizer and the time that the session took to load in ms. */
async function open(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const tokenizer = new Tokenizer(JSON.parse(readFileSync(join(folder, manifest.tokenizer), "utf8")), {});
  const started = performance.now();
  const session = await ort.InferenceSession.create(join(folder, manifest.model), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionProviders: ["cpu"],
  });
  return { manifest, tokenizer, session, loadMs: performance.now() - started };
}

/** Embeds texts as one padded batch. Returns Float32Array [texts * dimension]. */
async function embed({ manifest, tokenizer, session }, texts) {
  const encoded = texts.map((text) => tokenizer.encode(text).ids);
  const length = Math.max(...encoded.map((ids) => ids.length));
  const ids = new BigInt64Array(texts.length * length);
  const mask = new BigInt64Array(texts.length * length);
  encoded.forEach((row, text) => {
    row.forEach((id, position) => {
      ids[text * length + position] = BigInt(id);
      mask[text * length + position] = 1n;
    });
  });
  const shape = [texts.length, length];
  const feeds = {
    input_ids: new ort.Tensor("int64", ids, shape),
    attention_mask: new ort.Tensor("int64", mask, shape),
  };
  return (await session.run(feeds))[manifest.output].data;
}

function cosine(a, b) {
  let product = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return product / Math.sqrt(aa * bb);
}

/** Tokens of a text, special ones included. */
function count({ tokenizer }, text) {
  return tokenizer.encode(text).ids.length;
}

/** Texts a second of CPU time, tokenizing included. */
async function speed(bundle, texts) {
  const started = process.cpuUsage();
  let done = 0;
  let spent = 0;
  while (spent < SECONDS) {
    await embed(bundle, texts);
    done += texts.length;
    const used = process.cpuUsage(started);
    spent = (used.user + used.system) / 1e6;
  }
  return Math.round(done / spent);
}

const here = dirname(fileURLToPath(import.meta.url));
let missed = false;
for (const id of ["v1", "v2"]) {
  const bundle = await open(join(here, id));
  const bytes = Buffer.from(bundle.manifest.probe.vector, "base64");
  const expected = new Float32Array(new Uint8Array(bytes).buffer);
  const same = cosine(await embed(bundle, [bundle.manifest.probe.text]), expected);
  missed ||= !(same >= SAME_VECTOR);
  console.log(`${id}: probe cosine ${same.toFixed(7)}, session loaded in ${bundle.loadMs.toFixed(0)} ms`);
  console.log(`  ${await speed(bundle, [SHORT_TEXT])} short texts (${count(bundle, SHORT_TEXT)} tokens) per CPU second at batch 1`);
  console.log(`  ${await speed(bundle, Array(32).fill(LONG_TEXT))} long texts (${count(bundle, LONG_TEXT)} tokens) per CPU second at batch 32`);
}
process.exitCode = missed ? 1 : 0;
