/**
 * What drift of an endpoint is seen by in one sampled request: its prompt and answer as points, its tensors in and out
 * as numbers and kinds. Worked out after the client has its answer; no text and no tensor is kept.
 */
import { binaryHeader } from '@gantry/contract/foreign/oip';
import { sketchTensor, sketchText, type DriftSample, type Sketch } from '@gantry/serving';
import type { IncomingHttpHeaders } from 'node:http';
import type { MeterRecord } from '../metering/meter-record.ts';
import { newestText } from '../requests/prompt-text.ts';
import type { InferenceRequest } from '../requests/inference-request.ts';
import { embeddingPoint, saidText } from './said-text.ts';
import { readTensors } from './read-tensors.ts';

export interface SketchedRequest {
  readonly endpointId: string;
  readonly revisionId: string;
  readonly sample: DriftSample;
}

const textChars = 512;
/** Of an answer that streams: its beginning says enough. */
const keptBytes = 16 * 1024;

export class RequestSketch {
  readonly #request: InferenceRequest;
  readonly #headers: IncomingHttpHeaders;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #whole: { readonly body: Buffer; readonly headers: IncomingHttpHeaders } | undefined;

  constructor(request: InferenceRequest, headers: IncomingHttpHeaders) {
    this.#request = request;
    this.#headers = headers;
  }

  /** An answer begins, perhaps of another replica than the one that was heard so far. */
  begin(): void {
    this.#chunks = [];
    this.#bytes = 0;
  }

  hear(chunk: Buffer): void {
    if (this.#bytes >= keptBytes) return;
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
  }

  hearWhole(body: Buffer, headers: IncomingHttpHeaders): void {
    this.#whole = { body, headers };
  }

  read({ promptTokens, completionTokens, status }: MeterRecord, draw: () => number): DriftSample {
    const sketch: Sketch = {
      numbers: { promptTokens, completionTokens },
      kinds: { outcome: status < 400 ? 'answered' : status < 500 ? 'refused' : 'failed' },
      points: {},
    };
    const { bytes, fields, oip } = this.#request;
    const isAnswered = status < 400;
    if (oip?.verb === 'infer') {
      const { body, headers = {} } = isAnswered ? (this.#whole ?? {}) : {};
      const inputs = readTensors(bytes, this.#headers[binaryHeader], 'inputs');
      const outputs = body && readTensors(body, headers[binaryHeader], 'outputs');
      for (const tensor of inputs.tensors) sketchTensor(sketch, 'input', tensor, draw());
      for (const tensor of outputs?.tensors ?? []) sketchTensor(sketch, 'output', tensor, draw());
      const isPartlyRead = inputs.isPartial || outputs?.isPartial === true;
      return isPartlyRead ? { ...sketch, isPartlyRead } : sketch;
    }
    const prompt = sketchText(newestText(fields, textChars));
    if (prompt !== undefined) sketch.points['prompt'] = prompt;
    const answer = isAnswered ? this.#answerPoint() : undefined;
    if (answer !== undefined) sketch.points['answer'] = answer;
    return sketch;
  }

  #answerPoint(): Float32Array | undefined {
    const said = this.#whole?.body ?? Buffer.concat(this.#chunks);
    return embeddingPoint(said) ?? sketchText(saidText(said.subarray(0, keptBytes), textChars));
  }
}
