import { catalogue } from "@authmesh/core";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RunningAuthority } from "../running-authority.js";
import { Account, type Enrolled } from "./account.js";

let acme: Account;
let pending: Enrolled;
beforeAll(async () => {
  acme = await Account.open(await RunningAuthority.start({}, afterAll));
  pending = await acme.pending();
});

/** An answer, or a refusal of the catalogue that is no fault of the authority. */
async function sane(answering: Promise<Response>): Promise<void> {
  const answer = await answering;
  const body = await answer.json();
  expect(answer.status).toBeLessThan(500);
  if (!answer.ok) expect(Object.keys(catalogue)).toContain(body.error);
}

const members = fc.constantFrom(
  "attestation",
  "request",
  "signature",
  "passcode",
  "answer",
  "scopes",
  "lifetime",
  "dryRun",
);
const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.json().map((text) => Buffer.from(text)),
  fc.dictionary(members, fc.jsonValue()).map((value) => Buffer.from(JSON.stringify(value))),
);
const post = (body: Uint8Array) => ({ method: "POST", body: Buffer.from(body) });

it.each(["", "/wait", "/cancel", "/rotation"])(
  "whatever everybody posts to /v1/enrollments%s is answered or refused by the catalogue",
  async (path) => {
    await fc.assert(
      fc.asyncProperty(bodies, (body) => sane(fetch(acme.url + path, post(body)))),
      { numRuns: 25 },
    );
  },
);

it("and whatever everybody posts to /v1/attestations", async () => {
  const claims = fc
    .record({
      publicKey: fc.constant(pending.device.key.publicKey.base64),
      claim: fc.oneof(fc.string(), fc.json()),
    })
    .map((value) => Buffer.from(JSON.stringify(value)));
  const url = `${acme.running.url}/v1/attestations`;
  await fc.assert(
    fc.asyncProperty(fc.oneof(bodies, claims), (body) => sane(fetch(url, post(body)))),
    { numRuns: 25 },
  );
});

it.each(["extend", "narrow"])("and whatever an approver posts to decide: %s", async (type) => {
  const url = `${acme.url}/${pending.id}/${type}`;
  await fc.assert(
    fc.asyncProperty(bodies, (body) => sane(acme.master.fetch(url, post(body)))),
    { numRuns: 15 },
  );
});

it("and whatever a query says", async () => {
  const names = fc.constantFrom("status", "app", "stale", "limit", "after", "x");
  const values = fc.oneof(fc.string(), fc.constantFrom("0", "1", "pending", "9".repeat(17)));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 3 }), (pairs) => {
      const query = new URLSearchParams(pairs);
      query.sort(); // in another order not every query can be signed
      return sane(acme.master.fetch(`${acme.url}?${query}`));
    }),
    { numRuns: 25 },
  );
});
