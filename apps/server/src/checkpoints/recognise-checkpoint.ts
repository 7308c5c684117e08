/**
 * Tells checkpoints by what frameworks leave on disk, and whole ones from torn ones by the file each writes last:
 * ours (manifest.json), Hugging Face and Accelerate (checkpoint-N), torch.distributed.checkpoint (.metadata),
 * DeepSpeed (`latest` beside global_stepN), Lightning (*.ckpt).
 */
export interface FolderListing {
  readonly path: string;
  readonly modifiedMs: number;
  readonly names: readonly string[];
  /** Of the files Lightning wrote, by name: when. */
  readonly fileModifiedMs: ReadonlyMap<string, number>;
  /** The text of a file named `latest`, where there is one. */
  readonly latest?: string | undefined;
}

export interface FoundCheckpoint {
  /** What the framework's own resume option takes. */
  readonly path: string;
  readonly format: 'gantry' | 'hugging-face' | 'accelerate' | 'dcp' | 'deepspeed' | 'lightning';
  readonly step: number | undefined;
  readonly modifiedMs: number;
}

/** Checkpoints that this folder is, or that lie in it as files. */
export function recogniseCheckpoints(folder: FolderListing): readonly FoundCheckpoint[] {
  const name = folder.path.split('/').at(-1) ?? '';
  const step = lastNumber(name);
  const has = (file: string): boolean => folder.names.includes(file);
  const isThis = (format: FoundCheckpoint['format']): FoundCheckpoint => ({
    path: folder.path,
    format,
    step,
    modifiedMs: folder.modifiedMs,
  });
  // A DeepSpeed tag is named by `latest` in the folder above, written when every rank was done.
  if (folder.latest !== undefined && has(folder.latest.trim()))
    return [{ ...isThis('deepspeed'), step: lastNumber(folder.latest.trim()) }];
  if (/^step-\d+$/.test(name) && has('manifest.json')) return [isThis('gantry')];
  if (has('.metadata')) return [isThis('dcp')];
  if (/^checkpoint-\d+$/.test(name)) {
    if (has('trainer_state.json')) return [isThis('hugging-face')];
    if (has('random_states_0.pkl')) return [isThis('accelerate')];
  }
  return folder.names
    .filter((file) => file.endsWith('.ckpt'))
    .map((file) => ({
      path: `${folder.path}/${file}`,
      format: 'lightning' as const,
      step: Number(/(?:^|-)step=(\d+)/.exec(file)?.[1] ?? Number.NaN) || undefined,
      modifiedMs: folder.fileModifiedMs.get(file) ?? folder.modifiedMs,
    }));
}

/** The one with most steps; where a step is unknown (last.ckpt), what was written last. */
export function newestOf(found: readonly FoundCheckpoint[]): FoundCheckpoint | undefined {
  const isCounted = found.every(({ step }) => step !== undefined);
  return [...found].sort((one, other) =>
    isCounted && one.step !== other.step
      ? (other.step ?? 0) - (one.step ?? 0)
      : other.modifiedMs - one.modifiedMs,
  )[0];
}

function lastNumber(name: string): number | undefined {
  const digits = /(\d+)(?!.*\d)/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
