/** What answers at a control socket is not believed to be harmless: `--control` and MPTCP_RUN_DIR may name somebody else's. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ask, findControls, openTarget } from "../../cli/control.ts";
import { main } from "../../cli/mod.ts";
import { printable } from "../../cli/output.ts";
import type { ControlTarget } from "../../core/net/control.ts";

describe("answers of a control socket", () => {
  it("cannot steer the terminal that they are shown on", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/it.sock`;
      using listener = Deno.listen({ transport: "unix", path });
      const evil = "a\x1b]0;b\x07\x9b2J\x7f\tc\r";
      const text = JSON.stringify({ ok: [{ [evil]: 1, plugins: { scheduler: evil } }] });
      const serving = (async () => {
        using conn = await listener.accept();
        await conn.read(new Uint8Array(1000));
        await conn.write(new TextEncoder().encode(`${text}\n`));
      })();
      await assertRejects(
        () => Array.fromAsync(ask(`${folder}/other.sock`, "ss")),
        Error,
        `Cannot ask ${folder}/other.sock as there is no such socket`,
      );
      const answers = await Array.fromAsync(ask(path, "ss"));
      await serving;
      const shown = "a�]0;b��2J�\tc�";
      assertEquals(answers, [{ ok: [{ [shown]: 1, plugins: { scheduler: shown } }] }]);
      assertEquals(printable("ä 日本\n"), "ä 日本\n");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("are waited for no longer than somebody wants them, from whenever on", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/it.sock`;
      using _silent = Deno.listen({ transport: "unix", path });
      assertEquals(await Array.fromAsync(ask(path, "monitor", AbortSignal.abort())), []);
      const controller = new AbortController();
      const asking = Array.fromAsync(ask(path, "monitor", controller.signal));
      controller.abort();
      assertEquals(await asking, []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

/** A folder of control sockets, in which commands of this process have theirs. */
async function withRunDir(check: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("MPTCP_RUN_DIR");
  Deno.env.set("MPTCP_RUN_DIR", folder);
  try {
    await check(folder);
  } finally {
    if (before === undefined) Deno.env.delete("MPTCP_RUN_DIR");
    else Deno.env.set("MPTCP_RUN_DIR", before);
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a command that was killed leaves. */
function leave(path: string): void {
  // Deno removes what it has made, where it made it.
  using _listener = Deno.listen({ transport: "unix", path: `${path}.new` });
  Deno.renameSync(`${path}.new`, path);
}

/** The id of a process that is gone. */
async function gone(): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await child.status;
  return child.pid;
}

/** Answers with nothing open. */
const IDLE: ControlTarget = {
  ss: () => [],
  nstat: () => ({}),
  configure: () => null,
  watch: () => () => {},
};

/** Runs a command line; its code, and what it says. */
async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const [stdout, stderr] = [Deno.stdout, Deno.stderr].map((stream) => stream.writeSync);
  const taking = (name: keyof typeof said) => (bytes: Uint8Array): number => {
    said[name] += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  try {
    Deno.stdout.writeSync = taking("out");
    Deno.stderr.writeSync = taking("err");
    return { code: await main(words), ...said };
  } finally {
    Deno.stdout.writeSync = stdout!;
    Deno.stderr.writeSync = stderr!;
  }
}

const names = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

describe("sockets of commands that were killed", { ignore: Deno.build.os === "windows" }, () => {
  it("go when the next command begins, and nothing else does", async () => {
    await withRunDir(async (folder) => {
      const pid = await gone();
      leave(`${folder}/serve-${pid}.sock`);
      leave(`${folder}/get-${pid}.sock`);
      // Of a process that is there, which may be about to listen; of a program; what somebody answers at; what is no socket.
      const stays = [
        `get-${Deno.ppid}.sock`,
        "mine.sock",
        `mine-${pid}.sock.old`,
        `put-${pid}.sock`,
        `top-${pid}.sock`,
        `link-${pid}.sock`,
      ];
      for (const name of stays.slice(0, 3)) leave(`${folder}/${name}`);
      using _answers = Deno.listen({ transport: "unix", path: `${folder}/put-${pid}.sock` });
      await Deno.writeTextFile(`${folder}/top-${pid}.sock`, "a file");
      await Deno.symlink(`${folder}/mine.sock`, `${folder}/link-${pid}.sock`);
      {
        using control = await openTarget(IDLE, "lab");
        assert(control !== null);
        assertEquals(names(folder), [...stays, `lab-${Deno.pid}.sock`].sort());
      }
      assertEquals(names(folder), [...stays].sort());
    });
  });

  it("are passed over by those who look, and told of where they are named", async () => {
    await withRunDir(async (folder) => {
      const left = `${folder}/serve-${await gone()}.sock`;
      leave(left);
      assertEquals(await findControls(folder), []);
      using _control = await openTarget(IDLE, "lab");
      leave(left);
      for (const command of ["ss", "nstat", "endpoint"]) {
        assertEquals((await run(command)).code, 0, command);
        const named = await run(command, "--control", left);
        assertEquals(named.code, 1);
        assert(named.err.includes(`Cannot ask ${left} as its host has ended`), named.err);
      }
      const none = await run("ss", "--control", `${folder}/none.sock`);
      assert(
        none.err.includes(`Cannot ask ${folder}/none.sock as there is no such socket`),
        none.err,
      );
    });
  });

  it("are no trouble to a command that ends when its own is gone", async () => {
    await withRunDir(async (folder) => {
      using control = await openTarget(IDLE, "lab");
      await Deno.remove(`${folder}/lab-${Deno.pid}.sock`);
      control!.close();
    });
  });

  it("do not keep others from being asked where one does not answer", async () => {
    await withRunDir(async (folder) => {
      using _control = await openTarget(IDLE, "lab");
      using _silent = Deno.listen({ transport: "unix", path: `${folder}/a.sock` });
      const { code, out, err } = await run("nstat");
      assertEquals([code, out], [0, `#${folder}/lab-${Deno.pid}.sock\n`]);
      assert(err.includes(`${folder}/a.sock does not answer`), err);
      const named = await run("ss", "--control", `${folder}/a.sock`);
      assertEquals(named.code, 1);
    });
  });
});
