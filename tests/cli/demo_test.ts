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
import { PATHS, payloadRate } from "../../cli/demo.ts";
import { transfer } from "../../cli/transfer.ts";
import { serveRepository } from "../support/serve.ts";

const MOD = new URL("../../cli/mod.ts", import.meta.url).href;

/** A scheduler of a user's own: the lowest index, always; its name tells the option it was given. */
const OWN = `
export default function own({ note = "none" } = {}) {
  if (note === "throws") throw new TypeError("this note is not for me");
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
  it("prints the table and draws the picture with read and write permission alone", async () => {
    const { code, stdout, stderr, svg } = await mptcp(["demo", "--size", "1MB"]);
    assertEquals(code, 0, stderr);
    assertEquals(stdout.match(/equal/g)?.length, 3, stdout);
    for (const text of ["TCP over Wi-Fi", "MPTCP, Wi-Fi cut", "goodput", "stall", "sent again"]) {
      assertStringIncludes(stdout, text);
    }
    assertMatch(svg, /^<svg [^>]*xmlns=/);
    for (const text of ["wifi", "lte", "wifi cut", "data sequence"]) {
      assertStringIncludes(svg, text);
    }
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

describe("a transfer", () => {
  const common = { policies: {}, seed: 1 };

  it("over both paths reaches most of their sum, over one most of that", async () => {
    const size = 32e6;
    const one = await transfer({
      ...common,
      name: "one",
      size,
      paths: { wifi: PATHS.wifi },
      plain: true,
    });
    const both = await transfer({ ...common, name: "both", size, paths: PATHS });
    const share = ({ received, time, segment }: typeof one, paths: typeof both.shares): number =>
      received / time * 1e6 /
      payloadRate(
        Object.fromEntries(paths.map(({ name }) => [name, PATHS[name as "wifi"]])),
        segment,
      );
    assert(one.intact && both.intact);
    assertEquals(one.shares.map(({ name }) => name), ["wifi"]);
    assertEquals(both.shares.map(({ name }) => name), ["wifi", "lte"]);
    assertGreaterOrEqual(share(one, one.shares), 0.9);
    assertGreaterOrEqual(share(both, both.shares), 0.85);
  });

  it("loses nothing when a path is cut, and does not wait for it", async () => {
    const cut = { path: "wifi", time: 2e6 };
    const result = await transfer({ ...common, name: "cut", size: 8e6, paths: PATHS, cut });
    assert(result.intact);
    assertEquals(result.received, 8e6);
    assertLess(result.stall, 1e6);
    const during = result.sent.filter(({ at }) =>
      at > (result.cut?.from ?? 0) + 500e3 && at < (result.cut?.to ?? 0)
    );
    assertGreater(during.filter(({ path }) => path === "lte").length, 100);
  });

  it("is the same again with the same seed, and another with another", async () => {
    const lossy = { ...PATHS, wifi: { ...PATHS.wifi, loss: 0.005 } };
    const run = async (seed: number): Promise<unknown> =>
      (await transfer({ ...common, seed, name: "x", size: 4e6, paths: lossy })).sent;
    assertEquals(await run(3), await run(3));
    assert(JSON.stringify(await run(3)) !== JSON.stringify(await run(4)));
  });
});
