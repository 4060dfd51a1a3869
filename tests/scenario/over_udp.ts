/**
 * `deno run -A tests/scenario/over_udp.ts [FILE…]` runs tests/scenario with all topologies over UDP (`TOPOLOGY_CARRIER=udp`), file by file, and prints what became
 * of the tests of each; `--matrix` prints what is expected of each as a table. It fails where one fails that is not listed here, and where one that is listed does not fail.
 */

import { print } from "../../cli/output.ts";

/** Why a test does not hold over UDP. */
const REASONS = {
  box: "a box on the way sees datagrams, not segments, and leaves them alone",
  recorded:
    "the packets that were recorded are those of IP; tests/link/udp/emulated_test.ts runs these scenarios",
  narrow: "IPv6 in datagrams takes 1298 octets, and the path has 1280",
  hand: "one stack alone, whose peer's segments are written by hand: nothing carries them",
  own: "`emulate()` and `measure()` make links themselves, of IP",
} as const;

/** Files whose tests make no topology, and so are the same whatever carries it. */
const ELSEWHERE: Readonly<Record<string, keyof typeof REASONS>> = {
  "far_peer_test.ts": "hand",
  "fast_open_test.ts": "own",
  "first_path_test.ts": "own",
  "important_rules_test.ts": "hand",
  "packet_fuzz_test.ts": "hand",
  "random_dialogues_test.ts": "hand",
  "short_cut_test.ts": "own",
};

/** Tests that do not hold over UDP, by what their names have in them. */
export interface Exception {
  readonly file: string;
  readonly names: RegExp;
  readonly why: keyof typeof REASONS;
}

/** All of them. */
export const EXCEPTIONS: readonly Exception[] = [
  { file: "middlebox_matrix_test.ts", names: /every cell ends as its rule says/, why: "box" },
  { file: "middlebox_test.ts", names: /takes options away leads to plain TCP > /, why: "box" },
  { file: "middlebox_test.ts", names: /changes data > is found out/, why: "box" },
  { file: "middlebox_test.ts", names: /translator that forgets .* > .* only path /, why: "box" },
  { file: "middlebox_test.ts", names: /a peer that takes no join there/, why: "box" },
  { file: "middlebox_test.ts", names: /proxy that acknowledges and drops/, why: "box" },
  {
    file: "mptcp_connect_test.ts",
    names: /costs connect.* > (one that drops|a server whose SYN|'synRetries)/,
    why: "box",
  },
  {
    file: "mptcp_connect_test.ts",
    names: /is remembered.* > (for an hour|not where|a server on plain TCP)/,
    why: "box",
  },
  { file: "mptcp_connect_test.ts", names: /> SYNs 0,1 lost, /, why: "box" },
  { file: "traces_test.ts", names: /^packet traces > (?!are recorded)/, why: "recorded" },
  { file: "path_mtu_test.ts", names: /> 1280 .* IPv6 /, why: "narrow" },
];

/** The exception for a test; undefined: there is none. */
export function exceptionFor(file: string, name: string): Exception | undefined {
  return EXCEPTIONS.find((each) => each.file === file && each.names.test(name));
}

/** Whether a file, or what it imports of the tests, makes topologies. */
export async function makesTopologies(file: string): Promise<boolean> {
  const tests = new URL("../", import.meta.url).href;
  const reached = new Set([new URL(file, import.meta.url).href]);
  for (const url of reached) {
    if (url.endsWith("/support/topology.ts")) return true;
    const text = await Deno.readTextFile(new URL(url));
    for (const [, path] of text.matchAll(/^(?:import|export)\b[^;]*? from "(\.[^"]+)";$/gm)) {
      const next = new URL(path!, url).href;
      if (next.startsWith(tests)) reached.add(next);
    }
  }
  return false;
}

