/** A network namespace of one's own: commands run inside, settings, counters; all of it is removed in the end. */

/** What a command gave. */
export interface LabOutput {
  /** Its exit code. */
  readonly code: number;
  /** What it printed. */
  readonly stdout: string;
  /** What it printed to the standard error. */
  readonly stderr: string;
}

const CAP_NET_ADMIN = 12;
const CAP_SYS_ADMIN = 21;
const ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
const decoder = new TextDecoder();
let made = 0;

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function hasCapability(bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"));
  return effective !== null && (BigInt(`0x${effective[1]}`) >> BigInt(bit) & 1n) === 1n;
}

/** Why namespaces with TUN devices and MPTCP cannot be had here; `null` when they can. */
export function whyNoLab(): string | null {
  if (Deno.build.os !== "linux") return `this is ${Deno.build.os}, and the lab needs Linux`;
  if (!hasCapability(CAP_NET_ADMIN) || !hasCapability(CAP_SYS_ADMIN)) {
    return "CAP_NET_ADMIN and CAP_SYS_ADMIN are missing: run it as root";
  }
  if (!exists("/dev/net/tun")) return "there is no /dev/net/tun: `modprobe tun`";
  if (!exists("/proc/sys/net/mptcp/enabled")) return "this kernel was built without MPTCP";
  const program = ["ip", "tc", "ss"].find((name) => !isInstalled(name));
  return program === undefined
    ? null
    : `the program ${program} is not in PATH: \`apt-get install iproute2\``;
}

/** Whether PATH leads to a program of this name. */
export function isInstalled(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      const { isFile, mode } = Deno.statSync(`${folder}/${program}`);
      return isFile && ((mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}

async function run(command: string, args: readonly string[], input?: string): Promise<LabOutput> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input)).catch(() => {});
    await writer.close().catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function must(command: string, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, input);
  if (code === 0) return stdout;
  const what = [command, ...args].join(" ") + (input === undefined ? "" : `\n${input.trim()}`);
  throw new Error(`${what}\nfailed: ${(stderr || stdout).trim() || `exit code ${code}`}`);
}

/** Lets namespaces choose cubic: the one setting outside of them, as kernels whose default is another one refuse it otherwise. */
async function allowCubic(): Promise<void> {
  const allowed = (await Deno.readTextFile(ALLOWED)).trim().split(/\s+/);
  if (allowed.includes("cubic")) return;
  await Deno.writeTextFile(ALLOWED, [...allowed, "cubic"].join(" "));
}

/** Where `ip netns` keeps them. */
const NAMESPACES = "/run/netns";
let swept = false;

/** Removes namespaces of programs that were killed before they could: their names tell the process. */
async function sweep(): Promise<void> {
  if (swept) return;
  swept = true;
  const names = exists(NAMESPACES) ? [...Deno.readDirSync(NAMESPACES)].map(({ name }) => name) : [];
  for (const name of names) {
    const pid = /^mptcp-lab-(\d+)-\d+$/.exec(name)?.[1];
    if (pid === undefined || exists(`/proc/${pid}`)) continue;
    const { code, stdout } = await run("ip", ["netns", "pids", name]);
    if (code === 0 && stdout.trim() === "") await run("ip", ["netns", "delete", name]);
  }
}

/** A network namespace. Everything in it ends and is removed by `close()`, or at the end of `await using`. Made by {@linkcode makeNamespace}. */
export class Namespace implements AsyncDisposable {
  /** Its name, as `ip netns` shows it. */
  readonly name: string;
  readonly #children = new Set<Deno.ChildProcess>();
  #closing: Promise<void> | null = null;

  /** Names it; `open` makes it. The default is a name that no other has. */
  constructor(name = `mptcp-lab-${Deno.pid}-${++made}`) {
    this.name = name;
  }

