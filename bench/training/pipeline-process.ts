/** One rank of pipeline-bubble.ts, as the platform starts it. */
import { runTrainingRank } from '../../packages/trainer/src/rank/run-training-rank.ts';

process.exitCode = await runTrainingRank({ env: process.env });
