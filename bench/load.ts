/** Bulk data for measurements, within one process. */

import type { Rig } from "./rig.ts";

/** Opens the connection of `rig`; the result moves bytes over it, application reads included, and returns when they are read. */
export function carry(rig: Rig): (bytes: number) => void {
  const source = new Uint8Array(1 << 16);
  const target = new Uint8Array(1 << 18);
  let wanted = 0;
  let written = 0;
  let read = 0;
  const write = (): void => {
    while (written < wanted) {
      const left = wanted - written;
      const piece = left < source.length ? source.subarray(0, left) : source;
      const taken = rig.sender.write(rig.now, piece, 0);
      written += taken;
      if (taken === 0) return;
    }
  };
  rig.connect({
    onWritable: write,
    onReadable(socket) {
      for (let count = 1; count > 0;) {
        count = socket.read(rig.now, target);
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
