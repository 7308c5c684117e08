/** What Postgres and PGlite have in common, as far as the store needs it. */
export interface Queryable {
  query<R extends Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: R[]; rowCount: number }>;
}

export interface Database extends AsyncDisposable {
  readonly description: string;
  /** Runs on one connection between BEGIN and COMMIT; rolls back when `fn` rejects. */
  transaction<T>(fn: (connection: Queryable) => Promise<T>): Promise<T>;
  /** Calls `onNotify` at every NOTIFY of the channel, and once after each reconnection, until the signal aborts. */
  listen(channel: string, onNotify: () => void, signal: AbortSignal): Promise<void>;
  health(): { readonly ok: boolean; readonly reason?: string };
}
