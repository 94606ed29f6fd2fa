import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, vi } from "vitest";
import { FakeClock } from "../../../../test/fixtures/fake-clock.js";
import { Networks } from "../../../../test/fixtures/networks.js";
import type { Enrolled } from "../enrollment/account.js";
import { temporaryFolder } from "../stores.js";
import { FaultyWorld, run, type Verifier, type VerifierOptions } from "./faulty-world.js";
import { dropDeltas, dropEverything, dropTenth, type Mischief, reorder } from "./feed-gateway.js";

/** What stands between a verifier and the fault. */
interface Guard {
  readonly maxStale?: number;
  readonly mischief?: () => Mischief;
}

interface Trial {
  readonly world: FaultyWorld;
  readonly verifiers: readonly [Verifier, Verifier];
  readonly clock: FakeClock;
}

export interface Fault {
  readonly name: string;
  /** A verifier as it is meant to be. */
  readonly guarded: Guard;
  /** One without what refuses the revoked device: it has to go on letting it in, or the trial would show nothing. */
  readonly control: Guard;
  readonly inflict?: (trial: Trial) => Promise<void>;
  /** What happens once the device was revoked. */
  readonly afterwards?: (trial: Trial) => Promise<void>;
  readonly revoke?: (world: FaultyWorld, device: Enrolled) => Promise<void>;
  readonly mend?: (trial: Trial) => Promise<void>;
  /** Milliseconds from the revocation until nobody who was revoked is let in. */
  readonly bound: number;
  /** How long to look at the control, where the bound is long. Default: as long as the bound. */
  readonly look?: number;
  readonly refusal: 401 | 503;
  /** How many are revoked, one after the other. Default 1. */
  readonly devices?: number;
  readonly clockIsFake?: true;
}

const pushed = 1000;
const polled = 31_000;
const maxStale = 3;
/** Its age is counted from the second in which the last head was signed. */
const stale = (maxStale + 1) * 1000;
const twoHours = 7200;
const silence = () => ({ meddle: dropEverything });
const mischiefs = (guarded: () => Mischief): Pick<Fault, "guarded" | "control"> => ({
  guarded: { mischief: guarded },
  control: { mischief: silence },
});
const age: Pick<Fault, "guarded" | "control" | "bound" | "refusal"> = {
  guarded: { maxStale },
  control: {},
  bound: stale,
  refusal: 503,
};

/** What can happen between an authority and its verifiers; one row each. */
export const feedFaults: readonly Fault[] = [
  { name: "nothing", ...mischiefs(() => ({})), bound: pushed, refusal: 401 },
  {
    name: "10 % of the pushes dropped",
    ...mischiefs(() => ({ meddle: dropTenth() })),
    bound: pushed,
    refusal: 401,
    devices: 10,
  },
  {
    name: "every delta dropped",
    ...mischiefs(() => ({ meddle: dropDeltas })),
    bound: pushed,
    refusal: 401,
  },
  {
    name: "pushes in another order",
    ...mischiefs(() => ({ meddle: reorder() })),
    bound: pushed,
    refusal: 401,
    devices: 5,
  },
  {
    name: "no pushes at all",
    guarded: { mischief: () => ({ cut: /\/events$/ }) },
    control: { mischief: () => ({ cut: /./ }) },
    bound: polled,
    look: 5000,
    refusal: 401,
  },
  {
    name: "an authority that is down",
    ...age,
    inflict: ({ world }) => world.killAuthority(),
    revoke: (world, device) => world.revokeInDatabase(device),
    mend: ({ world }) => world.restartAuthority(),
  },
  {
    name: "a restart of the verifier",
    guarded: {},
    control: { mischief: () => ({ cut: /./ }) },
    inflict: async ({ verifiers }) => {
      for (const verifier of verifiers) await verifier.kill();
    },
    afterwards: async ({ verifiers }) => {
      for (const verifier of verifiers) await verifier.start();
    },
    bound: pushed,
    refusal: 401,
  },
  {
    name: "a clock two hours ahead",
    guarded: { mischief: silence },
    control: { mischief: silence, maxStale: 2 * twoHours },
    clockIsFake: true,
    inflict: async ({ clock }) => clock.step(twoHours),
    mend: async ({ clock }) => clock.step(0),
    bound: pushed,
    refusal: 503,
  },
  {
    name: "a clock two hours behind",
    ...age,
    clockIsFake: true,
    inflict: async ({ clock, verifiers, world }) => {
      clock.step(-twoHours);
      // The next head is of the future: from then on nothing is believed.
      const known = await world.account.enrolled({}, { now: clock.now });
      await vi.waitUntil(async () => (await verifiers[0].ask(known)) === 503, 2 * stale);
    },
    mend: async ({ clock }) => clock.step(0),
  },
];

