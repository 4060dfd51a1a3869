import { describe, it } from "@std/testing/bdd";
import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  payloadRate,
  planSection,
  type Row,
  TRAFFIC,
  USUAL,
  withBestPlain,
} from "../../cli/demo_plan.ts";
import { blocks, lanesOf } from "../../cli/lanes.ts";
import { SeriesCollector } from "../../cli/sim_series.ts";
import { type DataEvent, measure } from "../../sim/mod.ts";
import { serveRepository } from "../support/serve.ts";

const MOD = new URL("../../cli/mod.ts", import.meta.url).href;

/** A scheduler of a user's own: the lowest index, always; its name tells the option it was given. */
const OWN = `
export default function own({ note = "none" } = {}) {
  if (note === "throws") throw new TypeError("this note is not for me");
  if (note === "loops") for (;;);
  return { kind: "scheduler", name: "own", create: () => ({ pick: (ready) => ready[0] ?? null }) };
}
`;

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command with nothing but the permissions given, in a folder of its own. */
async function mptcp(
  args: readonly string[],
  { files = {}, permissions = ["--allow-read", "--allow-write"] }: {
    files?: Readonly<Record<string, string>>;
    permissions?: readonly string[];
  } = {},
): Promise<Ran & { readonly svg: string }> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-lock", "--config", config, ...permissions, MOD, ...args],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    const svg = await Deno.readTextFile(`${folder}/demo.svg`).catch(() => "");
    return { code, stdout: text(stdout), stderr: text(stderr), svg };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("mptcp demo", () => {
  it("puts yours beside the default on two networks, and draws it, with read and write permission alone", async () => {
    const { code, stdout, stderr, svg } = await mptcp(
      ["demo", "--size", "1MB", "--scheduler", "./own.ts"],
      { files: { "own.ts": OWN } },
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "where no others are named: earliest, lia, full_mesh");
    const rows = stdout.split("\n").filter((line) => line.endsWith(" equal"));
    const labels = [
      "TCP over wifi",
      "earliest (default)",
      "own",
      "earliest, wifi cut",
      "own, wifi cut",
      "TCP over wifi",
      "earliest (default)",
      "min_rtt",
      "round_robin",
      "own",
    ];
    assertEquals(rows.length, labels.length, stdout);
    for (const [i, row] of rows.entries()) assert(row.startsWith(`${labels[i]} `), row);
    for (const text of ["goodput", "stall", "again", "median", "95 %"]) {
      assertStringIncludes(stdout, text);
    }
    assertMatch(stdout, /^own +wifi {2}.*█/m);
    // What a terminal has; the lines that name paths may be longer.
    for (const line of stdout.split("\n").filter((line) => !line.startsWith("over "))) {
      assert(line.length <= 80, line);
    }
    assertMatch(svg, /^<svg [^>]*xmlns=/);
    for (
      const text of [
        "wifi",
        "lte",
        "wifi cut",
        "Mbit/s",
        "own",
        "answers of 100 kB",
        "milliseconds",
      ]
    ) {
      assertStringIncludes(svg, text);
    }
  });

  it("takes a network on the command line, and gives JSON", async () => {
    const { code, stdout, stderr } = await mptcp([
      ...["demo", "--size", "200kB", "--path", "dsl=5Mbit/s,20ms", "--path", "sat", "--rate"],
      ...["8Mbit/s", "--delay=9ms", "--loss=0.1%", "--json"],
    ], { permissions: ["--allow-read"] });
    assertEquals(code, 0, stderr);
    const { format, networks } = JSON.parse(stdout);
    const shape = { rate: "8 Mbit/s", delay: "9 ms", loss: 0.001 };
    assertEquals(format, "mptcp-demo/1");
    for (const { paths, runs } of networks) {
      assertEquals(paths, { dsl: shape, sat: shape });
      assert(runs.length >= 3);
      for (const { result } of runs) assert(result.done && result.traffic.download.intact);
    }
  });

  it("counts all that went through stacks, plain TCP that is not shown as well", async () => {
    const { code, stdout, stderr } = await mptcp([
      ...["demo", "--size", "200kB", "--path", "dsl=16Mbit/s,20ms"],
      ...["--path", "sat=50Mbit/s,300ms", "-o", "none"],
    ]);
    assertEquals(code, 0, stderr);
    const rows = stdout.split("\n").filter((line) => line.endsWith(" equal"));
    assertEquals(rows.length, 3 + 4, stdout);
    // Each network has one row more, of 200 kB and of 20 answers of 100 kB.
    const bytes = (3 + 1) * 0.2 + (4 + 1) * 2;
    assertStringIncludes(stdout, `${bytes.toFixed(1)} MB went through complete stacks`);
  });

  it("takes plugins by name, from a file and from a URL, with options", async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/own.ts`, OWN);
      let base = "";
      await using _server = serveRepository({
        port: 0,
        root: new URL(`file://${folder}/`),
        onListen: (url) => base = url,
      });
      const small = ["demo", "--size", "200kB", "-o", "none"];
      const byFile = await mptcp([...small, "--scheduler", "./own.ts,note=7", "--cc=reno"], {
        files: { "own.ts": OWN },
        permissions: ["--allow-read"],
      });
      assertEquals(byFile.code, 0, byFile.stderr);
      const byUrl = await mptcp([...small, "--scheduler", `${base}own.ts`, "--cc", "reno"], {
        permissions: ["--allow-read", `--allow-import=${new URL(base).host}`],
      });
      assertEquals(byUrl.code, 0, byUrl.stderr);
      const rows = (stdout: string): string[] =>
        stdout.split("\n").filter((line) => line.includes("equal"));
      assertEquals(rows(byUrl.stdout), rows(byFile.stdout));
      const refused = await mptcp([...small, "--scheduler", "./own.ts,note=throws"], {
        files: { "own.ts": OWN },
      });
      assertEquals(refused.code, 2);
      assertStringIncludes(refused.stderr, "this note is not for me");
      const endless = await mptcp([...small, "--scheduler", "./own.ts,note=loops"], {
        files: { "own.ts": OWN },
      });
      assertEquals(endless.code, 2);
      assertMatch(endless.stderr, /loaded from \.\/own\.ts does not come to an end/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("says that a plugin is at fault, and that the figures are not its own", async () => {
    const { code, stderr } = await mptcp(
      ["demo", "--size", "200kB", "-o", "none", "--scheduler", "./wrong.js"],
      {
        files: {
          "wrong.js": `export default () => ({
            kind: "scheduler",
            name: "wrong",
            create: () => ({ pick: (ready) => ready[0].nothing.here }),
          });`,
        },
        permissions: ["--allow-read"],
      },
    );
    assertEquals(code, 1);
    assertMatch(stderr, /Plugin wrong \(scheduler\) threw in pick: TypeError: .*wrong\.js:4:/);
    assertStringIncludes(stderr, "These are no figures of wrong");
  });

  it("refuses what it does not know", async () => {
    const { code, stdout, stderr } = await mptcp(["demo", "--sice", "1MB"], { permissions: [] });
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, "Unknown option --sice: did you mean --size?");
  });
});

