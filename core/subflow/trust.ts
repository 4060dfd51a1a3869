/** Whether MPTCP has been proved through on one subflow, in each direction (RFC 8684 §3.7). */

/** One direction: nothing tells yet that its MPTCP options arrive, or a DSS has come through. */
export type Proof = "unproved" | "proved";

/** Trust of one subflow; it only moves forward. */
export class Trust {
  #in: Proof = "unproved";
  #out: Proof = "unproved";

  /** From the peer to us. */
  get in(): Proof {
    return this.#in;
  }

  /** From us to the peer. */
  get out(): Proof {
    return this.#out;
  }

  /** A DSS, or MP_CAPABLE with data, has come. */
  dssCame(): void {
    this.#in = "proved";
  }

  /** A DATA_ACK of data has come: the mapping that it acknowledges has arrived. */
  dataAckCame(): void {
    this.#out = "proved";
  }
}
