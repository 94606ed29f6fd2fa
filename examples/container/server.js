// An API in a container. Nothing in it knows of tokens: amesh.verify() uses the one in AMESH_BOOTSTRAP_TOKEN.
import { amesh } from "@authmesh/sdk";
import express from "express";

const port = Number(process.env.PORT ?? 3000);
const app = express();

app.get("/health", (_req, res) => {
  res.json({ status: "ok" });
});

// AMESH_AUDIENCE names the host that callers put into their URLs.
app.use("/api", amesh.verify());

app.get("/api/hello", (req, res) => {
  res.json({ hello: req.authMesh.friendlyName });
});

const server = app.listen(port, () => console.log(`listening on port ${server.address().port}`));
// As the first process of a container, Node.js ends only when it is told how.
process.once("SIGTERM", () => server.close());
