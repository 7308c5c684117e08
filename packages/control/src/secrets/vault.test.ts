import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createVault, vaultKeyBytes } from './vault.ts';

const place = { tenantId: 'ten_1', name: 'token' };

describe('the vault', () => {
  const vault = createVault(randomBytes(vaultKeyBytes));

  it('gives a token that is the same for a name and no other, under this key only', () => {
    expect(vault.tokenFor('one')).toBe(vault.tokenFor('one'));
    expect(vault.tokenFor('one')).not.toBe(vault.tokenFor('other'));
    expect(createVault(randomBytes(vaultKeyBytes)).tokenFor('one')).not.toBe(vault.tokenFor('one'));
  });

  it('gives back what was sealed, and never seals the same twice', () => {
    const value = 'hunter2 ✓';
    const [one, two] = [vault.seal(place, value), vault.seal(place, value)];
    expect(one).not.toBe(two);
    expect(one).not.toContain('hunter2');
    expect([one, two].map((sealed) => vault.open(place, sealed))).toEqual([value, value]);
  });

  it.each([
    ['another tenant', { ...place, tenantId: 'ten_2' }, (sealed: string) => sealed],
    ['another name', { ...place, name: 'other' }, (sealed: string) => sealed],
    ['a changed byte', place, (sealed: string) => sealed.replace(/.{4}$/, 'AAAA')],
    ['a cut value', place, (sealed: string) => sealed.slice(0, 20)],
    ['another form', place, (sealed: string) => `v9.${sealed}`],
  ])('does not open for %s', (_, asked, change) => {
    const sealed = change(vault.seal(place, 'a value of some length'));
    expect(() => vault.open(asked, sealed)).toThrow('cannot be opened');
  });

  it('does not open with another key', () => {
    const sealed = vault.seal(place, 'value');
    expect(() => createVault(randomBytes(vaultKeyBytes)).open(place, sealed)).toThrow('cannot be opened');
  });
});
