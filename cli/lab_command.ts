/** `mptcp lab`: a command run beside a kernel that speaks MPTCP. */

import { fileURLToPath } from "node:url";
import { type Command, type Given, readInteger, UsageError } from "./arguments.ts";
import { Lab, type LabOptions } from "./lab.ts";
import { openTarget } from "./control.ts";
import { kernelTarget } from "./lab_control.ts";
import { describeShape, NETWORK_OPTIONS, type PathShape, readPaths } from "./network_options.ts";
import { originOf } from "./origin.ts";
import { bold, report } from "./output.ts";
import { type EndSignal, exitCodeOf, onInterrupt } from "./signals.ts";
import { impairEnvironment } from "./tun_options.ts";

/** Name of the namespace, so that it can be looked into from another terminal. */
const NAMESPACE = "mptcp-lab";
/** Milliseconds between two looks at the kernel's connections: when the command has ended they are gone. */
const LOOK = 100;

/** The paths as they were asked for, by device: named ones in their order. */
function readShapes(given: Given): PathShape[] {
  const named = given.values("path").length;
  if (named > 0 && given.value("paths") !== undefined) {
    throw new UsageError("--paths and --path exclude each other: each --path is one");
  }
  const count = readInteger(given, "paths", 2, [1, 8]);
  const usual = Object.fromEntries(Array.from({ length: count }, (_, i) => [`mptcp${i}`, {}]));
  const shapes = Object.values(readPaths(given, usual));
  const unlimited = shapes.filter(({ rate }) => rate === undefined).length;
  if (unlimited > 0 && unlimited < shapes.length) {
    throw new UsageError("--path: either all paths of a lab have a rate, or none has");
  }
  return shapes;
}

function readName(given: Given): string {
  const name = given.value("name") ?? NAMESPACE;
  if (!/^\w[\w.-]*$/.test(name)) {
    throw new UsageError(`--name must be letters, digits, ".", "-" and "_": it is "${name}"`);
  }
  return name;
}

function readOptions(given: Given, shapes: readonly PathShape[]): LabOptions {
  if (given.has("tcp") && given.has("checksum")) {
    throw new UsageError("--tcp and --checksum exclude each other: checksums are MPTCP's");
  }
  const rates = shapes.flatMap(({ rate }) => rate ?? []);
  return {
    name: readName(given),
    paths: shapes.length,
    ...(rates.length > 0 ? { rates, queues: shapes.map(({ queue }) => queue) } : {}),
    mptcp: !given.has("tcp"),
    checksum: given.has("checksum"),
    serve: {
      folder: Deno.realPathSync(given.value("folder") ?? "."),
      port: readInteger(given, "port", 80, [1, 65535]),
    },
    progress: (step) => report(`lab: ${step}`),
  };
}

