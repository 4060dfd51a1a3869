/**
 * Many connections through `mptcp proxy` and `mptcp relay` for a while, with strangers beside: nothing fails, nothing is let through, nothing is left.
 * `SOAK_GATEWAY_CONNECTIONS=500 SOAK_GATEWAY_SECONDS=600` is the long form.
 */

import { assert, assertEquals } from "@std/assert";
import { needs } from "../support/tools.ts";
import { mptcp, PROXY, QUIET, World } from "./support/gateway_world.ts";
import { liveHeap, PROBED } from "./support/heap_probe.ts";
import { Running } from "./support/running.ts";
import { sleep, until } from "./support/wait.ts";

const CONNECTIONS = Number(Deno.env.get("SOAK_GATEWAY_CONNECTIONS") ?? 20);
const SECONDS = Number(Deno.env.get("SOAK_GATEWAY_SECONDS") ?? 3);
/** From here on memory is judged: before, it is still being filled. */
const JUDGED = 60;

/** Bytes that a connection may leave behind for a minute, in TIME-WAIT; and those that code takes which is compiled meanwhile. */
const LEFT = 2500;
const CODE = 12e6;

/** How many files a process has open. */
function files({ pid }: Running): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Open connections of a command, by its control socket. */
async function open(world: World, running: Running, name: string): Promise<number> {
  const socket = `/run/mptcp/${name}-${running.pid}.sock`;
  const { stdout } = await world.home.exec(mptcp("ss", "--control", socket, "--json"));
  const hosts: { connections: unknown[] }[] = [JSON.parse(stdout)].flat();
  return hosts.reduce((sum, { connections }) => sum + connections.length, 0);
}

needs("kernel", "python3").describe("mptcp proxy and mptcp relay, for a while", () => {
  needs("kernel", "python3").it(
    `carry ${CONNECTIONS} connections at once for ${SECONDS} s, beside strangers without the key`,
    async () => {
      await using world = await World.open("200mbit");
      world.flags = PROBED;
      const { home, away, key } = world;
      await home.ip("route add 10.78.1.0/24 via 10.91.1.2");
      const relay = await world.startRelay();
      const proxy = await world.startProxy();
      const server = new Running(away.spawn(["python3", "-c", SERVER, "7000"], QUIET));
      await server.until("ready");
      const both = [proxy, relay] as const;
      const filesBefore = both.map(files);
      const heaps = [await Promise.all(both.map(liveHeap))];

      const words = [PROXY.split(":")[1]!, "10.91.1.2", "7000", `${CONNECTIONS}`, `${SECONDS}`];
      const programs = new Running(home.spawn(["python3", "-c", PROGRAMS, ...words], QUIET));
      const strangers = ([["10.78.1.2", "1081"], ["127.0.0.1", "1080"]] as const).map((
        [address, port],
      ) =>
        new Running(
          home.spawn(
            ["python3", "-c", STRANGERS, address, port, key, `${SECONDS}`],
            QUIET,
          ),
        )
      );
      let over = false;
      const ended = programs.ended().then((code) => {
        over = true;
        return code;
      });
      for (let next = 0; !over; await sleep(250)) {
        if (performance.now() < next) continue;
        next = performance.now() + Math.max(1000, SECONDS * 50);
        heaps.push(await Promise.all(both.map(liveHeap)));
      }
      assertEquals(await ended, 0, programs.said);
      for (const each of strangers) assertEquals(await each.ended(), 0, each.said);

      const { connections, requests, failed } = programs.records[0]! as Record<string, number>;
      const [toRelay = 0, toProxy = 0] = strangers.map(({ said }) => Number(said));
      const unfit = proxy.records.filter(({ outcome, error, target }) =>
        target !== null && (outcome !== "connected" || error !== null)
      );
      assertEquals(failed, 0, `${programs.said}\n${JSON.stringify(unfit.slice(0, 5))}`);
      assert(connections! >= CONNECTIONS && requests! > connections!);
      assert(Math.min(toRelay, toProxy) >= (SECONDS < JUDGED ? 1 : 100), `${toRelay} ${toProxy}`);
      await until(
        "all is told of",
        () =>
          proxy.records.length >= connections! + toProxy &&
          relay.records.length >= connections! + toRelay,
        60,
      );
      for (const [{ records }, hostile] of [[proxy, toProxy], [relay, toRelay]] as const) {
        const count = (wanted: string): number =>
          records.filter(({ outcome, error }) => `${outcome} ${error === null}` === wanted).length;
        assertEquals(count("connected true"), connections);
        assertEquals(records.length - connections!, hostile);
      }

      // Nothing is left of it.
      await until("no connection is open", async () => {
        const left = await Promise.all([open(world, proxy, "proxy"), open(world, relay, "relay")]);
        return left[0] === 0 && left[1] === 0;
      }, 60);
      const last = await Promise.all(both.map(liveHeap));
      for (const [i, each] of both.entries()) {
        assert(files(each) <= filesBefore[i]! + 2, `${filesBefore[i]} files, then ${files(each)}`);
        const live = [...heaps, last].map((each) => each[i]!);
        const text = `${i === 0 ? "proxy" : "relay"}: ${
          live.map((bytes) => (bytes / 1e6).toFixed(1)).join(" ")
        } MB live; ${connections} connections, ${requests} requests, strangers ${toRelay} and ${toProxy}`;
        if (SECONDS >= JUDGED) Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
        const resting = connections! + toProxy + toRelay;
        assert(
          last[i]! <= live[0]! + CODE + LEFT * Math.min(resting, resting * 60 / SECONDS),
          text,
        );
        if (SECONDS < JUDGED) continue;
        const half = live.length >> 1;
        const early = Math.max(...live.slice(0, half));
        const late = Math.max(...live.slice(half));
        assert(late <= 1.2 * early + 5e6, text);
      }
    },
  );
});

