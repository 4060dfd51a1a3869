import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { DeliveryRate, type RateSample } from "../../../core/subflow/delivery_rate.ts";
import { Heard } from "../../../core/subflow/heard.ts";

/** An ACK of something sent when `priorDelivered` bytes had been delivered, the last of them at `priorTime`. */
function heard(priorDelivered: number, priorTime: number, appLimited = false): Heard {
  return Object.assign(new Heard(), { priorDelivered, priorTime, appLimited });
}

/** The same of something sent at `sent` in a flight that began at `from`. */
function rated(priorDelivered: number, priorTime: number, sent: number, from: number): Heard {
  return Object.assign(heard(priorDelivered, priorTime), { rateSent: sent, rateFrom: from });
}

/** What the last acknowledgement told. */
const sample: RateSample = {
  delivered: 0,
  priorDelivered: 0,
  deliveryRate: 0,
  appLimited: false,
};

describe("delivery rate", () => {
  it("is what was delivered between the sending and the acknowledgement, over the time that took", () => {
    const rate = new DeliveryRate();
    assertEquals(rate.rate, 0);
    rate.idle(1000);
    rate.count(3000, 21_000);
    assertEquals([rate.delivered, rate.deliveredTime], [3000, 21_000]);
    rate.take(heard(0, 1000), sample, 21_000);
    assertEquals([sample.deliveryRate, rate.rate], [150_000, 150_000]);
    rate.count(1000, 31_000);
    rate.take(heard(3000, 21_000), sample, 31_000);
    assertEquals([sample.deliveryRate, rate.rate], [100_000, 100_000]);
  });

  it("has no sample where an ACK delivered nothing, or no time has passed", () => {
    const rate = new DeliveryRate();
    rate.count(1000, 10_000);
    rate.take(heard(0, 0), sample, 10_000);
    const before = rate.rate;
    rate.take(heard(-1, 0), sample, 20_000);
    assertEquals([sample.deliveryRate, rate.rate], [0, before]);
    rate.take(heard(0, 20_000), sample, 20_000);
    assertEquals([sample.deliveryRate, rate.rate], [0, before]);
  });

  it("is timed by the last delivery that told something", () => {
    const rate = new DeliveryRate();
    rate.count(1000, 10_000);
    rate.count(0, 50_000);
    assertEquals(rate.deliveredTime, 10_000);
  });

  it("is not lowered by what the application held back, but may be raised by it", () => {
    const rate = new DeliveryRate();
    rate.count(1000, 10_000);
    rate.take(heard(0, 0), sample, 10_000); // 100,000 bytes a second
    rate.count(1000, 50_000);
    rate.take(heard(1000, 10_000, true), sample, 50_000);
    assertEquals([sample.deliveryRate, rate.rate], [25_000, 100_000]);
    rate.count(8000, 90_000);
    rate.take(heard(2000, 50_000, true), sample, 90_000);
    assertEquals([sample.deliveryRate, rate.rate], [200_000, 200_000]);
    rate.take(heard(9000, 50_000), sample, 90_000);
    assertEquals(rate.rate, 25_000);
  });

  it("marks what is sent as held back until everything that was in flight then is delivered", () => {
    const rate = new DeliveryRate();
    assertEquals(rate.appLimited, false);
    rate.count(500, 1000);
    rate.limit(2000);
    assertEquals(rate.appLimited, true);
    rate.count(1999, 2000);
    assertEquals(rate.appLimited, true);
    rate.count(1, 3000);
    assertEquals(rate.appLimited, true);
    rate.count(1, 3000);
    assertEquals(rate.appLimited, false);
  });

  it("marks what is sent first after nothing was in flight", () => {
    const rate = new DeliveryRate();
    rate.count(500, 1000);
    rate.limit(0);
    assertEquals(rate.appLimited, true);
    rate.count(1, 2000);
    assertEquals(rate.appLimited, false);
  });

  it("goes by the time of sending where ACKs come closer together than what they acknowledge was sent", () => {
    const rate = new DeliveryRate();
    rate.idle(0);
    // Ten segments are sent in 90 ms; their ACKs are held up, and come within 1 ms.
    rate.count(1000, 190_000);
    rate.take(rated(0, 0, 0, 0), sample, 190_000);
    assertEquals(rate.firstSent, 0);
    rate.count(9000, 191_000);
    rate.take(rated(1000, 190_000, 90_000, 0), sample, 191_000);
    assertEquals([sample.deliveryRate, rate.firstSent], [100_000, 90_000]);
  });

  it("has no sample shorter than the path's least round trip: that was no answer to the last sending", () => {
    const rate = new DeliveryRate();
    rate.count(1000, 100_000);
    rate.take(Object.assign(rated(0, 0, 0, 0), { minRtt: 50_000 }), sample, 100_000);
    assertEquals(rate.rate, 10_000);
    rate.count(1000, 110_000);
    rate.take(
      Object.assign(rated(1000, 100_000, 99_000, 95_000), { minRtt: 50_000 }),
      sample,
      110_000,
    );
    assertEquals([sample.deliveryRate, rate.rate], [0, 10_000]);
  });
});

