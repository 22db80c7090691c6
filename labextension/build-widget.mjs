// Builds the widget's code into the Python package: widget.js (the view), tex.js (formulas), stub.js (each answer's), library.js (each kernel's).
import { build } from 'esbuild';

const common = { format: 'esm', target: 'es2022', minify: true, legalComments: 'none', outdir: '../claude_jupyter/display/static' };
await build({ ...common, entryPoints: { widget: 'src/widget/index.ts', tex: 'src/widget/tex.ts' }, bundle: true, loader: { '.css': 'text' } });
await build({ ...common, entryPoints: ['src/widget/stub.js', 'src/widget/library.js'] });
