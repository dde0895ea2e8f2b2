import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

export type Rgb = readonly [number, number, number];

/** One colour as an image of the library that decodes, to be encoded by it. */
export function plain([r, g, b]: Rgb, width = 16, height = 16): Sharp {
  return sharp({ create: { width, height, channels: 3, background: { r, g, b } } });
}

/** A PNG of nothing but zeros, one bit a pixel: thousands of times smaller than its pixels. */
export function hugePng(width: number, height: number): Buffer {
  const data = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height), { level: 9 });
  return png([header(width, height, 1, 0), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

/** A PNG whose colour profile inflates to `bytes`. */
export async function pngWithProfile(bytes: number): Promise<Buffer> {
  const profile = Buffer.concat([Buffer.from('icc\0\0', 'latin1'), deflateSync(Buffer.alloc(bytes))]);
  return insertAfterHeader(await plain([200, 10, 10]).png().toBuffer(), [chunk('iCCP', profile)]);
}

/** A PNG of one colour that is animated (APNG): its other frames are of another. */
export async function apng(first: Rgb, later: Rgb, frames: number): Promise<Buffer> {
  const still = await plain(first).png({ palette: false }).toBuffer();
  const pixels = Buffer.concat(chunksOf(await plain(later).png({ palette: false }).toBuffer(), 'IDAT'));
  const control = Buffer.alloc(8);
  control.writeUInt32BE(frames + 1);
  const end = still.length - 12;
  const rest = [frame(0)];
  for (let index = 0; index < frames; index++) {
    const sequence = Buffer.alloc(4);
    sequence.writeUInt32BE(index * 2 + 2);
    rest.push(frame(index * 2 + 1), chunk('fdAT', Buffer.concat([sequence, pixels])));
  }
  const animated = insertAfterHeader(still.subarray(0, end), [
    chunk('acTL', control),
    rest.shift() ?? frame(0),
  ]);
  return Buffer.concat([animated, ...rest, still.subarray(end)]);
}

/** A WebP animation: a first frame of one colour, and `frames` of another. */
export async function animatedWebp(first: Rgb, later: Rgb, frames: number): Promise<Buffer> {
  const image = async (colour: Rgb): Promise<Buffer> =>
    (await plain(colour).webp({ lossless: true }).toBuffer()).subarray(12);
  const [opening, others] = await Promise.all([image(first), image(later)]);
  const anmf = (data: Buffer): Buffer => {
    const head = Buffer.alloc(16);
    head.writeUIntLE(15, 6, 3);
    head.writeUIntLE(15, 9, 3);
    head.writeUIntLE(1, 12, 3);
    return riff('ANMF', Buffer.concat([head, data]));
  };
  const canvas = Buffer.alloc(10);
  canvas[0] = 0x02;
  canvas.writeUIntLE(15, 4, 3);
  canvas.writeUIntLE(15, 7, 3);
  const later1 = anmf(others);
  const body = [
    riff('VP8X', canvas),
    riff('ANIM', Buffer.alloc(6)),
    anmf(opening),
    ...Array<Buffer>(frames).fill(later1),
  ];
  return riff('RIFF', Buffer.concat([Buffer.from('WEBP'), ...body]));
}

/** The same PNG with another width and height in its header. */
export function resized(image: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(image);
  copy.writeUInt32BE(width, 16);
  copy.writeUInt32BE(height, 20);
  copy.writeUInt32BE(crc32(copy.subarray(12, 29)), 29);
  return copy;
}

function png(chunks: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]);
}

function header(width: number, height: number, depth: number, colour: number): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data[8] = depth;
  data[9] = colour;
  return chunk('IHDR', data);
}

function frame(sequence: number): Buffer {
  const data = Buffer.alloc(26);
  data.writeUInt32BE(sequence, 0);
  data.writeUInt32BE(16, 4);
  data.writeUInt32BE(16, 8);
  data.writeUInt16BE(1, 20);
  data.writeUInt16BE(10, 22);
  return chunk('fcTL', data);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

function insertAfterHeader(image: Buffer, chunks: readonly Buffer[]): Buffer {
  return Buffer.concat([image.subarray(0, 33), ...chunks, image.subarray(33)]);
}

function chunksOf(image: Buffer, type: string): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 8; at < image.length;) {
    const length = image.readUInt32BE(at);
    if (image.toString('latin1', at + 4, at + 8) === type)
      found.push(image.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  return found;
}

function riff(tag: string, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(tag, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)]);
}
