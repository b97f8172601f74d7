// Charts as SVG, and the table of their figures in a page. Pure.
export * from './draw-bars.ts';
export * from './fill-page.ts';
export * from './scale.ts';
