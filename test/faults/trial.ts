import { setTimeout as pause } from "node:timers/promises";
import type { Enrolled } from "../../packages/authority/test/enrollment/account.js";
import { toldAfterwards } from "./afterwards.js";
import { findingsIn, holdingOf, type LogMark, markOf, rowsBehind } from "./evidence.js";
import { boundSeconds } from "./explained.js";
import type { Fault } from "./fault.js";
import { growth, type InvariantName, invariants } from "./invariants.js";
import { authorityUrl, freshSeconds, logOf, type Protection } from "./launches.js";
import { Office } from "./office.js";
import { Pairings } from "./pairings.js";
import { type PartName, partNames } from "./part.js";
import { type Holding, type Recorded, recoveredAfter, type Write } from "./record.js";
import { type Stage, type Target, targets } from "./stage.js";
import type { Row } from "./table.js";
import { Traffic } from "./traffic.js";
import { Watch } from "./watch.js";

/** How long a trial takes, and how much is asked meanwhile. */
export interface Pace {
  /** Requests of honest callers a second. */
  readonly rate: number;
  /** Seconds before the fault. */
  readonly lead: number;
  /** Seconds of a fault that does not say otherwise. */
  readonly fault: number;
  /** Seconds of the whole, at least. */
  readonly whole: number;
  /** Seconds that a push may take. */
  readonly push: number;
}

/** Whom a trial is about, beside those who call in all of them. */
interface Cast {
  /** Is granted more time again and again. */
  readonly extended: Enrolled;
  /** Are revoked before the fault, during it, and after it. */
  readonly leaving: readonly [Enrolled, Enrolled, Enrolled];
}

export interface Trial extends Row {
  readonly violations: readonly { readonly invariant: InvariantName; readonly how: string }[];
}

const callers = 6;
/** In which all is as before, once no honest caller was refused for so long. */
const calmMs = 1000;
/** For what is written, closed and freed a moment later. */
const settledMs = 10_000;

/** Stands for an authority that acknowledges what it is told, and forgets it. */
const forgetful = { id: "forgetful", fetch: async () => new Response("{}", { status: 201 }) };

/** A stage whose callers are known, for one trial after another. */
export class Trials {
  readonly #stage: Stage;
  readonly #callers: readonly Enrolled[];

  private constructor(stage: Stage, callers: readonly Enrolled[]) {
    this.#stage = stage;
    this.#callers = callers;
  }

  static async on(stage: Stage): Promise<Trials> {
    const all: Enrolled[] = [];
    while (all.length < callers) all.push(await stage.account.enrolled());
    return new Trials(stage, all);
  }

  /** What happens by a fault. */
  async run(fault: Fault, pace: Pace): Promise<Trial> {
    return this.#judge(fault, pace, await this.#cast());
  }

  /** What happens while the instances of the API go without a protection. */
  async runWithout(protection: Protection, fault: Fault, pace: Pace): Promise<Trial> {
    const cast = await this.#cast();
    const { scene } = this.#stage;
    scene.known = [...this.#callers, cast.extended, ...cast.leaving].map(
      ({ device }) => device.key.publicKey.base64,
    );
    scene.without = protection;
    await this.#restartInstances();
    const trial = await this.#judge(fault, pace, cast);
    scene.without = undefined;
    await this.#restartInstances();
    return trial;
  }

  async #restartInstances(): Promise<void> {
    const instances = ["api-1", "api-2"] as const;
    await Promise.all(instances.map((name) => this.#stage.part(name).restart()));
  }

  /** One after the other: an authority lets an address try little at a time. */
  async #cast(): Promise<Cast> {
    const { account } = this.#stage;
    const extended = await account.enrolled();
    const leaving = [await account.enrolled(), await account.enrolled(), await account.enrolled()] as const;
    return { extended, leaving };
  }

