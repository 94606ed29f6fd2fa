// What a job of a runner with persistent state does: it calls a service that the runner was paired with once.
import { amesh } from "@authmesh/sdk";

const response = await amesh.fetch(`${process.argv[2]}/api/hello`);
console.log(response.status, await response.text());
process.exitCode = response.ok ? 0 : 1;
