import type { Added } from '../models/add.js';

/** Prints what `kindred models add` found out about a model, and what to do next. */
export function printAdded({ bundle }: Added, dryRun: boolean): void {
  const { id, name, dimension, maxTokens, licence, prompts } = bundle.manifest;
  console.log(`${id}: ${name}${dryRun ? ' could be added' : ''}`);
  const { manifest } = bundle;
  const facts: [string, string][] = [
    ['dimension', String(dimension)],
    ['max tokens', String(maxTokens)],
    ['licence', licence],
  ];
  if ('pooling' in manifest) {
    const { outputDimension, matryoshka, pooling, poolingInGraph, inputs, output } = manifest;
    facts.push(['pooling', poolingInGraph ? 'in the graph' : `${pooling}, by the worker`]);
    facts.push(['graph', `${inputs.join(', ')} -> ${output}`]);
    if (outputDimension !== undefined) facts.push(['cut from', String(outputDimension)]);
    if (matryoshka !== undefined) facts.push(['matryoshka', matryoshka.join(', ')]);
  }
  for (const purpose of ['query', 'document'] as const)
    if (prompts[purpose] !== '') facts.push([`${purpose} prefix`, JSON.stringify(prompts[purpose])]);
  facts.push(['digest', bundle.digest.slice(0, 12)], ['folder', bundle.folder]);
  for (const [fact, value] of facts) console.log(`  ${fact.padEnd(15)} ${value}`);
  if (dryRun) return;
  console.log(`
Next: add ${id} to models.versions (kindred.yaml, KINDRED_MODELS_VERSIONS or --set), embed the catalogue with it, and serve:
  kindred import FILE... --set models.versions=v1,v2,${id}
  kindred serve --set models.versions=v1,v2,${id}`);
}
