/** Notes which callback of which plugin runs, where another thread can read it: one that never returns can be named. */

import type { HostPolicies } from "./scenario.ts";
import { withCreate } from "./with_create.ts";

/** Bytes of a name. */
const NAME = 96;
/** Most names. */
const NAMES = 256;
/** Words in front of the names: the number of the name that runs, 0 for none; how many calls there were; thousandths of the run that are done. */
const WORDS = 3;

/** The memory that both threads see. */
export function watchMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * WORDS + NAME * NAMES);
}

/** What runs, as another thread sees it. */
export class PluginWatch {
  readonly #words: Int32Array;
  readonly #names: Uint8Array;
  #calls = -1;
  #same = 0;

  /** Of memory that {@linkcode watchPolicies} writes. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#names = new Uint8Array(memory, 4 * WORDS);
  }

  /** How much of the run is done, from 0 to 1. */
  get share(): number {
    return Atomics.load(this.#words, 2) / 1000;
  }

  /** What has run at all of the last `times` looks, such as "pick() of the scheduler mine"; null: nothing. Look again and again. */
  stuck(times: number): string | null {
    const id = Atomics.load(this.#words, 0);
    const calls = Atomics.load(this.#words, 1);
    this.#same = id !== 0 && calls === this.#calls ? this.#same + 1 : 0;
    this.#calls = calls;
    if (this.#same < times) return null;
    const at = (id - 1) * NAME;
    const bytes = this.#names.slice(at, at + NAME);
    const length = bytes.indexOf(0);
    return new TextDecoder().decode(bytes.subarray(0, length < 0 ? NAME : length));
  }
}

/** Writes what runs. */
class Marker {
  readonly #words: Int32Array;
  readonly #names: Uint8Array;
  readonly #ids = new Map<string, number>();

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#names = new Uint8Array(memory, 4 * WORDS);
  }

  /** The number of a name; the last one stands for all that are too many. */
  #id(name: string): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = Math.min(NAMES, this.#ids.size + 1);
      this.#ids.set(name, id);
      const bytes = new TextEncoder().encode(name).subarray(0, NAME);
      this.#names.set(bytes, (id - 1) * NAME);
    }
    return id;
  }

  /** Marks each call of the methods of `made`, and of what those named `makers` give. */
  mark(made: unknown, plugin: string, makers: readonly string[]): unknown {
    if (typeof made !== "object" || made === null || !Object.isExtensible(made)) return made;
    const words = this.#words;
    const names = new Set<string>();
    for (
      let at: object = made;
      at !== Object.prototype && at !== null;
      at = Object.getPrototypeOf(at)
    ) {
      for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    }
    names.delete("constructor");
    for (const name of names) {
      // What is computed on reading is no callback.
      const own = Object.getOwnPropertyDescriptor(made, name);
      if (own !== undefined && (own.get !== undefined || !own.configurable)) continue;
      const method: unknown = (made as Record<string, unknown>)[name];
      if (typeof method !== "function") continue;
      const id = this.#id(`${name}() of ${plugin}`);
      const maker = makers.includes(name);
      const call = (self: unknown, args: readonly unknown[]): unknown => {
        const before = words[0]!;
        Atomics.store(words, 0, id);
        words[1]!++;
        try {
          const result = Reflect.apply(method, self, args);
          return maker ? this.mark(result, plugin, []) : result;
        } finally {
          Atomics.store(words, 0, before);
        }
      };
      Object.defineProperty(made, name, {
        configurable: true,
        writable: true,
        enumerable: own?.enumerable ?? false,
        value: function (this: unknown, ...args: unknown[]) {
          return call(this, args);
        },
      });
    }
    return made;
  }

  /** A plugin whose parts are marked. */
  plugin<T extends { readonly name: string; create(given: never): unknown }>(
    kind: string,
    plugin: T,
    makers: readonly string[],
  ): T {
    const label = `the ${kind} ${plugin.name}`;
    const id = this.#id(`create() of ${label}`);
    const words = this.#words;
    const create = (given: never): unknown => {
      Atomics.store(words, 0, id);
      words[1]!++;
      try {
        return this.mark(plugin.create(given), label, makers);
      } finally {
        Atomics.store(words, 0, 0);
      }
    };
    return withCreate(plugin, create);
  }
}

/** Notes how much of a run is done, from 0 to 1. */
export function noteShare(memory: SharedArrayBuffer, share: number): void {
  Atomics.store(new Int32Array(memory, 0, WORDS), 2, Math.floor(1000 * share));
}

/** Policies, of which `memory` tells what runs. Texts stay as they are. */
export function watchPolicies(policies: HostPolicies, memory: SharedArrayBuffer): HostPolicies {
  const marker = new Marker(memory);
  const { scheduler, congestionControl, pathManager } = policies;
  return {
    ...policies,
    ...(typeof scheduler === "object" && { scheduler: marker.plugin("scheduler", scheduler, []) }),
    ...(typeof congestionControl === "object" && {
      congestionControl: marker.plugin("congestion control", congestionControl, ["join"]),
    }),
    ...(typeof pathManager === "object" && {
      pathManager: marker.plugin("path manager", pathManager, []),
    }),
  };
}
