/** Proxy and relay against each other and against strangers, over streams in memory. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Host } from "../../../mod.ts";
import { readArguments, UsageError } from "../../../cli/arguments.ts";
import { DirectTargets } from "../../../cli/gateway/direct.ts";
import { askRelay, hearProxy } from "../../../cli/gateway/handshake.ts";
import { SharedKey } from "../../../cli/gateway/key.ts";
import type { After } from "../../../cli/gateway/limits.ts";
import { addressesOf, warnUnknown } from "../../../cli/gateway/names.ts";
import { ProxyServer } from "../../../cli/gateway/proxy_server.ts";
import { dialKernel, type Done, isLocal, RelayServer } from "../../../cli/gateway/relay_server.ts";
import type { ByteStream } from "../../../cli/gateway/stream.ts";
import { throughRelay, type Upstream } from "../../../cli/gateway/upstream.ts";
import { type Target, TargetError } from "../../../cli/gateway/target.ts";
import { RELAY } from "../../../cli/relay.ts";
import * as fc from "../../support/property.ts";
import { latin1, octets, pipe, type PipeEnd, readAll, readExactly } from "./support.ts";

const KEY = SharedKey.create();
const OK_SOCKS = [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const SOCKS = Uint8Array.of(5, 1, 0, 5, 1, 0, 3, 11, ...octets("example.org"), 1, 187);
const HTTP = octets("CONNECT example.org:443 HTTP/1.1\r\n\r\n");

/** No time passes. */
const never: After = () => () => {};

/** A proxy for one program at a time, and what is upstream of it. */
const ALONE = { most: 1, handshakeTimeout: 1000, after: never };
const via = (dial: () => Promise<PipeEnd>): Upstream<PipeEnd> =>
  throughRelay(dial, KEY, { answer: 2000, after: never });

/** A relay, a proxy before it, and what both tell. */
class World {
  readonly targets: { readonly target: Target; readonly end: PipeEnd }[] = [];
  readonly relayed: Done[] = [];
  readonly proxied: Done[] = [];
  /** What a relay hears: the near ends of connections to it. */
  readonly heard: PipeEnd[] = [];
  readonly relay: RelayServer;
  readonly proxy: ProxyServer<PipeEnd>;

  constructor(
    options: {
      readonly proxyKey?: SharedKey;
      readonly most?: number;
      readonly after?: After;
      readonly dial?: (target: Target) => Promise<ByteStream>;
    } = {},
  ) {
    const { proxyKey = KEY, most = 100, after = never } = options;
    const common = { most, after, handshakeTimeout: 1000 };
    const dial = options.dial ?? ((target: Target) => {
      const [near, end] = pipe();
      this.targets.push({ target, end });
      return Promise.resolve(near);
    });
    this.relay = new RelayServer({
      ...common,
      hear: (stream) => hearProxy(stream, KEY),
      dial,
    });
    this.proxy = new ProxyServer<PipeEnd>({
      ...common,
      upstream: throughRelay(() => Promise.resolve(this.toRelay()), proxyKey, {
        answer: 2000,
        after,
      }),
      done: (done) => this.proxied.push(done),
    });
  }

  /** A connection that the relay serves. */
  toRelay(): PipeEnd {
    const [near, far] = pipe();
    this.heard.push(near);
    void this.relay.serve(far, "192.0.2.1", (done) => this.relayed.push(done));
    return near;
  }

  /** A program that the proxy serves. */
  program(from = "127.0.0.1"): { program: PipeEnd; served: Promise<void> } {
    const [program, far] = pipe();
    return { program, served: this.proxy.serve(far, from) };
  }
}

