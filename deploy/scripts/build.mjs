// Transpiles folders of TypeScript to dist/, file by file, without checking types: that is `npm run typecheck`'s work, which takes ten times
// as long. oxc (through vite) writes the decorator metadata that type-graphql reads; its helpers are in @oxc-project/runtime.
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** What the product is built from. */
export const PRODUCT = ['schema', 'src', 'resolvers', 'loaders'];

/** Paths of the TypeScript files below `folders` of the repository. */
export function sources(folders) {
  return folders
    .flatMap((folder) =>
      statSync(join(root, folder)).isFile()
        ? [join(root, folder)]
        : readdirSync(join(root, folder), { recursive: true }).map((path) => join(root, folder, path)),
    )
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'));
}

/** Writes the JavaScript of `folders` and its source maps below dist/; what a removed source left there is removed. */
export async function build(folders) {
  const { transformWithOxc } = await import('vite');
  for (const folder of folders) rmSync(join(root, 'dist', folder), { recursive: true, force: true });
  for (const path of sources(folders)) {
    const { code, map } = await transformWithOxc(readFileSync(path, 'utf8'), path, {
      target: 'es2022',
      sourcemap: true,
      decorator: { legacy: true, emitDecoratorMetadata: true },
    });
    const output = join(root, 'dist', relative(root, path)).replace(/\.ts$/, '.js');
    mkdirSync(dirname(output), { recursive: true });
    const sourceMap = { ...map, sources: [relative(dirname(output), path)] };
    writeFileSync(`${output}.map`, JSON.stringify(sourceMap));
    writeFileSync(output, `${code}//# sourceMappingURL=${basename(output)}.map\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build(process.argv.slice(2));
