import { FanOutAuditSink } from "@authmesh/oath/audit";
import { type AuditSink, checkEventEvidence, createClient, verify } from "@authmesh/sdk";
import { expect, test, vi } from "vitest";
import { Kept } from "./fixtures/kept.js";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

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

test("where sinks are required, nobody is let in whom they could not keep, and the others are told why", async () => {
  const caller = makeIdentity();
  const trust = new MemoryTrust().trust(caller);
  const [first, second] = [new Kept(), new Kept()];
  const audit = new FanOutAuditSink([first, second], { require: 2, waitMs: 50, logger: silent });
  const guard = verify({ allowList: trust, audit, logger: silent });
  const handled = vi.fn();
  const { url, host } = await serve((request, response) =>
    guard(request, response, () => {
      handled();
      response.end();
    }),
  );
  trust.audience = [host];
  const client = createClient({ identity: caller });
  expect((await client.fetch(url)).status).toBe(200);
  expect([first.events.length, second.events.length]).toEqual([1, 1]); // before the answer, not after
  second.trouble = new Error("gone");
  const refused = await client.fetch(url);
  expect([refused.status, await refused.json()]).toEqual([503, { error: "audit_unavailable" }]);
  expect(handled).toHaveBeenCalledTimes(1);
  const [, allowed, instead] = await first.until(3);
  expect(allowed).toMatchObject({ type: "dev.authmesh.request.allowed" });
  expect(instead).toMatchObject({
    type: "dev.authmesh.request.refused",
    id: refused.headers.get("authmesh-decision"),
    proven: true,
    subject: caller.publicKey.deviceId,
    data: { code: "audit_unavailable", step: "audit", after: allowed?.id },
  });
  await audit.close();
});
