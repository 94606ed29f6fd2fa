/** Ends with 0 if the URL that it is given answers 200: what a container engine asks, in an image without curl. */
const [url] = process.argv.slice(2);
const healthy = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
  ({ status }) => status === 200,
  () => false,
);
process.exit(healthy ? 0 : 1);
