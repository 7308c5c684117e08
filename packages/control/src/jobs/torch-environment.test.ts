import { describe, expect, it } from 'vitest';
import type { NodeSpecRecord } from '../nodes/node-record.ts';
import { networkFacts } from './network-facts.ts';
import { type EnvironmentInput, type RankPlace, workerEnvironment } from './worker-environment.ts';

const place = (rank: number, gpuIndices: number[], change: Partial<RankPlace> = {}): RankPlace => ({
  rank,
  nodeIndex: 0,
  localRank: rank,
  localWorldSize: 2,
  gpuIndices,
  address: '10.0.0.1',
  ...change,
});

const environment = (places: RankPlace[], change: Partial<EnvironmentInput> = {}): Record<string, string> =>
  workerEnvironment({
    place: places[1] ?? (places[0] as RankPlace),
    places,
    masterPort: 29_500,
    framework: 'torch',
    command: 'python train.py',
    job: { name: 'bert', attemptId: 'att_1', epoch: 1 },
    files: {
      workerDir: '/w',
      runDir: '/r',
      reportFile: '/w/report.jsonl',
      specFile: '/r/spec.json',
      rendezvousDir: '/s',
      rendezvousToken: 'ours',
      resumeFrom: undefined,
    },
    user: {},
    cpuMilli: 1_000,
    ...change,
  });

describe('devices of a torch rank', () => {
  const pair = [place(0, [4]), place(1, [6])];

  it('cuda:LOCAL_RANK is its own device in a script started without a launcher', () => {
    const env = environment(pair);
    expect(env['CUDA_VISIBLE_DEVICES']?.split(',')[Number(env['LOCAL_RANK'])]).toBe('6');
  });

  it.each([
    'torchrun train.py',
    'exec /opt/venv/bin/torchrun --nnodes 2 train.py',
    'python -m torch.distributed.run train.py',
    'accelerate launch train.py',
  ])('sees only its own under a launcher, which counts from 0 itself: %s', (command) => {
    const env = environment(pair, { command });
    expect(env).toMatchObject({ CUDA_VISIBLE_DEVICES: '6', PET_NNODES: '2', PET_NODE_RANK: '1' });
  });

  it('torchrun starts a process a device in a replica of several', () => {
    const env = environment([place(0, [0, 1, 2, 3]), place(1, [4, 5, 6, 7])], { command: 'torchrun t.py' });
    expect(env).toMatchObject({ PET_NPROC_PER_NODE: '4', CUDA_VISIBLE_DEVICES: '4,5,6,7' });
  });

  it('Accelerate is told when there is none', () => {
    expect(environment([place(0, [])])['ACCELERATE_USE_CPU']).toBe('true');
    expect(environment(pair)['ACCELERATE_USE_CPU']).toBeUndefined();
  });

  it('a torchrun command needs no framework, any other does', () => {
    expect(environment(pair, { framework: 'none', command: 'torchrun t.py' })['PET_NNODES']).toBe('2');
    expect(environment(pair, { framework: 'none' })['PET_NNODES']).toBeUndefined();
  });
});

describe('rendezvous', () => {
  it('ranks of one machine have addresses of their own, for process namespaces give them the same ids', () => {
    const pair = [0, 1].map((rank) => place(rank, [], { address: '127.0.0.1' }));
    const [first, second] = pair.map((each) => environment(pair, { place: each }));
    expect(first).toMatchObject({ PET_LOCAL_ADDR: '127.0.0.1', PET_RDZV_ID: 'att_1' });
    expect(second).toMatchObject({ PET_LOCAL_ADDR: '127.0.0.2', MASTER_ADDR: '127.0.0.1' });
  });

  it('a real address is its own', () => {
    expect(environment([place(0, [])])['PET_LOCAL_ADDR']).toBeUndefined();
  });
});

describe('trackers and network', () => {
  it('TensorBoard and MLflow write beside the checkpoints unless the user says otherwise', () => {
    expect(environment([place(0, [])])).toMatchObject({
      TENSORBOARD_LOGGING_DIR: '/r/tensorboard',
      MLFLOW_TRACKING_URI: 'file:///r/mlruns',
      MLFLOW_EXPERIMENT_NAME: 'bert',
    });
    const user = { MLFLOW_TRACKING_URI: 'https://mlflow.example.org' };
    expect(environment([place(0, [])], { user })).toMatchObject(user);
  });

  const node = (rdma: unknown[]): NodeSpecRecord =>
    ({
      address: '10.0.0.1',
      facts: {
        network: {
          interfaces: [
            { name: 'eth0', addresses: ['192.168.1.4'] },
            { name: 'ens7', addresses: ['10.0.0.1'] },
          ],
          rdma,
        },
      },
    }) as unknown as NodeSpecRecord;

  it.each([
    ['no RDMA', [], { NCCL_SOCKET_IFNAME: 'ens7', GLOO_SOCKET_IFNAME: 'ens7', NCCL_IB_DISABLE: '1' }],
    [
      'RoCE, one port down',
      [
        { name: 'mlx5_0', linkLayer: 'Ethernet', isActive: true },
        { name: 'mlx5_1', linkLayer: 'Ethernet', isActive: false },
      ],
      { NCCL_IB_HCA: 'mlx5_0', NCCL_IB_GID_INDEX: '3' },
    ],
    ['InfiniBand', [{ name: 'mlx5_0', linkLayer: 'InfiniBand', isActive: true }], { NCCL_IB_HCA: 'mlx5_0' }],
  ])('NCCL is told of the network: %s', (_name, rdma, expected) => {
    const env = environment([place(0, [0], { network: networkFacts(node(rdma)) })]);
    expect(env).toMatchObject(expected);
    if (!('NCCL_IB_GID_INDEX' in expected)) expect(env['NCCL_IB_GID_INDEX']).toBeUndefined();
  });

  it('facts in another shape are no facts', () => {
    expect(networkFacts({ ...node([]), facts: { network: 7 } })).toBeUndefined();
  });
});

describe('an elastic torchrun', () => {
  const pair = [place(0, [], { address: '127.0.0.1' }), place(1, [], { address: '127.0.0.1' })];
  const elastic = { command: 'torchrun t.py', user: { PET_RDZV_BACKEND: 'c10d' } };

  it('is told how few may go on and how many may be lost; the user’s word goes before', () => {
    expect(environment(pair, { ...elastic, minRanks: 1 })).toMatchObject({
      PET_NNODES: '1:2',
      PET_RDZV_BACKEND: 'c10d',
      PET_MAX_RESTARTS: '10',
      PET_RDZV_CONF: 'is_host=0',
    });
    expect(environment(pair, { ...elastic, place: pair[0] as RankPlace })['PET_RDZV_CONF']).toBe('is_host=1');
    expect(environment(pair, elastic)['PET_NNODES']).toBe('2:2');
    const user = { ...elastic.user, PET_MAX_RESTARTS: '0' };
    expect(environment(pair, { ...elastic, user })['PET_MAX_RESTARTS']).toBe('0');
    expect(environment(pair, { ...elastic, user: {} })).not.toHaveProperty('PET_MAX_RESTARTS');
  });

  it('knows who comes back from who was there, though both have the same place', () => {
    const first = environment(pair, elastic)['PET_LOCAL_ADDR'];
    expect(environment(pair, { ...elastic, comesBack: 1 })['PET_LOCAL_ADDR']).not.toBe(first);
  });
});
