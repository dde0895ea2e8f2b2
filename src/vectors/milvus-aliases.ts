import type { MilvusConnection } from './milvus-connection.js';
import { MilvusRefusal, type MilvusStatus, checkStatus } from './milvus-fault.js';
import type { Aliases } from './store.js';

/** The aliases of a Milvus database. */
export function createMilvusAliases(connection: MilvusConnection): Aliases {
  const list = (): Promise<Map<string, string>> =>
    connection.sdk('listing the aliases', async (client) => {
      const { status, data } = await client.showCollections();
      checkStatus(status);
      const aliases = new Map<string, string>();
      for (const { name } of data) {
        // Servers before 2.4 can't list aliases; each collection knows its own.
        const collection = await client.describeCollection({ collection_name: name });
        // Dropped since it was listed.
        if (isMissing(collection.status)) continue;
        checkStatus(collection.status);
        for (const alias of collection.aliases) aliases.set(alias, name);
      }
      return aliases;
    });
  return {
    list,
    point: async (alias, collection) => {
      const names = { alias, collection_name: collection };
      const known = (await list()).get(alias);
      if (known === collection) return;
      await connection.sdk('pointing an alias', async (client) => {
        try {
          checkStatus(await (known === undefined ? client.createAlias(names) : client.alterAlias(names)));
        } catch (error) {
          // Another process may have made it in between.
          if (known !== undefined || !(error instanceof MilvusRefusal)) throw error;
          checkStatus(await client.alterAlias(names));
        }
      });
    },
    drop: async (alias) => {
      if (!(await list()).has(alias)) return;
      await connection.sdk('dropping an alias', async (client) => {
        checkStatus(await client.dropAlias({ alias }));
      });
    },
  };
}

function isMissing(status: MilvusStatus): boolean {
  try {
    checkStatus(status);
    return false;
  } catch (error) {
    return error instanceof MilvusRefusal && error.missing;
  }
}
