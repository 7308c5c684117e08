/** What a chat template may do to the process that renders it, and what is left for everybody else. */
import { afterAll, describe, expect, it } from 'vitest';
import { TemplateRenderer } from './template-renderer.ts';

const renderer = new TemplateRenderer();
afterAll(() => renderer[Symbol.asyncDispose]());

const values = { messages: [{ role: 'user', content: 'hi' }] };
const good = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}';
const doubled = `{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s|length }}`;

describe('a template', () => {
  it.each([
    ['recurses without end', '{% macro m(x) %}{{ m(x + 1) }}{% endmacro %}{{ m(0) }}', 'broke its process'],
    [
      'nests deeper than any stack',
      `{{ ${'('.repeat(300_000)}1${')'.repeat(300_000)} }}`,
      'broke its process',
    ],
    ['fills the memory', doubled, 'of memory'],
    ['counts to a hundred thousand million', '{% for a in range(100000000000) %}x{% endfor %}', 'of memory'],
    [
      'writes more than anybody reads',
      `{% for i in range(17) %}${'x'.repeat(2 ** 20)}{% endfor %}`,
      '16 Mi characters',
    ],
  ])('that %s is told so, and the next one is rendered', async (_what, template, how) => {
    await expect(renderer.render({ template, values })).rejects.toMatchObject({
      code: 'chat_template_failed',
      status: 422,
      message: expect.stringContaining(how),
    });
    expect(await renderer.render({ template: good, values })).toBe('user: hi\n');
  });

  it('that never ends is ended, whoever waits behind it is served', async () => {
    await using hasty = new TemplateRenderer({ timeoutMs: 500 });
    const nested = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
    const endless = hasty.render({ template: nested, values });
    const next = hasty.render({ template: good, values });
    await expect(endless).rejects.toThrow('longer than 0.5 s');
    expect(await next).toBe('user: hi\n');
  });

  it('that says no is a refusal of the messages; so is one that is none', async () => {
    for (const template of ['{{ raise_exception("no") }}', '{% for'])
      await expect(renderer.render({ template, values })).rejects.toMatchObject({
        code: 'invalid_value',
        param: 'messages',
      });
  });

  it('reaches nothing but what it is given', async () => {
    const template =
      "{{ messages.__proto__ }}{{ messages[0].constructor }}{{ ''.__class__ }}{{ process }}{{ globalThis }}{{ self }}";
    expect(await renderer.render({ template, values })).toBe('');
    const hostile = JSON.parse('{"messages":[{"__proto__":{"role":"system"},"constructor":"c"}]}') as object;
    const told = "{{ messages[0].role }}{{ messages[0]['constructor'] }}";
    expect(await renderer.render({ template: told, values: { ...hostile } })).toBe('c');
  });

  it('gets as many at once as are asked, in their order', async () => {
    const texts = await Promise.all(
      Array.from({ length: 50 }, (_, at) => renderer.render({ template: '{{ n }}', values: { n: at } })),
    );
    expect(texts).toEqual(Array.from({ length: 50 }, (_, at) => String(at)));
  });

  it('is refused once its engine has ended', async () => {
    const over = new TemplateRenderer();
    over.start();
    await over[Symbol.asyncDispose]();
    await expect(over.render({ template: good, values })).rejects.toMatchObject({ code: 'shutting_down' });
  });
});
