import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Heard } from "../../../core/subflow/heard.ts";
import type { Piece } from "../../../core/subflow/pieces.ts";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { OUT_0, PAGE, STREAM_HEAD, STREAM_NEXT, USAGE_PAGES } from "../../../wasm/layout.ts";
import {
  f64,
  host_free,
  host_new,
  host_usage,
  stream_append,
  stream_new,
  stream_record,
  stream_release,
  u32,
} from "../../../wasm/mod.ts";
import { type Board, InFlightList } from "../../reference/in_flight_list.ts";
import { Ranges } from "../../reference/ranges.ts";
import * as fc from "../../support/property.ts";

/** One of two scoreboards that go through the same, with a send queue of its own. */
class Side<B extends Board> {
  readonly host = host_new(1, 2);
  readonly stream = stream_new(this.host, 0);
  readonly heard = new Heard();
  readonly board: B;

  constructor(make: (stream: number) => B) {
    this.board = make(this.stream);
    this.board.synSent();
    this.board.synAcked();
  }

  /** Writes `length` bytes, which nobody looks at. */
  write(length: number): void {
    for (let left = length; left > 0;) {
      stream_append(this.stream, Math.min(left, PAGE));
      left -= u32[OUT_0]!;
    }
  }

  get pages(): number {
    return host_usage(this.host, USAGE_PAGES);
  }

  /** What is not acknowledged, as data. */
  get data(): string[] {
    const { board } = this;
    const ranges: string[] = [];
    for (let serial = board.firstChunk; serial < board.nextChunk; serial++) {
      const [from, to] = [board.dataStart(serial), board.dataEnd(serial)];
      if (from < to) ranges.push(`${from}:${to}`);
    }
    return ranges;
  }

  /** All that shows. */
  get figures(): Readonly<Record<string, unknown>> {
    const { board, heard, pages } = this;
    const { una, nxt, sacked, lost, pieces, repeated, empty, inFlight, nextDue, oldestSent } =
      board;
    const { lostAgain, fack } = board;
    const piece = board.nextLost();
    const lostFirst = piece === null ? null : {
      seq: piece.seq,
      end: piece.end,
      data: piece.fin ? -1 : piece.data,
      sends: piece.sends,
      fin: piece.fin,
      mapping: [
        piece.mapping.dsn,
        piece.mapping.ssn,
        piece.mapping.length,
        piece.mapping.checksum,
        piece.mapping.first,
      ],
    };
    const behind = piece === null ? null : board.lostBehind(piece);
    const losses = { next: behind === null ? -1 : behind.seq, flight: board.lossFlight };
    const times = { nextDue, oldestSent };
    const numbers = { una, nxt, sacked, lost, pieces, repeated, empty, inFlight, pages, ...times };
    const oldest = empty ? 0 : board.undelivered(una, una + 1);
    const missing = piece === null ? 0 : this.#undelivered(piece);
    return { ...numbers, lostAgain, fack, ...heard, lostFirst, losses, oldest, missing };
  }

  /** Of what was bound together with `piece`. */
  #undelivered({ mapping: { ssn, length } }: Piece): number {
    return this.board.undelivered(ssn, ssn + Math.max(1, length));
  }

  free(): void {
    stream_release(this.stream, f64[(stream_record(this.stream) >> 3) + STREAM_NEXT]!);
    assertEquals(this.pages, 0);
    host_free(this.host);
  }
}

/** Both sides, and what surrounds them: the clock, the delivery rate, RACK, a receiver. */
class Pair {
  readonly left = new Side((stream) => new Scoreboard(stream));
  readonly right = new Side((stream) => new InFlightList(stream));
  delivered = 0;
  deliveredTime = 0;
  firstSent = 0;
  appLimited = false;
  readonly #segment: number;
  #now = 0;
  #finSent = false;
  /** What the peer has, and how often anything came. */
  readonly #received = new Ranges();
  #arrivals = 0;
  #sentTime = -1;
  #sentEnd = 0;
  #sentRtt = 0;

  constructor(segment: number) {
    this.#segment = segment;
  }

