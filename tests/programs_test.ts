/** The external programs that tests and the command start: all are known, `.ci/run` installs them, and tests say what they need. */

import { beforeAll, describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { listFiles } from "./support/architecture.ts";
import { findPrograms, type Found } from "./support/programs.ts";
import { ROOT } from "./support/serve.ts";
import { ESSENTIAL, FROM_NPM, needs, TOOLS } from "./support/tools.ts";

/** Programs that nobody installs by apt: Deno itself, and the command as a shell in a lab finds it. */
const OURS = ["deno", "mptcp"];

/** Files whose program is a user's choice, and the one that starts `deno` where it does not run itself. */
const CHOSEN_BY_USERS = ["bench/checksum_native.ts", "cli/lab_command.ts", "pack/bin.ts"];

/** Programs and the packages that hold them. */
type Packages = Readonly<Record<string, string>>;

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

async function readAll(): Promise<Record<string, string>> {
  const sources: Record<string, string> = {};
  const files = [".ts", ".py"].flatMap((extension) => listFiles(ROOT, extension));
  for (const file of files) {
    if (/^(tests|cli|bench|core|docs|pack)\//.test(file)) {
      sources[file] = await read(file);
    }
  }
  return sources;
}

function isDebian(): boolean {
  try {
    return /^ID=debian$/m.test(Deno.readTextFileSync("/etc/os-release"));
  } catch {
    return false;
  }
}

/** What `.ci/run` installs. */
function installed(script: string): Packages {
  const list = /^for pair in ([^;]+); do$/m.exec(script)?.[1] ?? "";
  return Object.fromEntries(list.split(/[\s\\]+/).map((pair) => pair.split(":")));
}

/** What a table of Markdown names: a package, then its programs. */
function described(text: string): Packages {
  return Object.fromEntries(
    [...text.matchAll(/^\| `([^`]+)` +\| ((?:`[^`]+`,? *)+)\|/gm)].flatMap((
      [, name = "", programs = ""],
    ) => [...programs.matchAll(/`([^`]+)`/g)].map(([, program = ""]) => [program, name])),
  );
}

/** Lists programs started of which nothing is known. */
function unknown({ starts }: Found): string[] {
  const known = new Set(
    [TOOLS, FROM_NPM, ESSENTIAL].flatMap((kind) => Object.keys(kind)).concat(
      OURS,
    ),
  );
  return starts.filter(({ program }) => !known.has(program))
    .map(({ program, file, line }) => `${file}:${line} starts ${program}`);
}

/** Lists test files that start what has to be installed, and do not say that they need it. */
function undeclared({ starts }: Found, sources: Readonly<Record<string, string>>): string[] {
  return starts.filter(({ program, file }) => {
    if (
      !(program in TOOLS || program in FROM_NPM) || !file.endsWith("_test.ts")
    ) return false;
    const said = [
      ...(sources[file] ?? "").matchAll(/\bneeds\(([^]*?)\)\s*(?:\.|;)/g),
    ]
      .map(([, args]) => args).join();
    const packages: Packages = TOOLS;
    const names = packages[program] === "iproute2" ? ["kernel", program] : [program];
    return !names.some((name) => said.includes(`"${name}"`));
  }).map(({ program, file, line }) =>
    `${file}:${line} starts ${program} without needs("${program}")`
  );
}

describe("the programs that tests and the command start", () => {
  let sources: Record<string, string> = {};
  let found: Found = { starts: [], unreadable: [] };

  beforeAll(async () => {
    sources = await readAll();
    found = findPrograms(sources);
  });

  it("are all known, and all that is known is started", () => {
    assertEquals(unknown(found), []);
    const started = new Set(found.starts.map(({ program }) => program));
    const known = [TOOLS, FROM_NPM, ESSENTIAL].flatMap((kind) => Object.keys(kind)).concat(OURS);
    assertEquals(known.filter((program) => !started.has(program)), []);
  });

  it("are named where they are started, or can be followed to where they are", () => {
    assertEquals(found.unreadable.map((text) => text.split(":")[0]), CHOSEN_BY_USERS);
  });

  it("are installed by .ci/run, and nothing else is", async () => {
    assertEquals(installed(await read(".ci/run")), TOOLS);
  });

  it("are told in CONTRIBUTING.md", async () => {
    assertEquals(described(await read("CONTRIBUTING.md")), TOOLS);
  });

  it("are installed by npm where they come from there, and told", async () => {
    const [script, text] = [
      await read(".ci/run"),
      await read("CONTRIBUTING.md"),
    ];
    assert(/install_global "bun@\$BUN_VERSION"/.test(script));
    for (const program of Object.keys(FROM_NPM)) {
      assert(text.includes(`\`${program}\` (npm)`), program);
    }
  });

  it("are declared by the test that starts them", () => {
    assertEquals(undeclared(found, sources), []);
  });

  // What is essential elsewhere is for others to say.
  const onDebian = isDebian() ? needs("dpkg-query").it : it.ignore;
  onDebian("are in every Debian, unless they are installed", async () => {
    const ask = async (...args: string[]): Promise<string> => {
      const { stdout } = await new Deno.Command("dpkg-query", { args, stderr: "null" }).output();
      return new TextDecoder().decode(stdout);
    };
    const all = Object.entries(ESSENTIAL);
    const owners = await ask("--search", ...all.map(([program]) => `*bin/${program}`));
    const status = await ask("--show", "--showformat=${Package} ${Essential} ${Priority}\n");
    for (const [program, name] of all) {
      assert(new RegExp(`^${name}: (/usr)?/s?bin/${program}$`, "m").test(owners), program);
      assert(new RegExp(`^${name} (yes .*|\\w+ required)$`, "m").test(status), name);
    }
  });
});

