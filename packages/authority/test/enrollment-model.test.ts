import { AmeshError, PrivateKey, type Scopes } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Enrollment, EnrollmentStatus } from "../src/enrollment/enrollment.js";
import type { EnrollmentDecision } from "../src/enrollment/enrollments.js";
import { Clock, feedState, from, onboarded, openReplica, type Replica, requestFor } from "./enrolling.js";
import { type Answer, Model, type Operation } from "./enrollment-model.js";
import { backends } from "./stores.js";

const scopes = fc.constantFrom<Scopes>(
  { orders: "rw" },
  { orders: "r" },
  { "orders.eu": "rw", profile: "r" },
  { orders: "rw", __manage: "rw" },
  { __manage: "r", profile: "rw" },
  { "*": "rw" },
  { "*": "rw", __manage: "rw" },
);
const lifetime = fc.constantFrom(undefined, 100, 1000);
const optionally = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
const account = fc.constantFrom(0, 0, 1);
const key = fc.nat(7);
/** Chooses of what there is when its turn comes: mostly who may act, and what the decision is for; often the same as others do. */
const someone = fc.record({ index: fc.nat(2), apt: fc.constantFrom(true, true, true, false) });

/** In which states something can be done. */
const aptFor: Readonly<Record<string, readonly EnrollmentStatus[]>> = {
  approve: ["pending"],
  deny: ["pending"],
  cancel: ["pending"],
  narrow: ["approved"],
  extend: ["approved"],
  revoke: ["approved", "revoked"],
  unrevoke: ["revoked"],
  delete: ["denied", "revoked", "expired"],
};

const choice = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("approve"), scopes: optionally(scopes), lifetime }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("narrow"), scopes }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("extend"), lifetime }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("deny", "unrevoke", "delete") }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("unrevoke", "delete") }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("revoke"),
      cascade: fc.boolean(),
      reason: fc.constantFrom(undefined, "lost", "compromise"),
    }),
  },
);

const wish = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("request"),
      account,
      key,
      name: fc.constantFrom("a", "b", "c"),
      scopes,
      lifetime,
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({ type: fc.constant("decide"), account, actor: someone, target: someone, choice }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel"), account, target: someone }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("rotate"), account, actor: someone, key }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("answer"), key, counter: fc.integer({ min: 1, max: 4 }) }),
  },
);
type Someone = typeof someone extends fc.Arbitrary<infer S> ? S : never;
type Wish = typeof wish extends fc.Arbitrary<infer W> ? W : never;

/** What several clients do at once, and how much time passes before. */
const round = fc.record({
  from: fc.nat(),
  wishes: fc.array(wish, { minLength: 1, maxLength: 3 }),
  seconds: fc.oneof(
    { weight: 12, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.constantFrom(60, 600) },
    { weight: 1, arbitrary: fc.constant(90_000) },
  ),
  lapses: fc.boolean(),
});

type Round = typeof round extends fc.Arbitrary<infer R> ? R : never;

const withoutNothing = <T extends object>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

function* orders<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const [i, first] of items.entries())
    for (const rest of orders(items.filter((_, j) => j !== i))) yield [first, ...rest];
}

let drawn = 0;

/** The model and the authority, side by side. */
class Trial {
  readonly #replicas: readonly Replica[];
  readonly #clock: Clock;
  readonly #names = [0, 1].map(() => `@trial-${drawn++}`);
  readonly #keys = Array.from({ length: 8 }, () => PrivateKey.generate());
  readonly #rootDevices: string[] = [];
  readonly #ids = new Map<string, string>();
  readonly #labels = new Map<string, string>();
  #model: Model;
  /** Where the round begins to choose. */
  #from = 0;

  constructor(replicas: readonly Replica[], clock: Clock) {
    this.#replicas = replicas;
    this.#clock = clock;
    this.#model = new Model(clock.time);
  }

