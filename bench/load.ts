/** Bulk data for measurements, within one process. */

import type { Rig } from "./rig.ts";

/** Sees every byte, where it is compared and not timed. */
export interface Seen {
  /** The sender's stack has taken these. */
  sent(bytes: Uint8Array): void;
  /** The receiver's has given these. */
  received(bytes: Uint8Array): void;
}

/**
 * Opens the connection of `rig`; the result moves bytes over it, application reads included, and returns when they are read. The bytes are those of one block,
 * `source`, over and over.
 */
export function carry(
  rig: Rig,
  source: Uint8Array = new Uint8Array(1 << 16),
  seen?: Seen,
): (bytes: number) => void {
  const target = new Uint8Array(1 << 18);
  let wanted = 0;
  let written = 0;
  let read = 0;
  const write = (): void => {
    while (written < wanted) {
      const left = wanted - written;
      const piece = left < source.length ? source.subarray(0, left) : source;
      const taken = rig.sender.write(rig.now, piece, 0);
      seen?.sent(piece.subarray(0, taken));
      written += taken;
      if (taken === 0) return;
    }
  };
  rig.connect({
    onWritable: write,
    onReadable(socket) {
      for (let count = 1; count > 0;) {
        count = socket.read(rig.now, target);
        seen?.received(target.subarray(0, count));
        read += count;
      }
    },
  });
  const done = (): boolean => read >= wanted;
  return (bytes) => {
    wanted += bytes;
    write();
    rig.run(done);
  };
}
