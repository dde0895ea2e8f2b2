import { open } from 'node:fs/promises';

/** Bytes that are gathered before a file is written to. */
const WRITE_BYTES = 1 << 20;

/** Writes what it is given in large pieces. */
export interface Appender {
  append(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Opens a new file. */
export async function openAppender(path: string): Promise<Appender> {
  const handle = await open(path, 'w');
  let parts: Buffer[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(parts);
    [parts, size] = [[], 0];
    for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
  };
  return {
    append: async (bytes) => {
      parts.push(bytes);
      size += bytes.length;
      if (size >= WRITE_BYTES) await flush();
    },
    close: async () => {
      await flush();
      await handle.close();
    },
  };
}
