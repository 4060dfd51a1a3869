import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { SendWindow } from "../../../core/subflow/send_window.ts";

/** The window after a SYN, and then `updates` of [seq, ack, window]. */
function after(...updates: readonly (readonly [number, number, number])[]): SendWindow {
  const window = new SendWindow();
  window.begin(1000, 7);
  for (const update of updates) window.update(...update);
  return window;
}

describe("send window", () => {
  it("is the SYN's as it stands: scaled are those that follow (RFC 7323 §2.2)", () => {
    const window = after();
    assertEquals([window.size, window.scale], [1000, 7]);
    assertEquals(window.scaled(1000), 128_000);
    const largest = new SendWindow();
    largest.begin(0, 14);
    assertEquals(largest.scaled(65535), 65535 * 16384);
  });

  // RFC 8684 §3.3.5: "The sender MUST also remember the receive windows advertised by each subflow."
  it("is the newest segment's: of a later number, or of the same with no older ACK (RFC 9293 §3.10.7.4, SND.WL1 and SND.WL2)", () => {
    assertEquals(after([100, 50, 7000], [101, 40, 8000]).size, 8000);
    assertEquals(after([100, 50, 7000], [100, 51, 8000]).size, 8000);
    assertEquals(after([100, 50, 7000], [100, 50, 8000]).size, 8000);
    assertEquals(after([100, 50, 7000], [100, 49, 8000]).size, 7000);
    assertEquals(after([100, 50, 7000], [99, 60, 8000]).size, 7000);
  });

  it("may shrink", () => {
    assertEquals(after([1, 1, 7000], [2, 1, 0]).size, 0);
  });

  it("remembers the largest, by which old ACKs are judged (RFC 5961 §5.2)", () => {
    assertEquals(after([1, 1, 7000], [2, 1, 9000], [3, 1, 10]).most, 9000);
    assertEquals(after([5, 1, 7000], [2, 1, 9000]).most, 7000);
  });
});
