export {
  checkClassifier,
  classifierLayout,
  sampleShape,
  type ClassifierConfig,
  type ClassifierInput,
} from './classifier-config.ts';
export { classifierGraph } from './classifier-graph.ts';
