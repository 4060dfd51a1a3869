import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/arguments.ts";
import { readUrl as readUrlFor } from "../../cli/exchange.ts";
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
