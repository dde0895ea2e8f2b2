import fc from 'fast-check';
import { getIntrospectionQuery, GraphQLError, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkShape } from '../src/http/document-limits.js';
import { scanDocument } from '../src/http/document-scan.js';
import { type Answer, send, startTestServer, type TestServer, testConfig } from './http-server.js';

let server: TestServer;
let production: TestServer;
beforeAll(async () => {
  server = await startTestServer({ settings: { 'server.bodyLimitBytes': '4000000' } });
  production = await startTestServer({ settings: { production: 'true' } });
});
afterAll(async () => {
  await server.server.close();
  await production.server.close();
});

/** Posts a query that has to be refused with 400 before any resolver runs. */
async function refused(
  query: string,
  more: Record<string, unknown> = {},
  to = server,
): Promise<Record<string, unknown>> {
  to.seen.searches = 0;
  const answer = await to.post({ query, ...more });
  expect(answer.status).toBe(400);
  expect(answer.body.data ?? null).toBeNull();
  expect(to.seen.searches).toBe(0);
  const { extensions = {} } = answer.body.errors?.[0] ?? {};
  expect(extensions.requestId).toBe(answer.headers.get('x-request-id'));
  return extensions;
}

const nested = (depth: number): string =>
  `{ search(query: "x", first: 1) ${'{ similar(first: 1) '.repeat(depth - 2)} { id } ${'}'.repeat(depth - 2)} }`;

describe('depth', () => {
  it('G1: an operation deeper than limits.depth is TOO_DEEP, also through fragments', async () => {
    expect((await server.post({ query: nested(12) })).status).toBe(200);
    expect(await refused(nested(13))).toMatchObject({
      code: 'BAD_USER_INPUT',
      reason: 'TOO_DEEP',
      limit: 12,
    });
    const levels = Array.from(
      { length: 14 },
      (_, i) => `fragment F${i} on Hit { similar(first: 1) { ...F${i + 1} } }`,
    );
    const query = `{ search(query: "x", first: 1) { ...F0 } } ${levels.join(' ')} fragment F14 on Hit { id }`;
    expect(await refused(query)).toMatchObject({ reason: 'TOO_DEEP' });
  });

  it.each([
    ['braces', '{a'.repeat(10_000)],
    ['lists', `{ search(query: "x", filter: ${'['.repeat(10_000)}`],
    ['objects', `{ search(query: "x", filter: ${'{and: '.repeat(10_000)}`],
    ['braces after a string with a quote', `{ search(query: "\\"{") ${'{a'.repeat(10_000)}`],
    ['braces after a block string', `{ search(query: """ \\""" " """) ${'{a'.repeat(10_000)}`],
  ])('G1: 10,000 nested %s are TOO_DEEP and never reach the parser', async (_name, query) => {
    expect(await refused(query)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'TOO_DEEP' });
  });

  it('leaves brackets inside strings and comments alone', async () => {
    const brackets = '{[('.repeat(200);
    const query = `# ${brackets}\n{ search(query: "${brackets}", first: 1) { id } again: search(query: """${brackets}""", first: 1) { id } }`;
    expect((await server.post({ query })).status).toBe(200);
  });

  it('lets the introspection query of tools through', async () => {
    expect((await server.post({ query: getIntrospectionQuery() })).status).toBe(200);
  });
});

