import { describe, expect, it } from "vitest";
import { Clock, feedState, onboarded, openReplica, requested } from "./enrolling.js";
import { backends } from "./stores.js";

describe.each(backends)("enrollments in $name", (backend) => {
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
});
