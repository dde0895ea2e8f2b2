#!/usr/bin/env -S node --v8-pool-size=1
// One helper thread for the garbage collector: four of them, on cores that are busy, made each of its pauses wait for its slowest.
import { program } from './program.js';

// A reader that has seen enough, such as `head`, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

await program().parseAsync();
