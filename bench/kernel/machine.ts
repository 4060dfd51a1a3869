/** The machine that something is measured on, and what it lost meanwhile. */

/** Names of /proc/stat's first columns (proc(5)). */
const COLUMNS = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"] as const;

/** Shares of the time of all processors since a meter began, 0 to 1. */
export interface ProcessorShares {
  /** What nobody used. */
  readonly idle: number;
  /** What another machine on the same hardware had instead: figures taken meanwhile are too low. */
  readonly steal: number;
}

/** Ticks by column of a text such as /proc/stat is. */
export function ticksOf(stat: string): Readonly<Record<typeof COLUMNS[number], number>> {
  const values = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(" ").map(Number) ?? [];
  const named = COLUMNS.map((name, i) => [name, values[i] ?? 0] as const);
  return Object.fromEntries(named) as Record<typeof COLUMNS[number], number>;
}

/** The shares of the ticks between two texts such as /proc/stat is. */
export function sharesBetween(before: string, after: string): ProcessorShares {
  const [from, to] = [ticksOf(before), ticksOf(after)];
  const total = COLUMNS.reduce((sum, name) => sum + to[name] - from[name], 0);
  const share = (name: typeof COLUMNS[number]): number =>
    total === 0 ? 0 : (to[name] - from[name]) / total;
  return { idle: share("idle"), steal: share("steal") };
}

/** Begins to measure; the result tells the shares so far. */
export function meterProcessors(): () => ProcessorShares {
  const read = (): string => Deno.readTextFileSync("/proc/stat");
  const before = read();
  return () => sharesBetween(before, read());
}

/** Model of the processor, kernel, Deno. */
export function machine(): string {
  const cpu = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  const cpus = `${navigator.hardwareConcurrency} × ${cpu ?? Deno.build.arch}`;
  return `${cpus}, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`;
}
