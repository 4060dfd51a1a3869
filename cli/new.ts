/** `mptcp new KIND NAME`: a plugin to begin with. */

import { type Command, type Given, UsageError } from "./arguments.ts";
import { print } from "./output.ts";
import { pathToFileURL } from "node:url";

/** Where the command was loaded from: a clone, or a URL. */
const ROOT = new URL("../", import.meta.url).href;

/** Where the types come from, for a module in `folder`: by a relative path within a clone, so that it can be committed there. */
function typesFor(folder: URL): string {
  const below = folder.href.startsWith(ROOT) ? folder.href.slice(ROOT.length) : null;
  const up = below === null ? ROOT : "../".repeat(below.split("/").length - 1) || "./";
  return `${up}core/plugin.ts`;
}

/** A module of each kind that works and is worth changing. */
const TEMPLATES: Readonly<
  Record<string, (name: string, label: string, types: string) => string>
> = {
  scheduler: (name, label, types) =>
    `import type { SchedulerPlugin } from "${types}";

/** Its options: \`--scheduler ./${label}.ts,ratio=3\`. */
export const defaults = { ratio: 4 };

/** Lowest round-trip time first, but no path more than \`ratio\` times slower than the fastest. */
export default function ${name}({ ratio = defaults.ratio } = {}): SchedulerPlugin {
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
  cc: (name, label, types) =>
    `import type { CongestionControlPlugin } from "${types}";

/** Its options: \`--cc ./${label}.ts,beta=0.8\`. */
export const defaults = { beta: 0.5 };

/** Slow start, then one segment per round trip; \`beta\` of the window is kept after a loss. */
export default function ${name}({ beta = defaults.beta } = {}): CongestionControlPlugin {
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
  pm: (name, label, types) =>
    `import type { PathManagerPlugin } from "${types}";

/** Its options: \`--pm ./${label}.ts,most=2\`. */
export const defaults = { most: 4 };

/** One path from each address of the client to each address of the server, at most \`most\`. */
export default function ${name}({ most = defaults.most } = {}): PathManagerPlugin {
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

/** Text of a new plugin, to be written into `folder`, whose URL ends with a slash. */
export function template(kind: string, name: string, folder: URL): string {
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
  return make(camel, name, typesFor(folder));
}

async function run(args: Given): Promise<number> {
  const [kind, name, ...more] = args.positional;
  if (kind === undefined || name === undefined || more.length > 0) {
    throw new UsageError("mptcp new needs a kind and a name: mptcp new scheduler mine");
  }
  const file = `${name}.ts`;
  try {
    const folder = pathToFileURL(`${Deno.cwd()}/`);
    await Deno.writeTextFile(file, template(kind, name, folder), { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new UsageError(`Cannot write ${file} as it exists`);
  }
  const command = ROOT.startsWith("file:") ? "deno task mptcp" : "mptcp";
  print(`Wrote ${file}. See it at work: ${command} demo --${kind} ./${file}`);
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
