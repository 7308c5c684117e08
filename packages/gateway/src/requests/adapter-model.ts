/** `chat:legal` names the endpoint `chat` and its adapter `legal`; the engine knows whether there is one. */
export function splitModel(model: string): { readonly name: string; readonly adapter?: string } {
  const at = model.indexOf(':');
  return at === -1 ? { name: model } : { name: model.slice(0, at), adapter: model.slice(at + 1) };
}
