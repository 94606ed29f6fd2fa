/** The first `limit` of what comes, and whether there is more. */
export async function atMost<T>(
  limit: number,
  source: AsyncIterable<T>,
): Promise<{ readonly items: readonly T[]; readonly more: boolean }> {
  const items: T[] = [];
  for await (const item of source) {
    if (items.length === limit) return { items, more: true };
    items.push(item);
  }
  return { items, more: false };
}
