/**
 * Flows between stacks without an emulated network: packets wait in two rows, one each way, and come one a turn, or some. What is left is what stacks
 * cost where packets come like that.
 */

import { reno } from "../cc/mod.ts";
import { DEFAULT_MPTCP } from "../core/connection/settings.ts";
import { seededRandom } from "../core/host/random.ts";
import type { Link } from "../core/host/link.ts";
import { Stack } from "../core/host/stack.ts";
import { copyPacket, freePacket, type Packet } from "../core/link/sim/elements/packet.ts";
import type { Micros } from "../core/plugin.ts";
import { DEFAULT_SETTINGS, fixedBuffer, type TcpSettings } from "../core/subflow/settings.ts";
import type { PacketOut } from "../core/wire/packet.ts";
import { fullMesh } from "../pm/mod.ts";
import { minRtt } from "../sched/mod.ts";

/** One way, as that of the dumbbell. */
const DELAY: Micros = 22e3;
/** Bytes a microsecond of all data together. */
const SPEED = 12.5;
/** What each flow has in flight, at most: no more than the path holds, so that nothing is lost. */
const WINDOW = 120e3;

/** A packet on its way. */
interface Flight {
  readonly packet: Packet;
  readonly to: Wire;
}

/** Those that go one way, in order. */
class Row {
  #flights: Flight[] = [];
  #next = 0;

  get first(): Flight | undefined {
    return this.#flights[this.#next];
  }

  add(flight: Flight): void {
    this.#flights.push(flight);
  }

  take(): void {
    if (++this.#next < 4096) return;
    this.#flights = this.#flights.slice(this.#next);
    this.#next = 0;
  }
}

/** A stack's end of a flow. */
class Wire implements Link {
  readonly name = "wire";
  readonly mtu = 1500;
  readonly maxSegments = 1;
  readonly rxVerified = true;
  readonly txChecksum = "none";
  readonly stack: Stack;
  /** The nearest deadline of the stack, as it was last asked for. */
  due: Micros = Infinity;
  readonly #leaves: (packet: Packet, to: Wire) => void;
  #other: Wire | null = null;

  constructor(stack: Stack, leaves: (packet: Packet, to: Wire) => void) {
    this.stack = stack;
    this.#leaves = leaves;
  }

  join(other: Wire): void {
    this.#other = other;
    other.#other = this;
  }

  send(sent: Readonly<PacketOut>): boolean {
    const packet = copyPacket(sent)!;
    packet.verified = packet.partial = true;
    this.#leaves(packet, this.#other!);
    return true;
  }

  attach(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const SOURCE = new Uint8Array(65536);
const TARGET = new Uint8Array(262144);

/** Flows that never end, at 100 Mbit/s together. */
export class BareStacks {
  readonly #data = new Row();
  readonly #answers = new Row();
  readonly #wires: Wire[] = [];
  readonly #atOnce: number;
  #now: Micros = 0;
  /** When the last packet of data has left. */
  #free: Micros = 0;

  /** So many flows; up to `atOnce` packets of a flow come in one turn where they follow each other. */
  constructor(flows: number, atOnce: number) {
    this.#atOnce = atOnce;
    for (let i = 0; i < flows; i++) this.#open(i);
  }

  #stack(seed: number, tcp: Partial<TcpSettings>): Stack {
    const policies = { scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() };
    return new Stack({
      random: seededRandom(seed),
      policies,
      fallbacks: policies,
      mptcp: { ...DEFAULT_MPTCP, enabled: false },
      tcp: { ...DEFAULT_SETTINGS, ...tcp },
    });
  }

  #open(flow: number): void {
    const left = new Wire(this.#stack(2 * flow, {}), (packet, to) => {
      this.#free = Math.max(this.#free, this.#now) + packet.length / SPEED;
      packet.at = this.#free + DELAY;
      this.#data.add({ packet, to });
    });
    const receiver = this.#stack(2 * flow + 1, { receiveBuffer: fixedBuffer(WINDOW) });
    const right = new Wire(receiver, (packet, to) => {
      packet.at = this.#now + DELAY;
      this.#answers.add({ packet, to });
    });
    left.join(right);
    this.#wires.push(left, right);
    left.stack.addLink(0, left, ["10.0.0.1/24"]);
    right.stack.addLink(0, right, ["10.0.0.2/24"]);
    const nothing = (): void => {};
    const listener = right.stack.listen(this.#now, {
      port: 80,
      observer: {
        onConnection: () => {
          const socket = listener.accept()!;
          socket.observe({
            onEstablished: nothing,
            onReadable: () => {
              while (socket.read(this.#now, TARGET) === TARGET.length);
            },
            onWritable: nothing,
            onClosed: nothing,
          });
        },
      },
    });
    const write = (): void => {
      while (socket.write(this.#now, SOURCE, 0) === SOURCE.length);
    };
    const socket = left.stack.connect(this.#now, {
      remote: { address: "10.0.0.2", port: 80 },
      observer: {
        onEstablished: write,
        onReadable: nothing,
        onWritable: write,
        onClosed: nothing,
      },
    });
  }

  /** Lets so many packets of data come, and what belongs to them. */
  run(packets: number): void {
    for (let come = 0; come < packets;) {
      const data = this.#data.first;
      const answer = this.#answers.first;
      let next = Math.min(data?.packet.at ?? Infinity, answer?.packet.at ?? Infinity);
      let late: Wire | null = null;
      for (let i = 0; i < this.#wires.length; i++) {
        const wire = this.#wires[i]!;
        if (wire.due < next) {
          next = wire.due;
          late = wire;
        }
      }
      if (late !== null) {
        this.#now = Math.max(this.#now, next);
        late.stack.handleTimeout(this.#now);
        this.#flush(late);
      } else if (data !== undefined && data.packet.at === next) come += this.#deliver(this.#data);
      else this.#deliver(this.#answers);
    }
  }

  /** One turn; gives how many have come. */
  #deliver(row: Row): number {
    const { to } = row.first!;
    let come = 0;
    for (
      let flight = row.first;
      flight !== undefined && flight.to === to && come < this.#atOnce;
      flight = row.first
    ) {
      row.take();
      this.#now = flight.packet.at;
      to.stack.handlePacket(this.#now, to, flight.packet);
      freePacket(flight.packet);
      come++;
    }
    this.#flush(to);
    return come;
  }

  #flush(wire: Wire): void {
    wire.stack.flush(this.#now);
    wire.due = wire.stack.pollTimeout();
  }
}
