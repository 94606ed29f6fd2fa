import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Duplex, Readable } from "node:stream";
import type { Admitted } from "../admit/admission.js";
import type { RouteSettings } from "../config/settings.js";
import type { ForwarderSettings } from "./forwarder-settings.js";
import type { UpstreamStatus } from "./upstream.js";

/** A request on its way to an upstream. */
export interface Forwarded {
  readonly route: RouteSettings;
  readonly admitted: Admitted;
  readonly method: string;
  /** As the caller sent it, with its query; it is plain (section 14.1). */
  readonly target: string;
  /** Host or `:authority`, as it came. */
  readonly host: string;
  /** Names and values in turn, as they came; of HTTP/2 without pseudo-headers. */
  readonly rawHeaders: readonly string[];
  /** Of the caller, or as trusted proxies say. */
  readonly clientAddress: string;
  /** The addresses that X-Forwarded-For is to have: of proxies in front that are trusted, then the peer's. */
  readonly forwardedFor: readonly string[];
  readonly scheme: "http" | "https";
}

/** What is sent as body. Where the length is known the upstream gets a Content-Length, else chunks. */
export interface ForwardedBody {
  readonly length: number | undefined;
  /** Taken once, when the upstream takes it. Destroyed when nobody wants it any more. */
  open(): Readable;
}

/** Sends admitted requests on, and their answers back. */
export interface Forwarder {
  /**
   * Resolves when the answer is over, whether or not it went well; never rejects. An upstream may have answered before it
   * took the whole body: the rest is left in the request.
   */
  forward(
    request: Forwarded,
    body: ForwardedBody | undefined,
    from: {
      readonly request: IncomingMessage | Http2ServerRequest;
      readonly response: ServerResponse | Http2ServerResponse;
    },
  ): Promise<void>;
  /** Likewise of an upgrade to WebSocket: resolves when the connection is over, with the status that was answered. */
  upgrade(request: Forwarded, socket: Duplex, head: Buffer): Promise<number | undefined>;
  /**
   * Goes over to a new configuration: requests that come from now on follow it, those under way finish as they began. The
   * connections of upstreams that it leaves as they are stay.
   *
   * @throws AmeshError `gateway_config_invalid` for authorities that cannot be read; nothing is changed then
   */
  reload(settings: ForwarderSettings): void;
  /** For metrics and `/ready`. */
  status(): {
    readonly upstreams: readonly UpstreamStatus[];
    readonly webSockets: number;
  };
  /** Ends WebSockets and connections to upstreams, stops health checks. */
  close(): Promise<void>;
}
