/** `mptcp new KIND NAME`: a plugin to begin with. */

import { type Command, type Given, UsageError } from "./arguments.ts";
import { print } from "./output.ts";

/** Where the types come from: beside the file that asks, or wherever this module was loaded from. */
const TYPES = new URL("../core/plugin.ts", import.meta.url).href;

/** A module of each kind that works and is worth changing. */
const TEMPLATES: Readonly<Record<string, (name: string, label: string) => string>> = {
  scheduler: (name, label) =>
    `import type { SchedulerPlugin } from "${TYPES}";

/** Lowest round-trip time first, but no path more than \`ratio\` times slower than the fastest. */
export default function ${name}({ ratio = 4 } = {}): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "${label}",
    create: (connection) => ({
      // Which of the subflows that have room carries the next bytes? Another one, or null: wait.
      pick(ready) {
        const best = ready.reduce((a, b) => a.srtt <= b.srtt ? a : b);
        const fastest = Math.min(
          ...connection.subflows
            .filter((s) => s.stale === best.stale && s.backup === best.backup)
            .map((s) => s.srtt),
        );
        return best.srtt <= ratio * fastest ? best : null;
      },
    }),
  };
}
`,
  cc: (name, label) =>
    `import type { CongestionControlPlugin } from "${TYPES}";

/** Slow start, then one segment per round trip; \`beta\` of the window is kept after a loss. */
export default function ${name}({ beta = 0.5 } = {}): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "${label}",
    create: () => ({
      join(subflow) {
        const { mss } = subflow;
        let cwnd = subflow.cwnd, ssthresh = Infinity;
        return {
          get cwnd() {
            return cwnd;
          },
          get ssthresh() {
            return ssthresh;
          },
          onAck({ acked, cwndLimited }) {
            if (!cwndLimited || subflow.inRecovery) return;
            cwnd += cwnd < ssthresh ? Math.min(acked, mss) : mss * acked / cwnd;
          },
          onCongestion(cause, flightSize) {
            ssthresh = Math.max(2 * mss, beta * flightSize);
            cwnd = cause === "timeout" ? mss : Math.min(cwnd, ssthresh);
          },
        };
      },
    }),
  };
}
`,
  pm: (name, label) =>
    `import type { PathManagerPlugin } from "${TYPES}";

/** One path from each address of the client to each address of the server, at most \`most\`. */
export default function ${name}({ most = 4 } = {}): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "${label}",
    create: ({ role, locals, remotes, index, use }) => ({
      onEvent() {
        if (role === "server") return;
        const paths = locals.flatMap((local) =>
          remotes
            .filter((remote) => remote.family === local.family)
            .map((remote) => index({ local, remote }))
        );
        use([...new Set([1, ...paths])].slice(0, most));
      },
    }),
  };
}
`,
};

/** Text of a new plugin. */
export function template(kind: string, name: string): string {
  const make = TEMPLATES[kind];
  if (make === undefined) {
    throw new UsageError(
      `Cannot write a "${kind}" as it must be one of ${Object.keys(TEMPLATES).join(", ")}`,
    );
  }
  if (!/^[a-z][a-z0-9_]*$/i.test(name)) {
    throw new UsageError(`Cannot name a plugin "${name}" as it must be letters, digits and _`);
  }
  const camel = name.replace(/_+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());
  return make(camel, name);
}

async function run(args: Given): Promise<number> {
  const [kind, name, ...more] = args.positional;
  if (kind === undefined || name === undefined || more.length > 0) {
    throw new UsageError("mptcp new needs a kind and a name: mptcp new scheduler mine");
  }
  const file = `${name}.ts`;
  try {
    await Deno.writeTextFile(file, template(kind, name), { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new UsageError(`Cannot write ${file} as it exists`);
  }
  print(`Wrote ${file}. See it at work: mptcp demo --${kind} ./${file}`);
  return 0;
}

/** The command. */
export const NEW: Command = {
  name: "new",
  positional: "KIND NAME",
  summary: "write a plugin of your own to begin with: a scheduler, cc or pm",
  text:
    `Writes NAME.ts into the current folder: a plugin of KIND (scheduler, cc for congestion control, pm
for path manager) that works, in twenty lines. Needs --allow-write.`,
  examples: [
    ["mptcp new scheduler mine", "then: mptcp demo --scheduler ./mine.ts,ratio=3"],
    ["mptcp new cc gentle", "then: mptcp demo --cc ./gentle.ts,beta=0.8"],
  ],
  options: {},
  run,
};
