/** Carried by a machine that runs containers, as `yes`; work with an image is placed on such machines only. */
export const CONTAINERS_LABEL = 'gantry.dev/containers';
