import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  abortError,
  brokenPipeError,
  busyError,
  closedError,
  interruptedError,
  networkCode,
  networkError,
  unknownNameError,
} from "../../core/net/errors.ts";
import type { NetworkCode } from "../../core/net/transport.ts";

const CLASSES: Readonly<Record<NetworkCode, new () => Error>> = {
  ConnectionRefused: Deno.errors.ConnectionRefused,
  ConnectionReset: Deno.errors.ConnectionReset,
  ConnectionAborted: Deno.errors.ConnectionAborted,
  TimedOut: Deno.errors.TimedOut,
  NetworkUnreachable: Deno.errors.NetworkUnreachable,
  AddrInUse: Deno.errors.AddrInUse,
  AddrNotAvailable: Deno.errors.AddrNotAvailable,
};

describe("networkError()", () => {
  for (const [code, Class] of Object.entries(CLASSES)) {
    it(`gives Deno's ${code}, with what was tried and why`, () => {
      for (const open of [false, true]) {
        const error = networkError(code as NetworkCode, "connect to 10.0.0.1:80", open);
        assertInstanceOf(error, Class);
        assert(/^Cannot connect to 10\.0\.0\.1:80 as [^:]+/.test(error.message), error.message);
        assert(!/['’](t|s) |\.$/.test(error.message), error.message);
      }
    });
  }

  it("says what led to it, where core knows", () => {
    const { message } = networkError(
      "ConnectionAborted",
      "read from 10.0.0.1:80",
      true,
      "options-removed",
    );
    assertEquals(
      message,
      "Cannot read from 10.0.0.1:80 as MPTCP options were removed on its only path: connect again to go on",
    );
  });

  it("says what to do", () => {
    const { message } = networkError("ConnectionRefused", "connect to 10.0.0.1:80");
    assertEquals(
      message,
      "Cannot connect to 10.0.0.1:80 as the peer refused it: check that a program listens on that port",
    );
  });
});

describe("networkCode()", () => {
  it("knows the stack's errors, and no others", () => {
    assertEquals(networkCode(Object.assign(new Error(), { code: "AddrInUse" })), "AddrInUse");
    for (const other of [new Error(), { code: "toString" }, { code: "EINTR" }, null, "AddrInUse"]) {
      assertEquals(networkCode(other), null);
    }
  });
});

describe("the other errors", () => {
  it("are Deno's, and say what to do", () => {
    assertInstanceOf(closedError("Listener"), Deno.errors.BadResource);
    assertInstanceOf(interruptedError("read"), Deno.errors.Interrupted);
    assertInstanceOf(busyError("read", "await it"), Deno.errors.Busy);
    assertInstanceOf(brokenPipeError("write"), Deno.errors.BrokenPipe);
    assertInstanceOf(unknownNameError("x.example"), Deno.errors.NotFound);
    assertEquals(abortError("Connection").name, "AbortError");
  });
});
