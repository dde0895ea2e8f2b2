#!/usr/bin/env -S node --v8-pool-size=1 --max-semi-space-size=32
// One helper thread for the garbage collector: four of them, on cores that are busy, made each of its pauses wait for its slowest.
// And a young generation as large on Node 20 as Node 24 has it by itself: half as many pauses, no longer ones.
import { program } from './program.js';

// A reader that has seen enough, such as `head`, is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

await program().parseAsync();
