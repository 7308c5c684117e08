export { exitCodes, type TrainingRankOptions } from './rank/run-training-rank.ts';
export { runTraining } from './rank/run-training.ts';
