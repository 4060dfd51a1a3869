/**
 * Bytes of garbage that an acknowledgement leaves behind in each congestion control, as JSON by name; run in a process of its own by count.ts, which sets
 * the flags of V8. "control" leaves an array of eight places behind.
 */

import { memoryUsage } from "node:process";
import { acknowledgement } from "../../bench/acknowledgement.ts";
import { print } from "../../cli/output.ts";
import * as controls from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Acknowledgements before any is counted, and those that are. */
const WARM_UP = 400_000;
const COUNTED = 200_000;

let litter: unknown = null;

/** reno, and what is to be counted. */
const littering: CongestionControlPlugin = {
  ...controls.reno(),
  name: "control",
  create(connection) {
    const group = controls.reno().create(connection);
    return {
      join(subflow) {
        const controller = group.join(subflow);
        const onAck = controller.onAck.bind(controller);
        controller.onAck = (ack) => {
          litter = [ack, 1, 2, 3, 4, 5, 6, 7];
          onAck(ack);
        };
        return controller;
      },
    };
  },
};

const { gc } = globalThis as { gc?: () => void };
if (gc === undefined) throw new Error("Cannot count garbage without --v8-flags=--expose-gc");

const { aimd: _, coupledBy: __, ...factories } = controls;
const plugins = [littering, ...Object.values(factories).map((make) => make())];
const figures: Record<string, number> = {};
for (const plugin of plugins) {
  const tell = acknowledgement(plugin, 2);
  for (let i = 0; i < WARM_UP; i++) tell();
  gc();
  const before = memoryUsage().heapUsed;
  for (let i = 0; i < COUNTED; i++) tell();
  figures[plugin.name] = (memoryUsage().heapUsed - before) / COUNTED;
}
if (litter === null) throw new Error("Nothing was left behind to be counted");
print(JSON.stringify(figures));
