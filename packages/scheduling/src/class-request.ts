/** What one member asks of a node, and which nodes and devices can give it. */
import type { ClusterState } from './cluster-state.ts';
import type { DeviceState, GroupRequest, NodeState, Toleration, Workload } from './snapshot.ts';

export interface ClassRequest {
  cpuMilli: number;
  memoryBytes: number;
  storageBytes: number;
  /** Whole devices. */
  devices: number;
  /** Share of one device; then `devices` is 0. */
  milli: number;
  model: string | null;
  /** null = whole devices. */
  profile: string | null;
  /** Least memory of a whole device, or memory taken by a share; 0 = by share of capacity. */
  deviceMemoryBytes: number;
  selector: Record<string, string>;
  tolerations: readonly Toleration[];
}

export function toClassRequest(
  request: GroupRequest,
  workload: Pick<Workload, 'nodeSelector' | 'tolerations'>,
): ClassRequest {
  const shared = request.deviceMilli > 0 && request.deviceMilli < 1000;
  return {
    cpuMilli: request.cpuMilli,
    memoryBytes: request.memoryBytes,
    storageBytes: request.storageBytes,
    devices: shared ? 0 : Math.max(request.devices, Math.ceil(request.deviceMilli / 1000)),
    milli: shared ? request.deviceMilli : 0,
    model: request.deviceModel ?? null,
    profile: request.deviceProfile ?? null,
    deviceMemoryBytes: request.deviceMemoryBytes ?? 0,
    selector: workload.nodeSelector ?? {},
    tolerations: workload.tolerations ?? [],
  };
}

export function classKey(request: ClassRequest): string {
  const selector = Object.entries(request.selector).sort(([a], [b]) => (a < b ? -1 : 1));
  const { cpuMilli, memoryBytes, storageBytes, devices, milli, model, profile, deviceMemoryBytes } = request;
  const head = `${cpuMilli}|${memoryBytes}|${storageBytes}|${devices}|${milli}|${model ?? ''}|${profile ?? ''}|${deviceMemoryBytes}`;
  if (selector.length === 0 && request.tolerations.length === 0) return head;
  return `${head}|${JSON.stringify([selector, request.tolerations])}`;
}

export const isTolerated = (
  taint: { readonly key: string; readonly value?: string | undefined },
  tolerations: readonly { readonly key: string; readonly value?: string | undefined }[],
): boolean =>
  tolerations.some(({ key, value }) => key === taint.key && (value === undefined || value === taint.value));

export const toleratesAll = ({ taints }: NodeState, tolerations: readonly Toleration[]): boolean =>
  taints.every((taint) => isTolerated(taint, tolerations));

export function matchesSelector(node: NodeState, selector: Record<string, string>): boolean {
  for (const key in selector) if (node.labels[key] !== selector[key]) return false;
  return true;
}

/** Several models may be named, parted by `|`, as traces and users with mixed clusters do. */
export function acceptsModel(model: string | null, device: Pick<DeviceState, 'model'>): boolean {
  return (
    model === null ||
    model === device.model ||
    (model.includes('|') && model.split('|').includes(device.model))
  );
}

export function acceptsDevice(request: ClassRequest, device: DeviceState): boolean {
  return (
    acceptsModel(request.model, device) &&
    (device.profile ?? null) === request.profile &&
    device.memoryBytes >= request.deviceMemoryBytes
  );
}

/** Memory a share takes: as stated, else in proportion to the share. */
export function shareMemoryBytes(
  state: ClusterState,
  request: Pick<ClassRequest, 'milli' | 'deviceMemoryBytes'>,
  device: number,
): number {
  if (request.deviceMemoryBytes > 0) return request.deviceMemoryBytes;
  return Math.floor((state.deviceMemory[device]! * request.milli) / state.milliCapacity[device]!);
}
