/** Plugins to begin with: the examples of the documentation. */

import finishFirst from "../docs/examples/finish_first.ts" with { type: "text" };
import myLia from "../docs/examples/my_lia.ts" with { type: "text" };
import patient from "../docs/examples/patient.ts" with { type: "text" };
import wifiFirst from "../docs/examples/wifi_first.ts" with { type: "text" };
import type { PluginKind } from "../core/net/load_plugin.ts";

/** One of them. */
export interface Template {
  readonly kind: PluginKind;
  readonly name: string;
  readonly code: string;
}

/** Modules by the names that they have outside of this project; and the paths that there are here. */
function outside(text: string): string {
  return text
    .replaceAll(/"\.\.\/\.\.\/core\/plugin\.ts"/g, `"@mptcp/mptcp"`)
    .replaceAll(/"\.\.\/\.\.\/(cc|sched|pm)\/mod\.ts"/g, `"@mptcp/mptcp/$1"`)
    .replaceAll(`"cellular"`, `"lte"`);
}

/** All, the first of each kind being the one that is shown first. */
export const TEMPLATES: readonly Template[] = ([
  [
    "scheduler",
    "Round robin",
    `/** Takes turns: each path carries the next part. */

import type { SchedulerPlugin } from "@mptcp/mptcp";

export default function takeTurns(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "take_turns",
    create: () => {
      let turn = 0;
      return {
        // Of the paths that have room now; null waits.
        pick: (ready) => ready[turn++ % ready.length]!,
      };
    },
  };
}
`,
  ],
  ["scheduler", "Finish first", finishFirst],
  ["scheduler", "Patient", patient],
  ["congestion-control", "LIA (RFC 6356)", myLia],
  ["path-manager", "Wi-Fi first", wifiFirst],
] as const).map(([kind, name, code]) => ({ kind, name, code: outside(code) }));
