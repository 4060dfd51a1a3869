import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Bet } from "../../core/link/bet.ts";

/** Takes what it is offered `chances` times, each of which ends as `outcome` says; how many it has taken. */
function play(bet: Bet, chances: number, outcome: (chance: number) => boolean): number {
  let taken = 0;
  for (let chance = 0; chance < chances; chance++) {
    if (!bet.take()) continue;
    taken++;
    bet.settle(outcome(chance));
  }
  return taken;
}

describe("a bet", () => {
  it("is taken each time while it pays", () => {
    assertEquals(play(new Bet(), 1000, () => true), 1000);
  });

  it("is taken now and then where it does not pay", () => {
    const bet = new Bet();
    play(bet, 20, () => false);
    const taken = play(bet, 1600, () => false);
    assert(taken >= 10 && taken <= 100, `${taken}`);
  });

  it("is taken ever more rarely where it never pays: each chance costs who does something else meanwhile", () => {
    const bet = new Bet();
    const taken = [0, 0, 0, 0, 0].map(() => play(bet, 128, () => false));
    for (let i = 1; i < taken.length; i++) assert(taken[i]! <= taken[i - 1]!, `${taken}`);
    assertEquals(play(bet, 12_800, () => false), 100);
  });

  it("is taken each time again when it pays again", () => {
    const bet = new Bet();
    play(bet, 1000, () => false);
    play(bet, 200, () => true);
    assertEquals(play(bet, 100, () => true), 100);
  });

  it("bears an outcome against it, and is not won by a single one", () => {
    const bet = new Bet();
    assertEquals(play(bet, 800, (chance) => chance % 8 !== 0), 800);
    play(bet, 1000, () => false);
    assert(play(bet, 160, (chance) => chance < 16) <= 11);
  });
});
