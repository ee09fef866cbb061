/** Style sheets are bundled by esbuild; importing one has an effect and no value. */
declare module '*.css';
