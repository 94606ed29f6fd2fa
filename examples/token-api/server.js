// An API for whoever has a token of the authority. It knows no device, and keeps no secret.
import { fileURLToPath } from "node:url";
import { pollRevocations } from "@authmesh/oath";
import { FileAuditSink } from "@authmesh/oath/node";
import { requireAction, verifyToken } from "@authmesh/sdk";
import express from "express";

const port = Number(process.env.PORT ?? 8081);
const issuer = process.env.AMESH_ISSUER ?? "http://localhost:4000";
const audit = new FileAuditSink({ path: "audit.jsonl" });
const app = express();

app.get("/health", (_req, res) => {
  res.json({ status: "ok" });
});

app.use(
  verifyToken({
    audience: "orders",
    trustedIssuers: [issuer],
    policy: fileURLToPath(new URL("policy.yaml", import.meta.url)),
    revocations: pollRevocations({ issuer }),
    audit,
  }),
);

app.get("/api/orders", requireAction("orders.read", "orders.write"), (_req, res) => {
  res.json({ orders: [] });
});

app.post("/api/orders", requireAction("orders.write"), express.json(), (req, res) => {
  const { principal, action, rule } = req.oathmeshContext;
  res.json({ message: "Accepted!", by: principal.subject, action, rule, order: req.body });
});

app.listen(port, () => console.log(`listening on port ${port}`));

for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => audit.close().then(() => process.exit()));
