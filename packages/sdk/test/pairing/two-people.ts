import { randomBytes } from "node:crypto";
import { AmeshError } from "@authmesh/core";
import type { OpenIdentity } from "@authmesh/keystore";
import { createRelay, type RelayOptions } from "@authmesh/relay";
import {
  invite,
  type ListenOptions,
  listen,
  type PairingEvent,
  type PairingOptions,
} from "@authmesh/sdk/pairing";
import { onTestFinished } from "vitest";

/** How one side ended: what it told, and the code of its error. */
export interface Ended {
  readonly events: readonly PairingEvent[];
  readonly error: string | undefined;
  readonly detail: string | undefined;
}

/** A relay of its own on a free port. It forgives what a test does from one address. */
export async function startRelay(
  options: RelayOptions = {},
): Promise<{ url: string; sweep(): void; close(): Promise<void> }> {
  const limits = {
    "address.sockets": 1000,
    "address.connections": 1000,
    "address.openings": 1000,
    "address.listens": 1000,
    "address.failures": 1000,
    "address.longFailures": 1000,
  };
  const relay = createRelay({ host: "127.0.0.1", port: 0, limits, ...options });
  const { url } = await relay.listen();
  onTestFinished(() => relay.close());
  return { url, sweep: () => relay.sweep(), close: () => relay.close() };
}

/** Follows a side to its end. Anything it throws that is not of the catalogue fails the test. */
export async function follow(
  side: AsyncIterable<PairingEvent>,
  onEvent: (event: PairingEvent) => unknown = () => {},
): Promise<Ended> {
  const events: PairingEvent[] = [];
  try {
    for await (const event of side) {
      events.push(event);
      await onEvent(event);
    }
    return { events, error: undefined, detail: undefined };
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { events, error: error.code, detail: error.message };
  }
}

export interface PairingPlan {
  readonly target: OpenIdentity;
  readonly controller: OpenIdentity;
  readonly relay: string;
  /** What the controller's operator types for the code of the target. Default: the same. */
  readonly retype?: (code: string) => string;
  /** What the target's operator types. Default: what the controller shows. */
  readonly entry?: (shown: string, left: number) => string | Promise<string>;
  readonly listen?: Partial<ListenOptions>;
  readonly invite?: PairingOptions;
  readonly onListen?: (event: PairingEvent) => unknown;
  readonly onInvite?: (event: PairingEvent) => unknown;
  readonly onInvited?: (ended: Ended) => unknown;
}

/** Two people who pair two machines: one reads codes out, the other types them. */
export async function pair(plan: PairingPlan): Promise<{ target: Ended; controller: Ended }> {
  const code = deferred<string>();
  const shown = deferred<string>();
  const same = (text: string) => text;
  const { entry = same, retype = same, relay } = plan;
  const target = follow(
    listen({
      ...(plan.listen?.dir === undefined && { identity: plan.target }),
      relay,
      verificationCode: async ({ left }) => entry(await shown.promise, left),
      ...plan.listen,
    }),
    (event) => {
      if (event.event === "code") code.resolve(event.code);
      return plan.onListen?.(event);
    },
  );
  target.then(
    ({ error }) => code.reject(new Error(`listen ended before there was a code: ${error}`)),
    code.reject,
  );
  const controller = follow(
    invite(retype(await code.promise), { identity: plan.controller, relay, ...plan.invite }),
    (event) => {
      if (event.event === "sas") shown.resolve(event.code);
      return plan.onInvite?.(event);
    },
  );
  controller.then(plan.onInvited, () => {});
  const [targetEnd, controllerEnd] = await Promise.all([target, controller]);
  return { target: targetEnd, controller: controllerEnd };
}

/** A promise that the test settles. */
export function deferred<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: Error): void } {
  let settle: { resolve(value: T): void; reject(error: Error): void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {});
  return { promise, ...(settle as NonNullable<typeof settle>) };
}

/** Another code of six digits. */
export const wrong = (code: string): string => (code === "000000" ? "000001" : "000000");

/** Randomness that leads to these codes of `listen`, which draws them from four bytes each. */
export function drawing(...codes: string[]): (length: number) => Uint8Array {
  return (length) => {
    const bytes = randomBytes(length);
    if (length === 4) bytes.writeUInt32BE(Number(codes.shift()) - 100_000);
    return bytes;
  };
}
