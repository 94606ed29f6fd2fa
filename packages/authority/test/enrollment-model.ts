import type { Scopes } from "@authmesh/core";
import type { EnrollmentStatus } from "../src/enrollment/enrollment.js";
import type { EnrollmentDecision } from "../src/enrollment/enrollments.js";

/**
 * What docs/protocol.md, section 10, says of enrollments, written a second time and naively: no database, no order of checks. A
 * refusal may be any one that applies.
 */
export interface ModelEnrollment {
  label: string;
  account: string;
  key: number;
  name: string;
  status: EnrollmentStatus;
  scopes: Scopes;
  asked: { scopes: Scopes; lifetime?: number };
  end?: number;
  parent?: string;
  reason?: string;
  counter: number;
  /** Nobody granted its scopes yet. */
  isWish?: true;
}

type Choice = EnrollmentDecision extends infer D ? (D extends unknown ? Omit<D, "id"> : never) : never;

export type Operation =
  | {
      type: "request";
      label: string;
      account: string;
      key: number;
      name: string;
      scopes: Scopes;
      lifetime?: number;
    }
  | { type: "decide"; account: string; actor: string; target: string; choice: Choice }
  | { type: "cancel"; account: string; target: string }
  | { type: "rotate"; account: string; actor: string; key: number }
  | { type: "answer"; key: number; counter: number };

/** Labels that changed, and how they are now; or why nothing did. */
export type Answer = { readonly done: string } | { readonly refused: ReadonlySet<string> };

const names = ["orders", "orders.eu", "orders.xx", "profile", "profile.eu", "profile.xx", "xx"];
const allNames = [...names, "__manage", "__manage.eu", "__manage.xx"];
const levels = { r: 1, rw: 2 } as const;

function level(scopes: Scopes, name: string): number {
  const [first = ""] = name.split(".");
  const found = scopes[name] ?? scopes[first] ?? (name.startsWith("__") ? undefined : scopes["*"]);
  return found === undefined ? 0 : levels[found];
}

const within = (small: Scopes, large: Scopes) =>
  allNames.every((name) => level(small, name) <= level(large, name));

const taken: readonly EnrollmentStatus[] = ["pending", "approved", "revoked"];

const inFeed = ({ account, key }: ModelEnrollment) => `${account} ${key}`;

const named = ({ account, name }: ModelEnrollment) => `${account} ${name}`;

export class Model {
  enrollments: ModelEnrollment[] = [];
  spent = new Set<number>();
  /** `ACCOUNT KEY` of what the feeds tell as revoked. */
  tombstones = new Set<string>();
  /** `ACCOUNT KEY` of what left the feeds otherwise, and was written off as such. */
  left = new Set<string>();
  /** `ACCOUNT NAME`, and until when its tokens are revoked. */
  withdrawn = new Map<string, number>();
  now: number;

  constructor(now: number) {
    this.now = now;
  }

  copy(): Model {
    const copy = new Model(this.now);
    copy.enrollments = structuredClone(this.enrollments);
    copy.spent = new Set(this.spent);
    copy.tombstones = new Set(this.tombstones);
    copy.left = new Set(this.left);
    copy.withdrawn = new Map(this.withdrawn);
    return copy;
  }

  status({ status, end }: ModelEnrollment): EnrollmentStatus {
    const mayEnd = status === "pending" || status === "approved";
    return mayEnd && end !== undefined && this.now >= end ? "expired" : status;
  }

  /** `ACCOUNT KEY` of what the feeds tell as ended. */
  ended(account: string): readonly string[] {
    const lapsed = this.enrollments.filter((each) => this.#hasLapsed(each)).map(inFeed);
    return [...new Set([...this.left, ...lapsed])].filter((each) => each.startsWith(`${account} `));
  }

  #hasLapsed(each: ModelEnrollment): boolean {
    return each.status === "approved" && this.status(each) === "expired";
  }

  isRoot(each: ModelEnrollment): boolean {
    const all = allNames.every((name) => level(each.scopes, name) === 2);
    return each.status === "approved" && each.end === undefined && all;
  }

