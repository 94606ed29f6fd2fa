// An API of Hono that only paired devices can call.
import { verify } from "@authmesh/sdk/hono";
import { serve } from "@hono/node-server";
import { Hono } from "hono";

const port = Number(process.env.PORT ?? 3000);
const app = new Hono();

app.use("/api/*", verify({ audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}` }));

app.post("/api/orders", async (c) => {
  const { deviceId, friendlyName } = c.get("authMesh");
  return c.json({
    message: "Authenticated!",
    device: deviceId,
    name: friendlyName,
    order: await c.req.json(),
  });
});

app.get("/health", (c) => c.json({ status: "ok" }));

serve({ fetch: app.fetch, port }, () => console.log(`listening on port ${port}`));
