/** How the platform schedules, as its operators set it; one row, kind `policy`, name `scheduling`. */
export interface PolicySpecRecord {
  /** Order of queues that name none of their own. */
  readonly order?: string;
  readonly placement?: string;
  readonly preemption?: boolean;
  readonly reservation?: boolean;
  readonly topology?: {
    /** Names of the levels, widest first; the host itself comes last and needs no name. */
    readonly levels: readonly string[];
    /** Domains of each node by its name, parallel to `levels`; a shorter path belongs to no deeper level. */
    readonly nodes: Readonly<Record<string, readonly string[]>>;
  };
}

export const POLICY_NAME = 'scheduling';
/** A node says where it is with labels `topology/<level>` when the policy does not. */
export const TOPOLOGY_LABEL = 'topology/';
