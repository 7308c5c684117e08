import { describe, expect, it } from 'vitest';
import { containerMounts } from './container-mounts.ts';

const hidden = ['/srv/gantry', '/home/ann/.config/gantry'];
const links: Readonly<Record<string, string>> = {
  '/tmp/innocent': '/srv/gantry/keys',
  '/corpus': '/data/corpus',
};
const real = (path: string): string | undefined => (path === '/gone' ? undefined : (links[path] ?? path));
const mount = (source: string) => ({ source, target: '/in', readOnly: true });
const of = (source: string) => containerMounts([mount(source)], hidden, real);

describe('a volume of a container', () => {
  it('is bound where it really lies', () => {
    expect(of('/corpus')).toEqual({ mounts: [mount('/data/corpus')], covers: [] });
  });
  it('of the server’s own making is bound', () => {
    expect(of('/srv/gantry/volumes/t1/corpus')).toMatchObject({ covers: [] });
  });
  it.each(['/tmp/innocent', '/srv/gantry', '/gone'])(
    'that leads to the server’s own files or nowhere is refused: %s',
    (source) => {
      expect(of(source)).toEqual({ refused: source });
    },
  );
  it('of the server’s own making with a link in it is refused', () => {
    const linked = (path: string) => (path.endsWith('/volumes/t1/corpus') ? '/srv/gantry/keys' : path);
    expect(containerMounts([mount('/srv/gantry/volumes/t1/corpus')], hidden, linked)).toHaveProperty(
      'refused',
    );
  });
  it('that holds the server’s own folders has them covered', () => {
    expect(of('/home/ann')).toMatchObject({ covers: ['/in/.config/gantry'] });
    expect(of('/')).toMatchObject({ covers: ['/in/srv/gantry', '/in/home/ann/.config/gantry'] });
  });
});