  /**
   * Makes it: cubic is its congestion control, and answers may come by another device than questions left by. Called by {@linkcode makeNamespace}.
   *
   * @throws {Deno.errors.NotSupported} If there can be none here; the text says what is missing.
   */
  async open(): Promise<void> {
    const missing = whyNoLab();
    if (missing !== null) {
      throw new Deno.errors.NotSupported(`Cannot make a network namespace as ${missing}`);
    }
    await sweep();
    await must("ip", ["netns", "add", this.name]);
    try {
      await allowCubic();
      await this.ip("link set lo up");
      await this.sysctl({
        "net/ipv4/tcp_congestion_control": "cubic",
        "net/ipv4/conf/all/rp_filter": 0,
        "net/ipv4/conf/default/rp_filter": 0,
        // No link-local address, hence no router solicitation on devices that have no router.
        ...(exists("/proc/sys/net/ipv6") ? { "net/ipv6/conf/default/addr_gen_mode": 1 } : {}),
      });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Runs commands of iproute2's `ip`, each a line without the word `ip`, in the namespace. */
  async ip(...commands: readonly string[]): Promise<void> {
    await must("ip", ["-n", this.name, "-batch", "-"], `${commands.join("\n")}\n`);
  }

  /** Writes settings of the namespace, by their path below /proc/sys. */
  async sysctl(settings: Readonly<Record<string, string | number>>): Promise<void> {
    const lines = Object.entries(settings).map(([path, value]) =>
      `echo '${value}' > /proc/sys/${path.replaceAll(".", "/")}`
    );
    await this.exec(["sh", "-ec", lines.join("\n")]);
  }

  /** Runs a command inside to its end; an exit code other than 0 is an error unless `check` is false. */
  async exec(command: readonly string[], check = true): Promise<LabOutput> {
    const output = await run("ip", ["netns", "exec", this.name, ...command]);
    if (check && output.code !== 0) {
      throw new Error(
        `${command.join(" ")}\nfailed in ${this.name} with exit code ${output.code}: ${
          (output.stderr || output.stdout).trim()
        }`,
      );
    }
    return output;
  }

  /** Runs commands of `tc`, each a line without the word `tc`. */
  async tc(...commands: readonly string[]): Promise<void> {
    await must("tc", ["-n", this.name, "-batch", "-"], `${commands.join("\n")}\n`);
  }

  /** Starts a command inside. It is ended with the namespace at the latest. */
  spawn(command: readonly string[], options: Omit<Deno.CommandOptions, "args"> = {}) {
    const child = new Deno.Command("ip", {
      ...options,
      args: ["netns", "exec", this.name, ...command],
    }).spawn();
    this.#children.add(child);
    void child.status.then(() => this.#children.delete(child));
    return child;
  }

  /** Counters of the kernel in the namespace, without the prefix `group`: "MPTcpExt", "TcpExt" or "IpExt". Those that are 0 are left out. */
  async nstat(group = "MPTcpExt"): Promise<Record<string, number>> {
    const { stdout } = await this.exec(["cat", "/proc/net/netstat"]);
    const [names = [], values = []] = stdout.split("\n")
      .filter((line) => line.startsWith(`${group}:`))
      .map((line) => line.split(" ").slice(1));
    const counters = names.map((name, i) => [name, Number(values[i])] as const);
    return Object.fromEntries(counters.filter(([, value]) => value !== 0));
  }

  /** What `ss` tells of the kernel's MPTCP connections, listeners left out. */
  async ss(args: readonly string[] = ["-M", "-n", "-i", "-H"]): Promise<string> {
    return (await this.exec(["ss", ...args])).stdout;
  }

  /** Ends what runs inside and removes the namespace with all that is in it. May be called twice. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const end = (signal: Deno.Signal): void => {
      for (const child of this.#children) {
        try {
          child.kill(signal);
        } catch {
          // It has ended by itself.
        }
      }
    };
    const ended = Promise.all([...this.#children].map((child) => child.status));
    end("SIGTERM");
    const timer = setTimeout(() => end("SIGKILL"), 2000);
    await ended;
    clearTimeout(timer);
    // Children of children; the namespace is ours alone.
    const { stdout } = await run("ip", ["netns", "pids", this.name]);
    for (const pid of stdout.split("\n").map(Number)) {
      if (pid > 0 && pid !== Deno.pid) {
        try {
          Deno.kill(pid, "SIGKILL");
        } catch {
          // Gone meanwhile.
        }
      }
    }
    await must("ip", ["netns", "delete", this.name]);
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Makes a namespace; the default is a name that no other has.
 *
 * @throws {Deno.errors.NotSupported} If there can be none here; the text says what is missing.
 */
export async function makeNamespace(name?: string): Promise<Namespace> {
  const namespace = new Namespace(name);
  await namespace.open();
  return namespace;
}
