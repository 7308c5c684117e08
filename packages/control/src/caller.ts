/** Who asks, as the edge established it. */
export interface Caller {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly userId: string;
  readonly userName: string;
  readonly role: 'viewer' | 'member' | 'admin' | 'operator';
}