  async begin(): Promise<void> {
    for (const [i, account] of this.#names.entries()) {
      const root = await onboarded(this.#replica(0).enrollments, account);
      const all: Scopes = { "*": "rw", __manage: "rw" };
      this.#name(`root${i}`, root);
      this.#rootDevices.push(root.deviceId);
      this.#model.enrollments.push({
        label: `root${i}`,
        account,
        key: -1 - i,
        name: "master",
        status: "approved",
        scopes: all,
        asked: { scopes: all },
        counter: 0,
      });
    }
  }

  async play({ from: begin, wishes, seconds, lapses }: Round): Promise<void> {
    this.#clock.time += seconds;
    this.#model.now = this.#clock.time;
    this.#from = begin;
    const operations = wishes.map((each) => this.#operation(each));
    const prepared = [];
    for (const [i, each] of operations.entries()) prepared.push(await this.#prepare(each, this.#replica(i)));
    const [answers] = await Promise.all([
      Promise.all(prepared.map((run) => run())),
      lapses ? this.#replica(0).enrollments.lapse() : undefined,
    ]);
    this.#model = this.#explained(operations, answers);
  }

  /** The model after some order of the operations in which each would have been answered as it was. */
  #explained(operations: readonly Operation[], answers: readonly string[]): Model {
    const tried: unknown[] = [];
    for (const order of orders([...operations.keys()])) {
      const model = this.#model.copy();
      const expected = order.map((i) => [i, model.apply(operations[i] as Operation)] as const);
      if (expected.every(([i, answer]) => agree(answer, answers[i] as string))) return model;
      tried.push(expected.map(([i, answer]) => [i, "done" in answer ? answer.done : [...answer.refused]]));
    }
    throw new Error(JSON.stringify({ operations, answers, tried }, undefined, 1));
  }

  #operation(each: Wish): Operation {
    const of = <A extends { account: number }>({ account }: A) => this.#names[account] as string;
    const whole = withoutNothing(each) as Wish;
    if (whole.type === "answer") return whole as Operation;
    const account = of(whole as { account: number });
    const op: Record<string, unknown> = { ...whole, account };
    if (op["type"] === "request") op["label"] = `e${drawn++}`;
    if ("actor" in whole) op["actor"] = this.#actor(whole.actor, account);
    if ("target" in whole)
      op["target"] = this.#target(whole.target, account, "choice" in whole ? whole.choice.type : "cancel");
    return op as unknown as Operation;
  }

  #actor({ index, apt }: Someone, account: string): string {
    const { enrollments } = this.#model;
    const acting = this.#model
      .roots(account)
      .concat(enrollments.filter((each) => each.account === account && each.scopes["__manage"] === "rw"));
    const among = apt ? acting : enrollments;
    return among[(this.#from + index) % among.length]?.label ?? "nobody";
  }

  #target({ index, apt }: Someone, account: string, what: string): string {
    const { enrollments } = this.#model;
    const fitting = enrollments.filter(
      (each) => each.account === account && aptFor[what]?.includes(this.#model.status(each)),
    );
    const others = fitting.filter((each) => !this.#model.isRoot(each));
    const apter = others.length > 0 && this.#from % 4 > 0 ? others : fitting;
    const among = apt && apter.length > 0 ? apter : enrollments;
    return among[(this.#from + index) % among.length]?.label ?? "nobody";
  }

  /** What asks the authority, once it is called. */
  async #prepare(operation: Operation, { enrollments }: Replica): Promise<() => Promise<string>> {
    const id = (label: string) => this.#ids.get(label) ?? `en_${label}`;
    const told = (changed: readonly Enrollment[]) => ({ changed });
    const run = async (): Promise<{ changed: readonly Enrollment[] }> => {
      switch (operation.type) {
        case "cancel":
          await enrollments.cancel({ account: operation.account, id: id(operation.target) });
          return told([]);
        case "rotate": {
          const { publicKey } = this.#keys[operation.key] as PrivateKey;
          return told([
            await enrollments.rotate({ account: operation.account, id: id(operation.actor) }, publicKey),
          ]);
        }
        case "answer": {
          const { deviceId } = (this.#keys[operation.key] as PrivateKey).publicKey;
          const one = await enrollments.answered(deviceId, operation.counter);
          return told(one === undefined ? [] : [one]);
        }
        case "decide": {
          const { account, actor, target, choice } = operation;
          const decision = { id: id(target), ...choice } as EnrollmentDecision;
          return told(await enrollments.decide({ account, id: id(actor) }, decision));
        }
        case "request":
          return told([await ask()]);
      }
    };
    let ask = (): Promise<Enrollment> => Promise.reject(new TypeError("This is no request."));
    if (operation.type === "request") {
      const { account, label, name: deviceName, key, ...rest } = operation;
      const root = this.#model.roots(account)[0]?.label ?? "";
      const { passcode } = await enrollments.createPasscode({ account, id: id(root) });
      const request = requestFor(
        { ...rest, account, deviceName, appName: "trial", key: this.#keys[key] as PrivateKey },
        this.#clock,
      );
      ask = async () => {
        const enrollment = await enrollments.request(request, passcode, from);
        this.#name(label, enrollment);
        return enrollment;
      };
    }
    return () =>
      run().then(
        ({ changed }) => this.#told(changed),
        (error: unknown) => {
          if (error instanceof AmeshError) return `! ${error.code}`;
          throw error;
        },
      );
  }

  #told(changed: readonly Enrollment[]): string {
    return changed
      .map(
        ({ id, status, scopes: granted, expiresAt }) =>
          `${this.#labels.get(id)} ${status} ${JSON.stringify(granted)} ${expiresAt ?? "-"}`,
      )
      .sort()
      .join("; ");
  }

  /** Both are in the same state, whatever one looks at. */
  async check(): Promise<void> {
    const { enrollments, database } = this.#replica(1);
    await enrollments.lapse();
    for (const account of this.#names) {
      const [root] = this.#model.roots(account);
      expect(root).toBeDefined();
      const listed = await enrollments.list(
        { account, id: this.#ids.get(root?.label ?? "") ?? "" },
        { limit: 1000 },
      );
      const own = this.#model.enrollments.filter((each) => each.account === account);
      expect(this.#told(listed)).toBe(this.#model.tell(own));
      const named = listed.filter(({ status }) => status === "approved" || status === "revoked");
      expect(new Set(named.map(({ appName, deviceName }) => `${appName}/${deviceName}`)).size).toBe(
        named.length,
      );
      const approved = listed.filter(({ status }) => status === "approved");
      const told = (kind: string, entries: Iterable<string>) =>
        [...entries]
          .map((each) => each.split(" "))
          .filter(([of]) => of === account)
          .map(([, key]) => `${kind} ${this.#device(Number(key))}`);
      const { tombstones } = this.#model;
      const dead = [...told("revoked", tombstones), ...told("ended", this.#model.ended(account))];
      const feed = await feedState(database, account);
      expect([...feed.keys()].sort()).toEqual(
        [...approved.map(({ deviceId }) => `device ${deviceId}`), ...dead].sort(),
      );
      for (const { deviceId, scopes: granted } of approved)
        expect(feed.get(`device ${deviceId}`)).toMatchObject({ scopes: granted });
    }
  }

  #device(key: number): string | undefined {
    return key < 0 ? this.#rootDevices[-1 - key] : this.#keys[key]?.publicKey.deviceId;
  }

  #replica(i: number): Replica {
    return this.#replicas[i % this.#replicas.length] as Replica;
  }

  #name(label: string, { id }: Enrollment): void {
    this.#ids.set(label, id);
    this.#labels.set(id, label);
  }
}

const locked = "! enrollment_revoked";

function agree(model: Answer, answer: string): boolean {
  if ("refused" in model) return answer.startsWith("! ") && model.refused.has(answer.slice(2));
  return model.done.startsWith("locked") ? answer === locked : model.done === answer;
}

describe.each(backends())("enrollments in $name", (backend) => {
  const clock = new Clock();
  const replicas: Replica[] = [];
  const stops: (() => Promise<void> | void)[] = [];
  beforeAll(async () => {
    const place = await backend.place((stop) => stops.push(stop));
    for (let i = 0; i < 2; i++) replicas.push(await openReplica(place, clock, (stop) => stops.push(stop)));
  });
  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
  });

  it("do what a small model of them does, whatever several clients do at once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 10, maxLength: 30, size: "max" }), async (rounds) => {
        const trial = new Trial(replicas, clock);
        await trial.begin();
        for (const each of rounds) await trial.play(each);
        await trial.check();
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });
});