describe("what the demonstration runs", () => {
  const [DEFAULT, OTHER] = [
    { label: "earliest (default)", policies: {} },
    { label: "mine", policies: { scheduler: "min_rtt" } },
  ];

  it("over both paths reaches most of their sum, over one most of that, and waits for no cut path", () => {
    const { paths, rows } = planSection("bulk", USUAL.bulk, [DEFAULT!, OTHER!], 8e6, undefined);
    assertEquals(rows.map(({ label }) => label), [
      "TCP over wifi",
      "TCP over lte",
      "earliest (default)",
      "mine",
      "earliest, wifi cut",
      "mine, wifi cut",
    ]);
    const [tcp, , both, , cut] = rows;
    const run = ({ scenario }: Row, onData?: (event: DataEvent) => void) =>
      measure(scenario, {}, { verify: true, ...(onData && { onData }) }).traffic[TRAFFIC]!;
    const one = run(tcp!);
    const two = run(both!);
    assertEquals(one.paths.map(({ name }) => name), ["wifi"]);
    assertEquals(two.paths.map(({ name }) => name), ["wifi", "lte"]);
    assertGreaterOrEqual(one.goodput / payloadRate(paths, one.segment), 0.5);
    assertGreaterOrEqual(two.goodput / payloadRate(paths, two.segment), 0.8);
    const { from, to } = cut!.cut!;
    const carried: Record<string, number> = {};
    const third = run(cut!, (event) => {
      if (event.kind !== "sent" || event.at < from + 500e3 || event.at > to) return;
      carried[event.path] = (carried[event.path] ?? 0) + event.bytes;
    });
    for (const { down, intact } of [one, two, third]) assertEquals([down, intact], [8e6, true]);
    assertLess(third.stall!, 1e6);
    assertGreater(carried.lte!, 20 * (carried.wifi ?? 0) + 5e5);
  });

  it("puts plain TCP over that path beside it on which the same data are there first", () => {
    const paths = {
      dsl: { rate: "16 Mbit/s", delay: "20 ms" },
      sat: { rate: "50 Mbit/s", delay: "300 ms" },
      worse: { rate: "40 Mbit/s", delay: "400 ms" },
    } as const;
    for (const [workload, best] of [["bulk", "sat"], ["requests", "dsl"]] as const) {
      const { rows } = planSection(workload, paths, [DEFAULT!], 32e6, undefined);
      const plain = rows.filter((row) => row.plain);
      // What is worse in everything is not tried.
      assertEquals(plain.map(({ label }) => label), ["TCP over sat", "TCP over dsl"]);
      const results = plain.map((row) => ({ row, result: measure(row.scenario, row.policies) }));
      const [shown, ...others] = withBestPlain(results);
      assertEquals([shown!.row.label, others], [`TCP over ${best}`, []]);
      const ends = results.map(({ result }) => result.traffic[TRAFFIC]!.end);
      assertEquals(shown!.result.traffic[TRAFFIC]!.end, Math.min(...ends));
    }
  });

  it("is on one network of the user's own if there is one, without a cut where that has one path", () => {
    const paths = { dsl: { rate: "5 Mbit/s" } } as const;
    const { rows } = planSection("bulk", paths, [DEFAULT!], 1e6, "reno");
    assertEquals(rows.map(({ label }) => label), ["TCP over dsl", "earliest (default)"]);
    assertEquals(rows[0]!.policies, { congestionControl: "reno" });
  });
});

describe("lanes", () => {
  it("have the rate of every interval, whatever a series leaves out of it", () => {
    const collector = new SeriesCollector(100, 1000);
    const bytes = [5, 5, 5, 5, 0, 0, 0, 0, 7, 0, 3];
    for (const [i, amount] of bytes.entries()) {
      if (amount === 0) continue;
      collector.onData({
        kind: "sent",
        at: i * 100 + 50,
        traffic: "x",
        connection: 1,
        side: "server",
        path: "a",
        offset: 0,
        bytes: amount,
        again: i % 2 === 1,
      });
    }
    const [lane] = lanesOf(collector.end(1100), ["a"], 100, 1100);
    assertEquals(lane!.rates, bytes.map((amount) => amount * 1e4));
    assertEquals(blocks([0, 1, 4, 8, 8, 8], 1, 8), " ▁▄███");
    assertEquals(blocks([0, 8, 8, 8, 4], 2, 8), "▄█▄");
  });
});
