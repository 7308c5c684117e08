/** What this process itself uses, under the names every Prometheus client gives them. */
import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { MetricFamily } from '@gantry/kit';
import { counter, gauge } from './samples.ts';

export function createProcessFamilies(): () => readonly MetricFamily[] {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return [
      counter('process_cpu_seconds_total', 'Processor time of the server.', (user + system) / 1e6),
      gauge('process_resident_memory_bytes', 'Resident memory of the server.', rss),
      gauge('process_start_time_seconds', 'When the server started.', performance.timeOrigin / 1000),
      gauge('nodejs_heap_size_used_bytes', 'Heap in use.', heapUsed),
      gauge(
        'nodejs_eventloop_utilization',
        'Part of the time since the last look in which the event loop was busy.',
        utilization,
      ),
      ...openFiles(),
    ];
  };
}

function openFiles(): readonly MetricFamily[] {
  try {
    const { length } = readdirSync('/proc/self/fd');
    return [gauge('process_open_fds', 'Open file descriptors.', length)];
  } catch {
    return [];
  }
}