/** What there is to know of each file, as a table in Markdown: what runs over UDP, what does not, and why. */
export function matrix(): string {
  const rows = files().flatMap((file) => {
    const name = file.replace(/_test\.ts$/, "");
    const elsewhere = ELSEWHERE[file];
    if (elsewhere !== undefined) return [`| ${name} | none | ${REASONS[elsewhere]} |`];
    const listed = EXCEPTIONS.filter((each) => each.file === file);
    if (listed.length === 0) return [`| ${name} | all | |`];
    const why = new Set(listed.map((each) => REASONS[each.why]));
    const names = listed.map((each) => `\`${each.names.source.trim().replaceAll("|", "\\|")}\``);
    return [`| ${name} | all but ${names.join(", ")} | ${[...why].join("; ")} |`];
  });
  return ["| tests | over UDP | because |", "| --- | --- | --- |", ...rows].join("\n");
}

/** What became of a test. */
export interface Outcome {
  /** "describe > it". */
  readonly name: string;
  readonly passed: boolean;
}

/** The tests of a file that were run over UDP. */
export async function outcomes(file: string): Promise<Outcome[]> {
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", `--junit-path=${report}`, `tests/scenario/${file}`],
      cwd: new URL("../../", import.meta.url),
      env: { TOPOLOGY_CARRIER: "udp", NO_COLOR: "1" },
      stdout: "null",
      stderr: "null",
    }).output();
    return read(await Deno.readTextFile(report));
  } finally {
    await Deno.remove(report);
  }
}

/** Reads a report in JUnit's form. A test with steps counts by its steps. */
export function read(report: string): Outcome[] {
  const all: Outcome[] = [];
  for (const [, name, rest] of report.matchAll(/<testcase name="([^"]*)"([^]*?)(?=<testcase|$)/g)) {
    if (/<failure message="\d+ test steps? failed"/.test(rest!)) continue;
    all.push({ name: plain(name!), passed: !/<(failure|error)/.test(rest!) });
  }
  const names = all.map(({ name }) => name);
  return all.filter(({ name }) => !names.some((other) => other.startsWith(`${name} > `)));
}

function plain(text: string): string {
  const signs = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" } as const;
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, sign: keyof typeof signs) => signs[sign]);
}

/** What is wrong with the outcomes of a file: tests that fail without a reason, and reasons without a test that fails. */
export function faults(file: string, all: readonly Outcome[]): string[] {
  const wrong = all.length === 0 ? ["did not run"] : [];
  for (const { name, passed } of all) {
    if (!passed && exceptionFor(file, name) === undefined) wrong.push(`fails: ${name}`);
  }
  for (const exception of EXCEPTIONS) {
    if (exception.file !== file) continue;
    if (!all.some(({ name, passed }) => !passed && exception.names.test(name))) {
      wrong.push(`is listed, and no test fails: ${exception.names.source}`);
    }
  }
  return wrong;
}

/** The files of the suite. */
export function files(): string[] {
  const names = [...Deno.readDirSync(new URL("./", import.meta.url))].map(({ name }) => name);
  return names.filter((name) => name.endsWith("_test.ts") && name !== "over_udp_test.ts").sort();
}

if (import.meta.main) {
  let wrong = 0;
  if (Deno.args[0] === "--matrix") {
    print(matrix());
    Deno.exit();
  }
  for (const file of Deno.args.length > 0 ? Deno.args : files()) {
    const elsewhere = ELSEWHERE[file];
    if (elsewhere !== undefined) {
      print(`${file}: not run: ${REASONS[elsewhere]}`);
      continue;
    }
    const all = await outcomes(file);
    const left = all.filter(({ passed }) => !passed).map(({ name }) => exceptionFor(file, name));
    const reasons = new Set(left.flatMap((each) => each ? [REASONS[each.why]] : []));
    const why = [...reasons].map((reason) => `; ${left.length} do not: ${reason}`).join("");
    print(`${file}: ${all.length - left.length} of ${all.length} hold${why}`);
    for (const fault of faults(file, all)) {
      print(`  WRONG: ${fault}`);
      wrong++;
    }
  }
  print(wrong === 0 ? "All as listed" : `${wrong} are not as listed`);
  Deno.exit(wrong === 0 ? 0 : 1);
}
