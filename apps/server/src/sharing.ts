/** Whether more than one tenant lives here: what shows all of them then needs a key, also from this machine. */
import type { Store } from '@gantry/ports';

/** While the database is away the last word holds. Tenants are never removed. */
export async function watchSharing(store: Pick<Store, 'read'>): Promise<() => Promise<boolean>> {
  let isShared = false;
  const look = async (): Promise<boolean> => {
    if (isShared) return true;
    const { items } = await store.read({ platform: true }, (tx) =>
      tx.list('tenant', { limit: 2, newestFirst: false }),
    );
    isShared = items.length > 1;
    return isShared;
  };
  await look();
  return () => look().catch(() => isShared);
}
