/** One resource now and after every change, for each kind that changes while people look at it (jobs have theirs). */
const watch = <const Kind extends string, const Word extends string>(kind: Kind, word: Word) =>
  ({
    method: 'GET',
    path: `/api/v1/${kind}/:name/watch`,
    summary: `One ${word} now and after every change`,
    permission: 'read',
    errors: ['not_found'],
    stream: 'events',
  }) as const;

export const watchRoutes = {
  'queues.watch': watch('queues', 'queue'),
  'nodes.watch': watch('nodes', 'machine'),
  'models.watch': watch('models', 'model'),
  'endpoints.watch': watch('endpoints', 'endpoint'),
} as const;