describe('counts', () => {
  it('G2: 1,000 aliases are refused before any search', async () => {
    const aliases = Array.from(
      { length: 1_000 },
      (_, i) => `a${i}: search(query: "x", first: 1) { id }`,
    ).join(' ');
    expect(await refused(`{ ${aliases} }`)).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await refused(`{ ${'search(query: "x", first: 1) { id } '.repeat(40)} }`)).toMatchObject({
      reason: 'TOO_COSTLY',
    });
  });

  it('G3: 10,000 repeated directives are refused', async () => {
    expect(await refused(`{ hello ${'@include(if: true) '.repeat(10_000)} }`)).toMatchObject({
      reason: 'TOO_MANY_TOKENS',
    });
    expect(await refused(`{ hello ${'@x '.repeat(51)} }`)).toMatchObject({ reason: 'TOO_COSTLY', limit: 50 });
  });

  it('G4: a fragment cycle is refused', async () => {
    const query =
      '{ search(query: "x") { ...A } } fragment A on Hit { similar { ...B } } fragment B on Hit { similar { ...A } }';
    expect(await refused(query)).toMatchObject({ code: 'GRAPHQL_VALIDATION_FAILED' });
    expect(await refused('{ ...A } fragment A on Query { hello ...A }')).toMatchObject({
      code: 'GRAPHQL_VALIDATION_FAILED',
    });
  });

  it('G4: a bomb of 2^30 selections is refused by its size', async () => {
    const bombs = Array.from(
      { length: 30 },
      (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`,
    ).join(' ');
    expect(await refused(`{ ...F0 } ${bombs} fragment F30 on Query { hello }`)).toMatchObject({
      reason: 'TOO_COSTLY',
    });
  });

  it('G4: hundreds of fragments in one selection, which validation would compare pair by pair, are refused', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `F${i}`);
    const query = `{ ${names.map((name) => `...${name}`).join(' ')} } ${names.map((name) => `fragment ${name} on Query { hello }`).join(' ')}`;
    expect(await refused(query)).toMatchObject({ reason: 'TOO_COSTLY' });
  });

  it('G5: more tokens, comments or commas than limits.tokens are refused', async () => {
    expect(await refused(`{ ${'hello '.repeat(15_001)} }`)).toMatchObject({
      reason: 'TOO_MANY_TOKENS',
      limit: 5_000,
    });
    expect(await refused(`{ hello } ${'#x\n'.repeat(350_000)}`)).toMatchObject({ reason: 'TOO_MANY_TOKENS' });
    expect(await refused(`{ hello } ${','.repeat(1_048_576)}`)).toMatchObject({ reason: 'TOO_MANY_TOKENS' });
  });
});

describe('cost', () => {
  it('G6: page sizes multiply, whether they stand in the document or in variables', async () => {
    const query = 'query ($n: Int!) { search(query: "x", first: $n) { similar(first: $n) { id title } } }';
    expect((await server.post({ query, variables: { n: 5 } })).status).toBe(200);
    expect(await refused(query, { variables: { n: 100 } })).toMatchObject({
      code: 'BAD_USER_INPUT',
      reason: 'TOO_COSTLY',
      cost: 1 + 100 * (1 + 100 * 2),
      limit: 5_000,
    });
    const literal = '{ search(query: "x", first: 100) { similar(first: 100) { id title } } }';
    expect(await refused(literal)).toMatchObject({ reason: 'TOO_COSTLY', limit: 5_000 });
  });

  it('G6: a default page size counts, and so does the default of a variable', async () => {
    const query = 'query ($n: Int! = 1000) { search(query: "x", first: $n) { similar { id } } }';
    expect(await refused(query)).toMatchObject({ reason: 'TOO_COSTLY', cost: 1 + 1_000 * (1 + 10) });
  });

  it('G6: a cost that is remembered is that of the same page sizes, switches and lists alone', async () => {
    const query =
      'query ($n: Int!, $s: Boolean = false) { search(query: "x", first: $n) { similar(first: $n) @skip(if: $s) { id } } }';
    const costOf = async (variables: Record<string, unknown>): Promise<unknown> =>
      (await refused(query, { variables })).cost;
    for (let round = 0; round < 2; round += 1) {
      expect((await server.post({ query, variables: { n: 5 } })).status).toBe(200);
      expect(await costOf({ n: 100 })).toBe(1 + 100 * (1 + 100));
      expect(await costOf({ n: 90 })).toBe(1 + 90 * (1 + 90));
      expect((await server.post({ query, variables: { n: 100, s: true } })).status).not.toBe(400);
      expect(await costOf({ n: 100, s: false })).toBe(1 + 100 * (1 + 100));
      expect(await refused(query, { variables: { n: '100' } })).not.toHaveProperty('cost');
    }
  });

  it.each([2 ** 31, 1e9, -(2 ** 40)])('G6: first: %d is 400', async (first) => {
    expect(await refused(`{ search(query: "x", first: ${first}) { id } }`)).toHaveProperty('code');
    const query = 'query ($n: Int!) { search(query: "x", first: $n) { id } }';
    expect(await refused(query, { variables: { n: first } })).toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('does not count what @skip leaves out, nor other operations of the document', async () => {
    const dear = 'search(query: "x", first: 100) { similar(first: 100) { id } }';
    const skipped = await server.post({
      query: `query ($s: Boolean!) { hello ${dear.replace(') {', ') @skip(if: $s) {')} }`,
      variables: { s: true },
    });
    expect(skipped.body).toEqual({ data: { hello: 'world' } });
    const other = await server.post({ query: `query A { hello } query B { ${dear} }`, operationName: 'A' });
    expect(other.body).toEqual({ data: { hello: 'world' } });
    expect(await refused(`query A { hello } query B { ${dear} }`, { operationName: 'B' })).toMatchObject({
      reason: 'TOO_COSTLY',
    });
  });
});

describe('operations', () => {
  it.each([
    ['a field that does not exist', '{ search(query: "x") { id nothing } }', {}],
    ['null for a non-null variable', 'query ($q: String!) { search(query: $q) { id } }', { q: null }],
    ['a missing variable', 'query ($q: String!) { search(query: $q) { id } }', {}],
    ['a string for a float', 'query ($w: Float) { search(query: "x", weight: $w) { id } }', { w: '1' }],
    ['an int of 2^53', 'query ($n: Int!) { search(query: "x", first: $n) { id } }', { n: 2 ** 53 }],
    [
      'an unknown field of an input',
      'query ($f: SecretFilter) { search(query: "x", filter: $f) { id } }',
      { f: { brand: 'x' } },
    ],
  ])('G8: %s is 400', async (_name, query, variables) => {
    expect(await refused(query, { variables })).toHaveProperty('code');
  });

  it('G9: a missing or unknown operationName among several is 400', async () => {
    const query = 'query A { hello } query B { hello }';
    expect(await refused(query)).toMatchObject({ code: 'OPERATION_RESOLUTION_FAILURE' });
    expect(await refused(query, { operationName: 'C' })).toMatchObject({
      code: 'OPERATION_RESOLUTION_FAILURE',
    });
    expect((await server.post({ query, operationName: 'B' })).body.data).toEqual({ hello: 'world' });
    expect(await refused('{ hello }', { operationName: 'C' })).toMatchObject({
      code: 'OPERATION_RESOLUTION_FAILURE',
    });
  });

  it.each(['{ ... @defer { hello } }', '{ search(query: "x") @stream { id } }', 'subscription { hello }'])(
    'G10: %s is 400',
    async (query) => {
      expect(await refused(query)).toHaveProperty('code', 'GRAPHQL_VALIDATION_FAILED');
    },
  );
});

describe('production', () => {
  /** Every name that the test schema has and that a client should not learn. */
  const NAMES =
    /SecretFilter|brandName|kindredFault|unknownFault|stubborn|\bHit\b|similar|Positive|Did you mean/;
  const PROBES = [
    '{ __schema { types { name } } }',
    '{ __type(name: "Hit") { fields { name } } }',
    '{ _service { sdl } }',
    '{ serch(query: "x") { id } }',
    '{ hello { x } }',
    '{ search }',
    '{ search(qery: "x") { titel } }',
    '{ search(query: "x", filter: { brandNam: "x" }) { id } }',
    '{ search(query: 1, filter: 3) { id } }',
    'mutation { touc }',
    '{ ...on Hi { id } }',
    'query ($x: SecretFilte) { search(query: "x", filter: $x) { id } }',
    '{ slow }',
  ];

  it('G7: every operation that does not fit gets one and the same error, which names nothing of the schema', async () => {
    const messages = new Set<string>();
    for (const query of PROBES) {
      const answer = await production.post({ query });
      expect(answer.status).toBe(400);
      expect(answer.text).not.toMatch(NAMES);
      expect(answer.body.errors).toHaveLength(1);
      const { requestId, ...extensions } = answer.body.errors?.[0]?.extensions ?? {};
      expect(requestId).toBeDefined();
      messages.add(JSON.stringify({ ...answer.body.errors?.[0], extensions }));
    }
    expect([...messages]).toEqual([
      JSON.stringify({
        message: 'The operation does not fit the schema.',
        extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
      }),
    ]);
  });

  it('G7: variables that do not fit name only what the client wrote', async () => {
    const query = 'query ($f: SecretFilter) { search(query: "x", filter: $f) { id } }';
    for (const f of [{ brandNam: 'x' }, 'x', { and: [{ id: 1 }] }, { ids: ['x'] }]) {
      const answer = await production.post({ query, variables: { f } });
      expect(answer.status).toBe(400);
      expect(answer.text).not.toMatch(NAMES);
      expect(answer.body.errors?.[0]?.message).toBe('Variable "$f" has an invalid value.');
    }
  });

  it('shows browsers no GraphiQL', async () => {
    const answer: Answer = await send(`${production.url}/graphql`, { headers: { accept: 'text/html' } });
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain('<html');
  });
});

describe('the checks themselves', () => {
  it('never end in anything but a coded refusal, whatever the document', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '(',
      ')',
      '"',
      '"""',
      '\\',
      '#',
      '\n',
      ',',
      'a',
      '...',
      '@x',
      ':',
      '$v',
      ' ',
    );
    const limits = { ...testConfig().limits, depth: 4, aliases: 2, directives: 2, cost: 20 };
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        try {
          const source = parts.join('');
          scanDocument(source, { maxNesting: 8, maxIgnored: 5 });
          checkShape(parse(source), limits);
        } catch (error) {
          expect(error).toBeInstanceOf(GraphQLError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('count a selection once for each place it is spread', () => {
    const document = parse('{ ...F ...F } fragment F on Query { a b c }');
    const limits = { ...testConfig().limits, cost: 8 };
    expect(() => {
      checkShape(document, limits);
    }).not.toThrow();
    expect(() => {
      checkShape(document, { ...limits, cost: 7 });
    }).toThrow('selections');
  });
});