describe("the rules about programs", () => {
  const programs = (sources: Record<string, string>): string[] =>
    findPrograms(sources).starts.map(({ program, line }) => `${line} ${program}`);

  it("find a program that nobody installs, by its place", () => {
    const found = findPrograms({
      "tests/a_test.ts": `await new Deno.Command("ls").output();\nnew Deno.Command("cat");`,
    });
    assertEquals(unknown(found), ["tests/a_test.ts:1 starts ls"]);
  });

  it("find it however it is passed on", () => {
    const sources = {
      "cli/a.ts": `export class Place {
          exec(command: readonly string[], check = true) {
            return run("ip", ["netns", "exec", this.name, ...command]);
          }
          spawn(command: readonly string[]) {
            return new Deno.Command("ip", { ...this.o, args: ["netns", "exec", "n", ...command] }).spawn();
          }
        }
        export async function run(program: string, args: readonly string[] = []) {
          return await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
        }`,
      "tests/b_test.ts": `import { Place, run as start } from "../cli/a.ts";
        import { WORDS } from "./c.ts";
        const client = ["direct", "x"] as const;
        const inside = async (...command: string[]) => (await place.exec(command)).stdout;
        class Peer { constructor(place: Place, args: string[]) { place.spawn([...args, "x"]); } }
        place.exec(["array"]);
        place.exec([...client, "-s"], false);
        place.exec(WORDS);
        inside("rest", "a");
        new Peer(place, ["constructed"]);
        start("aliased");
        place.spawn(["timeout", "--kill-after=1", "5", "mptcpize", "run", "wrapped"]);
        place.exec([four ? "either" : "or"]);
        const made = (...args: string[]) => [Deno.execPath(), "run", "lab", ...args];
        place.exec(made("--name", "x", "--", "in_lab"));
        /(\\\\d+)/.exec(text); const LINE = /x/; LINE.exec(text);`,
      "tests/c.ts": `export const WORDS: readonly string[] = ["imported"];`,
    };
    const found = programs(sources).filter((text) => !/ (deno|ip|timeout|mptcpize)$/.test(text));
    assertEquals(found, [
      "11 aliased",
      "6 array",
      "10 constructed",
      "3 direct",
      "13 either",
      "1 imported",
      "15 in_lab",
      "13 or",
      "9 rest",
      "12 wrapped",
    ]);
    assertEquals(findPrograms(sources).unreadable, []);
  });

  it("find it in the script of a shell", () => {
    const script = String.raw`# not this: a
      A=1 b -x "c; d" 'e | f' > /dev/null 2>&1 | g && h || ! i; if j; then exec k; fi
      trap 'l' TERM; echo "$(m n)" $(o); command -v p; (q & wait)
      for x in r; do s; done; exec "$@"`;
    assertEquals(
      programs({
        "tests/a.ts": `new Deno.Command("sh", { args: ["-ec", ${
          JSON.stringify(script)
        }, "sh", "last"] });
          new Deno.Command("script", { args: ["-qec", \`\${Deno.execPath()} run x\`, "/dev/null"] });
          new Deno.Command("sh", { args: ["-c", names.map((x) => \`t '\${x}' > u\`).join("\\n")] });`,
      }).map((text) => text.split(" ")[1]),
      ["b", "deno", ..."ghijkl", "last", ..."moqs", "script", "sh", "sh", "t"],
    );
  });

  it("tell what cannot be followed", () => {
    const found = findPrograms({
      "tests/a.ts": `import { spawn } from "node:child_process";
        new Deno.Command(words[0]);
        new Deno.Command("sh", { args: ["-c", script()] });
        new Deno.Command("sh", { args: ["-c", "$SHELL -x"] });
        new Deno.Command("python3", { args: ["-c", "import subprocess"] });
        export function start(program: string) { new Deno.Command(program); }
        const C = Deno.Command;
        let changed = "a"; new Deno.Command(changed);
        new Deno.Command("python3", { args: ["-c", "import socket"] });`,
      "tests/b.py": `os.system("x")`,
      "tests/c.py": `socket.socket()`,
    });
    assertEquals(found.unreadable, [
      "tests/a.ts:1 starts something by node:child_process",
      "tests/a.ts:2 starts what the text does not tell",
      "tests/a.ts:3 starts a script that the text does not tell",
      "tests/a.ts:4 starts what the text does not tell",
      "tests/a.ts:5 starts something by Python",
      "tests/a.ts:6 starts what a caller says, and none is to be seen",
      "tests/a.ts:7 starts something by Deno.Command",
      "tests/a.ts:8 starts what the text does not tell",
      "tests/b.py starts something by Python",
    ]);
  });

  it("find a test that does not say what it needs", () => {
    const sources = {
      "tests/a_test.ts": `needs("ping").it("x", () => new Deno.Command("ping"));`,
      "tests/b_test.ts": `needs("curl").it("x", () => new Deno.Command("ping"));`,
      "tests/c_test.ts":
        `needs("kernel").it("x", () => [new Deno.Command("ip"), new Deno.Command("cat")]);`,
      "tests/support/d.ts": `new Deno.Command("ping");`,
    };
    assertEquals(undeclared(findPrograms(sources), sources), [
      `tests/b_test.ts:1 starts ping without needs("ping")`,
    ]);
  });
});
