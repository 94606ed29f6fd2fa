/** Ids are the person's words: whatever they hold stays one part of a path. */
export const enrollmentPath = (id: string): string => `/v1/enrollments/${encodeURIComponent(id)}`;
