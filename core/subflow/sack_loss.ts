/** Loss detection by what is SACKed above, without a clock: IsLost, SetPipe and NextSeg (RFC 6675). */

import type { Micros } from "../plugin.ts";
import { closeGap, openGap } from "./edges.ts";
import type { Heard } from "./heard.ts";
import type { Piece } from "./pieces.ts";
import { DUP_THRESH, type LossDetection, type Progress } from "./rack.ts";
import type { Recovery } from "./recovery.ts";
import type { Scoreboard } from "./scoreboard.ts";

/**
 * RFC 6675 of one subflow. An octet is lost when DupThresh SACKed runs have arrived above it, or more than two segments' octets: so all below some edge are,
 * and it takes the three highest runs to find that. What is lost stays so until it is acknowledged, also where runs above grow together.
 */
export class SackLoss implements LossDetection {
  readonly timer: Micros = Infinity;
  readonly #board: Scoreboard;
  /** Starts and ends of the highest SACKed runs in turn, the highest first: what others there are lies below the edge. */
  readonly #runs: number[] = [];
  /** IsLost: every octet below it that is not SACKed. */
  #edge = 0;
  /** Up to where the scoreboard was told since recovery began; 0: it has not. */
  #marked = 0;
  /** DupAcks. */
  #duplicates = 0;
  /** The ACK in hand has SACKed something. */
  #fresh = false;
  /** One past HighRxt. */
  #highRxt = 0;
  /** One past RescueRxt. */
  #rescueRxt = 0;
  /** The first segment of a recovery has yet to leave. */
  #owes = false;
  /** What {@linkcode SackLoss.nextSegment} gave is the rescue. */
  #rescues = false;

  /** Of what `board` holds. */
  constructor(board: Scoreboard) {
    this.#board = board;
  }

  /** A segment goes whatever the window (RFC 6675 §5 step 4.3). */
  get owes(): boolean {
    return this.#owes;
  }

