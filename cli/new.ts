/** `mptcp new KIND NAME`: a plugin to begin with. */

import { type Command, type Given, UsageError } from "./arguments.ts";
import { findCall, originOf, PACKAGE } from "./origin.ts";
import { print } from "./output.ts";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Where the command was loaded from: a clone, or a URL. */
const ROOT = new URL("../", import.meta.url).href;

/** What a new module imports, as a module in its folder names it, and what declares a test. */
interface Imports {
  /** The interface of plugins. */
  readonly types: string;
  /** The kit. */
  readonly kit: string;
  /** Where `test` comes from; null: it is Deno's. */
  readonly test: string | null;
}

/** What a module in `folder` imports: by a relative path within a clone, so that it can be committed there. */
function importsFor(folder: URL): Imports {
  if (originOf() === "package") {
    return { types: PACKAGE, kit: `${PACKAGE}/testing`, test: "node:test" };
  }
  const below = folder.href.startsWith(ROOT) ? folder.href.slice(ROOT.length) : null;
  const root = below === null ? ROOT : "../".repeat(below.split("/").length - 1) || "./";
  return {
    types: `${root}core/plugin.ts`,
    kit: `${root}tests/kit/mod.ts`,
    test: null,
  };
}

/** A module of each kind that works and is worth changing. */
const TEMPLATES: Readonly<
  Record<string, (name: string, label: string, types: string) => string>
