/** Counts the places that the sender's lists look at for each ACK. */

import { MetaSocket } from "../../core/connection/meta_socket.ts";
import { Sender } from "../../core/subflow/sender.ts";

/** What the ACKs of a run cost. */
export interface Steps {
  /** ACKs that a sender took. */
  readonly acks: number;
  /** Places looked at, in the scoreboards and in the send queues. */
  readonly steps: number;
  /** ACKs that cost more than 16, and 2 for each mapping newly acknowledged, SACKed, taken for lost or no longer. */
  readonly dear: number;
  /** By how much the dearest of them did. */
  readonly most: number;
}

/** Payload of the smallest full segment in the scenarios: what was SACKed or lost is so many mappings at least. */
const SEGMENT = 1300;

/** Runs `work` and counts. */
export function countSteps<T>(work: () => T): Steps & { readonly result: T } {
  const { acknowledge } = Sender.prototype;
  const { dataAcknowledged } = MetaSocket.prototype;
  let acks = 0, steps = 0, dear = 0, most = 0;
  Sender.prototype.acknowledge = function (...args) {
    const { board } = this;
    const before = {
      steps: board.steps,
      chunks: board.nextChunk - board.firstChunk,
      lost: board.lost,
    };
    const outcome = acknowledge.apply(this, args);
    const cost = board.steps - before.steps;
    const bytes = this.heard + Math.abs(board.lost - before.lost);
    const due = before.chunks - (board.nextChunk - board.firstChunk) + Math.ceil(bytes / SEGMENT);
    acks++;
    steps += cost;
    if (cost > 16 + 2 * due) dear++;
    most = Math.max(most, cost - 16 - 2 * due);
    return outcome;
  };
  MetaSocket.prototype.dataAcknowledged = function (...args) {
    const before = this.sendQueue.steps;
    dataAcknowledged.apply(this, args);
    steps += this.sendQueue.steps - before;
  };
  try {
    const result = work();
    return { result, acks, steps, dear, most };
  } finally {
    Sender.prototype.acknowledge = acknowledge;
    MetaSocket.prototype.dataAcknowledged = dataAcknowledged;
  }
}
