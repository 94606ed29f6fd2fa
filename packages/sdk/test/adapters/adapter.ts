/** What an adapter is to the table of cases. Nothing here needs a test runner. */
import type { VerifyOptions } from "@authmesh/sdk";
import { type Bench, type Outcome, sha256 } from "./exchange.js";
import type { Transport } from "./wire.js";

export interface RunningServer {
  /** "127.0.0.1:PORT" */
  readonly host: string;
  close(): Promise<unknown>;
}

/** What the framework does not let an adapter see, and what happens instead. Checked like any other outcome. */
export interface Difference {
  readonly because: string;
  readonly outcome: Outcome;
}

export interface AdapterUnderTest {
  readonly name: string;
  readonly transport: Transport;
  /** Serves `bench.echo` behind the adapter, on every path and method, or on those below `mount`. */
  start(bench: Bench, options: VerifyOptions, mount: string | undefined): Promise<RunningServer>;
  /** By the name of the case. */
  readonly differs?: Readonly<Record<string, Difference>>;
}

const letIn: Outcome = { status: 200, saw: { by: "caller", method: "GET", body: sha256("") }, handled: 1 };

/** The path that was verified is the one that the router sees, so what the raw one was makes no difference. */
const parsedUrl: Difference = {
  because: "the server parses the target before anybody sees it",
  outcome: letIn,
};

/** What servers hide whose requests are those of the Fetch standard. */
export const fetchDiffers = {
  "a path with dot segments": parsedUrl,
  "a path with encoded dot segments": parsedUrl,
  "a path with a backslash": parsedUrl,
  "a target that is a whole URL": parsedUrl,
  "two content types": {
    because: "Headers join what came twice, and the joined value is not the one signed",
    outcome: { status: 401, error: "unauthorized", handled: 0 },
  },
} satisfies AdapterUnderTest["differs"];
