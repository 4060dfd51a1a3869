/** `mptcp demo`: what a second path is worth, on an emulated network. */

import type { FaultReport, PathOptions } from "../mod.ts";
import { parseRate } from "../core/link/units.ts";
import { sayFaults } from "../core/net/faults.ts";
import { type Command, type Given, readInteger, readSize, UsageError } from "./arguments.ts";
import { Table } from "./deps.ts";
import { bold, formatBytes, formatRate, formatShare, formatTime, print, report } from "./output.ts";
import { drawRuns } from "./plot.ts";
import { PLUGIN_OPTIONS, readPolicies } from "./policies.ts";
import { Progress } from "./progress.ts";
import { transfer, type TransferOptions, type TransferResult } from "./transfer.ts";

/** The two paths of a telephone. */
export const PATHS: Readonly<Record<"wifi" | "lte", PathOptions>> = {
  wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.0001 },
  lte: { rate: "12 Mbit/s", delay: "40 ms" },
};

/** Bytes that the demonstration transfers. */
const SIZE = 32e6;
/** How long the Wi-Fi is cut in a transfer of that size. */
const CUT = 5e6;
/** Bytes of a full packet on these paths. */
const PACKET = 1500;

/** Payload in bytes per second that the paths carry together in full packets with `segment` bytes of payload each. */
export function payloadRate(
  paths: Readonly<Record<string, PathOptions>>,
  segment: number,
): number {
  return segment / PACKET *
    Object.values(paths).reduce((sum, { rate }) => sum + parseRate(rate), 0);
}

/** The three transfers. */
function plan(size: number, seed: number): Omit<TransferOptions, "policies">[] {
  const common = { size, seed };
  const time = Math.round(CUT * Math.min(1, size / SIZE));
  return [
    { ...common, name: "TCP over Wi-Fi", paths: { wifi: PATHS.wifi }, plain: true },
    { ...common, name: "MPTCP", paths: PATHS },
    { ...common, name: "MPTCP, Wi-Fi cut", paths: PATHS, cut: { path: "wifi", time } },
  ];
}

function table(results: readonly TransferResult[]): string {
  const names = [...new Set(results.flatMap(({ shares }) => shares.map(({ name }) => name)))];
  // Borders would make it wider than a terminal of 80 columns.
  const edges = ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left"];
  const inner = ["bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid"];
  const rows = new Table({
    head: ["", "goodput", "of sum", ...names, "stall", "sent again", "SHA-256"],
    style: { head: [], border: [], "padding-left": 0, "padding-right": 1 },
    chars: Object.fromEntries([...edges, ...inner, "middle"].map((name) => [name, ""])),
    colAligns: ["left", ...Array.from({ length: 5 + names.length }, () => "right" as const)],
  });
  for (const { name, received, time, shares, stall, repeated, segment, intact } of results) {
    const goodput = received / time * 1e6;
    const sum = shares.reduce((total, { bytes }) => total + bytes, 0);
    rows.push([
      name,
      formatRate(goodput),
      (goodput / payloadRate(PATHS, segment)).toFixed(2),
      ...names.map((path) =>
        formatShare(shares.find((share) => share.name === path)?.bytes ?? 0, sum)
      ),
      formatTime(stall),
      formatBytes(repeated),
      intact ? "equal" : "WRONG",
    ]);
  }
  return rows.toString();
}

async function transferWithBars(
  options: TransferOptions,
  progress: Progress,
): Promise<TransferResult> {
  const bars = progress.begin(options.size);
  try {
    return await transfer({
      ...options,
      onProgress: (received, elapsed, figures) =>
        bars.update({
          name: options.name,
          bytes: received,
          detail: `${formatRate(received / Math.max(1, elapsed) * 1e6)} after ${
            formatTime(elapsed)
          }`,
        }, figures.carried),
    });
  } finally {
    bars.end();
  }
}

async function run(args: Given): Promise<number> {
  if (args.positional.length > 0) {
    throw new UsageError(`mptcp demo takes no "${args.positional[0]}"`);
  }
  const size = readSize(args, "size", "32MB");
  const seed = readInteger(args, "seed", 1, [0, 2 ** 31 - 1]);
  const policies = await readPolicies(args);
  const picture = args.value("output") ?? "demo.svg";

  print(
    `${
      formatBytes(size)
    } over an emulated Wi-Fi (${PATHS.wifi.rate}, ${PATHS.wifi.delay} one way, ${
      100 * (PATHS.wifi.loss ?? 0)
    } % loss)\nand LTE (${PATHS.lte.rate}, ${PATHS.lte.delay} one way). Times below are of the emulated network.\n`,
  );
  const progress = new Progress();
  const results: TransferResult[] = [];
  const say = sayFaults((line) => progress.log(line));
  const faulty = new Set<string>();
  const onPluginFault: FaultReport = (fault) => {
    say(fault);
    faulty.add(fault.plugin);
  };
  const start = performance.now();
  // Without, the terminal would keep what the bars have set.
  const stop = (): void => {
    progress.stop();
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", stop);
  try {
    for (const options of plan(size, seed)) {
      const result = await transferWithBars({ ...options, policies, onPluginFault }, progress);
      results.push(result);
      progress.log(
        `${result.name}: ${formatTime(result.time)}, ${
          formatRate(result.received / result.time * 1e6)
        }`,
      );
    }
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
    progress.stop();
  }
  const seconds = (performance.now() - start) / 1000;
  print(`\n${table(results)}\n`);
  print(
    `1.00 of sum: all the payload that both paths can carry. ${
      formatBytes(3 * size)
    } went through\n` +
      `complete stacks at both ends in ${
        seconds.toFixed(1)
      } s of real time; seed ${seed} gives the same again.`,
  );
  if (picture !== "none") {
    await Deno.writeTextFile(
      picture,
      await drawRuns(results, "Data sequence over time, coloured by path"),
    );
    print(`Which path carried what when: ${bold(picture)}`);
  }
  if (faulty.size > 0) {
    const names = [...faulty].join(" and ");
    report(
      `These are no figures of ${names}: the default decided where it was at fault, as said above.`,
    );
  }
  return results.every(({ intact }) => intact) && faulty.size === 0 ? 0 : 1;
}

/** The command. */
export const DEMO: Command = {
  name: "demo",
  summary: "what a second path is worth: three transfers on an emulated network",
  text:
    `Transfers 32 MB over an emulated Wi-Fi and LTE: by plain TCP over the Wi-Fi alone, by MPTCP over
both, and by MPTCP with the Wi-Fi cut for 5 s in the middle. Prints goodput, the share of each path,
the longest time without data, what was sent again, and whether the SHA-256 is right; draws which
path carried what when. Needs --allow-read, and --allow-write for the picture; no network, no root.`,
  examples: [
    ["mptcp demo", "with the default plugins"],
    ["mptcp demo --scheduler round_robin --cc reno", "with others"],
    ["mptcp demo --scheduler ./mine.ts,ratio=3", "with your own, and an option for it"],
    ["mptcp demo --size 4MB --seed 7 -o none", "smaller, with other losses, without a picture"],
  ],
  options: {
    size: { value: "SIZE", help: "Bytes to transfer, as 32MB (default) or 500kB" },
    seed: { value: "NUMBER", help: "Seed of all randomness. Default: 1" },
    output: {
      value: "FILE",
      alias: "o",
      help: "Where the picture goes. Default: demo.svg; none: no picture",
    },
    ...PLUGIN_OPTIONS,
  },
  run,
};
