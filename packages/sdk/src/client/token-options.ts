/** With which tokens a client calls (docs/protocol.md, section 8). */
export interface ClientTokenOptions {
  /** The authority that issues them: "https://tokens.example.com". */
  readonly authority: string;
  /** For whom they are: exactly the audience of the service that is called. */
  readonly audience: string;
  /** What the calls are for: "orders.write". */
  readonly action: string;
  /** Whom they name. Default: this device, as the authority knows it. */
  readonly subject?: string;
  /** What they hold beside the action: "orders:rw". Default: nothing. */
  readonly scope?: readonly string[];
  /** How long each lives, in seconds, 1 to 300. Default: what the authority gives, 120. */
  readonly ttlSeconds?: number;
  /** Why, for people who read the audit. */
  readonly reason?: string;
  /** "production", "staging", … where policy asks for it. */
  readonly env?: string;
  /** "request": each token is good for its one request alone (`rqh`). Default: for any request of its action. */
  readonly bind?: "request";
  /**
   * Whether tokens are good only with a signature by this client's key over each request (`cnf`). Such a token serves
   * until shortly before it expires, and is of no use to whoever gets hold of it. Default false.
   */
  readonly proof?: boolean;
  /**
   * How often a service accepts one token: as its `verifyToken` is set. "once": each request has a token of its own.
   * Default "once"; with `proof` a token serves until it expires in either case.
   */
  readonly tokenUse?: "once" | "until-expiry";
}

interface Rule {
  readonly fits: (value: unknown) => boolean;
  readonly must: string;
  readonly required?: true;
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const text: Rule = { fits: isText, must: "be text" };

/** Every option there is, and what it must be. */
const rules: Readonly<Record<keyof ClientTokenOptions, Rule>> = {
  action: { ...text, required: true },
  audience: { ...text, required: true },
  authority: { fits: isAuthority, must: "be an https URL, or http on a loopback address", required: true },
  bind: { fits: (value) => value === "request", must: 'be "request"' },
  env: text,
  proof: { fits: (value) => typeof value === "boolean", must: "be true or false" },
  reason: text,
  scope: { fits: (value) => Array.isArray(value) && value.every(isText), must: "be an array of names" },
  subject: text,
  tokenUse: {
    fits: (value) => value === "once" || value === "until-expiry",
    must: 'be "once" or "until-expiry"',
  },
  ttlSeconds: {
    fits: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 300,
    must: "be an integer from 1 to 300",
  },
};

/** @throws TypeError for what makes no sense */
export function checkTokenOptions(options: ClientTokenOptions): ClientTokenOptions {
  const given: Readonly<Record<string, unknown>> = { ...options };
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(rules, name))
      throw new TypeError(`token.${name} is not an option; there are: ${Object.keys(rules).join(", ")}.`);
  }
  for (const [name, { fits, must, required }] of Object.entries(rules)) {
    const value = given[name];
    if (value === undefined ? required : !fits(value)) throw new TypeError(`token.${name} must ${must}.`);
  }
  if (options.bind !== undefined && options.tokenUse === "until-expiry")
    throw new TypeError('token: one bound to its request cannot be used "until-expiry".');
  return options;
}

const loopback = new Set(["localhost", "127.0.0.1", "[::1]"]);

function isAuthority(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, hostname, search, hash, username } = new URL(value);
  const safe = protocol === "https:" || (protocol === "http:" && loopback.has(hostname));
  return safe && search === "" && hash === "" && username === "";
}
