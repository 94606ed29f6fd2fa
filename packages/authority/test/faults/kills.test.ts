import { describe, expect, it } from "vitest";
import { backends } from "../stores.js";
import { KilledAuthority } from "./killed-authority.js";

describe.each(backends())("an authority over $name that is killed while machines are enrolled", (backend) => {
  it("loses nothing that it acknowledged, and shows nothing that is half done", async () => {
    const killed = await KilledAuthority.over(backend);
    await killed.live([Math.random() / 4, Math.random()]);
    expect(killed.acknowledged).toBeGreaterThan(1);
  }, 60_000);
});
