/** Draws packets on their paths at one time: a lane for each path, the phone on the left, the server on the right. */

import { colour, element, pathColour } from "./dom.ts";
import type { Packets } from "./recording.ts";
import { FATES, KINDS } from "./recording.ts";
import { isCut, type Settings } from "./settings.ts";

const LANE = 62;
const NAMES = 74;
const QUEUE = 64;
const NO_DATA = KINDS.indexOf("no data");
const AGAIN = KINDS.indexOf("data sent again");
const LOST = FATES.indexOf("lost");
/** Share of a second of the visitor's that a lost packet is seen. */
const FADE = 0.6;

/** What it draws. */
export interface Scene {
  readonly packets: Packets;
  readonly settings: Settings;
}

/** Index of the first that was sent after `at`. */
function after({ sent, count }: Packets, at: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sent[middle]! <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The lanes of one network. */
export class Lanes {
  /** What is put on the page. */
  readonly canvas = element("canvas");
  #scene: Scene | null = null;
  /** The longest that a packet is under way. */
  #longest = 0;

  /** @param name Whose network it is. */
  constructor(name: string) {
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `Packets on the paths: ${name}`);
  }

  /** What is to be drawn from now on; null: nothing. */
  show(scene: Scene | null): void {
    this.#scene = scene;
    this.#longest = 0;
    if (scene === null) return;
    const { packets: { count, sent, over } } = scene;
    for (let i = 0; i < count; i++) {
      const time = over[i]! - sent[i]!;
      if (time < Infinity && time > this.#longest) this.#longest = time;
    }
    this.canvas.style.height = `${scene.settings.paths.length * LANE}px`;
  }

  /** Draws a time; `speed`: seconds of it that are shown in one. */
  draw(at: number, speed: number): void {
    const { canvas } = this;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const scale = devicePixelRatio || 1;
    if (
      canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)
    ) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const context = canvas.getContext("2d")!;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const scene = this.#scene;
    if (scene === null) return;
    const { packets, settings } = scene;
    const { paths } = settings;
    const waiting = new Uint32Array(paths.length);
    const left = NAMES, right = width - QUEUE - 10;
    const fade = FADE * 1e6 * speed;
    const [text, soft, trouble, line] = ["text", "soft", "trouble", "line"].map(colour);
    for (const [i, { name }] of paths.entries()) {
      const top = i * LANE;
      context.fillStyle = line!;
      context.fillRect(left, top + LANE - 1, width - left, 1);
      context.fillStyle = text!;
      context.font = "600 13px system-ui, sans-serif";
      context.fillText(name, 0, top + 22);
      context.font = "12px system-ui, sans-serif";
      context.fillStyle = soft!;
      const { rate, delay } = paths[i]!;
      context.fillText(`${rate} Mb/s`, 0, top + 38);
      context.fillText(`${delay} ms`, 0, top + 53);
    }
    const first = after(packets, at - Math.max(this.#longest, fade) - fade);
    const last = after(packets, at);
    const { sent, over, link, down, fate, kind } = packets;
    const colours = paths.map((_, i) => pathColour(i));
    for (let i = first; i < last; i++) {
      const lane = link[i]!;
      const path = paths[lane];
      if (path === undefined) continue;
      const delay = path.delay * 1000;
      const lost = fate[i] === LOST;
      const end = over[i]!;
      if (at > end + (lost ? fade : 0)) continue;
      const flies = end === Infinity ? sent[i]! : lost ? end : end - delay;
      const data = kind[i] !== NO_DATA;
      const top = lane * LANE;
      if (lost) {
        // It falls out of the lane, where it was.
        if (at < end) {
          if (down[i] === 1) waiting[lane]!++;
          continue;
        }
        const way = (at - end) / fade;
        const place = down[i] === 1 ? right : left;
        context.globalAlpha = 1 - way;
        context.fillStyle = trouble!;
        context.fillRect(place - 2, top + 14 + way * 40, 6, 6);
        context.globalAlpha = 1;
        continue;
      }
      if (at < flies) {
        if (down[i] === 1) waiting[lane]!++;
        continue;
      }
      const way = Math.min(1, (at - flies) / delay);
      const place = down[i] === 1 ? right - way * (right - left) : left + way * (right - left);
      if (data) {
        context.fillStyle = colours[lane]!;
        context.fillRect(place - 2, top + 12, 5, 16);
        if (kind[i] === AGAIN) {
          context.fillStyle = text!;
          context.fillRect(place - 2, top + 8, 5, 4);
        }
      } else {
        context.fillStyle = soft!;
        context.fillRect(place - 1, top + 38, 2, 8);
      }
    }
    for (const [i, { name, queue }] of paths.entries()) {
      const top = i * LANE;
      // The first of them does not wait: it is being sent.
      const queued = Math.max(0, waiting[i]! - 1);
      const share = Math.min(1, queued / queue);
      context.strokeStyle = line!;
      context.strokeRect(right + 6.5, top + 10.5, QUEUE - 8, 20);
      context.fillStyle = colours[i]!;
      context.fillRect(right + 7 + (1 - share) * (QUEUE - 9), top + 11, share * (QUEUE - 9), 19);
      context.fillStyle = soft!;
      context.font = "12px system-ui, sans-serif";
      context.fillText(`${queued} / ${queue}`, right + 7, top + 47);
      if (!isCut(settings.events, name, at / 1000)) continue;
      context.strokeStyle = context.fillStyle = trouble!;
      context.setLineDash([6, 5]);
      context.beginPath();
      context.moveTo(left, top + 20);
      context.lineTo(right, top + 20);
      context.stroke();
      context.setLineDash([]);
      context.font = "600 13px system-ui, sans-serif";
      context.fillText("cut", (left + right) / 2 - 10, top + 12);
    }
  }

  /** The path whose lane is at a place of the canvas; null: none. */
  pathAt(y: number): string | null {
    return this.#scene?.settings.paths[Math.floor(y / LANE)]?.name ?? null;
  }
}
