import { PrivateKey, randomBytes, type Scopes } from "@authmesh/core";
import { newRecoveryCode, recoveryDigest } from "@authmesh/core/enrollment";
import { describe, expect, it } from "vitest";
import type { Enrollment, EnrollmentStatus } from "../src/enrollment/enrollment.js";
import type { Actor, EnrollmentDecision, Enrollments } from "../src/enrollment/enrollments.js";
import { transitions } from "../src/enrollment/transitions.js";
import {
  approved,
  Clock,
  claimOf,
  feedState,
  from,
  onboarded,
  openReplica,
  proofBy,
  requested,
  requestFor,
} from "./enrolling.js";
import { type Backend, backends } from "./stores.js";

async function opened(backend: Backend) {
  const clock = new Clock();
  const replica = await openReplica(await backend.place(), clock);
  const root = await onboarded(replica.enrollments);
  const { enrollments } = replica;
  return {
    ...replica,
    clock,
    root,
    decide: (by: Actor, id: string, decision: Decision, dryRun?: boolean) =>
      enrollments.decide(by, { id, ...decision } as EnrollmentDecision, dryRun),
    asks: (wish = {}) => requested(enrollments, root, wish, clock),
    joins: (wish = {}, by: Actor = root) => approved(enrollments, by, wish, clock),
  };
}

type Decision = EnrollmentDecision extends infer D ? (D extends unknown ? Omit<D, "id"> : never) : never;

const refused = (code: string) => expect.objectContaining({ code });
const managing = (scopes: Scopes): Scopes => ({ ...scopes, __manage: "rw" });
const states: readonly EnrollmentStatus[] = ["pending", "approved", "denied", "revoked", "expired"];
const decisions: Readonly<Record<EnrollmentDecision["type"] | "compromise", Decision>> = {
  approve: { type: "approve" },
  deny: { type: "deny" },
  revoke: { type: "revoke" },
  compromise: { type: "revoke", reason: "compromise" },
  unrevoke: { type: "unrevoke" },
  narrow: { type: "narrow", scopes: { orders: "r" } },
  extend: { type: "extend", lifetime: 3600 },
  delete: { type: "delete" },
};

