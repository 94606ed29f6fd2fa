import { type Failure, failure, parseRequirement, type TrustedDevice, type TrustStore } from "@authmesh/core";
import { CallerWatch } from "./caller-watch.js";
import { type RouteRequirement, scopesOf } from "./token/route-requirement.js";

export interface TrustWatchOptions {
  readonly trust: TrustStore;
  /** Brings a store that failed back, if that can be done. */
  readonly ready: () => Promise<void>;
  /** What a caller must have been granted, as in `VerifyOptions`. */
  readonly scope: string | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

export interface WatchedDevice {
  readonly deviceId: string;
  /** What its route requires beyond that. */
  readonly requires: RouteRequirement | undefined;
}

/** Watches devices that were let in. It asks the store also while nothing changes, since a store may look for changes only when asked. */
export function watchTrust(options: TrustWatchOptions): CallerWatch<WatchedDevice> {
  const { trust, ready, scope } = options;
  const suffices = scope === undefined ? () => true : parseRequirement(scope);
  const standing = ({ deviceId, requires }: WatchedDevice): Failure | undefined => {
    const { device, failure: gone } = standingDevice(options, deviceId);
    if (device === undefined) return gone;
    if (!suffices(device.scopes)) return failure("scope_missing");
    return requires?.({ scopes: scopesOf(device.scopes) });
  };
  return new CallerWatch({
    ready,
    onChange: (listener) => trust.onChange(listener),
    judge() {
      const broken = trust.check();
      return (watched) => broken ?? standing(watched);
    },
  });
}

/** A device that may call by now, or why it may not. */
export function standingDevice(
  { trust, now = Date.now }: Pick<TrustWatchOptions, "trust" | "now">,
  deviceId: string,
):
  | { readonly device: TrustedDevice; readonly failure?: never }
  | { readonly device?: never; readonly failure: Failure } {
  if (trust.isRevoked(deviceId)) return { failure: failure("device_revoked") };
  const device = trust.findById(deviceId, "controller");
  if (device === undefined) return { failure: failure("device_unknown") };
  if (device.ended) return { failure: failure("enrollment_ended") };
  if (device.expiresAt !== undefined && now() >= device.expiresAt * 1000)
    return { failure: failure("entry_expired") };
  return { device };
}
