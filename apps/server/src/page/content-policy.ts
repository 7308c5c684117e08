import { createHash } from 'node:crypto';

/**
 * Nothing runs on the page but the script and the styles that it came with: a name that somebody gave a job cannot
 * become code beside an operator's key. https://www.w3.org/TR/CSP3/#source-list-syntax
 */
export function contentPolicy(html: string): string {
  const hashes = (tag: string): string =>
    [...html.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, 'g'))]
      .map(
        (match) =>
          `'sha256-${createHash('sha256')
            .update(match[1] ?? '')
            .digest('base64')}'`,
      )
      .join(' ');
  return [
    "default-src 'none'",
    `script-src ${hashes('script')}`,
    `style-src ${hashes('style')}`,
    // Widths of progress bars.
    "style-src-attr 'unsafe-inline'",
    "connect-src 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}
