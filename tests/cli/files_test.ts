import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/arguments.ts";
import { readUrl as readUrlFor } from "../../cli/exchange.ts";
import { openSink } from "../../cli/get.ts";
import { checkWritable } from "../../cli/output.ts";
import { findServed } from "../../cli/serve.ts";

describe("what mptcp serve gives", () => {
  it("is what lies in the folder, hidden files and ways out excepted", async () => {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    try {
      const root = `${folder}/root`;
      await Deno.mkdir(`${root}/sub dir`, { recursive: true });
      await Deno.writeTextFile(`${folder}/secret`, "secret");
      await Deno.writeTextFile(`${root}/.hidden`, "hidden");
      await Deno.writeTextFile(`${root}/sub dir/a&b.txt`, "text");
      await Deno.symlink(`${folder}/secret`, `${root}/out`);
      await Deno.symlink(`${root}/sub dir`, `${root}/in`);
      await Deno.mkdir(`${folder}/root-of-another`);
      await Deno.symlink(`${folder}/root-of-another`, `${root}/beside`);

      const file = { kind: "file", path: `${root}/sub dir/a&b.txt`, size: 4 };
      assertEquals(await findServed(root, "/sub%20dir/a&b.txt"), file as never);
      assertEquals(await findServed(root, "/in/a%26b.txt"), file as never);
      assertEquals(await findServed(root, "/"), { kind: "folder", path: root });
      assertEquals(await findServed(root, "//sub dir/"), {
        kind: "folder",
        path: `${root}/sub dir`,
      });
      const refused = [
        "/../secret",
        "/%2e%2e/secret",
        "/sub dir/..%2f..%2fsecret",
        "/out",
        "/beside",
        "/.hidden",
        "/none",
        "/sub dir/a&b.txt/x",
        "/%ff",
        "/a%00b",
        "/..%5csecret",
      ];
      for (const path of refused) assertEquals(await findServed(root, path), null, path);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

describe("what mptcp get and put take", () => {
  const readUrl = (text: string): URL => readUrlFor(text, "get");
  it("is an http URL, or what lacks only the scheme", () => {
    assertEquals(readUrl("http://10.77.1.1:8080/a?b").href, "http://10.77.1.1:8080/a?b");
    assertEquals(readUrl("10.77.1.1/a").href, "http://10.77.1.1/a");
    assertEquals(readUrl("[fd00::1]/a").hostname, "[fd00::1]");
    assertThrows(() => readUrl("https://10.77.1.1/"), UsageError, "only http:");
    assertThrows(() => readUrl("http://"), UsageError, "no URL");
    assertThrows(() => readUrl("file:///etc/hosts"), UsageError);
    assertThrows(() => readUrlFor("http://", "put"), UsageError, "mptcp put http://");
  });
});

describe("a file that a command is to write", () => {
  async function withFolder(check: (folder: string) => Promise<void>): Promise<void> {
    const folder = await Deno.makeTempDir();
    try {
      await check(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  const names = (folder: string): string[] => [...Deno.readDirSync(folder)].map(({ name }) => name);

  it("is none where nothing comes, and what was there stays", async () => {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/old`, "old");
      for (const path of [`${folder}/old`, `${folder}/new`]) {
        await checkWritable(path);
        (await openSink(path)).close();
      }
      assertEquals(names(folder), ["old"]);
      assertEquals(await Deno.readTextFile(`${folder}/old`), "old");
      // Who else takes it away takes it away.
      const sink = await openSink(`${folder}/gone`);
      await Deno.remove(`${folder}/gone`);
      sink.close();
      for (const open of [checkWritable, openSink]) {
        await assertRejects(() => open(`${folder}/none/file`), Deno.errors.NotFound);
      }
    });
  });

  it("holds what came, in place of what was there, and nothing where all is nothing", async () => {
    await withFolder(async (folder) => {
      for (
        const [name, pieces] of [["a", ["ne", "w"]], ["b", []], ["c", ["new"]], ["d", []]] as const
      ) {
        const path = `${folder}/${name}`;
        if (name < "c") await Deno.writeTextFile(path, "older");
        const sink = await openSink(path);
        for (const piece of pieces) await sink.write(new TextEncoder().encode(piece));
        await sink.finish();
        sink.close();
        assertEquals(await Deno.readTextFile(path), pieces.join(""));
      }
    });
  });

  it("may be what is no file", { ignore: Deno.build.os === "windows" }, async () => {
    const sink = await openSink("/dev/null");
    await sink.write(new Uint8Array(3));
    await sink.finish();
    sink.close();
    (await openSink("/dev/null")).close();
    assertEquals((await Deno.stat("/dev/null")).isFile, false);
  });
});
