/** The engines of this installation: what they read, and on which devices they could compute here. As JSON on stdout. */
import { buildDevices, llamaBuild, onnxBuild } from './builds/gpu-builds.ts';
import { nativeBuild, readStamp } from './builds/native-build.ts';

/** `ready`: computes here; `built in`: it could, where such a device is; `not installed`: its build is missing. */
type DeviceState = 'ready' | 'built in' | 'not installed';

interface SurveyedEngine {
  readonly engine: string;
  readonly version: string;
  /** Where its binary for the processor comes from. */
  readonly build: string;
  readonly formats: readonly string[];
  readonly serves: string;
  readonly devices: readonly { readonly device: string; readonly state: DeviceState }[];
}

export async function runEngineSurvey(): Promise<number> {
  const engines = [await llamaCpp(), ...(await onnxRuntime())];
  process.stdout.write(`${JSON.stringify(engines)}\n`);
  return 0;
}

async function llamaCpp(): Promise<SurveyedEngine> {
  const { getLlamaGpuTypes, getModuleVersion } = await import('node-llama-cpp');
  const here = await getLlamaGpuTypes('supported');
  const anywhere = await getLlamaGpuTypes('allValid');
  const built = buildDevices.filter((device) => llamaBuild(device) !== undefined);
  const native = nativeBuild();
  return {
    engine: 'llama.cpp',
    version: await getModuleVersion(),
    build: native === undefined ? 'as shipped' : `compiled here by ${readStamp(native)?.compiler}`,
    formats: ['gguf'],
    serves: 'language models, adapters',
    devices: anywhere
      .map((type) => ({
        device: type === false ? 'cpu' : type,
        state: here.includes(type)
          ? ('ready' as const)
          : built.some((device) => device === type)
            ? ('built in' as const)
            : ('not installed' as const),
      }))
      .sort((one, other) => Number(other.state === 'ready') - Number(one.state === 'ready')),
  };
}

async function onnxRuntime(): Promise<readonly SurveyedEngine[]> {
  const { env, listSupportedBackends } = await import('onnxruntime-node');
  const version = env.versions.node ?? env.versions.common;
  const built = buildDevices.filter((device) => onnxBuild(device) !== undefined);
  const devices = listSupportedBackends().map(({ name, bundled }) => ({
    device: name,
    state:
      name === 'cpu'
        ? ('ready' as const)
        : bundled || built.some((device) => device === name)
          ? ('built in' as const)
          : ('not installed' as const),
  }));
  return [
    {
      engine: 'onnx runtime',
      version,
      build: 'as shipped',
      formats: ['onnx'],
      serves: 'tensor models',
      devices,
    },
    {
      engine: 'paged decoder',
      version,
      build: 'as shipped',
      formats: ['safetensors'],
      serves: 'language models trained here',
      devices: devices.filter(({ device }) => device === 'cpu'),
    },
  ];
}