  #both(act: (side: Side<Board>) => unknown): void {
    const [left, right] = [act(this.left), act(this.right)];
    assertEquals(left, right);
    assertEquals(this.left.figures, this.right.figures);
    // What is lent to the next subflow counts nothing any more.
    const { empty, sacked, lost, pieces, repeated } = this.left.board;
    if (empty) assertEquals([sacked, lost, pieces, repeated], [0, 0, 0, 0]);
  }

  wait(time: number): void {
    this.#now += time;
  }

  /** Sends new data, or such as another subflow was given before; the link takes a part of it. */
  send(segments: number, odd: number, part: number, again: number): void {
    if (this.#finSent) return;
    const length = Math.min(65535, Math.max(1, segments * this.#segment - odd));
    const sent = Math.max(1, Math.min(length, Math.ceil(part * length)));
    const record = stream_record(this.left.stream) >> 3;
    const head = f64[record + STREAM_HEAD]!;
    const next = f64[record + STREAM_NEXT]!;
    const dsn = again > 0 && next - head > length
      ? Math.floor(head + (next - head - length) * again)
      : next;
    const ssn = this.left.board.nxt;
    const checksum = ssn % 3 === 0 ? -1 : ssn % 65536;
    const mapping = { dsn, ssn, length, checksum, first: ssn === 1 };
    this.appLimited = odd % 2 === 1;
    this.#both((side) => {
      if (dsn === next) side.write(length);
      side.board.send(mapping, sent, this.#segment, this, this.#now);
    });
  }

  sendFin(): void {
    if (this.#finSent) return;
    this.#finSent = true;
    this.#both((side) => side.board.sendFin(this, this.#now));
  }

  /** An ACK with any blocks. */
  acknowledge(ack: number, edges: readonly number[], echoed = Infinity): void {
    const minRtt = 10;
    this.#both((side) => {
      side.heard.answers(this.#now - echoed);
      side.board.acknowledge(ack, minRtt, this.#now, side.heard);
      for (let i = 0; i < edges.length; i += 2) {
        side.board.sack(edges[i]!, edges[i + 1]!, this.#now, side.heard);
      }
    });
    const { heard } = this.left;
    this.delivered += heard.delivered;
    if (heard.delivered > 0) {
      this.deliveredTime = this.#now;
      this.firstSent = heard.rateSent;
    }
    // As core/subflow/rack.ts would keep it from ACK to ACK.
    const newer = heard.sentTime > this.#sentTime ||
      (heard.sentTime === this.#sentTime && heard.sentEnd > this.#sentEnd);
    if (newer) {
      this.#sentTime = heard.sentTime;
      this.#sentEnd = heard.sentEnd;
      this.#sentRtt = heard.sentRtt;
    }
    const { rackTime, rackEnd, rackRtt } = this.right.board;
    assertEquals([this.#sentTime, this.#sentEnd, this.#sentRtt], [rackTime, rackEnd, rackRtt]);
  }

  /** Some segments arrive, and the peer acknowledges as RFC 2018 §4 has it. */
  arrive(place: number, segments: number): void {
    const { una, nxt } = this.left.board;
    const from = this.#snap(una + Math.floor(place * (nxt - una)));
    const to = Math.min(nxt, from + segments * this.#segment);
    // What of it has come before is told first (RFC 2883 §4).
    const [twice] = this.#received.inside(from, to);
    if (from < to) this.#received.add(from, to, ++this.#arrivals);
    this.#answer(twice === undefined ? [] : [twice.start, twice.end]);
  }

  /** What has come comes once more, from anywhere: below SND.UNA, above it, or on both sides. */
  arriveTwice(place: number, segments: number): void {
    const { nxt } = this.left.board;
    const at = 1 + Math.floor(place * (nxt - 1));
    const range = this.#received.list.find(({ end }) => end > at);
    if (range === undefined) return;
    const from = Math.max(range.start, at);
    this.#answer([from, Math.min(range.end, from + segments * this.#segment)]);
    // Nor does it tell anything new when it comes again.
    const { sacked, lost, inFlight, una } = this.left.board;
    this.acknowledge(una, [from, Math.min(una, from + this.#segment)]);
    const { board, heard } = this.left;
    assertEquals([board.sacked, board.lost, board.inFlight], [sacked, lost, inFlight]);
    assertEquals(heard.delivered, 0);
  }

  /** The peer's ACK: a D-SACK where there is one, and the blocks that changed last. */
  #answer(twice: readonly number[]): void {
    const { una } = this.left.board;
    const whole = this.#received.list.find(({ start, end }) => start <= una && una < end);
    const ack = whole?.end ?? una;
    const blocks = this.#received.list.filter(({ start }) => start > ack)
      .sort((a, b) => b.changed - a.changed).slice(0, 3);
    this.acknowledge(ack, [...twice, ...blocks.flatMap(({ start, end }) => [start, end])]);
  }

  /** A timeout was none. */
  restore(): void {
    this.#both((side) => side.board.restore());
  }

  /** The last segment goes once more. */
  repeatLast(): void {
    const { board } = this.left;
    if (board.empty || board.sacked > 0 || board.lost > 0) return;
    this.#both((side) => {
      const { seq, end } = side.board.lastSegment(this.#segment - 1, this.#segment);
      side.board.repeatAt(seq, this, this.#now);
      return [seq, end];
    });
  }

  /** A segment somewhere goes once more, or the last that is not SACKED. */
  repeatAt(place: number): void {
    const { una, nxt } = this.left.board;
    const from = this.#snap(una + Math.floor(place * (nxt - una)));
    this.#both((side) => {
      const { board } = side;
      const piece = place === 1
        ? board.lastUnsacked(this.#segment - 1, this.#segment)
        : board.segmentAt(from, Infinity, this.#segment - 1, this.#segment);
      if (piece === null) return null;
      const { seq, end } = piece;
      board.repeatAt(seq, this, this.#now);
      return [seq, end];
    });
  }

  /** What lies between two places is lost. */
  loseBetween(a: number, b: number): void {
    const { una, nxt } = this.left.board;
    const [from, to] = [a, b].map((at) => this.#snap(una + Math.floor(at * (nxt - una))));
    this.#both((side) => side.board.loseBetween(from!, to!));
  }

  /** An ACK and blocks as no honest peer sends them; offsets as shares of what is in flight. */
  lie(acked: number, blocks: readonly (readonly [number, number, boolean])[]): void {
    const { una, nxt } = this.left.board;
    const span = nxt - una;
    const edges = blocks.flatMap(([at, length, snap]) => {
      const edge = una + Math.floor((at * 1.2 - 0.1) * span);
      const from = snap ? this.#snap(edge) : edge;
      return [from, from + Math.floor(length * span) - 1];
    });
    this.acknowledge(una + Math.floor(acked * span), edges, acked > 0.2 ? 20 : Infinity);
  }

  /** Many ACKs with blocks of a byte or two, far apart. */
  flood(count: number, stride: number): void {
    const { una, nxt } = this.left.board;
    const edges: number[] = [];
    for (let i = 0; i < count; i++) {
      const at = una + 1 + (i * stride) % Math.max(1, nxt - una);
      edges.push(at, at + 1 + i % 2);
    }
    this.acknowledge(una, edges);
  }

  lose(window: number): void {
    const { board } = this.left;
    if (board.sacked === 0 && board.repeated === 0) return;
    this.#both((side) =>
      side.board.loseSentBefore(
        this.#sentTime,
        this.#sentEnd,
        this.#sentRtt,
        window,
        this.#now,
      )
    );
  }

  loseHead(): void {
    this.#both((side) => side.board.loseHead(this.#segment));
  }

  timeout(): void {
    this.#both((side) => side.board.loseAll());
  }

  /** The peer throws away all that it reported by SACK. */
  renege(): void {
    this.#received.remove(this.left.board.una, Infinity);
    const { una, nxt } = this.left.board;
    if (nxt > una + 1) this.acknowledge(una, [una, una + 1 + ((nxt - una) >> 1)]);
    this.timeout();
  }

  /** Sends pieces again, of the last one only a part, `offered` and then what the link takes. */
  resend(count: number, offered: number, taken: number): void {
    for (let i = 1; i <= count; i++) {
      const piece = this.left.board.nextLost();
      if (piece === null) return;
      const length = piece.end - piece.seq;
      const share = i === count ? offered : 1;
      const bytes = Math.max(1, Math.ceil(share * length));
      const sent = Math.ceil((i === count ? taken : 1) * bytes);
      this.#both((side) => {
        if (bytes < length) side.board.cut(bytes);
        if (sent > 0) side.board.resent(sent, this, this.#now);
      });
    }
  }

  /** The connection's peer has the first of the data. */
  release(share: number): void {
    const record = stream_record(this.left.stream) >> 3;
    const head = f64[record + STREAM_HEAD]!;
    const to = Math.floor(head + share * (f64[record + STREAM_NEXT]! - head));
    this.#both((side) => stream_release(side.stream, to));
  }

  clear(): void {
    this.#both((side) => side.board.clear());
    const { nxt } = this.left.board;
    this.acknowledge(nxt, []);
  }

  data(): void {
    assertEquals(this.left.data, this.right.data);
  }

  /** Goes through all pieces that are left, then gives everything back. */
  end(): void {
    this.data();
    this.timeout();
    this.#now += 100;
    while (this.left.board.nextLost() !== null) this.resend(1, 1, 1);
    this.lose(0);
    const { una, nxt } = this.left.board;
    this.acknowledge((una + nxt) >> 1, [(una + nxt + nxt) >> 2, nxt]);
    this.lose(0);
    this.clear();
    this.left.free();
    this.right.free();
  }

  /** The segment border at or before an offset. */
  #snap(offset: number): number {
    const { una } = this.left.board;
    return Math.max(una, offset - (offset - 1) % this.#segment);
  }
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
/** 1 as a rule. */
const mostlyAll = fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, share);
const block = fc.tuple(
  fc.oneof({ weight: 3, arbitrary: share }, fc.constant(1 / 12)),
  share,
  fc.boolean(),
);

const operation = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      segments: fc.integer({ min: 1, max: 45 }),
      odd: fc.oneof(fc.constant(0), fc.nat(90)),
      part: mostlyAll,
      again: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, share),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      place: fc.oneof(fc.constant(0), share),
      segments: fc.integer({ min: 1, max: 60 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("arriveTwice" as const),
      place: share,
      segments: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), time: fc.nat(60) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("lie" as const),
      acked: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.4, noNaN: true })),
      blocks: fc.array(block, { maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("flood" as const),
      count: fc.integer({ min: 1, max: 300 }),
      stride: fc.integer({ min: 2, max: 3000 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("lose" as const),
      window: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 }).map((x) => x / 4)),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("resend" as const),
      count: fc.integer({ min: 1, max: 12 }),
      offered: mostlyAll,
      taken: mostlyAll,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("loseHead" as const, "timeout" as const) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom("restore" as const, "repeatLast" as const) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("repeatAt" as const),
      place: fc.oneof(share, fc.constant(1)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("loseBetween" as const), from: share, to: share }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("renege" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), share }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("sendFin" as const, "data" as const) }),
  },
);

describe("scoreboard", () => {
  it("agrees in everything with a list that is walked from its head", () => {
    const segment = fc.constantFrom(97, 1024, 1460);
    fc.assert(
      fc.property(
        segment,
        fc.array(operation, { maxLength: 120, size: "max" }),
        (size, operations) => {
          const pair = new Pair(size);
          for (const each of operations) {
            switch (each.kind) {
              case "send":
                pair.send(each.segments, each.odd, each.part, each.again);
                break;
              case "arrive":
                pair.arrive(each.place, each.segments);
                break;
              case "arriveTwice":
                pair.arriveTwice(each.place, each.segments);
                break;
              case "repeatAt":
                pair.repeatAt(each.place);
                break;
              case "loseBetween":
                pair.loseBetween(each.from, each.to);
                break;
              case "wait":
                pair.wait(each.time);
                break;
              case "lie":
                pair.lie(each.acked, each.blocks);
                break;
              case "flood":
                pair.flood(each.count, each.stride);
                break;
              case "lose":
                pair.lose(each.window);
                break;
              case "resend":
                pair.resend(each.count, each.offered, each.taken);
                break;
              case "release":
                pair.release(each.share);
                break;
              default:
                pair[each.kind]();
            }
          }
          pair.end();
        },
      ),
      { numRuns: 1000 },
    );
  });
});
