/** Containers whose shim died while no server was there to see it: a server that starts takes them away. */
import type { ContainerTool } from './container-tool.ts';
import { homeLabel } from './container-arguments.ts';
import { homeOf } from './container-home.ts';
import { removeContainer, runTool } from './run-tool.ts';

/** `isFollowed`: its shim lives, or its loss is being told; asked once the tool has listed what there is. */
export async function sweepContainers(
  tool: ContainerTool,
  workersDir: string,
  isFollowed: (workerId: string) => boolean,
): Promise<void> {
  const filter = `label=${homeLabel}=${homeOf(workersDir)}`;
  const { stdout } = await runTool(tool.path, ['ps', '--all', '--filter', filter, '--format', '{{.Names}}']);
  for (const name of stdout.split('\n').filter(Boolean))
    if (!isFollowed(name)) await removeContainer(tool, name);
}
