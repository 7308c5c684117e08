/** What a rule can ask about; the table is the documentation. */
interface Field {
  readonly type: 'number' | 'text' | 'yes or no';
  readonly means: string;
}

const number = (means: string): Field & { type: 'number' } => ({ type: 'number', means });
const text = (means: string): Field & { type: 'text' } => ({ type: 'text', means });

export const FIELDS = {
  priority: number('as submitted'),
  devices: number('of all members together'),
  members: number('of the whole gang'),
  waited: number('seconds since it was submitted, without the time it ran'),
  runtime: number('seconds it is expected to run; 0 = unknown'),
  preemptions: number('how often it was evicted so far'),
  preemptible: { type: 'yes or no', means: 'as submitted' },
  user: text('who submitted it'),
  name: text('of the job'),
  queue: text('its name'),
  device_model: text('the model it asks for; "" = any'),
  hour: number('of the day, 0 to 23, UTC'),
  weekday: number('1 = Monday to 7 = Sunday, UTC'),
  load: number('part of the devices in use, 0 to 1'),
  waiting: number('how many workloads wait'),
} as const satisfies Record<string, Field>;

export type FieldName = keyof typeof FIELDS;
type ValueOf = { number: number; text: string; 'yes or no': boolean };
export type RuleFacts = { readonly [Name in FieldName]: ValueOf[(typeof FIELDS)[Name]['type']] };
