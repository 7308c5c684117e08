/** Variables that say who a rank is (worker-environment.ts): no secret may take their place. */
const names = new Set(
  'RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE NODE_RANK GROUP_RANK MASTER_ADDR MASTER_PORT TF_CONFIG'.split(
    ' ',
  ),
);

export const isPlatformVariable = (name: string): boolean =>
  names.has(name) || /^(GANTRY|PET|CUDA)_/.test(name);
