import type { OpenIdentity } from "@authmesh/keystore";
import { FeedFiles, type FeedPin, type KeptFeedHeader } from "@authmesh/sdk/feed";
import type { Finding } from "../finding.js";
import { formatSpan, unixSeconds } from "../time.js";

/** What `amesh status` says of the trust feeds that are kept beside the identity. */
export interface FeedStanding {
  readonly document: {
    readonly feeds: readonly object[];
    readonly feedKeys: readonly object[];
  };
  readonly rows: readonly (readonly [label: string, value: string])[];
  readonly findings: readonly Finding[];
}

/** What verifiers take for too old unless they are told otherwise. */
const staleSeconds = 3600;

/** By what services have written down: nobody is asked. @throws AmeshError as `FeedFiles.of` and `list` */
export async function feedStanding(identity: OpenIdentity): Promise<FeedStanding> {
  const { copies, pins, problems } = (await FeedFiles.of(identity)).list();
  const now = unixSeconds();
  return {
    document: { feeds: copies.map((copy) => describe(copy, now)), feedKeys: pins.map(describeKey) },
    rows: [
      ...copies.map((copy) => ["Trust feed", rowOf(copy, now)] as const),
      ...pins.map(({ url, key }) => ["Feed key", `${key.kid} of ${url}`] as const),
    ],
    findings: [
      ...problems.map(({ message, fix }): Finding => ({ verdict: "WARN", detail: message, fix })),
      ...copies.filter((copy) => !(ageOf(copy, now) <= staleSeconds)).map((copy) => tooOld(copy, now)),
    ],
  };
}

/** Infinity where no head confirmed it. */
const ageOf = ({ headAt = Number.NEGATIVE_INFINITY }: KeptFeedHeader, now: number): number =>
  Math.max(0, now - headAt);

function describe(copy: KeptFeedHeader, now: number) {
  const { iss: authority, feed, epoch, number, headAt = null } = copy;
  return { authority, feed, epoch, number, headAt, ageSeconds: headAt === null ? null : ageOf(copy, now) };
}

const describeKey = ({ url, key, from, seq }: FeedPin) => ({
  authority: url,
  key: key.kid,
  configured: from || null,
  rotations: seq,
});

const nameOf = ({ iss, feed }: KeptFeedHeader): string => `${feed} at ${iss}`;

function rowOf(copy: KeptFeedHeader, now: number): string {
  const { epoch, number, headAt } = copy;
  const age = headAt === undefined ? "never confirmed" : `confirmed ${formatSpan(ageOf(copy, now))} ago`;
  return `${nameOf(copy)}: ${epoch}.${number}, ${age}`;
}

const tooOld = (copy: KeptFeedHeader, now: number): Finding => ({
  verdict: "WARN",
  detail:
    copy.headAt === undefined
      ? `The copy of ${nameOf(copy)} was never confirmed.`
      : `The copy of ${nameOf(copy)} is ${formatSpan(ageOf(copy, now))} old.`,
  fix: `See that what follows it runs, and reaches the authority. If nothing does any more: amesh authority forget ${copy.iss}`,
});