/** Lets all that can happen happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("a program, a proxy, a relay and a target", () => {
  const dialects = [["SOCKS5", SOCKS, latin1(OK_SOCKS)], [
    "HTTP CONNECT",
    HTTP,
    "HTTP/1.1 200 Connection established\r\n\r\n",
  ]] as const;
  for (const [name, request, reply] of dialects) {
    it(`carry bytes both ways, and each end by itself (${name})`, async () => {
      const world = new World();
      const { program, served } = world.program();
      // More is said before the answer has come, as a program may.
      await program.write(Uint8Array.of(...request, ...octets("early;")));
      assertEquals(latin1(await readExactly(program, reply.length)), reply);
      const [{ target, end }] = world.targets as [(typeof world.targets)[number]];
      assertEquals(target, { host: "example.org", port: 443 });
      await program.write(octets("late"));
      await program.closeWrite();
      assertEquals(latin1(await readAll(end)), "early;late");
      // The other direction is still open.
      await end.write(octets("answer"));
      await end.closeWrite();
      assertEquals(latin1(await readAll(program)), "answer");
      await served;
      await settle();
      for (const [done] of [world.proxied, world.relayed]) {
        assertEquals({ ...done!, seconds: 0 }, {
          target,
          outcome: "connected",
          error: null,
          up: 10,
          down: 6,
          seconds: 0,
        });
      }
      assertEquals([world.proxy.connections, world.relay.connections], [0, 0]);
    });
  }

  it("hold back who writes faster than the other reads", async () => {
    const world = new World();
    const { program } = world.program();
    await program.write(SOCKS);
    await readExactly(program, OK_SOCKS.length);
    const { end } = world.targets[0]!;
    let written = 0;
    void (async () => {
      for (let i = 0; i < 3000; i++) written += await program.write(new Uint8Array(1000));
    })().catch(() => {});
    await settle();
    const before = written;
    await settle();
    assertEquals(written, before);
    assert(written < 40_000, `${written}`);
    await readExactly(end, 1_000_000);
    assert(written > before);
    program.abort();
  });

  it("break both sides where one breaks: a part is never taken for all", async () => {
    for (const broken of ["program", "target", "relay"] as const) {
      const world = new World();
      const { program, served } = world.program();
      await program.write(SOCKS);
      await readExactly(program, OK_SOCKS.length);
      const { end } = world.targets[0]!;
      await end.write(octets("a part"));
      await settle();
      const ends = { program, target: end, relay: world.heard[0]! };
      ends[broken].abort();
      await settle();
      assertEquals([world.proxied.length, world.relayed.length], [1, 1], `${broken}: it goes on`);
      await served;
      if (broken !== "program") await assertRejects(() => readAll(program));
      if (broken !== "target") await assertRejects(() => readAll(end));
      assert(world.proxied[0]!.error !== null && world.relayed[0]!.error !== null);
      assertEquals([world.proxy.connections, world.relay.connections], [0, 0]);
    }
  });

  it("say why there is no connection, in the program's words", async () => {
    const cases = [
      ["not allowed", 2, "403"],
      ["unknown name", 4, "502"],
      ["unreachable", 4, "502"],
      ["refused", 5, "502"],
      ["timed out", 1, "504"],
      ["busy", 1, "503"],
      ["failed", 1, "502"],
    ] as const;
    for (const [outcome, code, status] of cases) {
      const dial = (): Promise<never> =>
        Promise.reject(new TargetError(outcome, `because ${outcome}`));
      const world = new World({ dial });
      const socks = world.program();
      await socks.program.write(SOCKS);
      assertEquals([...await readAll(socks.program)], [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
      await socks.program.closeWrite();
      const http = world.program();
      await http.program.write(HTTP);
      const answer = latin1(await readAll(http.program));
      await http.program.closeWrite();
      assert(answer.startsWith(`HTTP/1.1 ${status}`), answer);
      assert(answer.endsWith(`because ${outcome}\n`), answer);
      await Promise.all([socks.served, http.served]);
      await settle();
      assertEquals(world.proxied.map(({ outcome }) => outcome), [outcome, outcome]);
      assertEquals([world.proxy.connections, world.relay.connections], [0, 0]);
    }
  });
});

describe("a relay", () => {
  it("does nothing for a proxy with another key, and the proxy says so", async () => {
    const world = new World({ proxyKey: SharedKey.create() });
    const { program } = world.program();
    await program.write(HTTP);
    const answer = latin1(await readAll(program));
    assert(answer.includes("the relay has another key"), answer);
    await program.closeWrite();
    await settle();
    assertEquals(world.targets, []);
    assertEquals([world.relayed[0]!.outcome, world.proxied[0]!.outcome], [
      "wrong key",
      "wrong key",
    ]);
  });

  it("is not believed by a proxy whose key it does not have", async () => {
    const [near, far] = pipe();
    const proxy = new ProxyServer<PipeEnd>({
      ...ALONE,
      upstream: via(() => Promise.resolve(near)),
    });
    const [asker, its] = pipe();
    void proxy.serve(its, "127.0.0.1");
    await asker.write(HTTP);
    // What says yes to everything, with a MAC of zeros.
    await far.write(Uint8Array.of(...octets("MPTCPRL1"), ...new Uint8Array(32)));
    await readExactly(far, 32 + 2 + 13 + 32);
    await far.write(Uint8Array.of(0, 0, ...new Uint8Array(32)));
    assertEquals(latin1(await readExactly(asker, 12)), "HTTP/1.1 502");
    assert(latin1(await readAll(asker)).includes("another key"));
  });

  it("refuses what was recorded of a connection, byte for byte", async () => {
    const world = new World();
    const { program } = world.program();
    await program.write(SOCKS);
    await readExactly(program, OK_SOCKS.length);
    const recorded = Uint8Array.from(world.heard[0]!.said);
    assertEquals(world.targets.length, 1);
    const replay = world.toRelay();
    await replay.write(recorded);
    const answer = await readExactly(replay, 40 + 2 + 32);
    assertEquals(answer[40], 1);
    await settle();
    assertEquals(world.targets.length, 1);
    assertEquals(world.relayed.map(({ outcome }) => outcome), ["wrong key"]);
    program.abort();
  });

  it("refuses a request of which any bit was changed", async () => {
    const world = new World();
    const { program } = world.program();
    // The proxy's own bytes, to a relay that changes one on the way.
    await program.write(SOCKS);
    await readExactly(program, OK_SOCKS.length);
    program.abort();
    await settle();
    const { length } = world.heard[0]!.said;
    for (let at = 0; at < length; at++) {
      const changed = new World();
      const [near, far] = pipe();
      const relayEnd = changed.toRelay();
      const proxy = new ProxyServer<PipeEnd>({
        ...ALONE,
        upstream: via(() => Promise.resolve(near)),
      });
      const [asker, its] = pipe();
      void proxy.serve(its, "127.0.0.1");
      await asker.write(SOCKS);
      await far.write(await readExactly(relayEnd, 40));
      const bytes = await readExactly(far, length);
      bytes[at]! ^= 1 << (at % 8);
      await relayEnd.write(bytes);
      await relayEnd.closeWrite();
      await settle();
      assertEquals(changed.targets, [], `octet ${at}`);
      asker.abort();
    }
  });

  it("lets nothing through and keeps nothing of 1,000 hostile connections", async () => {
    const world = new World({ most: 50 });
    const hostile = fc.sample(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        fc.tuple(
          fc.uint8Array({ minLength: 32, maxLength: 32 }),
          fc.nat(300),
          fc.uint8Array({ maxLength: 400 }),
        )
          .map(([nonce, length, rest]) =>
            Uint8Array.of(...nonce, length >> 8, length & 255, ...rest)
          ),
      ),
      { numRuns: 1000, seed: 7 },
    );
    for (const bytes of hostile) {
      const end = world.toRelay();
      await end.write(bytes).catch(() => {});
      await end.closeWrite();
      await settleOne();
    }
    await settle();
    assertEquals(world.targets, []);
    assertEquals(world.relay.connections, 0);
    assertEquals(world.relayed.length, 1000);
    assert(world.relayed.every(({ outcome }) => outcome === "hostile" || outcome === "wrong key"));
  });

  it("keeps 256 strangers and no more, the last among them, and gives each a time to show the key", async () => {
    const late: (() => void)[] = [];
    const after: After = (_, callback) => {
      late.push(callback);
      return () => {};
    };
    const world = new World({ most: 2, after });
    const ends = Array.from({ length: 257 }, () => world.toRelay());
    await settle();
    assertEquals([world.relay.connections, world.relayed.length], [256, 1]);
    assertEquals(world.relayed[0]!.error, "others came while it had not shown the key");
    await readExactly(ends[256]!, 40);
    let gone = 0;
    for (const end of ends.slice(0, 256)) readAll(end).catch(() => gone++);
    await settle();
    assertEquals(gone, 1);
    for (const callback of late) callback();
    await settle();
    assertEquals(world.relay.connections, 0);
    assertEquals(world.relayed[1]!.error, "the key was not shown in time");
  });

  it("serves who has the key while any number of strangers is silent, at its address or others", async () => {
    for (const elsewhere of [false, true]) {
      const world = new World();
      let strangers = 0;
      const flood = async (): Promise<void> => {
        for (let i = 0; i < 100; i++, strangers++) {
          const address = `203.0.${strangers >> 8}.${strangers & 255}`;
          void world.relay.serve(pipe()[1], elsewhere ? address : "192.0.2.1");
        }
        await settle();
      };
      for (let i = 0; i < 10; i++) {
        await flood();
        const { program } = world.program();
        await program.write(SOCKS);
        await readExactly(program, OK_SOCKS.length);
        program.abort();
        await settle();
      }
      assertEquals(world.proxied.map(({ outcome }) => outcome), new Array(10).fill("connected"));
      assert(world.relay.connections <= 256);
    }
  });

  it("serves so many at once and no more, and says so to who has the key", async () => {
    const world = new World({ most: 2 });
    const programs: PipeEnd[] = [];
    for (let i = 0; i < 2; i++) {
      const { program } = world.program();
      await program.write(SOCKS);
      await readExactly(program, OK_SOCKS.length);
      programs.push(program);
    }
    const [near, far] = pipe();
    const told: Done[] = [];
    void world.relay.serve(far, "192.0.2.1", (done) => told.push(done));
    const error = await assertRejects(
      () => askRelay(near, KEY, { host: "example.org", port: 1 }),
      TargetError,
      "as many connections as it takes",
    );
    assertEquals(error.outcome, "busy");
    const { program: third } = world.program();
    await third.write(SOCKS);
    assertEquals([...await readAll(third)].slice(0, 4), [5, 0, 5, 1]);
    await third.closeWrite();
    await settle();
    assertEquals(world.proxied.map(({ outcome }) => outcome), ["busy"]);
    programs[0]!.abort();
    await settle();
    assertEquals([told[0]!.outcome, world.relay.connections], ["busy", 1]);
    programs[1]!.abort();
  });
});

describe("targets that speak MPTCP themselves", () => {
  /** A host whose connections are of that kind. */
  function host(flags: number | null): { asked: string[]; connect: Host["connect"] } {
    const asked: string[] = [];
    return {
      asked,
      connect: ({ hostname, port }) => {
        asked.push(`${hostname}:${port}`);
        if (flags === null) return Promise.reject(new Error("nothing answered"));
        return Promise.resolve({ info: () => ({ mptcp: { flags } }), abort() {} } as never);
      },
    };
  }
  const target = { host: "example.org", port: 443 };

  it("are connected to directly, the others left to the relay for 10 minutes", async () => {
    for (const [flags, direct] of [[2, true], [1, false], [null, false]] as const) {
      let now = 0;
      const fake = host(flags);
      const targets = new DirectTargets(fake, () => now);
      assertEquals(await targets.connect(target) !== null, direct);
      now = 599_999;
      assertEquals(await targets.connect(target) !== null, direct);
      assertEquals(fake.asked.length, direct ? 2 : 1);
      now = 600_000;
      await targets.connect(target);
      assertEquals(fake.asked.length, direct ? 3 : 2);
    }
  });

  it("are reached by the proxy without the relay", async () => {
    const [near, end] = pipe();
    const begun: boolean[] = [];
    const proxy = new ProxyServer<PipeEnd>({
      ...ALONE,
      direct: () => Promise.resolve(near),
      upstream: via(() => Promise.reject(new Error("the relay is not to be asked"))),
      begun: (_target, _stream, direct) => begun.push(direct),
    });
    const [program, its] = pipe();
    const served = proxy.serve(its, "127.0.0.1");
    await program.write(SOCKS);
    await readExactly(program, OK_SOCKS.length);
    await program.write(octets("hello"));
    await program.closeWrite();
    assertEquals(latin1(await readAll(end)), "hello");
    await end.closeWrite();
    assertEquals(await readAll(program), new Uint8Array());
    await served;
    assertEquals(begun, [true]);
  });
});

