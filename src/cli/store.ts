import { Command } from 'commander';
import { exportCommand, importCommand } from './store-files.js';
import { migrateCommand } from './store-migrate.js';
import { statusCommand } from './store-status.js';
import { verifyCommand } from './store-verify.js';

/** `kindred store`: what the vector store holds. */
export function storeCommand(): Command {
  const command = new Command('store').description(
    'Look at the vector store, check it, back it up, or move to another.',
  );
  for (const child of [statusCommand(), verifyCommand(), exportCommand(), importCommand(), migrateCommand()])
    command.addCommand(child);
  return command.addHelpText(
    'after',
    `
Examples:
  $ kindred store status
  $ kindred store verify products.jsonl.gz
  $ kindred store export backup/
  $ kindred store migrate --to store.adapter=milvus --to store.milvus.address=localhost:19530`,
  );
}
