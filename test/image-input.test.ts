import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Decoder, createDecoder, DecodeError } from '../src/embedding/image/decode.js';
import { inspectImage } from '../src/embedding/image/inspect.js';
import { type ImageReader, type ImageSource, createImageReader } from '../src/embedding/image/source.js';
import { KindredError } from '../src/errors.js';
import type { Preprocessing } from '../src/models/image-manifest.js';
import { type Rgb, animatedWebp, apng, hugePng, plain, pngWithProfile, resized } from './images.js';

const LIMITS = { enabled: true, maxBytes: 5_242_880, maxPixels: 25_000_000 };
const RED: Rgb = [200, 10, 10];
const BLUE: Rgb = [10, 10, 200];
const SIDE = 8;
const PREPROCESSING: Preprocessing = {
  width: SIDE,
  height: SIDE,
  resize: 'crop',
  cropFraction: 1,
  interpolation: 'cubic',
  background: '#ffffff',
  mean: [0, 0, 0],
  std: [1, 1, 1],
  layout: 'NHWC',
  colours: 'RGB',
};

const reader: ImageReader = createImageReader({ limits: LIMITS });
const decoder: Decoder = createDecoder(PREPROCESSING, LIMITS.maxPixels);

const readBase64 = (base64: string): ReturnType<ImageReader['read']> => reader.read({ base64 });
const readBytes = (bytes: Buffer): ReturnType<ImageReader['read']> => readBase64(bytes.toString('base64'));

/** All the pixels of an image as a graph of 8 x 8 gets them, 0 to 255. */
async function pixelsOf(bytes: Uint8Array, preprocessing = PREPROCESSING): Promise<number[]> {
  const { width, height } = preprocessing;
  const into = new Float32Array(width * height * 3);
  const used = preprocessing === PREPROCESSING ? decoder : createDecoder(preprocessing, LIMITS.maxPixels);
  await used.decode(bytes, into, 0);
  return Array.from(into, (value) => Math.round(value * 255));
}

/** The colour of one pixel. */
async function colourAt(bytes: Uint8Array, x = 0, y = 0): Promise<Rgb> {
  const at = (y * SIDE + x) * 3;
  return (await pixelsOf(bytes)).slice(at, at + 3) as unknown as Rgb;
}

function near(a: Rgb, b: Rgb, tolerance: number): boolean {
  return a.every((value, at) => Math.abs(value - (b[at] ?? 0)) <= tolerance);
}

/** Reads, then decodes, as a request does; the error is that of whichever refused. */
async function outcomeOf(bytes: Buffer): Promise<Rgb | string> {
  const source = await readBytes(bytes);
  if (source instanceof KindredError) return source.reason ?? source.code;
  return colourAt(source.bytes).catch((error: unknown) => {
    if (error instanceof DecodeError) return error.fault;
    throw error;
  });
}

async function reasonOf(outcome: Promise<ImageSource | KindredError>): Promise<string | undefined> {
  const result = await outcome;
  return result instanceof KindredError ? result.reason : undefined;
}

