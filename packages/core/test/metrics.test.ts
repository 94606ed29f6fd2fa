import { Metrics } from "@authmesh/core/metrics";
import { expect, it } from "vitest";

const make = () =>
  new Metrics("amesh_test_", {
    open: { type: "gauge", help: "Open now." },
    refused_total: { type: "counter", help: "Refused, by code.", label: ["code", ["a", "b"]] },
    behind_since_seconds: { type: "gauge", help: "Since when.", sparse: true },
    seconds: { type: "histogram", help: "How long.", ends: [0.5, 1, 2] },
  });

it("tells every series before it first counts, but those that are sparse", () => {
  expect(make().render()).toBe(`# HELP amesh_test_open Open now.
# TYPE amesh_test_open gauge
amesh_test_open 0
# HELP amesh_test_refused_total Refused, by code.
# TYPE amesh_test_refused_total counter
amesh_test_refused_total{code="a"} 0
amesh_test_refused_total{code="b"} 0
# HELP amesh_test_behind_since_seconds Since when.
# TYPE amesh_test_behind_since_seconds gauge
# HELP amesh_test_seconds How long.
# TYPE amesh_test_seconds histogram
amesh_test_seconds_bucket{le="0.5"} 0
amesh_test_seconds_bucket{le="1"} 0
amesh_test_seconds_bucket{le="2"} 0
amesh_test_seconds_bucket{le="+Inf"} 0
amesh_test_seconds_sum 0
amesh_test_seconds_count 0
`);
});

it("counts by label, sets, and sorts what it observes into buckets that hold those below, too", () => {
  const metrics = make();
  metrics.add("refused_total", "b");
  metrics.add("refused_total", "b", 2);
  metrics.set("open", "", 5);
  metrics.set("open", "", 4);
  metrics.set("behind_since_seconds", "", 0);
  for (const seconds of [0.5, 0.75, 4]) metrics.observe("seconds", seconds);
  const lines = metrics
    .render()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(lines).toEqual([
    "amesh_test_open 4",
    'amesh_test_refused_total{code="a"} 0',
    'amesh_test_refused_total{code="b"} 3',
    "amesh_test_behind_since_seconds 0",
    'amesh_test_seconds_bucket{le="0.5"} 1',
    'amesh_test_seconds_bucket{le="1"} 2',
    'amesh_test_seconds_bucket{le="2"} 2',
    'amesh_test_seconds_bucket{le="+Inf"} 3',
    "amesh_test_seconds_sum 5.25",
    "amesh_test_seconds_count 3",
  ]);
});

it("tells series of several labels once they have a value, whatever the values hold, and forgets them", () => {
  const metrics = new Metrics("amesh_test_", {
    requests_total: { type: "counter", help: "Requests.", labels: ["route", "outcome"] },
    pending: { type: "gauge", help: "Pending.", labels: ["url"] },
    seconds: { type: "histogram", help: "How long.", labels: ["route"], ends: [1] },
  } as const);
  const lines = () =>
    metrics
      .render()
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
  expect(lines()).toEqual([]);
  metrics.add("requests_total", ["/a", "2xx"]);
  metrics.add("requests_total", ["/a", "2xx"]);
  metrics.add("requests_total", ['"\\\n', "5xx"]);
  metrics.set("pending", ["http://a"], 3);
  metrics.observe("seconds", 0.5, ["/a"]);
  expect(lines()).toEqual([
    'amesh_test_requests_total{route="/a",outcome="2xx"} 2',
    'amesh_test_requests_total{route="\\"\\\\\\n",outcome="5xx"} 1',
    'amesh_test_pending{url="http://a"} 3',
    'amesh_test_seconds_bucket{route="/a",le="1"} 1',
    'amesh_test_seconds_bucket{route="/a",le="+Inf"} 1',
    'amesh_test_seconds_sum{route="/a"} 0.5',
    'amesh_test_seconds_count{route="/a"} 1',
  ]);
  metrics.clear("pending");
  expect(lines().join()).not.toContain("pending");
});
