/** One language model behind OpenAI's dialect, in a process of its own. */
import { LlmService, type LlmServiceOptions } from './llm-service.ts';
import { serveEngine, type EngineServer, type ListenOptions } from './engine-server.ts';

export type ServeLlmOptions = ListenOptions & LlmServiceOptions;
export type LlmServer = EngineServer;

export async function serveLlm(options: ServeLlmOptions): Promise<LlmServer> {
  return serveEngine(new LlmService(options), options);
}
