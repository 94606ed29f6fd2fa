import { AmeshError, createAuditEvent } from "@authmesh/core";
import type { AuditRecorder } from "@authmesh/oath/audit";
import type { AuthorityStore } from "./authority-store.js";
import type { StateEvent } from "./state-event.js";

export interface StateTellingOptions {
  readonly store: Pick<AuthorityStore, "untold" | "forgetTold">;
  readonly audit: AuditRecorder;
  readonly issuer: string;
  /** Told of what the audit has. */
  readonly told: (event: StateEvent) => void;
}

/**
 * Tells the audit what was changed of the shared state. An event stays in the database until the audit has it, and
 * until then it is under way once, however often that is asked for. Without sinks, events are left to the replicas
 * that have some.
 */
export class StateTelling {
  readonly #options: StateTellingOptions;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: StateTellingOptions) {
    this.#options = options;
  }

  /** @throws AmeshError `audit_unavailable`, and what the store does */
  async tell(): Promise<void> {
    const { store, audit } = this.#options;
    if (!audit.hasSinks) return;
    const events = await store.untold();
    await Promise.all(events.map((event) => this.#underWay.get(event.id) ?? this.#begin(event)));
  }

  #begin(event: StateEvent): Promise<void> {
    const { audit, issuer } = this.#options;
    if (!audit.working) return Promise.reject(new AmeshError("audit_unavailable"));
    let inTime: Promise<void> | undefined;
    const kept = new Promise<boolean>((ended) => {
      inTime = audit.record(createAuditEvent({ ...event, proven: true, source: issuer }), ended);
    });
    const over = kept
      .then((isKept) => (isKept ? this.#forget(event) : undefined))
      .finally(() => this.#underWay.delete(event.id));
    over.catch(() => {}); // for when nobody waits any more; the event is still there to be told
    const flight = Promise.resolve(inTime).then(() => over);
    this.#underWay.set(event.id, flight);
    return flight;
  }

  async #forget(event: StateEvent): Promise<void> {
    const { store, told } = this.#options;
    told(event);
    await store.forgetTold(event);
  }
}
