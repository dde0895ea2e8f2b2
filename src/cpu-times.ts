import { cpus } from 'node:os';

/** CPU time since some moment in the past, in ms. */
export interface CpuTimes {
  /** Of all processes of the machine, and of its cores when they were idle. */
  readonly busy: number;
  readonly idle: number;
  /** Of this process, all its threads. */
  readonly own: number;
}

/** Reads the counters, which move in steps of 10 ms. */
export function readCpuTimes(): CpuTimes {
  let [busy, idle] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    busy += times.user + times.nice + times.sys + times.irq;
  }
  const { user, system } = process.cpuUsage();
  return { busy, idle, own: (user + system) / 1_000 };
}
