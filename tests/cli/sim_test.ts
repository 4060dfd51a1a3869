import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readScenarioText, toScenario, withValues } from "../../cli/scenario_file.ts";
import {
  mergeReports,
  type SimReport,
  toCsv,
  toTable,
  variantNames,
} from "../../cli/sim_report.ts";
import { measure, SCENARIO_SCHEMA, SCENARIOS } from "../../sim/mod.ts";
import { RUN } from "../support/command.ts";

const ROOT = new URL("../../", import.meta.url);

async function inFolder(
  files: Readonly<Record<string, string>>,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs the command; gives code, output, and what it said about its work. */
async function sim(...args: string[]): Promise<{ code: number; out: string; said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...RUN, "--quiet", new URL("cli/mod.ts", ROOT).href, "sim", ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), said: text(stderr) };
}

const SMALL = `
name: small
hosts: { phone: {}, server: {} }
links:
  wifi: { between: [phone, server], rate: 20 Mbit/s, delay: 10 ms }
  lte:
    between: [phone, server]
    rate: 5 Mbit/s
    delay: 30 ms
    loss: 0.01
traffic:
  download: { kind: bulk, client: phone, server: server, bytes: 200 kB }
`;

describe("a scenario file", () => {
  it("has the schema that is published", async () => {
    const published = await Deno.readTextFile(new URL("docs/scenario.schema.json", ROOT));
    assertEquals(JSON.parse(published), SCENARIO_SCHEMA);
  });

  it("is YAML or JSON", async () => {
    await inFolder({ "small.yaml": SMALL, "small.json": "" }, async (folder) => {
      const scenario = await toScenario(await readScenarioText(`${folder}/small.yaml`));
      assert(measure(scenario).done);
      await Deno.writeTextFile(`${folder}/small.json`, JSON.stringify(scenario));
      assertEquals(await toScenario(await readScenarioText(`${folder}/small.json`)), scenario);
    });
  });

  it("is what each scenario with a name could be", async () => {
    for (const name of Object.keys(SCENARIOS)) {
      assertEquals((await toScenario(await readScenarioText(name))).name, name);
    }
  });

  it("has errors with line, field and what is accepted", async () => {
    const replaced = (from: string, to: string): string => {
      assert(SMALL.includes(from));
      return SMALL.replace(from, to);
    };
    const cases = [
      [
        replaced("20 Mbit/s", "20Mbit"),
        /:5:43: links\.wifi\.rate: it must be a number, a space and one of bit\/s.*it is "20Mbit"/,
      ],
      [
        replaced("    loss:", "    los:"),
        /:10:5: links\.lte\.los: there is no such field: did you mean loss\?; the fields are between, rate/,
      ],
      [replaced("0.01", "2"), /:10:11: links\.lte\.loss: it must be a number from 0 to 1: it is 2/],
      [
        replaced("kind: bulk", "kind: bulky"),
        /:12:21: traffic\.download\.kind: it must be one of bulk, on-off.*it is "bulky"/,
      ],
      [
        replaced("kind: bulk, ", ""),
        /traffic\.download: it needs the field 'kind': one of bulk, on-off|traffic\.download: it needs the field 'kind'/,
      ],
      [replaced("client: phone, ", ""), /:12:13: traffic\.download: it needs the field 'client'/],
      [
        replaced("[phone, server], rate: 20", "[phone], rate: 20"),
        /links\.wifi\.between: it must be the names of two hosts/,
      ],
      [replaced("hosts: {", "hosts: ["), /:3:.*/],
      ["- 1\n", /a scenario must be an object/],
    ] as const;
    await inFolder({}, async (folder) => {
      for (const [text, message] of cases) {
        await Deno.writeTextFile(`${folder}/bad.yaml`, text);
        const { message: said } = await assertRejects(
          async () => toScenario(await readScenarioText(`${folder}/bad.yaml`)),
          Error,
        );
        assertMatch(said, message);
      }
    });
  });

  it("takes networks and traces from other files", async () => {
    const files = {
      "topo": "path_0:10,100,20\npath_1:30,50,5\n",
      "lte.trace": "1\n2\n5\n",
      "drive.csv": "time_s,rate_mbit\n0,10\n1,5\n",
      "net.yaml": `
minitopo: topo
links:
  trace: { between: [Client, Router], trace: lte.trace, queue: 50 }
  drive: { between: [Client, Router], profile: drive.csv, delay: 5 ms }
traffic:
  it: { kind: bulk, client: Client, server: Server, bytes: 100 kB }
`,
    };
    await inFolder(files, async (folder) => {
      const scenario = await toScenario(await readScenarioText(`${folder}/net.yaml`));
      assertEquals(Object.keys(scenario.links!), ["Server", "path_0", "path_1", "trace", "drive"]);
      assertEquals(scenario.links!.trace!.trace, [1, 2, 5]);
      assertEquals(scenario.links!.drive!.rate, "10 Mbit/s");
      assertEquals(scenario.events, [{ at: "1 s", do: "set", link: "drive", rate: "5 Mbit/s" }]);
      const { paths } = measure(scenario).traffic.it!;
      assertEquals(paths.length, 4);
      await Deno.writeTextFile(`${folder}/lte.trace`, "x\n");
      await assertRejects(
        async () => toScenario(await readScenarioText(`${folder}/net.yaml`)),
        Error,
        "links.trace.trace:",
      );
      await Deno.remove(`${folder}/topo`);
      await assertRejects(
        async () => toScenario(await readScenarioText(`${folder}/net.yaml`)),
        Error,
        "there is no such file",
      );
    });
  });

  it("has values set by path, checked as those of the file are", async () => {
    const text = await readScenarioText("bulk");
    const scenario = await toScenario(
      await withValues(text, [["links.wifi.rate", "5 Mbit/s"], ["traffic.download.bytes", "100"]]),
    );
    assertEquals(scenario.links!.wifi!.rate, "5 Mbit/s");
    assertEquals((scenario.traffic.download as { bytes: unknown }).bytes, 100);
    assertEquals(SCENARIOS.bulk!.links!.wifi!.rate, "20 Mbit/s");
    await assertRejects(
      async () => toScenario(await withValues(text, [["links.wifi.rate", "5"]])),
      Error,
      "--set links.wifi.rate=5: links.wifi.rate: it must be a number, a space",
    );
    await assertRejects(
      async () => toScenario(await withValues(text, [["links.wifi.rate", "5", "sweep"]])),
      Error,
      "--sweep links.wifi.rate=5: links.wifi.rate: it must be a number, a space",
    );
    await assertRejects(
      () => withValues(text, [["links.wify.rate", "5"]]),
      Error,
      'there is no "wify"',
    );
  });
});

