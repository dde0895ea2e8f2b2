import { z } from 'zod';

/** Kinds of values that settings have. */
export const port = z.int().min(0).max(65_535);
export const count = z.int().min(1);
export const milliseconds = z.int().min(0);
