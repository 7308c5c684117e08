import type { OipPath } from './parse-oip.ts';

/** What goes over the wire to a replica that knows the model as `model`. */
export interface UpstreamCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | null;
}

/** What a request of the Open Inference Protocol asks, for servers that are asked otherwise. */
export interface OipWish extends OipPath {
  readonly isBinary: boolean;
}

/** A request for a model in any dialect, as far as choosing, limiting and relaying need to know it. */
export interface InferenceRequest {
  readonly model: string;
  /** One version only, whatever the traffic split says. */
  readonly modelVersion: string | undefined;
  readonly isStream: boolean;
  /** The gateway asks for the usage frame that the client did not ask for; it must not reach the client. */
  readonly stripUsage: boolean;
  /** A stream of this dialect says `[DONE]`; one that ends without it was cut off. */
  readonly endsWithDone: boolean;
  /** Equal requests have equal answers. */
  readonly isDeterministic: boolean;
  /** The parsed body, for its prompt; empty where the body is not looked into. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly bytes: Buffer;
  /** Rough: four bytes a token. For load and reservation until the engine has counted. */
  readonly promptTokensEstimate: number;
  readonly maxTokens: number | undefined;
  /** OpenAI's `user`: sticks a person to an arm of a split. */
  readonly user: string | undefined;
  readonly oip?: OipWish;
  /** It continues what earlier requests with this id began: whoever took those keeps their state. */
  readonly sequence?: string;
  /** Called with the whole answer, or with the last frame of a stream that carries it. */
  readonly keep?: (answer: Buffer) => void;
  /** `version`: one that the server counts itself. */
  toUpstream(model: string, version?: string): UpstreamCall;
}
