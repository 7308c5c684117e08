export { exitCodes, runTrainingRank, type TrainingRankOptions } from './rank/run-training-rank.ts';