/** Answers each line, a number, by so many bytes. */
const SERVER = `
import asyncio, sys
async def serve(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(bytes(i % 251 for i in range(1000)) * int(line))
            await writer.drain()
        writer.close()
    except OSError:
        pass
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]), backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
`;

/** So many connections at once by SOCKS5, each with some requests, and then another one in its place. */
const PROGRAMS = `
import asyncio, json, random, sys, time
PORT, HOST, TARGET, COUNT, SECONDS = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
BLOCK = bytes(i % 251 for i in range(1000))
told = {"connections": 0, "requests": 0, "failed": 0, "errors": []}
async def once():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    name = HOST.encode()
    writer.write(b"\\x05\\x01\\x00")
    assert await reader.readexactly(2) == b"\\x05\\x00"
    writer.write(b"\\x05\\x01\\x00\\x03" + bytes([len(name)]) + name + TARGET.to_bytes(2, "big"))
    answer = await reader.readexactly(10)
    assert answer[1] == 0, answer
    told["connections"] += 1
    for _ in range(random.randint(1, 4)):
        size = random.choice([1, 5, 20])
        writer.write(b"%d\\n" % size)
        assert await reader.readexactly(1000 * size) == BLOCK * size
        told["requests"] += 1
        await asyncio.sleep(random.uniform(0, 4))
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
async def one(end):
    await asyncio.sleep(random.uniform(0, min(SECONDS / 4, 10)))
    while time.monotonic() < end:
        try:
            await once()
        except Exception as error:
            told["failed"] += 1
            told["errors"].append(repr(error))
async def main():
    end = time.monotonic() + SECONDS
    await asyncio.gather(*[one(end) for _ in range(COUNT)])
    told["errors"] = told["errors"][:5]
    print(json.dumps(told), flush=True)
asyncio.run(main())
`;

/**
 * Connects to a relay or a proxy as those do who have no key: with noise, with silence, with a request of another key, with one that was good for another
 * connection, or with half of one; before all that 300 come that stay and say nothing, which is more than a relay has places for. Prints how many there were.
 * What connects to nothing is no answer; an answer that lets it in is an error.
 */
const STRANGERS = `
import base64, hashlib, hmac, os, random, socket, sys, time
HOST, PORT, FILE, SECONDS = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
octets = open(FILE).read().split()[1]
KEY = base64.urlsafe_b64decode(octets + "=" * (-len(octets) % 4))
def request(key, theirs):
    ours, asked = os.urandom(32), (7000).to_bytes(2, "big") + b"10.91.1.2"
    mac = hmac.new(key, b"mptcp relay 1 request\\0" + theirs + ours + asked, hashlib.sha256).digest()
    return ours + len(asked).to_bytes(2, "big") + asked + mac
def greeting(end):
    said = b""
    while len(said) < 40:
        more = end.recv(40 - len(said))
        if not more: raise OSError
        said += more
    return said[8:]
end, recorded = time.monotonic() + SECONDS, b""
silent = [socket.create_connection((HOST, PORT)) for _ in range(300)]
count = len(silent)
while time.monotonic() < end:
    how = random.randrange(5)
    with socket.create_connection((HOST, PORT)) as s:
        count += 1
        s.settimeout(2)
        try:
            if how == 0: s.sendall(os.urandom(random.randint(1, 4000)))
            elif how == 1: pass
            elif PORT == 1081 and how == 2: s.sendall(request(os.urandom(32), greeting(s)))
            elif PORT == 1081 and how == 3:
                theirs = greeting(s)
                if recorded: s.sendall(recorded)
                else: recorded = request(KEY, theirs)
            else: s.sendall(b"\\x05\\x01")
            if how != 1:
                s.shutdown(socket.SHUT_WR)
                while more := s.recv(4096):
                    assert PORT != 1081 or more[0] != 0, more
        except OSError:
            pass
    time.sleep(0.05)
print(count)
`;
