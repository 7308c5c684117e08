import type { MeterRecord } from '../metering/meter-record.ts';
import type { KeptBody } from './payload-tap.ts';

/** A sampled request with its answer, redacted: for whoever keeps payload logs. */
export interface PayloadRecord extends Pick<
  MeterRecord,
  'id' | 'tenantId' | 'principalId' | 'endpointId' | 'revisionId' | 'status' | 'requestMs'
> {
  readonly path: string;
  readonly request: KeptBody;
  readonly answer: KeptBody;
}