  async #judge(fault: Fault, pace: Pace, cast: Cast): Promise<Trial> {
    const recorded = await this.#record(fault, pace, cast);
    const { calls, beganAt, endedAt } = recorded;
    const count = (is: (status: number) => boolean) => calls.filter(({ status }) => is(status)).length;
    return {
      fault: fault.name,
      seconds: Math.round((endedAt - beganAt) / 1000),
      requests: calls.length,
      accepted: count((status) => status === 200),
      refused: count((status) => status > 200),
      unreachable: count((status) => status === 0),
      recoveredMs: recoveredAfter(recorded),
      violations: invariants.flatMap(({ name, violations }) =>
        violations(recorded).map((how) => ({ invariant: name, how })),
      ),
    };
  }

  async #record(fault: Fault, pace: Pace, { extended, leaving }: Cast): Promise<Recorded> {
    const { lead, whole, push, rate } = pace;
    const {
      seconds = pace.fault,
      recoverySeconds = 15,
      disturbs,
      degrades,
      noticedSeconds,
      servesSeconds = freshSeconds,
      refuses = {},
      cutsOff = [],
    } = fault;
    const told = {
      disturbs,
      degrades,
      noticedSeconds,
      servesSeconds,
      refuses,
      cutsOff,
      pushSeconds: push,
      recoverySeconds,
    };
    const stage = this.#stage;
    const [first, second, last] = leaving;
    const ofAuthority = markOf("authority", logOf(stage.scene, "authority"));
    const marks = [...targets.map((name) => markOf(name, logOf(stage.scene, name))), ofAuthority];
    const before = this.#holdings();
    const kills = new Map([...stage.parts].map(([name, part]) => [name, part.kills.length]));
    const devices = this.#callers.map(({ device }) => device);
    const { account } = stage;
    const operator = stage.scene.without === "memory of the authority" ? forgetful : stage.operator;
    const office = new Office(
      {
        url: authorityUrl(stage.scene),
        account,
        operator,
        callers: devices,
        revokeEveryMs: fault.revokeEveryMs,
      },
      extended,
    );
    await this.#begun(office);
    const urls = Object.fromEntries(targets.map((name) => [name, stage.part(name).url])) as Record<
      Target,
      string
    >;
    const revoked = leaving.map(({ device }) => device);
    const bound = (target: Target) => boundSeconds(told, target);
    const traffic = new Traffic({
      urls,
      ca: stage.scene.certificate?.ca,
      office,
      callers: devices,
      revoked,
      rate,
      boundSeconds: bound,
    });
    const pairings = new Pairings(stage.part("relay").url);
    const watch = new Watch([...stage.parts.values()]);
    const startedAt = Date.now();
    await Promise.all([pause(1000 * lead), pause(500 * lead).then(() => office.revoke(first))]);
    const beganAt = Date.now();
    await fault.begin(stage);
    const during = pause(250 * seconds).then(() => office.revoke(second));
    await pause(Math.max(0, beganAt + 1000 * seconds - Date.now()));
    const endedAt = Date.now();
    await fault.end(stage);
    const mendedAt = Date.now();
    await Promise.all([during, office.revoke(last)]);
    const calls = () => [...traffic.calls, ...office.calls, ...pairings.calls];
    const isCalm = () => Date.now() - endedAt > recoveredAfter({ ...told, endedAt, calls: calls() }) + calmMs;
    const least = startedAt + 1000 * whole;
    const most = Math.max(least, mendedAt + 1000 * recoverySeconds);
    while (Date.now() < least || (!isCalm() && Date.now() < most)) await pause(100);
    await Promise.all([traffic.close(), pairings.close()]);
    // The office goes on until the last look: where nothing is written, heads of the feed come too seldom.
    await watch.close();
    await office.close();
    const writes = office.writes;
    const found = await this.#found(writes, ofAuthority);
    return {
      ...told,
      beganAt,
      endedAt,
      mendedAt,
      calls: calls(),
      writes,
      samples: watch.samples,
      kills: [...stage.parts].flatMap(([part, { kills: all }]) =>
        all.slice(kills.get(part)).map((at) => ({ part, at })),
      ),
      rows: marks.flatMap(rowsBehind),
      logFindings: (await Promise.all(marks.map(findingsIn))).flat(),
      found,
      before,
      after: await this.#settledHoldings(before),
    };
  }

  /** Between trials nothing is written: copies of the feed may have become too old. */
  async #begun({ writes }: Office): Promise<void> {
    const limit = Date.now() + settledMs;
    for (;;) {
      const statuses = await Promise.all([...this.#stage.parts.values()].map((part) => part.readiness()));
      if ((writes.length > 0 && statuses.every((status) => status === 200)) || Date.now() > limit) return;
      await pause(100);
    }
  }

  #holdings(): ReadonlyMap<PartName, Holding> {
    return new Map(partNames.map((name) => [name, holdingOf(this.#stage.part(name))]));
  }

  /** What the authority still has of what it acknowledged. */
  async #found(writes: Office["writes"], mark: LogMark): Promise<ReadonlySet<Write>> {
    const limit = Date.now() + settledMs;
    for (;;) {
      const found = await toldAfterwards(this.#stage, writes, mark);
      if (found.size === writes.length || Date.now() > limit) return found;
      await pause(250);
    }
  }

  /** As soon as it is what it was before, else after a while. */
  async #settledHoldings(before: ReadonlyMap<PartName, Holding>): Promise<ReadonlyMap<PartName, Holding>> {
    const limit = Date.now() + settledMs;
    for (;;) {
      const after = this.#holdings();
      const hasGrown = growth({ before, after }).length > 0;
      if (!hasGrown || Date.now() > limit) return after;
      await pause(250);
    }
  }
}
