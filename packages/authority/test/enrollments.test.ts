import { feedTokenId } from "@authmesh/oath/feed";
import { describe, expect, it } from "vitest";
import { approved, Clock, feedState, onboarded, openReplica, requested } from "./enrolling.js";
import { backends } from "./stores.js";

describe.each(backends())("enrollments in $name", (backend) => {
  it("go from request to approval, revocation and back, and the feeds follow", async () => {
    const clock = new Clock();
    const { enrollments, database, state } = await openReplica(await backend.place(), clock);
    const root = await onboarded(enrollments);
    const pending = await requested(enrollments, root, { deviceName: "box" }, clock);
    expect(pending).toMatchObject({ status: "pending", expiresAt: clock.time + 86_400 });
    const [box] = await enrollments.decide(root, { id: pending.id, type: "approve" });
    expect(box).toMatchObject({ status: "approved", approvedBy: root.id });
    const device = `device ${pending.deviceId}`;
    expect((await feedState(database, "@acme")).get(device)).toEqual({
      key: pending.publicKey,
      name: "orders/box",
      sub: "svc://acme/orders/box",
      scopes: { orders: "rw" },
    });

    await enrollments.decide(root, { id: pending.id, type: "revoke", reason: "lost" });
    const revokedFeed = await feedState(database, "@acme");
    expect(revokedFeed.has(device)).toBe(false);
    expect(revokedFeed.get(`revoked ${pending.deviceId}`)).toEqual({ at: clock.time, reason: "lost" });
    const bySubject = { by: "sub", value: "svc://acme/orders/box" } as const;
    expect(await state.findRevoked([bySubject], clock.time)).toEqual(bySubject);

    await enrollments.decide(root, { id: pending.id, type: "unrevoke" });
    expect(await state.findRevoked([bySubject], clock.time)).toBeUndefined();
    expect((await feedState(database, "@acme")).has(`revoked ${pending.deviceId}`)).toBe(false);
    const listed = await enrollments.list(root, { limit: 10 });
    expect(listed.map(({ id, status }) => [id, status])).toEqual(
      expect.arrayContaining([
        [root.id, "approved"],
        [pending.id, "approved"],
      ]),
    );
    const types = (await state.untold()).map(({ type }) => type.replace("dev.authmesh.", ""));
    expect(types).toEqual(
      expect.arrayContaining([
        "account.created",
        "account.onboarded",
        "enrollment.requested",
        "enrollment.approved",
        "enrollment.revoked",
        "enrollment.unrevoked",
      ]),
    );
  });

  it("leave alone what an operator's device revoked of the same subject, and the other way round", async () => {
    const clock = new Clock();
    const { enrollments, database, state } = await openReplica(await backend.place(), clock);
    const root = await onboarded(enrollments);
    const { id } = await approved(enrollments, root, { deviceName: "box" }, clock);
    const decide = (type: "revoke" | "unrevoke") => enrollments.decide(root, { id, type });
    const name = { by: "sub", value: "svc://acme/orders/box" } as const;
    const operators = { ...name, actor: "am_operator", at: clock.time };
    const entry = (expiresAt?: number) =>
      state.addRevocation({ ...operators, reason: "stolen", ...(expiresAt && { expiresAt }) });
    /** What the list says, and the feed. */
    const told = async () => {
      const [change] = (await state.revocationsAfter(0, 10))?.changes ?? [];
      const inFeed = (await feedState(database, "tokens")).get(`token ${feedTokenId(name)}`);
      return [change, inFeed];
    };
    const gone = [{ ...name, removed: true }, undefined];
    const until = (actor: string, expiresAt?: number) => [
      { actor, removed: false, ...(expiresAt && { expiresAt }) },
      { at: clock.time, ...(expiresAt && { expiresAt }) },
    ];
    const enrollmentsEnd = clock.time + 600;

    await entry();
    await decide("revoke");
    expect(await told()).toMatchObject(until("am_operator"));
    expect((await told())[0]).not.toHaveProperty("expiresAt");
    await decide("unrevoke");
    expect(await told()).toMatchObject(until("am_operator"));
    await state.removeRevocation(operators);
    expect(await told()).toMatchObject(gone);

    await decide("revoke");
    expect(await told()).toMatchObject(until(root.id, enrollmentsEnd));
    expect(await state.hasRevocation(name)).toBe(false);
    expect(await state.removeRevocation(operators)).toBeUndefined();
    expect(await entry(clock.time + 60)).toMatchObject({ reason: "stolen", expiresAt: enrollmentsEnd });
    expect(await told()).toMatchObject(until("am_operator", enrollmentsEnd));
    await state.removeRevocation(operators);
    expect(await told()).toMatchObject(until(root.id, enrollmentsEnd));
    await entry(clock.time + 60);
    await decide("unrevoke");
    expect(await told()).toMatchObject(until("am_operator", clock.time + 60));
  });
});
