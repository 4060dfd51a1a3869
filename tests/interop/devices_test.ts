import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { makeNamespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { mptcp, QUIET, SERVER, World } from "./support/gateway_world.ts";
import { Running } from "./support/running.ts";
import { type Role, Stand } from "./support/stand.ts";
import { sleep, until } from "./support/wait.ts";

/** A stand of two paths, and the names of the devices that its host was told are gone. */
async function losing(): Promise<{ stand: Stand; told: string[] } & AsyncDisposable> {
  const told: string[] = [];
  const stand = await Stand.open({
    lab: { rates: ["50 Mbit/s"] },
    interfaces: { family: 4 },
    host: { onLinkGone: (link) => told.push(link) },
  });
  return { stand, told, [Symbol.asyncDispose]: () => stand.close() };
}

function remove({ lab }: Stand, index: number): Promise<unknown> {
  return lab.exec(["ip", "link", "del", lab.path(index).device]);
}

needs("kernel", "python3").describe("a device that is deleted", () => {
  for (const role of ["client", "server"] satisfies Role[]) {
    it(`leaves the connection to the other one, as ${role}; its host and the peer are told`, async () => {
      await using losses = await losing();
      const { stand, told } = losses;
      const size = 12 << 20;
      await using meeting = await stand.meet(role, "both", { size });
      const { conn } = meeting;
      const addresses = (): string[] =>
        [...new Set(conn.info().subflows.map(({ local }) => local.address))].sort();
      let deleted = false;
      await meeting.exchange(size, {
        async received(bytes) {
          if (deleted || bytes < size / 8 || addresses().length < 2) return;
          deleted = true;
          await remove(stand, 1);
          await until("its paths are gone", () => addresses().join() === "10.77.1.2");
        },
      });
      assert(deleted);
      assertEquals(told, [stand.lab.path(1).device]);
      assertEquals((await stand.lab.nstat()).RmAddr, 1);
    });

    it(`ends, as the last one, what is open and what waits, as ${role}`, async () => {
      await using losses = await losing();
      const { stand, told } = losses;
      const { host } = stand;
      await using meeting = await stand.meet(role, "sink");
      const listener = host.listen({ port: 0 });
      const waiting = [
        meeting.conn.read(new Uint8Array(1)),
        meeting.send(64 << 20),
        listener.accept(),
        (async () => {
          for await (const _ of listener);
        })(),
        host.connect({ hostname: "10.77.99.1", port: 1 }),
      ];
      const ended = waiting.map((each) =>
        assertRejects(
          () => each,
          Deno.errors.NetworkUnreachable,
          "the devices of this host are gone",
        )
      );
      await sleep(50);
      await remove(stand, 0);
      await remove(stand, 1);
      await Promise.all(ended);
      assertEquals(told.sort(), [0, 1].map((index) => stand.lab.path(index).device));
      for (
        const late of [
          () => host.connect({ hostname: "10.77.1.1", port: 1 }),
          () => listener.accept(),
          () => Promise.try(() => host.listen({ port: 0 })),
          () => meeting.conn.write(new Uint8Array(1)),
        ]
      ) {
        await assertRejects(
          late,
          Deno.errors.NetworkUnreachable,
          "the devices of this host are gone",
        );
      }
      listener.close();
      assertEquals([...host.info()], []);
    });
  }

  it("is noticed, too, while nothing keeps the program running", async () => {
    await using losses = await losing();
    const { stand, told } = losses;
    await using meeting = await stand.meet("client", "echo");
    await meeting.greet();
    meeting.conn.unref();
    await remove(stand, 1);
    await remove(stand, 0);
    await until("both are gone", () => told.length === 2);
  });
});

describe("a device that is taken down and up again", () => {
  for (const role of ["client", "server"] satisfies Role[]) {
    needs("kernel", "python3").it(`is as one whose wire was cut, as ${role}`, async () => {
      await using losses = await losing();
      const { stand, told } = losses;
      const size = 6 << 20;
      await using meeting = await stand.meet(role, "both", { size });
      let down = false;
      await meeting.exchange(size, {
        async received(bytes) {
          if (down || bytes < size / 4) return;
          down = true;
          for (const index of [0, 1]) await stand.lab.setUp(index, false);
          await sleep(300);
          for (const index of [0, 1]) await stand.lab.setUp(index, true);
        },
      });
      assert(down);
      assertEquals(told, []);
    });
  }
});

const commands = needs("kernel", "python3", "curl");

commands.describe("a device that is deleted, of a command", () => {
  commands.it("is named; with the last one the command ends with an error", async () => {
    await using world = await World.open();
    const relay = await world.startRelay();
    const proxy = await world.startProxy();
    await world.home.ip("link del mptcp1");
    await proxy.until("Device mptcp1 is gone");
    await world.curl("-o", "/dev/null", `${SERVER}/1MB`);
    await world.home.ip("link del mptcp0");
    await world.away.ip("link del mptcp0");
    assertEquals([await proxy.ended(), await relay.ended()], [1, 1]);
    for (const { said } of [proxy, relay]) {
      assertMatch(said, /Device mptcp0 is gone/);
      assertMatch(said, /No device is left .*: start the command again/);
    }
    // Of an address that leads nowhere nothing comes back.
    for (const words of [["serve", "."], ["get", "http://192.0.2.1/", "-o", "/dev/null"]]) {
      await using namespace = await makeNamespace();
      const command = new Running(namespace.spawn(mptcp(...words), QUIET));
      await command.until(words[0] === "serve" ? "Ctrl-C ends" : "Waiting for");
      for (const device of ["mptcp0", "mptcp1"]) await namespace.ip(`link del ${device}`);
      assertEquals(await command.ended(), 1);
      assertMatch(command.said, /Device mptcp0 is gone/);
      assertMatch(command.said, /No device is left .*: start the command again/);
      assert(!command.said.includes("open another host"), command.said);
    }
  });
});