  /** Octets that were sent again without being lost: the pipe has them twice (RFC 6675 §4 SetPipe). */
  get doubled(): number {
    const from = Math.max(this.#edge, this.#board.una);
    const to = this.#highRxt;
    if (to <= from) return 0;
    const runs = this.#runs;
    let bytes = to - from;
    for (let i = 0; i < runs.length; i += 2) {
      bytes -= Math.max(0, Math.min(runs[i + 1]!, to) - Math.max(runs[i]!, from));
    }
    return bytes;
  }

  /** Has the scoreboard take in a SACK block (RFC 6675 §4 Update). */
  take(left: number, right: number, now: Micros, heard: Heard): void {
    const { sacked } = this.#board;
    this.#board.sack(left, right, now, heard);
    if (this.#board.sacked === sacked) return;
    this.#fresh = true;
    this.#cover(left, right);
  }

  onAck(
    _heard: Heard,
    progress: Progress,
    recovery: Recovery,
    mss: number,
    _now: Micros,
  ): number {
    const fresh = this.#fresh;
    this.#fresh = false;
    this.#find(mss);
    const { una } = this.#board;
    if (progress === "advanced") this.#duplicates = 0;
    const ends = recovery.kind !== "open" && una >= recovery.until;
    // RFC 6675 §5.1: no recovery begins before all is acknowledged that a timeout found in flight.
    if (recovery.kind !== "open" && !ends) return recovery.kind === "fast" ? this.#lose() : 0;
    if (ends) this.#forget();
    // RFC 6675 §2: a duplicate is what SACKs something.
    if (fresh) this.#duplicates++;
    // What a recovery has found lost beyond its end calls for the next one at once: sent again without, it would call for none.
    if (una < this.#edge ? fresh || ends : fresh && this.#duplicates >= DUP_THRESH) {
      return this.#begin(mss);
    }
    return 0;
  }

  onTimer(): number {
    return 0;
  }

  restart(): void {
    while (this.#runs.length > 0) this.#runs.pop();
    this.#edge = 0;
    this.#forget();
  }

  ended(): void {}

  #forget(): void {
    this.#marked = this.#duplicates = this.#highRxt = 0;
    this.#owes = false;
  }

  /** What was lost, up to `end`, has left again (RFC 6675 §5 step C.2). */
  resent(end: number): void {
    if (end > this.#highRxt) this.#highRxt = end;
    this.#owes = false;
  }

  /**
   * What may go again though it is not known to be lost, a segment of {@linkcode Piece.unit} bytes at most; null: nothing. For when nothing is lost and there is no new data
   * (RFC 6675 §4 NextSeg rules 3 and 4).
   */
  nextSegment(mss: number, whole = mss): Piece | null {
    const board = this.#board;
    this.#rescues = false;
    // Rule 3: below the highest SACKed run, so that it is in a gap above the edge.
    let from = Math.max(this.#highRxt, this.#edge, board.una);
    const runs = this.#runs;
    for (let i = runs.length - 2; i >= 0; i -= 2) {
      if (from < runs[i]!) return board.segmentAt(from, runs[i]!, mss, whole);
      from = Math.max(from, runs[i + 1]!);
    }
    // Rule 4: once a recovery, and not while the first segment may yet be answered.
    if (board.una <= this.#rescueRxt) return null;
    this.#rescues = true;
    return board.lastUnsacked(mss, whole);
  }

  /** That has left, up to `end`, in the recovery up to `until`. */
  left(end: number, until: number): void {
    if (this.#rescues) this.#rescueRxt = until;
    else this.resent(end);
  }

  /** RFC 6675 §5 step 4: the first segment is lost, whatever IsLost says of it. */
  #begin(mss: number): number {
    const { una } = this.#board;
    // It was lost already, and for no congestion: no recovery has begun.
    if (una < this.#marked) return this.#lose();
    const { lost } = this.#board;
    // The recovery before may have found it lost, and not sent it again.
    const first = this.#board.loseHead(mss) || Math.min(lost, mss);
    this.#owes = true;
    this.#highRxt = una;
    this.#marked = this.#rescueRxt = una + first;
    return first + this.#lose();
  }

  /** What lies above HighRxt and is lost by now. */
  #lose(): number {
    const from = Math.max(this.#marked, this.#highRxt, this.#board.una);
    const to = this.#edge;
    if (to <= from) return 0;
    this.#marked = to;
    return this.#board.loseBetween(from, to);
  }

  /** Moves the edge: below a run with more than two segments' octets in it and above. */
  #find(mss: number): void {
    const runs = this.#runs;
    let bytes = 0;
    for (let i = 0; i < runs.length; i += 2) {
      bytes += runs[i + 1]! - runs[i]!;
      if (bytes <= (DUP_THRESH - 1) * mss) continue;
      if (runs[i]! > this.#edge) this.#edge = runs[i]!;
      return;
    }
  }

  /** [left, right) is SACKed: a run by itself, or one with those that it touches. */
  #cover(left: number, right: number): void {
    const runs = this.#runs;
    let start = left;
    let end = right;
    for (let i = 0; i < runs.length;) {
      if (runs[i + 1]! < start || runs[i]! > end) {
        i += 2;
        continue;
      }
      start = Math.min(start, runs[i]!);
      end = Math.max(end, runs[i + 1]!);
      closeGap(runs, i, i + 2);
    }
    let at = 0;
    while (at < runs.length && runs[at]! > start) at += 2;
    openGap(runs, at);
    runs[at] = start;
    runs[at + 1] = end;
    if (runs.length < 2 * DUP_THRESH) return;
    // All below the third run is lost, and what other runs there are.
    const third = runs[2 * DUP_THRESH - 2]!;
    if (third > this.#edge) this.#edge = third;
    if (runs.length > 2 * DUP_THRESH) {
      runs.pop();
      runs.pop();
    }
  }
}
