/**
 * `deno task bench:udp`: this stack over UDP, beside the kernel's TCP over the same kind of veth and this stack over TUN, in turns, so that all meet the same
 * machine. Needs root.
 *
 * Every figure is the median of the rounds; a ratio is the median of the rounds' ratios to the kernel's TCP.
 */

import { fileURLToPath } from "node:url";
import { type Given, type Option, readInteger } from "../../cli/arguments.ts";
import { Table } from "../../cli/deps.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { formatRate, print, report } from "../../cli/output.ts";
import { KernelOverVeth, StackOverTun } from "../kernel/ends.ts";
import { machine } from "../kernel/machine.ts";
import { median, runBench } from "../kernel/tools.ts";

const OPTIONS: Readonly<Record<string, Option>> = {
  rounds: { value: "NUMBER", help: "How often everything is measured (default 5)" },
  seconds: { value: "NUMBER", help: "How long each transfer takes (default 2)" },
  json: { help: "Prints every figure as JSON" },
  help: { alias: "h", help: "This help" },
};

const END = fileURLToPath(new URL("./end.ts", import.meta.url));

/** One way to move bytes. */
interface Contestant {
  readonly name: string;
  /** Bytes per second. */
  measure(seconds: number): Promise<number>;
}

/** This stack in two processes, in two namespaces with two veth pairs between. */
class StackOverUdp implements AsyncDisposable {
  readonly #near: Namespace;
  readonly #far: Namespace;

  private constructor(near: Namespace, far: Namespace) {
    this.#near = near;
    this.#far = far;
  }

  static async open(): Promise<StackOverUdp> {
    const [near, far] = [await makeNamespace(), await makeNamespace()];
    for (const i of [1, 2]) {
      await near.ip(`link add v${i} type veth peer name v${i} netns ${far.name}`);
      await near.ip(`address add 10.79.${i}.1/24 dev v${i}`, `link set v${i} up`);
      await far.ip(`address add 10.79.${i}.2/24 dev v${i}`, `link set v${i} up`);
      await near.sysctl({ [`net/ipv4/conf/v${i}/rp_filter`]: 0 });
    }
    // Both paths lead to one address: the second by a route of its own.
    await near.ip("rule add from 10.79.2.1 table 109", "route add default via 10.79.2.2 table 109");
    return new StackOverUdp(near, far);
  }

  async measure(offload: boolean, subflows: number, seconds: number): Promise<number> {
    const command = (...args: string[]): string[] => [Deno.execPath(), "run", "-A", END, ...args];
    const far = this.#far.spawn(command("listen", "10.79.1.2", String(offload)), {
      stdin: "null",
      stdout: "piped",
    });
    let said = "";
    const reading = (async () => {
      for await (const text of far.stdout.pipeThrough(new TextDecoderStream())) said += text;
    })();
    while (!said.includes("ready")) await new Promise((resolve) => setTimeout(resolve, 20));
    const addresses = ["10.79.1.1", "10.79.2.1"].slice(0, subflows);
    const near = this.#near.spawn(
      command("connect", "10.79.1.2", ...[offload, seconds, subflows].map(String), ...addresses),
      { stdin: "null", stdout: "null" },
    );
    await near.status;
    await reading;
    await far.status;
    const [bytes = NaN, time = NaN] = said.split("\n")[1]!.split(" ").map(Number);
    return bytes / time;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#near.close();
    await this.#far.close();
  }
}

async function main(given: Given): Promise<number> {
  const rounds = readInteger(given, "rounds", 5, [1, 1000]);
  const seconds = readInteger(given, "seconds", 2, [1, 60]);
  await using stack = new AsyncDisposableStack();
  const kernel = stack.use(await KernelOverVeth.open());
  const tun = stack.use(await StackOverTun.open(true, {}));
  const over = stack.use(await StackOverUdp.open());
  const contestants: Contestant[] = [
    {
      name: "kernel's TCP over veth",
      measure: async (s) => (await kernel.transfer("send", 0, s)).rate,
    },
    { name: "this stack over TUN, 1 subflow", measure: (s) => tun.measure("send", 1, s) },
    { name: "over UDP, 1 subflow", measure: (s) => over.measure(true, 1, s) },
    { name: "over UDP, 2 subflows", measure: (s) => over.measure(true, 2, s) },
    { name: "over UDP, runtime's sockets", measure: (s) => over.measure(false, 1, s) },
  ];
  report("Kernel: cubic. This stack: scheduler earliest, congestion control lia.");
  const results = contestants.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, contestant] of contestants.entries()) {
      // The first round only warms up.
      const rate = await contestant.measure(round === 0 ? 1 : seconds);
      if (round > 0) results[i]!.push(rate);
      report(
        `${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}  ${contestant.name}: ${
          formatRate(rate)
        }`,
      );
    }
  }
  const table = new Table({
    head: ["", "rate", "ratio"],
    colAligns: ["left", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const [i, { name }] of contestants.entries()) {
    const ratio = median(results[i]!.map((rate, round) => rate / results[0]![round]!));
    table.push([name, formatRate(median(results[i]!)), ratio.toFixed(2)]);
  }
  print(table.toString());
  print(`Medians of ${rounds} rounds of ${seconds} s, in turns. ${machine()}.`);
  if (given.has("json")) {
    print(JSON.stringify(
      Object.fromEntries(contestants.map(({ name }, i) => [name, results[i]])),
    ));
  }
  return 0;
}

if (import.meta.main) await runBench("bench:udp", OPTIONS, main);
