import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { badInput } from '../errors.js';
import type { ServedModel } from '../models/model-version.js';
import { migrate } from '../vectors/migrate.js';
import { type VectorPassport, exportParquet, openParquet } from '../vectors/parquet.js';
import { type CommonOptions, action, withCommonOptions } from './options.js';
import { allServed, describeSummary, recordsPrinter, withDomain } from './with-domain.js';

type FileOptions = CommonOptions & { readonly json?: boolean };

/** `kindred store export FOLDER`: a Parquet file of vectors, items and hashes for each version. */
export function exportCommand(): Command {
  return withCommonOptions(new Command('export'))
    .description(
      'Write the vectors and items of each model version to a Parquet file, FOLDER/VERSION.parquet.',
    )
    .argument('<folder>', 'where the files go; made where it is missing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Columns: id (string), vector (list of float), hash (string: content hash of item, template and fields), item (string: JSON of all fields). The
file's metadata tell which model made the vectors. A file is there as a whole or not at all.

Examples:
  $ kindred store export backup
  $ kindred store export backup --set models.versions=v2

Exit codes: 0 all files are written; 1 failed; 2 wrong usage; 130, 143 interrupted by SIGINT or SIGTERM.`,
    )
    .action(
      action((folder: string, options: FileOptions) =>
        withDomain(options, async ({ catalogue, registry }, signal) => {
          const served = allServed(registry);
          await mkdir(folder, { recursive: true });
          const written: Record<string, { file: string; records: number }> = {};
          for (const model of served) {
            const { id } = model.version;
            const file = join(folder, `${id}.parquet`);
            const records = await exportParquet(model.collection, file, passportOf(model, catalogue.entity), {
              signal,
              onProgress: recordsPrinter(),
            });
            written[id] = { file, records };
            if (options.json !== true) console.log(`${id}: ${String(records)} records in ${file}`);
          }
          if (options.json === true) console.log(JSON.stringify(written, null, 2));
        }),
      ),
    );
}

/** `kindred store import FILE...`: takes such files in. */
export function importCommand(): Command {
  return withCommonOptions(new Command('import'))
    .description('Take in Parquet files that `kindred store export` wrote; nothing is embedded.')
    .argument('<files...>', 'one for each model version')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A file goes to the version whose model made its vectors, by the model's digest, whatever its id is here. Records that the store has with the same
hash are not written again, so a command that was cut off goes on when it is started again; those that it has beyond the file's stay.

Examples:
  $ kindred store import backup/v2.parquet
  $ kindred store import backup/*.parquet --set store.adapter=milvus

Exit codes: 0 everything is there; 1 failed; 2 wrong usage; 130, 143 interrupted by SIGINT or SIGTERM: start it again to go on.`,
    )
    .action(
      action((files: string[], options: FileOptions) =>
        withDomain(options, async ({ catalogue, registry, store }, signal) => {
          // All are looked at before the first is taken in.
          const opened = await Promise.all(
            files.map(async (file) => {
              const source = await openParquet(file);
              const model = versionOf(file, source.passport, registry.served(), catalogue.entity);
              return { file, source, model };
            }),
          );
          const summaries: Record<string, { read: number; written: number; extra: number }> = {};
          for (const { file, source, model } of opened) {
            const summary = await migrate(source, model.collection, {
              signal,
              onProgress: recordsPrinter(),
            });
            const { read, written, extra } = summary;
            summaries[file] = { read, written, extra };
            if (options.json !== true) console.log(`${file}: ${describeSummary(summary, store.name)}`);
          }
          if (options.json === true) console.log(JSON.stringify(summaries, null, 2));
        }),
      ),
    );
}

function passportOf({ version, collection }: ServedModel, entity: string): VectorPassport {
  return {
    entity,
    modelVersion: version.id,
    modelDigest: version.digest,
    dimension: collection.spec.dimension,
  };
}

/** The version that made the vectors. Another one would search them without an error, and find nothing that fits. */
function versionOf(
  file: string,
  has: VectorPassport,
  served: readonly ServedModel[],
  entity: string,
): ServedModel {
  if (has.entity !== entity)
    throw badInput(`${file} holds items of ${has.entity}, the catalogue is of ${entity}`);
  const model = served.find(
    ({ version, collection }) =>
      version.digest === has.modelDigest && collection.spec.dimension === has.dimension,
  );
  if (model !== undefined) return model;
  const here = served.map((each) => describeModel(passportOf(each, entity))).join(', ');
  throw badInput(
    `the vectors of ${file} were made by ${describeModel(has)}, which is none of those here: ${here || 'no version can answer'}`,
  );
}

function describeModel({ modelVersion, modelDigest, dimension }: VectorPassport): string {
  return `${modelVersion} (${modelDigest.slice(0, 12)}, ${String(dimension)} dimensions)`;
}
