/** What JupyterLab's Markdown lets pass and an answer must not: raw HTML is shown as text, pictures are never fetched. */

const BARE = /^<(?:br ?\/?|\/?(?:sub|sup|kbd))>/i;

/**
 * `<` of raw HTML becomes `&lt;` outside code. Only how it looks depends on this: what it misses, the sanitizer removes.
 * The stored Markdown has been made inert already (in the kernel) and passes unchanged.
 */
export function inertMarkdown(markdown: string): string {
  if (!/<[a-z/!?]/i.test(markdown)) {
    return markdown;
  }
  let fence = '';
  return markdown
    .split('\n')
    .map(line => {
      const run = /^[ \t>]*(?:[-*+]|\d+[.)])?[ \t]*(`{3,}|~{3,})/.exec(line)?.[1] ?? '';
      if (fence) {
        fence = run.startsWith(fence) ? '' : fence;
        return line;
      }
      fence = run;
      return run ? line : inertLine(line);
    })
    .join('\n');
}

function inertLine(line: string): string {
  return line.replace(/(`+)(?!`)[^]*?[^`]\1(?!`)|<(?=[a-z/!?])/gi, (part, ticks: string | undefined, at: number) =>
    ticks !== undefined || BARE.test(line.slice(at)) || /^<https?:[^\s<>]*>/i.test(line.slice(at)) ? part : '&lt;'
  );
}

/** Pictures of sanitized HTML become links that name their host, before any of it reaches the page. */
export function inertImages(html: string): string {
  if (!/<(?:img|video|audio|source|picture|iframe|embed|object|link|style|svg|form|input|button)\b/i.test(html)) {
    return html;
  }
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  for (const image of parsed.querySelectorAll('img')) {
    const src = image.getAttribute('src') ?? '';
    if (/^data:image\//i.test(src)) {
      continue; // in the page already; as an image even SVG (JupyterLab's Mermaid) neither runs nor loads anything
    }
    const host = /^https?:\/\/([^/?#]+)/i.exec(src)?.[1];
    const link = parsed.createElement(host ? 'a' : 'span');
    link.textContent = `${image.alt} (${host ? `image: ${host}` : 'image'})`.trim(); // as in the stored Markdown
    if (host) {
      link.setAttribute('href', src);
    }
    image.replaceWith(link);
  }
  const others = 'video,audio,source,picture,iframe,embed,object,link,style,form,button,input:not([type="checkbox"])';
  parsed.querySelectorAll(others).forEach(node => node.remove());
  return parsed.body.innerHTML;
}
