/** Worker kinds and how each starts. The answer is the exit code (see docs/training.md for a rank's). */
type Environment = Readonly<Record<string, string | undefined>>;
type Start = (env: Environment, signal: AbortSignal) => Promise<number>;

export type WorkerKind =
  | 'train'
  | 'engine'
  | 'convert'
  | 'evaluate'
  | 'engines'
  | 'install'
  | 'probe'
  | 'warm';

export const kinds: Readonly<Record<WorkerKind, Start>> = {
  train: async (env, signal) => {
    const { runTraining } = await import('@gantry/trainer');
    return runTraining({ env, signal, hasHeartbeat: true });
  },
  probe: async (env) => {
    const { runProbe } = await import('@gantry/trainer/probe');
    return runProbe(env);
  },
  engine: async (env, signal) => {
    const { runEngine } = await import('./run-engine.ts');
    return runEngine(env, signal);
  },
  convert: async (env) => {
    const { runConversion } = await import('./model-work/run-conversion.ts');
    return runConversion(env);
  },
  evaluate: async (env) => {
    const { runEvaluation } = await import('./model-work/run-evaluation.ts');
    return runEvaluation(env);
  },
  engines: async () => {
    const { runEngineSurvey } = await import('@gantry/engines/survey');
    return runEngineSurvey();
  },
  warm: async () => {
    const { warmHost } = await import('@gantry/engines/warm');
    await warmHost();
    return 0;
  },
  install: async (env) => {
    const { runEngineInstall } = await import('@gantry/engines/install');
    return runEngineInstall(env);
  },
};