describe("the peak of the delivery rate", () => {
  /** Delivers `bytes` in `time`, as one round after what was delivered before. */
  function round(rate: DeliveryRate, bytes: number, time: number, appLimited = false): void {
    const { delivered, deliveredTime } = rate;
    rate.count(bytes, deliveredTime + time);
    rate.take(heard(delivered, deliveredTime, appLimited), sample, deliveredTime + time);
  }

  it("outlives a pause, and the few segments that follow it", () => {
    const rate = new DeliveryRate();
    assertEquals(rate.peak, 0);
    round(rate, 10_000, 10_000);
    for (let i = 0; i < 5; i++) round(rate, 1000, 10_000);
    assertEquals([rate.rate, rate.peak], [100_000, 1_000_000]);
  });

  it("is forgotten after ten to twenty rounds that had enough to send", () => {
    const rate = new DeliveryRate();
    round(rate, 10_000, 10_000);
    for (let i = 0; i < 18; i++) round(rate, 1000, 10_000);
    assertEquals(rate.peak, 1_000_000);
    round(rate, 1000, 10_000);
    assertEquals(rate.peak, 100_000);
  });

  it("is not forgotten while the application gives too little, and rises at once", () => {
    const rate = new DeliveryRate();
    round(rate, 1000, 10_000);
    for (let i = 0; i < 50; i++) round(rate, 10, 10_000, true);
    assertEquals(rate.peak, 100_000);
    round(rate, 2000, 10_000, true);
    assertEquals(rate.peak, 200_000);
  });
});

