import { about, flag, number, oneOf, oneOrMore, record, type Shape } from "@authmesh/oath/document";
import { defaults } from "./defaults.js";
import type { RouteConfig } from "./gateway-config.js";
import { file, hostAlone, method, prefix, routeName, routePath, visible } from "./texts.js";

const bytes = number(0, Number.MAX_SAFE_INTEGER);
const seconds = (least: number, most = 86_400) => number(least, most, { whole: false });

const limits = record({
  bodyBytes: about("Largest body.", bytes, defaults.route.limits.bodyBytes),
  memoryBytes: about(
    "Of a body that is verified first, what is kept in memory; the rest waits on disk. Shorter ones are all read before they are sent on.",
    bytes,
    defaults.route.limits.memoryBytes,
  ),
});

const timeouts = record({
  bodySeconds: about(
    "Seconds that a body may take; one that is streamed has a second more for each 64 KiB.",
    number(1, 3600),
    defaults.route.timeouts.bodySeconds,
  ),
  answerSeconds: about(
    "Seconds until an answer begins.",
    seconds(0.1),
    defaults.route.timeouts.answerSeconds,
  ),
  idleSeconds: about(
    "Seconds between two pieces of an answer, or of a body that is streamed; 0 for server-sent events: any time.",
    seconds(0),
    defaults.route.timeouts.idleSeconds,
  ),
});

const members = {
  name: about("Its name in logs and metrics. Default: its path.", routeName),
  hosts: about("Hosts that it is for, without ports. Default: every host.", oneOrMore(hostAlone, 256)),
  path: about('"/health", or "/api/*" for "/api" and all below.', routePath),
  methods: about("Methods that it is for. Default: every method.", oneOrMore(method, 32)),
  accept: about(
    "Proofs that are accepted. Default: all that are configured.",
    oneOrMore(oneOf("device", "http-signature", "token"), 3),
  ),
  public: about("Let everybody pass, and verify nothing.", flag, defaults.route.public),
  scope: about('"orders:w", or several that are all required.', oneOrMore(visible, 64)),
  action: about('"orders.write", or several of which the token must be for one.', oneOrMore(visible, 64)),
  policy: about("File or folder of a policy that decides on tokens in the place of `tokens.policy`.", file),
  upstream: about(
    'Name of an upstream, or the URL of a server: "http://127.0.0.1:8080". Needed but for external authorization.',
    visible,
  ),
  stripPrefix: about("Taken off the path before it is sent on. Callers sign the whole path.", prefix),
  forwardProof: about("Leave the proof in what is sent on.", flag, defaults.route.forwardProof),
  context: about("How the upstream is told who called.", oneOrMore(oneOf("headers", "token"), 2), [
    ...defaults.route.context,
  ]),
  webSocket: about("Follow upgrades to WebSocket.", flag, defaults.route.webSocket),
  limits: about("Sizes, in bytes.", limits),
  timeouts: about("Times.", timeouts),
} satisfies Readonly<Record<keyof RouteConfig, Shape>>;

export const routeShape = record(members, { required: ["path"] });
