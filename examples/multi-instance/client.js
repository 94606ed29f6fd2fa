// Calls the API a few times; nginx takes turns.
import { amesh } from "@authmesh/sdk";

const url = process.argv[2] ?? "http://localhost:8080";
for (let call = 1; call <= 4; call++) {
  const response = await amesh.fetch(`${url}/api/whoami`);
  console.log(response.status, await response.text());
  if (!response.ok) process.exitCode = 1;
}