describe("mptcp sim", () => {
  const SWEEP = [
    "requests",
    "--set",
    "traffic.api.count=3",
    "--sweep",
    "links.lte.delay=20 ms,80 ms",
    "--runs",
    "2",
    "--scheduler",
    "min_rtt",
    "--scheduler",
    "redundant",
  ];

  it("puts plugins, values and seeds side by side, the same each time and in parts", async () => {
    const [whole, again, ...parts] = await Promise.all([
      sim(...SWEEP, "--json"),
      sim(...SWEEP, "--json", "--workers", "1", "--twice"),
      sim(...SWEEP, "--json", "--shard", "1/2"),
      sim(...SWEEP, "--json", "--shard", "2/2"),
    ]);
    assertEquals([whole!.code, again!.code], [0, 0], again!.said);
    assertEquals(whole!.out, again!.out);
    const report: SimReport = JSON.parse(whole!.out);
    assertEquals([report.format, report.scenario, report.runs.length], [
      "mptcp-sim/1",
      "requests",
      8,
    ]);
    assertEquals(report.runs.map(({ seed }) => seed), [1, 2, 1, 2, 1, 2, 1, 2]);
    assertEquals(
      new Set(report.runs.map(({ result }) => result!.policies.scheduler)),
      new Set(["min_rtt", "redundant"]),
    );
    await inFolder({ "1.json": parts[0]!.out, "2.json": parts[1]!.out }, async (folder) => {
      const merged = await sim("--merge", `${folder}/2.json`, `${folder}/1.json`, "--json");
      assertEquals(merged.out, whole!.out);
      const table = await sim("--merge", `${folder}/1.json`, `${folder}/2.json`);
      assertMatch(table.out, /redundant links\.lte\.delay=80 ms/);
      const half = await sim("--merge", `${folder}/1.json`);
      assertEquals(half.code, 2);
      assertMatch(half.said, /4 of 8 runs are missing/);
    });
  });

  it("writes files that carry what was run", async () => {
    await inFolder({ "small.yaml": SMALL }, async (folder) => {
      const { code, said } = await sim(
        `${folder}/small.yaml`,
        "-o",
        `${folder}/out/deep`,
        "--series",
        "--events",
        "--packets",
        "--interval",
        "10 ms",
        "--seed",
        "5",
      );
      assertEquals(code, 0, said);
      const read = (name: string): string => Deno.readTextFileSync(`${folder}/out/deep/${name}`);
      const { runs } = JSON.parse(read("summary.json"));
      assertEquals(JSON.parse(read("run-0000/result.json")), runs[0].result);
      assertMatch(
        read("summary.csv"),
        /^scenario,version,run,seed,scheduler,.*\r\nsmall,\d.*,0,5,\w+,lia,full_mesh,,run,time_us,/,
      );
      const series = read("run-0000/series.csv").trim().split("\r\n");
      assertEquals(series[0], "time_us,of,name,metric,value");
      assert(series.some((line) => line.includes("subflow,download 1 server wifi,cwnd_segments,")));
      const events = read("run-0000/events-phone.qlog").split("\n");
      const records = events.filter((line) => line !== "").map((line) => {
        assertEquals(line[0], "\x1e");
        return JSON.parse(line.slice(1));
      });
      assertEquals(records[0].serialization_format, "application/qlog+json-seq");
      assertEquals(records[0].trace.vantage_point.name, "phone");
      assert(
        records.some(({ name, data }) => name === "mptcp:subflow_opened" && data.join === true),
      );
      const pcap = Deno.readFileSync(`${folder}/out/deep/run-0000/packets.pcapng`);
      assertEquals([...pcap.subarray(0, 4)], [0x0a, 0x0d, 0x0d, 0x0a]);
      const names = new TextDecoder("latin1").decode(pcap);
      for (const name of ["phone:wifi", "phone:lte", "server:wifi"]) {
        assert(names.includes(name), name);
      }
    });
  });

  it("says what brackets are, and that seeds all gave the same", async () => {
    const lossy = SMALL.replace("20 Mbit/s", "20 Mbit/s, loss: 0.02");
    const sure = SMALL.replace("loss: 0.01", "loss: 0");
    await inFolder({ "small.yaml": lossy, "sure.yaml": sure }, async (folder) => {
      const [one, spread, same] = await Promise.all([
        sim(`${folder}/small.yaml`),
        sim(`${folder}/small.yaml`, "--runs", "2", "--html", `${folder}/small.html`),
        sim(`${folder}/sure.yaml`, "--runs", "2", "--html", `${folder}/sure.html`),
      ]);
      assert(!one.out.includes("seeds gave") && !one.out.includes("brackets"), one.out);
      for (
        const [{ out }, page, note] of [
          [spread, "small.html", /in brackets the least and the most/],
          [same, "sure.html", /All seeds gave the same: .* \(--set links\.NAME\.loss/],
        ] as const
      ) {
        assertMatch(out, note);
        assertMatch(Deno.readTextFileSync(`${folder}/${page}`), note);
      }
    });
  });

  it("writes the same bytes again", async () => {
    await inFolder({ "small.yaml": SMALL }, async (folder) => {
      const runs = ["one", "two"].map((name) =>
        sim(
          ...[
            `${folder}/small.yaml`,
            "-o",
            `${folder}/${name}`,
            "--runs",
            "2",
            "--interval",
            "10 ms",
          ],
          ...["--series", "--events", "--packets"],
        )
      );
      for (const { code, said } of await Promise.all(runs)) assertEquals(code, 0, said);
      const files = ["run-0000", "run-0001"].flatMap((run) =>
        ["result.json", "series.csv", "events-phone.qlog", "events-server.qlog", "packets.pcapng"]
          .map((file) => `${run}/${file}`)
      );
      for (const file of ["summary.json", "summary.csv", ...files]) {
        const [one, two] = ["one", "two"].map((name) =>
          Deno.readFileSync(`${folder}/${name}/${file}`)
        );
        assert(one!.length > 500, file);
        assert(one!.length === two!.length && one!.every((byte, i) => byte === two![i]), file);
      }
    });
  });

  it("says of a plugin that is none that alone, and waits for no other run", async () => {
    await inFolder({ "small.yaml": SMALL, "bad.ts": "export default 3;" }, async (folder) => {
      const ways = [["--runs", "3"], ["--scheduler", "min_rtt"]];
      for (const more of ways) {
        const { code, said, out } = await sim(
          `${folder}/small.yaml`,
          ...more,
          ...["--scheduler", `${folder}/bad.ts`, "--workers", "1"],
        );
        assertEquals([code, out], [2, ""]);
        const told = said.split("\n").filter((line) => !/^\S+ of 2 runs$/.test(line));
        assertMatch(told[0]!, /^--scheduler: Cannot load \S+bad\.ts as its default export must be/);
        assertMatch(told[1]!, /sim --help tells more$/);
        assertEquals(told.slice(2), [""]);
      }
    });
  });

  it("has connections that failed in its table, where some have", async () => {
    const files = {
      "small.yaml": SMALL,
      "quits.ts":
        `export default () => ({ kind: "path-manager", name: "quits", create: ({ use }) => ({
        onEvent() { use([]); } }) });`,
    };
    await inFolder(files, async (folder) => {
      const both = ["--pm", "full_mesh", "--pm", `${folder}/quits.ts`];
      const [one, two] = await Promise.all([
        sim(`${folder}/small.yaml`),
        sim(`${folder}/small.yaml`, ...both),
      ]);
      assert(!one.out.includes("failed"), one.out);
      assertMatch(two.out, /goodput failed .*\nfull_mesh +\S+ \S+ +0 .*\nquits +\S+ \S+ +1 /);
    });
  });

  it("names the option that has a value which only a run finds wrong", async () => {
    await inFolder({ "small.yaml": SMALL }, async (folder) => {
      for (
        const [option, value, says] of [
          ["--set", "duration=0 s", "--set duration=0 s: duration: it must be above 0"],
          [
            "--sweep",
            "traffic.download.hint=1,.inf",
            "--sweep traffic.download.hint=.inf: traffic.download.hint: it must be a finite number",
          ],
        ] as const
      ) {
        const { code, said } = await sim(`${folder}/small.yaml`, option, value);
        assertEquals([code, said.includes(says)], [2, true], said);
      }
    });
  });

  it("looks for the plugins that hosts of a file name where the file is", async () => {
    const files = {
      "net.yaml": SMALL.replace("server: {}", "server: { scheduler: ./own.ts }"),
      "own.ts":
        `export default () => ({ kind: "scheduler", name: "own", create: () => ({ pick: () => 3 }) });`,
    };
    assert(files["net.yaml"] !== SMALL);
    await inFolder(files, async (folder) => {
      const { code, said } = await sim(`${folder}/net.yaml`);
      assertEquals(code, 1, said);
      assertMatch(said, /Plugin own \(scheduler\) answered 3 in pick/);
    });
  });

  it("names a plugin that does not come to an end, called or loaded, and goes on with the others", async () => {
    const plugin = (pick: string, first = "") =>
      `export default () => { ${first} return { kind: "scheduler", name: "endless", create: () => ({
        pick(ready) { ${pick} return ready[0] ?? null; } }) }; };`;
    const files = {
      "pick.ts": plugin("for (;;);"),
      "factory.ts": plugin("", "for (;;);"),
      "module.ts": `for (;;);\n${plugin("")}`,
      "small.yaml": SMALL,
      // One that a host of the scenario names.
      "hosts.yaml": SMALL.replace("phone: {}", "phone: { scheduler: FOLDER/module.ts }"),
    };
    await inFolder(files, async (folder) => {
      const hosts = `${folder}/hosts.yaml`;
      Deno.writeTextFileSync(hosts, files["hosts.yaml"].replace("FOLDER", folder));
      const [{ code, said, out }, other] = await Promise.all([
        sim(
          `${folder}/small.yaml`,
          ...["pick.ts", "factory.ts", "module.ts"].flatMap((one) => [
            "--scheduler",
            `${folder}/${one}`,
          ]),
          "--scheduler",
          "min_rtt",
        ),
        sim(hosts),
      ]);
      assertEquals([code, other.code], [1, 1]);
      assertMatch(said, /pick\(\) of the scheduler endless does not come to an end/);
      for (const one of ["factory.ts", "module.ts"]) {
        assertMatch(said, new RegExp(`loaded from \\S*${one} does not come to an end`));
      }
      assertMatch(other.said, /loaded from \S*module\.ts does not come to an end/);
      // A table has a row or a column for each plugin.
      assertMatch(out, /min_rtt +\d|goodput +- +- +- +\d/);
    });
  });

  it("says what it cannot do", async () => {
    for (
      const [args, message] of [
        [[], /needs one scenario: a file, or one of these\n {2}bulk/],
        [
          ["bulk", "--csv", "out.csv"],
          /there are 2, bulk and out\.csv\. --csv and --json print: .*> FILE/,
        ],
        [["bulk", "flap"], /there are 2, bulk and flap\. .*--sweep/],
        [["bulky"], /did you mean bulk\?/],
        [["bulk", "--shard", "3/2"], /--shard must be I\/N/],
        [["bulk", "--series"], /need a folder/],
        [["--merge", "x.json", "--html", "x.html"], /--html and --merge exclude each other/],
        [
          ["--merge", "x.json", "--runs", "5"],
          /--runs is for runs, and --merge runs nothing: it goes with --json, --csv and --output/,
        ],
        [["--merge", "x.json", "--twice"], /--twice is for runs/],
        [["--merge", "x.json", "--scheduler", "ecf"], /--scheduler is for runs/],
        [["bulk", "--csv=out.csv"], /--csv takes no value, .* it got "out\.csv"/],
        [["bulk", "--json", "--csv"], /exclude each other/],
        [["bulk", "--interval", "5"], /--interval: .*a number, a space/],
        [["bulk", "--set", "x"], /--set must be PATH=VALUE/],
        [["bulk", "--scheduler", "fastest"], /there is none of that name: give one of .*min_rtt/],
        [
          ["bulk", "--set", "traffic.download.client=tablet"],
          /traffic\.download\.client: there is no host "tablet"/,
        ],
      ] as const
    ) {
      const { code, said } = await sim(...args);
      assertEquals(code, 2, said);
      assertMatch(said, message);
    }
  });
});

describe("a report", () => {
  const result = measure({
    ...SCENARIOS.bulk!,
    traffic: { it: { kind: "bulk", client: "phone", server: "server", bytes: 1000 } },
  });
  const report: SimReport = {
    format: "mptcp-sim/1",
    version: "1",
    scenario: 'a "b", c',
    total: 1,
    plan: "1",
    runs: [{ index: 0, set: {}, plugins: {}, seed: 1, result }],
  };

  it("has names in CSV as RFC 4180 wants them", () => {
    assertMatch(toCsv(report), /\r\n"a ""b"", c",1,0,1,\w+,/);
  });

  it("has a table with units", () => {
    assertMatch(toTable(report, 200), /^it +goodput .*\ndefault +[\d.]+ .bit\/s/);
    // Where that is too wide, a line for each figure.
    assertMatch(toTable(report, 20), /^it +default\ngoodput +[\d.]+ .bit\/s/);
  });

  it("calls a plugin by its name and options, and by what was typed where that is not enough", () => {
    const named = (index: number, text: string, name: string): SimReport["runs"][number] => ({
      index,
      set: {},
      plugins: { scheduler: text },
      seed: 1,
      result: { ...result, policies: { ...result.policies, scheduler: name } },
    });
    const runs = [
      named(0, "/home/me/mine.ts,ratio=2", "mine"),
      named(1, "/home/me/mine.ts,ratio=3", "mine"),
      named(2, "./one/same.ts", "same"),
      named(3, "./two/same.ts", "same"),
      named(4, "min_rtt", "min_rtt"),
    ];
    const expected = ["mine,ratio=2", "mine,ratio=3", "./one/same.ts", "./two/same.ts", "min_rtt"];
    assertEquals(variantNames(runs), expected);
    const rows = toCsv({ ...report, runs }).split("\r\n");
    for (const [i, name] of expected.entries()) {
      const cell = name.includes(",") ? `"${name}"` : name;
      assert(rows.some((row) => row.includes(`,${i},1,${cell},`)), name);
    }
  });

  it("is merged with those of the same command alone", () => {
    assertEquals(mergeReports([report, report]), report);
    assertThrows(
      () => mergeReports([report, { ...report, plan: "2" }]),
      TypeError,
      "different commands",
    );
    assertThrows(() => mergeReports([{} as SimReport]), TypeError, "no report");
    assertThrows(() => mergeReports([]), TypeError, "nothing");
  });
});
