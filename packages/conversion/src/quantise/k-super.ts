/** Values of a block of any K format (ggml's QK_K). */
export const superValues = 256;
