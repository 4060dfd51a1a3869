/** Files that are written piece by piece, with few calls of the system and little memory. */

/** Bytes that are kept before they are written. */
const CHUNK = 1 << 16;

/** A file that grows at its end. */
export class ChunkedFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();
  readonly #failed: (error: Error) => void;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #broken = false;

  /**
   * Makes it, or empties it.
   *
   * @param failed Told once when nothing more can be written, on a full disk for one; without it that is thrown.
   * @param mode Who may do what with a file that is made; what is there already stays as its owner has it.
   */
  constructor(path: string, failed?: (error: Error) => void, mode = 0o666) {
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true, mode });
    this.#failed = failed ?? ((error) => {
      throw error;
    });
  }

  /** Adds a piece, which is kept as it is until it is written. */
  write(piece: Uint8Array | string): void {
    if (this.#broken) return;
    const bytes = typeof piece === "string" ? this.#encoder.encode(piece) : piece;
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= CHUNK) this.flush();
  }

  /** Writes what is kept. */
  flush(): void {
    let all = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#length = 0;
    try {
      while (all.length > 0) all = all.subarray(this.#file.writeSync(all));
    } catch (error) {
      this.#broken = true;
      this.#failed(error as Error);
    }
  }

  [Symbol.dispose](): void {
    this.flush();
    this.#file.close();
  }
}