/** A world for the tests of a file: called where they are declared. */
export function faultyWorld(): () => FaultyWorld {
  let world: FaultyWorld;
  // Also of what is started anew within a test, where it is too late for `afterAll`.
  const stops: (() => Promise<void> | void)[] = [];
  beforeAll(async () => {
    world = await FaultyWorld.start((stop) => void stops.push(stop));
  });
  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
  });
  return () => world;
}

/** A revoked device is refused in time, and everybody else let in again. */
export async function suffer(
  world: FaultyWorld,
  fault: Fault,
  at: Pick<VerifierOptions, "host" | "before"> = {},
): Promise<void> {
  const clock = new FakeClock(join(temporaryFolder(), "clock"));
  const guards = [fault.guarded, fault.control];
  const start = (which: 0 | 1) => {
    const age = guards[which]?.maxStale;
    const faked = fault.clockIsFake && { clock };
    return world.verifier(which, { ...at, ...faked, ...(age !== undefined && { maxStale: age }) });
  };
  const device = () => world.account.enrolled({}, { now: clock.now });
  const kept = await device();
  const lost = await Promise.all(Array.from({ length: fault.devices ?? 1 }, device));
  const verifiers = [await start(0), await start(1)] as const;
  const [guarded, control] = verifiers;
  for (const each of [kept, ...lost])
    for (const verifier of verifiers) await reaches(verifier, each, 200, 5000);

  const trial = { world, verifiers, clock };
  await fault.inflict?.(trial);
  for (const [i, verifier] of verifiers.entries()) verifier.plague(guards[i]?.mischief?.() ?? {});
  for (const each of lost) {
    await (fault.revoke ?? ((world, device) => world.revoke(device)))(world, each);
    await fault.afterwards?.(trial);
    const revokedAt = performance.now();
    await reaches(guarded, each, fault.refusal, fault.bound);
    const look = (fault.look ?? fault.bound) - (performance.now() - revokedAt);
    if (each === lost[0]) await new Promise((resolve) => setTimeout(resolve, look));
    expect([await guarded.ask(each), await control.ask(each)]).toEqual([fault.refusal, 200]);
  }
  for (const each of lost) expect(await guarded.ask(each)).toBe(fault.refusal);
  // Nobody is refused for the fault of another, but where nobody can be known.
  expect(await guarded.ask(kept)).toBe(fault.refusal === 503 ? 503 : 200);

  await fault.mend?.(trial);
  for (const verifier of verifiers) verifier.plague({});
  await reaches(guarded, kept, 200, polled);
  // A clock that is put right lets a copy count again before the authority is heard anew.
  for (const each of lost) await reaches(guarded, each, 401, polled);
}

const reaches = (verifier: Verifier, device: Enrolled, status: number, within: number) =>
  expect.poll(() => verifier.ask(device), { timeout: within, interval: 20 }).toBe(status);

/** The verifiers in a network of their own, of which nothing comes through for a while. */
export async function sufferPartition(world: FaultyWorld): Promise<void> {
  const networks = new Networks(onTestFinished);
  const network = networks.join();
  const { port } = world.gateway;
  await world.gateway.listen(networks.here);
  await run("../../../../test/fixtures/forwarder.js", [`127.0.0.1:${port}:${networks.here}`], {
    before: network.inside,
  });
  const fault: Fault = {
    ...age,
    name: "a partition",
    inflict: async () => network.partition(port),
    mend: async () => network.heal(),
  };
  await suffer(world, fault, { host: network.there, before: network.inside });
}
