// An API of Fastify that only paired devices can call.
import { verify } from "@authmesh/sdk/fastify";
import { fastify } from "fastify";

const port = Number(process.env.PORT ?? 3000);
const app = fastify();

app.get("/health", () => ({ status: "ok" }));

// Guards the context it is registered in: everything under /api, and nothing else.
await app.register(
  async (api) => {
    await api.register(verify, { audience: process.env.AMESH_AUDIENCE ?? `localhost:${port}` });
    api.post("/orders", (request) => ({
      message: "Authenticated!",
      device: request.authMesh.deviceId,
      name: request.authMesh.friendlyName,
      order: request.body,
    }));
  },
  { prefix: "/api" },
);

await app.listen({ port });
console.log(`listening on port ${port}`);