describe("the rate at which a path lets a burst through", () => {
  /** Of a burst that has left within 5 ms behind a pause on a path of 20 ms, `bytes` are back, with the last ACK `last` of them. */
  function burst(rate: DeliveryRate, from: number, bytes: number, now: number, last = 3000): void {
    const { delivered } = rate;
    rate.count(bytes, now);
    const told = rated(delivered, from, from + 5000, from);
    rate.take(Object.assign(told, { minRtt: 20e3, delivered: last }), sample, now);
  }

  it("is known when that took longer than to send it, without the round trip in which nothing came back", () => {
    const rate = new DeliveryRate();
    rate.idle(0);
    burst(rate, 0, 30_000, 50e3);
    assertEquals([rate.rate, rate.bottleneck], [600_000, 0]);
    rate.idle(100e3);
    assertEquals(rate.bottleneck, 1_000_000);
  });

  it("is the highest sample where none came through like that, and the window has been more than the path carries", () => {
    const rate = new DeliveryRate();
    rate.idle(0);
    rate.count(14_000, 50e3);
    rate.take(rated(0, 0, 5000, 0), sample, 50e3);
    assertEquals(rate.peak, 280_000);
    rate.idle(100e3);
    assertEquals(rate.bottleneck, 0);
    rate.idle(200e3, true);
    assertEquals(rate.bottleneck, 280_000);
    // Of each pause anew.
    rate.idle(300e3);
    assertEquals(rate.bottleneck, 0);
    // A burst tells more.
    burst(rate, 300e3, 30_000, 350e3);
    rate.idle(400e3, true);
    assertEquals(rate.bottleneck, 1_000_000);
  });

  it("holds until something of the next one comes back: from there on ACKs tell", () => {
    const rate = new DeliveryRate();
    rate.idle(0);
    burst(rate, 0, 30_000, 50e3);
    rate.idle(100e3);
    rate.count(1000, 120e3);
    assertEquals(rate.bottleneck, 0);
  });

  it("is that of the last burst that told", () => {
    const rate = new DeliveryRate();
    const rates = [30_000, 15_000, 1000].map((bytes, i) => {
      const start = i * 100e3;
      rate.idle(start);
      burst(rate, start, bytes, start + 50e3);
      rate.idle(start + 90e3);
      return rate.bottleneck;
    });
    assertEquals(rates, [1_000_000, 500_000, 500_000]);
  });

  it("is what schedulers are told, from the burst on that tells: its samples are a part of that", () => {
    const rate = new DeliveryRate();
    rate.idle(0);
    // As it was sent: nothing shows what the path carries.
    burst(rate, 0, 20_000, 25e3);
    assertEquals([rate.through, rate.peak], [0, 800_000]);
    rate.idle(100e3);
    burst(rate, 100e3, 60_000, 150e3);
    assertEquals([rate.through, rate.peak], [2_000_000, 1_200_000]);
    rate.idle(200e3);
    assertEquals(rate.through, 2_000_000);
    // It has become slower.
    burst(rate, 200e3, 30_000, 250e3);
    rate.idle(300e3);
    assertEquals(rate.through, 1_000_000);
    burst(rate, 300e3, 1000, 325e3);
    assertEquals(rate.through, 1_000_000);
  });

  it("is not told by what came through as it was sent, nor by little, nor by the ACK of a segment, which may have been delayed", () => {
    for (
      const [bytes, now, last] of [
        [30_000, 26e3, 3000],
        [14_000, 50e3, 3000],
        [30_000, 90e3, 1460],
      ] as const
    ) {
      const rate = new DeliveryRate();
      rate.idle(0);
      burst(rate, 0, bytes, now, last);
      rate.idle(100e3);
      assertEquals(rate.bottleneck, 0);
    }
  });

  it("is raised by what comes through as it was sent, held back by what was known of a path that has become faster", () => {
    const rate = new DeliveryRate();
    const rates = [[30_000, 50e3], [20_000, 25e3], [40_000, 25e3], [20_000, 25e3]].map(
      ([bytes, took], i) => {
        const start = i * 100e3;
        rate.idle(start);
        burst(rate, start, bytes!, start + took!);
        rate.idle(start + 90e3);
        return rate.bottleneck;
      },
    );
    assertEquals(rates, [1_000_000, 4_000_000, 8_000_000, 8_000_000]);
  });

  /** A little burst at `start`: 3000 bytes are back after 21 ms, 3000 more after `took`, with the last ACK `last` of them. */
  function little(rate: DeliveryRate, start: number, took: number, last = 3000): void {
    rate.idle(start);
    const { delivered } = rate;
    rate.limit(6000);
    for (const [time, bytes] of [[21e3, 3000], [took, last]] as const) {
      rate.count(3000, start + time);
      const told = rated(delivered, start, start + 5000, start);
      const more = { minRtt: 20e3, delivered: bytes, appLimited: true };
      rate.take(Object.assign(told, more), sample, start + time);
    }
  }

  it("bounds what is believed where ten bursts have come through no faster, though none was enough to fill the path", () => {
    const rate = new DeliveryRate();
    rate.idle(0);
    burst(rate, 0, 60_000, 50e3);
    // 6000 bytes in 10 ms without the round trip, and more slowly; nine are judged with the burst before them.
    for (let i = 1; i <= 19; i++) little(rate, i * 100e3, i === 15 ? 30e3 : 35e3);
    assertEquals([rate.peak, rate.through], [1_200_000, 2_000_000]);
    rate.idle(2e6);
    assertEquals([rate.peak, rate.through], [600_000, 600_000]);
  });

  it("does not where one of them came through as it was sent, nor where an ACK may have waited for more", () => {
    for (const [took, last] of [[26e3, 3000], [35e3, 1460]] as const) {
      const rate = new DeliveryRate();
      rate.idle(0);
      burst(rate, 0, 60_000, 50e3);
      for (let i = 1; i <= 19; i++) little(rate, i * 100e3, i === 15 ? took : 35e3, last);
      rate.idle(2e6);
      assertEquals([rate.peak, rate.through], [1_200_000, 2_000_000]);
    }
  });
});
