import { z } from 'zod';
import { SECRET_KEYS, configSchema } from './config-schema.js';

/** One documented setting. */
export interface ConfigKey {
  readonly key: string;
  readonly env: string;
  readonly type: string;
  readonly default: unknown;
  readonly description: string;
  readonly secret: boolean;
}

/** Every setting with its environment variable, in the order of the schema. */
export function configKeys(): ConfigKey[] {
  const keys: ConfigKey[] = [];
  const visit = (schema: z.ZodType, path: string[]): void => {
    const inner = unwrap(schema);
    if (inner instanceof z.ZodObject) {
      const shape: Readonly<Record<string, z.ZodType>> = inner.shape;
      for (const [name, child] of Object.entries(shape)) visit(child, [...path, name]);
      return;
    }
    const key = path.join('.');
    keys.push({
      key,
      env: envName(key),
      type: typeName(schema),
      default: schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined,
      description: schema.description ?? '',
      secret: SECRET_KEYS.has(key),
    });
  };
  visit(configSchema, []);
  return keys;
}

function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodNullable) {
    inner = inner.def.innerType as z.ZodType;
  }
  return inner;
}

function typeName(schema: z.ZodType): string {
  let nullable = '';
  for (let inner = schema; ; inner = inner.def.innerType as z.ZodType) {
    if (inner instanceof z.ZodNullable) nullable = ' or null';
    else if (!(inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault)) break;
  }
  const inner = unwrap(schema);
  if (inner instanceof z.ZodEnum)
    return inner.options.map((option) => `\`${String(option)}\``).join(', ') + nullable;
  if (inner instanceof z.ZodArray) return 'list' + nullable;
  if (inner instanceof z.ZodRecord) return 'map' + nullable;
  if (inner instanceof z.ZodBoolean) return 'boolean' + nullable;
  if (inner instanceof z.ZodNumber) return (inner.format === 'safeint' ? 'integer' : 'number') + nullable;
  return 'string' + nullable;
}

function envName(key: string): string {
  return `KINDRED_${key
    .replace(/\./g, '_')
    .replace(/[A-Z]/g, (capital) => `_${capital}`)
    .toUpperCase()}`;
}