> = {
  scheduler: (name, label, types) =>
    `import type { Scheduler, SchedulerPlugin } from "${types}";

/** Its options: \`--scheduler ./${label}.ts,ratio=3\`. */
export const defaults = { ratio: 4 };

/** Lowest round-trip time first, but no path more than \`ratio\` times slower than the fastest. */
export default function ${name}({ ratio = defaults.ratio } = {}): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "${label}",
    family: "selective", // it leaves paths alone on purpose: what the kit holds it to
    create: (connection): Scheduler => ({
      // Which of the subflows that have room carries the next bytes? Another one, or null: wait.
      pick(ready) {
        // Loops, and no arrays or closures: it is asked for every few segments.
        let best = ready[0]!;
        for (const s of ready) if (s.srtt < best.srtt) best = s;
        // The fastest of those that are worth waiting for: one that repairs a loss may be gone.
        let fastest = Infinity;
        for (const s of connection.subflows) {
          const alike = s.stale === best.stale && s.backup === best.backup;
          if (alike && !s.inRecovery) fastest = Math.min(fastest, s.srtt);
        }
        return best.srtt <= ratio * fastest ? best : null;
      },
    }),
  };
}
`,
  cc: (name, label, types) =>
    `import type { CongestionController, CongestionControlPlugin } from "${types}";

/** Its options: \`--cc ./${label}.ts,beta=0.8\`. */
export const defaults = { beta: 0.5 };

/** Slow start, then one segment per round trip; \`beta\` of the window is kept after a loss. */
export default function ${name}({ beta = defaults.beta } = {}): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "${label}",
    create: () => ({
      join(subflow): CongestionController {
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
    `import type { PathManager, PathManagerPlugin } from "${types}";

/** Its options: \`--pm ./${label}.ts,most=2\`. */
export const defaults = { most: 4 };

/** One path from each address of the client to each address of the server, at most \`most\`. */
export default function ${name}({ most = defaults.most } = {}): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: "${label}",
    create: ({ role, locals, remotes, index, use }): PathManager => ({
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

/** What the test of a module of each kind shows beside the rules that the kit has for it. */
const BEHAVIOURS: Readonly<
  Record<string, (name: string, label: string, test: string) => string>
> = {
  scheduler: (name, label, test) =>
    `${test}("${label} waits rather than use a path more than ratio times slower", () => {
  const view = { stale: false, backup: false };
  const near = { ...view, path: 1, srtt: 20e3 } as SubflowView;
  const far = { ...view, path: 2, srtt: 100e3 } as SubflowView;
  const connection = { subflows: [near, far] } as unknown as ConnectionView;
  const chunk: Chunk = { offset: 1, length: 1400, sentOn: [], sentAt: 0, hint: 0, written: 0 };
  const answer = (ratio: number) => ${name}({ ratio }).create(connection).pick([far], chunk);
  if (answer(4) !== null) throw new Error("It does not wait for the near path");
  if (answer(6) !== far) throw new Error("It waits although the far path is near enough");
});
`,
  cc: (name, label, test) =>
    `${test}("${label} keeps beta of what was in flight when something is lost", () => {
  const subflow = { mss: 1000, cwnd: 20e3 } as SubflowView;
  const controller = ${name}({ beta: 0.7 }).create({} as ConnectionView).join(subflow);
  controller.onCongestion("loss", 10e3);
  if (controller.cwnd !== 7000) throw new Error(\`The window is \${controller.cwnd}\`);
});
`,
  pm: (name, label, test) =>
    `${test}("${label} uses most paths at most, one for each pair of addresses", () => {
  const address = (id: number) => ({ address: \`10.0.0.\${id}\`, port: 0, id, family: 4, link: "" });
  const used: number[][] = [];
  const context = {
    role: "client",
    locals: [address(1), address(2), address(3)],
    remotes: [address(9)],
    index: (spec: { local: { id: number } }) => spec.local.id,
    use: (paths: number[]) => used.push(paths),
  } as unknown as PathContext;
  ${name}({ most: 2 }).create(context).onEvent({ type: "start" });
  if (used.join() !== "1,2") throw new Error(\`It uses \${used.join()}\`);
});
`,
};

/** What each imports of the interface. */
const TYPES: Readonly<Record<string, string>> = {
  scheduler: "Chunk, ConnectionView, SubflowView",
  cc: "ConnectionView, SubflowView",
  pm: "PathContext",
};

/** Text of the test of a new plugin. */
function testOf(
  kind: string,
  name: string,
  label: string,
  { types, kit, test }: Imports,
): string {
  const declare = test === null ? "Deno.test" : "test";
  return `${test === null ? "" : `import { test } from "${test}";\n`}import type { ${
    TYPES[kind]
  } } from "${types}";
import { conformance } from "${kit}";
import ${name} from "./${label}.ts";

// What every plugin of its kind does.
for (const rule of conformance(${name}())) ${declare}(\`${label}: \${rule.says}\`, rule.check);

// What this one does.
${BEHAVIOURS[kind]!(name, label, declare)}`;
}

/** A new plugin, and its test. */
export interface NewPlugin {
  /** Text of NAME.ts. */
  readonly module: string;
  /** Text of NAME_test.ts. */
  readonly test: string;
}

/** What a function of a module cannot be called, and what the modules that are written call something else. */
const TAKEN: ReadonlySet<string> = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if
  implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof
  undefined var void while with yield conformance defaults test Deno Error Infinity Math Set
  Scheduler SchedulerPlugin CongestionController CongestionControlPlugin PathManager PathManagerPlugin Chunk ConnectionView SubflowView PathContext`
    .split(/\s+/),
);

/** A new plugin, to be written into `folder`, whose URL ends with a slash. */
export function template(kind: string, name: string, folder: URL): NewPlugin {
  const make = TEMPLATES[kind];
  if (make === undefined) {
    throw new UsageError(
      `Cannot write a "${kind}" as it must be one of ${Object.keys(TEMPLATES).join(", ")}`,
    );
  }
  if (!/^[a-z][a-z0-9_]*$/i.test(name)) {
    throw new UsageError(
      `Cannot name a plugin "${name}" as it must be a letter, then letters, digits and _`,
    );
  }
  const camel = name.replace(
    /_+([a-z0-9])/gi,
    (_, letter: string) => letter.toUpperCase(),
  );
  const imports = importsFor(folder);
  const made = {
    module: make(camel, name, imports.types),
    test: testOf(kind, camel, name, imports),
  };
  const declared = new RegExp(`(?:const|let) ${camel}\\b`);
  if (TAKEN.has(camel) || declared.test(made.module) || declared.test(made.test)) {
    throw new UsageError(
      `Cannot name a plugin "${name}" as its function would be, which is a word of the language or of what is written: give another name, such as my_${name}`,
    );
  }
  return made;
}

async function run(args: Given): Promise<number> {
  const [kind, name, ...more] = args.positional;
  if (kind === undefined || name === undefined || more.length > 0) {
    throw new UsageError("mptcp new needs a kind and a name: mptcp new scheduler mine");
  }
  const folder = pathToFileURL(`${Deno.cwd()}/`);
  const { module, test } = template(kind, name, folder);
  const written: URL[] = [];
  for (const [file, text] of [[`${name}.ts`, module], [`${name}_test.ts`, test]] as const) {
    const url = new URL(file, folder);
    try {
      await Deno.writeTextFile(url, text, { createNew: true });
      written.push(url);
    } catch (error) {
      for (const half of written) await Deno.remove(half);
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      throw new UsageError(`Cannot write ${file} as it exists`);
    }
  }
  const call = await findCall();
  // From elsewhere than the clone `deno task` must be told of it.
  const inClone = call === "deno task mptcp";
  const away = inClone && !folder.href.startsWith(ROOT);
  const command = away
    ? `deno task --config ${fileURLToPath(new URL("deno.json", ROOT))} mptcp`
    : call;
  const path = `./${name}.ts`;
  const runner = originOf() === "package" ? "node --test" : "deno test";
  // Before, Node reads no TypeScript.
  const older = originOf() === "package" ? " (Node 22.18 or newer)" : "";
  const usual = kind === "scheduler" ? "min_rtt" : kind === "cc" ? "lia" : "full_mesh";
  print(
    `Wrote ${name}.ts and ${name}_test.ts. Test it: ${runner} ${name}_test.ts${older}
See it at work: ${command} demo --${kind} ${path}
Beside others, 5 seeds: ${command} sim requests --set links.wifi.loss=0.01 --runs 5 --${kind} ${usual} --${kind} ${path}
Against a kernel, root: ${command} lab --rate '20 Mbit/s' --delay '10 ms' --delay '80 ms' -- mptcp put http://10.77.1.1/ --${kind} ${path}`,
  );
  return 0;
}

/** The command. */
export const NEW: Command = {
  name: "new",
  positional: "KIND NAME",
  summary: "write a plugin of your own to begin with: a scheduler, cc or pm",
  text:
    `Writes NAME.ts and NAME_test.ts into the current folder: a plugin of KIND (scheduler, cc for
congestion control, pm for path manager) that works, in twenty lines, and its test. Needs
--allow-write.`,
  examples: [
    ["mptcp new scheduler mine", "then: mptcp demo --scheduler ./mine.ts,ratio=3"],
    ["mptcp new cc gentle", "then: mptcp demo --cc ./gentle.ts,beta=0.8"],
  ],
  options: {},
  run,
};
