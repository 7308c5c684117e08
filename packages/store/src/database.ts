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
  /** Who holds the database, as this server wrote it into `server_lease`; undefined where nobody else can come. */
  readonly holder: string | undefined;
  health(): { readonly ok: boolean; readonly reason?: string };
  readonly stats: { readonly statements: number };
}

/** What a database tells the store of its own accord. */
export interface DatabaseListener {
  /** Something was committed that the feed has; also after every reconnection. */
  onNotify(): void;
  /** It was away and is back. */
  onRecovered(): void;
}
