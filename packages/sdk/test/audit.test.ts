import { createAuditEvent } from "@authmesh/core";
import {
  AmeshError,
  type AuditEvent,
  type AuditSink,
  checkEventEvidence,
  createClient,
  type Logger,
  verify,
} from "@authmesh/sdk";
import { expect, test } from "vitest";
import { AuditQueue, type AuditQueueOptions } from "../src/audit-queue.js";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

/** A sink that keeps what it is given, and fails for as long as it is told to. */
class Kept implements AuditSink {
  readonly events: AuditEvent[] = [];
  batches = 0;
  trouble: unknown;
  #arrived = () => {};

  async write(events: readonly AuditEvent[]): Promise<void> {
    this.batches++;
    if (this.trouble !== undefined) throw this.trouble;
    this.events.push(...events);
    this.#arrived();
  }

  async until(count: number): Promise<readonly AuditEvent[]> {
    while (this.events.length < count)
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    return this.events;
  }
}

test("every decision is recorded, with what was asked, and with evidence where it is wanted", async () => {
  const caller = makeIdentity();
  const trust = new MemoryTrust().trust(caller);
  const sink = new Kept();
  const guard = verify({ allowList: trust, audit: sink, evidence: true, logger: silent });
  const { url, host } = await serve((request, response) => guard(request, response, () => response.end()));
  trust.audience = [host];
  const allowed = await createClient({ identity: caller }).fetch(`${url}/orders?a=1`, {
    method: "POST",
    body: "x",
  });
  const refused = await createClient({ identity: makeIdentity() }).fetch(url);
  const missing = await fetch(url);
  expect([allowed.status, refused.status, missing.status]).toEqual([200, 401, 400]);
  const [first, second, third] = await sink.until(3);
  const device = caller.publicKey.deviceId;
  expect(first).toMatchObject({
    specversion: "1.0",
    type: "dev.authmesh.request.allowed",
    id: expect.stringMatching(/^[\w-]{16}$/),
    source: `//${host}`,
    subject: device,
    proven: true,
    data: {
      caller: { kind: "device", id: device, name: "caller" },
      request: {
        method: "POST",
        target: "/orders?a=1",
        host,
        bodyHash: expect.stringMatching(/^sha256:2d7116/),
      },
    },
  });
  expect(checkEventEvidence(first?.data ?? {})).toMatchObject({ holds: true, deviceId: device });
  expect(second).toMatchObject({
    type: "dev.authmesh.request.refused",
    proven: false,
    data: { code: "device_unknown", step: "device" },
  });
  expect(second?.id).toBe(refused.headers.get("authmesh-decision"));
  expect(third?.data).toMatchObject({ code: "missing_header", request: { method: "GET", target: "/" } });
  for (const event of [second, third]) expect(event?.data).not.toHaveProperty("evidence");
});

test("what is no sink is refused when the verifier is made", () => {
  expect(() => verify({ audit: {} as AuditSink })).toThrow(/audit must be an AuditSink/);
});

const event = (id: string, proven = true): AuditEvent =>
  createAuditEvent({
    type: "dev.authmesh.request.refused",
    id,
    time: 1_800_000_000,
    source: "//api.example.com",
    proven,
    data: { request: { method: "GET", target: "/" } },
  });

function newQueue(sink: AuditSink, more: Partial<AuditQueueOptions> = {}) {
  const lines: string[] = [];
  const pauses: number[] = [];
  let wake = () => {};
  const say = (message: string, fields?: object) =>
    void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  const logger: Logger = { ...silent, warn: say, error: say };
  const queue = new AuditQueue({
    sink,
    logger,
    schedule: (callback, ms) => {
      pauses.push(ms);
      wake = callback;
    },
    ...more,
  });
  return { queue, lines, pauses, wake: () => wake() };
}
const ids = (events: readonly AuditEvent[]) => events.map(({ id }) => id).join("");
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("events come in order, in batches, one write at a time", async () => {
  let release = () => {};
  const sizes: number[] = [];
  let writing = 0;
  const sink: AuditSink = {
    async write(events) {
      expect(++writing).toBe(1);
      sizes.push(events.length);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      writing--;
    },
  };
  const { queue } = newQueue(sink);
  for (let i = 0; i < 3; i++) queue.push(event(String(i)));
  await turn();
  for (let i = 0; i < 700; i++) queue.push(event(String(i)));
  for (let i = 0; i < 3; i++) {
    release();
    await turn();
  }
  expect(sizes).toEqual([3, 500, 200]);
});

test("a sink that fails is tried again, later each time, and nothing that waited is lost or doubled", async () => {
  const sink = new Kept();
  sink.trouble = Object.assign(new Error("redis://:secret@host"), { code: "ECONNREFUSED" });
  const { queue, lines, pauses, wake } = newQueue(sink);
  queue.push(event("a"));
  for (let i = 0; i < 8; i++) {
    await turn();
    queue.push(event(String(i)));
    wake();
  }
  await turn();
  expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  expect(lines[0]).toMatch(/^the audit sink failed .*ECONNREFUSED/);
  expect(lines.join()).not.toContain("secret");
  sink.trouble = undefined;
  wake();
  await turn();
  expect(ids(sink.events)).toBe("a01234567");
  expect(lines.at(-1)).toMatch(/^the audit sink works again/);
});

test("a flood of callers that proved nothing pushes out no event of a device, and what is left out is counted", async () => {
  const sink = new Kept();
  sink.trouble = new AmeshError("storage_failed", "The disk is full.");
  const { queue, lines, wake } = newQueue(sink, { capacity: 8 });
  for (let i = 0; i < 100; i++) queue.push(event("u", false));
  for (const id of "abcdef") queue.push(event(id));
  await turn();
  expect(lines[0]).toContain("The disk is full.");
  sink.trouble = undefined;
  wake();
  await turn();
  expect(ids(sink.events)).toBe("uuuuabcd");
  expect(lines.find((line) => line.includes("left out:"))).toMatch(/^98 audit events were left out/);
});
