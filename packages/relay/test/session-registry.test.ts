import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Session, SessionRegistry } from "../src/session-registry.js";

const codes = ["111111", "222222", "AAECAwQFBgcICQoLDA0ODw"];

/** The same rules, told by scanning a list. */
class ScanningRegistry {
  sessions: { code: string; known: boolean; paired: boolean; late: number; until: number; real: unknown }[] =
    [];
  expired: { code: string; until: number }[] = [];

  open(code: string, now: number): string {
    if (this.sessions.some((session) => session.code === code && session.known)) return "otc_in_use";
    if (this.sessions.length >= 3) return "relay_capacity";
    this.expired = this.expired.filter((entry) => entry.code !== code);
    const until = now + (code.length === 6 ? 60_000 : 86_400_000);
    this.sessions.push({ code, known: true, paired: false, late: 0, until, real: undefined });
    return "opened";
  }

  join(code: string, now: number): string {
    const session = this.sessions.find((candidate) => candidate.code === code && candidate.known);
    if (!session) return this.expired.some((entry) => entry.code === code) ? "otc_expired" : "otc_not_found";
    if (session.paired) {
      session.late += 1;
      if (session.late === 5) session.known = false;
      return "peer_already_connected";
    }
    session.paired = true;
    session.until = now + 150_000;
    return "joined";
  }

  expire(now: number): string[] {
    this.expired = this.expired.filter(({ until }) => until > now);
    const due = this.sessions.filter(({ until }) => until <= now);
    this.sessions = this.sessions.filter(({ until }) => until > now);
    for (const { code, paired } of due) if (!paired) this.expired.push({ code, until: now + 60_000 });
    return due.map(({ code }) => code).sort();
  }
}

describe("the session registry", () => {
  test("agrees with a list that is scanned, whatever happens in whatever order", () => {
    const code = fc.constantFrom(...codes);
    const step = fc.oneof(
      fc.record({ act: fc.constant("open" as const), code }),
      fc.record({ act: fc.constant("join" as const), code }),
      fc.record({ act: fc.constant("end" as const), index: fc.nat(3) }),
      fc.record({
        act: fc.constant("wait" as const),
        time: fc.constantFrom(1, 20_000, 59_999, 60_000, 150_000, 86_400_000),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const registry = new SessionRegistry<string>(3);
        const model = new ScanningRegistry();
        let now = 0;
        for (const each of steps) {
          if (each.act === "open") {
            const real = registry.open(each.code, "listener", now);
            expect(typeof real === "string" ? real : "opened").toBe(model.open(each.code, now));
            const added = model.sessions.at(-1);
            if (typeof real !== "string" && added) added.real = real;
          } else if (each.act === "join") {
            const real = registry.join(each.code, "connector", now);
            expect(typeof real === "string" ? real : "joined").toBe(model.join(each.code, now));
          } else if (each.act === "end") {
            const [ended] = model.sessions.splice(each.index, 1);
            if (ended) registry.end(ended.real as Session<string>);
          } else {
            now += each.time;
            const expired = registry.takeExpired(now).map((session) => session.code);
            expect(expired.sort()).toEqual(model.expire(now));
          }
          const paired = model.sessions.filter((session) => session.paired).length;
          expect([registry.waiting, registry.paired]).toEqual([model.sessions.length - paired, paired]);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