  roots(account: string): ModelEnrollment[] {
    return this.enrollments.filter((each) => each.account === account && this.isRoot(each));
  }

  apply(operation: Operation): Answer {
    const before = this.copy();
    const refused = new Set<string>();
    const changed = this.#run(operation, refused);
    const lost = before.enrollments.find(
      ({ account }) => before.roots(account).length > 0 && this.roots(account).length === 0,
    );
    if (lost !== undefined) refused.add("last_root");
    if (refused.size === 0) return { done: this.tell(changed) };
    Object.assign(this, before);
    return { refused };
  }

  tell(changed: readonly ModelEnrollment[]): string {
    return changed
      .map((each) => `${each.label} ${this.status(each)} ${JSON.stringify(each.scopes)} ${each.end ?? "-"}`)
      .sort()
      .join("; ");
  }

  #find(account: string, label: string): ModelEnrollment | undefined {
    return this.enrollments.find((each) => each.label === label && each.account === account);
  }

  #isFree(key: number): boolean {
    return (
      !this.spent.has(key) && !this.enrollments.some((e) => e.key === key && taken.includes(this.status(e)))
    );
  }

  #run(operation: Operation, refused: Set<string>): ModelEnrollment[] {
    switch (operation.type) {
      case "request": {
        const { type: _, lifetime, scopes, ...rest } = operation;
        if (!this.#isFree(rest.key)) refused.add("enrollment_key_in_use");
        const asked = { scopes, ...(lifetime === undefined ? {} : { lifetime }) };
        const end = this.now + 86_400;
        this.enrollments.push({ ...rest, scopes, asked, end, status: "pending", counter: 0, isWish: true });
        return this.enrollments.slice(-1);
      }
      case "cancel": {
        const target = this.#find(operation.account, operation.target);
        if (target === undefined) refused.add("enrollment_not_found");
        else if (this.status(target) !== "pending") refused.add("enrollment_state");
        this.enrollments = this.enrollments.filter((each) => each !== target);
        return [];
      }
      case "rotate": {
        const actor = this.#find(operation.account, operation.actor);
        if (this.#refusesToAct(actor, refused)) return [];
        if (!this.#isFree(operation.key)) refused.add("enrollment_key_in_use");
        this.spent.add(actor.key);
        this.left.add(inFeed(actor));
        Object.assign(actor, { key: operation.key, counter: 0 });
        return [actor];
      }
      case "answer": {
        const having = this.enrollments.filter(({ key }) => key === operation.key);
        const one = having.find((each) => taken.includes(this.status(each))) ?? having.at(-1);
        if (one === undefined) return [];
        if (operation.counter > one.counter) one.counter = operation.counter;
        else if (this.status(one) === "approved") return this.#lock(one, refused);
        return [one];
      }
      case "decide":
        return this.#decide(operation, refused);
    }
  }

  /** The caller is refused, and what was found out stays: it is no refusal of the whole. */
  #lock(one: ModelEnrollment, refused: Set<string>): ModelEnrollment[] {
    const isLast = this.isRoot(one) && this.roots(one.account).length === 1;
    if (isLast) refused.add("challenge_refused");
    else {
      this.#revoke(one, "suspected-clone");
      return [{ ...one, label: "locked" }];
    }
    return [];
  }

  #revoke(one: ModelEnrollment, reason: string | undefined): void {
    if (reason === undefined) delete one.reason;
    else one.reason = reason;
    this.spent.add(one.key);
    this.tombstones.add(inFeed(one));
    if (one.status !== "revoked") this.withdrawn.set(named(one), this.now + 600);
    one.status = "revoked";
  }

  #refusesToAct(actor: ModelEnrollment | undefined, refused: Set<string>): actor is undefined {
    const status = actor === undefined ? "revoked" : this.status(actor);
    if (status !== "approved") refused.add(`enrollment_${status}`);
    return status !== "approved";
  }

  #decide(
    { account, actor: by, target: on, choice }: Extract<Operation, { type: "decide" }>,
    refused: Set<string>,
  ): ModelEnrollment[] {
    const actor = this.#find(account, by);
    if (this.#refusesToAct(actor, refused)) return [];
    if (level(actor.scopes, "__manage") < 2) refused.add("approval_exceeds");
    const target = this.#find(account, on);
    if (target === undefined) {
      refused.add("enrollment_not_found");
      return [];
    }
    if (actor === target && ["revoke", "narrow", "extend", "delete"].includes(choice.type))
      refused.add("enrollment_self");
    const granted = choice.type === "approve" ? (choice.scopes ?? target.scopes) : target.scopes;
    const isNo = target.isWish && choice.type !== "approve";
    if (!isNo && !within(granted, actor.scopes)) refused.add("approval_exceeds");
    const is = (...states: EnrollmentStatus[]) => {
      if (!states.includes(this.status(target))) refused.add("enrollment_state");
    };
    const endAt = (end: number | undefined) => {
      const isLater = actor.end !== undefined && (end === undefined || end > actor.end);
      if (isLater && !this.isRoot(actor)) refused.add("approval_exceeds");
      if (end === undefined) delete target.end;
      else target.end = end;
    };
    const endBy = (lifetime: number | undefined) =>
      endAt(lifetime === undefined ? undefined : this.now + lifetime);
    switch (choice.type) {
      case "approve": {
        is("pending");
        const { scopes, lifetime } = target.asked;
        const life = choice.lifetime ?? lifetime;
        if (!within(granted, scopes)) refused.add("approval_exceeds");
        if (lifetime !== undefined && life !== undefined && life > lifetime) refused.add("approval_exceeds");
        const same = (e: ModelEnrollment) => e !== target && e.account === account && e.name === target.name;
        const isHeld = this.enrollments.some(
          (e) => same(e) && ["approved", "revoked"].includes(this.status(e)),
        );
        if (isHeld || (this.withdrawn.get(named(target)) ?? 0) > this.now)
          refused.add("enrollment_name_taken");
        Object.assign(target, { scopes: granted, status: "approved", parent: actor.label });
        delete target.isWish;
        endBy(life);
        return [target];
      }
      case "deny":
        is("pending");
        target.status = "denied";
        return [target];
      case "narrow":
        is("approved");
        if (!within(choice.scopes, target.scopes)) refused.add("approval_exceeds");
        target.scopes = choice.scopes;
        return [target];
      case "extend":
        is("approved");
        endBy(choice.lifetime);
        return [target];
      case "unrevoke":
        is("revoked");
        if (target.reason === "compromise") refused.add("enrollment_state");
        if (target.reason === "suspected-clone" && !this.isRoot(actor)) refused.add("approval_exceeds");
        target.status = "approved";
        this.withdrawn.delete(named(target));
        endAt(target.end);
        if (target.reason === "suspected-clone") target.counter = 0;
        delete target.reason;
        this.tombstones.delete(inFeed(target));
        return [target];
      case "delete":
        is("denied", "revoked", "expired");
        for (const each of this.enrollments)
          if (each.parent === target.label) {
            if (target.parent === undefined) delete each.parent;
            else each.parent = target.parent;
          }
        if (this.#hasLapsed(target)) this.left.add(inFeed(target));
        this.enrollments = this.enrollments.filter((each) => each !== target);
        return [{ ...target, status: this.status(target) }];
      case "revoke": {
        if (choice.reason === "compromise") is("approved", "revoked");
        else is("approved");
        const falling = [target, ...(choice.cascade ? this.#below(target.label) : [])].filter(
          (each) => each === target || this.status(each) === "approved",
        );
        if (falling.includes(actor)) refused.add("enrollment_self");
        if (falling.some(({ scopes }) => !within(scopes, actor.scopes))) refused.add("approval_exceeds");
        for (const each of falling) this.#revoke(each, choice.reason);
        return falling;
      }
    }
  }

  #below(label: string): ModelEnrollment[] {
    return this.enrollments
      .filter(({ parent }) => parent === label)
      .flatMap((each) => [each, ...this.#below(each.label)]);
  }
}
