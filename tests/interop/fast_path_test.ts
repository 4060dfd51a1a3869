/** The transfers that benchmarks time, compared by their sums: what makes them fast corrupts nothing, whatever goes on meanwhile. */

import "../support/growing_memory.ts";
import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { type Link, MptcpConn } from "../../mod.ts";
import { passive } from "../../pm/mod.ts";
import { memory_reserve, packet_settle, u8 } from "../../wasm/mod.ts";
import { needs } from "../support/tools.ts";
import { type Meeting, Stand } from "./support/stand.ts";
import { sleep } from "./support/wait.ts";

const SIZE = 32 << 20;

/** Calls `before` for each packet that a device hands to the stack, with the address of its headers. */
function watched(link: Link, before: (address: number) => void): Link {
  const attach = link.attach.bind(link);
  link.attach = (driver) =>
    attach({
      get now() {
        return driver.now;
      },
      get takesLanded() {
        return driver.takesLanded === true;
      },
      get enough() {
        return driver.enough === true;
      },
      receive: (from, packet) => {
        before(packet.address);
        driver.receive(from, packet);
      },
      writable: (from) => driver.writable(from),
      at: (time, callback) => driver.at(time, callback),
      timer: (callback) => driver.timer(callback),
      random: (name) => driver.random(name),
    });
  return link;
}

/** Bytes behind the longest headers, which change when payload is brought there. */
function behind(address: number): string {
  return u8.subarray(address + 120, address + 136).join();
}

/** What goes on meanwhile; the result is looked at afterwards. */
interface Beside {
  /** For each packet, by the address of its headers. */
  readonly packet?: (address: number) => void;
  /** For each read. */
  readonly received?: (bytes: number, stand: Stand) => void | Promise<void>;
  /** Together with the transfer. */
  readonly together?: (stand: Stand) => Promise<void>;
  /** Afterwards: whether it went on. */
  readonly check?: () => void;
}

/** Does `work` for each of the first `most` steps of `bytes`. */
function each(
  bytes: number,
  most: number,
  work: (step: number, stand: Stand) => void | Promise<void>,
): Required<Pick<Beside, "received" | "check">> {
  let step = 0;
  return {
    received(received, stand) {
      return step < most && received >= step * bytes ? work(step++, stand) : undefined;
    },
    check: () => assert(step >= 2, `it went on ${step} times`),
  };
}

const BESIDE: Readonly<Record<string, () => Beside>> = {
  "and nothing beside": () => ({}),
  "while memory grows in the middle of batches": () => {
    let times = 0;
    return {
      packet: () => {
        if (times++ % 10 === 0 && times < 400) assertEquals(memory_reserve(65536), 1);
      },
      check: () => assert(times > 100, `${times}`),
    };
  },
  "to a reader that pauses": () => each(4 << 20, 5, () => sleep(50)),
  "while the MTU of the devices changes": () =>
    each(SIZE / 8, 6, async (step, { lab }) => {
      const mtu = step % 2 === 0 ? 1300 : 1500;
      await lab.ip(`link set mptcp0 mtu ${mtu}`, `link set mptcp1 mtu ${mtu}`);
    }),
  "where two of three guesses of its headers' length are overruled": () => {
    let packets = 0;
    let overruled = 0;
    return {
      packet: (address) => {
        if (packets++ % 3 === 0) return;
        const before = behind(address);
        packet_settle();
        if (behind(address) !== before) overruled++;
      },
      check: () => assert(overruled > 0, `none of ${packets} packets had landed`),
    };
  },
  "beside a connection whose headers have another length": () => ({
    async together(stand) {
      await using other = await stand.meet("client", "both", { family: 6, tcp: true, size: SIZE });
      assert(other.conn instanceof MptcpConn);
      await other.exchange(SIZE, { lent: true });
      assert(other.conn.info().fallback !== null);
    },
  }),
};

async function joined({ conn }: Meeting): Promise<void> {
  while (conn.info().subflows.length < 2) await sleep(10);
}

needs("kernel", "python3").describe("32 MB each way with the kernel", () => {
  for (const [beside, make] of Object.entries(BESIDE)) {
    for (const subflows of [1, 2]) {
      for (const lent of [false, true]) {
        const calls = lent ? "fill() and drain()" : "write() and read()";
        it(`by ${calls}, ${subflows} subflow${subflows > 1 ? "s" : ""}, ${beside}`, async () => {
          const { packet, received, together, check } = make();
          await using stand = await Stand.open({
            lab: { endpoints: "none" },
            ...(packet && { interfaces: { wrap: (link: Link) => watched(link, packet) } }),
            host: subflows > 1 ? {} : { pathManager: passive() },
          });
          await using meeting = await stand.meet("client", "both", { size: SIZE });
          await Promise.all([
            meeting.exchange(SIZE, { lent, received: (bytes) => received?.(bytes, stand) }),
            together?.(stand),
            subflows > 1 && joined(meeting),
          ]);
          check?.();
        });
      }
    }
  }
});