describe('an image as base64', () => {
  let jpeg: Buffer;
  beforeAll(async () => {
    jpeg = await plain(RED).jpeg().toBuffer();
  });

  it('is read, bare or as a data: URL, and named by the SHA-256 of its bytes', async () => {
    const bare = await readBytes(jpeg);
    expect(bare).toMatchObject({ bytes: jpeg });
    expect(await readBase64(`data:image/jpeg;base64,${jpeg.toString('base64')}`)).toEqual(bare);
    expect((bare as ImageSource).digest).toMatch(/^[\w-]{43}$/);
  });

  it('is FEATURE_UNSUPPORTED unless images are switched on, and so are URLs', async () => {
    const off = createImageReader({ limits: { ...LIMITS, enabled: false } });
    expect(await off.read({ base64: jpeg.toString('base64') })).toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
    });
    expect(await reader.read({ url: 'https://images.example/' })).toMatchObject({
      code: 'FEATURE_UNSUPPORTED',
    });
  });

  it.each([
    ['', 'BAD_IMAGE'],
    ['!!!!', 'BAD_IMAGE'],
    ['/9j/4A', 'BAD_IMAGE'],
    ['/9j/4A=', 'BAD_IMAGE'],
    ['/9j/4A===', 'BAD_IMAGE'],
    ['/9j/4B==', 'BAD_IMAGE'],
    ['_9j_4A==', 'BAD_IMAGE'],
    ['/9j/ 4A==', 'BAD_IMAGE'],
    ['/9j/\n4A==', 'BAD_IMAGE'],
    ['/9j/4A==\n', 'BAD_IMAGE'],
    ['/9j/4Á==', 'BAD_IMAGE'],
    ['data:', 'BAD_IMAGE'],
    ['data:image/jpeg,/9j/4A==', 'BAD_IMAGE'],
    ['data:image/jpeg;charset=utf-8;base64,/9j/4A==', 'BAD_IMAGE'],
    ['data:image/svg+xml;base64,/9j/4A==', 'UNSUPPORTED_IMAGE'],
    ['data:text/html;base64,/9j/4A==', 'UNSUPPORTED_IMAGE'],
    ['data:;base64,/9j/4A==', 'UNSUPPORTED_IMAGE'],
    ['data:image/jpeg;base64,data:image/jpeg;base64,/9j/4A==', 'BAD_IMAGE'],
  ])('I1: %j is refused', async (base64, reason) => {
    expect(await reasonOf(readBase64(base64))).toBe(reason);
  });

  it('I1: a data: URL whose type is not what the bytes are is refused', async () => {
    expect(await reasonOf(readBase64(`data:image/png;base64,${jpeg.toString('base64')}`))).toBe(
      'UNSUPPORTED_IMAGE',
    );
  });

  it('I1: whatever is not exactly the base64 of some bytes is refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom(...Array.from('/9jA4-_= \n')), maxLength: 40 }),
        async (text) => {
          const isBase64 =
            /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/.test(text);
          const reason = await reasonOf(readBase64(text));
          expect(reason).toBe(
            isBase64 && text !== '' && !text.startsWith('/9j/') ? 'UNSUPPORTED_IMAGE' : 'BAD_IMAGE',
          );
        },
      ),
    );
  });

  it('I2: 20 MiB of base64 are refused by their length, before they are decoded', async () => {
    // None of it could be decoded.
    expect(await reasonOf(readBase64('!'.repeat(20 * 2 ** 20)))).toBe('IMAGE_TOO_LARGE');
    expect(await reasonOf(readBase64(`data:image/png;base64,${'!'.repeat(20 * 2 ** 20)}`))).toBe(
      'IMAGE_TOO_LARGE',
    );
  });

  it('I2: the limit holds for the bytes to the last one', async () => {
    const small = createImageReader({ limits: { ...LIMITS, maxBytes: jpeg.length } });
    const smaller = createImageReader({ limits: { ...LIMITS, maxBytes: jpeg.length - 1 } });
    const base64 = jpeg.toString('base64');
    expect(await small.read({ base64 })).toMatchObject({ bytes: jpeg });
    expect(await reasonOf(smaller.read({ base64 }))).toBe('IMAGE_TOO_LARGE');
  });
});

