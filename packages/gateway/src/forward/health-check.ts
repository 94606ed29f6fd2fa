import type { Schedule } from "@authmesh/oath/timing";
import type { UpstreamSettings } from "../config/settings.js";
import type { UpstreamServer } from "./upstream-server.js";

type HealthSettings = NonNullable<UpstreamSettings["health"]>;

export interface HealthScene {
  readonly schedule: Schedule;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Called when a server becomes healthy or stops being so. */
  readonly changed: (server: UpstreamServer, reason: string | undefined) => void;
}

/**
 * Asks a server again and again whether it is well: an answer from 200 to 399 in time. Returns the way to stop.
 *
 * @throws never: what goes wrong is what it is for
 */
export function checkHealth(
  server: UpstreamServer,
  settings: HealthSettings,
  scene: HealthScene,
): () => void {
  const client = server.openClient();
  let failures = 0;
  let stopped = false;
  let cancel = () => {};

  const note = (reason: string | undefined): void => {
    failures = reason === undefined ? 0 : failures + 1;
    const healthy = reason === undefined || (server.healthy && failures < settings.failures);
    if (healthy === server.healthy) return;
    server.healthy = healthy;
    scene.changed(server, reason);
  };
  const look = async (): Promise<void> => {
    const reason = await whyUnwell(client, settings);
    if (stopped) return;
    note(reason);
    // Many gateways that were started at once do not ask at once for ever.
    cancel = scene.schedule(() => void look(), settings.intervalMs * (0.9 + 0.2 * scene.random()));
  };
  void look();

  return () => {
    stopped = true;
    cancel();
    void client.destroy();
  };
}

async function whyUnwell(client: ReturnType<UpstreamServer["openClient"]>, settings: HealthSettings) {
  try {
    const { statusCode, body } = await client.request({
      path: settings.path,
      method: "GET",
      signal: AbortSignal.timeout(settings.timeoutMs),
    });
    await body.dump({ limit: 64 * 1024 });
    return statusCode >= 200 && statusCode < 400 ? undefined : `status ${statusCode}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
