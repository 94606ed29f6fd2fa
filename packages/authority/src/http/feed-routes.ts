import { AmeshError, parseRequirement, type TrustStore } from "@authmesh/core";
import { withCode } from "@authmesh/core/records";
import { type FeedPosition, feedName, tokensFeed } from "@authmesh/oath/feed";
import type { AuthMeshIdentity } from "@authmesh/sdk/hono";
import type { HttpBindings } from "@hono/node-server";
import type { Context, Handler } from "hono";
import { EnrolledDevice } from "../enrollment/enrolled-devices.js";
import { positionText, type ServedFeed } from "../feed/served-feed.js";
import type { Services } from "../services.js";
import { paths } from "./discovery.js";
import { plainProblem } from "./problem.js";

/** What a device needs to read any feed. */
export const feedScope = "feed:r";

const noStore = { "Cache-Control": "no-store" };

type Answer = (
  context: Context,
  feed: ServedFeed,
  services: Services,
  trust: TrustStore,
) => Response | Promise<Response>;

/**
 * `GET /v1/feeds/NAME/…` (docs/protocol.md, section 9.3), behind the device verifier or, where everybody may read, nothing.
 *
 * @param trust whom the verifier accepts
 */
export const feedRoutes = (
  services: Services,
  trust: TrustStore,
): readonly (readonly [path: string, Handler])[] =>
  Object.entries(answers).map(([path, answer]) => [
    path,
    async (context) => {
      const name = nameOfFeed(context);
      const isHidden = !isReader(callerOf(context), name, services, trust);
      const feed = isHidden ? undefined : await services.feeds.open(name);
      return feed === undefined
        ? plainProblem(404, "There is no feed of this name.", "not_found")
        : answer(context, feed, services, trust);
    },
  ]);

/** The feed that the path names. @throws AmeshError `authority_request_invalid` */
export const nameOfFeed = (context: Context): string =>
  withCode(
    () => feedName(context.req.param("feed") ?? "", "the name of the feed"),
    "authority_request_invalid",
    "The path",
    "Ask for /v1/feeds/tokens or /v1/feeds/@ACCOUNT.",
  );

const answerHead: Answer = async (context, feed) => context.json({ head: await feed.head() }, 200, noStore);

const answerDeltas: Answer = async (context, feed) => {
  const after = readPosition(context.req.query("after"));
  if (after === undefined)
    throw new AmeshError("authority_request_invalid", "The parameter after is not EPOCH.NUMBER.", {
      fix: "Ask for /v1/feeds/NAME/deltas?after=1.0",
    });
  const page = await feed.deltasAfter(after);
  if (page === undefined) throw new AmeshError("feed_gone");
  const headers = { ...noStore, ETag: `"${positionText(feed.state)}"` };
  if (page.deltas.length === 0 && context.req.header("if-none-match") === headers.ETag)
    return context.body(null, 304, headers);
  const deltas = page.deltas.map(({ jws }) => jws);
  return context.json({ head: await feed.head(), deltas, more: page.more }, 200, headers);
};

const answerSnapshot: Answer = async (context, feed) => {
  const present = `"${positionText(feed.state)}"`;
  const headers = { "Cache-Control": "private, no-cache", Vary: "Accept-Encoding" };
  if (context.req.header("if-none-match") === present)
    return context.body(null, 304, { ...headers, ETag: present });
  const snapshot = await feed.snapshot();
  if (snapshot === undefined) throw new AmeshError("feed_gone", "The feed is not there any more.");
  const described = {
    ...headers,
    "Content-Type": "application/x-ndjson",
    ETag: `"${positionText(snapshot)}"`,
  };
  if (acceptsGzip(context.req.header("accept-encoding")))
    return context.body(snapshot.packed, 200, { ...described, "Content-Encoding": "gzip" });
  const lines = new Blob([snapshot.packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return context.body(lines, 200, described);
};

const answerEvents: Answer = (context, feed, services, trust) => {
  if (services.feeds.isBlind)
    throw new AmeshError("database_unavailable", "This replica has not seen its database for 15 s.");
  const from = readPosition(context.req.header("last-event-id"));
  const caller = callerOf(context);
  const mayRead = () => isReader(caller, feed.name, services, trust);
  const cut = () => void (context.env as Partial<HttpBindings>).outgoing?.destroy();
  return services.feeds.streams.open(
    caller ?? services.addressOf(context),
    (stream) => feed.follow(stream, from, { mayRead }),
    cut,
  );
};

const answers: Readonly<Record<string, Answer>> = {
  [paths.feedHead]: answerHead,
  [paths.feedDeltas]: answerDeltas,
  [paths.feedSnapshot]: answerSnapshot,
  [paths.feedEvents]: answerEvents,
};

const grantsReading = parseRequirement(feedScope);

/** The device that called; undefined where everybody may. */
const callerOf = (context: Context): string | undefined =>
  (context.get("authMesh") as AuthMeshIdentity | undefined)?.deviceId;

/** Accounts are apart: an enrolled device reads that of its own, and `tokens`. */
function isReader(caller: string | undefined, feed: string, { now }: Services, trust: TrustStore): boolean {
  // While nothing is known of devices no head becomes younger: what is told then harms nobody.
  if (caller === undefined || trust.check() !== undefined) return true;
  const device = trust.findById(caller, "controller");
  if (device === undefined || !grantsReading(device.scopes)) return false;
  const { expiresAt = Number.POSITIVE_INFINITY } = device;
  const isOfAccount =
    !(device instanceof EnrolledDevice) || feed === tokensFeed || feed === device.enrollment.account;
  return isOfAccount && now() < expiresAt * 1000;
}

function readPosition(text: string | undefined): FeedPosition | undefined {
  const [, epoch, number] = /^([1-9]\d{0,14})\.(0|[1-9]\d{0,14})$/.exec(text ?? "") ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), number: Number(number) };
}

const acceptsGzip = (header = ""): boolean =>
  header.split(",").some((entry) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(entry));
