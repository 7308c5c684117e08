/**
 * Readies a machine for its first replica: the engines' code is compiled into the cache that every worker reads, and
 * their libraries are read once, so that they lie in the page cache. Holds nothing when it has ended.
 */
import { openAddon } from '../llamacpp/prebuilt-binary.ts';
import { hostBinaries } from '../llamacpp/start-llama.ts';

export async function warmHost(): Promise<void> {
  await Promise.all([
    import('./run-engine-host.ts'),
    import('./llm-service.ts'),
    import('./tensor-service.ts'),
    import('../llamacpp/llama-engine.ts'),
    import('../paged/paged-engine.ts'),
    import('onnxruntime-node'),
  ]);
  for (const { folder } of hostBinaries()) openAddon(folder);
}
