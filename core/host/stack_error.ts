/** Errors of the host towards the application layer. */

/** How the host refuses an application's call. */
export class StackError extends Error {
  /** What was wrong. */
  readonly code: "AddrInUse" | "AddrNotAvailable" | "NetworkUnreachable";

  /** @param code What was wrong. @param message What to tell. */
  constructor(code: StackError["code"], message: string) {
    super(message);
    this.name = "StackError";
    this.code = code;
  }
}
