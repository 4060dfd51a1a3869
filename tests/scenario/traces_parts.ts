/** What the scenarios of traces_scenarios.ts are made of besides transfers: elements of paths, a scheduler, applications. */

import type { NetworkCode } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { Link } from "../../core/host/link.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { freePacket, type Packet } from "../../core/link/sim/elements/packet.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import type { Topology } from "../support/topology.ts";

/** Holds a share of the packets back for up to 8 ms, so that later ones overtake them. */
export function reordering(share: number): ElementFactory {
  return {
    name: "reordering",
    create(context, output) {
      const held = new Set<Packet>();
      return {
        push(packet) {
          if (context.random() >= share) {
            output(packet);
            return;
          }
          held.add(packet);
          context.at(context.now + 8e3 * context.random(), () => {
            if (held.delete(packet)) output(packet);
          });
        },
        clear() {
          for (const packet of held) freePacket(packet);
          held.clear();
        },
      };
    },
  };
}

/** Adds up to `micros` to the delay of each packet and keeps their order. */
export function jitter(micros: number): ElementFactory {
  return {
    name: "jitter",
    create(context, output) {
      const held = new Set<Packet>();
      let last = 0;
      return {
        push(packet) {
          last = Math.max(last, context.now + micros * context.random());
          held.add(packet);
          context.at(last, () => {
            if (held.delete(packet)) output(packet);
          });
        },
        clear() {
          for (const packet of held) freePacket(packet);
          held.clear();
        },
      };
    },
  };
}

/** Waits for the path with the shortest round trip, unless another has room and it has had none for 5 ms. */
export const patient: SchedulerPlugin = {
  kind: "scheduler",
  name: "patient",
  quantum: 3 * 1428,
  create(connection) {
    let since = -1;
    return {
      pick(ready) {
        const best = connection.subflows.reduce((a, b) => b.srtt < a.srtt ? b : a);
        if (ready.includes(best)) {
          since = -1;
          return best;
        }
        if (since < 0) since = connection.now;
        if (connection.now >= since + 5e3) return ready[0] ?? null;
        connection.wake(since + 5e3);
        return null;
      },
    };
  },
};

/** The client's link of a path as its stack knows it; without a name, the server's only link. */
export function endOf(t: Topology, path?: string): Link {
  const over = t.udp.find(({ link }) => link.name === (path ?? "server"));
  if (over !== undefined) return over.link;
  const { end } = path === undefined ? t.inner.backward : t.paths[path]!.backward;
  if (end === null) throw new Error("The link does not begin at a host");
  return end;
}

/** Makes the nth path in use of an end a backup or not (MP_PRIO). */
export function setBackup(t: Topology, socket: MetaSocket, nth: number, backup: boolean): void {
  const { context } = socket.paths;
  const path = context.paths[nth];
  if (path !== undefined) context.setBackup(path.path, backup);
  for (const stack of [t.client, t.server]) stack.flush(t.now);
}

/** Requests of `request` bytes, each sent when the answer of `answer` bytes to the one before has come; then the client ends its direction. */
export function exchange(
  t: Topology,
  port: number,
  rounds: number,
  request: number,
  answer: number,
): { client: boolean; server: boolean } {
  const ended = { client: false, server: false };
  const take = new Uint8Array(65536);
  const serve = (socket: MetaSocket): void => {
    let got = 0;
    const read = (): void => {
      for (let count = 1; count > 0;) {
        count = socket.read(t.now, take);
        got += count;
      }
      for (; got >= request; got -= request) {
        // In two pieces, as a header and a body.
        socket.write(t.now, take.subarray(0, 40), 0);
        socket.write(t.now, take.subarray(40, answer), 0);
      }
      if (socket.atEnd) socket.finish(t.now);
    };
    socket.observe({
      onEstablished() {},
      onReadable: read,
      onWritable() {},
      onClosed() {
        ended.server = true;
        socket.close(t.now);
      },
    });
    read();
  };
  const listener = t.server.listen(t.now, {
    port,
    observer: {
      onConnection() {
        for (let socket = listener.accept(); socket !== null; socket = listener.accept()) {
          serve(socket);
        }
      },
    },
  });
  let left = rounds;
  let got = 0;
  const ask = (): void => {
    if (left-- > 0) socket.write(t.now, take.subarray(0, request), 0);
    else socket.finish(t.now);
  };
  const socket = t.client.connect(t.now, {
    remote: { address: "10.0.0.1", port },
    observer: {
      onEstablished: ask,
      onReadable() {
        for (let count = 1; count > 0;) {
          count = socket.read(t.now, take);
          got += count;
        }
        if (got >= answer) {
          got -= answer;
          ask();
        }
      },
      onWritable() {},
      onClosed() {
        ended.client = true;
        socket.close(t.now);
      },
    },
  });
  return ended;
}

/** Connects to a port; tells with which code it came to an end, undefined before. */
export function dial(t: Topology, port: number): () => NetworkCode | null | undefined {
  let end: NetworkCode | null | undefined;
  const socket = t.client.connect(t.now, {
    remote: { address: "10.0.0.1", port },
    observer: {
      onEstablished() {},
      onReadable() {},
      onWritable() {},
      onClosed(code) {
        end = code;
        socket.close(t.now);
      },
    },
  });
  t.wake();
  return () => end;
}
