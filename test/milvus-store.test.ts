import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMilvusStore } from '../src/vectors/milvus.js';
import { describeAliases } from './conformance/aliases.js';
import { describeFilterProperties } from './conformance/filter-properties.js';
import { describeScan } from './conformance/scan.js';
import { type StoreUnderTest } from './conformance/harness.js';
import { describeVectorStore } from './conformance/vector-store.js';
import { type Milvus, milvusOptions, skipMilvus, startMilvus } from './milvus.js';

const skip = skipMilvus();

describe.skipIf(skip !== undefined)(`the real Milvus${skip === undefined ? '' : ` (${skip})`}`, () => {
  let milvus: Milvus;
  beforeAll(async () => {
    milvus = await startMilvus();
  });
  afterAll(() => milvus.close());

  const store = (): StoreUnderTest => ({ open: () => createMilvusStore(milvusOptions(milvus)) });
  it('tells the version of its server', async () => {
    const open = createMilvusStore(milvusOptions(milvus));
    expect(await open.serverVersion?.()).toMatch(/^v2\.3\.5/);
    await open.close();
  });
  describeAliases('milvus', store);
  describeVectorStore('milvus', store);
  describeScan('milvus', store);
  describeFilterProperties('milvus', store);
});
