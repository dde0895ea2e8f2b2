import type { MilvusConnection } from './milvus-connection.js';
import { checkStatus } from './milvus-fault.js';

/** How often the state is asked for while all is well, in ms. */
const CALM_MS = 5_000;
/** And while it is not. */
const ALARMED_MS = 1_000;

/** What is known of a collection that others may drop, release or take down with their server. */
export interface Watch {
  /** Why it can't answer, for operators; undefined while it can. */
  readonly fault: () => string | undefined;
  stop(): void;
}

/**
 * Watches a collection from outside of requests, so that `/readyz` knows before a client does. One that was released, or that a server which
 * came back has not loaded, is loaded again; one that was dropped is not made anew: empty, it would answer every search with nothing.
 */
export function watchCollection(connection: MilvusConnection, name: string): Watch {
  let fault: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const look = async (): Promise<string | undefined> => {
    const state: string = await connection.sdk('reading the state of a collection', async (client) => {
      const answer = await client.getLoadState({ collection_name: name });
      // Milvus Lite does not know the call, and releases nothing.
      if ((answer as Partial<typeof answer>).status === undefined) return 'LoadStateLoaded';
      checkStatus(answer.status);
      return answer.state;
    });
    switch (state) {
      case 'LoadStateLoaded':
        return undefined;
      case 'LoadStateNotExist':
        return `the collection ${name} is gone from Milvus: restore it, or restart and import again`;
      case 'LoadStateNotLoad':
        await connection.sdk('loading a collection', async (client) => {
          checkStatus(await client.loadCollectionAsync({ collection_name: name }));
        });
        return `the collection ${name} was released, and is being loaded again`;
      default:
        return `the collection ${name} is being loaded`;
    }
  };

  const turn = async (): Promise<void> => {
    try {
      fault = await look();
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    if (!stopped) later();
  };
  const later = (): void => {
    timer = setTimeout(() => void turn(), fault === undefined ? CALM_MS : ALARMED_MS);
    timer.unref();
  };
  later();

  return {
    fault: () => connection.away() ?? fault,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
