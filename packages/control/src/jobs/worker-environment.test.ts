import { describe, expect, it } from 'vitest';
import { type EnvironmentInput, type RankPlace, workerEnvironment } from './worker-environment.ts';

const place = (
  rank: number,
  nodeIndex: number,
  localRank: number,
  gpuIndices: RankPlace['gpuIndices'] = [],
): RankPlace => ({
  rank,
  nodeIndex,
  localRank,
  localWorldSize: 2,
  gpuIndices,
  address: `10.0.0.${nodeIndex + 1}`,
});
const places = [place(0, 0, 0), place(1, 0, 1), place(2, 1, 0), place(3, 1, 1)];

const filesOf = (): EnvironmentInput['files'] => ({
  workerDir: '/w',
  runDir: '/r',
  reportFile: '/w/report.jsonl',
  specFile: '/r/spec.json',
  rendezvousDir: '/s',
  rendezvousToken: 'only ours',
  resumeFrom: undefined,
});

const environment = (change: Partial<EnvironmentInput> = {}): Record<string, string> =>
  workerEnvironment({
    place: places[2] as RankPlace,
    places,
    masterPort: 29_500,
    framework: 'torch',
    job: { name: 'bert', attemptId: 'att_1', epoch: 2 },
    files: filesOf(),
    user: {},
    cpuMilli: 2_500,
    ...change,
  });

describe('the environment of a rank', () => {
  it('names a folder as the meeting place on one machine, and the address of rank 0 with a token on several', () => {
    expect(environment()).toMatchObject({
      GANTRY_RENDEZVOUS: 'tcp://10.0.0.1:29500',
      GANTRY_RENDEZVOUS_TOKEN: 'only ours',
    });
    const six = places.map((each) => ({ ...each, address: `fd00::${each.nodeIndex + 1}` }));
    expect(environment({ places: six })['GANTRY_RENDEZVOUS']).toBe('tcp://[fd00::1]:29500');
    const together = environment({ places: places.slice(0, 2) });
    expect(together['GANTRY_RENDEZVOUS']).toBe('/s');
    expect(together).not.toHaveProperty('GANTRY_RENDEZVOUS_TOKEN');
  });

  it('says which kind it is where ranks are of several, and tells TensorFlow the kinds', () => {
    const groups = [
      { name: 'ps', count: 1, firstRank: 0 },
      { name: 'worker', count: 3, firstRank: 1 },
    ];
    const env = environment({ groups, framework: 'tensorflow' });
    expect(env).toMatchObject({
      GANTRY_GROUP: 'worker',
      ROLE_NAME: 'worker',
      ROLE_RANK: '1',
      ROLE_WORLD_SIZE: '3',
    });
    expect(JSON.parse(env['TF_CONFIG'] ?? '')).toEqual({
      cluster: {
        ps: ['10.0.0.1:29500'],
        worker: ['10.0.0.1:29501', '10.0.0.2:29502', '10.0.0.2:29503'],
      },
      task: { type: 'worker', index: 1 },
    });
    expect(environment()).not.toHaveProperty('ROLE_NAME');
  });

  it('says to work that shares a device which part of it is its own', () => {
    expect(environment({ gpuShare: 0.25 })).toMatchObject({
      GANTRY_GPU_SHARE: '0.25',
      CUDA_MPS_ACTIVE_THREAD_PERCENTAGE: '25',
      XLA_PYTHON_CLIENT_MEM_FRACTION: '0.25',
    });
    expect(environment()).not.toHaveProperty('GANTRY_GPU_SHARE');
  });

  it('says to torchrun’s static rendezvous who it is and where rank 0 listens', () => {
    expect(environment()).toMatchObject({
      RANK: '2',
      LOCAL_RANK: '0',
      WORLD_SIZE: '4',
      LOCAL_WORLD_SIZE: '2',
      NODE_RANK: '1',
      GROUP_RANK: '1',
      MASTER_ADDR: '10.0.0.1',
      MASTER_PORT: '29500',
      PET_NNODES: '4',
      PET_NODE_RANK: '2',
      PET_NPROC_PER_NODE: '1',
      PET_RDZV_ENDPOINT: '10.0.0.1:29500',
    });
  });

  it('shows only the devices it was given, in the order inventory counts them', () => {
    const env = environment({ place: place(2, 1, 0, [4, 5]) });
    expect(env).toMatchObject({ CUDA_VISIBLE_DEVICES: '4,5', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' });
  });

  it('names slices of divided devices by their ids, as CUDA wants them', () => {
    const env = environment({ place: place(2, 1, 0, ['MIG-c6d4f1ef']), command: 'torchrun train.py' });
    expect(env).toMatchObject({ CUDA_VISIBLE_DEVICES: 'MIG-c6d4f1ef', PET_NPROC_PER_NODE: '1' });
  });

  it('says nothing of CUDA where devices are CPUs', () => {
    expect(Object.keys(environment()).filter((name) => name.startsWith('CUDA'))).toEqual([]);
  });

  it('lets the user set threads but never who the rank is', () => {
    const env = environment({ user: { OMP_NUM_THREADS: '7', RANK: '0', GANTRY_RUN_DIR: '/etc' } });
    expect(env).toMatchObject({ OMP_NUM_THREADS: '7', RANK: '2', GANTRY_RUN_DIR: '/r' });
    expect(environment()['OMP_NUM_THREADS']).toBe('2');
  });

  it('tells TensorFlow every worker and the index of this one', () => {
    const config: unknown = JSON.parse(environment({ framework: 'tensorflow' })['TF_CONFIG'] ?? '');
    expect(config).toEqual({
      cluster: { worker: ['10.0.0.1:29500', '10.0.0.1:29501', '10.0.0.2:29502', '10.0.0.2:29503'] },
      task: { type: 'worker', index: 2 },
    });
    expect(environment()['TF_CONFIG']).toBeUndefined();
  });

  it('names a checkpoint to resume from only when there is one', () => {
    expect(environment()['GANTRY_RESUME_FROM']).toBeUndefined();
    const files = { ...filesOf(), resumeFrom: '/r/checkpoints/step-5' };
    expect(environment({ files })['GANTRY_RESUME_FROM']).toBe('/r/checkpoints/step-5');
  });
});
