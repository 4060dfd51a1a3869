import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readKeyFile, sameMac, SharedKey, writeKeyFile } from "../../../cli/gateway/key.ts";

describe("a key file", () => {
  it("is made once, for its owner alone, and read back", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const file = `${folder}/relay.key`;
      await writeKeyFile(file);
      assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
      const key = await readKeyFile(file);
      assertEquals(key.toLine(), await Deno.readTextFile(file));
      await assertRejects(() => writeKeyFile(file), Error, "as it exists");
      await Deno.chmod(file, 0o640);
      await assertRejects(() => readKeyFile(file), Error, "chmod 600");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("that is none is refused, with what makes one", () => {
    const line = SharedKey.create().toLine();
    for (
      const text of [
        "",
        "mptcp-key-1 ",
        "mptcp-key-1 AAAA",
        line.slice(0, -3),
        `x${line}`,
        `${line}more`,
      ]
    ) {
      assertThrows(
        () => SharedKey.parse(text, "relay.key"),
        Error,
        "`mptcp key relay.key` makes one",
      );
    }
    assertEquals(SharedKey.parse(line, "relay.key").toLine(), line);
  });
});

describe("a MAC", () => {
  it("is of its key, its purpose and all its parts", () => {
    const [one, other] = [SharedKey.create(), SharedKey.create()];
    const part = Uint8Array.of(1, 2, 3);
    const mac = one.mac("request", part);
    assert(sameMac(mac, one.mac("request", part)));
    for (const wrong of [other.mac("request", part), one.mac("answer", part), one.mac("request")]) {
      assertNotEquals(mac, wrong);
      assert(!sameMac(mac, wrong));
    }
    assert(!sameMac(mac, mac.subarray(1)));
  });

  it("is HMAC-SHA256 (RFC 2104), as WebCrypto computes it", async () => {
    const line = `mptcp-key-1 ${"C".repeat(42)}A`;
    const octets = Uint8Array.from(atob(`${"C".repeat(42)}A=`), (c) => c.charCodeAt(0));
    const key = await crypto.subtle.importKey(
      "raw",
      octets,
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const text = new TextEncoder().encode("mptcp relay 1 request\0abc");
    const expected = new Uint8Array(await crypto.subtle.sign("HMAC", key, text));
    assertEquals(
      new Uint8Array(SharedKey.parse(line, "x").mac("request", new TextEncoder().encode("abc"))),
      expected,
    );
  });
});
