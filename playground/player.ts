/** The time that is shown, and how it goes on. */

/** Seconds of a run that are shown in a second. */
export const SPEEDS = [0.02, 0.05, 0.1, 0.25, 0.5, 1, 2] as const;

/** Plays, pauses, steps. */
export class Player {
  readonly #draw: (at: number) => void;
  readonly #changed: () => void;
  #at = 0;
  #end = 0;
  #playing = false;
  #speed = 0.25;
  #last = 0;

  /** @param draw Shows a time, in microseconds. @param changed It plays or stands now. */
  constructor(draw: (at: number) => void, changed: () => void) {
    this.#draw = draw;
    this.#changed = changed;
  }

  /** Microseconds. */
  get at(): number {
    return this.#at;
  }

  /** How long there is something to show. */
  get end(): number {
    return this.#end;
  }

  /** Whether time goes on. */
  get playing(): boolean {
    return this.#playing;
  }

  /** Of {@linkcode SPEEDS}. */
  get speed(): number {
    return this.#speed;
  }

  set speed(speed: number) {
    this.#speed = speed;
  }

  /** There is something else to show, which lasts so long. */
  load(end: number): void {
    this.#end = end;
    this.#at = Math.min(this.#at, end);
    this.#draw(this.#at);
  }

  /** Shows a time. */
  seek(at: number): void {
    this.#at = Math.max(0, Math.min(this.#end, at));
    this.#draw(this.#at);
  }

  /** Goes on; from the end, from the beginning. */
  play(): void {
    if (this.#at >= this.#end) this.#at = 0;
    if (this.#playing) return;
    this.#playing = true;
    this.#last = performance.now();
    this.#changed();
    requestAnimationFrame(this.#frame);
  }

  /** Stands still. */
  pause(): void {
    if (!this.#playing) return;
    this.#playing = false;
    this.#changed();
  }

  readonly #frame = (now: number): void => {
    if (!this.#playing) return;
    // A page that was hidden goes on where it was.
    const passed = Math.min(100, Math.max(0, now - this.#last));
    this.#last = now;
    this.seek(this.#at + passed * 1000 * this.#speed);
    if (this.#at >= this.#end) return this.pause();
    requestAnimationFrame(this.#frame);
  };
}
