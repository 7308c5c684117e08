import { createHash } from 'node:crypto';
import { Script } from 'node:vm';
import { expect, test } from 'vitest';
import { contentPolicy } from './content-policy.ts';
import { createPage } from './index.ts';

test('the page needs nothing from elsewhere, and nothing but its own script may run in it', async () => {
  const html = await createPage();
  expect(html).not.toMatch(/(src|href)=|https?:\/\/(?!www\.w3\.org)|@import|url\(/);
  const script = /<script type="module">([\s\S]*)<\/script>/.exec(html)?.[1] ?? '';
  // It has no top-level await: it parses as a function body too.
  expect(() => new Script(`(async () => {${script}})`)).not.toThrow();
  const policy = contentPolicy(html);
  const hash = createHash('sha256').update(script).digest('base64');
  expect(policy).toContain(`script-src 'sha256-${hash}';`);
  expect(policy).toContain("default-src 'none'");
});
