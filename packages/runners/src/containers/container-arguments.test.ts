import { describe, expect, it } from 'vitest';
import { type ContainerPlan, createArguments, envFileText, visibleInside } from './container-arguments.ts';
import type { ContainerTool } from './container-tool.ts';

const tool = (kind: ContainerTool['kind'], hasLimits = true): ContainerTool => ({
  kind,
  path: `/usr/bin/${kind}`,
  version: '1',
  hasLimits,
  hasInit: kind === 'docker',
});
const plan: ContainerPlan = {
  name: 'att_1-0',
  home: 'abc',
  imageId: 'sha256:5f',
  command: ['python', '-c', 'print(1)'],
  cwd: '/data/run',
  envFile: '/dev/shm/e/env',
  shown: ['/data/run'],
  covers: ['/corpus/server'],
  mounts: [{ source: '/corpus,v2', target: '/corpus', readOnly: true }],
  limits: { cpuMilli: 2_000, memoryBytes: 4 * 1024 ** 3, pids: 64 },
  gpus: [],
  hasGpuPeers: false,
  user: { uid: 1000, gid: 100 },
};

describe('the words that make a container', () => {
  it.each(['podman', 'docker', 'nerdctl'] as const)(
    'for %s name limits, user, folders and then the image',
    (kind) => {
      const words = createArguments(tool(kind), plan);
      expect(words).toEqual(
        expect.arrayContaining([
          '--name=att_1-0',
          '--network=host',
          '--user=1000:100',
          '--memory=4294967296',
          '--memory-swap=4294967296',
          '--pids-limit=64',
          '--cpu-shares=2048',
          '--mount=type=bind,source=/data/run,target=/data/run',
          expect.stringMatching(/^--mount=type=tmpfs(,notmpcopyup)?,target=\/corpus\/server$/),
          '--mount=type=bind,"source=/corpus,v2",target=/corpus,readonly',
        ]),
      );
      expect(words.slice(words.indexOf('sha256:5f'))).toEqual(['sha256:5f', 'python', '-c', 'print(1)']);
    },
  );

  it('give a server that listens where it likes a network of its own, seen from this machine alone', () => {
    const words = createArguments(tool('docker'), {
      ...plan,
      publish: { hostPort: 4711, containerPort: 8000 },
    });
    expect(words).toContain('--publish=127.0.0.1:4711:8000');
    expect(words).not.toContain('--network=host');
  });

  it('give one that shall be alone nothing but a loopback, wherever it listens', () => {
    const publish = { hostPort: 4711, containerPort: 8000 };
    const words = createArguments(tool('podman'), { ...plan, publish, isAlone: true });
    expect(words.filter((word) => /^--(network|publish)/.test(word))).toEqual(['--network=none']);
  });

  it('ask for devices as the tool does', () => {
    const gpus = { ...plan, gpus: ['1', '3'] };
    expect(createArguments(tool('podman'), gpus)).toEqual(
      expect.arrayContaining(['--device=nvidia.com/gpu=1', '--device=nvidia.com/gpu=3']),
    );
    expect(createArguments(tool('docker'), gpus)).toContain('--gpus="device=1,3"');
  });

  it('let ranks of a gang on GPUs share memory, and others have half of their own for it', () => {
    expect(createArguments(tool('docker'), { ...plan, hasGpuPeers: true })).toContain('--ipc=host');
    expect(createArguments(tool('docker'), plan)).toContain('--shm-size=2147483648');
  });

  it('put a first process before the command where the tool has one', () => {
    expect(createArguments(tool('docker'), plan)).toContain('--init');
    expect(createArguments(tool('podman'), plan)).not.toContain('--init');
  });

  it('set no limits where the tool can set none', () => {
    const words = createArguments(tool('podman', false), plan).join(' ');
    expect(words).not.toMatch(/--memory|--pids-limit|--cpu-shares/);
  });
});

describe('variables of a container', () => {
  it('are lines that the tools take word for word', () => {
    expect(envFileText({ A: '1', B: 'two "words" #x', C: '' })).toEqual({
      text: 'A=1\nB=two "words" #x\nC=\n',
    });
  });
  it('with a line break fit in no line', () => {
    expect(envFileText({ OK: '1', KEY: 'a\nB=b' })).toEqual({ unfit: 'KEY' });
  });
  it('count the devices that it was given from 0, and keep the ids of slices', () => {
    expect(visibleInside(['2', '5'])).toEqual({ CUDA_VISIBLE_DEVICES: '0,1' });
    expect(visibleInside(['MIG-8f6e'])).toEqual({ CUDA_VISIBLE_DEVICES: 'MIG-8f6e' });
    expect(visibleInside([])).toEqual({});
  });
});
