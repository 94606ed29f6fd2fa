import { amesh } from "@authmesh/sdk";

const response = await amesh.fetch(`${process.argv[2] ?? "http://localhost:4000"}/api/data`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ query: "test" }),
});
console.log(response.status, await response.text());
process.exitCode = response.ok ? 0 : 1;
