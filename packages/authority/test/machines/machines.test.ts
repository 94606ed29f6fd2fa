import { cpSync } from "node:fs";
import { decodeUtf8, fromBase64Url } from "@authmesh/core";
import { createIdentity, forgetPrevious, openIdentity, readIdentity } from "@authmesh/keystore";
import { createClient } from "@authmesh/sdk";
import {
  approveEnrollment,
  authenticate,
  cancelEnrollment,
  createInvitation,
  createPasscode,
  deleteEnrollment,
  deleteInvitation,
  denyEnrollment,
  extendEnrollment,
  listEnrollments,
  listInvitations,
  narrowEnrollment,
  onboard,
  recover,
  register,
  rememberedEnrollment,
  requestEnrollment,
  revokeEnrollment,
  rotateKey,
  showEnrollment,
  unrevokeEnrollment,
  waitForEnrollment,
  watchEnrollments,
} from "@authmesh/sdk/enroll";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { codeOf } from "../../../../test/fixtures/code-of.js";
import { buildPackage } from "../../../keystore/test/processes/built.js";
import { start } from "../../../keystore/test/processes/child.js";
import { RunningAuthority } from "../running-authority.js";
import { account, asking, claimOf, enrolled, losing, newMachine, onboarded, wishOf } from "./machine.js";

beforeAll(() => buildPackage("sdk"));

let authority: RunningAuthority;
beforeEach(async () => {
  authority = await RunningAuthority.start();
});

