/** What `train.profile` says at its end: how well the recorded steps used the machine, and of a pipeline how long it stood still. */
import { modelUtilisation } from './model-utilisation.ts';
import { pipelineFigures } from './pipeline-figures.ts';
import type { ReportWriter } from './report-writer.ts';
import type { TrainingSession } from './training-session.ts';

/** Rank 0 calls it at step `step`, when every rank has written its trace. */
export async function reportProfile(
  session: TrainingSession,
  reports: ReportWriter,
  step: number,
): Promise<void> {
  const { plan, resumed } = session;
  const { profile } = plan;
  if (profile === undefined) return;
  const lastStep = profile.fromStep + profile.steps - 1;
  if ((resumed?.step ?? 0) >= profile.fromStep || step < lastStep) return;
  const values = {
    ...(await modelUtilisation(session, profile.steps)),
    ...(await pipelineFigures(session)),
  };
  await reports.write({ type: 'metric', step: lastStep, values });
}
