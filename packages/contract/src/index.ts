export * from './common.ts';
export * from './errors.ts';
export * from './job.ts';
export * from './resources.ts';
export * from './routes.ts';
export * from './transitions.ts';
export * from './worker-report.ts';