const service = { audience: "https://api.example.com", action: "orders.write" };
const claimsOf = (token: string) =>
  JSON.parse(decodeUtf8(fromBase64Url(token.split(".")[1] ?? "") ?? new Uint8Array()) ?? "");

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe("the life of an enrollment", () => {
  it("goes from an account by request, narrowed approval and revocation to its end", async () => {
    const root = await onboarded(authority);
    expect(await showEnrollment(root)).toMatchObject({
      account,
      appName: "admin",
      deviceName: "desk",
      status: "approved",
      scopes: { "*": "rw", __manage: "rw" },
    });
    const box = await asking(authority, root, { orders: "rw", profile: "rw" });
    const { id, comparisonCode } = box.requested;
    expect(box.requested).toMatchObject({
      status: "pending",
      resumed: false,
      created: { identity: { friendlyName: "box-1" } },
    });
    expect(await codeOf(authenticate(box))).toBe("enrollment_pending");
    expect(await showEnrollment({ ...root, id })).toMatchObject({
      status: "pending",
      code: comparisonCode,
      attestation: "none",
    });

    const waiting = waitForEnrollment(box);
    const preview = await approveEnrollment({ ...root, id, scopes: { orders: "rw" }, dryRun: true });
    expect(preview).toMatchObject([{ id, status: "approved", scopes: { orders: "rw" } }]);
    expect(await showEnrollment({ ...root, id })).toMatchObject({ status: "pending" });
    await approveEnrollment({ ...root, id, scopes: { orders: "rw" }, lifetimeSeconds: 86_400 });
    expect(await waiting).toMatchObject({
      id,
      status: "approved",
      scopes: { orders: "rw" },
      expiresAt: expect.any(Number),
    });
    expect(rememberedEnrollment(box)).toMatchObject({
      id,
      status: "approved",
      authority: authority.url,
      account,
    });

    const { token, subject } = await authenticate(box);
    expect(subject).toBe("svc://acme/orders/box-1");
    expect(claimsOf(token)).toMatchObject({ sub: subject, aud: authority.url, act: "amesh.authenticate" });
    expect(claimsOf((await authenticate({ ...box, token: service })).token)).toMatchObject({
      act: "orders.write",
    });
    expect(await codeOf(authenticate({ ...box, token: { ...service, action: "billing.write" } }))).toBe(
      "mint_denied",
    );

    expect(await narrowEnrollment({ ...root, id, scopes: { orders: "r" } })).toMatchObject([
      { scopes: { orders: "r" } },
    ]);
    expect(await extendEnrollment({ ...root, id, lifetimeSeconds: 3600 })).toMatchObject([{ id }]);
    expect(await revokeEnrollment({ ...root, id, reason: "lost" })).toMatchObject([
      { id, status: "revoked", reason: "lost" },
    ]);
    expect(await codeOf(authenticate(box))).toBe("enrollment_revoked");
    expect(rememberedEnrollment(box)?.status).toBe("revoked");
    expect(await waitForEnrollment(box)).toMatchObject({ status: "revoked", reason: "lost" });
    await unrevokeEnrollment({ ...root, id });
    await authenticate(box);
    expect((await all(listEnrollments(root))).map(({ deviceName }) => deviceName).sort()).toEqual([
      "box-1",
      "desk",
    ]);
    expect(await all(listEnrollments({ ...root, appName: "nothing" }))).toEqual([]);
    await revokeEnrollment({ ...root, id });
    expect(await deleteEnrollment({ ...root, id, dryRun: true })).toMatchObject([{ id }]);
    await deleteEnrollment({ ...root, id });
    expect(await codeOf(showEnrollment({ ...root, id }))).toBe("enrollment_not_found");
  });

  it("gives a client the tokens of its scopes, and no others", async () => {
    const root = await onboarded(authority);
    const box = await enrolled(authority, root);
    const identity = await openIdentity(box);
    const calls: string[] = [];
    const client = createClient({
      identity,
      session: false,
      token: { authority: authority.url, ...service, proof: true },
      fetch: async (url, init) => {
        if (url.startsWith(authority.url)) return fetch(url, init);
        calls.push(init.headers["authorization"] ?? init.headers["Authorization"] ?? "");
        return new Response("ok");
      },
    });
    expect(await (await client.fetch("https://api.example.com/orders")).text()).toBe("ok");
    expect(claimsOf(calls[0] ?? "")).toMatchObject({ sub: "svc://acme/orders/box-1", act: "orders.write" });
    await revokeEnrollment({ ...root, id: box.id });
    const other = createClient({ identity, session: false, token: { authority: authority.url, ...service } });
    expect(await codeOf(other.fetch("https://api.example.com/orders"))).toBe("token_refused");
  });

  it("tells who holds the key in which of four ways it is not let in", async () => {
    const root = await onboarded(authority);
    const denied = await asking(authority, root);
    await denyEnrollment({ ...root, id: denied.requested.id, reason: "who?" });
    expect(await codeOf(authenticate(denied))).toBe("enrollment_denied");
    expect(await waitForEnrollment(denied)).toMatchObject({ status: "denied", reason: "who?" });
    const stranger = newMachine();
    await createIdentity({ ...stranger, friendlyName: "nobody" });
    expect(await codeOf(authenticate({ ...stranger, authority: authority.url }))).toBe("challenge_refused");
    expect(await codeOf(waitForEnrollment({ ...stranger, authority: authority.url }))).toBe(
      "challenge_refused",
    );
    expect(await codeOf(listEnrollments({ ...stranger, authority: authority.url }).next())).toBe(
      "unauthorized",
    );
  });

  it("is told to who watches, change by change", async () => {
    const root = await onboarded(authority);
    const ending = new AbortController();
    const watched = watchEnrollments({ ...root, signal: ending.signal });
    const first = watched.next();
    const box = await asking(authority, root);
    const { id } = box.requested;
    expect((await first).value).toMatchObject({ id, status: "pending" });
    await approveEnrollment({ ...root, id });
    expect((await watched.next()).value).toMatchObject({ id, status: "approved" });
    const last = watched.next();
    ending.abort();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  it("begins with an invitation too, which approves what it covers by itself", async () => {
    const root = await onboarded(authority);
    const { id, invitation } = await createInvitation({
      ...root,
      scopes: { orders: "rw" },
      uses: 2,
      autoApprove: true,
    });
    expect(await listInvitations(root)).toMatchObject([
      { id, usesLeft: 2, autoApprove: true, scopes: { orders: "rw" } },
    ]);
    const wider = wishOf(authority, newMachine(), { orders: "rw", profile: "r" });
    expect(await codeOf(requestEnrollment({ ...wider, passcode: invitation }))).toBe("approval_exceeds");
    const box = newMachine();
    const requested = await requestEnrollment({ ...wishOf(authority, box), passcode: invitation });
    expect(requested.status).toBe("approved");
    await authenticate(box);
    await deleteInvitation({ ...root, id });
    expect(await listInvitations(root)).toEqual([]);
    const late = wishOf(authority, newMachine());
    expect(await codeOf(requestEnrollment({ ...late, passcode: invitation }))).toBe("passcode_refused");
  });

  it("is closed to strangers where registration is", async () => {
    const options = { authority: authority.url, account, email: "a@example.com" };
    expect(await codeOf(register(options))).toBe("registration_closed");
  });
});

describe("claiming an account", () => {
  it("goes on after a client was killed between its key and the claim, with that key", async () => {
    const machine = newMachine();
    const claim = await claimOf(authority, machine);
    const { identity } = await createIdentity({ ...machine, friendlyName: "desk" });
    const { enrollment, created } = await onboard(claim);
    expect(enrollment.deviceId).toBe(identity.deviceId);
    expect(created).toBeUndefined();
  });

  it("is repeated by who lost the answer, with recovery codes that take the place of the lost ones, until it was used", async () => {
    const machine = newMachine();
    const claim = await claimOf(authority, machine);
    const lossy = losing("/v1/onboarding");
    expect(await codeOf(onboard({ ...claim, fetch: lossy.fetch }))).toBe("service_unreachable");
    expect(rememberedEnrollment(machine)).toBeUndefined();
    const first = await onboard(claim);
    const again = await onboard(claim);
    expect(again.enrollment.id).toBe(first.enrollment.id);
    const elsewhere = { ...claim, ...newMachine() };
    expect(await codeOf(onboard(elsewhere))).toBe("onboarding_refused");
    const recovering = (code: string | undefined) =>
      recover({ ...elsewhere, deviceName: "spare", code: code?.toLowerCase() ?? "" });
    expect(await codeOf(recovering(first.recoveryCodes[0]))).toBe("recovery_refused");
    const recovered = await recovering(again.recoveryCodes[0]);
    expect(recovered.enrollment).toMatchObject({ status: "approved", scopes: { "*": "rw", __manage: "rw" } });
    await authenticate(elsewhere);
    expect(
      await codeOf(
        recover({ ...claim, ...newMachine(), deviceName: "third", code: again.recoveryCodes[0] ?? "" }),
      ),
    ).toBe("recovery_refused");
    await authenticate(machine);
    expect(await codeOf(onboard(claim))).toBe("onboarding_refused");
  });
});

describe("a request", () => {
  it("survives a restart of machine and authority, and is the same when it is asked again", async () => {
    const root = await onboarded(authority);
    const box = newMachine();
    const { passcode } = await createPasscode(root);
    const lossy = losing("/v1/enrollments");
    const wish = wishOf(authority, box);
    expect(await codeOf(requestEnrollment({ ...wish, passcode, fetch: lossy.fetch }))).toBe(
      "service_unreachable",
    );
    const requested = await requestEnrollment({ ...wish, passcode });
    expect(requested).toMatchObject({ status: "pending", resumed: true });
    expect(await showEnrollment({ ...root, id: requested.id })).toMatchObject({
      code: requested.comparisonCode,
    });

    const waiting = waitForEnrollment({ ...box, pollMs: 20 });
    await authority.authority.close();
    authority = await authority.restart();
    const { attestation: _, ...standing } = requested;
    expect(await requestEnrollment(wish)).toEqual(standing);
    await approveEnrollment({ ...root, id: requested.id });
    expect(await waiting).toMatchObject({ id: requested.id, status: "approved" });
    expect(await requestEnrollment(wish)).toEqual({ ...standing, status: "approved" });
    expect(await codeOf(requestEnrollment({ ...wish, scopes: { orders: "r" }, passcode }))).toBe(
      "passcode_refused",
    );
  });

  it("whose answer was lost too long ago is withdrawn and asked anew", async () => {
    const root = await onboarded(authority);
    const box = newMachine();
    const lossy = losing("/v1/enrollments");
    const wish = wishOf(authority, box);
    const first = await createPasscode(root);
    const past = { now: () => Date.now() - 250_000 };
    expect(await codeOf(requestEnrollment({ ...wish, ...first, ...past, fetch: lossy.fetch }))).toBe(
      "service_unreachable",
    );
    const { resumed, id } = await requestEnrollment({ ...wish, ...(await createPasscode(root)) });
    expect(resumed).toBe(false);
    expect(await all(listEnrollments({ ...root, status: "pending" }))).toMatchObject([{ id }]);
  });

  it("is withdrawn by who made it, and then made anew", async () => {
    const root = await onboarded(authority);
    const { requested, ...box } = await asking(authority, root);
    const waiting = codeOf(waitForEnrollment({ ...box, pollMs: 20 }));
    await cancelEnrollment(box);
    expect(await waiting).toBe("challenge_refused");
    expect(rememberedEnrollment(box)).toBeUndefined();
    expect(await all(listEnrollments({ ...root, status: "pending" }))).toEqual([]);
    const { passcode } = await createPasscode(root);
    const again = await requestEnrollment({ ...wishOf(authority, box), passcode });
    expect(again).toMatchObject({ status: "pending", resumed: false });
    expect(again.id).not.toBe(requested.id);
  });

  it("goes on when nobody waits for it any more", async () => {
    const root = await onboarded(authority);
    const { requested, ...box } = await asking(authority, root);
    const ending = new AbortController();
    const waiting = waitForEnrollment({ ...box, signal: ending.signal });
    ending.abort(new RangeError("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await approveEnrollment({ ...root, id: requested.id });
    expect(await waitForEnrollment(box)).toMatchObject({ status: "approved" });
  });

  it("is refused with a wrong passcode, and leaves nothing behind that a right one would not mend", async () => {
    const root = await onboarded(authority);
    const box = newMachine();
    expect(await codeOf(requestEnrollment({ ...wishOf(authority, box), passcode: "AAAAAA" }))).toBe(
      "passcode_refused",
    );
    const { passcode } = await createPasscode(root);
    expect(
      await requestEnrollment({ ...wishOf(authority, box), passcode: passcode.toLowerCase() }),
    ).toMatchObject({
      status: "pending",
      resumed: false,
    });
  });
});

describe("the counter of a key", () => {
  it("lets processes of one machine authenticate at once", async () => {
    const box = await enrolled(authority, await onboarded(authority));
    for (const [name, value] of Object.entries(box.env)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const children = [1, 2].map(() => start("authenticate.js", [box.dir, 4], import.meta.url));
    await Promise.all(children.map(({ ended }) => ended));
    const outcomes = children.flatMap(({ lines }) => lines);
    expect(outcomes).toEqual(Array.from({ length: 8 }, () => "svc://acme/orders/box-1"));
  });

  it("shows a copied folder, and locks that enrollment alone until a root has looked", async () => {
    const root = await onboarded(authority);
    const box = await enrolled(authority, root);
    await authenticate(box);
    const copy = newMachine();
    cpSync(box.dir, copy.dir, { recursive: true });
    await authenticate(copy);
    expect(await codeOf(authenticate(box))).toBe("enrollment_revoked");
    expect(await codeOf(authenticate(copy))).toBe("enrollment_revoked");
    expect(await showEnrollment({ ...root, id: box.id })).toMatchObject({
      status: "revoked",
      reason: "suspected-clone",
    });
    await authenticate(root);
    await unrevokeEnrollment({ ...root, id: box.id });
    await authenticate(box);
  });
});

describe("rotating a key", () => {
  it("gives the enrollment another key, goes on when the answer was lost, and leaves the old one worthless", async () => {
    const root = await onboarded(authority);
    const box = await enrolled(authority, root);
    const before = newMachine();
    cpSync(box.dir, before.dir, { recursive: true });
    const lossy = losing("/v1/enrollments/rotation");
    expect(await codeOf(rotateKey({ ...box, fetch: lossy.fetch }))).toBe("service_unreachable");
    const { identity, previous, targets } = await rotateKey(box);
    expect(readIdentity(box.dir).identity).toEqual(identity);
    expect(identity.backend).toBe(previous.backend);
    expect(targets).toEqual([]);
    await authenticate(box);
    expect(await showEnrollment({ ...box, id: undefined })).toMatchObject({
      id: box.id,
      deviceId: identity.deviceId,
      status: "approved",
    });
    expect(await codeOf(authenticate(before))).toBe("challenge_refused");
    expect(await codeOf(rotateKey(box))).toBe("migration_unfinished");
    await forgetPrevious(box);
    await rotateKey(box);
    await authenticate(box);
  });

  it("is refused to who was revoked", async () => {
    const root = await onboarded(authority);
    const box = await enrolled(authority, root);
    await revokeEnrollment({ ...root, id: box.id });
    const before = readIdentity(box.dir).identity;
    expect(await codeOf(rotateKey(box))).toBe("enrollment_revoked");
    expect(readIdentity(box.dir).identity).toEqual(before);
  });
});
