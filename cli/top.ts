/** `mptcp top`: connections and paths of running hosts, live. */

import { type Command, type Given, UsageError } from "./arguments.ts";
import { findControls, runDir } from "./control.ts";
import { print } from "./output.ts";
import { awaitInterrupt } from "./signals.ts";
import { formatTop, type Look, type TopHost, TopRates } from "./top_view.ts";
import { first, type Shown, WHERE } from "./watch.ts";

/** Least and most seconds from one look to the next. */
const RANGE = [0.1, 3600] as const;

function readInterval(args: Given): number {
  const text = args.value("interval") ?? "1";
  const seconds = Number(text);
  if (text.trim() !== "" && seconds >= RANGE[0] && seconds <= RANGE[1]) return seconds * 1000;
  throw new UsageError(
    `--interval must be from ${RANGE[0]} to ${RANGE[1]} seconds: it is "${text}"`,
  );
}

/** Looks at all hosts that there are now; those that end meanwhile are left out. */
async function look(chosen: string | undefined): Promise<Look[]> {
  const controls = chosen === undefined ? await findControls(runDir()) : [chosen];
  const looks = await Promise.all(controls.map(async (control): Promise<Look[]> => {
    try {
      const connections = await first(control, "ss") as Shown[];
      return [{ control, at: performance.now() * 1000, connections }];
    } catch (error) {
      if (chosen === undefined) return [];
      throw error;
    }
  }));
  return looks.flat();
}

/** A screen of its own, which leaves the terminal as it was. */
class Screen implements Disposable {
  readonly #keys = Deno.stdin.isTerminal();
  /** Resolves when q is pressed. */
  readonly quit: Promise<void>;

  constructor() {
    this.#write("\x1b[?1049h\x1b[?25l");
    if (this.#keys) Deno.stdin.setRaw(true, { cbreak: true });
    this.quit = this.#keys ? this.#untilQ() : new Promise(() => {});
  }

  async #untilQ(): Promise<void> {
    const buffer = new Uint8Array(64);
    for (;;) {
      const length = await Deno.stdin.read(buffer);
      // Without a keyboard there is Ctrl-C.
      if (length === null) return await new Promise(() => {});
      if (buffer.subarray(0, length).includes(0x71)) return;
    }
  }

  draw(hosts: readonly TopHost[]): void {
    const { columns, rows } = Deno.consoleSize();
    const heading = (text: string): string => Deno.noColor ? text : `\x1b[1m${text}\x1b[22m`;
    const lines = formatTop(hosts, columns, rows, heading);
    this.#write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
  }

  #write(text: string): void {
    let bytes = new TextEncoder().encode(text);
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
  }

  [Symbol.dispose](): void {
    if (this.#keys) Deno.stdin.setRaw(false);
    this.#write("\x1b[?25h\x1b[?1049l");
  }
}

async function run(args: Given): Promise<number> {
  if (args.positional.length > 0) {
    throw new UsageError(`Unexpected ${args.positional[0]}: options are all there is`);
  }
  const interval = readInterval(args);
  const [json, once, chosen] = [args.has("json"), args.has("once"), args.value("control")];
  const rates = new TopRates();
  const looks = await look(chosen);
  if (once && looks.length === 0) {
    throw new Error(
      `Cannot find a running host: ${runDir() ?? "the folder"} has no control socket`,
    );
  }
  rates.take(looks);
  using screen = Deno.stdout.isTerminal() && !json && !once ? new Screen() : null;
  screen?.draw([]);
  let over = false;
  using interrupt = awaitInterrupt();
  const ending = Promise.race([interrupt.come, ...screen === null ? [] : [screen.quit]])
    .then(() => {
      over = true;
    });
  for (;;) {
    await Promise.race([ending, new Promise<void>((resolve) => setTimeout(resolve, interval))]);
    if (over) return 0;
    const hosts = rates.take(await look(chosen));
    if (json) print(JSON.stringify({ time: new Date().toISOString(), hosts }));
    else if (screen !== null) screen.draw(hosts);
    else print(`${formatTop(hosts, 80).join("\n")}${once ? "" : "\n"}`);
    if (once) return 0;
  }
}

/** The command. */
export const TOP: Command = {
  name: "top",
  summary: "connections and paths of running hosts, live",
  text: `Shows connections and their paths as they are at work, anew each second; q or Ctrl-C ends.
UP and DOWN are payload, LOSS is the share of what a path has sent that it has sent again; a plain
TCP connection says why it is one, a path that was reset by whom and why.
${WHERE}`,
  examples: [
    ["mptcp top", "of all running commands"],
    ["mptcp top --once --json", "one look, for a script"],
  ],
  options: {
    control: {
      value: "PATH",
      help: "Control socket of one host. Default: those of all running hosts",
    },
    interval: { value: "SECONDS", help: "From one look to the next, 0.1 to 3600. Default: 1" },
    once: { help: "One look, over one interval" },
    json: {
      help: "A line of JSON for each look; rates in bytes per second, times in\n" +
        "microseconds, windows in bytes",
    },
  },
  run,
};
