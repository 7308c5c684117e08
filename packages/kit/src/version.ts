/** Of this build, as the CLI, the server, engines and workers say it; every package.json has the same (tools/version.test.ts). */
export const gantryVersion = '0.1.0';
