/** What the planner answers. The caller carries it out; until it does, nothing has happened. */
import type { Reason } from './reason.ts';
import type { AllocationMember, ResourceVector } from './snapshot.ts';

export interface Placement {
  workloadId: string;
  /** At least `minCount` of every group; never part of a gang. */
  members: AllocationMember[];
}

export interface Eviction {
  workloadId: string;
  reason: EvictionReason;
}

export type EvictionReason =
  | { code: 'preempted'; forWorkloadId: string; lostDeviceSeconds: number }
  | { code: 'moved'; forWorkloadId: string; lostDeviceSeconds: number }
  | { code: 'reclaimed'; forWorkloadId: string; queueId: string; lostDeviceSeconds: number };

/** A running gang goes on with fewer or more members, or elsewhere: stopped at a checkpoint, started on exactly these. */
export interface Resize {
  workloadId: string;
  /** At least `minCount` of every group, counted from nought. */
  members: AllocationMember[];
  reason:
    | { code: 'shrunk'; forWorkloadId: string; lostDeviceSeconds: number }
    | { code: 'grown'; lostDeviceSeconds: number }
    /** As many members elsewhere, on a device model that it runs faster on. */
    | { code: 'relocated'; model: string; lostDeviceSeconds: number };
}

/** A gang runs with fewer members of a group than it could use, and why it does not get more. */
export interface Reduced {
  workloadId: string;
  group: string;
  members: number;
  wanted: number;
  reasons: Reason[];
}

/** The node that came closest, and what it lacks for one member. */
export interface NearestMiss {
  nodeId: string;
  group: string;
  missing: Partial<ResourceVector>;
}

/** A change that would start the workload now; each one was tried on the same state. */
export type UnblockChange =
  | { kind: 'fewer_members'; group: string; count: number }
  | { kind: 'fewer_devices'; group: string; devices: number }
  | { kind: 'less_cpu'; group: string; cpuMilli: number }
  | { kind: 'less_memory'; group: string; memoryBytes: number }
  | { kind: 'any_device_model'; group: string }
  | { kind: 'drop_topology' }
  | { kind: 'drop_slices' }
  | { kind: 'drop_selector' }
  | { kind: 'tolerate'; key: string }
  | { kind: 'borrow_more'; queueId: string; resource: keyof ResourceVector; by: number }
  | { kind: 'lend_more'; queueId: string; resource: keyof ResourceVector; by: number }
  | { kind: 'raise_queue_limit'; queueId: string; resource: keyof ResourceVector; by: number };

export interface Waiting {
  workloadId: string;
  reasons: Reason[];
  /** 1 = next. Counts every waiting workload, whatever its queue. */
  position: number;
  /** The nearest ones ahead, at most `AHEAD_LIMIT`, in order. */
  ahead: string[];
  nearestMiss: NearestMiss | null;
  unblock: UnblockChange[];
  /** When it should start if the estimates of the running workloads hold; null = unknown. */
  estimatedStartMs: number | null;
}

export const AHEAD_LIMIT = 10;

/** Nodes where room is being made: to be kept for the workload until it starts (`Workload.kept`). */
export interface Claim {
  workloadId: string;
  nodeIds: string[];
}

export interface Plan {
  placements: Placement[];
  claims: Claim[];
  evictions: Eviction[];
  resizes: Resize[];
  reduced: Reduced[];
  waiting: Waiting[];
}
