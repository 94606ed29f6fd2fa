/** The API of the demo: an Express server that lets only trusted devices in, and reports each decision as a JSON line. */
import { amesh } from "@authmesh/sdk";
import express from "express";

const audience = process.env.AUDIENCE;
const app = express();
app.use(express.json());
app.use(
  amesh.verify({
    audience,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    onDecision: ({ id, allowed, ...decision }) => {
      const reason = allowed ? undefined : decision.failure.code;
      const detail = allowed ? undefined : decision.failure.detail;
      console.log(JSON.stringify({ event: "decision", id, allowed, reason, detail }));
    },
  }),
);
app.post("/api/orders", (req, res) => {
  res.json({ message: "Authenticated!", device: req.authMesh.deviceId, name: req.authMesh.friendlyName });
});
app.all("/admin", (_req, res) => res.json({ message: "the administrator's page" }));

const server = app.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ event: "listening", port: server.address().port }));
});
process.on("SIGTERM", () => {
  server.closeAllConnections();
  server.close();
});