/** A lab of the usual name that was left behind (its command was killed) is removed; one that is in use, or somebody else's, is not. */
async function removeLeftover(name: string): Promise<void> {
  const ip = async (...args: string[]): Promise<string | null> => {
    const { success, stdout } = await new Deno.Command("ip", { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : null;
  };
  const pids = await ip("netns", "pids", name).catch(() => null);
  if (pids === null) return;
  if (pids.trim() !== "") {
    throw new UsageError(`A lab named ${name} is running already: choose another --name`);
  }
  if (name !== NAMESPACE) {
    throw new UsageError(
      `A namespace named ${name} exists already: choose another --name, or \`ip netns delete ${name}\``,
    );
  }
  await ip("netns", "delete", name);
}

/** In a clone the packages of others are those of its lock. */
const LOCKED: readonly string[] = originOf() === "clone"
  ? [`--lock=${fileURLToPath(new URL("../deno.lock", import.meta.url))}`, "--frozen"]
  : [];

/** A folder with this very command as `mptcp`, for a PATH: so shells and scripts inside find it, whatever started the lab. */
class CommandFolder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "mptcp-lab-" });

  constructor() {
    const words = [
      Deno.execPath(),
      "run",
      ...LOCKED,
      "-A",
      new URL("./mod.ts", import.meta.url).href,
    ];
    const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    Deno.writeTextFileSync(`${this.path}/mptcp`, `#!/bin/sh\nexec ${quoted} "$@"\n`, {
      mode: 0o755,
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function introduce(lab: Lab, port: number, shapes: readonly PathShape[], names: string[]): void {
  const rows = lab.paths.map(({ device, kernel, host }, i) => {
    const shape = shapes[i]!;
    const name = names[i] === undefined ? "" : `  ${names[i]}`;
    const what = Object.keys(shape).length === 0 ? "" : `  ${describeShape(shape)}`;
    return `  ${device}${name}  kernel ${kernel.join(", ")}  you ${host.join(", ")}${what}`;
  });
  const place = port === 80 ? "" : `:${port}`;
  report([
    ...rows,
    `  http://${lab.paths[0]!.kernel[0]}${place}/32MB gives 32 MB, other paths files; ` +
    `\`ip netns exec ${lab.name} …\` looks inside`,
  ].join("\n"));
}

async function conclude(lab: Lab, connections: string): Promise<void> {
  const counters = Object.entries(await lab.nstat());
  const width = Math.max(0, ...counters.map(([name]) => name.length));
  report([
    "",
    bold("Connections of the kernel (ss -M), as last seen"),
    connections.trimEnd() || "  none was seen",
    "",
    bold("Counters of the kernel (nstat), without their prefix MPTcpExt"),
    ...counters.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    ...(counters.length === 0 ? ["  all are 0: it did not speak MPTCP"] : []),
  ].join("\n"));
}

async function run(given: Given): Promise<number> {
  if (given.positional.length > 0) {
    throw new UsageError(
      `The command goes behind a --: mptcp lab -- ${given.positional.join(" ")}`,
    );
  }
  const shapes = readShapes(given);
  const names = given.values("path").map((text) => text.replace(/=.*/, ""));
  const options = readOptions(given, shapes);
  await removeLeftover(options.name ?? NAMESPACE);
  let child: Deno.ChildProcess | null = null;
  const stopped = Promise.withResolvers<EndSignal>();
  let signals = 0;
  using _signals = onInterrupt((signal) => {
    // The terminal sends Ctrl-C to the command as well, which may want to end in order. The second time it has to end.
    if (child === null || ++signals > 1 || signal !== "SIGINT") stopped.resolve(signal);
  });
  await using lab = await Lab.create(options);
  using _control = await openTarget(kernelTarget(lab), "lab");
  introduce(lab, options.serve!.port, shapes, names);
  let connections = "";
  let looking: Promise<void> | null = null;
  const look = (): Promise<void> =>
    looking ??= lab.ss().then((seen) => {
      if (seen.trim() !== "") connections = seen;
      looking = null;
    }, () => {});
  using folder = new CommandFolder();
  const [command = Deno.env.get("SHELL") ?? "sh", ...words] = given.rest;
  // Inside one may go elsewhere: where the lab was begun is not where a task is called.
  const { INIT_CWD: _, ...environment } = Deno.env.toObject();
  child = lab.spawn([command, ...words], {
    clearEnv: true,
    env: {
      ...environment,
      PATH: `${folder.path}:${Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`,
      ...impairEnvironment(
        Object.fromEntries(lab.paths.map(({ device }, i) => [device, shapes[i]!])),
      ),
    },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  const timer = setInterval(look, LOOK);
  const { code } = await Promise.race([
    child.status,
    stopped.promise.then((signal) => ({ code: exitCodeOf(signal) })),
  ]);
  clearInterval(timer);
  await (looking ?? look());
  await conclude(lab, connections);
  return code;
}

/** The command. */
export const LAB: Command = {
  name: "lab",
  positional: "[-- COMMAND]",
  summary: "a kernel that speaks MPTCP, to try against (root)",
  text:
    "Makes a network namespace with two TUN devices whose other end is this machine's kernel: its\n" +
    "MPTCP is on, it announces its second address, its congestion control is cubic, and it serves\n" +
    "HTTP over MPTCP. COMMAND runs inside (without one, a shell). At the end the kernel's\n" +
    "connections and MPTCP counters are shown and everything is removed, also on Ctrl-C.\n" +
    "Who sends chooses the paths and the windows: your scheduler and congestion control are at work\n" +
    "in `mptcp put` and `mptcp serve`, the kernel's in `mptcp get`.\n" +
    "Rates and queues are made by the kernel, delay and loss by impair() in `mptcp get`, `put`,\n" +
    "`serve`, `proxy` and `relay`.\n" +
    "`mptcp ss`, `nstat`, `monitor`, `endpoint` and `limits` show and change the kernel, too.\n" +
    "Needs root, /dev/net/tun, iproute2, python3 and a kernel with MPTCP.",
  examples: [
    ["mptcp lab -- mptcp get http://10.77.1.1/32MB -o /dev/null", "download from the kernel"],
    [
      "mptcp lab --rate '50 Mbit/s' -- mptcp get http://10.77.1.1/32MB -o /dev/null",
      "two equal paths",
    ],
    [
      "mptcp lab --rate '20 Mbit/s' --rate '5 Mbit/s' --delay '10 ms' --delay '80 ms' \\\n" +
      "      --loss 0.1% -- mptcp put http://10.77.1.1/ --scheduler ./mine.ts",
      "two unlike ones",
    ],
    [
      "mptcp lab --rate '50 Mbit/s' -- mptcp put http://10.77.1.1/ --scheduler ./mine.ts",
      "upload to it, by your own scheduler",
    ],
    [
      "mptcp lab -- mptcp serve .",
      "serve it; in another terminal, with a FILE of this folder:\n" +
      "      ip netns exec mptcp-lab mptcpize run curl -o /dev/null http://10.77.1.2/FILE",
    ],
    [
      "mptcp lab -- mptcp endpoint add 10.77.2.1 signal backup",
      "what the kernel announces, by the same words as a host's",
    ],
    ["mptcp lab", "a shell inside, to look around; it knows the command mptcp"],
  ],
  options: {
    paths: { value: "NUMBER", help: "How many paths, 1 to 8: mptcp0, mptcp1, …. Default: 2" },
    ...NETWORK_OPTIONS,
    checksum: { help: "The kernel asks for DSS checksums" },
    tcp: { help: "The kernel speaks plain TCP only" },
    folder: { value: "DIR", help: "What its HTTP server serves. Default: the current folder" },
    port: { value: "PORT", help: "Port of its HTTP server. Default: 80" },
    name: { value: "NAME", help: `Name of the namespace. Default: ${NAMESPACE}` },
  },
  run,
};