async function settleOne(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("a proxy", () => {
  it("keeps nothing of 1,000 hostile programs, and dials no relay for them", async () => {
    const world = new World();
    const hostile = fc.sample(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 20 }).map((rest) => Uint8Array.of(5, ...rest)),
        fc.string({ maxLength: 60 }).map((rest) => octets(`GET ${rest}\r\n\r\n`)),
      ),
      { numRuns: 1000, seed: 11 },
    );
    for (const bytes of hostile) {
      const { program, served } = world.program();
      if (bytes.length > 0) await program.write(bytes).catch(() => {});
      await program.closeWrite();
      await served;
    }
    assertEquals([world.heard.length, world.proxy.connections], [0, 0]);
    assertEquals(world.proxied.length, 1000);
  });

  it("serves a program while any number of others is silent", async () => {
    const world = new World({ most: 20 });
    for (let i = 0; i < 100; i++) world.program();
    await settle();
    assertEquals(world.proxy.connections, 20);
    assertEquals(
      world.proxied.map(({ error }) => error),
      new Array(80).fill("others came while the program had not said what it wants"),
    );
    const { program } = world.program();
    await program.write(SOCKS);
    await readExactly(program, OK_SOCKS.length);
    program.abort();
  });

  it("tells a program that the relay cannot be reached", async () => {
    const proxied: Done[] = [];
    const proxy = new ProxyServer<PipeEnd>({
      ...ALONE,
      upstream: via(() => Promise.reject(new Error("nothing answered"))),
      done: (done) => proxied.push(done),
    });
    const [program, its] = pipe();
    const served = proxy.serve(its, "127.0.0.1");
    await program.write(HTTP);
    const answer = latin1(await readAll(program));
    await program.closeWrite();
    await served;
    assert(
      answer.startsWith("HTTP/1.1 502") && answer.includes("the relay: nothing answered"),
      answer,
    );
    assertEquals(proxied[0]!.outcome, "failed");
  });
});

