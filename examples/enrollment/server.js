// An API for the machines of an account. It keeps no list of them: it follows the authority's, and asks nobody at a request.
import { amesh, requireScope } from "@authmesh/sdk";
import express from "express";

const port = Number(process.env.PORT ?? 8082);
const app = express();

app.use(
  "/api",
  amesh.verify({
    audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}`,
    // A bare URL is believed at first sight. In earnest: { url, key }, the key as `amesh authority serve` shows it.
    authority: process.env.AMESH_AUTHORITY_URL ?? "http://localhost:4000",
    account: "@acme",
    scope: "orders:r",
  }),
);

app.get("/api/orders", (req, res) => {
  res.json({ by: req.authMesh.friendlyName, orders: [] });
});

app.post("/api/orders", requireScope("orders:w"), express.json(), (req, res) => {
  res.json({ by: req.authMesh.friendlyName, order: req.body });
});

app.listen(port, () => console.log(`listening on port ${port}`));
