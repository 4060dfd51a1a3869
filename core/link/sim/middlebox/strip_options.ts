/** Takes TCP options away, or drops segments that have them. */

import { u8 } from "../../../../wasm/mod.ts";
import type { ElementFactory } from "../elements/element.ts";
import { rewritingSome } from "./box.ts";
import { END, MPTCP, NOP, optionLength, TcpSegment } from "./segment.ts";
import {
  checkChoice,
  checkNames,
  checkOptionSelection,
  checkSelection,
  type OptionSelection,
  type SegmentSelection,
} from "./select.ts";

/** Which options of which segments. */
export interface DropSegmentsOptions {
  /**
   * Which options.
   *
   * @default {"MPTCP"}
   */
  readonly options?: OptionSelection;
  /**
   * Of which segments.
   *
   * @default {"all"}
   */
  readonly on?: SegmentSelection;
}

/** How {@linkcode stripOptions} takes options away. */
export interface StripOptionsOptions extends DropSegmentsOptions {
  /**
   * Whether no-operations take their place, or the header gets shorter.
   *
   * @default {"nops"}
   */
  readonly by?: "nops" | "removal";
}

/** Overwrites options with no-operations; whether there was one. */
function wipe(segment: TcpSegment, chosen: (at: number) => boolean): boolean {
  const end = segment.payload;
  let found = false;
  let size: number;
  for (let at = segment.options; (size = optionLength(at, end)) > 0; at += size) {
    if (u8[at]! <= NOP || !chosen(at)) continue;
    u8.fill(NOP, at, at + size);
    found = true;
  }
  return found;
}

/** Closes the gaps that options leave; whether there was one. */
function remove(segment: TcpSegment, chosen: (at: number) => boolean): boolean {
  if (!wipe(segment, chosen)) return false;
  const { options, payload, end, tcp } = segment;
  let to = options;
  let size: number;
  for (let at = options; (size = optionLength(at, payload)) > 0; at += size) {
    if (u8[at] === NOP) continue;
    u8.copyWithin(to, at, at + size);
    to += size;
  }
  const header = Math.ceil((to - tcp) / 4) * 4;
  u8.fill(END, to, tcp + header);
  u8.copyWithin(tcp + header, payload, end);
  u8[tcp + 12] = header / 4 << 4 | u8[tcp + 12]! & 15;
  segment.cut(end - (payload - tcp - header));
  return true;
}

/** Takes the options of MPTCP from a segment; for elements that do something else besides. */
export function wipeMptcp(segment: TcpSegment): void {
  wipe(segment, isMptcp);
}

function isMptcp(at: number): boolean {
  return u8[at] === MPTCP;
}

/**
 * Takes TCP options away, as firewalls and proxies do with those that they do not know: MPTCP's, or others, from all segments or some. One element for
 * each direction.
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If the number of a kind is not from 2 to 255.
 * @example A firewall that keeps MP_JOIN from SYNs on the second path: there is one subflow
 * ```ts
 * import { emulate, stripOptions } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: {
 *       rate: "12 Mbit/s",
 *       delay: "40 ms",
 *       elements: [stripOptions({ options: ["MP_JOIN"], on: "syn" })],
 *     },
 *   },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * await conn.write(new Uint8Array(1000)); // further paths are opened when data have been acknowledged
 * await net.sleep("1 s");
 * assertEquals(conn.info().subflows.length, 1);
 * ```
 */
export function stripOptions(options: StripOptionsOptions = {}): ElementFactory {
  const doing = "strip options";
  checkNames(doing, options, ["options", "on", "by"]);
  const { options: which = "MPTCP", on = "all", by = "nops" } = options;
  const chosen = checkOptionSelection(doing, which);
  const strip = checkChoice(doing, "by", by, ["nops", "removal"]) === "nops" ? wipe : remove;
  return rewritingSome(
    "stripOptions",
    checkSelection(doing, on),
    (segment) => strip(segment, chosen),
  );
}

/**
 * Drops the segments that have certain TCP options, as firewalls do that take what they do not know for an attack.
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If the number of a kind is not from 2 to 255.
 * @example SYNs with MPTCP never arrive: the client tries without
 * ```ts
 * import { dropSegments, emulate } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms", elements: [dropSegments({ on: "syn" })] },
 *   },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * assertEquals(conn.info().mptcp.flags & 1, 1); // plain TCP
 * ```
 */
export function dropSegments(options: DropSegmentsOptions = {}): ElementFactory {
  const doing = "drop segments";
  checkNames(doing, options, ["options", "on"]);
  const { options: which = "MPTCP", on = "all" } = options;
  const chosen = checkOptionSelection(doing, which);
  const some = checkSelection(doing, on);
  return {
    name: "dropSegments",
    create(context, output) {
      const segment = new TcpSegment(context);
      const has = (): boolean => {
        const end = segment.payload;
        let size: number;
        for (let at = segment.options; (size = optionLength(at, end)) > 0; at += size) {
          if (u8[at]! > NOP && chosen(at)) return true;
        }
        return false;
      };
      return {
        push(packet) {
          if (segment.read(packet) && some(segment) && has()) context.drop(packet);
          else output(packet);
        },
      };
    },
  };
}
