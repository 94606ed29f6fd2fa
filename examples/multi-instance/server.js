// One of several instances of an API. They remember together, in Redis, what they have accepted.
import { amesh } from "@authmesh/sdk";
import { RedisNonceStore } from "@authmesh/sdk/redis";
import express from "express";

const port = Number(process.env.PORT ?? 3001);
const app = express();

// REDIS_URL names the Redis, AMESH_AUDIENCE the host that callers put into their URLs: the proxy's.
app.use("/api", amesh.verify({ nonceStore: new RedisNonceStore() }));

app.get("/api/whoami", (req, res) => {
  res.json({ caller: req.authMesh.friendlyName, instance: port });
});

const server = app.listen(port, "127.0.0.1", () => console.log(`listening on port ${server.address().port}`));
