/**
 * Fragmentation Gradient Descent (Weng et al., ATC'23, §4). The fragment of a node, seen by one
 * kind of task, is the free device share that task could not use there; weighted by how common
 * each kind is. FGD puts a task where the fragment grows least.
 */
import type { ClusterState } from './cluster-state.ts';
import { acceptsModel } from './class-request.ts';
import { type RequestClass } from './request-class.ts';
import { fullestDevice, type Scorer } from './scorers.ts';

/** One kind of task and its part of all tasks (0..1). */
export interface TypicalTask {
  cpuMilli: number;
  /** Devices asked, each with `milli`; 0 = CPU only. */
  devices: number;
  milli: number;
  model: string | null;
  part: number;
}

/** Fragmented device share of a node (milli) with these free shares and this free CPU. */
export function fragmentMilli(
  free: readonly number[],
  freeCpuMilli: number,
  model: string,
  typical: readonly TypicalTask[],
): number {
  let total = 0;
  for (const milli of free) total += milli;
  let fragment = 0;
  for (const task of typical) {
    let usable = 0;
    let fitting = 0;
    if (task.devices > 0 && task.cpuMilli <= freeCpuMilli && acceptsModel(task.model, { model })) {
      for (const milli of free) {
        if (milli >= task.milli) {
          usable += milli;
          fitting++;
        }
      }
    }
    fragment += task.part * (fitting < task.devices || task.devices === 0 ? total : total - usable);
  }
  return fragment;
}

export function nodeFragmentMilli(
  state: ClusterState,
  node: number,
  typical: readonly TypicalTask[],
): number {
  return fragmentMilli(freeShares(state, node), state.freeCpu[node]!, modelOf(state, node), typical);
}

function freeShares(state: ClusterState, node: number): number[] {
  const free: number[] = [];
  for (let device = state.deviceStart[node]!; device < state.deviceStart[node + 1]!; device++)
    free.push(state.deviceOk[device] === 1 ? state.freeMilli[device]! : 0);
  return free;
}

function modelOf(state: ClusterState, node: number): string {
  return state.nodes[node]!.devices[0]?.model ?? '';
}

/** Scores as the authors publish them: sigmoid of the change in devices, truncated to 0..100. */
function toScore(changeMilli: number): number {
  return Math.trunc(100 / (1 + Math.exp(-changeMilli / 1000)));
}

export function createFgd(typical: readonly TypicalTask[]): Scorer {
  const evaluate = (
    state: ClusterState,
    requestClass: RequestClass,
    node: number,
  ): { score: number; device: number } => {
    const free = freeShares(state, node);
    if (free.length === 0) return { score: 50, device: -1 };
    const { request } = requestClass;
    const model = modelOf(state, node);
    const before = fragmentMilli(free, state.freeCpu[node]!, model, typical);
    const cpuAfter = state.freeCpu[node]! - request.cpuMilli;
    const start = state.deviceStart[node]!;
    if (request.milli === 0) {
      let left = request.devices;
      for (let offset = 0; offset < free.length && left > 0; offset++) {
        if (!requestClass.isWholeFree(node, start + offset)) continue;
        free[offset] = 0;
        left--;
      }
      return { score: toScore(before - fragmentMilli(free, cpuAfter, model, typical)), device: -1 };
    }
    let best = { score: -1, device: -1 };
    for (let offset = 0; offset < free.length; offset++) {
      if (!requestClass.takesShareOf(node, start + offset)) continue;
      free[offset]! -= request.milli;
      const score = toScore(before - fragmentMilli(free, cpuAfter, model, typical));
      free[offset]! += request.milli;
      if (score > best.score) best = { score, device: start + offset };
    }
    return best;
  };
  return {
    name: 'fgd',
    score: (state, requestClass, node) => evaluate(state, requestClass, node).score,
    shareDevice: (state, requestClass, node) => {
      const { device } = evaluate(state, requestClass, node);
      return device === -1 ? fullestDevice(state, requestClass, node) : device;
    },
  };
}
