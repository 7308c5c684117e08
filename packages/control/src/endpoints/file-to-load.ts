/** Which file of a version a server loads that takes one file, as llama-server does, and no folder. */
const loadable = ['.gguf', '.onnx', '.plan'];

/** Undefined where the files are a folder's together, like safetensors with their config. */
export function fileToLoad(paths: readonly string[]): string | undefined {
  for (const ending of loadable) {
    const found = paths.find((path) => path.endsWith(ending));
    if (found !== undefined) return found;
  }
  return paths.length === 1 ? paths[0] : undefined;
}