describe.each(backends())("enrollments in $name", (backend) => {
  it("take every transition of the table, and refuse every other one", async () => {
    const { decide, asks, root, enrollments, clock } = await opened(backend);
    const reach: Readonly<Record<EnrollmentStatus, (id: string) => Promise<unknown>>> = {
      pending: async () => {},
      approved: (id) => decide(root, id, { type: "approve" }),
      denied: (id) => decide(root, id, { type: "deny" }),
      expired: async (id) => {
        await decide(root, id, { type: "approve", lifetime: 60 });
        clock.time += 60;
      },
      async revoked(id) {
        await decide(root, id, { type: "approve" });
        await decide(root, id, { type: "revoke" });
      },
    };
    const attempts: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
      ...Object.fromEntries(
        Object.entries(decisions).map(([name, decision]) => [
          name,
          (id: string) => decide(root, id, decision),
        ]),
      ),
      cancel: (id) => enrollments.cancel({ account: "@acme", id }),
    };
    for (const state of states)
      for (const [name, attempt] of Object.entries(attempts)) {
        const { id } = await asks();
        await reach[state](id);
        const { from, to } = transitions[name as keyof typeof transitions];
        const isLegal = (from as readonly string[]).includes(state);
        const code = await attempt(id).then(
          () => "done",
          (error) => error.code,
        );
        expect([state, name, code]).toEqual([state, name, isLegal ? "done" : "enrollment_state"]);
        const after = await enrollments.show(root, id).then(
          ({ enrollment }) => enrollment.status,
          () => undefined,
        );
        expect([state, name, after]).toEqual([state, name, isLegal ? to : state]);
      }
  });

  it("are decided on by nobody who lacks __manage to write, or one of the scopes", async () => {
    const { decide, asks, joins } = await opened(backend);
    const { id } = await asks({ scopes: { orders: "rw" } });
    const lacking: readonly Scopes[] = [
      { orders: "rw" },
      { orders: "rw", __manage: "r" },
      { "*": "rw" }, // reaches no reserved scope
      managing({ profile: "rw" }),
      managing({ orders: "r" }),
      managing({ "orders.eu": "rw" }),
      managing({ orders: "rw", "orders.eu": "r" }),
    ];
    for (const scopes of lacking) {
      const approver = await joins({ scopes });
      await expect(decide(approver, id, { type: "approve" })).rejects.toEqual(refused("approval_exceeds"));
      if (scopes["__manage"] !== "rw")
        await expect(decide(approver, id, { type: "deny" })).rejects.toEqual(refused("approval_exceeds"));
    }
    const approver = await joins({ scopes: managing({ orders: "rw" }) });
    expect(await decide(approver, id, { type: "approve" })).toMatchObject([{ status: "approved" }]);
  });

  it("are denied, and deleted where they were never approved, by whoever manages; all else needs what they hold", async () => {
    const { decide, asks, joins, root, clock } = await opened(backend);
    const manager = await joins({ scopes: { __manage: "rw" } });
    const { id } = await asks({ scopes: { "*": "rw", __manage: "rw" } });
    const lapsing = await asks();
    expect(await decide(manager, id, { type: "deny" })).toMatchObject([{ status: "denied" }]);
    clock.time += 86_400;
    for (const wish of [id, lapsing.id])
      expect(await decide(manager, wish, { type: "delete" })).toHaveLength(1);

    const held = await joins({ lifetime: 60 });
    const tries = async (...types: readonly (keyof typeof decisions)[]) => {
      for (const type of types)
        await expect(decide(manager, held.id, decisions[type])).rejects.toMatchObject({
          code: "approval_exceeds",
          message: expect.stringContaining("The enrollment has more than this one"),
          fix: expect.stringContaining("amesh enroll show ID"),
        });
    };
    await tries("revoke", "narrow", "extend");
    await decide(root, held.id, decisions.revoke);
    await tries("unrevoke", "delete");
    await decide(root, held.id, decisions.unrevoke);
    clock.time += 60;
    await tries("delete");
  });

  it("are narrowed by who approves, and never widened: neither scopes nor life", async () => {
    const { decide, asks, root, clock } = await opened(backend);
    const pending = await asks({ scopes: { orders: "rw", profile: "r" }, lifetime: 3600 });
    const approve = (more: object) => decide(root, pending.id, { type: "approve", ...more });
    for (const wider of [{ scopes: { profile: "rw" } }, { scopes: { "*": "r" } }, { lifetime: 3601 }])
      await expect(approve(wider)).rejects.toEqual(refused("approval_exceeds"));
    for (const scopes of [{}, { "a.b.c": "r" }, { orders: "w" }, { __: "r" }])
      await expect(approve({ scopes })).rejects.toEqual(refused("invalid_scope"));
    const [granted] = await approve({ scopes: { orders: "r" }, lifetime: 600 });
    expect(granted).toMatchObject({ scopes: { orders: "r" }, expiresAt: clock.time + 600 });
  });

  it("end no later than who approved them, unless that is a root", async () => {
    const { decide, asks, joins, clock } = await opened(backend);
    const approver = await joins({ scopes: managing({ orders: "rw" }), lifetime: 3600 });
    const { id } = await asks();
    const approve = (lifetime?: number) =>
      decide(approver, id, { type: "approve", ...(lifetime && { lifetime }) });
    await expect(approve()).rejects.toEqual(refused("approval_exceeds"));
    await expect(approve(3601)).rejects.toEqual(refused("approval_exceeds"));
    expect(await approve(3600)).toMatchObject([{ expiresAt: clock.time + 3600 }]);
    await expect(decide(approver, id, { type: "extend" })).rejects.toEqual(refused("approval_exceeds"));
    const { id: longer } = await joins({ lifetime: 3601 });
    await decide(approver, longer, { type: "revoke" });
    await expect(decide(approver, longer, { type: "unrevoke" })).rejects.toEqual(refused("approval_exceeds"));
    clock.time += 1;
    await decide(approver, id, { type: "revoke" });
    expect(await decide(approver, id, { type: "unrevoke" })).toMatchObject([{ status: "approved" }]);
  });

  it("do nothing to themselves, and what has ended does nothing to others", async () => {
    const { decide, asks, joins, root, clock } = await opened(backend);
    const second = await joins({ scopes: { "*": "rw", __manage: "rw" } });
    for (const type of ["revoke", "narrow", "extend", "delete"] as const)
      await expect(decide(second, second.id, decisions[type])).rejects.toEqual(refused("enrollment_self"));
    const child = await joins({ scopes: managing({ orders: "rw" }) }, second);
    await expect(decide(child, second.id, { type: "revoke", cascade: true })).rejects.toEqual(
      refused("approval_exceeds"),
    );
    const peer = await joins({ scopes: { "*": "rw", __manage: "rw" } }, second);
    await expect(decide(peer, second.id, { type: "revoke", cascade: true })).rejects.toEqual(
      refused("enrollment_self"),
    );
    const { id } = await asks();
    await decide(root, peer.id, { type: "revoke" });
    await expect(decide(peer, id, { type: "deny" })).rejects.toEqual(refused("enrollment_revoked"));
    const shortLived = await joins({ scopes: managing({ orders: "rw" }), lifetime: 60 });
    clock.time += 60;
    await expect(decide(shortLived, id, { type: "deny" })).rejects.toEqual(refused("enrollment_expired"));
    await expect(decide(await asks(), id, { type: "deny" })).rejects.toEqual(refused("enrollment_pending"));
  });

  it("are told nothing of another account, and do nothing there", async () => {
    const { decide, joins, root, enrollments, database } = await opened(backend);
    const other = await onboarded(enrollments, "@other");
    const box = await joins();
    for (const decision of Object.values(decisions))
      await expect(decide(other, box.id, decision)).rejects.toEqual(refused("enrollment_not_found"));
    await expect(enrollments.show(other, box.id)).rejects.toEqual(refused("enrollment_not_found"));
    await expect(decide({ account: "@other", id: root.id }, box.id, decisions.revoke)).rejects.toEqual(
      refused("enrollment_revoked"),
    );
    expect(await enrollments.list(other, { limit: 10 })).toMatchObject([{ id: other.id }]);
    expect((await feedState(database, "@other")).size).toBe(1);
  });

  it("always have a root: none takes the last one away, in whatever way", async () => {
    const { decide, joins, root, enrollments, store, clock } = await opened(backend);
    const rootScopes: Scopes = { "*": "rw", __manage: "rw" };
    // Covers a root's scopes, and ends: no root itself.
    const mortal = await joins({ scopes: rootScopes, lifetime: 86_400 });
    for (const decision of [decisions.revoke, decisions.narrow, decisions.extend])
      await expect(decide(mortal, root.id, decision)).rejects.toEqual(refused("last_root"));
    await expect(decide(mortal, root.id.toUpperCase(), decisions.revoke)).rejects.toEqual(
      refused("enrollment_not_found"),
    );
    await expect(decide(root, `${root.id} `, decisions.revoke)).rejects.toEqual(
      refused("enrollment_not_found"),
    );
    // By cascade: the second root was approved by the first, and who revokes came of neither.
    const second = await joins({ scopes: rootScopes });
    const third = await requested(enrollments, root, { scopes: rootScopes }, clock);
    await decide(second, third.id, { type: "approve", lifetime: 86_400 });
    const code = newRecoveryCode(randomBytes);
    const recovery = [recoveryDigest(code)];
    await store.changeAccount("@acme", (work) => work.replaceRecovery(recovery));
    const another = await enrollments.recover(claimOf("@acme", { deviceName: "another" }), code);
    const foreign = await joins({ scopes: rootScopes, lifetime: 86_400 }, another);
    await decide(root, another.id, decisions.revoke);
    const all = { type: "revoke", cascade: true } as const;
    await expect(decide(foreign, root.id, all)).rejects.toEqual(refused("last_root"));
    await expect(decide(foreign, root.id, all, true)).rejects.toEqual(refused("last_root"));
    // By two at once.
    const both = await Promise.allSettled([
      decide(root, second.id, decisions.revoke),
      decide(second, root.id, decisions.revoke),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const left = (
      await enrollments.list(both[0]?.status === "fulfilled" ? root : second, { limit: 10 })
    ).filter(
      ({ status, scopes, expiresAt }) =>
        status === "approved" && scopes["*"] === "rw" && expiresAt === undefined,
    );
    expect(left).toHaveLength(1);
  });

  it("fall by cascade with all that came of them, even through one that fell before", async () => {
    const { decide, joins, root, enrollments } = await opened(backend);
    const scopes = managing({ orders: "rw" });
    const [parent, bystander] = [await joins({ scopes }), await joins({ scopes })];
    const child = await joins({ scopes }, parent);
    const grandchild = await joins({ scopes }, child);
    const leaf = await joins({}, grandchild);
    await decide(root, child.id, { type: "revoke" });
    await decide(root, child.id, { type: "delete" });
    const would = await decide(root, parent.id, { type: "revoke", cascade: true }, true);
    expect(would.map(({ id }) => id)).toEqual([parent.id, grandchild.id, leaf.id]);
    expect((await enrollments.show(root, leaf.id)).enrollment.status).toBe("approved");
    const done = await decide(root, parent.id, { type: "revoke", cascade: true, reason: "lost" });
    expect(done.map(({ id, status, reason }) => [id, status, reason])).toEqual(
      would.map(({ id }) => [id, "revoked", "lost"]),
    );
    expect((await enrollments.show(root, bystander.id)).enrollment.status).toBe("approved");
  });

  it("have a name that one at a time is approved or revoked under, and the approver is told", async () => {
    const { decide, asks, root, enrollments, clock } = await opened(backend);
    const [one, other] = [await asks({ deviceName: "box" }), await asks({ deviceName: "box" })];
    const answers = await Promise.allSettled(
      [one, other].map(({ id }) => decide(root, id, decisions.approve)),
    );
    const [winner, loser] = answers[0]?.status === "fulfilled" ? [one, other] : [other, one];
    expect(answers.find(({ status }) => status === "rejected")).toMatchObject({
      reason: refused("enrollment_name_taken"),
    });
    expect((await enrollments.show(root, loser.id)).conflicts).toMatchObject([{ id: winner.id }]);
    await decide(root, winner.id, decisions.revoke);
    await expect(decide(root, loser.id, decisions.approve)).rejects.toEqual(refused("enrollment_name_taken"));
    await decide(root, winner.id, decisions.delete);
    clock.time += 600;
    expect(await decide(root, loser.id, decisions.approve)).toMatchObject([{ status: "approved" }]);
  });

  it("get a revoked one's names once no token of it can be good any more, and are told when that is", async () => {
    const { decide, asks, joins, root, state, clock } = await opened(backend);
    const subject = { by: "sub", value: "svc://acme/orders/box" } as const;
    const lost = await joins({ deviceName: "box" });
    await decide(root, lost.id, decisions.revoke);
    const end = new Date((clock.time + 600) * 1000).toISOString().replace(".000", "");
    await decide(root, lost.id, decisions.delete);
    const next = await asks({ deviceName: "box" });
    clock.time += 599;
    await expect(decide(root, next.id, decisions.approve)).rejects.toMatchObject({
      code: "enrollment_name_taken",
      message: expect.stringContaining(end),
      fix: expect.stringContaining("--device"),
    });
    clock.time += 1;
    expect(await decide(root, next.id, decisions.approve)).toMatchObject([{ status: "approved" }]);
    expect(await state.findRevoked([subject], clock.time)).toBeUndefined();
  });

  it("have a key that is of one of them, in all accounts, and never again once it was revoked", async () => {
    const { decide, root, enrollments, asks, clock } = await opened(backend);
    const other = await onboarded(enrollments, "@other");
    const key = PrivateKey.generate();
    const first = await asks({ key });
    const again = (by: Actor) => requested(enrollments, by, { key }, clock);
    for (const by of [root, other]) await expect(again(by)).rejects.toEqual(refused("enrollment_key_in_use"));
    await decide(root, first.id, decisions.deny);
    const second = await again(other);
    await decide(other, second.id, decisions.approve);
    await expect(again(root)).rejects.toEqual(refused("enrollment_key_in_use"));
    await decide(other, second.id, decisions.revoke);
    await decide(other, second.id, decisions.delete);
    for (const by of [root, other]) await expect(again(by)).rejects.toEqual(refused("enrollment_key_in_use"));
    const fresh = PrivateKey.generate();
    const race = await Promise.allSettled(
      [root, other].map((by) => requested(enrollments, by, { key: fresh }, clock)),
    );
    expect(race.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    // A request that nobody decided on holds its key for a day, and not longer.
    clock.time += 86_400;
    expect(await requested(enrollments, root, { key: fresh }, clock)).toMatchObject({ status: "pending" });
  });

  it("change their key, which drops the old one for good", async () => {
    const { decide, joins, root, enrollments, database } = await opened(backend);
    const [old, next] = [PrivateKey.generate(), PrivateKey.generate()];
    const box = await joins({ key: old });
    await enrollments.answered(box.deviceId, 7);
    const rotated = await enrollments.rotate(box, next.publicKey);
    expect(rotated).toMatchObject({ id: box.id, deviceId: next.publicKey.deviceId, scopes: box.scopes });
    expect(await enrollments.answered(old.publicKey.deviceId, 8)).toBeUndefined();
    expect(await enrollments.answered(next.publicKey.deviceId, 1)).toMatchObject({ id: box.id, counter: 1 });
    const feed = await feedState(database, "@acme");
    expect(feed.has(`device ${old.publicKey.deviceId}`)).toBe(false);
    expect(feed.has(`device ${next.publicKey.deviceId}`)).toBe(true);
    await expect(joins({ key: old })).rejects.toEqual(refused("enrollment_key_in_use"));
    await expect(enrollments.rotate(root, next.publicKey)).rejects.toEqual(refused("enrollment_key_in_use"));
    await expect(enrollments.rotate(root, old.publicKey)).rejects.toEqual(refused("enrollment_key_in_use"));
    await decide(root, box.id, decisions.revoke);
    await expect(enrollments.rotate(box, PrivateKey.generate().publicKey)).rejects.toEqual(
      refused("enrollment_revoked"),
    );
  });

  it("let a passcode in once, within five minutes, whatever its case, and to its account alone", async () => {
    const { root, enrollments, clock } = await opened(backend);
    await onboarded(enrollments, "@other");
    const ask = (passcode: string, account = "@acme") =>
      enrollments.request(requestFor({ account }, clock), passcode, from);
    const no = refused("passcode_refused");
    const { passcode, expiresAt } = await enrollments.createPasscode(root);
    expect(passcode).toMatch(/^[A-HJKMNP-TV-Z2-9]{6}$/);
    expect(expiresAt).toBe(clock.time + 300);
    await expect(ask(passcode, "@other")).rejects.toEqual(no);
    await expect(ask(passcode, "@nobody")).rejects.toEqual(no);
    for (const wrong of ["", "AAAAAA", `${passcode}A`, passcode.slice(1), "amesh_inv_x"])
      await expect(ask(wrong)).rejects.toEqual(no);
    const race = await Promise.allSettled([ask(passcode), ask(passcode.toLowerCase()), ask(passcode)]);
    expect(race.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expect(ask(passcode)).rejects.toEqual(no);
    const late = await enrollments.createPasscode(root);
    clock.time += 300;
    await expect(ask(late.passcode)).rejects.toEqual(no);
  });

  it("give the same answer to the same request", async () => {
    const { root, enrollments, clock } = await opened(backend);
    const request = requestFor({}, clock);
    const { passcode } = await enrollments.createPasscode(root);
    const first = await enrollments.request(request, passcode, from);
    expect(await enrollments.request(request, passcode, from)).toEqual(first);
    expect(first.s).toMatch(/^[\w-]{43}$/);
  });

  it("let an invitation in as often as it says, up to its ceiling, and approve where it says so", async () => {
    const { root, enrollments, clock, joins, decide } = await opened(backend);
    const terms = { scopes: { orders: "rw" } as Scopes, uses: 2, lifetime: 600, autoApprove: true };
    const ask = (secret: string, wish = {}) => enrollments.request(requestFor(wish, clock), secret, from);
    const { invitation, secret } = await enrollments.createInvitation(root, terms);
    expect(secret).toMatch(/^amesh_inv_[\w-]{22}$/);
    await expect(ask(secret, { scopes: { orders: "rw", profile: "r" } })).rejects.toEqual(
      refused("approval_exceeds"),
    );
    expect(await ask(secret)).toMatchObject({ status: "approved", approvedBy: root.id });
    expect(await enrollments.invitations(root)).toMatchObject([{ id: invitation.id, usesLeft: 1 }]);
    expect(await ask(secret, { scopes: { orders: "r" } })).toMatchObject({ status: "approved" });
    await expect(ask(secret)).rejects.toEqual(refused("passcode_refused"));

    const approver = await joins({ scopes: managing({ orders: "rw" }) });
    await expect(
      enrollments.createInvitation(approver, { ...terms, scopes: { profile: "r" } }),
    ).rejects.toEqual(refused("approval_exceeds"));
    const theirs = await enrollments.createInvitation(approver, { ...terms, uses: 5 });
    await decide(root, approver.id, { type: "narrow", scopes: { orders: "rw" } });
    expect(await ask(theirs.secret)).toMatchObject({ status: "pending" });
    await enrollments.deleteInvitation(root, theirs.invitation.id);
    await expect(ask(theirs.secret)).rejects.toEqual(refused("passcode_refused"));
    await expect(enrollments.createPasscode(approver)).rejects.toEqual(refused("approval_exceeds"));
    await expect(enrollments.deleteInvitation(root, theirs.invitation.id)).rejects.toEqual(
      refused("enrollment_not_found"),
    );
  });

  it("begin with a secret that works once, for seven days, and again for who lost the answer", async () => {
    const clock = new Clock();
    const { enrollments } = await openReplica(await backend.place(), clock);
    const no = refused("onboarding_refused");
    const created = await enrollments.createAccount("@acme");
    const secret = created?.secret ?? "";
    const claim = claimOf("@acme");
    expect(await enrollments.createAccount("@ACME")).toBeUndefined();
    await expect(enrollments.onboard(claim, new Uint8Array(64))).rejects.toEqual(no);
    const foreign = { ...claim, account: "@other" };
    await expect(enrollments.onboard(foreign, proofBy(secret, foreign))).rejects.toEqual(no);
    const renamed = { ...claim, details: { ...claim.details, appName: "x" } };
    await expect(enrollments.onboard(renamed, proofBy(secret, claim))).rejects.toEqual(no);
    const master = await enrollments.onboard(claim, proofBy(secret, claim));
    expect(await enrollments.onboard(claim, proofBy(secret, claim))).toEqual(master);
    const thief = claimOf("@acme");
    await expect(enrollments.onboard(thief, proofBy(secret, thief))).rejects.toEqual(no);
    await enrollments.createPasscode(master);
    await expect(enrollments.onboard(claim, proofBy(secret, claim))).rejects.toEqual(no);

    const late = await enrollments.createAccount("@late");
    clock.time += 7 * 86_400;
    const tooLate = claimOf("@late");
    await expect(enrollments.onboard(tooLate, proofBy(late?.secret ?? "", tooLate))).rejects.toEqual(no);
    const anew = await enrollments.createAccount("@late");
    expect(await enrollments.onboard(tooLate, proofBy(anew?.secret ?? "", tooLate))).toMatchObject({
      account: "@late",
    });
  });

  it("burn a secret for one of two keys that come at once", async () => {
    const clock = new Clock();
    const { enrollments } = await openReplica(await backend.place(), clock);
    const secret = (await enrollments.createAccount("@acme"))?.secret ?? "";
    const race = await Promise.allSettled(
      [claimOf("@acme"), claimOf("@acme")].map((claim) => enrollments.onboard(claim, proofBy(secret, claim))),
    );
    expect(race.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  it("come back by a recovery code, once", async () => {
    const clock = new Clock();
    const { enrollments } = await openReplica(await backend.place(), clock);
    const secret = (await enrollments.createAccount("@acme"))?.secret ?? "";
    const codes = [newRecoveryCode(randomBytes), newRecoveryCode(randomBytes)] as const;
    const claim = claimOf("@acme", { recovery: codes.map(recoveryDigest) });
    await enrollments.onboard(claim, proofBy(secret, claim));
    const anew = claimOf("@acme", { deviceName: "second" });
    const no = refused("recovery_refused");
    for (const wrong of ["", "x", newRecoveryCode(randomBytes)])
      await expect(enrollments.recover(anew, wrong)).rejects.toEqual(no);
    await expect(enrollments.recover({ ...anew, account: "@other" }, codes[0])).rejects.toEqual(no);
    await expect(enrollments.recover(claimOf("@acme"), codes[0])).rejects.toEqual(
      refused("enrollment_name_taken"),
    );
    const master = await enrollments.recover(anew, codes[0].toLowerCase());
    expect(master).toMatchObject({ status: "approved", scopes: { "*": "rw", __manage: "rw" } });
    await expect(enrollments.recover(claimOf("@acme", { deviceName: "third" }), codes[0])).rejects.toEqual(
      no,
    );
    expect(await enrollments.recover(claimOf("@acme", { deviceName: "third" }), codes[1])).toMatchObject({
      status: "approved",
    });
  });

  it("are locked when two machines answer with one key, but for the last root", async () => {
    const { decide, joins, root, enrollments, state } = await opened(backend);
    const box = await joins();
    expect(await enrollments.answered("am_nobody", 1)).toBeUndefined();
    expect(await enrollments.answered(box.deviceId, 2)).toMatchObject({ status: "approved", counter: 2 });
    await expect(enrollments.answered(box.deviceId, 2)).rejects.toEqual(refused("enrollment_revoked"));
    expect(await enrollments.answered(box.deviceId, 3)).toMatchObject({
      status: "revoked",
      reason: "suspected-clone",
    });
    const approver = await joins({ scopes: managing({ orders: "rw" }) });
    await expect(decide(approver, box.id, decisions.unrevoke)).rejects.toEqual(refused("approval_exceeds"));
    expect(await decide(root, box.id, decisions.unrevoke)).toMatchObject([{ status: "approved" }]);
    // The machine that is left may be the one that is behind.
    expect(await enrollments.answered(box.deviceId, 1)).toMatchObject({ status: "approved", counter: 1 });
    await expect(enrollments.answered(box.deviceId, 1)).rejects.toEqual(refused("enrollment_revoked"));
    await enrollments.answered(root.deviceId, 5);
    await expect(enrollments.answered(root.deviceId, 5)).rejects.toEqual(refused("challenge_refused"));
    expect(await enrollments.answered(root.deviceId, 6)).toMatchObject({ status: "approved" });
    const types = (await state.untold()).map(({ type }) => type);
    expect(types).toContain("dev.authmesh.enrollment.locked");
    expect(types).toContain("dev.authmesh.enrollment.suspected");
  });

  it("stay revoked where the reason is that the key was compromised", async () => {
    const { decide, joins, root } = await opened(backend);
    const box = await joins();
    await decide(root, box.id, { type: "revoke", reason: "compromise" });
    await expect(decide(root, box.id, decisions.unrevoke)).rejects.toEqual(refused("enrollment_state"));
  });

  it("are revoked for good once it is found out that the key leaked, and the feed says why", async () => {
    const { decide, joins, root, database } = await opened(backend);
    const box = await joins();
    await decide(root, box.id, { type: "revoke", reason: "sold" });
    const peer = await joins({ scopes: managing({ profile: "rw" }) });
    await expect(decide(peer, box.id, decisions.compromise)).rejects.toEqual(refused("approval_exceeds"));
    expect(await decide(root, box.id, decisions.compromise)).toMatchObject([
      { id: box.id, status: "revoked", reason: "compromise" },
    ]);
    expect((await feedState(database, "@acme")).get(`revoked ${box.deviceId}`)).toMatchObject({
      reason: "compromise",
    });
    await expect(decide(root, box.id, decisions.unrevoke)).rejects.toEqual(refused("enrollment_state"));
    await expect(decide(root, box.id, { type: "revoke", reason: "sold" })).rejects.toEqual(
      refused("enrollment_state"),
    );
  });

  it("take one of two changes that come at once, and the one after it as it is then", async () => {
    const { decide, joins, root, enrollments } = await opened(backend);
    const box = await joins({ scopes: { orders: "rw", profile: "r" } });
    const [, narrowed] = await Promise.allSettled([
      decide(root, box.id, decisions.revoke),
      decide(root, box.id, decisions.narrow),
    ]);
    const { enrollment } = await enrollments.show(root, box.id);
    expect(enrollment.status).toBe("revoked");
    expect(Object.keys(enrollment.scopes)).toHaveLength(narrowed?.status === "fulfilled" ? 1 : 2);
  });

  it("lapse in the database and the feed, each told once, and count as over before that", async () => {
    const { joins, asks, root, enrollments, clock, database, state } = await opened(backend);
    const box = await joins({ lifetime: 60 });
    const pending = await asks();
    clock.time += 86_400;
    const seen = async (status: EnrollmentStatus) =>
      (await enrollments.list(root, { status, limit: 10 })).map(({ id }) => id).sort();
    expect(await seen("expired")).toEqual([box.id, pending.id].sort());
    expect(await seen("approved")).toEqual([root.id]);
    expect((await feedState(database, "@acme")).has(`device ${box.deviceId}`)).toBe(true);
    await enrollments.lapse();
    await enrollments.lapse();
    expect((await feedState(database, "@acme")).has(`device ${box.deviceId}`)).toBe(false);
    expect(await seen("expired")).toEqual([box.id, pending.id].sort());
    const told = (await state.untold()).filter(({ type }) => type === "dev.authmesh.enrollment.expired");
    expect(told).toHaveLength(2);
  });

  it("are listed by page and by filter", async () => {
    const { joins, root, enrollments, clock } = await opened(backend);
    for (const deviceName of ["a", "b", "c"]) await joins({ deviceName, lifetime: 1000 });
    const names = async (filter: object) =>
      (await enrollments.list(root, { limit: 10, ...filter })).map(({ deviceName }) => deviceName).sort();
    expect(await names({ appName: "orders" })).toEqual(["a", "b", "c"]);
    expect(await names({ deviceName: "b" })).toEqual(["b"]);
    expect(await names({ expiresBefore: clock.time + 1001 })).toEqual(["a", "b", "c"]);
    const [first] = await enrollments.list(root, { deviceName: "a", limit: 1 });
    await enrollments.noteUses(new Map([[first?.id ?? "", clock.time + 50]]));
    expect(await names({ usedBefore: clock.time + 50 })).toEqual(["b", "c", "master"]);
    const paged: Enrollment[] = [];
    for (let after: string | undefined; ; ) {
      const page = await enrollments.list(root, { limit: 3, ...(after === undefined ? {} : { after }) });
      paged.push(...page);
      after = page.at(-1)?.id;
      if (after === undefined) break;
    }
    expect(new Set(paged.map(({ id }) => id)).size).toBe(4);
    expect(paged).toHaveLength(4);
  });

  it("tell listeners of each change once, of this replica and of another one", async () => {
    const clock = new Clock();
    const place = await backend.place();
    const [here, there] = [await openReplica(place, clock), await openReplica(place, clock)];
    const heard: string[] = [];
    const listen = (name: string, enrollments: Enrollments) =>
      enrollments.onChange(({ status }, isGone) => heard.push(`${name} ${isGone ? "gone" : status}`));
    listen("here", here.enrollments);
    const stop = listen("there", there.enrollments);
    const root = await onboarded(here.enrollments);
    const { id } = await requested(here.enrollments, root, {}, clock);
    await there.enrollments.refresh();
    await there.enrollments.refresh();
    await here.enrollments.refresh();
    expect(heard).toEqual(["here approved", "here pending", "there approved", "there pending"]);
    stop();
    heard.length = 0;
    await here.enrollments.cancel({ account: "@acme", id });
    expect(heard).toEqual(["here gone"]);
  });

  it("do not fill the list: of one account a thousand wait at a time", async () => {
    const { root, enrollments, clock, database } = await opened(backend);
    const [row] = await database.selectFrom("enrollments").selectAll().execute();
    if (row === undefined) throw new TypeError("There is no enrollment.");
    const rows = Array.from({ length: 1000 }, (_, i) => ({
      ...row,
      id: `en_${String(i).padStart(16, "0")}`,
      status: "pending" as const,
      expires_at: clock.time + 60,
    }));
    for (let at = 0; at < 1000; at += 250)
      await database
        .insertInto("enrollments")
        .values(rows.slice(at, at + 250))
        .execute();
    await expect(requested(enrollments, root, {}, clock)).rejects.toEqual(refused("rate_limited"));
    clock.time += 60;
    expect(await requested(enrollments, root, {}, clock)).toMatchObject({ status: "pending" });
    expect(await enrollments.list(root, { status: "expired", limit: 2000 })).toHaveLength(1000);
    const unwritten = async () => {
      const lapsed = database.selectFrom("enrollments").select("id").where("expires_at", "<=", clock.time);
      return (await lapsed.where("status", "=", "pending").execute()).length;
    };
    expect(await enrollments.lapse()).toBe(true);
    expect(await unwritten()).toBe(800); // a start does not wait for the rest
    while (await enrollments.lapse());
    expect(await unwritten()).toBe(0);
    expect(await enrollments.list(root, { status: "expired", limit: 2000 })).toHaveLength(1000);
  });
});
