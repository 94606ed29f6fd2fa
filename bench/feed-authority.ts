/** An authority in a process of its own (roles.ts), that is told of its readers and what to revoke without HTTP. */
import { EnrollingAuthority } from "./enrolling-authority.js";
import { play } from "./roles.js";

/** Public keys in base64. Of a reader, and of what will be revoked; answered with the id of its enrollment. */
export type FeedAsked =
  | { readonly reader: string }
  | { readonly device: string }
  | { readonly revoke: string };

await play({
  async authority() {
    const enrolling = await EnrollingAuthority.startOnFreePort();
    await enrolling.open();
    const invitation = await enrolling.invite(100_000, true);
    const answer = async (asked: FeedAsked): Promise<string> => {
      if ("revoke" in asked) {
        await enrolling.enrollments.decide(enrolling.master(), { id: asked.revoke, type: "revoke" });
        return asked.revoke;
      }
      const [key, scopes] =
        "reader" in asked ? [asked.reader, { feed: "r" } as const] : [asked.device, undefined];
      return (await enrolling.request(key, invitation, undefined, scopes)).id;
    };
    process.on("message", async (asked: FeedAsked | "health") => {
      if (asked !== "health") process.send?.(await answer(asked));
    });
    return Number(new URL(enrolling.url).port);
  },
});