describe('pixels', () => {
  it.each([
    [16_000, 16_000],
    [30_000, 30_000],
  ])('I3: a PNG of %i x %i pixels in some kilobytes is refused by its header', async (width, height) => {
    const bomb = hugePng(width, height);
    expect(bomb.length).toBeLessThan(120_000);
    const before = process.memoryUsage().rss;
    expect(await reasonOf(readBytes(bomb))).toBe('IMAGE_TOO_LARGE');
    await expect(colourAt(bomb)).rejects.toMatchObject({ fault: 'IMAGE_TOO_LARGE' });
    expect(process.memoryUsage().rss - before).toBeLessThan(20 * 2 ** 20);
  });

  it.each(['jpeg', 'png', 'webp'] as const)(
    'I3: the limit is known from the header of a %s',
    async (format) => {
      const image = await plain(RED, 300, 200)[format]().toBuffer();
      expect(inspectImage(image, LIMITS)).toEqual({ format, width: 300, height: 200 });
      expect(inspectImage(image, { ...LIMITS, maxPixels: 60_000 })).toMatchObject({ format });
      expect(inspectImage(image, { ...LIMITS, maxPixels: 59_999 })).toMatchObject({
        reason: 'IMAGE_TOO_LARGE',
      });
    },
  );

  it('reads the size of a lossless and of an extended WebP', async () => {
    const lossless = await plain(RED, 300, 200).webp({ lossless: true }).toBuffer();
    const extended = await plain(RED, 300, 200)
      .withExif({ IFD0: { Artist: 'nobody' } })
      .webp()
      .toBuffer();
    expect([lossless, extended].map((image) => image.toString('latin1', 12, 16))).toEqual(['VP8L', 'VP8X']);
    for (const image of [lossless, extended])
      expect(inspectImage(image, LIMITS)).toEqual({ format: 'webp', width: 300, height: 200 });
    expect(await outcomeOf(await plain(RED, 1, 1).webp({ lossless: true }).toBuffer())).toEqual(RED);
  });

  it('I4: of an animation of 10,000 frames the first is read', async () => {
    const webp = await animatedWebp(RED, BLUE, 10_000);
    const png = await apng(RED, BLUE, 10_000);
    expect((await sharp(webp).metadata()).pages).toBe(10_001);
    expect(await outcomeOf(webp)).toEqual(RED);
    expect(await outcomeOf(png)).toEqual(RED);
  });

  it('I4: a GIF is refused, animated or not', async () => {
    expect(await outcomeOf(await plain(RED).gif().toBuffer())).toBe('UNSUPPORTED_IMAGE');
  });

  it.each([
    [
      'SVG',
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    ],
    ['SVG with a file', '<svg><image href="file:///etc/passwd" width="9" height="9"/></svg>'],
    ['SVG with a URL', '<?xml version="1.0"?><svg><image href="http://169.254.169.254/" width="9"/></svg>'],
    ['XXE', '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg><text>&x;</text></svg>'],
    ['PDF', '%PDF-1.7\n1 0 obj<<>>endobj'],
    ['PostScript', '%!PS-Adobe-3.0 EPSF-3.0'],
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic'],
    ['AVIF', '\0\0\0\x18ftypavif\0\0\0\0mif1avif'],
    ['ICO', '\0\0\x01\0\x01\0\x10\x10'],
    ['TIFF', 'II*\0\x08\0\0\0\0\0'],
    ['BMP', 'BM\x46\0\0\0'],
    ['HTML', '<html><img src=x></html>'],
    ['a WAVE', 'RIFF\x24\0\0\0WAVEfmt '],
    ['half a signature', '\x89PNG\r\n'],
    ['one byte', '\xff'],
  ])('I5: %s is UNSUPPORTED_IMAGE', async (_, text) => {
    expect(await outcomeOf(Buffer.from(text, 'latin1'))).toBe('UNSUPPORTED_IMAGE');
  });

  it('I5: what gets past the signature reaches no other loader', async () => {
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    await expect(colourAt(Buffer.from(svg))).rejects.toMatchObject({ fault: 'BAD_IMAGE' });
    await expect(colourAt(Buffer.from('II*\0\x08\0\0\0\0\0', 'latin1'))).rejects.toMatchObject({
      fault: 'BAD_IMAGE',
    });
  });

  it('I6: a JPEG or WebP that ends early is BAD_IMAGE', async () => {
    const noise = sharp({
      create: {
        width: 200,
        height: 200,
        channels: 3,
        background: '#808080',
        noise: { type: 'gaussian', mean: 128, sigma: 30 },
      },
    });
    for (const image of [
      await noise.jpeg().toBuffer(),
      await noise.png().toBuffer(),
      await noise.webp().toBuffer(),
    ])
      expect(await outcomeOf(image.subarray(0, image.length >> 1))).toBe('BAD_IMAGE');
  });

  it('I6: a PNG with a wrong checksum is BAD_IMAGE', async () => {
    const image = await plain(RED).png().toBuffer();
    const at = image.indexOf('IDAT');
    image[at + 8] = (image[at + 8] ?? 0) ^ 0xff;
    expect(await outcomeOf(image)).toBe('BAD_IMAGE');
  });

  it.each([
    [0, 0],
    [0, 16],
    [16, 0],
  ])('I6: an image of %i x %i is BAD_IMAGE', async (width, height) => {
    const image = await plain(RED).png().toBuffer();
    expect(await outcomeOf(resized(image, width, height))).toBe('BAD_IMAGE');
  });

  it('I6: a header without a size is BAD_IMAGE', async () => {
    for (const hex of [
      'ffd8ff',
      'ffd8ffd9',
      'ffd8ffffffffffffffffff',
      'ffd8ffe000100000',
      '89504e470d0a1a0a',
    ])
      expect(await outcomeOf(Buffer.from(hex, 'hex'))).toBe('BAD_IMAGE');
    expect(await outcomeOf(Buffer.from('RIFF\0\0\0\0WEBPVP8X', 'latin1'))).toBe('BAD_IMAGE');
  });

  it.each([
    [1, 65_500],
    [65_500, 1],
  ])('I6: an image of %i x %i has the right pixels', async (width, height) => {
    expect(near((await outcomeOf(await plain(RED, width, height).jpeg().toBuffer())) as Rgb, RED, 3)).toBe(
      true,
    );
    expect(await outcomeOf(await plain(RED, width, height).png().toBuffer())).toEqual(RED);
  });

  it('I6: grey, 16-bit, CMYK and transparent images have the right pixels', async () => {
    expect(await outcomeOf(await plain(RED).toColourspace('rgb16').png().toBuffer())).toEqual(RED);
    const cmyk = await outcomeOf(await plain(RED).toColourspace('cmyk').jpeg().toBuffer());
    expect(near(cmyk as Rgb, RED, 12)).toBe(true);
    const grey = await outcomeOf(await plain([90, 90, 90]).toColourspace('b-w').png().toBuffer());
    expect(near(grey as Rgb, [90, 90, 90], 1)).toBe(true);
    const half = await plain(RED).ensureAlpha(0.5).png().toBuffer();
    expect(near((await outcomeOf(half)) as Rgb, [228, 133, 133], 1)).toBe(true);
  });

  // How a camera stores the quarters of `AB / CD` under each orientation (CIPA DC-008, table 6).
  it.each([
    [1, 'ABCD'],
    [2, 'BADC'],
    [3, 'DCBA'],
    [4, 'CDAB'],
    [5, 'ACBD'],
    [6, 'BDAC'],
    [7, 'DBCA'],
    [8, 'CADB'],
  ])('I6: an image of EXIF orientation %i stands upright', async (orientation, quarters) => {
    const colours: Record<string, Rgb> = { A: RED, B: BLUE, C: [0, 0, 0], D: [255, 255, 255] };
    const draw = (letters: string): Sharp =>
      sharp(Buffer.from(Array.from(letters).flatMap((letter) => [...(colours[letter] ?? [])])), {
        raw: { width: 2, height: 2, channels: 3 },
      }).resize(SIDE, SIDE, { kernel: 'nearest' });
    const stored = await draw(quarters).withMetadata({ orientation }).png().toBuffer();
    expect(await pixelsOf(stored)).toEqual(await pixelsOf(await draw('ABCD').png().toBuffer()));
  });

  it('I6: colour profiles are applied, and one that inflates to 200 MB is not kept', async () => {
    const wide = await plain(RED).withIccProfile('p3').png().toBuffer();
    expect(near((await outcomeOf(wide)) as Rgb, RED, 2)).toBe(true);
    const bomb = await pngWithProfile(200_000_000);
    const before = process.memoryUsage().rss;
    const outcome = await outcomeOf(bomb);
    expect(outcome === 'BAD_IMAGE' || near(outcome as Rgb, RED, 1)).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(80 * 2 ** 20);
  });

  it('I7: a polyglot is read as the image that its first bytes say', async () => {
    const jpeg = await plain(RED).jpeg().toBuffer();
    const png = await plain(RED).png().toBuffer();
    const html = Buffer.from('<script>alert(1)</script>');
    const zip = Buffer.from('PK\x03\x04 and so on', 'latin1');
    expect(await outcomeOf(Buffer.concat([jpeg, html]))).toEqual(await outcomeOf(jpeg));
    expect(await outcomeOf(Buffer.concat([png, zip]))).toEqual(RED);
    expect(await outcomeOf(Buffer.concat([zip, png]))).toBe('UNSUPPORTED_IMAGE');
    expect(await outcomeOf(Buffer.concat([html, jpeg]))).toBe('UNSUPPORTED_IMAGE');
  });

  it('I6: damaged images are read or refused, whatever is wrong with them', async () => {
    const images = await Promise.all(
      (['jpeg', 'png', 'webp'] as const).map((format) => plain(RED)[format]().toBuffer()),
    );
    const damage = fc.record({
      image: fc.integer({ min: 0, max: 2 }),
      places: fc.array(fc.tuple(fc.nat(1_000), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      length: fc.nat(1_000),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ image, places, length }) => {
        const copy = Buffer.from((images[image] ?? Buffer.alloc(0)).subarray(0, length));
        for (const [at, value] of places) if (at < copy.length) copy[at] = value;
        const outcome = await outcomeOf(copy);
        expect(typeof outcome === 'string' ? outcome : 'pixels').toMatch(
          /^(pixels|(BAD|UNSUPPORTED)_IMAGE|IMAGE_TOO_LARGE)$/,
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('preprocessing', () => {
  const halves = async (): Promise<Buffer> =>
    sharp(Buffer.from([...RED, ...BLUE]), { raw: { width: 2, height: 1, channels: 3 } })
      .resize(16, 8, { kernel: 'nearest', fit: 'fill' })
      .png()
      .toBuffer();

  it('crops, pads or stretches an image to the shape of the graph', async () => {
    const at = (pixels: number[], x: number, y: number): number[] =>
      pixels.slice((y * SIDE + x) * 3).slice(0, 3);
    const nearest = { ...PREPROCESSING, interpolation: 'nearest' } as const;
    const image = await halves();
    const cropped = await pixelsOf(image, { ...nearest, resize: 'crop' });
    const stretched = await pixelsOf(image, { ...nearest, resize: 'stretch' });
    const padded = await pixelsOf(image, { ...nearest, resize: 'pad' });
    for (const pixels of [cropped, stretched]) {
      expect(at(pixels, 0, 0)).toEqual(RED);
      expect(at(pixels, 7, 7)).toEqual(BLUE);
    }
    expect(at(padded, 0, 0)).toEqual([255, 255, 255]);
    expect(at(padded, 0, 4)).toEqual(RED);
    expect(at(padded, 7, 4)).toEqual(BLUE);
  });

  it('takes the middle of an image when only a fraction of it is to be kept', async () => {
    // A frame of blue around red, an eighth of the side wide.
    const framed = await plain(RED, 48, 48)
      .extend({ top: 8, bottom: 8, left: 8, right: 8, background: '#0a0ac8' })
      .png()
      .toBuffer();
    const middle = await pixelsOf(framed, { ...PREPROCESSING, cropFraction: 0.5 });
    expect(middle).toEqual(Array.from({ length: SIDE * SIDE }, () => RED).flat());
    expect(near(await colourAt(framed), BLUE, 2)).toBe(true);
  });

  it.each([
    ['NHWC', 'RGB', [RED[0], RED[1]], 1],
    ['NHWC', 'BGR', [RED[2], RED[1]], 1],
    ['NCHW', 'RGB', [RED[0], RED[1]], SIDE * SIDE],
    ['NCHW', 'BGR', [RED[2], RED[1]], SIDE * SIDE],
  ] as const)(
    'lays numbers out as %s %s, scaled by mean and deviation',
    async (layout, colours, [first, second], step) => {
      const preprocessing: Preprocessing = {
        ...PREPROCESSING,
        layout,
        colours,
        mean: [0.5, 0.25, 0.5],
        std: [0.5, 0.2, 0.5],
      };
      const into = new Float32Array(2 * SIDE * SIDE * 3);
      const offset = SIDE * SIDE * 3;
      await createDecoder(preprocessing, LIMITS.maxPixels).decode(
        await plain(RED).png().toBuffer(),
        into,
        offset,
      );
      expect(into[0]).toBe(0);
      expect(into[offset]).toBeCloseTo((first / 255 - 0.5) / 0.5, 5);
      expect(into[offset + step]).toBeCloseTo((second / 255 - 0.25) / 0.2, 5);
    },
  );
});