describe("dialKernel()", () => {
  it("judges the addresses of names, and connects to what it has judged", async () => {
    for (
      const address of [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "127.1",
        "",
      ]
    ) assert(isLocal(address), address);
    for (const address of ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1", "::ffff:192.0.2.1"]) {
      assert(!isLocal(address), address);
    }
    const options = {
      allowLocal: false,
      timeout: 1000,
      resolve: () => Promise.resolve(["127.0.0.1", "::1"]),
    };
    for (const host of ["localhost", "127.0.0.1", "127.1", "2130706433", "::1"]) {
      const error = await assertRejects(() => dialKernel({ host, port: 1 }, options), TargetError);
      assertEquals(error.outcome, "not allowed", host);
    }
  });

  it("gives the outcome of what it has tried last", async () => {
    const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = free.addr;
    free.close();
    const options = { allowLocal: true, timeout: 1000 };
    const refused = await assertRejects(
      () => dialKernel({ host: "127.0.0.1", port }, options),
      TargetError,
    );
    assertEquals(refused.outcome, "refused");
    const resolve = (): Promise<never> =>
      Promise.reject(Object.assign(new Error(), { code: "ENOTFOUND" }));
    const unknown = await assertRejects(
      () => dialKernel({ host: "no.example", port: 1 }, { ...options, resolve }),
      TargetError,
    );
    assertEquals(unknown.outcome, "unknown name");
  });

  it("says of no host that it is unknown or unreachable because the relay lacks something, or names cannot be asked for now", async () => {
    const cases = [
      ["EAI_AGAIN", false, "failed"],
      ["EAI_SYSTEM", false, "failed"],
      // Without a file to read or a socket to ask by, the system knows no name at all.
      ["ENOTFOUND", true, "busy"],
      ["EAI_AGAIN", true, "busy"],
      ["ENOTFOUND", false, "unknown name"],
    ] as const;
    for (const [code, short, outcome] of cases) {
      const resolve = (): Promise<never> => Promise.reject(Object.assign(new Error(), { code }));
      const error = await assertRejects(
        () => addressesOf("a.example", resolve, () => short),
        TargetError,
      );
      assertEquals(error.outcome, outcome, `${code} ${short}`);
    }
    assertEquals(
      (await assertRejects(() => addressesOf("a.example", () => Promise.resolve([])), TargetError))
        .outcome,
      "unknown name",
    );
  });

  it("says at the start that the relay's name is not known, and nothing where it is", async () => {
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const unknown = (): Promise<never> =>
      Promise.reject(Object.assign(new Error(), { code: "ENOTFOUND" }));
    await warnUnknown("2001:db8::1", "relay", say, unknown);
    await warnUnknown("relay.example", "relay", say, () => Promise.resolve(["192.0.2.1"]));
    assertEquals(said, []);
    await warnUnknown("relay.example", "relay", say, unknown);
    assertEquals(said, [
      "Careful: no address is known for relay.example (ENOTFOUND). Until there is one, no connection comes about: is --relay right?",
    ]);
  });

  it("tells a relay without files from a host that cannot be reached", async () => {
    // Each is looked up, or connected to, in a process that may open no more files.
    const module = (name: string): string =>
      new URL(`../../../cli/gateway/${name}.ts`, import.meta.url).href;
    const program = `
      import { dialKernel } from "${module("relay_server")}";
      const options = { allowLocal: true, timeout: 5000 };
      const outcomeOf = (host) => dialKernel({ host, port: 9 }, options).then(() => "connected", ({ outcome }) => outcome);
      await outcomeOf("127.0.0.1"); await outcomeOf("localhost");
      const files = [];
      try { for (;;) files.push(Deno.openSync("/dev/null")); } catch { /* No more. */ }
      const said = [await outcomeOf("127.0.0.1"), await outcomeOf("localhost")];
      files.forEach((file) => file.close());
      console.log(said.join());
    `;
    const { stdout, stderr } = await new Deno.Command("prlimit", {
      args: ["--nofile=128", Deno.execPath(), "eval", "--no-lock", program],
    }).output();
    assertEquals(
      new TextDecoder().decode(stdout).trim(),
      "busy,busy",
      `${new TextDecoder().decode(stderr)}`,
    );
  });
});

describe("mptcp relay --kernel", () => {
  it("refuses what would be for nothing on sockets of the kernel", async () => {
    for (
      const [option, value, message] of [
        ["port", "5000", /^--port does not go with --kernel, which names the port/],
        ["via", "tun", /^--via does not go with --kernel: one of them says how packets come/],
        ["udp", "10.0.0.1", /^--udp does not go with --kernel/],
        ["udp-port", "9000", /^--udp-port does not go with --kernel/],
        ["tun", "a=10.0.0.1/24", /^--tun does not go with --kernel/],
        ["pcap", "it.pcapng", /^--pcap shows this stack, and --kernel uses none/],
        ["scheduler", "min_rtt", /^--scheduler does not go with --kernel: the kernel decides/],
        ["cc", "reno", /^--cc does not go with --kernel/],
        ["pm", "passive", /^--pm does not go with --kernel/],
      ] as const
    ) {
      const words = ["--key", "none", "--kernel", "127.0.0.1:1081", `--${option}`, value];
      const given = readArguments(words, RELAY.options);
      const { message: said } = await assertRejects(async () => await RELAY.run(given), UsageError);
      assertMatch(said, message);
    }
  });
});
